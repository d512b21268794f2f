/*
 * The header-only adapter: a whole conversation in a libevent loop, over a
 * reconnection, and a handle that dies in a callback.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_daemon.h"

#include <cometd-bridge-libevent.h>

#include <unistd.h>

struct user {
	struct event_base *base;
	int messages, results, ups;
	bool free_at_message;
};

static void on_event(struct cometd *c, const struct cometd_event *e, void *arg)
{
	struct user *u = arg;

	u->ups += e->type == COMETD_EVENT_UP;
	if (e->type != COMETD_EVENT_MESSAGE)
		return;
	u->messages++;
	if (u->free_at_message)
		cometd_free(c);
	if (u->messages == 2 || u->free_at_message)
		event_base_loopbreak(u->base);
}

static void on_result(struct cometd *c, const struct cometd_result *result, void *arg)
{
	struct user *u = arg;

	(void)c;
	assert_int_equal(result->error, 0);
	u->results++;
}

static struct cometd *begin(struct daemon *d, struct user *u, struct cometd_libevent *g)
{
	struct cometd *c;

	u->base = event_base_new();
	assert_non_null(u->base);
	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, daemon_path(d)), 0);
	cometd_set_listener(c, on_event, u);
	assert_int_equal(cometd_libevent_attach(g, c, u->base), 0);
	return c;
}

static void test_conversation(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"), {D_HANGUP, 0, 0},
		D_GREET(3, ""), D_SUBSCRIBE(4, "/a"), D_MESSAGE(2, "/a", "2"),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd_libevent g;
	struct user u = {0};
	struct cometd *c = begin(d, &u, &g);

	(void)state;
	assert_int_equal(cometd_subscribe_async(c, NULL, "/a", 0, COMETD_TIMEOUT_DEFAULT,
						on_result, &u), 0);
	cometd_libevent_update(&g);
	assert_int_equal(event_base_dispatch(u.base), 0);
	assert_int_equal(u.messages, 2);
	assert_int_equal(u.results, 1);
	assert_int_equal(u.ups, 2);
	cometd_libevent_detach(&g);
	cometd_libevent_detach(&g);
	cometd_free(c);
	event_base_free(u.base);
	daemon_end(d);
}

static void test_freed_in_callback(void **state)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), D_MESSAGE(1, "/a", "1"), {D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct cometd_libevent g;
	struct user u = {.free_at_message = true};

	(void)state;
	begin(d, &u, &g);
	assert_int_equal(event_base_dispatch(u.base), 0);
	assert_null(g.c);
	cometd_libevent_update(&g);
	event_base_free(u.base);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conversation), cmocka_unit_test(test_freed_in_callback),
	};

	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
