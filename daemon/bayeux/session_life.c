/*
 * Reactions to a handshake or connect that succeeded, was refused or was lost (bayeux.md
 * 4.4 and 4.7), and to a server that ends the session. After every failure there is a
 * pause, and every request in flight gets its outcome.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/session_core.h"

#include <stdio.h>

/* answers in a row that cannot be read, before the session is given up */
#define UNREADABLE_MAX 2u
/* how long the events that come with a handshake are waited for on a WebSocket */
#define HANDSHAKE_EVENTS_MS 2000u

/* ---- handshake ---- */

void life_halt(struct session *s, uint64_t now, const struct envelope *e)
{
	s->counts.failures++;
	giveup_session(s);
	due_set(s, DUE_HANDSHAKE, now + backoff_next(&s->halt_backoff, &s->jitter));
	report_set_state(&s->report, now, SESSION_HALTED, e);
}

void life_handshake_done(struct session *s, uint64_t now, const struct envelope *e)
{
	s->unreadable = 0;
	login_new_session(&s->login);
	report_new_session(&s->report);
	s->unconnected_since = 0;
	link_expect_events(&s->link, 0);
	s->suspect_at = 0;
	s->suspected = false;
	backoff_reset(&s->suspicion);
	due_connect(s, now + s->advice.interval, true);
	/* the socket has done its part: the server wants the rest another way */
	if (link_transport(&s->link) != SESSION_WEBSOCKET && link_close_websocket(&s->link))
		report_abort_all(&s->report);
	if (exts_ack_in_effect(s) && link_next_transport(&s->link) == SESSION_WEBSOCKET && e->x_messages) {
		/* acknowledge them with the first connect, rather than have them twice */
		link_expect_events(&s->link, e->x_messages);
		s->due_at += HANDSHAKE_EVENTS_MS;
	}
	report_set_state(&s->report, now, SESSION_CONNECTING, e);
}

void life_handshake_refused(struct session *s, uint64_t now, const struct envelope *e)
{
	s->counts.failures++;
	due_handshake(s, now, backoff_next(&s->backoff, &s->jitter) + s->advice.interval, e);
}

void life_handshake_lost(struct session *s, uint64_t now, enum session_transport transport,
			 const struct session_failure *f)
{
	/* nothing reached the server: no need to keep the distance between handshakes */
	if (f->kind == SESSION_NOT_SENT)
		s->handshaken = false;
	bool moved = transports_failed(&s->transports, transport, f, now) && f->unsupported &&
		     transports_first(&s->transports, now) != transport;
	enum urls_verdict verdict = due_blame_url(s, now, transport, false, f);
	moved |= verdict == URLS_TRANSPORT || verdict == URLS_NEXT;
	uint64_t delay = moved ? 0 : backoff_next(&s->backoff, &s->jitter);
	/* Retry-After of one server does not apply to another */
	if (verdict != URLS_NEXT)
		delay = due_later(delay, due_retry_after(f));
	due_handshake(s, now, delay, NULL);
}

/* ---- connect ---- */

/*
 * At once the first time, whatever pause the outage had reached: a server that answers is back. When the
 * server asks for a handshake again before any connect succeeded, pauses grow.
 */
static void handshake_as_advised(struct session *s, uint64_t now, const struct envelope *e)
{
	bool at_once = !s->handshake_obeyed;
	uint64_t pause = backoff_next(&s->backoff, &s->jitter);
	s->handshake_obeyed = true;
	due_handshake(s, now, s->advice.interval + (at_once ? 0 : pause), e);
}

void life_connect_done(struct session *s, uint64_t now, const struct envelope *e,
		       enum advice_reconnect reconnect)
{
	s->counts.connects++;
	publishes_go_on(&s->publishes, SHARE_BACK_CONNECT);
	s->unreadable = 0;
	bool proof = link_is_proof(&s->link, now);
	if (proof)
		transports_proven(&s->transports, link_next_transport(&s->link));
	/* a resumed session counts, too, but proves neither that the transport carries a held connect,
	   nor that the credentials are accepted for commands */
	bool good = proof || (s->unconnected_since && !login_kept(&s->login));
	if (good)
		due_proven(s);
	login_connected(&s->login, good, proof);
	s->unconnected_since = 0;
	link_use(&s->link, link_next_transport(&s->link));
	urls_good(&s->urls);
	report_set_state(&s->report, now, SESSION_CONNECTED, e);
	exts_have_repeated(s);
	if (reconnect == ADVICE_HANDSHAKE) {
		report_set_reason(&s->report, "the server asks for a new handshake");
		handshake_as_advised(s, now, e);
		return;
	}
	if (s->o.url_return == SESSION_URL_BREAK && urls_first_due(&s->urls, now)) {
		report_set_reason(&s->report, "going back to the first URL");
		due_handshake(s, now, 0, e);
		return;
	}
	due_connect(s, now + due_later(s->advice.interval, link_spin_pause(&s->link, now, s->o.backoff_min)), false);
	enum session_transport better;
	if (transports_better(&s->transports, link_transport(&s->link), now, &better)) {
		link_try(&s->link, better);
		s->due_probe = true;
	}
}

void life_event(struct session *s, uint64_t now)
{
	bool last, connected = report_state(&s->report) == SESSION_CONNECTED;
	/* over a WebSocket it comes beside the held connect, which the server need not answer for long */
	if (link_event(&s->link, &last) && connected)
		due_proven(s);
	if (last && s->due == DUE_CONNECT)
		s->due_at = now;
	/* Faye writes the connect's reply in front of its events: it was not empty after all */
	if (connected && s->due == DUE_CONNECT && link_end_spin(&s->link))
		s->due_at = now + s->advice.interval;
}

static void retry_connect(struct session *s, uint64_t now, uint64_t at_least,
			  const struct envelope *e)
{
	uint64_t delay = backoff_next(&s->backoff, &s->jitter) + s->advice.interval;
	due_resume(s, now, due_later(delay, at_least), e);
}

/* Whether the URL is given up, or its transport. Another server has the session only if it is shared. */
static bool give_up_url(struct session *s, uint64_t now, enum session_transport transport,
		      const struct session_failure *f)
{
	enum urls_verdict verdict = due_blame_url(s, now, transport, s->o.url_shared, f);
	uint64_t delay = verdict == URLS_ROUND ? backoff_next(&s->backoff, &s->jitter) : 0;
	if (verdict == URLS_STAY)
		return false;
	if (s->o.url_shared)
		due_resume(s, now, delay, NULL);
	else
		due_handshake(s, now, delay, NULL);
	return true;
}

void life_connect_refused(struct session *s, uint64_t now, const struct envelope *e,
			  enum advice_reconnect reconnect)
{
	due_connect_failed(s, now);
	ext_ack_lost(s->exts.ack);
	if (reconnect == ADVICE_HANDSHAKE)
		handshake_as_advised(s, now, e);
	else
		retry_connect(s, now, 0, e);
}

/* ---- when the server wants an end ---- */

bool life_is_ended(const struct session *s)
{
	return report_state(&s->report) == SESSION_HALTED && s->due == DUE_NOTHING;
}

/* No request is left waiting, because there will be no session. */
void life_refuse(struct session *s)
{
	static const char text[] = "the session with the server ended and is not renewed";
	giveup_waiting(s, text);
	wanted_end(&s->wanted, text);
}

static void end_for_good(struct session *s, uint64_t now, const struct envelope *e)
{
	char why[REPORT_TEXT_MAX];
	snprintf(why, sizeof(why), "%s", report_reason(&s->report));
	report_set_reason(&s->report, "not tried again: %s", why);
	s->counts.failures++;
	report_gap_later(&s->report);
	giveup_session(s);
	life_refuse(s);
	due_set(s, DUE_NOTHING, SESSION_NEVER);
	report_set_state(&s->report, now, SESSION_HALTED, e);
}

/* Applies the policy. Whether it demands anything else than to try again. */
static bool obey(struct session *s, uint64_t now, const struct envelope *e,
		 enum session_policy policy)
{
	bool refresh = policy == SESSION_REFRESH && s->o.credentials;
	if (refresh)
		credentials_await(s, now, e, true);
	else if (policy == SESSION_STOP)
		end_for_good(s, now, e);
	return refresh || policy == SESSION_STOP;
}

static void come_back(struct session *s, uint64_t now, const struct envelope *e,
		      enum session_policy policy)
{
	if (obey(s, now, e, policy))
		return;
	due_connect_failed(s, now);
	due_handshake(s, now, backoff_next(&s->backoff, &s->jitter), e);
}

void life_kicked(struct session *s, uint64_t now, const struct envelope *e)
{
	come_back(s, now, e, s->o.on_disconnect);
}

void life_connect_forbidden(struct session *s, uint64_t now, const struct envelope *e)
{
	come_back(s, now, e, s->o.on_none);
}

void life_handshake_forbidden(struct session *s, uint64_t now, const struct envelope *e)
{
	if (!obey(s, now, e, s->o.on_none))
		life_halt(s, now, e);
}

/* ---- a connect that got lost ---- */

/* A success in between does not reset the pause; only time does. */
uint64_t life_unreadable_pause(struct session *s, uint64_t now)
{
	if (s->unreadable_at && now - s->unreadable_at > 2 * s->o.backoff_max)
		backoff_reset(&s->unreadable_backoff);
	s->unreadable_at = due_later(now, 1);
	return backoff_next(&s->unreadable_backoff, &s->jitter);
}

void life_connect_cut(struct session *s, uint64_t now, const struct session_failure *f)
{
	if (!report_is_up(&s->report) || s->due != DUE_CONNECT)
		return;
	exts_lost_messages(s);
	if (f->unreadable)
		s->due_at = due_later(s->due_at, now + life_unreadable_pause(s, now));
}

void life_connect_lost(struct session *s, uint64_t now, enum session_transport transport,
		       const struct session_failure *f)
{
	if (s->due == DUE_HANDSHAKE)
		return;
	bool sent = f->kind != SESSION_NOT_SENT;
	if (transport != link_transport(&s->link)) {
		/* it was only a try of the preferred transport: the old one continues */
		if (sent)
			exts_lost_messages(s);
		ext_ack_lost(s->exts.ack);
		transports_set_aside(&s->transports, transport, now);
		report_clear_reason(&s->report);
		due_connect(s, now, true);
		return;
	}
	if (sent)
		exts_lost_connection(s);
	ext_ack_lost(s->exts.ack);
	due_connect_failed(s, now);
	if (give_up_url(s, now, transport, f))
		return;
	uint64_t least = f->unreadable ? life_unreadable_pause(s, now) : 0;
	least = due_later(least, due_retry_after(f));
	/* with ack, an unreadable message is repeated at each resume: give up the session, report a gap */
	if (f->unreadable && ++s->unreadable >= UNREADABLE_MAX) {
		s->unreadable = 0;
		due_handshake(s, now, due_later(backoff_next(&s->backoff, &s->jitter), least), NULL);
		return;
	}
	/* an unreachable server does not count against the transport: first try to resume */
	if ((sent || f->unsupported) && transports_failed(&s->transports, transport, f, now))
		due_handshake(s, now, least, NULL);
	else
		retry_connect(s, now, least, NULL);
}

void life_probe(struct session *s, uint64_t now)
{
	struct exchange *x = link_connect(&s->link);
	if (login_waits(&s->login) || life_is_ended(s))
		return;
	if (s->due == DUE_HANDSHAKE) {
		s->due_at = now;
		if (s->handshaken)
			s->due_at = due_later(now, s->handshake_at + s->o.backoff_min);
		return;
	}
	if (link_handshake(&s->link) || report_state(&s->report) == SESSION_OFF || report_state(&s->report) == SESSION_DISCONNECTING)
		return;
	if (x && link_probes(&s->link))
		return;
	if (x && x->batch.transport == SESSION_WEBSOCKET) {
		/* CometD and Faye answer the newer one only; what is on the way for the older
		   is not lost */
		link_overtake(&s->link);
	} else if (x) {
		exts_lost_messages(s);
		ext_ack_lost(s->exts.ack);
	}
	giveup_connect(s);
	due_connect(s, now, true);
}

/*
 * A reply suggests that the server lost the session: check with a connect at once. Some servers refuse other
 * requests with the same words, so every unconfirmed suspicion makes the pause before the next check longer:
 * over long-polling, the check aborts the held connect, which may lose events.
 */
void life_suspect(struct session *s, uint64_t now)
{
	if (!report_is_up(&s->report) || now < s->suspect_at)
		return;
	s->suspect_at = now + backoff_next(&s->suspicion, &s->jitter);
	s->suspected = true;
	s->suspected_after = s->counts.connects;
	life_probe(s, now);
}

/* ---- the end ---- */

void life_off(struct session *s, uint64_t now)
{
	giveup_session(s);
	login_stop(&s->login);
	due_set(s, DUE_NOTHING, SESSION_NEVER);
	report_gap_later(&s->report);
	report_set_state(&s->report, now, SESSION_OFF, NULL);
}
