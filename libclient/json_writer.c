/*
 * Writes JSON for an application. The result is one valid JSON value in UTF-8, or an
 * error; the writer can be used again after either.
 */
#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "protocol/protocol.h"

#include <cometd-bridge.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct cometd_json_writer {
	struct buf out;
	struct json_write w;        /* writes into out; so the writer must not move */
	int error;                  /* of the application, which json_write cannot see */
	bool done;                  /* the result was taken: the next call starts again */
};

int cometd_json_writer_new(struct cometd_json_writer **ret)
{
	struct cometd_json_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return COMETD_E_NOMEM;
	buf_init(&w->out, PROTOCOL_FRAME_MAX);
	json_write_init(&w->w, &w->out);
	*ret = w;
	return 0;
}

void cometd_json_writer_free(struct cometd_json_writer *w)
{
	if (!w)
		return;
	buf_fini(&w->out);
	free(w);
}

/* The writer to write to, empty when its last value was taken. */
static struct json_write *begin(struct cometd_json_writer *w)
{
	if (w->done) {
		buf_clear(&w->out);
		json_write_init(&w->w, &w->out);
		w->error = 0;
		w->done = false;
	}
	return &w->w;
}

static void fail(struct cometd_json_writer *w, int error)
{
	begin(w);
	if (!w->error)
		w->error = error;
}

void cometd_json_object_begin(struct cometd_json_writer *w)
{
	json_object_begin(begin(w));
}

void cometd_json_object_end(struct cometd_json_writer *w)
{
	json_object_end(begin(w));
}

void cometd_json_array_begin(struct cometd_json_writer *w)
{
	json_array_begin(begin(w));
}

void cometd_json_array_end(struct cometd_json_writer *w)
{
	json_array_end(begin(w));
}

void cometd_json_key(struct cometd_json_writer *w, const char *name)
{
	json_key(begin(w), name);
}

void cometd_json_put_string(struct cometd_json_writer *w, const char *text)
{
	if (text)
		json_put_str(begin(w), text);
	else
		json_put_null(begin(w));
}

void cometd_json_put_text(struct cometd_json_writer *w, const char *text, size_t len)
{
	json_put_text(begin(w), slice_make(text, len));
}

void cometd_json_put_i64(struct cometd_json_writer *w, int64_t number)
{
	json_put_i64(begin(w), number);
}

void cometd_json_put_u64(struct cometd_json_writer *w, uint64_t number)
{
	json_put_u64(begin(w), number);
}

/* The locale of the application may write the decimal point otherwise, and with several bytes. */
static size_t write_point(char *digits)
{
	char *to = digits;

	for (const char *from = digits; *from; from++) {
		bool other = !strchr("0123456789+-e", *from);

		if (!other)
			*to++ = *from;
		else if (to == digits || to[-1] != '.')
			*to++ = '.';
	}
	*to = '\0';
	return (size_t)(to - digits);
}

/* with the fewest digits that read back as the same number */
void cometd_json_put_double(struct cometd_json_writer *w, double number)
{
	char digits[48];

	if (!isfinite(number)) {
		fail(w, COMETD_E_INVALID);
		return;
	}
	for (int n = 15; n <= 17; n++) {
		snprintf(digits, sizeof(digits), "%.*g", n, number);
		if (strtod(digits, NULL) == number)
			break;
	}
	json_put_raw(begin(w), slice_make(digits, write_point(digits)));
}

void cometd_json_put_bool(struct cometd_json_writer *w, int value)
{
	json_put_bool(begin(w), value != 0);
}

void cometd_json_put_null(struct cometd_json_writer *w)
{
	json_put_null(begin(w));
}

void cometd_json_put_raw(struct cometd_json_writer *w, const char *json, size_t len)
{
	int error = cometd_json_parse(json, len, NULL);

	if (error)
		fail(w, error);
	else
		json_put_raw(begin(w), slice_make(json, len));
}

/* what a string that is not UTF-8, a misplaced value and an unfinished object have in common */
static int error_of(int r)
{
	return r == 0 ? 0 : r == -ENOMEM ? COMETD_E_NOMEM : r == -EMSGSIZE ? COMETD_E_TOO_LARGE :
		COMETD_E_JSON;
}

int cometd_json_writer_result(struct cometd_json_writer *w, const char **ret, size_t *ret_len)
{
	int error = error_of(json_write_done(begin(w)));

	if (w->error)
		error = w->error;
	w->done = true;
	/* json_write does not see two values one after the other */
	if (!error)
		error = cometd_json_parse(buf_slice(&w->out).p, buf_len(&w->out), NULL);
	if (!error)
		error = error_of(buf_putc(&w->out, '\0'));
	if (error)
		return error;
	*ret = buf_slice(&w->out).p;
	if (ret_len)
		*ret_len = buf_len(&w->out) - 1;
	return 0;
}
