/*
 * The payload of pub and call: where it comes from and how it becomes JSON.
 * Nothing is sent before all of it is known to be valid.
 */
#include "cometctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* the daemon takes no larger request */
#define PAYLOAD_MAX (4 << 20)

struct bytes {
	char *p;
	size_t n, size;
};

static int complain_about_file(const char *failed, const char *path, int code)
{
	report(failed, strcmp(path, "-") ? path : "standard input", ": ", strerror(errno), NULL);
	return code;
}

static int read_all(int fd, const char *path, struct bytes *b)
{
	for (;;) {
		if (b->n == b->size) {
			size_t size = b->size ? b->size * 2 : 65536;
			char *p = b->n > PAYLOAD_MAX ? NULL : realloc(b->p, size);

			if (!p)
				return complain(path, b->n > PAYLOAD_MAX ? COMETD_E_TOO_LARGE :
						COMETD_E_NOMEM, NULL);
			b->p = p;
			b->size = size;
		}
		ssize_t n = read(fd, b->p + b->n, b->size - b->n);
		if (n == 0)
			return EXIT_OK;
		if (n < 0 && errno != EINTR)
			return complain_about_file("cannot read ", path, EXIT_OTHER);
		b->n += n > 0 ? (size_t)n : 0;
	}
}

static int read_file(const char *path, struct bytes *b)
{
	bool input = !strcmp(path, "-");
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return complain_about_file("cannot open ", path, EXIT_USAGE);
	int code = read_all(fd, path, b);
	if (!input)
		close(fd);
	return code;
}

int payload_complain(const struct ctl *ctl, const char *what, int error)
{
	if (error != COMETD_E_JSON)
		return complain(what, error, NULL);
	if (ctl->text)
		report(what, ": the text is not UTF-8; publish it as bytes with --binary", NULL);
	else
		complain(what, error, NULL);
	return EXIT_USAGE;
}

/* The text as a JSON string, in place of it. */
static int quote(struct bytes *b)
{
	struct cometd_json_writer *w;
	const char *json;
	size_t n;
	int error = cometd_json_writer_new(&w);

	if (error)
		return error;
	cometd_json_put_text(w, b->p, b->n);
	error = cometd_json_writer_result(w, &json, &n);
	char *copy = error ? NULL : malloc(n + 1);
	if (!error && !copy)
		error = COMETD_E_NOMEM;
	if (!error) {
		memcpy(copy, json, n + 1);
		free(b->p);
		*b = (struct bytes){copy, n, n + 1};
	}
	cometd_json_writer_free(w);
	return error;
}

int payload_read(const struct ctl *ctl, const char *arg, char **ret, size_t *ret_len)
{
	struct bytes b = {0};
	int code = EXIT_OK, error = 0;

	if (ctl->file)
		code = read_file(ctl->file, &b);
	else if (!(b.p = strdup(arg)))
		error = COMETD_E_NOMEM;
	else
		b.n = strlen(arg);
	if (!code && !error)
		error = ctl->text ? quote(&b) : cometd_json_parse(b.p, b.n, NULL);
	if (error)
		code = payload_complain(ctl, ctl->file ? ctl->file : arg, error);
	if (code) {
		free(b.p);
		return code;
	}
	*ret = b.p;
	*ret_len = b.n;
	return EXIT_OK;
}
