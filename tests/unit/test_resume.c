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
	resume_init(&resume, store, "demo", (struct wake){NULL, NULL});
	resume_restore(&resume, &parts, NOW);
}

/* Saves it if that is due; or when that is. */
static uint64_t save_due(uint64_t now)
{
	uint64_t at = resume_due(&resume, &parts, now, false);

	if (at > now)
		return at;
	resume_save(&resume, &parts, now);
	return UINT64_MAX;
}

static void leave(void)
{
	resume_fini(&resume);
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
	save_due(NOW);
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
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_false(is_stored());
	connect_session();
	/* nothing was stored, so it need not wait */
	resume_exchanged(&resume);
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_true(is_stored());
	/* nothing has changed */
	assert_int_equal(save_due(NOW + 1), UINT64_MAX);
	exchange(SESSION_BATCH_CONNECT, CONNECTED);
	assert_int_equal(save_due(NOW + 1), NOW + 1000);
	assert_int_equal(save_due(NOW + 1000), UINT64_MAX);
	/* it ended: nothing is kept of it */
	session_stop(parts.session, NOW);
	assert_int_equal(save_due(NOW + 2000), UINT64_MAX);
	assert_false(is_stored());
	leave();
}

static unsigned commits;

static void count_commit(void *ctx)
{
	(void)ctx;
	commits++;
}

static void receive(uint64_t batch, const char *piece)
{
	assert_int_equal(session_feed(parts.session, NOW, batch, slice_of(piece)), 0);
	tell();
}

/* Takes the held connect; its batch. 0: none is sent. */
static uint64_t take_connect(const char *ack)
{
	struct session_batch b = {0};
	struct buf out;

	buf_init(&out, 1 << 20);
	if (session_take_batch(parts.session, NOW, &out, &b) == 0)
		assert_non_null(memmem(buf_slice(&out).p, buf_len(&out), ack, strlen(ack)));
	buf_fini(&out);
	return b.id;
}

/* A session with acknowledgements, in the middle of a batch that was saved. */
static uint64_t save_a_part(void)
{
	begin(state_dir, 7);
	resume.committed = (struct wake){count_commit, NULL};
	session_start(parts.session, NOW);
	exchange(SESSION_BATCH_HANDSHAKE, "[{\"channel\":\"/meta/handshake\",\"successful\":true,\"clientId\":\"c1\",\"ext\":{\"ack\":true}}]");
	exchange(SESSION_BATCH_CONNECT, "[{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":1}}]");
	uint64_t batch = take_connect("\"ack\":1");
	assert_int_not_equal(batch, 0);
	receive(batch, "[{\"channel\":\"/a\",\"data\":1},");
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_true(session_snapshot_is_partial(parts.session));
	return batch;
}

/* The server forgets a batch when it is acknowledged: a snapshot that knows only a part of it is replaced before. */
static void a_part_is_replaced_before_it_is_acknowledged(void **state)
{
	(void)state;
	uint64_t batch = save_a_part();
	receive(batch, "{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":2}}]");
	session_batch_end(parts.session, NOW, batch);
	tell();
	assert_int_equal(take_connect("\"ack\":2"), 0);
	/* as soon as the one before is committed, not a second later */
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_true(session_snapshot_is_partial(parts.session));
	assert_true(store_flush(store, 60000));
	assert_int_equal(commits, 1);
	resume_settle(&resume, &parts, false);
	assert_int_equal(take_connect("\"ack\":2"), 0);
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_false(session_snapshot_is_partial(parts.session));
	resume_settle(&resume, &parts, false);
	assert_int_equal(take_connect("\"ack\":2"), 0);
	assert_true(store_flush(store, 60000));
	resume_settle(&resume, &parts, false);
	assert_int_not_equal(take_connect("\"ack\":2"), 0);
	leave();
}

/* So does a process that goes on with a part. */
static void what_was_restored_is_replaced_too(void **state)
{
	(void)state;
	save_a_part();
	leave();
	begin(state_dir, 7);
	session_start(parts.session, NOW);
	exchange(SESSION_BATCH_CONNECT, "[{\"channel\":\"/a\",\"data\":1},{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":2}}]");
	assert_int_equal(take_connect("\"ack\":2"), 0);
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_true(store_flush(store, 60000));
	resume_settle(&resume, &parts, false);
	assert_int_not_equal(take_connect("\"ack\":2"), 0);
	leave();
}

/* What another unit puts into the store before the snapshot is on the disk before it is acknowledged. */
static void it_may_be_held(void **state)
{
	static const char text[] = "[{\"channel\":\"/a\",\"data\":2},{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":2}}]";

	(void)state;
	uint64_t batch = save_a_part();
	receive(batch, "{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":1}}]");
	session_batch_end(parts.session, NOW, batch);
	tell();
	store_flush(store, 60000);
	resume_settle(&resume, &parts, false);
	save_due(NOW);
	store_flush(store, 60000);
	resume_settle(&resume, &parts, false);
	batch = take_connect("\"ack\":1");
	resume_hold(&resume, &parts);
	receive(batch, text);
	session_batch_end(parts.session, NOW, batch);
	tell();
	assert_int_equal(take_connect("\"ack\":2"), 0);
	assert_int_equal(resume_due(&resume, &parts, NOW, false), NOW);
	resume_save(&resume, &parts, NOW);
	assert_int_equal(resume_due(&resume, &parts, NOW, true), UINT64_MAX);
	store_flush(store, 60000);
	/* more has come meanwhile */
	resume_settle(&resume, &parts, true);
	assert_int_not_equal(take_connect("\"ack\":2"), 0);
	assert_true(resume.holds);
	leave();
}

/* A full disk stops nothing. */
static void without_a_disk_nothing_is_held(void **state)
{
	(void)state;
	begin(NULL, 7);
	resume_hold(&resume, &parts);
	assert_false(resume.holds);
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
	assert_int_equal(save_due(NOW + 5000), UINT64_MAX);
	assert_true(is_stored());
	leave();
	begin(state_dir, 7);
	assert_goes_on(true);
	leave();
	/* without a state directory there is no next one */
	begin(NULL, 7);
	connect_session();
	assert_int_equal(save_due(NOW), UINT64_MAX);
	assert_false(is_stored());
	assert_false(resume_leave(&resume, &parts, NOW));
	leave();
	resume_init(&resume, NULL, "demo", (struct wake){NULL, NULL});
	resume_restore(&resume, &parts, NOW);
	assert_int_equal(save_due(NOW), UINT64_MAX);
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
		assert_int_equal(save_due(NOW), UINT64_MAX);
	}
	assert_true(is_stored());
	leave();
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(another_process_goes_on), T(it_is_saved_once_a_second), T(it_is_left_to_the_next),
		T(a_part_is_replaced_before_it_is_acknowledged), T(what_was_restored_is_replaced_too), T(it_may_be_held),
		T(without_a_disk_nothing_is_held),
		T(other_options_make_a_new_one), T(garbage_makes_a_new_one), T(memory_may_run_out),
	};

	disk_use();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
