/*
 * The state of a session, its reason, whether messages may have been missed, aborts and notes. The state changes
 * only through report_set_state(). A gap is reported with the next state "connected".
 */
#include "bayeux/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void report_succeed(struct report *r, const struct report *before)
{
	r->since = before->since;
	r->losses = before->losses;
	r->generation = before->generation;
	r->gap_next = before->gap_next;
}

/* Cuts a text that did not fit in front of the character it broke. */
static void end_text(char *text, int wanted)
{
	if (wanted < REPORT_TEXT_MAX)
		return;
	size_t n = REPORT_TEXT_MAX - 1;
	while (n && (text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n && (text[n - 1] & 0x80))
		n--;
	text[n] = '\0';
}

void report_note(struct report *r, const char *format, ...)
{
	va_list args;
	if (r->notes_n == REPORT_NOTES)
		return;
	char *text = r->notes[(r->notes_first + r->notes_n++) % REPORT_NOTES];
	va_start(args, format);
	end_text(text, vsnprintf(text, REPORT_TEXT_MAX, format, args));
	va_end(args);
}

/* ---- the reason ---- */

static void set_reason(struct report *r, const char *text)
{
	r->reason_news |= strcmp(r->reason, text) != 0;
	snprintf(r->reason, sizeof(r->reason), "%s", text);
}

void report_set_reason(struct report *r, const char *format, ...)
{
	char text[REPORT_TEXT_MAX];
	va_list args;
	va_start(args, format);
	end_text(text, vsnprintf(text, sizeof(text), format, args));
	va_end(args);
	set_reason(r, text);
}

void report_write_reason(char ret[REPORT_TEXT_MAX], const struct envelope *e, const char *what)
{
	struct envelope_error error = envelope_error_parse(e->error);
	int n;
	if (error.code)
		n = snprintf(ret, REPORT_TEXT_MAX, "%s: %u %.*s", what, error.code, SLICE_ARG(error.text));
	else if (error.text.n)
		n = snprintf(ret, REPORT_TEXT_MAX, "%s: %.*s", what, SLICE_ARG(error.text));
	else
		n = snprintf(ret, REPORT_TEXT_MAX, "%s", what);
	end_text(ret, n);
}

void report_set_reason_of_reply(struct report *r, const struct envelope *e, const char *what)
{
	char text[REPORT_TEXT_MAX];
	report_write_reason(text, e, what);
	set_reason(r, text);
}

void report_clear_reason(struct report *r)
{
	r->reason[0] = '\0';
}

void report_new_reason(struct report *r)
{
	r->state_news |= r->reason_news;
}

/* ---- state ---- */

/* An outage is one period, however many tries it takes: its length counts, not that of a try. */
static void begin_period(struct report *r, uint64_t now, enum session_state state)
{
	bool was_down = r->state != SESSION_CONNECTED && r->state != SESSION_OFF;
	bool down = state != SESSION_CONNECTED && state != SESSION_OFF;
	if (was_down && down)
		return;
	r->since = now;
	if (down)
		r->tries = 0;
	if (r->state == SESSION_CONNECTED && state != SESSION_DISCONNECTING)
		r->losses++;
}

void report_try(struct report *r)
{
	if (!report_is_up(r))
		r->tries++;
}

void report_set_state(struct report *r, uint64_t now, enum session_state state, const struct envelope *e)
{
	if (state == r->state)
		return;
	begin_period(r, now, state);
	r->state = state;
	report_state_again(r, e);
	if (state == SESSION_CONNECTED) {
		r->gap = r->gap_next;
		r->gap_next = false;
		r->reason[0] = '\0';
	}
}

void report_state_again(struct report *r, const struct envelope *e)
{
	r->state_news = true;
	r->envelope = e;
}

void report_new_session(struct report *r)
{
	r->gap_next = r->generation++ > 0;
}

void report_gap_later(struct report *r)
{
	r->gap_next |= r->generation > 0;
}

void report_gap(struct report *r)
{
	if (r->state == SESSION_CONNECTED)
		r->gap = r->state_news = true;
	else
		report_gap_later(r);
}

/* ---- what is to be reported ---- */

void report_abort(struct report *r, const struct session_batch *batch)
{
	r->aborts[batch->lane] = batch->id;
	r->abort_news = true;
}

void report_abort_all(struct report *r)
{
	r->abort_all = r->abort_news = true;
}

/* The next batch to be aborted, 0 for all; there is one. */
static uint64_t take_abort(struct report *r)
{
	uint64_t batch = 0;
	r->abort_news = false;
	for (int lane = 0; lane < SESSION_LANES; lane++) {
		if (batch && r->aborts[lane]) {
			r->abort_news = true;
		} else if (r->aborts[lane]) {
			batch = r->abort_all ? 0 : r->aborts[lane];
			r->aborts[lane] = 0;
		}
	}
	r->abort_all = false;
	return batch;
}

bool report_next_state(struct report *r, struct session_event *ret)
{
	if (r->abort_news) {
		*ret = (struct session_event){.kind = SESSION_EVENT_ABORT, .batch = take_abort(r)};
		return true;
	}
	if (!r->state_news)
		return false;
	*ret = (struct session_event){.kind = SESSION_EVENT_STATE, .envelope = r->envelope};
	r->state_news = r->reason_news = false;
	r->envelope = NULL;
	return true;
}

bool report_next_note(struct report *r, struct session_event *ret)
{
	if (r->notes_n == 0)
		return false;
	*ret = (struct session_event){.kind = SESSION_EVENT_NOTE, .text = slice_of(r->notes[r->notes_first])};
	r->notes_first = (r->notes_first + 1) % REPORT_NOTES;
	r->notes_n--;
	return true;
}

void report_info(const struct report *r, struct session_info *ret)
{
	ret->state = r->state;
	ret->since = r->since;
	ret->tries = r->tries;
	ret->losses = r->losses;
	ret->generation = r->generation;
	ret->gap = r->state == SESSION_CONNECTED ? r->gap : r->gap_next;
	ret->reason = slice_of(r->reason);
}
