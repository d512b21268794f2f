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
	if (x && (x->credential != login_credential(&s->login) || exchange_of_commands(x)))
		return false;
	return s->o.credentials && !login_waits(&s->login) && report_state(&s->report) != SESSION_OFF &&
	       report_state(&s->report) != SESSION_DISCONNECTING &&
	       (f->http_status == 401 || f->http_status == 403);
}

static void wait_for_credentials(struct session *s, uint64_t now, const struct envelope *e,
				 bool rejected)
{
	char why[REPORT_TEXT_MAX];
	snprintf(why, sizeof(why), "%s", report_reason(&s->report));
	report_set_reason(&s->report, "waiting for credentials%s%s", rejected ? ": " : "", rejected ? why : "");
	login_await(&s->login, rejected);
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
	/* also when it tried to resume, and is in this state already */
	report_state_again(&s->report, e);
}

void credentials_await(struct session *s, uint64_t now, const struct envelope *e, bool rejected)
{
	s->counts.failures += rejected;
	report_gap_later(&s->report);
	link_end_spin(&s->link);
	giveup_session(s);
	due_set(s, DUE_HANDSHAKE, SESSION_NEVER);
	wait_for_credentials(s, now, e, rejected);
}

void credentials_rejected(struct session *s, uint64_t now)
{
	/* only once: some servers bind a session to the credential of its handshake */
	if (login_kept(&s->login) || s->due == DUE_HANDSHAKE || buf_len(&s->client_id) == 0) {
		credentials_await(s, now, NULL, true);
		return;
	}
	exts_lost_connection(s);
	ext_ack_lost(s->exts.ack);
	due_connect_failed(s, now);
	giveup_connect(s);
	login_keep(&s->login);
	due_connect(s, SESSION_NEVER, true);
	wait_for_credentials(s, now, NULL, true);
}

/*
 * The pause breaks the loop in which credential after credential is rejected. The first may have
 * ended while the server was away: however long the pauses were by then, others go at once.
 */
void credentials_came(struct session *s, uint64_t now)
{
	uint64_t pause = 0;
	bool again;
	enum login_state was = login_came(&s->login, &again);
	publishes_go_on(&s->publishes, SHARE_BACK_CREDENTIAL);
	if (was == LOGIN_RENEWING)
		return;
	if (was == LOGIN_REJECTED && again)
		pause = backoff_next(&s->backoff, &s->jitter);
	else if (was == LOGIN_REJECTED && backoff_fresh(&s->backoff))
		backoff_next(&s->backoff, &s->jitter);
	if (s->due == DUE_CONNECT)
		due_resume(s, now, pause, NULL);
	else
		due_handshake(s, now, pause, NULL);
}
