/*
 * Queues a frame for one member. A reply is never silently missing: one that is too
 * large or cannot be encoded is replaced by an error, and without memory even for that
 * the member is overrun, so that its connection ends.
 */
#include "hub/send.h"

#include "hub/internal.h"

#include <errno.h>

/* room for the prefix, the member names and an id */
#define REPLY_HEAD_MAX 128

void send_frame(struct member *member, int r, const struct chunk_frame *frame)
{
	if (r)
		outbox_overrun(&member->outbox);
	else
		outbox_push_control(&member->outbox, frame->blob, frame->offset, frame->n);
}

static int encode(struct hub *h, const struct message *m, struct chunk_frame *ret)
{
	int r = chunk_message(&h->chunk, m, ret);

	if (r == 0)
		h->stats.encoded_bytes += ret->n;
	return r;
}

void hub_send(struct hub *h, struct member *member, const struct message *m)
{
	struct chunk_frame frame;

	send_frame(member, encode(h, m, &frame), &frame);
}

void send_reply(struct hub *h, struct member *member, uint64_t id, struct slice result,
		struct slice error)
{
	struct chunk_frame frame;
	struct message m;
	int r;

	message_init(&m, PROTOCOL_OP_REPLY);
	m.id = id;
	m.ok = error.n == 0;
	m.result = result;
	m.error = error;
	m.has = PROTOCOL_F(ID) | PROTOCOL_F(OK) | (result.n ? PROTOCOL_F(RESULT) : 0) |
		(error.n ? PROTOCOL_F(ERROR) : 0);
	r = encode(h, &m, &frame);
	message_fini(&m);
	if (r == -EMSGSIZE)
		hub_refuse(h, member, id, PROTOCOL_E_TOO_LARGE, SLICE("the answer is too large"));
	else
		send_frame(member, r, &frame);
}

void hub_reply(struct hub *h, struct member *member, uint64_t id, struct slice result)
{
	send_reply(h, member, id, result, SLICE_NULL);
}

void hub_reply_shared(struct hub *h, struct member *member, uint64_t id, struct blob *rest)
{
	struct blob *head;
	int r = blob_new(REPLY_HEAD_MAX, &head);

	if (r == 0) {
		r = message_encode_reply_head(&head->buf, id, buf_len(&rest->buf));
		if (r == 0) {
			h->stats.encoded_bytes += buf_len(&head->buf);
			outbox_push_reply(&member->outbox, head, rest);
		}
		blob_unref(head);
	}
	if (r == -EMSGSIZE)
		hub_refuse(h, member, id, PROTOCOL_E_TOO_LARGE, SLICE("the answer is too large"));
	else if (r)
		outbox_overrun(&member->outbox);
}

void hub_refuse(struct hub *h, struct member *member, uint64_t id, enum protocol_error code,
		struct slice text)
{
	struct buf error;
	int r;

	buf_init(&error, PROTOCOL_FRAME_MAX);
	r = message_put_error(&error, code, text, SLICE_NULL);
	if (r)
		/* without its words, for these may be at fault */
		r = message_put_error(&error, code, SLICE(""), SLICE_NULL);
	if (r)
		outbox_overrun(&member->outbox);
	else
		send_reply(h, member, id, SLICE_NULL, buf_slice(&error));
	buf_fini(&error);
}

int send_encode_subscription(struct hub *h, const struct hub_server *server, struct slice pattern,
			     enum session_channel_status status, struct slice error,
			     struct chunk_frame *ret)
{
	struct message m;
	int r;

	message_init(&m, PROTOCOL_OP_SUBSCRIPTION);
	m.server = server->by_name.key;
	m.channel = pattern;
	m.ok = status != SESSION_CHANNEL_REFUSED;
	m.pending = status == SESSION_CHANNEL_PENDING;
	m.error = error;
	m.has = PROTOCOL_F(SERVER) | PROTOCOL_F(CHANNEL) | PROTOCOL_F(OK) |
		(error.n ? PROTOCOL_F(ERROR) : 0) | (m.pending ? PROTOCOL_F(PENDING) : 0);
	r = encode(h, &m, ret);
	message_fini(&m);
	return r;
}
