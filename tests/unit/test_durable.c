/*
 * upstream/durable: a message of a consumer is delivered, and an acknowledgement answered, when it is on the disk; the next
 * process has all of it; a disk that fails delays nothing, and has everything again when it works.
 */
#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/disk.h"
#include "tests/unit/hub_talk.h"
#include "tests/unit/state_dir.h"
#include "upstream/durable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct loop *loop;
static struct store *store;
static struct world *w;
static struct durable durable;
static unsigned wakes, processes;

static void on_wake(void *ctx)
{
	(void)ctx;
	wakes++;
}

static int setup(void **state)
{
	(void)state;
	clock_fake(1796070190000, WORLD_NOW);
	state_dir_make();
	processes = 0;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	disk_repair();
	/* after a failed test the rest stays */
	if (store)
		return 0;
	loop_free(loop);
	state_dir_remove();
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

/* A process begins. */
static void begin(const char *directory)
{
	assert_int_equal(store_new(loop, directory, (struct wake){NULL, NULL}, &store), 0);
	store_flush(store, 60000);
	w = world_new();
	go(w, true);
	/* seq goes on after all that was used */
	hub_set_position(w->servers[0], 1, 1000 * processes++);
	assert_int_equal(durable_init(&durable, store, w->hub, w->servers[0], WORLD_NOW, (struct wake){on_wake, NULL}), 0);
}

static void hold(const char *expected)
{
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channel':'/a','durable':'c'}"), 0);
	confirm(w, "/a");
	assert_non_null(strstr(heard(w, 0), expected));
}

static void end(void)
{
	world_drop(w);
	store_free(store);
	store = NULL;
}

static void end_killed(void)
{
	store_unlisten(&durable.commits);
	store_unlisten(&durable.rewrites);
	end();
}

static void end_stopped(void)
{
	durable_fini(&durable, WORLD_NOW);
	store_flush(store, 60000);
	end();
}

static void put(void)
{
	assert_true(durable_is_due(&durable));
	assert_int_equal(durable_put(&durable, WORLD_NOW, clock_unix_ms()), 0);
	assert_false(durable_is_due(&durable));
}

static void commit(void)
{
	wakes = 0;
	assert_true(store_flush(store, 60000));
	assert_true(wakes > 0);
	durable_settle(&durable, WORLD_NOW);
}

/* What the holder gets now: how many messages. */
static unsigned received(void)
{
	unsigned n = 0;

	while (hub_can_read(&w->members[0]))
		hub_read(&w->members[0]);
	for (const char *at = heard(w, 0); (at = strstr(at, "'op':'message'")); at++)
		n++;
	return n;
}

static void message(void)
{
	say_message(w, 0, "/a", "{'channel':'/a','data':1}");
}

static void ack(const char *text)
{
	assert_int_equal(ask(w, 0, text), 0);
}

static void what_is_on_the_disk_is_delivered(void **state)
{
	(void)state;
	begin(state_dir);
	hold("ok");
	put();
	commit();
	message();
	message();
	assert_true(durable_waits(&durable));
	assert_int_equal(received(), 0);
	put();
	assert_true(durable_deadline(&durable, WORLD_NOW) != UINT64_MAX);
	/* of the next transaction */
	message();
	assert_false(durable_is_due(&durable));
	assert_int_equal(received(), 0);
	commit();
	assert_int_equal(received(), 2);
	assert_true(durable_waits(&durable));
	put();
	commit();
	assert_int_equal(received(), 1);
	assert_false(durable_waits(&durable));
	ack("{'op':'ack','id':8,'durable':'c','seq':2}");
	assert_null(strstr(heard(w, 0), "'id':8"));
	put();
	commit();
	assert_non_null(strstr(heard(w, 0), "'id':8,'ok':true"));
	end_killed();
}

static void the_next_process_has_it(void **state)
{
	(void)state;
	begin(state_dir);
	hold("ok");
	message();
	put();
	commit();
	/* not put: gone with the process, and the server has it still */
	message();
	end_killed();
	begin(state_dir);
	hold("'acked':0,'redelivered':2");
	assert_int_equal(received(), 1);
	ack("{'op':'ack','durable':'c','seq':2}");
	end_stopped();
	begin(state_dir);
	hold("'acked':2");
	assert_int_equal(received(), 0);
	end_stopped();
}

static void pass(uint64_t ms)
{
	clock_fake(clock_unix_ms() + ms, clock_boot_ms() + ms);
	assert_int_equal(loop_turn(loop, false), 0);
	store_flush(store, 60000);
}

static void a_disk_that_fails_delays_nothing(void **state)
{
	(void)state;
	begin(state_dir);
	hold("ok");
	put();
	commit();
	message();
	put();
	disk_fail(0, DISK_FULL, true);
	assert_false(store_flush(store, 60000));
	assert_int_equal(received(), 0);
	durable_settle(&durable, WORLD_NOW);
	assert_int_equal(received(), 1);
	message();
	assert_false(durable_waits(&durable));
	assert_int_equal(durable_put(&durable, WORLD_NOW, clock_unix_ms()), 0);
	assert_int_equal(received(), 1);
	disk_repair();
	pass(80000);
	durable_settle(&durable, WORLD_NOW);
	assert_true(store_flush(store, 60000));
	end_killed();
	begin(state_dir);
	hold("'acked':0,'redelivered':3");
	assert_int_equal(received(), 2);
	end_stopped();
}

static void without_a_disk_it_is_delivered_at_once(void **state)
{
	(void)state;
	begin(NULL);
	hold("ok");
	message();
	assert_false(durable_waits(&durable));
	assert_int_equal(received(), 1);
	end_stopped();
}

static void without_memory_all_is_put_again(void **state)
{
	int r = -ENOMEM;

	(void)state;
	begin(state_dir);
	hold("ok");
	message();
	FAIL_EACH_ALLOCATION
		r = durable_put(&durable, WORLD_NOW, clock_unix_ms());
	assert_int_equal(r, 0);
	commit();
	assert_int_equal(received(), 1);
	end_killed();
	begin(state_dir);
	hold("'acked':0,'redelivered':2");
	end_stopped();
}

static char line[256];

static void keep_line(void *ctx, const struct log_line *l)
{
	(void)ctx;
	snprintf(line, sizeof(line), "%s", l->text);
}

/* What is no consumer is left out. */
static void what_cannot_be_used(void **state)
{
	const struct store_consumer c = {SLICE("c"), 0, 0, 0, 0, 0, SLICE("no pattern")};
	uint64_t write;

	(void)state;
	begin(state_dir);
	assert_int_equal(store_put_consumer(store, SLICE("one"), &c, &write), 0);
	assert_true(store_flush(store, 60000));
	end_killed();
	log_set_sink(keep_line, NULL);
	begin(state_dir);
	log_set_sink(NULL, NULL);
	assert_non_null(strstr(line, "left out: 1"));
	hold("'acked':");
	end_stopped();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_on_the_disk_is_delivered), T(the_next_process_has_it), T(a_disk_that_fails_delays_nothing),
		T(without_a_disk_it_is_delivered_at_once), T(without_memory_all_is_put_again), T(what_cannot_be_used),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
