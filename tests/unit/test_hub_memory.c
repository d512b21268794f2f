/*
 * hub, when memory is short: a request is done or not done, and has exactly one
 * reply, or its member is given up.
 */
#include "tests/unit/hub_talk.h"

#include <errno.h>

/* Exactly one reply to id 1, or the member is given up. */
static void one_reply_of(struct world *w, unsigned m, bool may_be_ok)
{
	const char *text, *reply;

	/* reading needs memory of its own */
	(void)testing_allocation_failed();
	text = heard(w, m);
	reply = strstr(text, "{'op':'reply','id':1,");
	assert_true(w->members[m].outbox.overrun || reply);
	if (reply)
		assert_null(strstr(reply + 1, "{'op':'reply','id':1,"));
	if (reply && !may_be_ok)
		assert_null(strstr(reply, "'ok':true"));
	w->members[m].outbox.overrun = false;
}

static void one_reply(struct world *w, unsigned m)
{
	one_reply_of(w, m, true);
}

static void test_no_memory_to_subscribe(void **state)
{
	struct world *w = world_new();

	(void)state;
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':7,'channel':'/b','upstream':false}"), 0);
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 1, "{'op':'subscribe','id':1,"
				  "'channels':['/a','/b','/c/d/**','/a']}");
		size_t n = w->members[1].n_subscriptions;

		assert_true(r == 0 || r == -ENOMEM);
		/* all or nothing; what was held before is as it was */
		assert_int_equal(n, r == 0 ? 3 : 1);
		assert_int_equal(session_double_wants(&w->sessions[0], "/b"), r == 0);
		if (r == 0)
			go(w, false);
		go(w, true);
		one_reply(w, 1);
		assert_int_equal(w->members[1].requests.n, 0);
		heard(w, 0);
		if (r == 0)
			assert_int_equal(ask(w, 1, "{'op':'unsubscribe','id':2,"
						   "'channels':['/a','/b','/c/d/**']}"), 0);
		if (r == 0)
			assert_int_equal(ask(w, 1, "{'op':'subscribe','id':7,'channel':'/b',"
						   "'upstream':false}"), 0);
		heard(w, 1);
	}
	world_drop(w);
}

/* a member that holds nothing yet has to find memory for more than one that holds something */
static void test_no_memory_for_the_first(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct world *w;

		testing_fail_allocation(UINT32_MAX);
		w = world_new();
		testing_fail_allocation(fail_at_);
		ask(w, 0, "{'op':'subscribe','id':1,'channel':'/a/b','upstream':false}");
		one_reply(w, 0);
		say_message(w, 0, "/a/b", "{}");
		assert_int_equal(strlen(heard(w, 0)) > 0, w->members[0].n_subscriptions == 1);
		world_drop(w);
	}
}

/* a lack of memory is not reported as a fault of the request */
static void test_no_memory_to_read(void **state)
{
	struct world *w = world_new();
	unsigned internal = 0;

	(void)state;
	FAIL_EACH_ALLOCATION {
		const char *said;

		ask(w, 0, "{'op':'subscribe','id':1,'channels':['\\/a'],'upstream':false}");
		said = heard(w, 0);
		assert_null(strstr(said, "bad-request"));
		internal += strstr(said, "'code':'internal'") != NULL;
	}
	assert_true(internal > 0);
	world_drop(w);
}

static void test_no_memory_to_refuse(void **state)
{
	struct world *w = world_new();

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'subscribe','id':1,'channels':['/a','/b']}");

		if (r == 0) {
			say_channel(w, 0, "/a", SESSION_CHANNEL_REFUSED, "{}", "no");
			say_channel(w, 0, "/b", SESSION_CHANNEL_REFUSED, "{}", "no");
		}
		one_reply_of(w, 0, false);
		assert_int_equal(w->members[0].n_subscriptions, 0);
		assert_int_equal(w->members[0].requests.n, 0);
	}
	world_drop(w);
}

static void test_no_memory_to_publish(void **state)
{
	struct world *w = world_new();

	(void)state;
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'call','id':1,'channel':'/service/a','data':1}");

		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			say_outcome(w, 0, w->sessions[0].cookie, SESSION_REFUSED, "{}", "no");
		/* a refused request is never reported as successful */
		one_reply_of(w, 0, false);
		assert_int_equal(w->members[0].requests.n, 0);
	}
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_memory_to_subscribe),
		cmocka_unit_test(test_no_memory_for_the_first),
		cmocka_unit_test(test_no_memory_to_read),
		cmocka_unit_test(test_no_memory_to_refuse),
		cmocka_unit_test(test_no_memory_to_publish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
