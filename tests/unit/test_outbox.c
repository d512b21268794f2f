/*
 * hub/outbox: frames leave whole and in order, however the socket cuts them;
 * what is dropped is told exactly, before the next message of its server; a
 * ceiling is a ceiling; control frames are never dropped; memory that fails
 * loses messages, never the account.
 */
#include "hub/outbox.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVERS 3
#define BLOB_MAX (4u << 20)

static const struct slice names[SERVERS] = {
	{"one", 3}, {"two", 3}, {"three", 5},
};

/*
 * Both ends of one socket: what was pushed, and what the peer has read of it.
 * `due` holds the seq of each message pushed, per server; reading moves `told`.
 */
struct world {
	struct outbox o;
	struct blob *blob;
	unsigned wakes;
	uint64_t seq[SERVERS], due[SERVERS][40000];
	size_t n_due[SERVERS], told[SERVERS];
	uint64_t control, control_told;
	uint64_t n_messages, n_lost, n_lost_frames;
	size_t largest;
	struct frame_reader in;
	char log[512];            /* what was read, in short; for the tests that tell a story */
	bool logging;
	bool poor;                /* now and then the outbox finds no memory */
};

static unsigned seed;

static unsigned chance(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return seed / 65536u % n;
}

static void woken(void *ctx)
{
	((struct world *)ctx)->wakes++;
}

static void new_blob(struct world *w)
{
	blob_unref(w->blob);
	assert_int_equal(blob_new(BLOB_MAX, &w->blob), 0);
}

static struct world *world_new(size_t bytes_max)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	outbox_init(&w->o, bytes_max, (struct wake){woken, w});
	frame_reader_init(&w->in, PROTOCOL_FRAME_MAX);
	new_blob(w);
	w->logging = true;
	return w;
}

static void world_free(struct world *w)
{
	outbox_fini(&w->o);
	/* the outbox held no blob but those it was given, and let go of this one */
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

/* ---- pushing ---- */

static size_t encode_event(struct world *w, unsigned server, size_t size)
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

static void due(struct world *w, unsigned server)
{
	assert_true(w->n_due[server] < 40000);
	w->due[server][w->n_due[server]++] = w->seq[server];
}

static void push_as(struct world *w, unsigned server, size_t size, enum outbox_overflow policy)
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

static void push(struct world *w, unsigned server, size_t size)
{
	push_as(w, server, size, OUTBOX_DROP_OLDEST);
}

/* a message for other peers: lies in the blob, not in this queue */
static void push_elsewhere(struct world *w, unsigned server)
{
	w->seq[server]++;
	encode_event(w, server, 10);
}

static void push_lost(struct world *w, unsigned server)
{
	w->seq[server]++;
	due(w, server);
	poverty_begins(w);
	outbox_push_lost(&w->o, names[server], w->seq[server]);
	poverty_ends();
}

static void push_control(struct world *w, size_t size)
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

/* ---- the peer's end ---- */

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

/* The socket takes up to `most` bytes, offered in `n_iov` pieces at most; how many it took. */
static size_t write_some(struct world *w, size_t n_iov, size_t most)
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

static void drain(struct world *w)
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

static const char *story(struct world *w)
{
	drain(w);
	return w->log;
}

static size_t n_pieces(struct world *w)
{
	struct iovec iov[64];
	size_t n;

	assert_int_equal(outbox_peek(&w->o, iov, 64, &n), 0);
	return n;
}

/* ---- stories ---- */

static void test_burst_is_one_piece(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		push(w, 0, 10);
	assert_int_equal(w->o.n_spans, 1);
	assert_int_equal(n_pieces(w), 1);
	assert_true(w->wakes > 0);
	/* a new piece each: behind one that this peer does not hear, another server, another blob,
	   a reply */
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push(w, 1, 10);
	new_blob(w);
	push(w, 1, 10);
	push_control(w, 10);
	push_control(w, 10);
	assert_int_equal(n_pieces(w), 5);
	drain(w);
	assert_int_equal(w->n_messages, 53);
	world_free(w);
}

/* else a peer that has begun a piece holds all of it, and nothing of it can be dropped */
static void test_pieces_stay_small(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		push(w, 0, 1000);
	assert_in_range(w->o.n_spans, 6, 8);
	drain(w);
	world_free(w);
}

static void test_oldest_go_and_are_told(void **state)
{
	struct world *w = world_new(3200);

	(void)state;
	push_control(w, 10);
	for (unsigned i = 0; i < 5; i++) {
		push(w, 0, 800);
		push_control(w, 10);
	}
	assert_string_equal(story(w), "c0 c1 c2 lost1:2 1.3 c3 1.4 c4 1.5 c5 ");
	world_free(w);
}

static void test_loss_of_two_servers(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		push(w, 0, 800);
		push(w, 1, 800);
	}
	assert_string_equal(story(w), "lost2:2 2.3 lost1:3 1.4 2.4 ");
	world_free(w);
}

static void test_begun_is_never_dropped(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	assert_int_equal(write_some(w, 1, 7), 7);
	new_blob(w);
	for (unsigned i = 0; i < 3; i++) {
		push_elsewhere(w, 0);
		push(w, 0, 1000);
	}
	assert_string_equal(story(w), "1.1 lost1:2 1.7 ");
	world_free(w);
}

/* the loss between two frames that lie side by side in memory must not slip behind them */
static void test_loss_keeps_neighbours_apart(void **state)
{
	struct world *w = world_new(3000);
	size_t n[2];

	(void)state;
	for (w->seq[0] = 1; w->seq[0] <= 3; w->seq[0] += 2)
		n[w->seq[0] / 2] = encode_event(w, 0, 100);
	for (w->seq[0] = 1; w->seq[0] <= 3; w->seq[0]++)
		due(w, 0);
	outbox_push_message(&w->o, w->blob, 0, n[0], names[0], 1, OUTBOX_DROP_OLDEST);
	write_some(w, 1, 1);
	outbox_push_message(&w->o, w->blob, 0, n[0], names[0], 2, OUTBOX_DROP_OLDEST);
	w->o.bytes_max = n[0] + n[1];
	outbox_push_message(&w->o, w->blob, n[0], n[1], names[0], 3, OUTBOX_DROP_OLDEST);
	assert_string_equal(story(w), "1.1 lost1:1 1.3 ");
	world_free(w);
}

static void test_too_large_is_lost_in_its_place(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	push_lost(w, 0);
	push_lost(w, 0);
	push(w, 0, 10);
	push_lost(w, 0);
	assert_string_equal(story(w), "1.1 lost1:2 1.4 lost1:1 ");
	push_lost(w, 0);
	assert_false(outbox_empty(&w->o));
	assert_string_equal(story(w), "1.1 lost1:2 1.4 lost1:1 lost1:1 ");
	world_free(w);
}

/* asked for its bytes, but the socket took none: the loss goes on growing in one frame */
static void test_notice_is_taken_back(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		push_lost(w, 0);
		assert_int_equal(n_pieces(w), 1);
		assert_int_equal(w->o.n_spans, 1);
	}
	push(w, 0, 10);
	assert_int_equal(n_pieces(w), 2);
	push_lost(w, 0);
	assert_int_equal(n_pieces(w), 3);
	assert_string_equal(story(w), "lost1:5 1.6 lost1:1 ");
	world_free(w);
}

static void test_begun_notice_stays(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push_lost(w, 0);
	assert_int_equal(write_some(w, 1, 3), 3);
	push_lost(w, 0);
	push(w, 0, 10);
	assert_string_equal(story(w), "lost1:1 lost1:1 1.3 ");
	world_free(w);
}

static void test_large_message(void **state)
{
	struct world *w = world_new(2000);

	(void)state;
	/* taken, since the queue is empty */
	push(w, 0, 5000);
	assert_int_equal(w->o.lost, 0);
	/* waits, and may go for what comes later */
	push(w, 0, 10);
	push_control(w, 10);
	/* would not fit even if the other went: lost alone */
	push(w, 0, 5000);
	assert_string_equal(story(w), "lost1:1 1.2 c0 lost1:1 ");
	world_free(w);

	/* nor beside one that is on its way and cannot go */
	w = world_new(2000);
	push(w, 0, 1500);
	write_some(w, 1, 100);
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push(w, 0, 1000);
	assert_string_equal(story(w), "1.1 1.3 lost1:1 ");
	world_free(w);
}

static void test_large_begun_does_not_block_replies(void **state)
{
	struct world *w = world_new(2000);

	(void)state;
	push(w, 0, 5000);
	write_some(w, 1, 100);
	push_control(w, 10);
	push(w, 0, 100);
	assert_false(w->o.overrun);
	assert_string_equal(story(w), "1.1 c0 lost1:1 ");
	push_control(w, 5000);
	write_some(w, 1, 100);
	push_control(w, 10);
	assert_false(w->o.overrun);
	drain(w);
	world_free(w);
}

static void test_replies_push_messages_out(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	push_control(w, 1500);
	assert_string_equal(story(w), "lost1:1 1.3 c0 ");
	world_free(w);
}

static void test_replies_past_the_ceiling_overrun(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push_control(w, 1600);
	push_control(w, 1600);
	assert_false(w->o.overrun);
	w->wakes = 0;
	push_control(w, 10);
	assert_true(w->o.overrun);
	assert_int_equal(w->wakes, 1);
	w->control--;
	drain(w);
	/* from now on nothing is kept */
	push(w, 0, 10);
	assert_int_equal(w->o.lost, 1);
	drain(w);
	world_free(w);
}

static void test_disconnect_at_the_first_loss(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push_as(w, 0, 1000, OUTBOX_DISCONNECT);
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	push_elsewhere(w, 0);
	assert_false(w->o.overrun);
	push(w, 0, 1000);
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);

	/* merged with others, the strictest counts; and a message that is lost on arrival */
	w = world_new(3000);
	push(w, 0, 1000);
	write_some(w, 1, 1);
	push_as(w, 0, 2500, OUTBOX_DISCONNECT);
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);
}

/* what reads fast enough loses nothing for the reply that happens to go first */
static void test_reply_in_front_is_no_loss(void **state)
{
	struct world *w = world_new(1000);

	(void)state;
	push_control(w, 10);
	push(w, 0, 1000);
	assert_string_equal(story(w), "c0 1.1 ");
	world_free(w);
}

/* a short span may hold a large blob alive: blobs are counted, however few bytes are heard of each */
static void test_blobs_have_a_ceiling(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	w->o.n_blobs_max = 3;
	for (unsigned i = 0; i < 5; i++) {
		push(w, 0, 10);
		push_elsewhere(w, 0);
		push(w, 0, 10);
		new_blob(w);
	}
	assert_int_equal(w->o.n_blobs, 3);
	assert_int_equal(w->o.n_spans, 6);
	assert_string_equal(story(w), "lost1:4 1.7 1.9 1.10 1.12 1.13 1.15 ");
	assert_int_equal(w->o.n_blobs, 0);
	world_free(w);
}

static void test_spans_have_a_ceiling(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	w->o.n_spans_max = 4;
	for (unsigned i = 0; i < 6; i++) {
		push(w, 0, 10);
		push_elsewhere(w, 0);
	}
	push(w, 0, 10);
	push(w, 0, 10);
	assert_int_equal(w->o.n_spans, 4);
	push_control(w, 10);
	assert_int_equal(w->o.n_spans, 4);
	assert_string_equal(story(w), "lost1:4 1.9 1.11 1.13 1.14 c0 ");
	for (unsigned i = 0; i < 4; i++) {
		push_control(w, 10);
		push_elsewhere(w, 0);
	}
	assert_false(w->o.overrun);
	push_control(w, 10);
	assert_true(w->o.overrun);
	w->control--;
	drain(w);
	world_free(w);
}

static void test_abandon(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	write_some(w, 1, 5);
	push_control(w, 10);
	push_elsewhere(w, 0);
	push(w, 0, 10);
	push_lost(w, 1);
	n_pieces(w);
	push_lost(w, 2);
	push(w, 2, 10);
	outbox_abandon(&w->o);
	w->control_told = w->control;
	push_control(w, 10);
	assert_string_equal(story(w), "1.1 lost1:1 lost2:1 lost3:2 c1 ");
	world_free(w);
}

static void test_peak_and_wake(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t peak;

	(void)state;
	assert_true(outbox_empty(&w->o));
	push(w, 0, 1000);
	assert_int_equal(w->wakes, 1);
	peak = w->o.bytes;
	drain(w);
	push(w, 0, 10);
	assert_int_equal(w->o.bytes_peak, peak);
	drain(w);
	outbox_overrun(&w->o);
	assert_true(w->o.overrun);
	assert_int_equal(w->wakes, 3);
	world_free(w);
}

/* what nobody is woken for is told only when something else happens to be sent */
static void test_a_loss_wakes(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push_lost(w, 0);
	assert_int_equal(w->wakes, 1);
	drain(w);
	world_free(w);
}

/* one lost while it waited, one as it came, and no message left of the server to say so */
static void test_losses_of_both_kinds(void **state)
{
	struct world *w = world_new(3000);

	(void)state;
	push(w, 0, 1000);
	push_control(w, 2500);
	push_lost(w, 0);
	assert_string_equal(story(w), "c0 lost1:2 ");
	world_free(w);
}

/* asked again and again for less than there is to tell, it tells each loss once */
static void test_notices_are_made_once(void **state)
{
	struct world *w = world_new(1 << 20);
	struct iovec iov[1];
	size_t n;

	(void)state;
	push(w, 0, 10);
	push(w, 1, 10);
	w->wakes = 0;
	outbox_abandon(&w->o);
	assert_int_equal(w->wakes, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(outbox_peek(&w->o, iov, 1, &n), 0);
		assert_int_equal(n, 1);
		assert_int_equal(w->o.n_spans, 2);
	}
	assert_string_equal(story(w), "lost1:1 lost2:1 ");
	world_free(w);
}

static void test_the_ceiling_is_exact(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t n;

	(void)state;
	push(w, 0, 1000);
	n = w->o.bytes;
	push_elsewhere(w, 0);
	w->o.bytes_max = 2 * n;
	push(w, 0, 1000);
	assert_int_equal(w->o.lost, 0);
	/* beside one that is on its way, too */
	write_some(w, 1, 1);
	push_elsewhere(w, 0);
	w->o.bytes_max--;
	push(w, 0, 1000);
	assert_int_equal(w->o.bytes, w->o.bytes_max);
	w->o.bytes_max--;
	push_elsewhere(w, 0);
	push(w, 0, 1000);
	assert_string_equal(story(w), "1.1 lost1:1 1.5 lost1:1 ");
	world_free(w);
}

/* ---- anything, in any order ---- */

static void random_step(struct world *w)
{
	unsigned server = chance(SERVERS);

	switch (chance(12)) {
	case 0:
		push_control(w, chance(60));
		break;
	case 1:
		push_lost(w, server);
		break;
	case 2:
		push(w, server, chance(4) ? chance(2000) : chance(9000));
		break;
	case 3:
		push_elsewhere(w, server);
		break;
	case 4:
		new_blob(w);
		break;
	case 5:
		write_some(w, 1 + chance(4), chance(30));
		break;
	case 6:
		write_some(w, 1 + chance(64), chance(3000));
		break;
	case 7:
		write_some(w, 1 + chance(64), 0);
		break;
	default:
		for (unsigned i = chance(6); i > 0; i--)
			push(w, server, chance(100));
	}
}

static void check_ceilings(const struct world *w)
{
	assert_false(w->o.overrun);
	assert_true(w->o.bytes <= w->o.bytes_max + w->largest);
	assert_true(w->o.n_spans <= w->o.n_spans_max + SERVERS);
}

static void random_life(unsigned with_seed, bool poor)
{
	struct world *w = world_new(8000);

	seed = with_seed;
	w->logging = false;
	w->o.n_spans_max = 4 + chance(60);
	/* the account of a server is opened while there is memory: without it the peer ends */
	for (unsigned i = 0; i < SERVERS; i++)
		push_lost(w, i);
	for (unsigned i = 0; i < 3000; i++) {
		w->poor = poor;
		random_step(w);
		check_ceilings(w);
		/* replies that pile up, or find no memory, end a peer: read them in time */
		w->poor = false;
		while (w->o.control_bytes > 4000 || w->o.n_spans >= w->o.n_spans_max)
			write_some(w, 64, 500);
		if (i == 1500)
			drain(w);
	}
	drain(w);
	assert_true(w->n_lost > 0);
	assert_true(w->n_messages > 0);
	assert_true(w->n_lost_frames < w->n_lost);
	assert_int_equal(w->control_told, w->control);
	world_free(w);
}

static void test_random_lives(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		random_life(i, false);
}

static void test_random_lives_of_the_poor(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 40; i++)
		random_life(1000 + i, true);
}

/* ---- no memory ---- */

static void test_no_memory(void **state)
{
	struct world *w = world_new(1 << 20);
	size_t offset = 0, n[2];

	(void)state;
	w->seq[0] = 1;
	n[0] = encode_event(w, 0, 10);
	w->seq[0] = 2;
	n[1] = encode_event(w, 0, 10);
	FAIL_EACH_ALLOCATION {
		struct outbox o;
		struct iovec iov[4];
		size_t pieces = 0;
		int r;

		outbox_init(&o, 1 << 20, (struct wake){NULL, NULL});
		outbox_push_message(&o, w->blob, offset, n[0], names[0], 1, OUTBOX_DROP_OLDEST);
		outbox_push_lost(&o, names[1], 1);
		outbox_push_message(&o, w->blob, n[0], n[1], names[0], 2, OUTBOX_DROP_OLDEST);
		r = outbox_peek(&o, iov, 4, &pieces);
		assert_true(r == 0 || (r == -ENOMEM && pieces == 0));
		/* the second server's account needs memory; without it the peer is given up */
		assert_true(o.overrun || o.lost_unreported == o.lost);
		assert_true(o.lost >= 1 && o.lost <= 3);
		outbox_fini(&o);
	}
	world_free(w);
}

static void test_no_memory_for_a_reply(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push_elsewhere(w, 0);
	testing_fail_allocation(0);
	outbox_push_control(&w->o, w->blob, 0, buf_len(&w->blob->buf));
	assert_true(testing_allocation_failed());
	assert_true(w->o.overrun);
	drain(w);
	world_free(w);
}

/* the loss is told later, not forgotten and not taken for told */
static void test_no_memory_for_a_notice(void **state)
{
	struct world *w = world_new(1 << 20);
	struct iovec iov[4];
	size_t n = 0;

	(void)state;
	push_lost(w, 0);
	for (unsigned i = 0; i < 2; i++) {
		testing_fail_allocation(i);
		assert_int_equal(outbox_peek(&w->o, iov, 4, &n), -ENOMEM);
		assert_true(testing_allocation_failed());
		assert_false(outbox_empty(&w->o));
	}
	assert_string_equal(story(w), "lost1:1 ");
	world_free(w);
}

static void test_no_memory_for_an_account(void **state)
{
	struct world *w = world_new(1 << 20);

	(void)state;
	push(w, 0, 10);
	testing_fail_allocation(0);
	outbox_push_lost(&w->o, names[1], 1);
	assert_true(testing_allocation_failed());
	/* it cannot be told, so the peer ends; but it counts */
	assert_true(w->o.overrun);
	assert_int_equal(w->o.lost, 1);
	w->n_lost = 1;
	drain(w);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_is_one_piece),
		cmocka_unit_test(test_pieces_stay_small),
		cmocka_unit_test(test_oldest_go_and_are_told),
		cmocka_unit_test(test_loss_of_two_servers),
		cmocka_unit_test(test_begun_is_never_dropped),
		cmocka_unit_test(test_loss_keeps_neighbours_apart),
		cmocka_unit_test(test_too_large_is_lost_in_its_place),
		cmocka_unit_test(test_notice_is_taken_back),
		cmocka_unit_test(test_begun_notice_stays),
		cmocka_unit_test(test_large_message),
		cmocka_unit_test(test_large_begun_does_not_block_replies),
		cmocka_unit_test(test_replies_push_messages_out),
		cmocka_unit_test(test_replies_past_the_ceiling_overrun),
		cmocka_unit_test(test_disconnect_at_the_first_loss),
		cmocka_unit_test(test_reply_in_front_is_no_loss),
		cmocka_unit_test(test_blobs_have_a_ceiling),
		cmocka_unit_test(test_spans_have_a_ceiling),
		cmocka_unit_test(test_abandon),
		cmocka_unit_test(test_peak_and_wake),
		cmocka_unit_test(test_a_loss_wakes),
		cmocka_unit_test(test_losses_of_both_kinds),
		cmocka_unit_test(test_notices_are_made_once),
		cmocka_unit_test(test_the_ceiling_is_exact),
		cmocka_unit_test(test_random_lives),
		cmocka_unit_test(test_random_lives_of_the_poor),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_no_memory_for_a_reply),
		cmocka_unit_test(test_no_memory_for_a_notice),
		cmocka_unit_test(test_no_memory_for_an_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
