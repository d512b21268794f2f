/*
 * The state of a session, its reason, and whether messages may have been missed. The
 * state changes only through state_set(). A gap is reported with the next state
 * "connected".
 */
#include "bayeux/session_core.h"

#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cuts a text that did not fit in front of the character it broke. */
static void end_text(char *text, int wanted)
{
	if (wanted < SESSION_REASON_MAX)
		return;
	size_t n = SESSION_REASON_MAX - 1;
	while (n && (text[n - 1] & 0xc0) == 0x80)
		n--;
	if (n && (text[n - 1] & 0x80))
		n--;
	text[n] = '\0';
}

void state_note(struct session *s, const char *format, ...)
{
	va_list args;
	if (s->notes_n == SESSION_NOTES)
		return;
	char *text = s->notes[(s->notes_first + s->notes_n++) % SESSION_NOTES];
	va_start(args, format);
	end_text(text, vsnprintf(text, SESSION_REASON_MAX, format, args));
	va_end(args);
}

static void set_reason(struct session *s, const char *text)
{
	s->reason_news |= strcmp(s->reason, text) != 0;
	snprintf(s->reason, sizeof(s->reason), "%s", text);
}

void state_reason(struct session *s, const char *format, ...)
{
	char text[SESSION_REASON_MAX];
	va_list args;
	va_start(args, format);
	end_text(text, vsnprintf(text, sizeof(text), format, args));
	va_end(args);
	set_reason(s, text);
}

void state_write_reason(char ret[SESSION_REASON_MAX], const struct envelope *e, const char *what)
{
	struct envelope_error error = envelope_error_parse(e->error);
	int n;
	if (error.code)
		n = snprintf(ret, SESSION_REASON_MAX, "%s: %u %.*s", what, error.code,
			     SLICE_ARG(error.text));
	else if (error.text.n)
		n = snprintf(ret, SESSION_REASON_MAX, "%s: %.*s", what, SLICE_ARG(error.text));
	else
		n = snprintf(ret, SESSION_REASON_MAX, "%s", what);
	end_text(ret, n);
}

void state_reason_of_reply(struct session *s, const struct envelope *e, const char *what)
{
	char text[SESSION_REASON_MAX];
	state_write_reason(text, e, what);
	set_reason(s, text);
}

/* An outage is one period, however many tries it takes: its length counts, not that of a try. */
static void begin_period(struct session *s, uint64_t now, enum session_state state)
{
	bool was_down = s->state != SESSION_CONNECTED && s->state != SESSION_OFF;
	bool down = state != SESSION_CONNECTED && state != SESSION_OFF;
	if (was_down && down)
		return;
	s->since = now;
	if (down)
		s->tries = 0;
	if (s->state == SESSION_CONNECTED && state != SESSION_DISCONNECTING)
		s->losses++;
}

void state_try(struct session *s)
{
	if (s->state != SESSION_CONNECTED && s->state != SESSION_CONNECTING)
		s->tries++;
}

/* The only function that changes the state. */
void state_set(struct session *s, uint64_t now, enum session_state state,
	       const struct envelope *e)
{
	if (state == s->state)
		return;
	begin_period(s, now, state);
	s->state = state;
	s->state_news = true;
	s->state_envelope = e;
	if (state == SESSION_CONNECTED) {
		s->gap = s->gap_next;
		s->gap_next = false;
		s->reason[0] = '\0';
	}
}

/* Messages may have been missed, which is reported when connected again. */
static void missed_when_back(struct session *s)
{
	if (s->generation && !state_ack_in_effect(s))
		s->gap_next = true;
}

/* The same while the connection continues: reported now, and each time. */
void state_missed(struct session *s)
{
	if (s->state != SESSION_CONNECTED) {
		missed_when_back(s);
	} else if (!state_ack_in_effect(s)) {
		s->gap = true;
		s->state_news = true;
	}
}

/*
 * With replay the server repeats events after the last one received when the channels are subscribed
 * again. It is not required to do so within a session, so the gap is reported, too.
 */
void state_have_repeated(struct session *s)
{
	if (!s->repeat_due || s->state != SESSION_CONNECTED)
		return;
	s->repeat_due = false;
	wanted_repeat(&s->wanted);
}

void state_lost_answer(struct session *s)
{
	if (!s->replay || !ext_replay_in_effect(s->replay) || state_ack_in_effect(s))
		return;
	s->repeat_due = true;
	/* from now on: the next connect may bring what is newer than what got lost */
	ext_missed(&s->exts);
}

void state_lost_connection(struct session *s)
{
	missed_when_back(s);
	state_lost_answer(s);
}

void state_lost_messages(struct session *s)
{
	state_missed(s);
	state_lost_answer(s);
	state_have_repeated(s);
}

bool state_is_up(const struct session *s)
{
	return s->state == SESSION_CONNECTING || s->state == SESSION_CONNECTED;
}

bool state_ack_in_effect(const struct session *s)
{
	return s->ack && ext_ack_in_effect(s->ack);
}
