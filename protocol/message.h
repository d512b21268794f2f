/*
 * Converts between struct message and the JSON of one frame, by the tables of
 * protocol.h. One flat struct for all ops: a field has the same meaning in each
 * of them, so decoding needs a table and no switch.
 */
#ifndef PROTOCOL_MESSAGE_H
#define PROTOCOL_MESSAGE_H

#include "protocol/buf.h"
#include "protocol/protocol.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MEMBER_U64(member) uint64_t member;
#define MESSAGE_MEMBER_BOOL(member) bool member;
#define MESSAGE_MEMBER_STRING(member) struct slice member;
#define MESSAGE_MEMBER_STRINGS(member) struct slice member;  /* the raw JSON array */
#define MESSAGE_MEMBER_OBJECT(member) struct slice member;   /* raw JSON */
#define MESSAGE_MEMBER_ANY(member) struct slice member;      /* raw JSON */
#define MESSAGE_MEMBER(symbol, member, name, type, meaning) MESSAGE_MEMBER_##type(member)

struct message {
	enum protocol_op op;
	uint64_t has;                       /* bit PROTOCOL_F(X) set: field X is present */
	PROTOCOL_FIELDS(MESSAGE_MEMBER)
	struct buf scratch;                 /* owns the texts that had escapes */
};

enum message_fault {
	/* not one JSON object in UTF-8, too deep, or a key twice: the connection is broken */
	MESSAGE_E_FRAME = 1,
	MESSAGE_E_OP,            /* no such op, or one that this side must not send */
	MESSAGE_E_FIELD,         /* a field is missing, unknown, or of the wrong type */
};

/* An empty message of this op: nothing present. */
void message_init(struct message *m, enum protocol_op op);
/* Frees what decoding allocated. */
void message_fini(struct message *m);

static inline bool message_has(const struct message *m, enum protocol_field f)
{
	return m->has >> f & 1;
}

/*
 * Reads one frame's body. `from` is PROTOCOL_FROM_PEER or PROTOCOL_FROM_DAEMON:
 * only ops of that side are known. The members view `text` (or m->scratch,
 * where a text was escaped), which must outlive *m; *m must be given to
 * message_fini whatever the result.
 *
 * Fields of a PROTOCOL_OPEN op that its row does not have are ignored, fields of
 * other ops included. A field that its row has must be of its type.
 *
 * 0; an enum message_fault, with a description in `why` (what and where, whole UTF-8
 * characters, cut to fit; 160 bytes are enough), and with m->id and its has-bit
 * set where an id could be read, so that a bad request still gets its reply;
 * or -ENOMEM. m->op is PROTOCOL_OPS_END where no op could be read.
 */
int message_decode(struct slice text, unsigned from, struct message *m, char *why, size_t why_size);

/*
 * Appends one frame, prefix included, with op and every field whose has-bit is
 * set. 0, -ENOMEM, -EMSGSIZE (longer than the other side takes: HELLO_MAX,
 * REQUEST_MAX or FRAME_MAX, or than the buf's maximum), -EINVAL (a text that is
 * not UTF-8, an empty raw value); on failure `out` is as long as before.
 */
int message_encode(const struct message *m, struct buf *out);

/*
 * The event frame for a Bayeux message: the text of the message comes in pieces
 * (without its clientId there are two), spliced byte for byte. `binary`: the raw
 * object of that field, or SLICE_NULL.
 * `server` is a configured name: letters, digits, "-", "_", "." only.
 * Results as message_encode.
 */
int message_encode_event(struct buf *out, struct slice server, uint64_t seq,
			 const struct slice *pieces, size_t n_pieces, struct slice binary);

/*
 * The beginning of the frame {"op":"reply","id":ID,"ok":true,"result":…}, whose last `rest` bytes, the
 * result and a closing brace, are sent after it from elsewhere. 0, -ENOMEM, -EMSGSIZE.
 */
int message_encode_reply_head(struct buf *out, uint64_t id, size_t rest);

/*
 * Builds the value of a field of type OBJECT for an error: {"code","message"[,"bayeux"]}.
 * `bayeux` is the server's message, raw, or SLICE_NULL. Appends to `out`.
 * 0, -ENOMEM, -EMSGSIZE, -EINVAL (text is not UTF-8); on failure `out` is as long as before.
 */
int message_put_error(struct buf *out, enum protocol_error code, struct slice text,
		      struct slice bayeux);
/*
 * Decodes such an error object; unknown members are ignored, missing ones are
 * empty. Views `raw`, or `scratch` where a text was escaped.
 * 0, MESSAGE_E_FIELD when it is not an error object, -ENOMEM, -EMSGSIZE.
 */
struct message_error {
	enum protocol_error code;   /* PROTOCOL_E_INTERNAL if code_text is unknown */
	struct slice code_text;
	struct slice message;
	struct slice bayeux;        /* raw JSON or SLICE_NULL */
};
int message_get_error(struct slice raw, struct buf *scratch, struct message_error *ret);

/*
 * The elements of a STRINGS field, decoded, in order; views of raw, or of
 * scratch where one was escaped. MESSAGE_E_FIELD if there are more than `max`
 * or one is not a string. 0, MESSAGE_E_FIELD, -ENOMEM, -EMSGSIZE; after a failure
 * the contents of *ret are undefined.
 */
int message_strings(struct slice raw, struct buf *scratch, struct slice *ret, size_t max,
		    size_t *ret_n);

/* names, for logs and tests; NULL past the end of the table */
const char *protocol_op_name(enum protocol_op op);
const char *protocol_field_name(enum protocol_field f);
const char *protocol_error_code(enum protocol_error e);
/* the row with this code, or PROTOCOL_ERRORS_END */
enum protocol_error protocol_error_of(struct slice code);

#endif
