/*
 * hub, when a server gets another session: it wants what members want, each channel
 * for the same member; what waits has exactly one reply; nothing changes when memory
 * ends in the middle. And a server that comes or goes while members are there.
 */
#include "tests/unit/hub_talk.h"

#include <errno.h>
#include <stdlib.h>

#define ENDED(id)                                                                                  \
	"{'op':'reply','id':" #id ",'ok':false,'error':{'code':'unknown-outcome','message':"      \
	"'the session was ended because its options changed, and no answer came'}}\n"

/* The second session of the first server, and what the members hold. */
struct exchange {
	struct world *w;
	struct session other;
};

static int setup(void **state)
{
	struct exchange *x = malloc(sizeof(*x));

	assert_non_null(x);
	x->w = world_new();
	session_double_init(&x->other);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct exchange *x = *state;

	session_double_drop(&x->w->sessions[0]);
	/* with its members go the channels of the session in use */
	world_drop(x->w);
	session_double_fini(&x->other);
	free(x);
	return 0;
}

static int exchange(struct exchange *x)
{
	return hub_set_session(x->w->hub, x->w->servers[0], &x->other);
}

static void listen_to(struct world *w, unsigned m, const char *json)
{
	assert_int_equal(ask(w, m, json), 0);
	heard(w, m);
}

/* Overlapping patterns of three members, one of which only listens, and another server. */
static void populate(struct world *w)
{
	go(w, false);
	listen_to(w, 3, "{'op':'subscribe','id':1,'channel':'/c'}");
	listen_to(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/a/b']}");
	listen_to(w, 1, "{'op':'subscribe','id':1,'channels':['/a/**','/a']}");
	listen_to(w, 2, "{'op':'subscribe','id':1,'channels':['/a/b','/service/x','/c']}");
	listen_to(w, 3, "{'op':'subscribe','id':1,'channel':'/l','upstream':false}");
	listen_to(w, 3, "{'op':'subscribe','id':1,'channel':'/two','server':'two'}");
	/* of two that wanted it, the second is left */
	listen_to(w, 0, "{'op':'unsubscribe','id':1,'channel':'/a'}");
	go(w, true);
	for (unsigned m = 0; m < 4; m++)
		heard(w, m);
	session_double_asked(&w->sessions[0]);
}

static void test_the_new_one_wants_the_same(void **state)
{
	static const struct { const char *channel; unsigned member; } wanted[] = {
		{"/a/b", 0}, {"/a/**", 1}, {"/a", 1}, {"/c", 3},
	};
	struct exchange *x = *state;
	struct world *w = x->w;

	populate(w);
	assert_int_equal(exchange(x), 0);
	assert_string_equal(session_double_asked(&x->other), "+/a/b +/a/** +/a +/c ");
	assert_session(w, "");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(session_double_peer(&x->other, wanted[i].channel),
				 w->members[wanted[i].member].id);
	assert_ptr_equal(hub_server_session(w->servers[0]), &x->other);
	/* by itself it is no news; what follows goes to the new one */
	for (unsigned m = 0; m < 4; m++)
		assert_heard(w, m, "");
	say_message(w, 0, "/a/b", "{}");
	for (unsigned m = 0; m < 3; m++)
		assert_heard(w, m, "{'op':'message','server':'one','seq':1,'message':{}}\n");
	assert_asked(w, 2, "{'op':'unsubscribe','id':2,'channel':'/c'}", DONE(2));
	assert_string_equal(session_double_asked(&x->other), "");
	assert_asked(w, 3, "{'op':'unsubscribe','id':2,'channel':'/c'}", DONE(2));
	assert_string_equal(session_double_asked(&x->other), "-/c ");
	assert_int_equal(ask(w, 2, "{'op':'publish','id':3,'channel':'/p','data':1}"), 0);
	assert_int_equal(x->other.published, 1);
	say_outcome(w, 0, x->other.cookie, SESSION_OK, NULL, NULL);
	assert_heard(w, 2, DONE(3));
	/* only a member whose channel was pending has an event */
	confirm(w, "/a/b");
	assert_heard(w, 0, CONFIRMED("/a/b"));
	assert_heard(w, 1, "");
}

/* A subscribe waits on; a publish and a call do not. */
static void test_waiting_requests(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;

	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}"), 0);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'publish','id':2,'channel':'/a','data':1}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'call','id':3,'channel':'/service/a','data':1}"), 0);
	assert_int_equal(ask(w, 0, "{'op':'publish','id':4,'channel':'/a','data':1,"
				   "'server':'two'}"), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	assert_int_equal(exchange(x), 0);
	assert_heard(w, 0, ENDED(2) ENDED(3));
	assert_heard(w, 1, "");
	/* an outcome that the old one reports too late finds no request */
	say_outcome(w, 0, w->sessions[0].cookie, SESSION_OK, NULL, NULL);
	assert_heard(w, 0, "");
	confirm(w, "/b");
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','ok':true}"));
	assert_heard(w, 1, CHANNELS(1, "{'channel':'/b','ok':true}"));
	say_outcome(w, 1, w->sessions[1].cookie, SESSION_OK, NULL, NULL);
	assert_heard(w, 0, DONE(4));
}

/* The new one is not up yet: no subscribe waits for that. */
static void test_waiting_for_one_that_is_down(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;

	x->other.up = false;
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}"), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	assert_int_equal(exchange(x), 0);
	assert_heard(w, 0, CHANNELS(1, "{'channel':'/a','ok':true},{'channel':'/b','pending':true}"));
	/* which is answered by an event */
	session_double_set(&x->other, "/b", SESSION_CHANNEL_ACTIVE);
	confirm(w, "/b");
	assert_heard(w, 0, CONFIRMED("/b"));
	/* what was confirmed before is no news, unless it is refused now */
	confirm(w, "/a");
	assert_heard(w, 0, "");
	refuse_a(w);
	assert_heard(w, 0, "{'op':'subscription','server':'one','channel':'/a','ok':false,"
			   "'error':" NO_A "}\n");
	assert_string_equal(session_double_asked(&x->other), "+/a +/b -/a ");
}

/* All of it or nothing. */
static void test_no_memory(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;
	unsigned failed = 0;

	populate(w);
	assert_int_equal(ask(w, 0, "{'op':'publish','id':1,'channel':'/a','data':1}"), 0);
	FAIL_EACH_ALLOCATION {
		int r = exchange(x);

		if (r == 0)
			continue;
		assert_int_equal(r, -ENOMEM);
		failed++;
		assert_ptr_equal(hub_server_session(w->servers[0]), &w->sessions[0]);
		assert_true(list_empty(&x->other.wishes));
		assert_int_equal(w->members[0].requests.n, 1);
	}
	assert_true(failed >= 4);
	assert_ptr_equal(hub_server_session(w->servers[0]), &x->other);
	assert_int_equal(w->members[0].requests.n, 0);
}

/* The words of a temporary refusal are of the old session: who joins now waits for the new one's. */
static void test_old_refusals_are_not_repeated(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;

	w->sessions[0].deferred = "/a";
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	say_channel(w, 0, "/a", SESSION_CHANNEL_PENDING, NULL, "busy");
	heard(w, 0);
	assert_int_equal(exchange(x), 0);
	assert_asked(w, 1, "{'op':'subscribe','id':1,'channel':'/a'}", "");
	session_double_set(&x->other, "/a", SESSION_CHANNEL_ACTIVE);
	confirm(w, "/a");
	assert_heard(w, 1, CHANNELS(1, "{'channel':'/a','ok':true}"));
	assert_heard(w, 0, CONFIRMED("/a"));
}

static void test_the_default_moves(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;

	hub_set_default(w->servers[0], false);
	assert_null(hub_find_server(w->hub, SLICE_NULL));
	hub_set_default(w->servers[1], true);
	assert_ptr_equal(hub_find_server(w->hub, SLICE_NULL), w->servers[1]);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	assert_string_equal(session_double_asked(&w->sessions[1]), "+/a ");
}

/* A server that members do not know yet: its first state reaches them, and they can use it. */
static void test_a_server_comes(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;
	struct hub_server *three;
	struct session_event event = {.kind = SESSION_EVENT_STATE};

	assert_int_equal(hub_add_server(w->hub, SLICE("three"), false, &x->other, &three), 0);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a','server':'three'}"), 0);
	x->other.up = false;
	x->other.info.state = SESSION_UNCONNECTED;
	hub_set_position(three, 3, 9);
	hub_handle_event(w->hub, three, &event, WORLD_NOW, WORLD_UNIX_MS);
	assert_non_null(strstr(heard(w, 1), "{'op':'state','server':'three','epoch':'0000000000000003',"
					    "'seq':9,'state':'unconnected'"));
	assert_non_null(strstr(heard(w, 0), CHANNELS(1, "{'channel':'/a','pending':true}")));
	hub_remove_server(w->hub, three);
	assert_heard(w, 0, "{'op':'subscription','server':'three','channel':'/a','ok':false,'error':"
			   "{'code':'unknown-server','message':'taken out of the configuration'}}\n");
	assert_heard(w, 1, "");
}

/* A slow receiver of a server that goes may slow down the other one. */
static void test_a_crowd_goes_with_its_server(void **state)
{
	struct exchange *x = *state;
	struct world *w = x->w;

	listen_to(w, 0, "{'op':'subscribe','id':1,'channel':'/a'}");
	listen_to(w, 0, "{'op':'subscribe','id':2,'channel':'/a','server':'two'}");
	w->members[0].outbox.bytes_max = 100;
	say_message(w, 0, "/a", "{'data':1}");
	assert_true(hub_is_crowded(w->servers[0]));
	hub_remove_server(w->hub, w->servers[0]);
	w->servers[0] = NULL;
	w->members[0].outbox.bytes_max = 1 << 20;
	heard(w, 0);
	w->members[0].outbox.bytes_max = 100;
	say_message(w, 1, "/a", "{'data':1}");
	assert_true(hub_is_crowded(w->servers[1]));
}

#define EXCHANGE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(test_the_new_one_wants_the_same),
		EXCHANGE_TEST(test_waiting_requests),
		EXCHANGE_TEST(test_waiting_for_one_that_is_down),
		EXCHANGE_TEST(test_no_memory),
		EXCHANGE_TEST(test_old_refusals_are_not_repeated),
		EXCHANGE_TEST(test_the_default_moves),
		EXCHANGE_TEST(test_a_server_comes),
		EXCHANGE_TEST(test_a_crowd_goes_with_its_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
