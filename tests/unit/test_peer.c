/*
 * local/peer over a socketpair: frames in any pieces, the identity of the other end, the
 * `closing` frame, and a lack of memory.
 */
#include "tests/unit/peer_world.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- frames --- */

static void test_portions(void **state)
{
	struct world w;
	char bytes[64];
	size_t n;

	(void)state;
	world_open(&w);
	n = put_frame(bytes, "hello");
	n += put_frame(bytes + n, "two in one");
	say_raw(&w, bytes, n);
	settle(&w);
	assert_string_equal(w.frames, "[hello][two in one]");
	for (size_t i = 0; i < n; i++) {
		say_raw(&w, bytes + i, 1);
		settle(&w);
	}
	assert_string_equal(w.frames, "[hello][two in one][hello][two in one]");
	assert_int_equal(peer_counters(w.peer)->frames_in, 4);
	assert_int_equal(peer_counters(w.peer)->bytes_in, 2 * n);
	world_close(&w);
	assert_int_equal(w.code, PROTOCOL_ERRORS_END);
}

static void test_length_zero(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	say_length(&w, 0);
	assert_hears_closing(&w, "bad-frame");
	assert_int_equal(w.code, PROTOCOL_E_BAD_FRAME);
	assert_int_equal(w.closed, 0);
	close(w.fd);
	w.fd = -1;
	settle(&w);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

static void test_length_limits(void **state)
{
	static const struct { uint32_t n; bool hello, fine; } table[] = {
		{PROTOCOL_HELLO_MAX, false, true},
		{PROTOCOL_HELLO_MAX + 1, false, false},
		{0xffffffff, false, false},
		{PROTOCOL_HELLO_MAX + 1, true, true},
		{PROTOCOL_REQUEST_MAX, true, true},
		{PROTOCOL_REQUEST_MAX + 1, true, false},
		{0x80000000, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world w;

		world_open(&w);
		if (table[i].hello)
			say(&w, "hello");
		say_length(&w, table[i].n);
		assert_int_equal(w.gone, !table[i].fine);
		if (!table[i].fine)
			assert_hears_closing(&w, "too-large");
		world_close(&w);
	}
}

static void test_longest_frame_arrives(void **state)
{
	struct world w;
	char *bytes = calloc(1, PROTOCOL_REQUEST_MAX);
	size_t sent = 0;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 'z', PROTOCOL_REQUEST_MAX);
	world_open(&w);
	say(&w, "hello");
	say_length(&w, PROTOCOL_REQUEST_MAX);
	while (sent < PROTOCOL_REQUEST_MAX) {
		ssize_t n = send(w.fd, bytes + sent, PROTOCOL_REQUEST_MAX - sent, 0);

		assert_int_equal(w.n_frames, 1);
		sent += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_turn(w.loop, false), 0);
	}
	settle(&w);
	assert_int_equal(w.n_frames, 2);
	free(bytes);
	world_close(&w);
}

/* --- who it is --- */

static void test_identity_and_name(void **state)
{
	struct world w;
	char longest[PROTOCOL_NAME_MAX + 1];

	(void)state;
	world_open(&w);
	assert_int_equal(peer_identity(w.peer)->uid, getuid());
	assert_int_equal(peer_identity(w.peer)->gid, getgid());
	assert_int_equal(peer_identity(w.peer)->pid, getpid());
	assert_ptr_equal(peer_of_member(peer_member(w.peer)), w.peer);
	assert_int_equal(peer_since(w.peer), 1000);
	assert_int_equal(peer_name(w.peer).n, 0);
	peer_set_name(w.peer, SLICE("me"));
	assert_true(slice_eq(peer_name(w.peer), SLICE("me")));
	memset(longest, 'n', sizeof(longest));
	memcpy(longest + PROTOCOL_NAME_MAX - 1, "\xc3\xbc", 2);
	peer_set_name(w.peer, slice_make(longest, sizeof(longest)));
	assert_int_equal(peer_name(w.peer).n, PROTOCOL_NAME_MAX - 1);
	world_close(&w);
}

static void test_only_unix_sockets(void **state)
{
	struct world w;
	struct peer_handler handler = world_handler(&w);
	struct peer_options options;
	struct peer *p = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	world_open(&w);
	peer_options_default(&options);
	assert_int_equal(peer_new(w.work, fd, &handler, &options, &p), -EAFNOSUPPORT);
	assert_null(p);
	assert_int_equal(close(fd), 0);
	world_close(&w);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_descriptors_sent_along_are_thrown_away(void **state)
{
	struct world w;
	char bytes[16], control[CMSG_SPACE(sizeof(int) * 100)];
	struct iovec iov = {bytes, put_frame(bytes, "hello")};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *c;
	unsigned at_first = count_fds(), before;

	(void)state;
	world_open(&w);
	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * 100);
	before = count_fds();
	for (int i = 0; i < 100; i++)
		memcpy(CMSG_DATA(c) + sizeof(int) * (size_t)i, &w.fd, sizeof(int));
	assert_int_equal(sendmsg(w.fd, &msg, 0), iov.iov_len);
	settle(&w);
	assert_string_equal(w.frames, "[hello]");
	assert_int_equal(count_fds(), before);
	world_close(&w);
	assert_int_equal(count_fds(), at_first);
}

/* --- the closing frame --- */

/* A reason that is no text is replaced; the peer still learns the code. */
static void test_broken_words(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	say(&w, "babble");
	assert_hears_closing(&w, "denied");
	world_close(&w);
}

static void test_retry_in(void **state)
{
	struct world w;
	struct slice body;
	char text[512];

	(void)state;
	world_open(&w);
	say(&w, "close");
	body = hear(&w);
	snprintf(text, sizeof(text), "%.*s", SLICE_ARG(body));
	assert_non_null(strstr(text, "\"retry_in\":500"));
	assert_non_null(strstr(text, "as asked"));
	world_close(&w);
}

/* an author must be able to find the fault of a program by these messages */
static void test_reasons_name_the_fault(void **state)
{
	enum { FIRST_TOO_LONG, TOO_LONG, EMPTY, HALF, NO_HELLO, WORDS };
	static const char *const words[WORDS] = {
		"the first frame is longer than a hello may be",
		"a frame is longer than a request may be", "a frame of length 0",
		"the last frame is not whole", "no hello came in time",
	};

	(void)state;
	for (int i = 0; i < WORDS; i++) {
		struct world w;

		world_open(&w);
		if (i != FIRST_TOO_LONG && i != NO_HELLO)
			say(&w, "hello");
		if (i == FIRST_TOO_LONG || i == TOO_LONG)
			say_length(&w, 0xffffffff);
		else if (i == EMPTY)
			say_length(&w, 0);
		else if (i == HALF)
			say_raw(&w, "\0\0\0\5ab", 6), shutdown(w.fd, SHUT_WR);
		else
			clock_fake(1, 1000 + PROTOCOL_HELLO_TIMEOUT_MS);
		assert_hears_reason(&w, words[i]);
		world_close(&w);
	}
}

/* --- no memory --- */

/* Without memory to report a loss the peer is closed, instead of hiding the loss; it is reported then, if there is
   memory again. */
static void test_no_memory_to_report_a_loss(void **state)
{
	struct world w;
	struct slice lost;

	(void)state;
	world_open(&w);
	say(&w, "hello");
	outbox_push_lost(&peer_member(w.peer)->outbox, SLICE("one"), 1);
	testing_fail_allocation(0);
	settle(&w);
	assert_true(testing_allocation_failed());
	assert_int_equal(w.code, PROTOCOL_E_INTERNAL);
	lost = hear(&w);
	assert_true(slice_starts(lost, SLICE("{\"op\":\"lost\",\"server\":\"one\"")));
	assert_hears_reason(&w, "out of memory");
	world_close(&w);
}

/* Without memory even for its `closing` it is not kept waiting for one. */
static void test_no_memory_for_a_reason(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world w;

		world_open(&w);
		say(&w, "hello");
		testing_fail_allocation(i);
		peer_close(w.peer, PROTOCOL_E_SHUTDOWN, SLICE("bye"), 0);
		assert_true(testing_allocation_failed());
		assert_int_equal(w.closed, 1);
		world_close(&w);
	}
}

static void test_failed_allocations(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct world w = {.fd = -1};
		struct peer_handler handler = world_handler(&w);
		struct peer_options options;
		int fds[2], r;

		if (loop_new(&w.loop))
			continue;
		if (work_queue_new(w.loop, &w.work)) {
			loop_free(w.loop);
			continue;
		}
		peer_options_default(&options);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		r = peer_new(w.work, fds[0], &handler, &options, &w.peer);
		if (r) {
			assert_int_equal(r, -ENOMEM);
			assert_int_equal(close(fds[0]), 0);
		} else {
			char bytes[16];

			w.fd = fds[1];
			say_raw(&w, bytes, put_frame(bytes, "hello"));
			settle(&w);
			if (w.peer)
				peer_close(w.peer, PROTOCOL_E_SHUTDOWN, SLICE("bye"), 0);
			settle(&w);
			assert_int_equal(w.gone, 1);
			if (w.peer)
				peer_abort(w.peer);
			assert_int_equal(w.closed, 1);
		}
		close(fds[1]);
		work_queue_free(w.work);
		loop_free(w.loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_length_zero),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_longest_frame_arrives),
		cmocka_unit_test(test_identity_and_name),
		cmocka_unit_test(test_only_unix_sockets),
		cmocka_unit_test(test_descriptors_sent_along_are_thrown_away),
		cmocka_unit_test(test_broken_words),
		cmocka_unit_test(test_retry_in),
		cmocka_unit_test(test_reasons_name_the_fault),
		cmocka_unit_test(test_no_memory_to_report_a_loss),
		cmocka_unit_test(test_no_memory_for_a_reason),
		cmocka_unit_test(test_failed_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
