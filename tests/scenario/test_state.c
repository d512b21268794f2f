/*
 * The state directory: positions go on after a stop and after kill -9, as far as the disk allows, and what the
 * administrator reads where it does not.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The position of the server `demo`, from its row in the reply to status. */
static uint64_t position(struct wire *a, char ret_epoch[17])
{
	const struct message *m = wire_reply(a, wire_request(a, "status", "%s", ""));
	char *result = strndup(m->result.p, m->result.n);
	const char *epoch = strstr(result, "\"epoch\":\""), *seq = strstr(result, "\"seq\":");
	uint64_t n;

	assert_true(epoch && seq);
	snprintf(ret_epoch, 17, "%s", epoch + 9);
	assert_int_equal(sscanf(seq, "\"seq\":%" SCNu64, &n), 1);
	free(result);
	return n;
}

/* Receives `n` messages; the seq of the last one. */
static uint64_t receive(struct wire *a, unsigned n)
{
	uint64_t seq = 0;

	wire_ok(a, "subscribe", ",\"channel\":\"/a\"");
	for (unsigned i = 0; i < n; i++) {
		wire_ok(a, "publish", ",\"channel\":\"/a\",\"data\":%u", i);
		seq = wire_expect(a, PROTOCOL_OP_MESSAGE)->seq;
	}
	return seq;
}

static void restart(struct world *w, bool killed)
{
	if (killed)
		world_kill(w);
	else
		assert_int_equal(world_stop(w), 0);
	world_start(w);
}

static struct world *up(bool keep)
{
	struct world *w = world_new(NULL);

	if (keep)
		world_keep_state(w);
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	return w;
}

static void positions_go_on(void **state)
{
	struct world *w = up(true);
	char epoch[17], later[17];
	uint64_t seq = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		bool killed = i % 2;
		struct wire *a = world_peer(w, "a");
		uint64_t at = position(a, later);

		if (i) {
			assert_string_equal(later, epoch);
			/* the run before was stopped, or killed */
			if (killed)
				assert_int_equal(at, seq);
			else
				assert_true(at > seq);
		}
		strcpy(epoch, later);
		seq = receive(a, 5);
		assert_true(seq >= at + 5);
		wire_close(a);
		restart(w, killed);
	}
	/* only the daemon can read it */
	struct stat st;
	char path[160];
	snprintf(path, sizeof(path), "%s/state.db", w->state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	world_free(w);
}

static void without_a_directory_each_run_has_its_epoch(void **state)
{
	struct world *w = up(false);
	char before[17], after[17];
	char *out;

	(void)state;
	assert_true(world_log_has(w, "there is no state directory ($STATE_DIRECTORY)"));
	struct wire *a = world_peer(w, "a");
	position(a, before);
	receive(a, 3);
	wire_close(a);
	restart(w, false);
	a = world_peer(w, "a");
	assert_int_equal(position(a, after), 0);
	assert_string_not_equal(before, after);
	wire_close(a);
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", NULL), 0);
	assert_null(strstr(out, "state cannot be written"));
	free(out);
	world_free(w);
}

/* A file that another program wrote is kept, and reported. */
static void an_unusable_file_is_kept(void **state)
{
	struct world *w = world_new(NULL);
	char path[160];
	char *out;

	(void)state;
	world_keep_state(w);
	snprintf(path, sizeof(path), "%s/state.db", w->state);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs("what another program wrote", f);
	fclose(f);
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	assert_true(world_log_has(w, "the state file cannot be used, and a new one was created"));
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", NULL), 0);
	assert_non_null(strstr(out, "state.db.2"));
	free(out);
	struct wire *a = world_peer(w, "a");
	char before[17], after[17];
	position(a, before);
	wire_close(a);
	restart(w, true);
	a = world_peer(w, "a");
	position(a, after);
	assert_string_equal(before, after);
	wire_close(a);
	world_free(w);
}

/* The daemon serves all the same, says why nothing is kept, and writes everything when it can. */
static void a_place_that_cannot_be_used(void **state)
{
	struct world *w = world_new(NULL);
	char path[160], before[17], after[17];
	char *out;

	(void)state;
	world_keep_state(w);
	snprintf(path, sizeof(path), "%s/state.db", w->state);
	assert_int_equal(mkdir(path, 0700), 0);
	world_configure(w, NULL, NULL, NULL);
	world_start(w);
	assert_true(world_log_has(w, "state.db is not a regular file; remove it"));
	struct wire *a = world_peer(w, "a");
	receive(a, 3);
	position(a, before);
	assert_int_equal(world_command(w, &out, NULL, "cometctl", "status", NULL), 0);
	assert_non_null(strstr(out, "the state cannot be written"));
	free(out);
	assert_int_equal(rmdir(path), 0);
	while (!world_log_has(w, "the state is written again"))
		wire_ok(a, "ping", "%s", "");
	wire_close(a);
	restart(w, true);
	a = world_peer(w, "a");
	position(a, after);
	assert_string_equal(before, after);
	wire_close(a);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_go_on),
		cmocka_unit_test(without_a_directory_each_run_has_its_epoch),
		cmocka_unit_test(an_unusable_file_is_kept),
		cmocka_unit_test(a_place_that_cannot_be_used),
	};

	return scenario_run("state", tests, NULL, NULL);
}
