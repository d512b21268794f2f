/*
 * Rejected credentials: which answers are a rejection, whether the session continues,
 * and what happens when new credentials arrive. The pauses grow while one credential
 * after the other is rejected.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/session_core.h"

#include <stdio.h>

bool credentials_are_rejected(const struct session *s, const struct exchange *x,
			      const struct session_failure *f)
{
	/* the outcome of requests sent with the old credentials does not apply to the new ones, and the
	   outcome of one command does not apply to the others: see commands_lost() */
	if (x && (x->credential != s->credential || exchange_of_commands(x)))
		return false;
	return s->o.credentials && !s->unauthorized && report_state(&s->report) != SESSION_OFF &&
	       report_state(&s->report) != SESSION_DISCONNECTING &&
	       (f->http_status == 401 || f->http_status == 403);
}

static void wait_for_credentials(struct session *s, uint64_t now, const struct envelope *e,
				 bool rejected)
{
	char why[REPORT_TEXT_MAX];
	snprintf(why, sizeof(why), "%s", report_reason(&s->report));
	report_set_reason(&s->report, "waiting for credentials%s%s", rejected ? ": " : "", rejected ? why : "");
	s->unauthorized = true;
	/* a request for credentials is under way already */
	s->unauthorized_news |= !s->renewing;
	s->renewing = false;
	s->rejected = rejected;
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
	/* also when it tried to resume, and is in this state already */
	report_state_again(&s->report, e);
}

void credentials_await(struct session *s, uint64_t now, const struct envelope *e, bool rejected)
{
	s->counts.failures += rejected;
	report_gap_later(&s->report);
	s->spin = 0;
	giveup_session(s);
	due_set(s, DUE_HANDSHAKE, SESSION_NEVER);
	wait_for_credentials(s, now, e, rejected);
}

void credentials_rejected(struct session *s, uint64_t now)
{
	/* only once: some servers bind a session to the credential of its handshake */
	if (s->kept_after_reject || s->due == DUE_HANDSHAKE || buf_len(&s->client_id) == 0) {
		credentials_await(s, now, NULL, true);
		return;
	}
	exts_lost_connection(s);
	ext_ack_lost(s->exts.ack);
	due_connect_failed(s, now);
	giveup_connect(s);
	s->kept_after_reject = true;
	due_connect(s, SESSION_NEVER, true);
	wait_for_credentials(s, now, NULL, true);
}

/*
 * Either the credential has expired, or a gateway refuses this request whatever the credential: trying a
 * fresh credential decides. Other requests continue meanwhile. After a fresh credential that did not help,
 * the next one is requested only after a pause.
 */
uint64_t credentials_renew(struct session *s, uint64_t now)
{
	if (s->unauthorized || s->renewing)
		return SESSION_NEVER;
	if (now < s->renew_at)
		return s->renew_at;
	s->renew_at = now + backoff_next(&s->renewal, &s->jitter);
	s->renewing = s->unauthorized_news = true;
	return SESSION_NEVER;
}

/*
 * The pause breaks the loop in which credential after credential is rejected. The first may have
 * ended while the server was away: however long the pauses were by then, others go at once.
 */
void credentials_came(struct session *s, uint64_t now)
{
	uint64_t pause = 0;
	bool only_renewed = !s->unauthorized;
	s->unauthorized = s->unauthorized_news = s->renewing = false;
	s->credential++;
	publishes_go_on(&s->publishes, SHARE_BACK_CREDENTIAL);
	if (only_renewed)
		return;
	if (s->rejected && s->rejected_before)
		pause = backoff_next(&s->backoff, &s->jitter);
	else if (s->rejected && backoff_fresh(&s->backoff))
		backoff_next(&s->backoff, &s->jitter);
	s->rejected_before |= s->rejected;
	if (s->due == DUE_CONNECT)
		due_resume(s, now, pause, NULL);
	else
		due_handshake(s, now, pause, NULL);
}
