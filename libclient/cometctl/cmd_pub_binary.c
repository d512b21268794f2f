/*
 * cometctl pub --binary: publishes a file, or standard input, as bytes. Long input is
 * sent in pieces, of which all but the last are marked as followed by more. A piece is
 * sent when the previous one has been acknowledged.
 */
#include "cometctl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* as Z85 well within the 64 KiB that servers take as one WebSocket message */
#define PIECE (32 << 10)

struct piece {
	char bytes[PIECE];
	size_t n;
};

/* Reads until it is full or there is no more. */
static int fill(int fd, const char *path, struct piece *p)
{
	ssize_t n = 1;

	for (p->n = 0; n != 0 && p->n < PIECE; p->n += n > 0 ? (size_t)n : 0) {
		n = read(fd, p->bytes + p->n, PIECE - p->n);
		if (n < 0 && errno != EINTR) {
			report("cannot read ", strcmp(path, "-") ? path : "standard input", ": ",
			       strerror(errno), NULL);
			return EXIT_OTHER;
		}
	}
	return EXIT_OK;
}

static int publish(struct ctl *ctl, const struct piece *p, bool more)
{
	struct cometd_message message = ctl_message(ctl, NULL, 0);
	const struct ctl_server *server = &ctl->servers[0];
	const struct cometd_result *result = NULL;

	message.binary = p->bytes;
	message.binary_len = p->n;
	message.binary_more = more;
	int error = cometd_publish_message(ctl->c, server->name, ctl->args[0], &message,
					   ctl->timeout_ms, &result);
	if (!error)
		return EXIT_OK;
	int code = complain_about(server, ctl->args[0], error, result);
	ctl_explain(server, error);
	return code;
}

static int publish_all(struct ctl *ctl, int fd)
{
	static struct piece pieces[2];
	int now = 0, code = fill(fd, ctl->binary, &pieces[now]);

	for (bool more = true; !code && more; now = !now) {
		struct piece *next = &pieces[!now];

		next->n = 0;
		if (pieces[now].n == PIECE)
			code = fill(fd, ctl->binary, next);
		more = next->n > 0;
		if (!code)
			code = publish(ctl, &pieces[now], more);
	}
	return code;
}

int cmd_pub_binary(struct ctl *ctl)
{
	bool input = !strcmp(ctl->binary, "-");
	int fd = input ? STDIN_FILENO : open(ctl->binary, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		report("cannot open ", ctl->binary, ": ", strerror(errno), NULL);
		return EXIT_USAGE;
	}
	int code = ctl_connect(ctl);
	if (!code)
		code = publish_all(ctl, fd);
	if (!input)
		close(fd);
	return code;
}
