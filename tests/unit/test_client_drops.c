/*
 * The library reads a byte at a time.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_test.h"

#include <sys/socket.h>
#include <unistd.h>

static bool dripping;

ssize_t __real_recv(int fd, void *p, size_t n, int flags);
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags);

/* our own reads, a byte each while it drips; the scripted daemon never asks for more */
ssize_t __wrap_recv(int fd, void *p, size_t n, int flags)
{
	return __real_recv(fd, p, dripping && n > 1024 ? 1 : n, flags);
}

#define MORE(seq, data) {D_WAIT, 0, 0}, D_MESSAGE(seq, "/a", data)

/*
 * A message is delivered wherever within a turn it ends, although no further byte
 * arrives to wake the loop.
 */
static void drip(bool listen)
{
	static const struct daemon_step script[] = {
		D_GREET(1, ""), MORE(1, "1"), MORE(2, "12"), MORE(3, "123"), MORE(4, "1234"),
		MORE(5, "12345"), MORE(6, "123456"), MORE(7, "1234567"), MORE(8, "12345678"),
		MORE(9, "123456789"), MORE(1, "1234567890"), MORE(1, "12345678901"),
		MORE(1, "123456789012"), MORE(1, "1234567890123"), MORE(1, "12345678901234"),
		MORE(1, "123456789012345"), MORE(1, "1234567890123456"),
		{D_HEAR_END, 0, 0}, {D_END, 0, 0}};
	struct daemon *d = daemon_start(script);
	struct log log = {.c = new_client(d)};

	dripping = true;
	if (listen)
		cometd_set_listener(log.c, on_event, &log);
	assert_int_equal(cometd_connect(log.c, 20 * SEC), 0);
	if (!listen)
		next(log.c, COMETD_EVENT_UP);
	for (int i = 1; i <= 16; i++) {
		daemon_go(d);
		if (listen)
			assert_int_equal(loop_until(&log, i + 1), 0);
		else
			assert_int_equal(next(log.c, COMETD_EVENT_MESSAGE)->data_len, i);
	}
	cometd_free(log.c);
	dripping = false;
	daemon_end(d);
}

static void test_drop_by_drop(void **state)
{
	(void)state;
	drip(false);
	drip(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_drop_by_drop),
	};

	/* a hang is a failure, too */
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
