/*
 * upstream/resume: a session is in the store as long as it lasts, and another process goes on with it if it has the
 * same options; whatever else is in the store gives a new session.
 */
#include "upstream/resume.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/disk.h"
#include "tests/unit/state_dir.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOW 1000000u

static struct loop *loop;
static struct store *store;
static struct resume resume;
static struct parts parts;
static char line[512];           /* of the log */

static void keep_line(void *ctx, const struct log_line *l)
{
	int n = snprintf(line, sizeof(line), "%s", l->text);

	(void)ctx;
	for (size_t i = 0; i < l->n_fields; i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %s=%.*s", l->fields[i].name,
			      SLICE_ARG(l->fields[i].value));
}

/* Another process. */
static void begin(const char *directory, uint64_t fingerprint)
{
	struct session_options o;

	assert_int_equal(store_new(loop, directory, (struct wake){NULL, NULL}, &store), 0);
	store_flush(store, 60000);
	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	parts = (struct parts){.fingerprint = fingerprint};
	assert_int_equal(session_new(&o, (struct wake){NULL, NULL}, &parts.session), 0);
	session_wall_clock(parts.session, NOW, clock_unix_ms());
	resume_init(&resume, store, "demo");
	resume_restore(&resume, &parts, NOW);
}

static void leave(void)
{
	store_flush(store, 60000);
	session_free(parts.session);
	store_free(store);
	store = NULL;
}

static void tell(void)
{
	struct session_event e;

	while (session_next(parts.session, NOW, &e) == 0)
		;
}

/* Takes the next batch, which is of this kind, and answers it. */
static void exchange(enum session_batch_kind kind, const char *reply)
{
	struct session_batch b;
	struct buf out;

	buf_init(&out, 1 << 20);
	tell();
	assert_int_equal(session_take_batch(parts.session, NOW, &out, &b), 0);
	assert_int_equal(b.kind, kind);
	assert_int_equal(session_feed(parts.session, NOW, b.id, slice_of(reply)), 0);
	tell();
	session_batch_end(parts.session, NOW, b.id);
	tell();
	buf_fini(&out);
}

static void connect_session(void)
{
	session_start(parts.session, NOW);
	exchange(SESSION_BATCH_HANDSHAKE, "[{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"c1\"}]");
}

#define CONNECTED "[{\"channel\":\"/meta/connect\",\"successful\":true}]"

/* A session that goes on connects first; a new one begins with a handshake. */
static void assert_goes_on(bool goes_on)
{
	session_start(parts.session, NOW);
	exchange(goes_on ? SESSION_BATCH_CONNECT : SESSION_BATCH_HANDSHAKE, CONNECTED);
}

static bool is_stored(void)
{
	struct store_session session;

	return store_session(store, SLICE("demo"), 0, &session);
}

static int setup(void **state)
{
	(void)state;
	clock_fake(1796070190000, NOW);
	state_dir_make();
	log_set_sink(keep_line, NULL);
	line[0] = 0;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	loop_free(loop);
	state_dir_remove();
	clock_fake(UINT64_MAX, UINT64_MAX);
	return 0;
}

/* What a killed process leaves. */
static void store_one(void)
{
	begin(state_dir, 7);
	connect_session();
	resume_save(&resume, &parts, NOW);
	assert_true(is_stored());
	leave();
}

static void another_process_goes_on(void **state)
{
	(void)state;
	store_one();
	begin(state_dir, 7);
	assert_non_null(strstr(line, "going on with the session of before the restart server=demo"));
	assert_goes_on(true);
	leave();
	/* with a time limit, by the time of day */
	clock_fake(1796070190000 + 80000, NOW);
	begin(state_dir, 7);
	assert_goes_on(false);
	leave();
}

static void it_is_saved_once_a_second(void **state)
{
	(void)state;
	begin(state_dir, 7);
	assert_int_equal(resume_save(&resume, &parts, NOW), UINT64_MAX);
	assert_false(is_stored());
	connect_session();
	/* nothing was stored, so it need not wait */
	resume_exchanged(&resume);
	assert_int_equal(resume_save(&resume, &parts, NOW), UINT64_MAX);
	assert_true(is_stored());
	/* nothing has changed */
	assert_int_equal(resume_save(&resume, &parts, NOW + 1), UINT64_MAX);
	exchange(SESSION_BATCH_CONNECT, CONNECTED);
	assert_int_equal(resume_save(&resume, &parts, NOW + 1), NOW + 1000);
	assert_int_equal(resume_save(&resume, &parts, NOW + 1000), UINT64_MAX);
	/* it ended: nothing is kept of it */
	session_stop(parts.session, NOW);
	assert_int_equal(resume_save(&resume, &parts, NOW + 2000), UINT64_MAX);
	assert_false(is_stored());
	leave();
}

static void it_is_left_to_the_next(void **state)
{
	(void)state;
	begin(state_dir, 7);
	assert_false(resume_leave(&resume, &parts, NOW));
	connect_session();
	assert_true(resume_leave(&resume, &parts, NOW));
	session_leave(parts.session, NOW);
	/* the end does not delete it */
	assert_int_equal(resume_save(&resume, &parts, NOW + 5000), UINT64_MAX);
	assert_true(is_stored());
	leave();
	begin(state_dir, 7);
	assert_goes_on(true);
	leave();
	/* without a state directory there is no next one */
	begin(NULL, 7);
	connect_session();
	assert_int_equal(resume_save(&resume, &parts, NOW), UINT64_MAX);
	assert_false(is_stored());
	assert_false(resume_leave(&resume, &parts, NOW));
	leave();
	resume_init(&resume, NULL, "demo");
	resume_restore(&resume, &parts, NOW);
	assert_int_equal(resume_save(&resume, &parts, NOW), UINT64_MAX);
}

static void other_options_make_a_new_one(void **state)
{
	(void)state;
	store_one();
	begin(state_dir, 8);
	assert_non_null(strstr(line, "reason=options of the server have changed"));
	assert_false(is_stored());
	assert_goes_on(false);
	leave();
}

static void garbage_makes_a_new_one(void **state)
{
	static const char *const texts[] = {
		"x", "{}", "[]", "{\"version\":2,\"options\":7,\"exact\":true,\"cookies\":\"\",\"session\":{}}",
		"{\"version\":1,\"options\":7,\"exact\":true,\"cookies\":\"\",\"session\":{}}",
		"{\"version\":1,\"options\":7,\"exact\":1,\"cookies\":\"\",\"session\":{}}",
		"{\"version\":1,\"options\":7,\"exact\":true,\"cookies\":[],\"session\":null}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct store_session session = {slice_of(texts[i]), UINT64_MAX};
		uint64_t write;

		begin(state_dir, 7);
		assert_int_equal(store_put_session(store, SLICE("demo"), &session, &write), 0);
		leave();
		begin(state_dir, 7);
		assert_false(is_stored());
		assert_goes_on(false);
		leave();
	}
}

static void memory_may_run_out(void **state)
{
	(void)state;
	begin(state_dir, 7);
	connect_session();
	FAIL_EACH_ALLOCATION {
		resume_exchanged(&resume);
		assert_int_equal(resume_save(&resume, &parts, NOW), UINT64_MAX);
	}
	assert_true(is_stored());
	leave();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(another_process_goes_on), T(it_is_saved_once_a_second), T(it_is_left_to_the_next),
		T(other_options_make_a_new_one), T(garbage_makes_a_new_one), T(memory_may_run_out),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
