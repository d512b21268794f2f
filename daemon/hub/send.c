/*
 * Frames for members. A reply is never silently missing: one that is too large is replaced
 * by an error, and without memory even for that the member is overrun, so that its
 * connection ends.
 */
#include "hub/send.h"

#include "hub/consumer.h"
#include "hub/internal.h"

#include <errno.h>

/* an upper bound for names, numbers and braces of a frame without its large fields */
#define FRAME_EXTRA 512

/* Notes the frame that was appended with the result `r`, and returns that. */
static int end(struct hub *h, struct chunk *chunk, int r, struct chunk_frame *ret)
{
	r = chunk_end(chunk, r, ret);
	if (r == 0)
		h->stats.encoded_bytes += ret->n;
	return r;
}

int send_encode_event(struct hub *h, struct hub_server *server,
		      const struct session_event *event, struct chunk_frame *ret)
{
	const struct envelope *e = event->envelope;
	size_t n = 0, binary_max;
	struct buf *out;
	int r;

	for (size_t i = 0; i < e->n_pieces; i++)
		n += e->pieces[i].n;
	if (n > h->options.message_max)
		return -EMSGSIZE;
	binary_max = event->binary ? h->options.message_max - n : 0;
	/* base64 is a little longer than the Z85 that it is made from */
	r = chunk_begin(&server->chunk, FRAME_EXTRA + n + (binary_max ? n + n / 8 : 0), &out);
	if (r)
		return r;
	r = h->encoder->event(out, server->by_name.key, server->seq, e, binary_max);
	return end(h, &server->chunk, r, ret);
}

int send_encode_lost(struct hub *h, struct hub_server *server, struct slice channel,
		     enum protocol_error code, struct chunk_frame *ret)
{
	const struct hub_loss loss = {1, server->seq, server->seq, false};
	struct buf *out;
	int r = chunk_begin(&server->chunk, FRAME_EXTRA, &out);

	if (r)
		return r;
	r = h->encoder->lost(out, server->by_name.key, &loss, code, channel);
	return end(h, &server->chunk, r, ret);
}

int send_encode_gap(struct hub *h, const struct hub_server *server, struct slice channel, struct chunk_frame *ret)
{
	const struct hub_loss unknown = {0};
	struct buf *out;
	int r = chunk_begin(&h->chunk, FRAME_EXTRA, &out);

	if (r)
		return r;
	r = h->encoder->lost(out, server->by_name.key, &unknown, PROTOCOL_E_EXPIRED, channel);
	return end(h, &h->chunk, r, ret);
}

int send_encode_interruption(struct hub *h, struct hub_server *server, struct chunk_frame *ret)
{
	const struct hub_loss unknown = {0, server->seq, server->seq, false};
	struct buf *out;
	int r = chunk_begin(&h->chunk, FRAME_EXTRA, &out);

	if (r)
		return r;
	r = h->encoder->lost(out, server->by_name.key, &unknown, PROTOCOL_E_EXPIRED, SLICE_NULL);
	return end(h, &h->chunk, r, ret);
}

static size_t size_of(const struct hub_outcome *o)
{
	return o->text.n + o->bayeux[0].n + o->bayeux[1].n;
}

int send_encode_subscription(struct hub *h, const struct hub_server *server, struct slice pattern,
			     const struct hub_outcome *outcome, struct chunk_frame *ret)
{
	struct buf *out;
	int r = chunk_begin(&h->chunk, FRAME_EXTRA + size_of(outcome), &out);

	if (r)
		return r;
	r = h->encoder->subscription(out, server->by_name.key, pattern, outcome);
	return end(h, &h->chunk, r, ret);
}

int send_encode_state(struct hub *h, const struct hub_server *server, uint64_t now,
		      uint64_t unix_ms, struct chunk_frame *ret)
{
	const struct hub_position position = server_position(server);
	struct session_info info;
	struct buf *out;
	int r = chunk_begin(&h->chunk, FRAME_EXTRA, &out);

	if (r)
		return r;
	session_info(server->session, &info);
	r = h->encoder->state(out, server->by_name.key, &info, &position, now, unix_ms);
	return end(h, &h->chunk, r, ret);
}

void send_frame(struct member *member, int r, const struct chunk_frame *frame)
{
	if (member->consumer)
		member = member->consumer->holder;
	if (!member)
		return;
	if (r)
		outbox_overrun(&member->outbox);
	else
		outbox_push_control(&member->outbox, frame->blob, frame->offset, frame->n);
}

void hub_reply(struct hub *h, struct member *member, uint64_t tag, const struct hub_answer *answer)
{
	size_t expected = FRAME_EXTRA + answer->result.n + size_of(&answer->outcome);
	struct chunk_frame frame;
	struct buf *out;
	int r;

	for (size_t i = 0; i < answer->n_channels; i++)
		expected += answer->channels[i].channel.n + size_of(&answer->channels[i].outcome);
	r = chunk_begin(&h->chunk, expected, &out);
	if (r == 0)
		r = end(h, &h->chunk, h->encoder->reply(out, tag, answer), &frame);
	if (r == -EMSGSIZE && answer->outcome.code != PROTOCOL_E_TOO_LARGE)
		hub_refuse(h, member, tag, PROTOCOL_E_TOO_LARGE, SLICE("the answer is too large"));
	else
		send_frame(member, r, &frame);
}

void hub_refuse(struct hub *h, struct member *member, uint64_t tag, enum protocol_error code,
		struct slice text)
{
	const struct hub_answer answer = {
		.outcome = {.result = HUB_FAILED, .code = code, .text = text},
	};

	hub_reply(h, member, tag, &answer);
}
