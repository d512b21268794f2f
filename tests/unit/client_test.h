/*
 * A client of a scripted daemon (client_daemon.h), for tests of the library over
 * a real socket.
 */
#ifndef TESTS_CLIENT_TEST_H
#define TESTS_CLIENT_TEST_H

#include "tests/unit/client_daemon.h"

#include <cometd-bridge.h>

#include <string.h>

#define SEC 1000
#define DEFAULT COMETD_TIMEOUT_DEFAULT

/* A handle that will connect there. */
struct cometd *new_client(struct daemon *d);
/* The next event, which must be of this type. */
const struct cometd_event *next(struct cometd *c, enum cometd_event_type type);

#define assert_text(p, n, text)                                                                    \
	do {                                                                                       \
		assert_non_null(p);                                                                \
		assert_int_equal(n, strlen(text));                                                 \
		assert_memory_equal(p, text, n);                                                   \
	} while (0)

/* The calls of callbacks, as text. */
struct log {
	struct cometd *c;
	char text[4096];
	int n;
	int free_at;               /* in the callback of this number, free the handle */
	int unsubscribe_at;
};

/* They log their arguments, try what is not allowed in callbacks, and do what the log requests. */
void on_event(struct cometd *c, const struct cometd_event *e, void *user);
void on_result(struct cometd *c, const struct cometd_result *r, void *user);
/* A loop that uses only a descriptor and a timeout; returns the result of cometd_process(), or ends
   when `n` callbacks ran. */
int loop_until(struct log *log, int n);

/* For cmocka: each test leaves as many descriptors as it found. */
int count_descriptors(void **state);
int same_descriptors(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, count_descriptors, same_descriptors)

#endif
