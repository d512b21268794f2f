/*
 * Common functions of the tests of the library over a real socket.
 */
#include "tests/unit/client_test.h"

#include "tests/unit/testing.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>

struct cometd *new_client(struct daemon *d)
{
	struct cometd *c;

	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, daemon_path(d)), 0);
	assert_int_equal(cometd_set_name(c, "test"), 0);
	return c;
}

const struct cometd_event *next(struct cometd *c, enum cometd_event_type type)
{
	const struct cometd_event *event;

	assert_int_equal(cometd_next(c, 20 * SEC, &event), 0);
	assert_int_equal(event->type, type);
	return event;
}

static void note(struct log *log, const char *what)
{
	strncat(log->text, what, sizeof(log->text) - strlen(log->text) - 1);
	strncat(log->text, " ", sizeof(log->text) - strlen(log->text) - 1);
	log->n++;
	/* nothing here may wait or turn again */
	assert_int_equal(cometd_process(log->c), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_ping(log->c, 10), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_connect(log->c, 10), COMETD_E_IN_CALLBACK);
	assert_int_equal(cometd_wait(log->c, 10), COMETD_E_IN_CALLBACK);
	if (log->n == log->free_at)
		cometd_free(log->c);
	if (log->n == log->unsubscribe_at)
		assert_int_equal(cometd_unsubscribe_async(log->c, NULL, "/a", DEFAULT, NULL, NULL),
				 0);
}

void on_event(struct cometd *c, const struct cometd_event *e, void *user)
{
	static const char *const names[] = {"?", "message", "state", "subscription", "lost", "up",
	"down"};

	assert_ptr_equal(c, ((struct log *)user)->c);
	note(user, names[e->type]);
}

void on_result(struct cometd *c, const struct cometd_result *r, void *user)
{
	assert_ptr_equal(c, ((struct log *)user)->c);
	note(user, cometd_error_name(r->error));
}

int loop_until(struct log *log, int n)
{
	int r = 0;

	while (!r && log->n < n) {
		struct pollfd p = {.fd = cometd_get_fd(log->c),
				   .events = (short)cometd_get_events(log->c)};
		int timeout = cometd_get_timeout(log->c);

		assert_true(poll(&p, 1, timeout < 0 ? 20 * SEC : timeout) >= 0);
		r = cometd_process(log->c);
	}
	return r;
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

int count_descriptors(void **state)
{
	*state = (void *)(long)descriptors();
	return 0;
}

int same_descriptors(void **state)
{
	return descriptors() == (int)(long)*state ? 0 : -1;
}
