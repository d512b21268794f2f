/*
 * cometctl pub: one message from the command line, or one a line from standard
 * input. Guarantees: what comes out of a pipe is published in its order; the
 * first failure ends the reading, names the line and is the exit code. Must
 * never know frames.
 */
#include "cometctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* messages on their way at once: enough to fill a batch, few enough to stop soon */
#define WINDOW 256
/* the longest line: no payload of this size fits into a frame */
#define LINE_MAX_BYTES (4 << 20)

struct lines {
	struct ctl *ctl;
	const char *channel;
	char *buf;
	size_t head, tail, cap;
	unsigned long line;         /* read so far */
	unsigned in_flight;
	bool end;                   /* nothing more is read */
	bool full;                  /* a whole line waits here for room in the library */
	int code;                   /* of the first failure */
};

/* With --json, the server's own reply. */
static void print_reply(const struct ctl *ctl, const struct cometd_result *result)
{
	if (!ctl->json || !result || !result->message)
		return;
	print_json(stdout, result->message, result->message_len);
	fputc('\n', stdout);
}

static int publish_one(struct ctl *ctl, const char *channel, const char *data)
{
	const struct cometd_message message = ctl_message(ctl, data, strlen(data));
	const struct cometd_result *result = NULL;
	int error = cometd_json_parse(data, strlen(data), NULL);

	if (error)
		return complain(data, error, NULL);
	int code = ctl_connect(ctl);
	if (code)
		return code;
	error = cometd_publish_message(ctl->c, ctl->server, channel, &message, ctl_left(ctl, 1),
				       &result);
	if (error)
		return complain_about(ctl, channel, error, result);
	print_reply(ctl, result);
	return EXIT_OK;
}

/* ---- lines ------------------------------------------------------------- */

static void fail(struct lines *l, unsigned long line, int error, const struct cometd_result *result)
{
	char what[64];

	snprintf(what, sizeof(what), "line %lu", line);
	int code = complain(what, error, result);
	if (!l->code)
		l->code = code;
	l->end = true;
}

/* which line it was: kept with each message, since answers come in any order */
struct sent {
	struct lines *lines;
	unsigned long line;
};

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct sent *sent = user;

	(void)c;
	sent->lines->in_flight--;
	if (result->error)
		fail(sent->lines, sent->line, result->error, result);
	else
		print_reply(sent->lines->ctl, result);
	free(sent);
}

static bool blank(const char *p, size_t n)
{
	while (n > 0 && strchr(" \t\r", p[n - 1]))
		n--;
	return n == 0;
}

/* Publishes one line. false: no room now, later. */
static bool publish_line(struct lines *l, const char *p, size_t n)
{
	struct sent *sent;

	if (blank(p, n)) {
		l->line++;
		return true;
	}
	sent = malloc(sizeof(*sent));
	if (!sent)
		return false;
	*sent = (struct sent){l, l->line + 1};
	const struct cometd_message message = ctl_message(l->ctl, p, n);
	int error = cometd_publish_message_async(l->ctl->c, l->ctl->server, l->channel, &message,
						 l->ctl->timeout_ms, on_result, sent);
	if (error)
		free(sent);
	if (error == COMETD_E_TOO_MANY && l->in_flight > 0)
		return false;
	l->line++;
	if (error)
		fail(l, l->line, error, NULL);
	else
		l->in_flight++;
	return true;
}

static void publish_lines(struct lines *l, bool eof)
{
	l->full = false;
	while (!l->end && l->in_flight < WINDOW && l->head < l->tail) {
		char *p = l->buf + l->head, *end = memchr(p, '\n', l->tail - l->head);
		size_t n = end ? (size_t)(end - p) : l->tail - l->head;

		if (!end && !eof)
			return;
		l->full = !publish_line(l, p, n);
		if (l->full)
			return;
		l->head += n + (end ? 1 : 0);
	}
}

static bool make_room(struct lines *l)
{
	if (l->head > 0) {
		memmove(l->buf, l->buf + l->head, l->tail - l->head);
		l->tail -= l->head;
		l->head = 0;
	}
	if (l->tail < l->cap)
		return true;
	if (l->cap >= LINE_MAX_BYTES) {
		fail(l, l->line + 1, COMETD_E_TOO_LARGE, NULL);
		return false;
	}
	size_t cap = l->cap ? l->cap * 2 : 65536;
	char *buf = realloc(l->buf, cap);
	if (!buf) {
		fail(l, l->line + 1, COMETD_E_NOMEM, NULL);
		return false;
	}
	l->buf = buf;
	l->cap = cap;
	return true;
}

/* true at the end of input */
static bool read_input(struct lines *l)
{
	if (!make_room(l))
		return false;
	ssize_t n = read(STDIN_FILENO, l->buf + l->tail, l->cap - l->tail);
	if (n > 0)
		l->tail += (size_t)n;
	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		fprintf(stderr, "cometctl: cannot read standard input: %s\n", strerror(errno));
		l->code = EXIT_OTHER;
		l->end = true;
	}
	return n == 0;
}

static void turn(struct lines *l, bool *eof)
{
	bool want = !*eof && !l->end && !l->full && l->in_flight < WINDOW;
	struct pollfd p[] = {
		{.fd = cometd_get_fd(l->ctl->c), .events = (short)cometd_get_events(l->ctl->c)},
		{.fd = want ? STDIN_FILENO : -1, .events = POLLIN},
	};

	if (poll(p, 2, cometd_get_timeout(l->ctl->c)) < 0)
		return;
	cometd_process(l->ctl->c);
	if (p[1].revents)
		*eof = read_input(l);
	publish_lines(l, *eof);
}

static int publish_input(struct ctl *ctl, const char *channel)
{
	struct lines l = {.ctl = ctl, .channel = channel};
	bool eof = false;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	while (l.in_flight > 0 || !(l.end || (eof && l.head == l.tail)))
		turn(&l, &eof);
	free(l.buf);
	return l.code;
}

int cmd_pub(struct ctl *ctl)
{
	const char *channel = ctl->args[0], *data = ctl->args[1];

	if (ctl->binary)
		return cmd_pub_binary(ctl);
	return strcmp(data, "-") ? publish_one(ctl, channel, data) : publish_input(ctl, channel);
}
