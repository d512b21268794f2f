/*
 * What a session reports of itself: its state with the reason, whether messages may have been missed, what the
 * driver is to abort, notes for the log. Each is stored here until session_next() returns it: reporting allocates
 * nothing.
 */
#ifndef BAYEUX_REPORT_H
#define BAYEUX_REPORT_H

#include "bayeux/session.h"

#define REPORT_NOTES 4
#define REPORT_TEXT_MAX 256

/* Private to report.c. */
struct report {
	enum session_state state;
	uint64_t since;                 /* it was connected, lost, or stopped */
	uint64_t tries;                 /* handshakes, and connects to resume, of the present or last outage */
	uint64_t losses;                /* how often it was connected and then was not */
	uint64_t generation;            /* handshakes that succeeded */
	char reason[REPORT_TEXT_MAX];   /* of the last failure */
	bool gap;                       /* as reported with the current state */
	bool gap_next;                  /* to be reported when connected again */
	/* to be reported: the state, with the message that caused it or NULL */
	bool state_news;
	bool reason_news;               /* the reason differs from that of the last state event */
	const struct envelope *envelope;
	uint64_t aborts[SESSION_LANES]; /* batches, by lane */
	bool abort_all;
	bool abort_news;                /* there may be some to be reported */
	char notes[REPORT_NOTES][REPORT_TEXT_MAX];
	unsigned notes_first, notes_n;
};

/* See session_succeed(). */
void report_succeed(struct report *r, const struct report *before);
/* The session of an earlier process goes on: so many handshakes succeeded, and whether a gap is to be reported. */
static inline void report_restore(struct report *r, uint64_t generation, bool gap)
{
	r->generation = generation;
	r->gap_next = gap;
}
/* Whether a gap is to be reported when it is connected again. */
static inline bool report_gap_is_due(const struct report *r) { return r->gap_next; }

/* ---- state ---- */
static inline enum session_state report_state(const struct report *r) { return r->state; }
static inline uint64_t report_since(const struct report *r) { return r->since; }
static inline uint64_t report_generation(const struct report *r) { return r->generation; }
static inline bool report_is_up(const struct report *r)
{
	return r->state == SESSION_CONNECTING || r->state == SESSION_CONNECTED;
}
/* The only function that changes the state. `e`: the message that caused it, or NULL. */
void report_set_state(struct report *r, uint64_t now, enum session_state state, const struct envelope *e);
/* The state is reported even if it is the same. */
void report_state_again(struct report *r, const struct envelope *e);
/* A handshake, or a connect to resume, is about to go out. */
void report_try(struct report *r);
/* A handshake succeeded. */
void report_new_session(struct report *r);

/* Messages may have been missed: reported now, each time, if it is connected, else when it is again. */
void report_gap(struct report *r);
/* The same when it is connected again. */
void report_gap_later(struct report *r);

/* ---- the reason ---- */
static inline const char *report_reason(const struct report *r) { return r->reason; }
void report_set_reason(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_set_reason_of_reply(struct report *r, const struct envelope *e, const char *what);
/* Writes the reason in a reply: its error without arguments, which may name our clientId. */
void report_write_reason(char ret[REPORT_TEXT_MAX], const struct envelope *e, const char *what);
void report_clear_reason(struct report *r);
/* Reports the state again if there is another reason. */
void report_new_reason(struct report *r);

/* ---- what is to be reported ---- */
void report_note(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The driver ends the exchange of this batch; all exchanges. */
void report_abort(struct report *r, const struct session_batch *batch);
void report_abort_all(struct report *r);
/* The next abort, or else the state; then, after the other results, the next note. Whether there is one. */
bool report_next_state(struct report *r, struct session_event *ret);
bool report_next_note(struct report *r, struct session_event *ret);
static inline bool report_waits(const struct report *r) { return r->abort_news || r->state_news || r->notes_n; }
/* Writes what is stored here. */
void report_info(const struct report *r, struct session_info *ret);

#endif
