/*
 * What a session knows of its credentials: whether it waits for others, which ones the server accepted, and whether
 * it rejected one after the other. The credentials themselves are the driver's.
 */
#ifndef BAYEUX_LOGIN_H
#define BAYEUX_LOGIN_H

#include "base/backoff.h"
#include "bayeux/session.h"

enum login_state {
	LOGIN_GOOD,             /* no others are requested */
	LOGIN_RENEWING,         /* others are requested; the session continues */
	LOGIN_AWAITED,          /* the session waits for the first ones */
	LOGIN_REJECTED,         /* it waits for others, because the server rejected those it had */
};

/* Private to login.c. */
struct login {
	enum login_state state;
	bool news;                      /* that others are needed is to be reported */
	bool rejected_before;           /* some were rejected since the last successful connect */
	/* after an HTTP 401 or 403 the session was kept once; the next one drops it */
	bool kept_after_reject;
	uint64_t credential;            /* how often others arrived; each exchange stores which it was sent with */
	uint64_t proven;                /* the last one with a good answer, counted from 1 */
	uint64_t renew_at;              /* others are not requested before, because they may not help */
	struct backoff renewal;
};

void login_init(struct login *l, const struct session_options *o);

/* Whether something is due, but not before others arrive. */
static inline bool login_waits(const struct login *l) { return l->state >= LOGIN_AWAITED; }
static inline bool login_is_requested(const struct login *l) { return l->state != LOGIN_GOOD; }
/* The session waits from now on. */
void login_await(struct login *l, bool rejected);
/*
 * Requests others, while the session continues. Returns until when a command waits for them: SESSION_NEVER, until
 * they arrive. After some that did not help, the next ones are requested only after a pause.
 */
uint64_t login_renew(struct login *l, uint64_t now, struct jitter *jitter);
/* There are others. Returns the state before; *ret_again: the server had rejected some before those. */
enum login_state login_came(struct login *l, bool *ret_again);
/* The session is off. */
void login_stop(struct login *l);

static inline uint64_t login_credential(const struct login *l) { return l->credential; }
/* The server answered well to an exchange with this one. */
static inline void login_prove(struct login *l, uint64_t credential) { l->proven = credential + 1; }
static inline bool login_is_proven(const struct login *l, uint64_t credential) { return l->proven == credential + 1; }
/* A request succeeded that had been rejected with another one. */
static inline void login_renewal_helped(struct login *l) { backoff_reset(&l->renewal); }

/* ---- whether the session outlives a rejection ---- */
static inline bool login_kept(const struct login *l) { return l->kept_after_reject; }
static inline void login_keep(struct login *l) { l->kept_after_reject = true; }
static inline void login_new_session(struct login *l) { l->kept_after_reject = false; }
/* A connect succeeded; `proof`: and proves that commands are accepted, too. */
void login_connected(struct login *l, bool good, bool proof);
/* whether none were rejected since the last successful connect */
static inline bool login_is_trusted(const struct login *l) { return !l->kept_after_reject && !l->rejected_before; }

/* Whether others are needed, which is reported now; `reason`: of the session's state. */
bool login_next(struct login *l, const char *reason, struct session_event *ret);
static inline bool login_has_news(const struct login *l) { return l->news; }

#endif
