/*
 * Which credentials the server accepts. A request for others is reported once, and while it is under way none
 * follows.
 */
#include "bayeux/login.h"

void login_init(struct login *l, const struct session_options *o)
{
	*l = (struct login){.state = LOGIN_GOOD};
	backoff_init(&l->renewal, o->backoff_min, o->backoff_max);
}

void login_await(struct login *l, bool rejected)
{
	/* a request for others is under way already */
	l->news |= l->state != LOGIN_RENEWING;
	l->state = rejected ? LOGIN_REJECTED : LOGIN_AWAITED;
}

/*
 * Either the credential has expired, or a gateway refuses this request whatever the credential: trying a
 * fresh credential decides.
 */
uint64_t login_renew(struct login *l, uint64_t now, struct jitter *jitter)
{
	if (l->state != LOGIN_GOOD)
		return UINT64_MAX;
	if (now < l->renew_at)
		return l->renew_at;
	l->renew_at = now + backoff_next(&l->renewal, jitter);
	l->state = LOGIN_RENEWING;
	l->news = true;
	return UINT64_MAX;
}

enum login_state login_came(struct login *l, bool *ret_again)
{
	enum login_state was = l->state;
	*ret_again = l->rejected_before;
	l->rejected_before |= was == LOGIN_REJECTED;
	l->credential++;
	login_stop(l);
	return was;
}

void login_stop(struct login *l)
{
	l->state = LOGIN_GOOD;
	l->news = false;
}

void login_connected(struct login *l, bool good, bool proof)
{
	l->rejected_before &= !good;
	l->kept_after_reject &= !proof;
}

bool login_next(struct login *l, const char *reason, struct session_event *ret)
{
	static const char *const fixed[] = {
		[LOGIN_GOOD] = "HTTP status 401 to a request",
		[LOGIN_RENEWING] = "HTTP status 401 to a request",
		[LOGIN_AWAITED] = "",
	};
	if (!l->news)
		return false;
	*ret = (struct session_event){
		.kind = SESSION_EVENT_UNAUTHORIZED,
		.text = slice_of(l->state == LOGIN_REJECTED ? reason : fixed[l->state])};
	l->news = false;
	return true;
}
