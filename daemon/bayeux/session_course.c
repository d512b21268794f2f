/*
 * What the session does next, and when: a connect of the current session, or the handshake of a new one, at which
 * URL and over which transport. All reactions to a handshake or connect that succeeded, was refused or was lost are
 * here (bayeux.md 4.4 and 4.7), and those to rejected credentials and to a server that ends the session. After every
 * failure there is a pause, and every request in flight gets its outcome; an old session is given up before a new
 * handshake is sent, and there is a minimum time between handshakes.
 */
#include "bayeux/ext_ack.h"
#include "bayeux/ext_replay.h"
#include "bayeux/reply.h"
#include "bayeux/saved.h"
#include "bayeux/session_core.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* limit for pauses requested by Retry-After */
#define RETRY_AFTER_MAX 3600000u
/* how long to wait for pending replies of an ended session before the next handshake */
#define GRACE_MS 250u
/* answers in a row that cannot be read, before the session is given up */
#define UNREADABLE_MAX 2u
/* how long the events that come with a handshake are waited for on a WebSocket */
#define HANDSHAKE_EVENTS_MS 2000u
#define STOP_MS 2000u
/* bytes of a URL; a session at a longer one is not resumed */
#define SAVED_URL_MAX 8192u
/* how long a restored session waits at most, before its first connect, for the peers whose channels it has: what the
   server kept for them then finds them */
#define CLAIM_MS 2000u

/* ---- birth ---- */

void course_init(struct session *s)
{
	const struct session_options *o = &s->o;
	struct course *c = &s->course;
	advice_reset(&c->advice);
	backoff_init_slow(&c->backoff, o->backoff_min, o->backoff_max);
	backoff_init(&c->unreadable_backoff, o->backoff_min, o->backoff_max);
	backoff_init(&c->suspicion, o->backoff_min, o->backoff_max);
	backoff_init(&c->halt_backoff, o->halt_retry, 10 * o->halt_retry);
	transports_init(&c->transports, o);
	urls_init(&c->urls, o);
	c->due_at = SESSION_NEVER;
	link_init(&s->link, transports_first(&c->transports, 0));
}

/* The number of `url` among the URLs of `s`; their count when it is none of them. */
static size_t find_url(const struct session *s, const char *url)
{
	size_t i = 0;
	while (i < s->course.urls.n && strcmp(s->o.urls[i], url) != 0)
		i++;
	return i;
}

void course_succeed(struct session *s, const struct session *before)
{
	if (s->o.urls && before->o.urls)
		s->course.home = find_url(s, before->o.urls[before->course.home]);
	/* the positions of another server mean nothing to this one */
	if (s->exts.replay && before->exts.replay && s->course.home < s->course.urls.n)
		ext_replay_move(s->exts.replay, before->exts.replay);
}

void course_info(const struct session *s, struct session_info *ret)
{
	enum session_state state = report_state(&s->report);
	bool waits = state == SESSION_UNCONNECTED || state == SESSION_HALTED;
	ret->url = s->o.urls ? slice_of(s->o.urls[s->course.urls.current]) : SLICE_NULL;
	ret->retry_at = waits && s->course.due != DUE_NOTHING ? s->course.due_at : SESSION_NEVER;
}

/* ---- what is due ---- */

/* What waits for an exchange to end is woken by that end, not by time. */
static bool is_blocked(const struct session *s)
{
	/* over a WebSocket, the reply to a connect may arrive before the rest of the same text */
	if (s->course.due == DUE_CONNECT)
		return exchange_on_lane(&s->exchanges, SESSION_LANE_CONNECT) || inbox_of_connect(&s->inbox);
	return s->course.due == DUE_DISCONNECT && exchange_first_due(&s->exchanges, NULL);
}

static uint64_t due_at(const struct session *s)
{
	bool held = s->course.due == DUE_CONNECT && ext_ack_is_held(s->exts.ack);
	return held ? later_of(s->course.due_at, s->course.hold_until) : s->course.due_at;
}

uint64_t course_deadline(const struct session *s)
{
	uint64_t at = s->course.due == DUE_NOTHING || is_blocked(s) ? SESSION_NEVER : due_at(s);
	return report_state(&s->report) == SESSION_DISCONNECTING && s->course.stop_at < at ? s->course.stop_at : at;
}

enum session_due course_due(const struct session *s, uint64_t now)
{
	bool waits = s->course.due == DUE_HANDSHAKE && report_state(&s->report) != SESSION_HANDSHAKING;
	return due_at(s) > now || waits || is_blocked(s) ? DUE_NOTHING : s->course.due;
}

size_t course_transports(const struct session *s, uint64_t now, enum session_transport ret[SESSION_TRANSPORTS])
{
	return transports_list(&s->course.transports, now, ret);
}

enum session_transport course_transport(struct session *s, uint64_t now)
{
	if (s->course.due == DUE_HANDSHAKE)
		link_try(&s->link, transports_first(&s->course.transports, now));
	else if (s->course.due == DUE_DISCONNECT)
		link_try(&s->link, link_transport(&s->link));
	/* of a connect, set_connect() or a try of a better transport decided it */
	return link_next_transport(&s->link);
}

uint64_t course_reply_deadline(const struct session *s, uint64_t now)
{
	if (s->course.due == DUE_HANDSHAKE)
		return now + request_time(s);
	if (s->course.due == DUE_DISCONNECT)
		return s->course.stop_at;
	return now + s->o.network_delay + (s->course.due_probe ? 0 : connect_hold(s));
}

void course_sent(struct session *s, uint64_t now)
{
	struct course *c = &s->course;
	if (c->due == DUE_HANDSHAKE) {
		/* the old advice must not outlive its session (bayeux.md 0, 7) */
		advice_reset(&c->advice);
		link_use(&s->link, link_next_transport(&s->link));
		s->counts.handshakes++;
		c->handshaken = true;
		c->handshake_at = now;
	} else if (c->due == DUE_CONNECT) {
		link_sent_connect(&s->link, now, c->due_probe, course_refreshes_advice(s));
	}
	if (c->due != DUE_DISCONNECT)
		report_try(&s->report);
	c->due = DUE_NOTHING;
}

bool course_has_session(const struct session *s)
{
	return buf_len(&s->client_id) && s->course.due != DUE_HANDSHAKE;
}

bool course_suspicion_is_unfounded(const struct session *s, uint64_t now)
{
	return s->course.suspected && s->counts.connects > s->course.suspected_after && now < s->course.suspect_at;
}

/* ---- advice ---- */

int course_advise(struct session *s, const struct envelope *e, enum advice_reconnect *ret)
{
	struct advice advice = s->course.advice;
	*ret = ADVICE_ABSENT;
	if (!e->advice.p || report_state(&s->report) == SESSION_DISCONNECTING)
		return 0;
	advice.reconnect = ADVICE_ABSENT;
	int r = advice_read(&advice, e->advice, session_transport_name(link_next_transport(&s->link)));
	if (r)
		return r;
	if (advice.multiple_clients && !s->course.advice.multiple_clients)
		report_note(&s->report, "the server holds another session with the same cookie instead of "
			     "this one (multiple-clients)");
	if (advice.hosts && !s->course.hosts_noted) {
		s->course.hosts_noted = true;
		report_note(&s->report, "the server advises other hosts (hosts); only those named by url are "
			     "gone to");
	}
	s->course.advice = advice;
	*ret = advice.reconnect;
	return 0;
}

/* ---- when ---- */

static void set_due(struct session *s, enum session_due due, uint64_t at)
{
	s->course.due = due;
	s->course.due_at = at;
}

static void set_connect(struct session *s, uint64_t at, bool probe)
{
	set_due(s, DUE_CONNECT, at);
	s->course.due_probe = probe;
	link_try(&s->link, link_transport(&s->link));
}

uint64_t course_retry_after(const struct session_failure *f)
{
	return f->retry_after < RETRY_AFTER_MAX ? f->retry_after : RETRY_AFTER_MAX;
}

/* A new session after `delay`. Until it is due, replies of the old one still settle what is in flight; nothing new is
   sent. */
static void set_handshake(struct session *s, uint64_t now, uint64_t delay, const struct envelope *e)
{
	uint64_t at = now + delay;
	report_gap_later(&s->report);
	if (s->course.handshaken)
		at = later_of(at, s->course.handshake_at + s->o.backoff_min);
	giveup_connect(s);
	/* the server is about to refuse commands in flight: a refusal is better than "unknown outcome" */
	if (at <= now && s->exchanges.n_requests)
		at = now + GRACE_MS;
	set_due(s, DUE_HANDSHAKE, at);
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
}

/* What is known about transports and pauses belongs to another server. */
static void enter_url(struct session *s)
{
	transports_init(&s->course.transports, &s->o);
	s->course.handshaken = false;
}

static void go_to_first_url(struct session *s)
{
	if (s->course.urls.current == 0)
		return;
	urls_go_first(&s->course.urls);
	enter_url(s);
}

/* What a failure of a handshake or connect means for the URL; `shared`: the session may continue at the next. */
static enum urls_verdict blame_url(struct session *s, uint64_t now, enum session_transport transport,
				bool shared, const struct session_failure *f)
{
	if (!urls_blames(f))
		return URLS_STAY;
	enum urls_verdict verdict = shared ? urls_failed_shared(&s->course.urls, now)
					   : urls_failed(&s->course.urls, transport, now);
	if (verdict == URLS_TRANSPORT)
		transports_set_aside(&s->course.transports, transport, now);
	else if (verdict != URLS_STAY)
		enter_url(s);
	return verdict;
}

bool course_start_handshake(struct session *s, uint64_t now)
{
	if (s->course.due != DUE_HANDSHAKE || s->course.due_at > now || report_state(&s->report) == SESSION_HANDSHAKING)
		return false;
	giveup_session(s);
	if (urls_first_due(&s->course.urls, now))
		go_to_first_url(s);
	report_set_state(&s->report, now, SESSION_HANDSHAKING, NULL);
	return true;
}

/* how long after the first failure the old session may still exist */
static uint64_t resume_window(const struct session *s)
{
	if (s->course.advice.max_interval)
		return s->course.advice.timeout + s->course.advice.interval + s->course.advice.max_interval;
	return s->o.resume_window ? s->o.resume_window : s->course.advice.timeout + 10000;
}

/* Resumes the old session after `delay`, if it may still exist; else makes a new one. */
static void set_resume(struct session *s, uint64_t now, uint64_t delay, const struct envelope *e)
{
	if (now + delay - s->course.unconnected_since > resume_window(s)) {
		set_handshake(s, now, delay, e);
		return;
	}
	set_connect(s, now + delay, true);
	/* an attempt to resume does not change the state, but why it failed may be new */
	if (report_state(&s->report) == SESSION_UNCONNECTED)
		report_new_reason(&s->report);
	report_set_state(&s->report, now, SESSION_UNCONNECTED, e);
}

/* How long the first connect of a restored session still waits for peers. */
static uint64_t claim_pause(const struct session *s, uint64_t now)
{
	return s->course.resume_at > now ? s->course.resume_at - now : 0;
}

/* The link works: the next pause is the shortest one again. */
static void note_proof(struct session *s)
{
	backoff_reset(&s->course.backoff);
	backoff_reset(&s->course.halt_backoff);
	s->course.handshake_obeyed = false;
}

/*
 * A link that lasted longer than the coming pause is no reason to make that pause longer, although it
 * may be cut before the server answers a held connect. It does not prove credentials that were
 * rejected since: their pauses go on growing.
 */
static bool has_lasted(const struct session *s, uint64_t now)
{
	return report_state(&s->report) == SESSION_CONNECTED && login_is_trusted(&s->login) &&
	       now - report_since(&s->report) > later_of(s->course.backoff.next, s->course.backoff.min);
}

static void count_failed_connect(struct session *s, uint64_t now)
{
	s->counts.failures++;
	link_end_spin(&s->link);
	if (has_lasted(s, now))
		note_proof(s);
	if (!s->course.unconnected_since)
		s->course.unconnected_since = later_of(now, 1);
}

bool course_negotiate(struct session *s, uint64_t now, unsigned server)
{
	enum session_transport t;
	if (!server || !transports_negotiate(&s->course.transports, server, now, &t))
		return false;
	link_use(&s->link, t);
	return true;
}

void course_upgrade_refused(struct session *s, uint64_t now, const struct session_failure *f)
{
	transports_failed(&s->course.transports, SESSION_WEBSOCKET, f, now);
}

/* ---- credentials ---- */

bool course_is_rejection(const struct session *s, const struct exchange *x,
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

void course_await_credentials(struct session *s, uint64_t now, const struct envelope *e, bool rejected)
{
	s->counts.failures += rejected;
	report_gap_later(&s->report);
	link_end_spin(&s->link);
	giveup_session(s);
	set_due(s, DUE_HANDSHAKE, SESSION_NEVER);
	wait_for_credentials(s, now, e, rejected);
}

void course_rejected(struct session *s, uint64_t now)
{
	/* only once: some servers bind a session to the credential of its handshake */
	if (login_kept(&s->login) || s->course.due == DUE_HANDSHAKE || buf_len(&s->client_id) == 0) {
		course_await_credentials(s, now, NULL, true);
		return;
	}
	exts_lost_connection(s);
	ext_ack_lost(s->exts.ack);
	count_failed_connect(s, now);
	giveup_connect(s);
	login_keep(&s->login);
	set_connect(s, SESSION_NEVER, true);
	wait_for_credentials(s, now, NULL, true);
}

/*
 * The pause breaks the loop in which credential after credential is rejected. The first may have
 * ended while the server was away: however long the pauses were by then, others go at once.
 */
void course_credentials_came(struct session *s, uint64_t now)
{
	uint64_t pause = 0;
	bool again;
	enum login_state was = login_came(&s->login, &again);
	publishes_go_on(&s->publishes, SHARE_BACK_CREDENTIAL);
	if (was == LOGIN_RENEWING)
		return;
	if (was == LOGIN_REJECTED && again)
		pause = backoff_next(&s->course.backoff, &s->jitter);
	else if (was == LOGIN_REJECTED && backoff_fresh(&s->course.backoff))
		backoff_next(&s->course.backoff, &s->jitter);
	if (s->course.due == DUE_CONNECT)
		set_resume(s, now, later_of(pause, claim_pause(s, now)), NULL);
	else
		set_handshake(s, now, pause, NULL);
}

/* ---- when the server wants an end ---- */

bool course_is_ended(const struct session *s)
{
	return report_state(&s->report) == SESSION_HALTED && s->course.due == DUE_NOTHING;
}

/* No request is left waiting, because there will be no session. */
void course_refuse(struct session *s)
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
	course_refuse(s);
	set_due(s, DUE_NOTHING, SESSION_NEVER);
	report_set_state(&s->report, now, SESSION_HALTED, e);
}

/* Applies the policy. Whether it demands anything else than to try again. */
static bool obey(struct session *s, uint64_t now, const struct envelope *e,
		 enum session_policy policy)
{
	bool refresh = policy == SESSION_REFRESH && s->o.credentials;
	if (refresh)
		course_await_credentials(s, now, e, true);
	else if (policy == SESSION_STOP)
		end_for_good(s, now, e);
	return refresh || policy == SESSION_STOP;
}

static void come_back(struct session *s, uint64_t now, const struct envelope *e,
		      enum session_policy policy)
{
	if (obey(s, now, e, policy))
		return;
	count_failed_connect(s, now);
	set_handshake(s, now, backoff_next(&s->course.backoff, &s->jitter), e);
}

void course_kicked(struct session *s, uint64_t now, const struct envelope *e)
{
	come_back(s, now, e, s->o.on_disconnect);
}

void course_halt(struct session *s, uint64_t now, const struct envelope *e)
{
	s->counts.failures++;
	giveup_session(s);
	set_due(s, DUE_HANDSHAKE, now + backoff_next(&s->course.halt_backoff, &s->jitter));
	report_set_state(&s->report, now, SESSION_HALTED, e);
}

void course_handshake_forbidden(struct session *s, uint64_t now, const struct envelope *e)
{
	if (!obey(s, now, e, s->o.on_none))
		course_halt(s, now, e);
}

/* ---- handshake ---- */

/* Servers that do not share sessions do not share event ids either, so extensions start again. */
static void note_home_url(struct session *s)
{
	if (report_generation(&s->report) && s->course.home != s->course.urls.current && !s->o.url_shared)
		ext_replay_moved(s->exts.replay);
	s->course.home = s->course.urls.current;
}

void course_handshake_done(struct session *s, uint64_t now, const struct envelope *e)
{
	note_home_url(s);
	s->course.unreadable = 0;
	login_new_session(&s->login);
	report_new_session(&s->report);
	s->course.unconnected_since = 0;
	s->course.alive_at = now;
	s->course.hold_until = now + SESSION_HOLD_MS;
	link_expect_events(&s->link, 0);
	s->course.suspect_at = 0;
	s->course.suspected = false;
	backoff_reset(&s->course.suspicion);
	set_connect(s, now + s->course.advice.interval, true);
	/* the socket has done its part: the server wants the rest another way */
	if (link_transport(&s->link) != SESSION_WEBSOCKET && link_close_websocket(&s->link))
		report_abort_all(&s->report);
	if (exts_ack_in_effect(s) && link_next_transport(&s->link) == SESSION_WEBSOCKET && e->x_messages) {
		/* acknowledge them with the first connect, rather than have them twice */
		link_expect_events(&s->link, e->x_messages);
		s->course.due_at += HANDSHAKE_EVENTS_MS;
	}
	report_set_state(&s->report, now, SESSION_CONNECTING, e);
}

void course_handshake_refused(struct session *s, uint64_t now, const struct envelope *e, bool rejected,
			      enum advice_reconnect reconnect)
{
	if (rejected) {
		course_await_credentials(s, now, e, true);
		return;
	}
	if (reconnect == ADVICE_NONE) {
		course_handshake_forbidden(s, now, e);
		return;
	}
	s->counts.failures++;
	set_handshake(s, now, backoff_next(&s->course.backoff, &s->jitter) + s->course.advice.interval, e);
}

void course_handshake_lost(struct session *s, uint64_t now, enum session_transport transport,
			 const struct session_failure *f)
{
	/* nothing reached the server: no need to keep the distance between handshakes */
	if (f->kind == SESSION_NOT_SENT)
		s->course.handshaken = false;
	bool moved = transports_failed(&s->course.transports, transport, f, now) && f->unsupported &&
		     transports_first(&s->course.transports, now) != transport;
	enum urls_verdict verdict = blame_url(s, now, transport, false, f);
	moved |= verdict == URLS_TRANSPORT || verdict == URLS_NEXT;
	uint64_t delay = moved ? 0 : backoff_next(&s->course.backoff, &s->jitter);
	/* Retry-After of one server does not apply to another */
	if (verdict != URLS_NEXT)
		delay = later_of(delay, course_retry_after(f));
	set_handshake(s, now, delay, NULL);
}

/* ---- connect ---- */

/*
 * At once the first time, whatever pause the outage had reached: a server that answers is back. When the
 * server asks for a handshake again before any connect succeeded, pauses grow.
 */
static void handshake_as_advised(struct session *s, uint64_t now, const struct envelope *e)
{
	bool at_once = !s->course.handshake_obeyed;
	uint64_t pause = backoff_next(&s->course.backoff, &s->jitter);
	s->course.handshake_obeyed = true;
	set_handshake(s, now, s->course.advice.interval + (at_once ? 0 : pause), e);
}

void course_connect_done(struct session *s, uint64_t now, const struct envelope *e,
		       enum advice_reconnect reconnect)
{
	s->counts.connects++;
	publishes_go_on(&s->publishes, SHARE_BACK_CONNECT);
	s->course.unreadable = 0;
	bool proof = link_is_proof(&s->link, now);
	if (proof)
		transports_proven(&s->course.transports, link_next_transport(&s->link));
	/* a resumed session counts, too, but proves neither that the transport carries a held connect,
	   nor that the credentials are accepted for commands */
	bool good = proof || (s->course.unconnected_since && !login_kept(&s->login));
	if (good)
		note_proof(s);
	login_connected(&s->login, good, proof);
	s->course.unconnected_since = 0;
	s->course.alive_at = now;
	s->course.hold_until = now + SESSION_HOLD_MS;
	link_use(&s->link, link_next_transport(&s->link));
	urls_good(&s->course.urls);
	wanted_proven(&s->wanted);
	report_set_state(&s->report, now, SESSION_CONNECTED, e);
	exts_have_repeated(s);
	if (reconnect == ADVICE_HANDSHAKE) {
		report_set_reason(&s->report, "the server asks for a new handshake");
		handshake_as_advised(s, now, e);
		return;
	}
	if (s->o.url_return == SESSION_URL_BREAK && urls_first_due(&s->course.urls, now)) {
		report_set_reason(&s->report, "going back to the first URL");
		set_handshake(s, now, 0, e);
		return;
	}
	set_connect(s, now + later_of(s->course.advice.interval, link_spin_pause(&s->link, now, s->o.backoff_min)), false);
	enum session_transport better;
	if (transports_better(&s->course.transports, link_transport(&s->link), now, &better)) {
		link_try(&s->link, better);
		s->course.due_probe = true;
	}
}

void course_event(struct session *s, uint64_t now)
{
	bool last, connected = report_state(&s->report) == SESSION_CONNECTED;
	/* over a WebSocket it comes beside the held connect, which the server need not answer for long */
	if (link_event(&s->link, &last) && connected)
		note_proof(s);
	if (last && s->course.due == DUE_CONNECT)
		s->course.due_at = now;
	/* Faye writes the connect's reply in front of its events: it was not empty after all */
	if (connected && s->course.due == DUE_CONNECT && link_end_spin(&s->link))
		s->course.due_at = now + s->course.advice.interval;
}

static void retry_connect(struct session *s, uint64_t now, uint64_t at_least,
			  const struct envelope *e)
{
	uint64_t delay = backoff_next(&s->course.backoff, &s->jitter) + s->course.advice.interval;
	set_resume(s, now, later_of(delay, at_least), e);
}

/* Whether the URL is given up, or its transport. Another server has the session only if it is shared. */
static bool give_up_url(struct session *s, uint64_t now, enum session_transport transport,
		      const struct session_failure *f)
{
	enum urls_verdict verdict = blame_url(s, now, transport, s->o.url_shared, f);
	uint64_t delay = verdict == URLS_ROUND ? backoff_next(&s->course.backoff, &s->jitter) : 0;
	if (verdict == URLS_STAY)
		return false;
	if (s->o.url_shared)
		set_resume(s, now, delay, NULL);
	else
		set_handshake(s, now, delay, NULL);
	return true;
}

void course_connect_refused(struct session *s, uint64_t now, const struct envelope *e, bool rejected,
			    enum advice_reconnect reconnect)
{
	if (rejected) {
		course_await_credentials(s, now, e, true);
	} else if (reconnect == ADVICE_NONE) {
		come_back(s, now, e, s->o.on_none);
	} else {
		count_failed_connect(s, now);
		ext_ack_lost(s->exts.ack);
		if (reconnect == ADVICE_HANDSHAKE)
			handshake_as_advised(s, now, e);
		else
			retry_connect(s, now, 0, e);
	}
}

/* ---- a connect that got lost ---- */

/* A success in between does not reset the pause; only time does. */
uint64_t course_unreadable_pause(struct session *s, uint64_t now)
{
	if (s->course.unreadable_at && now - s->course.unreadable_at > 2 * s->o.backoff_max)
		backoff_reset(&s->course.unreadable_backoff);
	s->course.unreadable_at = later_of(now, 1);
	return backoff_next(&s->course.unreadable_backoff, &s->jitter);
}

void course_connect_cut(struct session *s, uint64_t now, const struct session_failure *f)
{
	if (!report_is_up(&s->report) || s->course.due != DUE_CONNECT)
		return;
	exts_lost_messages(s);
	if (f->unreadable)
		s->course.due_at = later_of(s->course.due_at, now + course_unreadable_pause(s, now));
}

void course_connect_lost(struct session *s, uint64_t now, enum session_transport transport,
		       const struct session_failure *f)
{
	if (s->course.due == DUE_HANDSHAKE)
		return;
	bool sent = f->kind != SESSION_NOT_SENT;
	if (transport != link_transport(&s->link)) {
		/* it was only a try of the preferred transport: the old one continues */
		if (sent)
			exts_lost_messages(s);
		ext_ack_lost(s->exts.ack);
		transports_set_aside(&s->course.transports, transport, now);
		report_clear_reason(&s->report);
		set_connect(s, now, true);
		return;
	}
	if (sent)
		exts_lost_connection(s);
	ext_ack_lost(s->exts.ack);
	count_failed_connect(s, now);
	if (give_up_url(s, now, transport, f))
		return;
	uint64_t least = f->unreadable ? course_unreadable_pause(s, now) : 0;
	least = later_of(least, course_retry_after(f));
	/* with ack, an unreadable message is repeated at each resume: give up the session, report a gap */
	if (f->unreadable && ++s->course.unreadable >= UNREADABLE_MAX) {
		s->course.unreadable = 0;
		set_handshake(s, now, later_of(backoff_next(&s->course.backoff, &s->jitter), least), NULL);
		return;
	}
	/* an unreachable server does not count against the transport: first try to resume */
	if ((sent || f->unsupported) && transports_failed(&s->course.transports, transport, f, now))
		set_handshake(s, now, least, NULL);
	else
		retry_connect(s, now, least, NULL);
}

void course_probe(struct session *s, uint64_t now)
{
	struct exchange *x = link_connect(&s->link);
	if (login_waits(&s->login) || course_is_ended(s))
		return;
	if (s->course.due == DUE_HANDSHAKE) {
		s->course.due_at = now;
		if (s->course.handshaken)
			s->course.due_at = later_of(now, s->course.handshake_at + s->o.backoff_min);
		return;
	}
	if (link_handshake(&s->link) || report_state(&s->report) == SESSION_OFF ||
	    report_state(&s->report) == SESSION_DISCONNECTING)
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
	set_connect(s, now, true);
}

/*
 * A reply suggests that the server lost the session: check with a connect at once. Some servers refuse other
 * requests with the same words, so every unconfirmed suspicion makes the pause before the next check longer:
 * over long-polling, the check aborts the held connect, which may lose events.
 */
void course_suspect(struct session *s, uint64_t now)
{
	if (!report_is_up(&s->report) || now < s->course.suspect_at)
		return;
	s->course.suspect_at = now + backoff_next(&s->course.suspicion, &s->jitter);
	s->course.suspected = true;
	s->course.suspected_after = s->counts.connects;
	course_probe(s, now);
}

/* ---- the end ---- */

void course_off(struct session *s, uint64_t now)
{
	giveup_session(s);
	login_stop(&s->login);
	set_due(s, DUE_NOTHING, SESSION_NEVER);
	report_gap_later(&s->report);
	report_set_state(&s->report, now, SESSION_OFF, NULL);
}

/* ---- over a restart of the process ---- */

uint64_t course_save(const struct session *s, uint64_t now, struct json_write *w)
{
	const struct course *c = &s->course;
	uint64_t alive = session_time(s, c->alive_at).unix_ms;
	unsigned server, aside;
	transports_save(&c->transports, now, &server, &aside);
	json_object_begin(w);
	json_key(w, "url"), json_put_str(w, s->o.urls ? s->o.urls[c->urls.current] : "");
	json_key(w, "transport"), json_put_str(w, session_transport_name(link_transport(&s->link)));
	json_key(w, "offered"), json_put_u64(w, server);
	json_key(w, "aside"), json_put_u64(w, aside);
	json_key(w, "interval"), json_put_u64(w, c->advice.interval);
	json_key(w, "timeout"), json_put_u64(w, c->advice.timeout);
	json_key(w, "maxInterval"), json_put_u64(w, c->advice.max_interval);
	json_key(w, "alive"), json_put_u64(w, alive);
	json_object_end(w);
	return alive + resume_window(s);
}

enum { FIELD_URL, FIELD_TRANSPORT, FIELD_OFFERED, FIELD_ASIDE, FIELD_INTERVAL, FIELD_TIMEOUT, FIELD_MAX_INTERVAL,
       FIELD_ALIVE, FIELDS };

static int restore_url(struct session *s, uint64_t now, const struct json_value *v)
{
	char text[SAVED_URL_MAX + 1] = "";
	struct slice url;
	size_t i;
	int r = saved_text(v, text, sizeof(text), &url);
	if (r)
		return r;
	i = s->o.urls ? find_url(s, text) : 0;
	if (i >= s->course.urls.n || (!s->o.urls && url.n))
		return SAVED_E_INVALID;
	urls_resume(&s->course.urls, i, now);
	s->course.home = i;
	return 0;
}

static int restore_transport(struct session *s, uint64_t now, const struct json_field *f)
{
	uint64_t server, aside;
	int t = 0;
	while (t < SESSION_TRANSPORTS && !saved_is(&f[FIELD_TRANSPORT].value, session_transport_name((enum session_transport)t)))
		t++;
	if (t == SESSION_TRANSPORTS || !transports_include(&s->course.transports, (enum session_transport)t))
		return SAVED_E_INVALID;
	int r = saved_u64(&f[FIELD_OFFERED].value, UINT_MAX, &server);
	if (r == 0)
		r = saved_u64(&f[FIELD_ASIDE].value, UINT_MAX, &aside);
	if (r)
		return r;
	transports_restore(&s->course.transports, (unsigned)server, (unsigned)aside, now);
	link_use(&s->link, (enum session_transport)t);
	link_try(&s->link, (enum session_transport)t);
	return 0;
}

/* A time of day in the future means that the clock was set back: the server decides whether the session is there. */
int course_restore(struct session *s, uint64_t now, const struct json_value *v)
{
	struct json_field f[FIELDS] = {
		[FIELD_URL] = {.name = "url"}, [FIELD_TRANSPORT] = {.name = "transport"},
		[FIELD_OFFERED] = {.name = "offered"}, [FIELD_ASIDE] = {.name = "aside"},
		[FIELD_INTERVAL] = {.name = "interval"}, [FIELD_TIMEOUT] = {.name = "timeout"},
		[FIELD_MAX_INTERVAL] = {.name = "maxInterval"}, [FIELD_ALIVE] = {.name = "alive"},
	};
	struct course *c = &s->course;
	uint64_t *const advice[] = {&c->advice.interval, &c->advice.timeout, &c->advice.max_interval};
	uint64_t alive, unix_ms = session_time(s, now).unix_ms;
	int r = saved_object(v, f, FIELDS);
	if (r == 0)
		r = restore_url(s, now, &f[FIELD_URL].value);
	if (r == 0)
		r = restore_transport(s, now, f);
	for (int i = 0; r == 0 && i < 3; i++)
		r = saved_u64(&f[FIELD_INTERVAL + i].value, ADVICE_MAX, advice[i]);
	if (r == 0)
		r = saved_u64(&f[FIELD_ALIVE].value, UINT64_MAX, &alive);
	if (r)
		return r;
	/* it may be before our clock began: only differences are used */
	c->alive_at = alive < unix_ms ? now - (unix_ms - alive) : now;
	return 0;
}

void course_claimed(struct session *s)
{
	struct course *c = &s->course;
	if (!c->resume_at || wanted_unclaimed(&s->wanted))
		return;
	if (c->due == DUE_CONNECT && c->due_at == c->resume_at)
		c->due_at = 0;
	c->resume_at = 0;
}

/* What the server sent to the process that is gone may be lost, as with a connection that broke. */
static void resume_restored(struct session *s, uint64_t now)
{
	struct course *c = &s->course;
	uint64_t age = now - c->alive_at, window = resume_window(s);
	c->unconnected_since = c->alive_at ? c->alive_at : 1;
	exts_lost_connection(s);
	/* not so long that the server gives it up meanwhile */
	if (wanted_unclaimed(&s->wanted) && age < window)
		c->resume_at = now + (window - age < 4 * CLAIM_MS ? (window - age) / 4 : CLAIM_MS);
	report_set_reason(&s->report, age > window ? "the session of before the restart is too old" : SESSION_RESUMES);
	if (!s->o.credentials) {
		set_resume(s, now, claim_pause(s, now), NULL);
		return;
	}
	set_connect(s, SESSION_NEVER, true);
	wait_for_credentials(s, now, NULL, false);
}

/* ---- start and stop ---- */

void course_start(struct session *s, uint64_t now)
{
	if (buf_len(&s->client_id)) {
		resume_restored(s, now);
		return;
	}
	go_to_first_url(s);
	if (s->o.credentials) {
		course_await_credentials(s, now, NULL, false);
	} else {
		set_due(s, DUE_HANDSHAKE, now);
		report_set_state(&s->report, now, SESSION_HANDSHAKING, NULL);
	}
}

void course_stop(struct session *s, uint64_t now)
{
	if (!course_has_session(s)) {
		course_off(s, now);
		return;
	}
	/* the disconnect follows requests in flight, unless they take too long */
	LIST_EACH(x, &s->exchanges.list, struct exchange, link)
		if (x->batch.transport == SESSION_LONG_POLLING && exchange_of_commands(x) &&
		    x->deadline > now + STOP_MS / 2)
			x->deadline = now + STOP_MS / 2;
	s->course.stop_at = now + STOP_MS;
	set_due(s, DUE_DISCONNECT, now);
	report_set_state(&s->report, now, SESSION_DISCONNECTING, NULL);
}

void course_tick(struct session *s, uint64_t now)
{
	if (report_state(&s->report) == SESSION_DISCONNECTING && s->course.stop_at <= now)
		course_off(s, now);
}
