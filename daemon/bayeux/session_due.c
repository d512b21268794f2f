/*
 * What is sent next, when, and at which URL: a connect of the current session, or the
 * handshake of a new one. An old session is given up before a new handshake is sent, and
 * there is a minimum time between handshakes.
 */
#include "bayeux/session_core.h"

/* limit for pauses requested by Retry-After */
#define RETRY_AFTER_MAX 3600000u
/* how long to wait for pending replies of an ended session before the next handshake */
#define GRACE_MS 250u

void due_set(struct session *s, enum session_due due, uint64_t at)
{
	s->due = due;
	s->due_at = at;
}

void due_connect(struct session *s, uint64_t at, bool probe)
{
	due_set(s, DUE_CONNECT, at);
	s->due_probe = probe;
	link_try(&s->link, link_transport(&s->link));
}

uint64_t due_later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t due_retry_after(const struct session_failure *f)
{
	return f->retry_after < RETRY_AFTER_MAX ? f->retry_after : RETRY_AFTER_MAX;
}

void due_handshake(struct session *s, uint64_t now, uint64_t delay, const struct envelope *e)
{
	uint64_t at = now + delay;
	report_gap_later(&s->report);
	if (s->handshaken)
		at = due_later(at, s->handshake_at + s->o.backoff_min);
	giveup_connect(s);
	/* the server is about to refuse commands in flight: a refusal is better than "unknown outcome" */
	if (at <= now && s->exchanges.n_requests)
		at = now + GRACE_MS;
	due_set(s, DUE_HANDSHAKE, at);
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
}

/* What is known about transports and pauses belongs to another server. */
static void enter_url(struct session *s)
{
	transports_init(&s->transports, &s->o);
	s->handshaken = false;
}

void due_first_url(struct session *s)
{
	if (s->urls.current == 0)
		return;
	urls_go_first(&s->urls);
	enter_url(s);
}

enum urls_verdict due_blame_url(struct session *s, uint64_t now, enum session_transport transport,
				bool shared, const struct session_failure *f)
{
	if (!urls_blames(f))
		return URLS_STAY;
	enum urls_verdict verdict = shared ? urls_failed_shared(&s->urls, now)
					   : urls_failed(&s->urls, transport, now);
	if (verdict == URLS_TRANSPORT)
		transports_set_aside(&s->transports, transport, now);
	else if (verdict != URLS_STAY)
		enter_url(s);
	return verdict;
}

bool due_start_handshake(struct session *s, uint64_t now)
{
	if (s->due != DUE_HANDSHAKE || s->due_at > now || report_state(&s->report) == SESSION_HANDSHAKING)
		return false;
	giveup_session(s);
	if (urls_first_due(&s->urls, now))
		due_first_url(s);
	report_set_state(&s->report, now, SESSION_HANDSHAKING, NULL);
	return true;
}

/* how long after the first failure the old session may still exist */
static uint64_t resume_window(const struct session *s)
{
	if (s->advice.max_interval)
		return s->advice.timeout + s->advice.interval + s->advice.max_interval;
	return s->o.resume_window ? s->o.resume_window : s->advice.timeout + 10000;
}

void due_resume(struct session *s, uint64_t now, uint64_t delay, const struct envelope *e)
{
	if (now + delay - s->unconnected_since > resume_window(s)) {
		due_handshake(s, now, delay, e);
		return;
	}
	due_connect(s, now + delay, true);
	/* an attempt to resume does not change the state, but why it failed may be new */
	if (report_state(&s->report) == SESSION_UNCONNECTED)
		report_new_reason(&s->report);
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
}

void due_proven(struct session *s)
{
	backoff_reset(&s->backoff);
	backoff_reset(&s->halt_backoff);
	s->handshake_obeyed = false;
}

/*
 * A link that lasted longer than the coming pause is no reason to make that pause longer, although it
 * may be cut before the server answers a held connect. It does not prove credentials that were
 * rejected since: their pauses go on growing.
 */
static bool has_lasted(const struct session *s, uint64_t now)
{
	return report_state(&s->report) == SESSION_CONNECTED && login_is_trusted(&s->login) &&
	       now - report_since(&s->report) > due_later(s->backoff.next, s->backoff.min);
}

void due_connect_failed(struct session *s, uint64_t now)
{
	s->counts.failures++;
	link_end_spin(&s->link);
	if (has_lasted(s, now))
		due_proven(s);
	if (!s->unconnected_since)
		s->unconnected_since = due_later(now, 1);
}
