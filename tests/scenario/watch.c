/*
 * A watch is an inotify descriptor, which the caller closes.
 */
#include "tests/scenario/watch.h"

#include "tests/scenario/wire.h"
#include "tests/unit/testing.h"

#include <poll.h>
#include <unistd.h>

int watch_open(const char *path, uint32_t what)
{
	int fd = inotify_init1(IN_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(inotify_add_watch(fd, path, what) >= 0);
	return fd;
}

bool watch_wait(int watch, int64_t deadline)
{
	struct pollfd p = {.fd = watch, .events = POLLIN};
	int64_t left = deadline - wire_now();
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	if (left <= 0 || poll(&p, 1, (int)left) != 1)
		return false;
	assert_true(read(watch, events, sizeof(events)) > 0);
	return true;
}
