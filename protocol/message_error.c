/*
 * The error codes as text, and the error object of a reply:
 * {"code","message"[,"bayeux"]}. An unknown code, from a newer daemon, is still
 * decoded as an error, with its text kept.
 */
#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "protocol/message.h"

#define ERROR_ROW(symbol, code, meaning) code,
static const char *const error_table[] = {PROTOCOL_ERRORS(ERROR_ROW)};

const char *protocol_error_code(enum protocol_error e)
{
	return (unsigned)e < PROTOCOL_ERRORS_END ? error_table[e] : NULL;
}

enum protocol_error protocol_error_of(struct slice code)
{
	unsigned e = 0;

	while (e < PROTOCOL_ERRORS_END && !slice_eq(code, slice_of(error_table[e])))
		e++;
	return e;
}

int message_put_error(struct buf *out, enum protocol_error code, struct slice text,
		      struct slice bayeux)
{
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "code"), json_put_str(&w, protocol_error_code(code));
	json_key(&w, "message"), json_put_text(&w, text);
	if (bayeux.n)
		json_key(&w, "bayeux"), json_put_raw(&w, bayeux);
	json_object_end(&w);
	return json_write_done(&w);
}

/* an absent text is an empty one */
static int optional_text(const struct json_value *value, struct buf *scratch, struct slice *ret)
{
	int r = value->kind == JSON_ABSENT ? 0 : json_text(value, scratch, ret);

	return r > 0 ? MESSAGE_E_FIELD : r;
}

int message_get_error(struct slice raw, struct buf *scratch, struct message_error *ret)
{
	enum { CODE, MESSAGE, BAYEUX, N };
	struct json_field fields[N] = {{.name = "code"}, {.name = "message"}, {.name = "bayeux"}};
	struct message_error e = {0};
	char *room;
	int r = json_read_object(raw, fields, N, false, NULL);

	if (r)
		return r > 0 ? MESSAGE_E_FIELD : r;
	/* for both texts at once: the second must not move the first */
	r = buf_room(scratch, fields[CODE].value.raw.n + fields[MESSAGE].value.raw.n, &room);
	if (r == 0)
		r = optional_text(&fields[CODE].value, scratch, &e.code_text);
	if (r == 0)
		r = optional_text(&fields[MESSAGE].value, scratch, &e.message);
	if (r)
		return r;
	e.bayeux = fields[BAYEUX].value.raw;
	e.code = protocol_error_of(e.code_text);
	if (e.code == PROTOCOL_ERRORS_END)
		e.code = PROTOCOL_E_INTERNAL;
	*ret = e;
	return 0;
}
