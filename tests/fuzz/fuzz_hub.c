/*
 * Several members of a hub on one session, in memory. They subscribe, publish and
 * call, read in pieces or never, send what is no request, and leave; the server
 * answers well, badly or not at all. Each line is one step, by its first byte; the
 * second is the member where there is one.
 *
 * A model that knows the protocol only decides: each member receives exactly the
 * messages that match what it holds, once and in order, or a report of
 * those that were lost; each request with an id gets one reply, or its member is overrun;
 * the session wants the patterns that have a holder; queues keep their ceiling; and in
 * the end nothing is left.
 */
#include "hub/hub.h"
#include "local/wire_in.h"
#include "local/wire_out.h"
#include "protocol/frame.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/bayeux_server.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/hub";

enum {
	MEMBERS = 4, CHANNELS = 8, IDS = 10, TURN_MAX = 10000, STEPS_MAX = 300,
	MESSAGE_MAX = 1000, SUBSCRIPTIONS_MAX = 6, REQUESTS_MAX = 6, LOUD_MAX = 8000,
};

static const char *const channels[CHANNELS] = {
	"/a", "/a/b", "/a/*", "/a/**", "/b", "/**", "/service/x", "/c/d"};

/* a message that a member should receive */
struct due {
	uint64_t seq, sum;
	bool lost;                      /* unreadable or above message_max: only reported */
};

struct player {
	struct member member;
	bool gone;                      /* overrun and closed: comes back only by 'x' */
	struct frame_reader in;
	bool held[CHANNELS], upstream[CHANNELS];        /* the model's */
	unsigned waiting[IDS];          /* requests with this id and no reply yet */
	struct due *due;
	size_t n_due, received;         /* and how many of them came, or are known to be lost */
};

struct play {
	struct hub *hub;
	struct hub_server *hub_server;
	struct session *session;
	struct server server;
	struct player players[MEMBERS];
	size_t outbox_max;
	unsigned char how;
	uint64_t now, seq, said;
};

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

/* ---- the model of who receives what ---- */

static struct slice segment(struct slice *path)
{
	struct slice rest = slice_drop(*path, 1);
	const char *end = memchr(rest.p, '/', rest.n);
	struct slice s = slice_take(rest, end ? (size_t)(end - rest.p) : rest.n);

	*path = slice_drop(rest, s.n);
	return s;
}

static bool matches(struct slice pattern, struct slice channel)
{
	if (!slice_starts(channel, SLICE("/")))
		return false;
	while (pattern.n && channel.n) {
		struct slice p = segment(&pattern), c = segment(&channel);

		if (slice_eq(p, SLICE("**")))
			return true;
		if (!slice_eq(p, SLICE("*")) && !slice_eq(p, c))
			return false;
	}
	return !pattern.n && !channel.n;
}

static uint64_t sum_of(uint64_t sum, struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		sum = (sum ^ (unsigned char)s.p[i]) * 1099511628211u;
	return sum;
}

static bool is_for(const struct player *p, struct slice channel)
{
	for (int i = 0; i < CHANNELS; i++)
		if (p->held[i] && matches(slice_of(channels[i]), channel))
			return true;
	return false;
}

static bool holds_any(const struct player *p)
{
	for (size_t i = 0; i < sizeof(p->held) / sizeof(p->held[0]); i++)
		if (p->held[i])
			return true;
	return false;
}

/* Without a channel (of what could not be read) it is for all who hold something. */
static void expect_due(struct play *play, struct slice channel, const struct due *due)
{
	for (int i = 0; i < MEMBERS; i++) {
		struct player *p = &play->players[i];

		if (p->gone || !(channel.n ? is_for(p, channel) : holds_any(p)))
			continue;
		p->due = realloc(p->due, (p->n_due + 1) * sizeof(*due));
		FUZZ_CHECK(p->due);
		p->due[p->n_due++] = *due;
	}
}

/* A message came from the session: notes for whom. */
static void expect(struct play *play, const struct envelope *e)
{
	struct due due = {.seq = ++play->seq, .sum = 0};
	size_t n = 0;

	for (size_t i = 0; i < e->n_pieces; i++) {
		due.sum = sum_of(due.sum, e->pieces[i]);
		n += e->pieces[i].n;
	}
	due.lost = n > MESSAGE_MAX;
	expect_due(play, e->channel, &due);
}

static int channel_of(struct slice name)
{
	for (int i = 0; i < CHANNELS; i++)
		if (slice_eq(slice_of(channels[i]), name))
			return i;
	return -1;
}

static void forget_refused(struct play *play, struct slice name)
{
	int c = channel_of(name);

	for (int i = 0; c >= 0 && i < MEMBERS; i++)
		if (play->players[i].upstream[c])
			play->players[i].held[c] = play->players[i].upstream[c] = false;
}

/* ---- what members receive ---- */

static void receive_message(struct player *p, const struct message *m)
{
	struct due *due = &p->due[p->received];

	FUZZ_CHECK(p->received < p->n_due && !due->lost);
	FUZZ_CHECK(m->seq == due->seq && sum_of(0, m->message) == due->sum);
	p->received++;
}

static void receive_lost(struct player *p, const struct message *m)
{
	FUZZ_CHECK(m->count > 0 && m->count <= p->n_due - p->received);
	FUZZ_CHECK(p->due[p->received].seq == m->first);
	p->received += m->count;
	FUZZ_CHECK(p->due[p->received - 1].seq == m->last);
}

static void receive(struct player *p, struct slice body)
{
	struct message m;
	char why[160];

	FUZZ_CHECK(message_decode(body, PROTOCOL_FROM_DAEMON, &m, why, sizeof(why)) == 0);
	switch (m.op) {
	case PROTOCOL_OP_MESSAGE:
		receive_message(p, &m);
		break;
	case PROTOCOL_OP_LOST:
		receive_lost(p, &m);
		break;
	case PROTOCOL_OP_REPLY:
		FUZZ_CHECK(m.id < IDS && p->waiting[m.id] > 0);
		p->waiting[m.id]--;
		break;
	default:
		FUZZ_CHECK(m.op == PROTOCOL_OP_STATE || m.op == PROTOCOL_OP_SUBSCRIPTION ||
			   m.op == PROTOCOL_OP_CLOSING);
		break;
	}
	message_fini(&m);
}

/* Up to `max` bytes from the outbox. How many there were. */
static size_t read_some(struct player *p, size_t max)
{
	struct iovec iov;
	struct slice body;
	size_t n, room;
	char *to;

	FUZZ_CHECK(outbox_peek(&p->member.outbox, &iov, 1, &n) == 0);
	if (n == 0)
		return 0;
	n = iov.iov_len < max ? iov.iov_len : max;
	for (size_t took = 0; took < n; took += room) {
		FUZZ_CHECK(frame_room(&p->in, n - took, &to, &room) == 0);
		memcpy(to, (char *)iov.iov_base + took, room);
		frame_filled(&p->in, room);
		while (frame_next(&p->in, &body) == 0)
			receive(p, body);
	}
	outbox_advance(&p->member.outbox, n);
	return n;
}

/* Everything; then nothing that was sent to it may be missing. */
static void read_all(struct player *p)
{
	while (read_some(p, SIZE_MAX) > 0)
		;
	FUZZ_CHECK(frame_pending(&p->in) == 0 && outbox_empty(&p->member.outbox));
	FUZZ_CHECK(p->received == p->n_due);
	FUZZ_CHECK(p->member.outbox.delivered + p->member.outbox.lost == p->n_due);
}

/* ---- members come and go ---- */

static void join(struct play *play, struct player *p)
{
	p->gone = false;
	outbox_init(&p->member.outbox, play->outbox_max, wire_out_lost, (struct wake){ignore_wake, NULL});
	p->member.outbox.n_spans_max = 16;
	frame_reader_init(&p->in, PROTOCOL_FRAME_MAX);
	FUZZ_CHECK(hub_add_member(play->hub, &p->member) == 0);
}

static void drop(struct play *play, struct player *p)
{
	hub_remove_member(play->hub, &p->member);
	outbox_fini(&p->member.outbox);
	frame_reader_fini(&p->in);
	free(p->due);
	*p = (struct player){.gone = true};
}

/* As a peer that is closed: it still learns what it misses. */
static void close_member(struct play *play, struct player *p)
{
	struct message m;
	struct blob *blob;

	hub_remove_member(play->hub, &p->member);
	outbox_abandon(&p->member.outbox);
	message_init(&m, PROTOCOL_OP_CLOSING);
	m.code = SLICE("overflow");
	m.reason = SLICE("reads too slowly");
	m.has = PROTOCOL_F(CODE) | PROTOCOL_F(REASON);
	FUZZ_CHECK(blob_new(PROTOCOL_FRAME_MAX, &blob) == 0);
	FUZZ_CHECK(message_encode(&m, &blob->buf) == 0);
	outbox_push_control(&p->member.outbox, blob, 0, buf_len(&blob->buf));
	blob_unref(blob);
	message_fini(&m);
	read_all(p);
	p->gone = true;
	memset(p->held, 0, sizeof(p->held));
	memset(p->upstream, 0, sizeof(p->upstream));
}

/* ---- turns, as a driver takes them ---- */

static void handle_event(struct play *play, const struct session_event *e)
{
	if (e->kind == SESSION_EVENT_MESSAGE)
		expect(play, e->envelope);
	else if (e->kind == SESSION_EVENT_LOST)
		expect_due(play, e->channel, &(struct due){.seq = ++play->seq, .lost = true});
	else if (e->kind == SESSION_EVENT_CHANNEL && e->status == SESSION_CHANNEL_REFUSED)
		forget_refused(play, e->channel);
	else if (e->kind == SESSION_EVENT_ABORT)
		server_forget(&play->server, e->batch);
	hub_handle_event(play->hub, play->hub_server, e, play->now, play->now);
	/* a confirmation after a wait takes a number, too */
	if (e->kind == SESSION_EVENT_CHANNEL && hub_server_seq(play->hub_server) == play->seq + 1)
		play->seq++;
}

static void handle_events(struct play *play)
{
	struct session_event e;
	unsigned n = 0;

	while (session_next(play->session, play->now, &e) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		handle_event(play, &e);
	}
}

static void check_wants(const struct play *play)
{
	for (int c = 0; c < CHANNELS; c++) {
		bool wanted = false;

		for (int i = 0; i < MEMBERS; i++)
			wanted = wanted || play->players[i].upstream[c];
		FUZZ_CHECK(wanted == (session_channel(play->session, slice_of(channels[c])) !=
				      SESSION_CHANNEL_NONE));
	}
}

static void check_member(const struct player *p)
{
	const struct outbox *o = &p->member.outbox;
	size_t n = 0;

	for (int c = 0; c < CHANNELS; c++)
		n += p->held[c];
	FUZZ_CHECK(p->member.n_subscriptions == n && n <= SUBSCRIPTIONS_MAX);
	FUZZ_CHECK(p->member.requests.n <= REQUESTS_MAX);
	FUZZ_CHECK(o->n_spans <= o->n_spans_max + 1);
	FUZZ_CHECK(o->bytes <= 2 * (o->bytes_max + LOUD_MAX));
}

static void settle(struct play *play)
{
	FUZZ_CHECK(hub_server_seq(play->hub_server) == play->seq);
	for (int i = 0; i < MEMBERS; i++)
		if (!play->players[i].gone && play->players[i].member.outbox.overrun)
			close_member(play, &play->players[i]);
	for (int i = 0; i < MEMBERS; i++)
		if (!play->players[i].gone)
			check_member(&play->players[i]);
	check_wants(play);
}

static void turn(struct play *play)
{
	struct session_batch batch;
	struct buf out;
	unsigned n = 0;

	buf_init(&out, 1u << 20);
	handle_events(play);
	while (session_take_batch(play->session, play->now, &out, &batch) == 0) {
		FUZZ_CHECK(++n < TURN_MAX);
		server_sent(&play->server, batch.id, buf_slice(&out));
		buf_clear(&out);
		handle_events(play);
	}
	buf_fini(&out);
	settle(play);
}

/* ---- requests ---- */

/* Subscribes and unsubscribes of the fuzzer's own making: these the model follows. */
static void put_channels(struct buf *out, struct slice letters)
{
	const char *comma = "";

	FUZZ_CHECK(buf_put_str(out, ",\"channels\":[") == 0);
	for (size_t i = 0; i < letters.n && i < PROTOCOL_CHANNELS_MAX; i++) {
		unsigned c = (unsigned char)letters.p[i];

		if (c < 'a' || c >= 'a' + CHANNELS)
			continue;
		FUZZ_CHECK(buf_printf(out, "%s\"%s\"", comma, channels[c - 'a']) == 0);
		comma = ",";
	}
	FUZZ_CHECK(buf_putc(out, ']') == 0);
}

static void ask_hub(struct play *play, struct player *p, const struct message *m)
{
	if (message_has(m, PROTOCOL_FIELD_ID))
		p->waiting[m->id]++;
	FUZZ_CHECK(wire_in_request(play->hub, &p->member, m, &(struct wire_in_time){play->now, 0}) == 0);
}

/* Any request of a member, decoded as a peer does it. Of subscribes only those that must fail go to
   the hub when the fuzzer did not make them itself (`ours`). Whether it was one of an op of the hub. */
static bool ask(struct play *play, struct player *p, struct slice text, bool ours)
{
	struct message m;
	char why[160];
	int r = message_decode(text, PROTOCOL_FROM_PEER, &m, why, sizeof(why));
	bool subscribes = m.op == PROTOCOL_OP_SUBSCRIBE || m.op == PROTOCOL_OP_UNSUBSCRIBE;
	bool mine = !r && (m.op == PROTOCOL_OP_PUBLISH || m.op == PROTOCOL_OP_CALL ||
			   (subscribes && ours));

	FUZZ_CHECK(utf8_valid(slice_of(r ? why : "")));
	if (message_has(&m, PROTOCOL_FIELD_ID) && m.id >= IDS)
		mine = false;
	else if (r && message_has(&m, PROTOCOL_FIELD_ID)) {
		p->waiting[m.id]++;
		hub_refuse(play->hub, &p->member, m.id, PROTOCOL_E_BAD_REQUEST, slice_of(why));
	}
	if (mine)
		ask_hub(play, p, &m);
	message_fini(&m);
	return mine;
}

static unsigned digit(struct slice *text)
{
	unsigned c = text->n ? (unsigned char)text->p[0] : '0';

	*text = slice_drop(*text, 1);
	return (c - '0') % 10;
}

/* What the hub must do with it, in the model: whether it is done, and how. */
static bool may_subscribe(const struct player *p, struct slice letters, unsigned id)
{
	bool held[CHANNELS];
	size_t n = 0, named = 0;

	memcpy(held, p->held, sizeof(held));
	for (size_t i = 0; i < letters.n; i++)
		if (letters.p[i] >= 'a' && letters.p[i] < 'a' + CHANNELS) {
			held[letters.p[i] - 'a'] = true;
			named++;
		}
	for (int c = 0; c < CHANNELS; c++)
		n += held[c];
	return named > 0 && n <= SUBSCRIPTIONS_MAX && !hub_tag_in_use(&p->member, id) &&
	       p->member.requests.n < REQUESTS_MAX;
}

static void subscribe(struct play *play, struct player *p, struct slice text)
{
	unsigned id = digit(&text), options = digit(&text);
	struct slice letters = slice_take(text, PROTOCOL_CHANNELS_MAX);
	bool done = may_subscribe(p, letters, id), upstream = !(options & 1);
	struct buf out;

	buf_init(&out, 1u << 16);
	FUZZ_CHECK(buf_printf(&out, "{\"op\":\"subscribe\",\"id\":%u,\"upstream\":%s,"
			      "\"overflow\":\"%s\"", id, upstream ? "true" : "false",
			      options & 2 ? "disconnect" : "drop-oldest") == 0);
	put_channels(&out, letters);
	FUZZ_CHECK(buf_putc(&out, '}') == 0);
	for (size_t i = 0; done && i < letters.n; i++) {
		int c = letters.p[i] - 'a';

		if (c < 0 || c >= CHANNELS)
			continue;
		p->held[c] = true;
		p->upstream[c] = upstream && strncmp(channels[c], "/service/", 9) != 0;
	}
	ask(play, p, buf_slice(&out), true);
	buf_fini(&out);
}

static bool may_unsubscribe(const struct player *p, struct slice letters, unsigned id)
{
	size_t named = 0;

	for (size_t i = 0; i < letters.n; i++) {
		int c = letters.p[i] - 'a';

		if (c < 0 || c >= CHANNELS)
			continue;
		if (!p->held[c])
			return false;
		named++;
	}
	return named > 0 && !hub_tag_in_use(&p->member, id);
}

static void unsubscribe(struct play *play, struct player *p, struct slice text)
{
	unsigned id = digit(&text);
	struct slice letters = slice_take(text, PROTOCOL_CHANNELS_MAX);
	bool done = may_unsubscribe(p, letters, id);
	struct buf out;

	buf_init(&out, 1u << 16);
	FUZZ_CHECK(buf_printf(&out, "{\"op\":\"unsubscribe\",\"id\":%u", id) == 0);
	put_channels(&out, letters);
	FUZZ_CHECK(buf_putc(&out, '}') == 0);
	ask(play, p, buf_slice(&out), true);
	for (size_t i = 0; done && i < letters.n; i++) {
		int c = letters.p[i] - 'a';

		if (c >= 0 && c < CHANNELS)
			p->held[c] = p->upstream[c] = false;
	}
	buf_fini(&out);
}

static void publish(struct play *play, struct player *p, char what, struct slice text)
{
	unsigned id = digit(&text), c = digit(&text) % CHANNELS;
	char json[200];

	if (what == 'c')
		snprintf(json, sizeof(json), "{\"op\":\"call\",\"id\":%u,\"channel\":\"/service/x\","
			 "\"data\":{},\"timeout\":5000}", id);
	else if (what == 'p')
		snprintf(json, sizeof(json), "{\"op\":\"publish\",\"id\":%u,\"channel\":\"%s\","
			 "\"data\":[%u],\"timeout\":5000}", id, channels[c], id);
	else
		snprintf(json, sizeof(json), "{\"op\":\"publish\",\"channel\":\"%s\",\"data\":1}",
			 channels[c]);
	ask(play, p, slice_of(json), true);
}

/* ---- the server ---- */

/* from a copy, so that sanitizers detect a later access */
static void feed(struct play *play, uint64_t id, struct slice text, bool end)
{
	char *copy = malloc(text.n + 1);

	FUZZ_CHECK(copy);
	memcpy(copy, text.p, text.n);
	if (session_feed(play->session, play->now, id, slice_make(copy, text.n)) == 0)
		handle_events(play);
	free(copy);
	if (!end)
		return;
	server_forget(&play->server, id);
	session_batch_end(play->session, play->now, id);
}

/* Answers one exchange, and adds an event for each letter; a digit makes those after it large. */
static void answer(struct play *play, enum server_answer how, bool connect, struct slice letters)
{
	const struct server *s = &play->server;
	const struct server_exchange *x = connect ? server_connect(s) : &s->exchanges[0];
	struct buf out;
	int n = 0;

	if (!s->n_exchanges)
		return;
	buf_init(&out, 1u << 20);
	server_answer(&play->server, x, how, &out);
	for (size_t i = 0; i < letters.n && i < 64; i++) {
		int c = letters.p[i] - 'a';

		if (letters.p[i] >= '0' && letters.p[i] <= '9')
			n = (letters.p[i] - '0') * 200;
		else if (c >= 0 && c < CHANNELS)
			FUZZ_CHECK(buf_printf(&out, ",{\"channel\":\"%s\",\"data\":[%llu,%*d]}",
					      channels[c], (unsigned long long)++play->said, n,
					      0) == 0);
	}
	FUZZ_CHECK(buf_putc(&out, ']') == 0);
	feed(play, x->id, buf_slice(&out), true);
	buf_fini(&out);
}

static void fail(struct play *play, struct slice how)
{
	struct session_failure f = {.kind = SESSION_BROKEN, .reason = SLICE("broken")};
	uint64_t id;

	if (!play->server.n_exchanges)
		return;
	if (how.n) {
		f.kind = (unsigned char)how.p[0] % 3;
		f.unreadable = how.p[0] & 4;
		f.http_status = how.p[0] & 8 ? 413 : how.p[0] & 16 ? 503 : 0;
	}
	id = play->server.exchanges[0].id;
	server_forget(&play->server, id);
	session_batch_failed(play->session, play->now, id, &f);
}

static void pass_time(struct play *play)
{
	uint64_t at = session_deadline(play->session), hub = hub_deadline(play->hub_server);

	if (hub < at)
		at = hub;
	play->now = at == UINT64_MAX || at < play->now ? play->now + 1000 : at;
	session_tick(play->session, play->now);
	hub_tick(play->hub, play->hub_server, play->now, play->now);
}

/* ---- the configuration ---- */

static void add_server(struct play *play)
{
	struct session_options o;

	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.overlap = play->how & 1 ? SESSION_OVERLAP_COVERING : SESSION_OVERLAP_EXACT;
	o.binary = play->how & 2;
	o.queue_max = 4000;
	o.sent_max = play->how & 4 ? 150 : SIZE_MAX;
	o.seed = 1;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &play->session) == 0);
	FUZZ_CHECK(hub_add_server(play->hub, SLICE("s"), true, play->session,
				  &play->hub_server) == 0);
	hub_set_grace(play->hub_server, play->how & 8 ? 5000 : 0);
	session_start(play->session, play->now);
}

static void stop_session(struct play *play)
{
	session_stop(play->session, play->now);
	for (int i = 0; i < 3; i++) {
		turn(play);
		play->now += 60000;
		session_tick(play->session, play->now);
	}
	handle_events(play);
}

/* Taken out of the configuration. */
static void remove_server(struct play *play)
{
	stop_session(play);
	hub_remove_server(play->hub, play->hub_server);
	for (int i = 0; i < MEMBERS; i++) {
		memset(play->players[i].held, 0, sizeof(play->players[i].held));
		memset(play->players[i].upstream, 0, sizeof(play->players[i].upstream));
	}
	server_forget(&play->server, 0);
	session_free(play->session);
}

/* ---- steps ---- */

static void step_member(struct play *play, struct player *p, char what, struct slice text)
{
	if (what == 'x') {
		drop(play, p);
		join(play, p);
	} else if (p->gone) {
		return;
	} else if (what == '+') {
		subscribe(play, p, text);
	} else if (what == '-') {
		unsubscribe(play, p, text);
	} else if (what == 'j') {
		ask(play, p, text, false);
	} else if (what == 'R') {
		read_all(p);
	} else if (what == 'r') {
		read_some(p, text.n ? (unsigned char)text.p[0] : 1);
	} else {
		publish(play, p, what, text);
	}
}

static void step_server(struct play *play, char what, struct slice text)
{
	static const char answers[] = "kfbua";
	const char *how = memchr(answers, what, strlen(answers));

	if (how)
		answer(play, (enum server_answer)(how - answers), false, text);
	else if (what == 'm')
		answer(play, SERVER_OK, true, text);
	else if (what == '<' && play->server.n_exchanges)
		feed(play, play->server.exchanges[0].id, text, false);
	else if (what == '.' && play->server.n_exchanges)
		feed(play, play->server.exchanges[0].id, text, true);
	else if (what == '!')
		fail(play, text);
	else if (what == 't')
		pass_time(play);
	else if (what == 'z')
		remove_server(play), add_server(play);
}

static void step(struct play *play, struct slice line)
{
	char what = line.p[0];
	struct slice text = slice_drop(line, 1);

	if (memchr("x+-jRrpPc", what, 9))
		step_member(play, &play->players[digit(&text) % MEMBERS], what, text);
	else
		step_server(play, what, text);
}

/* The end: who is there reads all, and has the reply to each request. */
static void finish(struct play *play)
{
	struct hub_stats stats;

	stop_session(play);
	/* every deadline is over */
	for (int i = 0; i < MEMBERS; i++)
		FUZZ_CHECK(play->players[i].gone || play->players[i].member.requests.n == 0);
	hub_end_requests(play->hub, SLICE("the daemon stops"));
	settle(play);
	for (int i = 0; i < MEMBERS; i++) {
		struct player *p = &play->players[i];

		if (!p->gone)
			read_all(p);
		for (int id = 0; !p->gone && id < IDS; id++)
			FUZZ_CHECK(p->waiting[id] == 0);
		drop(play, p);
	}
	hub_stats(play->hub, &stats);
	FUZZ_CHECK(stats.members == 0 && stats.requests == 0 && stats.subscriptions == 0);
	remove_server(play);
	hub_free(play->hub);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct hub_options options = {SUBSCRIPTIONS_MAX, REQUESTS_MAX, MESSAGE_MAX};
	struct play play = {.now = 1000000, .how = n ? data[0] : 0};
	struct slice rest = slice_drop(slice_make(data, n), 1);

	play.outbox_max = 600 + (play.how >> 4) * 400u;
	FUZZ_CHECK(hub_new(&options, &wire_out_encoder, &play.hub) == 0);
	add_server(&play);
	for (int i = 0; i < MEMBERS; i++)
		join(&play, &play.players[i]);
	turn(&play);
	for (int steps = 0; rest.n && steps < STEPS_MAX; steps++) {
		const char *end = memchr(rest.p, '\n', rest.n);
		struct slice line = slice_take(rest, end ? (size_t)(end - rest.p) : rest.n);

		if (line.n) {
			step(&play, line);
			turn(&play);
		}
		rest = slice_drop(rest, line.n + 1);
	}
	finish(&play);
	return 0;
}
