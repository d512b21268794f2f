/*
 * An outbox, the blob it is fed from, and the frames that its peer has read, compared
 * with those that are expected.
 */
#include "tests/unit/outbox_world.h"
#include "local/wire_out.h"

#include "protocol/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BLOB_MAX (4u << 20)

const struct slice names[SERVERS] = {
	{"one", 3}, {"two", 3}, {"three", 5},
};

static unsigned seed;

void set_seed(unsigned with)
{
	seed = with;
}

unsigned chance(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return seed / 65536u % n;
}

static void woken(void *ctx)
{
	((struct world *)ctx)->wakes++;
}

void new_blob(struct world *w)
{
	blob_unref(w->blob);
	assert_int_equal(blob_new(BLOB_MAX, &w->blob), 0);
}

struct world *world_new(size_t bytes_max)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	outbox_init(&w->o, bytes_max, wire_out_lost, (struct wake){woken, w});
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	new_blob(w);
	w->logging = true;
	return w;
}

void world_free(struct world *w)
{
	outbox_fini(&w->o);
	/* the outbox has released its references to this blob */
	assert_int_equal(w->blob->refs, 1);
	blob_unref(w->blob);
	frame_reader_fini(&w->in);
	free(w);
}

/* around the calls of the outbox, so that only what it allocates itself fails */
static void poverty_begins(struct world *w)
{
	if (w->poor && chance(3) == 0)
		testing_fail_allocation(chance(2));
}

static void poverty_ends(void)
{
	(void)testing_allocation_failed();
}

size_t encode_event(struct world *w, unsigned server, size_t size)
{
	char text[64], *filler = calloc(1, size + 1);
	size_t before = buf_len(&w->blob->buf);
	struct slice pieces[3];

	assert_non_null(filler);
	memset(filler, 'x', size);
	snprintf(text, sizeof(text), "{\"n\":%llu,\"data\":\"", (unsigned long long)w->seq[server]);
	pieces[0] = slice_of(text);
	pieces[1] = slice_make(filler, size);
	pieces[2] = SLICE("\"}");
	assert_int_equal(message_encode_event(&w->blob->buf, names[server], w->seq[server], pieces,
					      3, SLICE_NULL), 0);
	free(filler);
	return buf_len(&w->blob->buf) - before;
}

void due(struct world *w, unsigned server)
{
	assert_true(w->n_due[server] < 40000);
	w->due[server][w->n_due[server]++] = w->seq[server];
}

void push_as(struct world *w, unsigned server, size_t size, enum outbox_overflow policy)
{
	size_t offset = buf_len(&w->blob->buf), n;

	w->seq[server]++;
	n = encode_event(w, server, size);
	if (n > w->largest)
		w->largest = n;
	due(w, server);
	poverty_begins(w);
	outbox_push_message(&w->o, w->blob, offset, n, names[server], w->seq[server], policy);
	poverty_ends();
}

void push(struct world *w, unsigned server, size_t size)
{
	push_as(w, server, size, OUTBOX_DROP_OLDEST);
}

void push_elsewhere(struct world *w, unsigned server)
{
	w->seq[server]++;
	encode_event(w, server, 10);
}

void push_lost(struct world *w, unsigned server)
{
	w->seq[server]++;
	due(w, server);
	poverty_begins(w);
	outbox_push_lost(&w->o, names[server], w->seq[server]);
	poverty_ends();
}

void push_control(struct world *w, size_t size)
{
	char *text = malloc(size + 16);
	size_t offset = buf_len(&w->blob->buf);
	struct message m;

	assert_non_null(text);
	memset(text, ' ', size + 16);
	memcpy(text, "{\"a\":", 5);
	memcpy(text + size + 13, "1}", 2);
	message_init(&m, PROTOCOL_OP_REPLY);
	m.id = w->control++;
	m.ok = true;
	m.result = slice_make(text, size + 15);
	m.has = PROTOCOL_F(ID) | PROTOCOL_F(OK) | PROTOCOL_F(RESULT);
	assert_int_equal(message_encode(&m, &w->blob->buf), 0);
	message_fini(&m);
	free(text);
	outbox_push_control(&w->o, w->blob, offset, buf_len(&w->blob->buf) - offset);
}

void push_reply(struct world *w, size_t size)
{
	struct blob *head, *rest;

	assert_int_equal(blob_new(100, &head), 0);
	assert_int_equal(blob_new(BLOB_MAX, &rest), 0);
	assert_int_equal(buf_printf(&rest->buf, "{\"a\":%*d}}", (int)size + 1, 1), 0);
	assert_int_equal(message_encode_reply_head(&head->buf, w->control++, buf_len(&rest->buf)), 0);
	outbox_push_reply(&w->o, head, rest);
	blob_unref(head);
	blob_unref(rest);
}

static unsigned server_of(struct slice name)
{
	for (unsigned i = 0; i < SERVERS; i++)
		if (slice_eq(name, names[i]))
			return i;
	fail_msg("a server nobody named");
	return 0;
}

static void note(struct world *w, const char *format, uint64_t a, uint64_t b)
{
	size_t n = strlen(w->log);

	if (w->logging)
		snprintf(w->log + n, sizeof(w->log) - n, format, (unsigned long long)a,
			 (unsigned long long)b);
}

static void read_message(struct world *w, const struct message *m)
{
	unsigned s = server_of(m->server);
	char start[64];

	assert_true(w->told[s] < w->n_due[s]);
	assert_int_equal(m->seq, w->due[s][w->told[s]]);
	snprintf(start, sizeof(start), "{\"n\":%llu,", (unsigned long long)m->seq);
	assert_true(slice_starts(m->message, slice_of(start)));
	w->told[s]++;
	w->n_messages++;
	note(w, "%llu.%llu ", s + 1, m->seq);
}

static void read_lost(struct world *w, const struct message *m)
{
	unsigned s = server_of(m->server);

	assert_true(m->count > 0);
	assert_true(w->told[s] + m->count <= w->n_due[s]);
	assert_int_equal(m->first, w->due[s][w->told[s]]);
	w->told[s] += m->count;
	assert_int_equal(m->last, w->due[s][w->told[s] - 1]);
	assert_true(slice_eq(m->code, SLICE("overflow")));
	w->n_lost += m->count;
	w->n_lost_frames++;
	note(w, "lost%llu:%llu ", s + 1, m->count);
}

static void read_frame(struct world *w, struct slice body)
{
	struct message m;
	char why[128];

	assert_int_equal(message_decode(body, PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)), 0);
	if (m.op == PROTOCOL_OP_MESSAGE) {
		read_message(w, &m);
	} else if (m.op == PROTOCOL_OP_LOST) {
		read_lost(w, &m);
	} else {
		assert_int_equal(m.op, PROTOCOL_OP_REPLY);
		assert_int_equal(m.id, w->control_told);
		w->control_told++;
		note(w, "c%llu ", m.id, 0);
	}
	message_fini(&m);
}

static void receive(struct world *w, const char *p, size_t n)
{
	struct slice body;
	int r;

	while (n > 0) {
		char *to;
		size_t room;

		assert_int_equal(frame_room(&w->in, n, &to, &room), 0);
		memcpy(to, p, room);
		frame_filled(&w->in, room);
		p += room;
		n -= room;
		while ((r = frame_next(&w->in, &body)) == 0)
			read_frame(w, body);
		assert_int_equal(r, FRAME_E_AGAIN);
	}
}

size_t write_some(struct world *w, size_t n_iov, size_t most)
{
	struct iovec iov[64];
	size_t n, took = 0;
	int r;

	poverty_begins(w);
	r = outbox_peek(&w->o, iov, n_iov, &n);
	poverty_ends();
	if (r) {
		assert_true(w->poor);
		assert_int_equal(r, -ENOMEM);
		return 0;
	}
	assert_true(n <= n_iov);
	for (size_t i = 0; i < n && took < most; i++) {
		size_t step = iov[i].iov_len < most - took ? iov[i].iov_len : most - took;

		assert_true(iov[i].iov_len > 0);
		receive(w, iov[i].iov_base, step);
		took += step;
	}
	outbox_advance(&w->o, took);
	return took;
}

void drain(struct world *w)
{
	while (write_some(w, 64, SIZE_MAX) > 0)
		;
	assert_true(outbox_empty(&w->o));
	assert_int_equal(w->o.bytes, 0);
	assert_int_equal(w->o.control_bytes, 0);
	assert_int_equal(w->o.n_spans, 0);
	assert_int_equal(w->o.delivered, w->n_messages);
	assert_int_equal(w->o.lost, w->n_lost);
	assert_int_equal(frame_pending(&w->in), 0);
	for (unsigned s = 0; s < SERVERS; s++)
		assert_int_equal(w->told[s], w->n_due[s]);
}

const char *story(struct world *w)
{
	drain(w);
	return w->log;
}

size_t n_pieces(struct world *w)
{
	struct iovec iov[64];
	size_t n;

	assert_int_equal(outbox_peek(&w->o, iov, 64, &n), 0);
	return n;
}
