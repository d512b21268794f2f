/*
 * cometctl pub: one message from the command line or a file, or one a line from
 * standard input. Lines are published in their order. The first failure ends the
 * reading, is reported with its line and is the exit code; a summary counts the rest.
 */
#include "cometctl.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is on its way at once: enough to fill a batch, little enough to stop soon and to leave most of
   the daemon's queue to others. One message may be larger. */
#define WINDOW 256
#define WINDOW_BYTES (1 << 20)
/* the longest line: no payload of this size fits into a frame */
#define LINE_MAX_BYTES (4 << 20)

/* Lines that ended in the same way. */
struct tally {
	unsigned long n, first;
};

struct lines {
	struct ctl *ctl;
	const char *channel;
	struct cometd_json_writer *writer;   /* NULL: the lines are JSON */
	char *buf;
	size_t head, tail, cap;
	unsigned long line;         /* read so far */
	unsigned in_flight;
	size_t bytes_in_flight;
	bool end;                   /* nothing more is read */
	bool full;                  /* a whole line waits here for room in the library */
	int code;                   /* of the first failure */
	int error;                  /* enum cometd_error of the last failure */
	struct tally outcomes[EXIT_CODES];
};

/* With --json, the outcome of a message: of this line, or (0) the only one. */
static void print_outcome(const struct ctl *ctl, unsigned long line, int error,
			  const struct cometd_result *result)
{
	const char *bayeux = result ? result->message : NULL;

	if (!ctl->json)
		return;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);
	if (!to)
		return;
	fputc('{', to);
	if (line > 0)
		fprintf(to, "\"line\":%lu,", line);
	fprintf(to, "\"ok\":%s", error ? "false" : "true");
	if (error) {
		fprintf(to, ",\"error\":{\"code\":\"%s\",\"message\":", cometd_error_name(error));
		print_json_string(to, result && *result->text ? result->text : cometd_strerror(error));
	}
	if (bayeux) {
		fputs(",\"bayeux\":", to);
		fwrite(bayeux, 1, result->message_len, to);
	}
	fputs(error ? "}}" : "}", to);
	if (fclose(to) == 0)
		print_json(stdout, text, n);
	free(text);
	fputc('\n', stdout);
}

static int publish_one(struct ctl *ctl, const char *data, size_t len)
{
	const struct cometd_message message = ctl_message(ctl, data, len);
	const struct ctl_server *server = &ctl->servers[0];
	const struct cometd_result *result = NULL;
	const char *channel = ctl->args[0];
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = cometd_publish_message(ctl->c, server->name, channel, &message,
					   ctl_left(ctl, 1), &result);
	print_outcome(ctl, 0, error, result);
	if (error) {
		code = complain_about(server, channel, error, result);
		ctl_explain(server, error);
		return code;
	}
	if (ctl->verbose)
		report(channel, ": acknowledged", NULL);
	return EXIT_OK;
}

/* ---- lines ------------------------------------------------------------- */

static void count(struct lines *l, unsigned long line, int code)
{
	struct tally *t = &l->outcomes[code];

	if (t->n++ == 0 || line < t->first)
		t->first = line;
}

static void fail(struct lines *l, unsigned long line, int error, const struct cometd_result *result)
{
	int code = exit_code_of(error);
	char what[64];

	snprintf(what, sizeof(what), "line %lu", line);
	if (!l->code) {
		if (error == COMETD_E_JSON && !result)
			payload_complain(l->ctl, what, error);
		else
			complain(what, error, result);
		l->code = code;
	}
	print_outcome(l->ctl, line, error, result);
	count(l, line, code);
	l->error = error;
	l->end = true;
}

/* which line it was: kept with each message, since answers come in any order */
struct sent {
	struct lines *lines;
	unsigned long line;
	size_t n;
};

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct sent *sent = user;

	(void)c;
	sent->lines->in_flight--;
	sent->lines->bytes_in_flight -= sent->n;
	if (result->error) {
		fail(sent->lines, sent->line, result->error, result);
	} else {
		count(sent->lines, sent->line, EXIT_OK);
		print_outcome(sent->lines->ctl, sent->line, 0, result);
	}
	free(sent);
}

static bool has_room(const struct lines *l)
{
	return l->in_flight < WINDOW && l->bytes_in_flight < WINDOW_BYTES;
}

static bool blank(const char *p, size_t n)
{
	while (n > 0 && strchr(" \t\r", p[n - 1]))
		n--;
	return n == 0;
}

static int submit(struct lines *l, const char *p, size_t n, struct sent *sent)
{
	if (l->writer) {
		cometd_json_put_text(l->writer, p, n);
		int error = cometd_json_writer_result(l->writer, &p, &n);
		if (error)
			return error;
	}
	const struct cometd_message message = ctl_message(l->ctl, p, n);
	return cometd_publish_message_async(l->ctl->c, l->ctl->servers[0].name, l->channel, &message,
					    l->ctl->timeout_ms, on_result, sent);
}

/* Publishes one line. false: no room now, later. */
static bool publish_line(struct lines *l, const char *p, size_t n)
{
	struct sent *sent;

	if (!l->writer && blank(p, n)) {
		l->line++;
		return true;
	}
	sent = malloc(sizeof(*sent));
	if (!sent)
		return false;
	*sent = (struct sent){l, l->line + 1, n};
	int error = submit(l, p, n, sent);
	if (error)
		free(sent);
	if (error == COMETD_E_TOO_MANY && l->in_flight > 0)
		return false;
	l->line++;
	if (error) {
		fail(l, l->line, error, NULL);
	} else {
		l->in_flight++;
		l->bytes_in_flight += n;
	}
	return true;
}

static void publish_lines(struct lines *l, bool eof)
{
	l->full = false;
	while (!l->end && has_room(l) && l->head < l->tail) {
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
		report("cannot read standard input: ", strerror(errno), NULL);
		l->code = EXIT_OTHER;
		l->end = true;
	}
	return n == 0;
}

static void turn(struct lines *l, bool *eof)
{
	bool want = !*eof && !l->end && !l->full && has_room(l);
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

/* "1000 lines: 612 acknowledged, 3 refused (from line 613)" */
static void report_summary(const struct lines *l, bool all_read)
{
	static const char *const words[EXIT_CODES] = {
		[EXIT_OK] = "acknowledged", [EXIT_OTHER] = "failed", [EXIT_USAGE] = "not valid",
		[EXIT_NO_DAEMON] = "failed without a daemon", [EXIT_DENIED] = "denied",
		[EXIT_REFUSED] = "refused", [EXIT_TIMEOUT] = "timed out",
		[EXIT_UNKNOWN_OUTCOME] = "sent without an answer", [EXIT_NOT_SENT] = "not sent",
		/* of reload alone */
		[EXIT_BAD_CONFIG] = "failed",
	};
	char text[512];
	int n = snprintf(text, sizeof(text), "%lu line%s read", l->line, l->line == 1 ? "" : "s");

	for (int code = 0; code < EXIT_CODES; code++) {
		const struct tally *t = &l->outcomes[code];

		if (t->n == 0)
			continue;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%lu %s",
			      strchr(text, ':') ? ", " : ": ", t->n, words[code]);
		if (code != EXIT_OK)
			n += snprintf(text + n, sizeof(text) - (size_t)n, " (from line %lu)", t->first);
	}
	report(text, all_read ? "" : "; the input after that was not read", NULL);
}

static int publish_lines_of_input(struct lines *l)
{
	bool eof = false;
	int code = ctl_connect(l->ctl);

	if (code)
		return code;
	while (l->in_flight > 0 || !(l->end || (eof && l->head == l->tail)))
		turn(l, &eof);
	if (l->code || l->ctl->verbose)
		report_summary(l, eof && l->head == l->tail);
	if (l->code)
		ctl_explain(&l->ctl->servers[0], l->error);
	return l->code;
}

static int publish_input(struct ctl *ctl, const char *channel)
{
	struct lines l = {.ctl = ctl, .channel = channel};

	if (ctl->text && cometd_json_writer_new(&l.writer))
		return complain("cannot start", COMETD_E_NOMEM, NULL);
	int code = publish_lines_of_input(&l);
	cometd_json_writer_free(l.writer);
	free(l.buf);
	return code;
}

int cmd_pub(struct ctl *ctl)
{
	const char *channel = ctl->args[0], *arg = ctl->args[1];
	size_t len;
	char *data;

	if (ctl->binary)
		return cmd_pub_binary(ctl);
	if (!ctl->file && !strcmp(arg, "-"))
		return publish_input(ctl, channel);
	int code = payload_read(ctl, arg, &data, &len);
	if (code)
		return code;
	code = publish_one(ctl, data, len);
	free(data);
	return code;
}
