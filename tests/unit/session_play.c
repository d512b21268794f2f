/*
 * Plays scripts (see session_play.h): writes events and batches of the session as lines,
 * and executes the lines of the script. Uses only the public interface of the session.
 */
#include "tests/unit/session_play.h"

#include "tests/unit/session_restart.h"
#include "tests/unit/testing.h"

#include <inttypes.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define LINES 64
#define LINE 8192

struct player {
	struct session_options options; /* of the present session */
	struct session *s;
	uint64_t now, start, peer;
	uint64_t unix_ahead;            /* time of day - now */
	struct restart_wants wants;
	const char *line;               /* of the script, for messages */
	char out[LINES][LINE];          /* from the session and not expected yet */
	unsigned first, n;
	uint64_t batch[SESSION_LANES];  /* last on each lane */
	bool open[SESSION_LANES];       /* an HTTP exchange is under way there */
	unsigned commands;              /* the lane of the last batch that was no connect */
	struct buf text;
};

static void push(struct player *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void push(struct player *p, const char *format, ...)
{
	va_list args;
	if (p->n == LINES)
		fail_msg("%s: too many lines", p->line);
	va_start(args, format);
	vsnprintf(p->out[(p->first + p->n++) % LINES], LINE, format, args);
	va_end(args);
}

/* ---- lines of the session ---- */

static void say_state(struct player *p)
{
	struct session_info info;
	session_info(p->s, &info);
	push(p, "state %s%s%s%.*s", session_state_name(info.state), info.gap ? " gap" : "",
	     info.reason.n ? ": " : "", SLICE_ARG(info.reason));
}

static void say_period(struct player *p)
{
	struct session_info info;
	session_info(p->s, &info);
	push(p, "period %s of %" PRIu64 " ms, tries %" PRIu64 ", losses %" PRIu64,
	     session_state_name(info.state), p->now - info.since, info.tries, info.losses);
}

static void say_abort(struct player *p, uint64_t batch)
{
	bool known = false;
	if (batch == 0) {
		push(p, "abort all");
		memset(p->open, 0, sizeof(p->open));
		return;
	}
	for (int lane = 0; lane < SESSION_LANES; lane++)
		if (p->batch[lane] == batch) {
			push(p, "abort %s", lane ? "command" : "connect");
			p->open[lane] = false;
			known = true;
		}
	if (!known)
		fail_msg("%s: aborts an unknown batch", p->line);
}

static void say_event(struct player *p, const struct session_event *e)
{
	static const char *const outcomes[] = {"ok", "refused", "not-sent", "unknown",
					       "too-large", "timeout"};
	static const char *const statuses[] = {"none", "pending", "active", "refused"};
	struct slice data;
	switch (e->kind) {
	case SESSION_EVENT_MESSAGE:
		push(p, "message %.*s %.*s", SLICE_ARG(e->channel), SLICE_ARG(e->envelope->data));
		break;
	case SESSION_EVENT_OUTCOME:
		data = e->envelope ? e->envelope->data : SLICE_NULL;
		push(p, "outcome %u %s%s%.*s%s%.*s", (unsigned)e->cookie, outcomes[e->outcome],
		     e->text.n ? ": " : "", SLICE_ARG(e->text), data.n ? " " : "",
		     SLICE_ARG(data));
		break;
	case SESSION_EVENT_CHANNEL:
		push(p, "channel %.*s %s%s%.*s", SLICE_ARG(e->channel), statuses[e->status],
		     e->text.n ? ": " : "", SLICE_ARG(e->text));
		break;
	case SESSION_EVENT_STATE:
		say_state(p);
		break;
	case SESSION_EVENT_ABORT:
		say_abort(p, e->batch);
		break;
	case SESSION_EVENT_NOTE:
		push(p, "note %.*s", SLICE_ARG(e->text));
		break;
	case SESSION_EVENT_LOST:
		push(p, "lost %s%s%.*s: %.*s",
		     e->loss == SESSION_LOSS_TOO_LARGE ? "too-large" : "unreadable",
		     e->channel.n ? " " : "", SLICE_ARG(e->channel), SLICE_ARG(e->text));
		break;
	case SESSION_EVENT_UNAUTHORIZED:
		push(p, "unauthorized%s%.*s", e->text.n ? ": " : "", SLICE_ARG(e->text));
		break;
	}
}

static void tell_events(struct player *p)
{
	struct session_event e;
	int r;
	while ((r = session_next(p->s, p->now, &e)) == 0)
		say_event(p, &e);
	assert_int_equal(r, SESSION_E_NONE);
}

static size_t occurrences(struct slice text, const char *part)
{
	size_t n = 0;
	for (const char *at; (at = memmem(text.p, text.n, part, strlen(part))); n++)
		text = slice_drop(text, (size_t)(at - text.p) + strlen(part));
	return n;
}

/* The content of a batch matches its kind. */
static void check_kind(struct player *p, const struct session_batch *b, struct slice text)
{
	size_t all = occurrences(text, "{\"channel\":");
	size_t subscribes = occurrences(text, "{\"channel\":\"/meta/subscribe\"");
	size_t channels = subscribes + occurrences(text, "{\"channel\":\"/meta/unsubscribe\"");
	bool right = true;
	if (b->kind == SESSION_BATCH_SUBSCRIBE)
		right = subscribes == all;
	else if (b->kind == SESSION_BATCH_UNSUBSCRIBE)
		right = channels == all && subscribes == 0;
	else if (b->kind == SESSION_BATCH_CHANNELS)
		right = channels == all && subscribes && subscribes < all;
	else if (b->kind == SESSION_BATCH_PUBLISH)
		right = channels == 0;
	else if (b->kind == SESSION_BATCH_MIXED)
		right = channels && channels < all;
	if (!right || b->requests != all)
		fail_msg("%s: kind %d, %zu requests: %.*s", p->line, b->kind, b->requests,
			 SLICE_ARG(text));
}

static void say_batch(struct player *p, const struct session_batch *b, struct slice text)
{
	static const char *const kinds[] = {
		[SESSION_BATCH_HANDSHAKE] = "handshake", [SESSION_BATCH_CONNECT] = "connect",
		[SESSION_BATCH_DISCONNECT] = "disconnect", [SESSION_BATCH_MIXED] = NULL,
	};
	const char *kind = kinds[b->kind];
	char url[24] = "";
	if (b->url)
		snprintf(url, sizeof(url), "@%u", (unsigned)b->url);
	push(p, "%s %s%s %.*s", kind ? kind : "commands", session_transport_name(b->transport),
	     url, SLICE_ARG(text));
	check_kind(p, b, text);
	if (b->transport == SESSION_LONG_POLLING) {
		if (p->open[b->lane])
			fail_msg("%s: lane %d is busy: %.*s", p->line, b->lane, SLICE_ARG(text));
		p->open[b->lane] = true;
	}
	p->batch[b->lane] = b->id;
	if (b->lane != SESSION_LANE_CONNECT)
		p->commands = b->lane;
}

static void pull(struct player *p)
{
	struct session_batch b;
	struct buf out;
	int r;
	buf_init(&out, 1 << 20);
	tell_events(p);
	while ((r = session_take_batch(p->s, p->now, &out, &b)) == 0) {
		say_batch(p, &b, buf_slice(&out));
		buf_clear(&out);
		tell_events(p);
	}
	assert_int_equal(r, SESSION_E_NONE);
	buf_fini(&out);
}

/* ---- lines of the script ---- */

/* the next word of *line, which advances past it */
static struct slice word(const char **line)
{
	while (**line == ' ')
		++*line;
	const char *start = *line;
	while (**line && **line != ' ')
		++*line;
	return slice_make(start, (size_t)(*line - start));
}

static uint64_t number(const char **line)
{
	return strtoull(word(line).p, NULL, 10);
}

static unsigned lane_word(struct player *p, const char **line)
{
	struct slice name = word(line);
	if (slice_eq(name, SLICE("commands")))
		return SESSION_LANE_COMMAND;
	if (slice_starts(name, SLICE("call")))
		return SESSION_LANE_CALL + (unsigned)(name.p[4] - '1');
	return slice_eq(name, SLICE("command")) ? p->commands : SESSION_LANE_CONNECT;
}

/* the rest of the line with its quotation marks, until the next turn */
static struct slice text(struct player *p, const char *line)
{
	while (*line == ' ')
		line++;
	buf_clear(&p->text);
	for (; *line; line++)
		assert_int_equal(buf_putc(&p->text, *line == '\'' ? '"' : *line), 0);
	return buf_slice(&p->text);
}

static void publish(struct player *p, const char *line, bool call)
{
	char channel[128], data[1024], ext[256] = "";
	unsigned cookie, ms;
	struct slice all = text(p, line);
	char copy[2048];
	snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(all));
	assert_true(sscanf(copy, "%u %127s %u %1023s %255s",
	&cookie, channel, &ms, data, ext) >= 4);
	int r = session_publish(p->s, p->now, slice_of(channel), slice_of(data),
				*ext ? slice_of(ext) : SLICE_NULL, call, p->now + ms,
				p->peer, cookie);
	if (r == SESSION_E_FULL)
		push(p, "full");
	else if (r == SESSION_E_TOO_LARGE)
		push(p, "too large");
	else
		assert_int_equal(r, 0);
}

static struct session_failure failure(const char *line)
{
	struct session_failure f = {.reason = SLICE("cut")};
	for (struct slice w; (w = word(&line)).n;) {
		if (slice_eq(w, SLICE("broken")))
			f.kind = SESSION_BROKEN;
		else if (slice_eq(w, SLICE("too-large")))
			f.kind = SESSION_TOO_LARGE;
		else if (slice_eq(w, SLICE("unsupported")))
			f.unsupported = true;
		else if (slice_starts(w, SLICE("status=")))
			f.http_status = (unsigned)atoi(w.p + 7);
		else if (slice_starts(w, SLICE("retry=")))
			f.retry_after = (uint64_t)atoi(w.p + 6);
		else if (!slice_eq(w, SLICE("not-sent")))
			fail_msg("what failure is %s?", line);
	}
	return f;
}

/* in one piece, with or without its end */
static void feed(struct player *p, uint64_t batch, struct slice t, bool end)
{
	assert_int_equal(session_feed(p->s, p->now, batch, t), 0);
	if (end && batch)
		session_batch_end(p->s, p->now, batch);
	else if (end)
		session_text_end(p->s, p->now);
	tell_events(p);
}

/* Ticks at each deadline until `target`, or until something came out if `until_output`. */
static void pass_time(struct player *p, uint64_t ms, bool until_output)
{
	uint64_t target = p->now + ms, before = p->now;
	for (unsigned still = 0; p->now <= target;) {
		uint64_t at = session_deadline(p->s);
		if (at > target)
			break;
		still = at > p->now ? 0 : still + 1;
		if (still > 20)
			fail_msg("%s: the clock stands still", p->line);
		p->now = at > p->now ? at : p->now;
		unsigned n = p->n;
		session_tick(p->s, p->now);
		pull(p);
		if (until_output && p->n > n) {
			/* the elapsed time comes first */
			push(p, "+%u", (unsigned)(p->now - before));
			char line[LINE];
			memcpy(line, p->out[(p->first + p->n - 1) % LINES], LINE);
			for (unsigned i = p->n - 1; i > n; i--)
				memcpy(p->out[(p->first + i) % LINES],
				       p->out[(p->first + i - 1) % LINES], LINE);
			memcpy(p->out[(p->first + n) % LINES], line, LINE);
			return;
		}
	}
	p->now = target;
}

static void act_on_lane(struct player *p, struct slice verb, const char *rest)
{
	unsigned lane = lane_word(p, &rest);
	uint64_t batch = p->batch[lane];
	if (slice_eq(verb, SLICE("fail"))) {
		struct session_failure f = failure(rest);
		p->open[lane] = false;
		session_batch_failed(p->s, p->now, batch, &f);
		return;
	}
	bool end = !slice_eq(verb, SLICE("late"));
	if (end)
		p->open[lane] = false;
	if (slice_eq(verb, SLICE("end")))
		session_batch_end(p->s, p->now, batch);
	else
		feed(p, batch, text(p, rest), end);
}

static void succeed(struct player *p, const char *line)
{
	struct session_options *o = &p->options;
	struct slice channel = word(&line);
	struct session *before = p->s;

	if (*line)
		o->urls += number(&line);
	assert_int_equal(session_new(o, (struct wake){0}, &p->s), 0);
	assert_int_equal(session_want(p->s, channel, p->peer), 0);
	restart_wants(&p->wants, channel);
	session_succeed(p->s, before);
	session_free(before);
}

/* Another session goes on with what this one saved, after `ms`. */
static void restart(struct player *p, uint64_t ms, bool exact)
{
	struct buf saved;
	uint64_t until;

	buf_init(&saved, SESSION_SNAPSHOT_MAX);
	int r = session_save(p->s, p->now, &saved, &until);
	session_free(p->s);
	memset(p->open, 0, sizeof(p->open));
	p->wants.n = 0;
	p->now += ms;
	assert_int_equal(session_new(&p->options, (struct wake){0}, &p->s), 0);
	session_wall_clock(p->s, p->now, p->now + p->unix_ahead);
	if (r)
		push(p, "nothing to go on with");
	else if (session_restore(p->s, p->now, buf_slice(&saved), exact))
		push(p, "not resumable");
	buf_fini(&saved);
}

static void act(struct player *p, const char *line)
{
	const char *rest = line;
	struct slice verb = word(&rest);
	if (slice_eq(verb, SLICE("start"))) {
		session_start(p->s, p->now);
	} else if (slice_eq(verb, SLICE("heard"))) {
		session_bytes_arrived(p->s, p->now,
			      strstr(rest, "websocket") ? 0 : p->batch[lane_word(p, &rest)]);
	} else if (slice_eq(verb, SLICE("stop"))) {
		if (*rest)
			session_stop_because(p->s, p->now, text(p, rest));
		else
			session_stop(p->s, p->now);
	} else if (slice_eq(verb, SLICE("probe"))) {
		session_probe(p->s, p->now);
	} else if (slice_eq(verb, SLICE("period"))) {
		say_period(p);
	} else if (slice_eq(verb, SLICE("authorized"))) {
		session_authorized(p->s, p->now);
	} else if (slice_eq(verb, SLICE("not-yet"))) {
		session_not_yet_authorized(p->s, p->now, text(p, rest));
	} else if (slice_eq(verb, SLICE("clock"))) {
		p->unix_ahead = number(&rest) - p->now;
		session_wall_clock(p->s, p->now, p->now + p->unix_ahead);
	} else if (slice_eq(verb, SLICE("peer"))) {
		p->peer = number(&rest);
	} else if (slice_eq(verb, SLICE("left"))) {
		session_peer_left(p->s, number(&rest));
	} else if (slice_eq(verb, SLICE("want"))) {
		assert_int_equal(session_want(p->s, text(p, rest), p->peer), 0);
		restart_wants(&p->wants, text(p, rest));
	} else if (slice_eq(verb, SLICE("restart")) || slice_eq(verb, SLICE("killed"))) {
		restart(p, number(&rest), verb.p[0] == 'r');
	} else if (slice_eq(verb, SLICE("leave"))) {
		session_leave(p->s, p->now);
	} else if (slice_eq(verb, SLICE("hold"))) {
		session_hold_ack(p->s, session_delivered(p->s));
	} else if (slice_eq(verb, SLICE("release"))) {
		session_hold_ack(p->s, UINT64_MAX);
	} else if (slice_eq(verb, SLICE("succeed"))) {
		succeed(p, rest);
	} else if (slice_eq(verb, SLICE("again"))) {
		session_ask_again(p->s, text(p, rest));
	} else if (slice_eq(verb, SLICE("unwant"))) {
		session_unwant(p->s, text(p, rest));
		restart_unwants(&p->wants, text(p, rest));
	} else if (slice_eq(verb, SLICE("publish")) || slice_eq(verb, SLICE("call"))) {
		publish(p, rest, verb.p[0] == 'c');
	} else if (slice_eq(verb, SLICE("frame"))) {
		feed(p, 0, text(p, rest), true);
	} else if (slice_eq(verb, SLICE("part"))) {
		feed(p, 0, text(p, rest), false);
	} else if (slice_eq(verb, SLICE("closed"))) {
		struct session_failure f = failure(rest);
		session_closed(p->s, p->now, &f);
	} else if (slice_eq(verb, SLICE("wait")) || slice_eq(verb, SLICE("sleep"))) {
		pass_time(p, number(&rest), verb.p[0] == 's');
	} else {
		act_on_lane(p, verb, rest);
	}
	pull(p);
}

/* ---- comparing ---- */

/* "%" in the pattern matches any text, "'" a quotation mark */
static bool matches(const char *pattern, const char *s)
{
	for (; *pattern != '%'; pattern++, s++) {
		char want = *pattern == '\'' ? '"' : *pattern;
		if (want != *s)
			return false;
		if (!want)
			return true;
	}
	for (;; s++) {
		if (matches(pattern + 1, s))
			return true;
		if (!*s)
			return false;
	}
}

static bool is_expected(const char *pattern, const char *s)
{
	unsigned from, to, n;
	if (sscanf(pattern, "+%u..%u", &from, &to) == 2)
		return sscanf(s, "+%u", &n) == 1 && n >= from && n <= to;
	return matches(pattern, s);
}

static void expect(struct player *p, const char *pattern)
{
	while (*pattern == ' ')
		pattern++;
	if (p->n == 0)
		fail_msg("after \"%s\":\nexpected %s\nbut nothing came", p->line, pattern);
	if (!is_expected(pattern, p->out[p->first]))
		fail_msg("after \"%s\":\nexpected %s\nbut got  %s", p->line, pattern,
			 p->out[p->first]);
	p->first = (p->first + 1) % LINES;
	p->n--;
}

static void expect_no_more(struct player *p)
{
	if (p->n)
		fail_msg("after \"%s\":\nunexpected %s", p->line, p->out[p->first]);
}

void play_options(struct session_options *o)
{
	session_options_default(o);
	o->transports[0] = SESSION_LONG_POLLING;
	o->n_transports = 1;
	o->ack = false;
	o->replay = SESSION_REPLAY_OFF;
	o->seed = 4711;
}

void play(const struct session_options *o, const char *const *script)
{
	struct player *p = calloc(1, sizeof(*p));
	assert_non_null(p);
	p->options = *o;
	p->now = p->start = 1000000;
	buf_init(&p->text, 1 << 20);
	assert_int_equal(session_new(o, (struct wake){0}, &p->s), 0);
	for (; *script; script++) {
		if (**script == '<') {
			expect(p, *script + 1);
			continue;
		}
		expect_no_more(p);
		p->line = *script;
		act(p, *script + 1);
		restart_try(p->s, &p->options, p->now, p->now + p->unix_ahead, &p->wants, p->line);
	}
	expect_no_more(p);
	session_free(p->s);
	buf_fini(&p->text);
	free(p);
}
