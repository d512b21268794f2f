/*
 * Chooses the lines of the log about the losses and returns of one server: why it was lost, how long
 * it was away, when it is tried again. Pure: the caller reports what the session is like, and writes
 * the lines.
 *
 * Keeps to twelve lines in any hour, however often the server comes and goes and whatever it answers:
 * six at once, and one more every ten minutes. What had to be left out is counted in the next line,
 * and two lines are kept for a loss and a return, whatever else there is to report.
 */
#ifndef UPSTREAM_OUTAGE_H
#define UPSTREAM_OUTAGE_H

#include "base/log.h"
#include "bayeux/session.h"

#include <stdbool.h>
#include <stdint.h>

/* bytes of a reason that are compared, and repeated */
#define OUTAGE_REASON_MAX 256

enum outage_phase { OUTAGE_OFF, OUTAGE_DOWN, OUTAGE_UP };

/* Private to outage.c. */
struct outage {
	enum outage_phase phase, logged;        /* as seen last, as the log has it */
	uint64_t down_at;               /* when it was lost or started; valid while down */
	uint64_t losses, seen_losses;   /* session_info.losses, as the log has it, and as seen last */
	uint64_t away;                  /* ms, in all outages that ended since the last line */
	char reason[OUTAGE_REASON_MAX];         /* of the present or last outage */
	char logged_reason[OUTAGE_REASON_MAX];  /* "" after a line about a return */
	unsigned lines;                 /* that may be written now */
	uint64_t refilled_at;           /* valid unless `lines` is the most there can be */
	uint64_t line_at;               /* the last one was written */
	bool waits;                     /* for a line that may be written */
};

struct outage_line {
	enum log_level level;
	char text[LOG_TEXT_MAX];
};

void outage_init(struct outage *o);
/* Whether there is a line to write; to be called when the state of the session has changed, and when
   due. */
bool outage_look(struct outage *o, uint64_t now, const struct session_info *info,
		 struct outage_line *ret);
/* When to look again though nothing changed; UINT64_MAX for never. */
uint64_t outage_due(const struct outage *o);
/* Whether there may be a line about something else while the server is away; it counts. */
bool outage_may_note(struct outage *o, uint64_t now);

#endif
