/*
 * upstream/ext_files: the content of a file is sent with requests, a changed one soon, an
 * invalid one never; each fault is reported once, without the content of the file.
 */
#include "base/log.h"
#include "tests/unit/testing.h"
#include "upstream/ext_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
	char directory[64], path[96];
	struct ext_files files;
	struct mask *mask;
	struct session *session;
	uint64_t now;
	unsigned lines;                  /* of the log */
	char line[256];                  /* the last one */
};

static void on_log(void *ctx, const struct log_line *line)
{
	struct world *w = ctx;

	w->lines++;
	snprintf(w->line, sizeof(w->line), "%s", line->text);
	assert_null(strstr(line->text, "canary"));
	for (size_t i = 0; i < line->n_fields; i++)
		assert_null(memmem(line->fields[i].value.p, line->fields[i].value.n, "canary", 6));
}

static void put(const struct world *w, const char *text)
{
	FILE *f = fopen(w->path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *paths[SESSION_EXTS] = {NULL};
	struct session_options o;

	if (!w)
		return -1;
	*state = w;
	strcpy(w->directory, "/tmp/test-ext-files-XXXXXX");
	if (!mkdtemp(w->directory))
		return -1;
	snprintf(w->path, sizeof(w->path), "%s/ext", w->directory);
	paths[SESSION_EXT_HANDSHAKE] = w->path;
	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.ack = false;
	o.replay = SESSION_REPLAY_OFF;
	if (ext_files_init(&w->files, "demo", paths) || mask_new(&w->mask) ||
	    ext_files_secrets(&w->files, NULL, NULL, w->mask) ||
	    session_new(&o, (struct wake){0}, &w->session))
		return -1;
	session_start(w->session, 0);
	log_set_sink(on_log, w);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	log_set_sink(NULL, NULL);
	session_free(w->session);
	ext_files_fini(&w->files);
	mask_free(w->mask);
	unlink(w->path);
	rmdir(w->directory);
	free(w);
	return 0;
}

/* What a handshake has as ext, "" for none. It fails, and the next one is due a day later. */
static void assert_sends(struct world *w, const char *ext)
{
	static const struct session_failure failure = {.kind = SESSION_NOT_SENT};
	struct session_event event;
	struct session_batch batch;
	struct buf out;

	buf_init(&out, 1 << 16);
	w->now += 86400000;
	session_tick(w->session, w->now);
	while (session_next(w->session, w->now, &event) == 0)
		;
	assert_int_equal(session_take_batch(w->session, w->now, &out, &batch), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	const char *found = strstr(buf_slice(&out).p, ",\"ext\":");
	if (strncmp(found ? found + 7 : "", ext, *ext ? strlen(ext) : 1) != 0)
		fail_msg("\"%s\" is not in %s", ext, buf_slice(&out).p);
	buf_fini(&out);
	session_batch_failed(w->session, w->now, batch.id, &failure);
}

static void changes_are_seen(void **state)
{
	struct world *w = *state;

	put(w, "{\"n\":1}");
	assert_sends(w, "");
	ext_files_read(&w->files, w->session);
	assert_sends(w, "{\"n\":1}");
	put(w, "{\"n\":22}");
	ext_files_refresh(&w->files, w->session, 5000);
	assert_sends(w, "{\"n\":22}");
	/* looked at once a second at most */
	put(w, "{\"n\":333}");
	ext_files_refresh(&w->files, w->session, 5000 + EXT_FILES_PAUSE_MS - 1);
	assert_sends(w, "{\"n\":22}");
	ext_files_refresh(&w->files, w->session, 5000 + EXT_FILES_PAUSE_MS);
	assert_sends(w, "{\"n\":333}");
	/* what did not change is not read again, but by a new session */
	session_set_ext(w->session, SESSION_EXT_HANDSHAKE, SLICE("{\"other\":1}"));
	ext_files_refresh(&w->files, w->session, 9000);
	assert_sends(w, "{\"other\":1}");
	ext_files_read(&w->files, w->session);
	assert_sends(w, "{\"n\":333}");
	/* gone, and back again */
	unlink(w->path);
	ext_files_refresh(&w->files, w->session, 20000);
	assert_sends(w, "");
	put(w, "{\"n\":4}");
	ext_files_refresh(&w->files, w->session, 30000);
	assert_sends(w, "{\"n\":4}");
}

/* A session begins three times: this many lines are logged, the last one with this text. */
static void assert_reported(struct world *w, unsigned lines, const char *text)
{
	w->lines = 0;
	w->line[0] = 0;
	for (int i = 0; i < 3; i++)
		ext_files_read(&w->files, w->session);
	assert_int_equal(w->lines, lines);
	if (lines && !strstr(w->line, text))
		fail_msg("\"%s\" is not in \"%s\"", text, w->line);
}

static void faults_are_reported_once(void **state)
{
	static char large[64 << 10];
	struct world *w = *state;

	put(w, "{\"n\":1}");
	assert_reported(w, 0, "");
	put(w, "canary");
	assert_reported(w, 1, "the handshake goes without its ext: there is no JSON object");
	assert_sends(w, "");
	unlink(w->path);
	assert_reported(w, 1, "No such file");
	memset(large, ' ', sizeof(large) - 1);
	put(w, large);
	assert_reported(w, 1, "goes without its ext");
	assert_sends(w, "");
	put(w, "{\"n\":1}");
	assert_reported(w, 0, "");
	assert_sends(w, "{\"n\":1}");
	/* once more, like the first one */
	put(w, "[\"canary\"]");
	assert_reported(w, 1, "no JSON object");
}

static void memory_fails(void **state)
{
	const char *const paths[SESSION_EXTS] = {"/a", NULL, "/b", "/c"};
	struct world *w = *state;

	FAIL_EACH_ALLOCATION {
		struct ext_files f;
		int r = ext_files_init(&f, "demo", paths);

		assert_true(r == 0 || r == -ENOMEM);
		if (r == 0)
			ext_files_fini(&f);
	}
	put(w, "{\"n\":1}");
	FAIL_EACH_ALLOCATION {
		ext_files_read(&w->files, w->session);
	}
	assert_sends(w, "{\"n\":1}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(changes_are_seen), T(faults_are_reported_once), T(memory_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
