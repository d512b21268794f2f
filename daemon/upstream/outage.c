/*
 * Decides when the log gets a line about a server that is lost or back, and its text. Keeps the
 * log true: its last line about a server names the present state, ten minutes late at most.
 */
#include "upstream/outage.h"

#include "protocol/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* 6 at once and 6 more in an hour: 12 in any hour */
#define LINES_MAX 6
#define REFILL_MS 600000
/* kept for a loss and a return */
#define RESERVE 2

static enum outage_phase phase_of(enum session_state state)
{
	switch (state) {
	case SESSION_OFF:
		return OUTAGE_OFF;
	case SESSION_CONNECTED:
		return OUTAGE_UP;
	default:
		return OUTAGE_DOWN;
	}
}

/* ---- the number of lines ---- */

static void refill(struct outage *o, uint64_t now)
{
	while (o->lines < LINES_MAX && now - o->refilled_at >= REFILL_MS) {
		o->lines++;
		o->refilled_at += REFILL_MS;
	}
}

static bool spend(struct outage *o, uint64_t now, unsigned reserve)
{
	refill(o, now);
	if (o->lines <= reserve) {
		o->waits = true;
		return false;
	}
	if (o->lines == LINES_MAX)
		o->refilled_at = now;
	o->lines--;
	return true;
}

bool outage_may_note(struct outage *o, uint64_t now)
{
	bool waited = o->waits;
	bool may = spend(o, now, RESERVE);

	/* a note does not wait */
	o->waits = waited;
	return may;
}

uint64_t outage_due(const struct outage *o)
{
	return o->waits ? o->refilled_at + REFILL_MS : UINT64_MAX;
}

/* ---- the text ---- */

struct text {
	char *at, *end;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *format, ...)
{
	size_t room = (size_t)(t->end - t->at);
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->at, room, format, args);
	va_end(args);
	t->at += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
}

/* In the two largest units that it has. */
static void put_duration(struct text *t, uint64_t ms)
{
	static const struct { uint64_t s; const char *name; } units[] = {
		{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"},
	};
	uint64_t s = ms / 1000;

	if (ms < 1000) {
		put(t, "%" PRIu64 " ms", ms);
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (s < units[i].s)
			continue;
		put(t, "%" PRIu64 " %s", s / units[i].s, units[i].name);
		s %= units[i].s;
		if (i + 1 < sizeof(units) / sizeof(units[0]) && s / units[i + 1].s)
			put(t, " %" PRIu64 " %s", s / units[i + 1].s, units[i + 1].name);
		return;
	}
}

static void put_next_try(struct text *t, uint64_t now, const struct session_info *info)
{
	if (info->state != SESSION_UNCONNECTED && info->state != SESSION_HALTED) {
		put(t, "; trying again now");
	} else if (info->retry_at == UINT64_MAX) {
		if (info->state == SESSION_HALTED)
			put(t, "; not tried again before the daemon is restarted");
		return;
	} else if (info->retry_at <= now) {
		put(t, "; trying again now");
	} else {
		put(t, "; trying again in ");
		put_duration(t, info->retry_at - now);
	}
}

static void put_tries(struct text *t, const struct session_info *info)
{
	put(t, " (%" PRIu64 " %s)", info->tries, info->tries == 1 ? "try" : "tries");
}

/* The losses that had no line of their own. */
static void put_omitted(struct text *t, const struct outage *o, uint64_t now, uint64_t omitted)
{
	if (!omitted)
		return;
	put(t, "; in the last ");
	put_duration(t, now - o->line_at);
	put(t, " it was lost %" PRIu64 " %s", omitted, omitted == 1 ? "time" : "times");
	put(t, ", and away for ");
	put_duration(t, o->away);
	put(t, " in all");
	if (o->phase == OUTAGE_UP && o->reason[0])
		put(t, ", last because: %s", o->reason);
}

/* ---- which line ---- */

/* Also those that have no line of their own are counted. */
static void follow(struct outage *o, const struct session_info *info)
{
	enum outage_phase phase = phase_of(info->state);

	if (phase == OUTAGE_DOWN && o->phase != OUTAGE_DOWN)
		o->down_at = info->since;
	if (phase == OUTAGE_UP && o->phase == OUTAGE_DOWN)
		o->away += info->since - o->down_at;
	/* lost and back between two looks */
	if (phase == OUTAGE_UP && o->phase != OUTAGE_DOWN && info->losses != o->seen_losses)
		o->down_at = info->since;
	o->seen_losses = info->losses;
	if (phase == OUTAGE_DOWN && info->reason.n) {
		struct slice reason = slice_take(info->reason, sizeof(o->reason) - 1);

		snprintf(o->reason, sizeof(o->reason), "%.*s", (int)utf8_whole(reason), reason.p);
	}
	o->phase = phase;
}

static void written(struct outage *o, uint64_t now, const struct session_info *info)
{
	o->logged = o->phase;
	o->losses = info->losses;
	o->away = 0;
	o->line_at = now;
	o->waits = false;
	snprintf(o->logged_reason, sizeof(o->logged_reason), "%s",
		 o->phase == OUTAGE_DOWN ? o->reason : "");
}

static bool look_up(struct outage *o, uint64_t now, const struct session_info *info, struct text *t)
{
	uint64_t omitted = info->losses - o->losses;

	if ((o->logged == OUTAGE_UP && !omitted) || !spend(o, now, 0))
		return false;
	put(t, info->losses ? "connected again" : "connected");
	if (info->losses || o->logged == OUTAGE_DOWN) {
		put(t, " after ");
		put_duration(t, info->since - o->down_at);
		put_tries(t, info);
	}
	put_omitted(t, o, now, omitted);
	return true;
}

/* A try that goes on is no failure yet, nor is a session that is resumed. Neither is a credential that takes its time, nor one that
   cannot be had: its source is logged by itself, and becomes the reason. */
static bool is_failure(const struct session_info *info)
{
	return (info->state == SESSION_UNCONNECTED || info->state == SESSION_HALTED) &&
	       !slice_eq(info->reason, SLICE("waiting for credentials")) &&
	       !slice_eq(info->reason, SLICE(SESSION_RESUMES));
}

static bool look_down(struct outage *o, uint64_t now, const struct session_info *info,
		      struct text *t)
{
	uint64_t losses = info->losses - o->losses;
	bool first = o->logged != OUTAGE_DOWN;

	if (info->state == SESSION_DISCONNECTING)
		return false;
	if (!losses && !(is_failure(info) && (first || strcmp(o->reason, o->logged_reason) != 0)))
		return false;
	if (!spend(o, now, first || losses ? 0 : RESERVE))
		return false;
	if (losses) {
		put(t, "connection lost");
	} else if (first) {
		put(t, "cannot connect");
	} else {
		put(t, "not connected for ");
		put_duration(t, now - o->down_at);
		put_tries(t, info);
	}
	if (info->reason.n)
		put(t, ": %.*s", SLICE_ARG(info->reason));
	put_next_try(t, now, info);
	put_omitted(t, o, now, losses ? losses - 1 : 0);
	return true;
}

void outage_init(struct outage *o)
{
	*o = (struct outage){.lines = LINES_MAX};
}

bool outage_look(struct outage *o, uint64_t now, const struct session_info *info,
		 struct outage_line *ret)
{
	struct text t = {ret->text, ret->text + sizeof(ret->text)};
	bool found;

	follow(o, info);
	o->waits = false;
	ret->level = o->phase == OUTAGE_DOWN ? LOG_L_WARNING : LOG_L_NOTICE;
	if (o->phase == OUTAGE_UP) {
		found = look_up(o, now, info, &t);
	} else if (o->phase == OUTAGE_DOWN) {
		found = look_down(o, now, info, &t);
	} else {
		/* once, by our own will */
		found = o->logged != OUTAGE_OFF;
		put(&t, "session ended");
	}
	if (found)
		written(o, now, info);
	return found;
}
