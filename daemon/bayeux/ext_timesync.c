/*
 * The time synchronisation extension: the last measurements of the server's clock. They
 * are kept relative to the monotonic clock, so that setting the time of day does not
 * invalidate them; the reported offset is relative to the time of day. Only the answer
 * to the last request is a measurement, and implausible numbers are ignored.
 */
#include "bayeux/ext_timesync.h"

#include "protocol/json_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* measurements that are remembered, as CometD's own clients do */
#define SAMPLES 10u
/* the server's hold time may exceed the measured time by this much, else the numbers are implausible */
#define TOLERANCE_MS 100u
/* the largest integer that a double represents exactly; a larger time is invalid */
#define TIME_MAX_MS (1ull << 53)

struct sample {
	int64_t ahead;          /* the server's clock, relative to ours that only runs */
	uint64_t lag;           /* one way */
};

struct ext_timesync {
	struct ext ext;
	struct ext_time sent;           /* of the last request that asked; valid with asked */
	bool asked;
	struct sample fresh;            /* of the reply at hand; valid with measured */
	bool measured;
	struct sample samples[SAMPLES];
	unsigned n, next;
};

static struct ext_timesync *timesync_of(struct ext *x)
{
	return LIST_OF(x, struct ext_timesync, ext);
}

/* ---- what is known ---- */

/* The way that took the least time leaves the least doubt about when the server looked. */
static const struct sample *best_of(const struct ext_timesync *t)
{
	const struct sample *best = &t->samples[0];
	for (unsigned i = 1; i < t->n; i++)
		if (t->samples[i].lag < best->lag)
			best = &t->samples[i];
	return best;
}

void ext_timesync_estimate(const struct ext *x, struct ext_time at, struct session_timesync *ret)
{
	const struct ext_timesync *t = LIST_OF(x, const struct ext_timesync, ext);
	uint64_t lags = 0;
	*ret = (struct session_timesync){.samples = t->n};
	if (t->n == 0)
		return;
	for (unsigned i = 0; i < t->n; i++)
		lags += t->samples[i].lag;
	ret->lag = (lags + t->n / 2) / t->n;
	ret->offset = best_of(t)->ahead - (int64_t)(at.unix_ms - at.now);
}

static void remember(struct ext_timesync *t, const struct sample *sample)
{
	t->samples[t->next] = *sample;
	t->next = (t->next + 1) % SAMPLES;
	if (t->n < SAMPLES)
		t->n++;
}

/* ---- out ---- */

static int outgoing(struct ext *x, const struct ext_request *request, struct buf *out)
{
	struct ext_timesync *t = timesync_of(x);
	struct session_timesync known;
	if (request->kind != REQUEST_HANDSHAKE && request->kind != REQUEST_CONNECT)
		return 0;
	ext_timesync_estimate(x, request->at, &known);
	int r = buf_printf(out, "{\"tc\":%" PRIu64 ",\"l\":%" PRIu64 ",\"o\":%" PRId64 "}",
			   request->at.unix_ms, known.lag, known.offset);
	if (r)
		return r;
	t->sent = request->at;
	t->asked = true;
	return 0;
}

/* ---- in ---- */

/* Whether the numbers of an answer that came at `now` make sense. */
static bool measure(const struct ext_timesync *t, uint64_t now, uint64_t ts, uint64_t held,
		    struct sample *ret)
{
	uint64_t took = now - t->sent.now;
	if (ts > TIME_MAX_MS || held > took + TOLERANCE_MS)
		return false;
	/* both clocks tick in whole ms, and not at quite the same rate */
	ret->lag = held < took ? (took - held) / 2 : 0;
	ret->ahead = (int64_t)ts - (int64_t)(t->sent.now + ret->lag);
	return true;
}

static int read_answer(struct ext_timesync *t, const struct envelope *e, uint64_t now)
{
	struct json_field f[] = {{.name = "tc"}, {.name = "ts"}, {.name = "p"}};
	struct json_value v;
	uint64_t tc, ts, held;
	int r = json_read_member(e->ext, "timesync", &v);
	if (r < 0 || v.kind != JSON_OBJECT)
		return r;
	r = json_read_object(v.raw, f, 3, false, NULL);
	if (r < 0)
		return r;
	if (r == 0 && t->asked && json_u64(&f[0].value, &tc) == 0 && tc == t->sent.unix_ms &&
	    json_u64(&f[1].value, &ts) == 0 && json_u64(&f[2].value, &held) == 0)
		t->measured = measure(t, now, ts, held, &t->fresh);
	return 0;
}

static int incoming(struct ext *x, enum ext_moment moment, const struct envelope *e,
		    struct ext_time at)
{
	struct ext_timesync *t = timesync_of(x);
	t->measured = false;
	if (moment != EXT_HANDSHAKE_REPLY && moment != EXT_CONNECT_REPLY)
		return 0;
	return read_answer(t, e, at.now);
}

static void accepted(struct ext *x, enum ext_moment moment, const struct envelope *e)
{
	struct ext_timesync *t = timesync_of(x);
	(void)e;
	if (!t->measured)
		return;
	/* from here on another machine may answer, with a clock of its own */
	if (moment == EXT_HANDSHAKE_REPLY)
		t->n = t->next = 0;
	remember(t, &t->fresh);
	t->measured = t->asked = false;
}

static void timesync_free(struct ext *x)
{
	free(timesync_of(x));
}

static const struct ext_ops ops = {
	.key = "timesync", .outgoing = outgoing, .incoming = incoming, .accepted = accepted,
	.free = timesync_free,
};

int ext_timesync_new(struct ext **ret)
{
	struct ext_timesync *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->ext.ops = &ops;
	list_init(&t->ext.link);
	*ret = &t->ext;
	return 0;
}
