/*
 * The local connection of a program is interrupted, or the program is: each message
 * reaches it once and in order, and a gap is reported only where there is one. The
 * connection goes through a relay that the test closes after any number of bytes.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <cometd-bridge.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\nnetwork-delay = 2s\n"
#define DEFAULT COMETD_TIMEOUT_DEFAULT
#define DEADLINE SCENARIO_DEADLINE_MS

/* ---- the relay ---------------------------------------------------------- */

struct relay {
	char path[128];
	const char *to;
	int listener, near, far;    /* the program's end and the daemon's; -1: no connection */
	size_t left;                /* bytes from the daemon until it cuts the connection */
	uint64_t random;
	unsigned cuts;
};

static uint64_t next_random(struct relay *r)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return r->random;
}

static int unix_socket(const char *path, bool listens)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (listens) {
		assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(listen(fd, 16), 0);
	} else {
		assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	return fd;
}

static void relay_open(struct relay *r, const struct world *w, uint64_t seed)
{
	*r = (struct relay){.to = w->socket, .near = -1, .far = -1, .random = seed};
	snprintf(r->path, sizeof(r->path), "%s/relay", w->dir);
	r->listener = unix_socket(r->path, true);
}

static void relay_cut(struct relay *r)
{
	close(r->near);
	close(r->far);
	r->near = r->far = -1;
}

static void relay_close(struct relay *r)
{
	if (r->near >= 0)
		relay_cut(r);
	close(r->listener);
	unlink(r->path);
}

/* Moves what is there. False: one of the two has closed. */
static bool move(int from, int to, size_t most, size_t *ret)
{
	char bytes[16384];
	ssize_t n = recv(from, bytes, most < sizeof(bytes) ? most : sizeof(bytes), MSG_DONTWAIT);

	*ret = n > 0 ? (size_t)n : 0;
	return n < 0 || (n > 0 && send(to, bytes, (size_t)n, MSG_NOSIGNAL) == n);
}

static void relay_accept(struct relay *r)
{
	r->near = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(r->near >= 0);
	r->far = unix_socket(r->to, false);
	/* not for ever: on a slow machine a connection may be cut before it brings a message */
	r->left = r->cuts < 20 ? 1 + next_random(r) % 16000 : SIZE_MAX;
}

/* `p`: listener, near and far, after poll(2). */
static void relay_turn(struct relay *r, const struct pollfd *p)
{
	bool alive = true;
	size_t n = 0;

	if (r->near < 0) {
		if (p[0].revents)
			relay_accept(r);
		return;
	}
	if (p[1].revents)
		alive = move(r->near, r->far, SIZE_MAX, &n);
	if (alive && p[2].revents) {
		alive = move(r->far, r->near, r->left, &n);
		r->left -= n;
	}
	r->cuts += alive && r->left == 0;
	if (!alive || r->left == 0)
		relay_cut(r);
}

/* ---- a program that receives, and one that publishes --------------------- */

struct stream {
	struct relay relay;
	struct cometd *receiver, *publisher;
	unsigned channels, wanted, published, acknowledged, received;
	uint64_t seq;               /* of the message received last */
	unsigned gaps, answered;
};

static void on_event(struct cometd *c, const struct cometd_event *e, void *user)
{
	struct stream *s = user;

	(void)c;
	if (e->type == COMETD_EVENT_LOST || (e->type == COMETD_EVENT_UP && e->gap))
		s->gaps++;
	if (e->type != COMETD_EVENT_MESSAGE)
		return;
	char number[16];
	snprintf(number, sizeof(number), "%u", s->received);
	if (e->data_len != strlen(number) || memcmp(e->data, number, e->data_len) != 0)
		fail_msg("%.*s instead of %s", (int)e->data_len, e->data, number);
	assert_true(e->seq > s->seq);
	assert_non_null(e->epoch);
	s->seq = e->seq;
	s->received++;
}

static void on_published(struct cometd *c, const struct cometd_result *r, void *user)
{
	(void)c;
	assert_int_equal(r->error, 0);
	((struct stream *)user)->acknowledged++;
}

static void on_subscribed(struct cometd *c, const struct cometd_result *r, void *user)
{
	(void)c;
	assert_int_equal(r->error, 0);
	((struct stream *)user)->answered++;
}

static void publish_some(struct stream *s)
{
	char channel[32], number[16];

	while (s->published < s->wanted && s->published - s->acknowledged < 100) {
		snprintf(channel, sizeof(channel), "/n/%u", s->published * 7919 % s->channels);
		snprintf(number, sizeof(number), "%u", s->published);
		assert_int_equal(cometd_publish_async(s->publisher, NULL, channel, number, strlen(number),
						      DEFAULT, on_published, s), 0);
		s->published++;
	}
}

static void turn(struct stream *s)
{
	struct pollfd p[] = {
		{.fd = s->relay.near < 0 ? s->relay.listener : -1, .events = POLLIN},
		{.fd = s->relay.near, .events = POLLIN}, {.fd = s->relay.far, .events = POLLIN},
		{.fd = cometd_get_fd(s->receiver), .events = POLLIN},
		{.fd = cometd_get_fd(s->publisher), .events = POLLIN},
	};

	/* 0 ms: do not wait for the pause that the library makes after each interruption */
	if (!cometd_is_connected(s->receiver))
		cometd_connect(s->receiver, 0);
	assert_true(poll(p, 5, cometd_is_connected(s->receiver) ? 1000 : 1) >= 0);
	relay_turn(&s->relay, p);
	assert_int_equal(cometd_process(s->receiver), 0);
	assert_int_equal(cometd_process(s->publisher), 0);
}

static void subscribe_all(struct stream *s, struct cometd *c, const char *pattern)
{
	char channel[32];

	s->answered = 0;
	for (unsigned i = 0; i < s->channels; i++) {
		snprintf(channel, sizeof(channel), "/n/%u", i);
		assert_int_equal(cometd_subscribe_async(c, NULL, channel, 0, DEFAULT, on_subscribed, s), 0);
	}
	if (pattern)
		assert_int_equal(cometd_subscribe_async(c, NULL, pattern, 0, DEFAULT, on_subscribed, s), 0);
	while (s->answered < s->channels + (pattern != NULL)) {
		s->relay.left = SIZE_MAX;
		turn(s);
	}
}

static void ignore(struct cometd *c, const struct cometd_event *e, void *user)
{
	(void)c, (void)e, (void)user;
}

static struct cometd *handle(const char *path, cometd_event_fn fn, void *user)
{
	struct cometd *c;

	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, path), 0);
	cometd_set_listener(c, fn, user);
	return c;
}

/*
 * `n` messages on so many channels. What keeps the daemon subscribed meanwhile: the publisher, who holds them,
 * too, or, `alone`, the option linger.
 */
static void interrupted_stream(unsigned channels, const char *pattern, unsigned n, uint64_t seed, bool alone)
{
	struct world *w = world_up(NULL, alone ? QUICK "linger = 1h\n" : QUICK);
	struct stream s = {.channels = channels, .wanted = n};
	int64_t deadline = wire_now() + DEADLINE;

	relay_open(&s.relay, w, seed);
	s.publisher = handle(w->socket, ignore, NULL);
	s.receiver = handle(s.relay.path, on_event, &s);
	assert_int_equal(cometd_connect(s.publisher, DEADLINE), 0);
	assert_int_equal(cometd_wait_state(s.publisher, NULL, COMETD_STATE_CONNECTED, DEADLINE), 0);
	if (!alone)
		subscribe_all(&s, s.publisher, pattern);
	subscribe_all(&s, s.receiver, pattern);
	s.relay.left = 1000;
	while (s.received < n && wire_now() < deadline) {
		publish_some(&s);
		turn(&s);
	}
	print_message("%u of %u messages, %u interruptions\n", s.received, n, s.relay.cuts);
	assert_int_equal(s.received, n);
	assert_int_equal(s.gaps, 0);
	assert_true(s.relay.cuts >= 10);
	cometd_free(s.receiver);
	cometd_free(s.publisher);
	relay_close(&s.relay);
	world_free(w);
}

static void each_message_once(void **state)
{
	(void)state;
	/* what matches twice is received once */
	interrupted_stream(3, "/n/*", 2000, 88172645463325252, false);
	interrupted_stream(1, NULL, 2000, 4101842887655102017, false);
}

/* more than one request names, and than half of the requests that the daemon allows */
static void with_many_channels(void **state)
{
	(void)state;
	interrupted_stream(700, NULL, 1000, 2685821657736338717, false);
}

static void alone_while_channels_linger(void **state)
{
	(void)state;
	interrupted_stream(3, "/n/*", 2000, 7046029254386353131, true);
}

/* ---- the next run, and the command line ---------------------------------- */

static struct cometd *connected(struct world *w)
{
	struct cometd *c;

	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, w->socket), 0);
	assert_int_equal(cometd_connect(c, DEADLINE), 0);
	assert_int_equal(cometd_wait_state(c, NULL, COMETD_STATE_CONNECTED, DEADLINE), 0);
	return c;
}

static const struct cometd_event *next(struct cometd *c, enum cometd_event_type type)
{
	const struct cometd_event *event;

	do
		assert_int_equal(cometd_next(c, DEADLINE, &event), 0);
	while (event->type != type);
	return event;
}

static void publish(struct cometd *c, const char *channel, int from, int to)
{
	char number[16];

	for (int i = from; i <= to; i++) {
		snprintf(number, sizeof(number), "%d", i);
		assert_int_equal(cometd_publish(c, NULL, channel, number, strlen(number), DEFAULT, NULL), 0);
	}
}

static void expect_number(const struct cometd_event *e, const char *number)
{
	assert_int_equal(e->data_len, strlen(number));
	assert_memory_equal(e->data, number, e->data_len);
}

/* A program stores the position of its last message, and a later run continues there. */
static void the_next_run_continues(void **state)
{
	struct world *w = world_up(NULL, QUICK);
	struct cometd *keeper = connected(w), *first = connected(w), *second;
	struct cometd_subscription s = {.size = sizeof(s)};
	const struct cometd_result *r;
	char epoch[65];

	(void)state;
	assert_int_equal(cometd_subscribe(keeper, NULL, "/p", 0, DEFAULT, NULL), 0);
	assert_int_equal(cometd_subscribe(first, NULL, "/p", 0, DEFAULT, NULL), 0);
	publish(keeper, "/p", 1, 3);
	next(first, COMETD_EVENT_MESSAGE);
	const struct cometd_event *e = next(first, COMETD_EVENT_MESSAGE);
	expect_number(e, "2");
	snprintf(epoch, sizeof(epoch), "%s", e->epoch);
	s.epoch = epoch;
	s.seq = e->seq;
	cometd_free(first);
	publish(keeper, "/p", 4, 5);
	second = connected(w);
	assert_int_equal(cometd_subscribe_with(second, NULL, "/p", &s, DEFAULT, &r), 0);
	assert_int_equal(r->gap, 0);
	publish(keeper, "/p", 6, 6);
	expect_number(next(second, COMETD_EVENT_MESSAGE), "3");
	expect_number(next(second, COMETD_EVENT_MESSAGE), "4");
	expect_number(next(second, COMETD_EVENT_MESSAGE), "5");
	expect_number(next(second, COMETD_EVENT_MESSAGE), "6");
	/* a position of no run of this daemon: it is not guessed */
	assert_int_equal(cometd_unsubscribe(second, NULL, "/p", DEFAULT, NULL), 0);
	s.epoch = "0123456789abcdef";
	assert_int_equal(cometd_subscribe_with(second, NULL, "/p", &s, DEFAULT, &r), 0);
	assert_int_equal(r->gap, 1);
	cometd_free(second);
	cometd_free(keeper);
	world_free(w);
}

static void a_restarted_daemon_is_a_gap(void **state)
{
	struct world *w = world_up(NULL, QUICK);
	struct cometd *c = connected(w);

	(void)state;
	assert_int_equal(cometd_subscribe(c, NULL, "/p", 0, DEFAULT, NULL), 0);
	publish(c, "/p", 1, 1);
	expect_number(next(c, COMETD_EVENT_MESSAGE), "1");
	assert_int_equal(world_stop(w), 0);
	world_start(w);
	assert_int_equal(next(c, COMETD_EVENT_UP)->gap, 1);
	assert_int_equal(cometd_wait_state(c, NULL, COMETD_STATE_CONNECTED, DEADLINE), 0);
	/* renewed by the library; this waits for the server's answer */
	assert_int_equal(cometd_subscribe(c, NULL, "/p", 0, DEFAULT, NULL), 0);
	publish(c, "/p", 2, 2);
	expect_number(next(c, COMETD_EVENT_MESSAGE), "2");
	cometd_free(c);
	world_free(w);
}

static void expect_history(struct world *w, const char *const *args, const char *wanted)
{
	const char *argv[12] = {"cometctl", "history"};
	char *out = NULL, *err = NULL;
	int n = 2;

	while (*args)
		argv[n++] = *args++;
	int status = process_wait(world_run(w, argv), &out, &err);
	if (status != 0 || strcmp(out, wanted) != 0)
		fail_msg("status %d, out: %s err: %s", status, out, err);
	free(out);
	free(err);
}

#define HISTORY(wanted, ...) expect_history(w, (const char *const[]){__VA_ARGS__, NULL}, wanted)

static void history_on_the_command_line(void **state)
{
	struct world *w = world_up(NULL, QUICK);
	struct cometd *c = connected(w);
	char position[96];

	(void)state;
	assert_int_equal(cometd_subscribe(c, NULL, "/h/*", 0, DEFAULT, NULL), 0);
	publish(c, "/h/a", 1, 3);
	publish(c, "/h/b", 4, 6);
	for (int i = 1; i < 4; i++)
		next(c, COMETD_EVENT_MESSAGE);
	const struct cometd_event *e = next(c, COMETD_EVENT_MESSAGE);
	expect_number(e, "4");
	snprintf(position, sizeof(position), "%s:%llu", e->epoch, (unsigned long long)e->seq);
	next(c, COMETD_EVENT_MESSAGE), next(c, COMETD_EVENT_MESSAGE);
	HISTORY("/h/a\t3\n/h/b\t4\n/h/b\t5\n/h/b\t6\n", "/h/**", "-n", "4");
	HISTORY("1\n2\n3\n", "/h/a", "--data-only");
	HISTORY("2\n3\n5\n6\n", "/h/a", "/h/b", "-n", "2", "--data-only");
	HISTORY("5\n6\n", "/h/*", "--since", position, "--data-only");
	HISTORY("5\n", "/h/*", "--since", position, "--data-only", "-n", "1");
	HISTORY("1\n2\n3\n4\n5\n6\n", "/h/*", "--since", "3d", "--data-only");
	HISTORY("1\n2\n", "/h/*", "--since", "2000-01-01", "--data-only", "-n", "2");
	HISTORY("", "/h/*", "--since", "2999-01-01T00:00Z");
	HISTORY("", "/nothing");
	assert_false(fake_log_has(w->fake, "/h/**"));
	assert_false(fake_log_has(w->fake, "/nothing"));
	/* sub continues with what is new */
	struct process *p = world_run(w, (const char *const[]){"cometctl", "sub", "/h/*", "--history", "1",
							       "-n", "2", "--data-only", NULL});
	char *line = process_line(p);
	assert_string_equal(line, "6");
	free(line);
	publish(c, "/h/c", 7, 7);
	line = process_line(p);
	assert_string_equal(line, "7");
	free(line);
	assert_int_equal(process_wait(p, NULL, NULL), 0);
	cometd_free(c);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_once),
		cmocka_unit_test(with_many_channels),
		cmocka_unit_test(alone_while_channels_linger),
		cmocka_unit_test(the_next_run_continues),
		cmocka_unit_test(a_restarted_daemon_is_a_gap),
		cmocka_unit_test(history_on_the_command_line),
	};

	return scenario_run("positions", tests, NULL, NULL);
}
