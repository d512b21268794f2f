/*
 * hub, publish and call: every way one ends has its reply, which comes once and to
 * the one who asked.
 */
#include "tests/unit/hub_talk.h"

#include <errno.h>
#include <stdlib.h>

static void test_publish_outcomes(void **state)
{
	static const struct {
		enum session_outcome outcome;
		const char *json, *text, *reply;
	} table[] = {
		/* the server's reply, which may hold what only the publisher may know */
		{SESSION_OK, "{'successful':true,'data':{'token':1}}", NULL,
		 "{'op':'reply','id':5,'ok':true,'result':{'bayeux':"
		 "{'successful':true,'data':{'token':1}}}}\n"},
		{SESSION_OK, NULL, NULL, DONE(5)},
		{SESSION_REFUSED, "{'successful':false}", "403::denied",
		 "{'op':'reply','id':5,'ok':false,'error':{'code':'refused',"
		 "'message':'403::denied','bayeux':{'successful':false}}}\n"},
		{SESSION_REFUSED, NULL, "too large", REFUSED(5, "refused", "too large")},
		{SESSION_OUTCOME_NOT_SENT, NULL, "no route", REFUSED(5, "not-sent", "no route")},
		{SESSION_OUTCOME_NOT_SENT, NULL, NULL,
		 REFUSED(5, "not-sent", "never left the daemon")},
		{SESSION_OUTCOME_UNKNOWN, NULL, NULL,
		 REFUSED(5, "unknown-outcome", "sent, but not answered")},
		{SESSION_OUTCOME_TOO_LARGE, NULL, "too long", REFUSED(5, "too-large", "too long")},
		{SESSION_OUTCOME_TIMEOUT, NULL, NULL, REFUSED(5, "timeout", "no answer in time")},
	};
	struct world *w = world_new();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_asked(w, 0, "{'op':'publish','id':5,'channel':'/a','data':{'x':[1]},"
				   "'ext':{'e':1},'timeout':70}", "");
		assert_string_equal(w->sessions[0].publish, "/a {\"x\":[1]} {\"e\":1}");
		assert_false(w->sessions[0].call);
		assert_int_equal(w->sessions[0].deadline, WORLD_NOW + 70);
		assert_int_not_equal(w->sessions[0].cookie, 0);
		say_outcome(w, 0, w->sessions[0].cookie, table[i].outcome, table[i].json,
			    table[i].text);
		assert_heard(w, 0, table[i].reply);
		/* once and for all */
		say_outcome(w, 0, w->sessions[0].cookie, SESSION_OK, NULL, NULL);
		assert_heard(w, 0, "");
	}
	world_drop(w);
}

static void test_publish_without_id(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'publish','channel':'/a','data':null}", "");
	assert_string_equal(w->sessions[0].publish, "/a null ");
	assert_int_equal(w->sessions[0].deadline, WORLD_NOW + PROTOCOL_TIMEOUT_DEFAULT_MS);
	assert_int_equal(w->sessions[0].cookie, 0);
	say_outcome(w, 0, 0, SESSION_OK, NULL, NULL);
	assert_heard(w, 0, "");
	world_drop(w);
}

/* the session gets the peer of each publish, with an id or without, because it limits each peer */
static void test_publishes_have_owners(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'publish','channel':'/a','data':1}", "");
	assert_int_equal(w->sessions[0].peer, w->members[0].id);
	assert_asked(w, 1, "{'op':'publish','id':1,'channel':'/a','data':1}", "");
	assert_int_equal(w->sessions[0].peer, w->members[1].id);
	assert_asked(w, 2, "{'op':'call','id':1,'channel':'/service/a','data':1}", "");
	assert_int_equal(w->sessions[0].peer, w->members[2].id);
	world_drop(w);
}

static void test_call(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
	assert_true(w->sessions[0].call);
	say_outcome(w, 0, w->sessions[0].cookie, SESSION_OK, "{'channel':'/service/x','data':4}",
		    NULL);
	assert_heard(w, 0, "{'op':'reply','id':1,'ok':true,'result':{'message':"
			   "{'channel':'/service/x','data':4}}}\n");
	world_drop(w);
}

/* answers come in any order, and each finds its own */
static void test_answers_find_their_askers(void **state)
{
	struct world *w = world_new();
	uint64_t cookies[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_asked(w, i, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
		cookies[i] = w->sessions[0].cookie;
	}
	uint64_t gone = w->members[1].id;
	hub_remove_member(w->hub, &w->members[1]);
	assert_int_equal(w->sessions[0].left, gone);
	say_outcome(w, 0, cookies[2], SESSION_OK, "2", NULL);
	say_outcome(w, 0, cookies[1], SESSION_OK, "1", NULL);
	assert_heard(w, 0, "");
	assert_heard(w, 1, "");
	assert_heard(w, 2, "{'op':'reply','id':1,'ok':true,'result':{'message':2}}\n");
	say_outcome(w, 0, cookies[0], SESSION_OK, "0", NULL);
	assert_heard(w, 0, "{'op':'reply','id':1,'ok':true,'result':{'message':0}}\n");
	world_drop(w);
}

/* an immediate stop answers all pending requests; later outcomes find none */
static void test_end_of_requests(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->sessions[0].up = w->sessions[1].up = true;
	assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/x','data':2}", "");
	uint64_t cookie = w->sessions[0].cookie;
	assert_asked(w, 0, "{'op':'publish','id':2,'channel':'/a','data':2,'server':'two'}", "");
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channels':['/a','/service/b']}", "");
	hub_end_requests(w->hub, SLICE("the end"));
	assert_heard(w, 0, REFUSED(1, "unknown-outcome", "the end")
			   REFUSED(2, "unknown-outcome", "the end"));
	assert_heard(w, 1, CHANNELS(1, "{'channel':'/a','pending':true},"
				       "{'channel':'/service/b','ok':true}"));
	say_outcome(w, 0, cookie, SESSION_OK, "{}", NULL);
	hub_end_requests(w->hub, SLICE("the end"));
	assert_heard(w, 0, "");
	assert_heard(w, 1, "");
	world_drop(w);
}

static void test_queue_full(void **state)
{
	struct world *w = world_new();

	(void)state;
	w->sessions[0].publish_result = SESSION_E_FULL;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "too-many", "too much waits to be sent to the server"));
	assert_asked(w, 0, "{'op':'publish','channel':'/a','data':1}", "");
	w->sessions[0].publish_result = SESSION_E_TOO_LARGE;
	assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}",
		     REFUSED(1, "too-large", "larger than what is sent to this server (max-sent)"));
	w->sessions[0].publish_result = -ENOMEM;
	assert_int_equal(ask(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}"), -ENOMEM);
	assert_heard(w, 0, REFUSED(1, "internal", "out of memory"));
	world_drop(w);
}

/* an answer too large for a frame is replaced by words, not by silence */
static void test_answer_too_large(void **state)
{
	struct world *w = world_new();
	char *big = malloc((16u << 20) + 1);
	struct envelope e = {0};
	struct session_event event = {.kind = SESSION_EVENT_OUTCOME, .envelope = &e};

	(void)state;
	assert_non_null(big);
	memset(big, '1', (16u << 20) + 1);
	for (size_t size = (16u << 20) - 12; size <= (16u << 20) + 1; size += 13) {
		e.pieces[0] = slice_make(big, size);
		e.n_pieces = 1;
		assert_asked(w, 0, "{'op':'call','id':1,'channel':'/service/a','data':1}", "");
		event.cookie = w->sessions[0].cookie;
		hub_handle_event(w->hub, w->servers[0], &event, WORLD_NOW, WORLD_UNIX_MS);
		assert_heard(w, 0, REFUSED(1, "too-large", "the answer is too large"));
		/* a publish succeeded, whatever the size of the reply */
		assert_asked(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}", "");
		event.cookie = w->sessions[0].cookie;
		hub_handle_event(w->hub, w->servers[0], &event, WORLD_NOW, WORLD_UNIX_MS);
		assert_heard(w, 0, DONE(1));
	}
	free(big);
	world_drop(w);
}

/* Without the local wire: by the arguments of hub.h alone. */
static void test_plain_arguments(void **state)
{
	static const struct slice names[] = {{"/a", 2}, {"/b", 2}};
	const struct hub_channels both = {names, 2}, first = {names, 1};
	const struct hub_subscribe s = {
		.tag = 1, .server = SLICE("two"), .channels = both, .local_only = true,
		.overflow = OUTBOX_DISCONNECT,
	};
	const struct hub_publish p = {
		.tag = 7, .channel = SLICE("/a"), .data = SLICE("1"), .timeout = 70,
	};
	struct world *w = world_new();
	struct member *m = &w->members[0];

	(void)state;
	assert_int_equal(hub_subscribe(w->hub, m, &s), 0);
	assert_string_equal(session_double_asked(&w->sessions[1]), "");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','ok':true}"));
	assert_int_equal(hub_unsubscribe(w->hub, m, 2, SLICE("two"), &first), 0);
	assert_heard(w, 0, DONE(2));
	assert_int_equal(hub_unsubscribe(w->hub, m, 3, SLICE_NULL, &both), 0);
	assert_heard(w, 0, REFUSED(3, "not-subscribed", "not subscribed to \\'/a\\'"));
	assert_int_equal(hub_publish(w->hub, m, &p, WORLD_NOW), 0);
	assert_true(hub_tag_in_use(m, 7));
	assert_string_equal(w->sessions[0].publish, "/a 1 ");
	assert_int_equal(w->sessions[0].deadline, WORLD_NOW + 70);
	assert_int_equal(hub_publish(w->hub, m, &p, WORLD_NOW), 0);
	assert_heard(w, 0, REFUSED(7, "id-in-use", "a request with this id waits for its reply"));
	assert_int_equal(w->sessions[0].published, 1);
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publish_outcomes),
		cmocka_unit_test(test_publish_without_id),
		cmocka_unit_test(test_publishes_have_owners),
		cmocka_unit_test(test_call),
		cmocka_unit_test(test_answers_find_their_askers),
		cmocka_unit_test(test_end_of_requests),
		cmocka_unit_test(test_queue_full),
		cmocka_unit_test(test_answer_too_large),
		cmocka_unit_test(test_plain_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
