/*
 * A hub with members and test doubles of its sessions; the test plays both sides.
 * world_fini checks that nothing is left.
 */
#include "tests/unit/hub_world.h"

#include "local/wire_in.h"
#include "local/wire_out.h"
#include "protocol/frame.h"

#include <stdio.h>
#include <stdlib.h>

void world_init(struct world *w)
{
	const struct hub_options options = {
		.subscriptions_max = 8, .requests_max = 4, .message_max = 1000,
	};
	static const struct slice names[] = {{"one", 3}, {"two", 3}};

	memset(w, 0, sizeof(*w));
	assert_int_equal(hub_new(&options, &wire_out_encoder, &w->hub), 0);
	for (unsigned i = 0; i < 2; i++) {
		session_double_init(&w->sessions[i]);
		assert_int_equal(hub_add_server(w->hub, names[i], i == 0, &w->sessions[i],
						&w->servers[i]), 0);
		hub_begin_epoch(w->servers[i], i + 1);
		hub_set_history(w->servers[i], &(struct hub_log_limits){1 << 20, 1000, 3600000}, WORLD_NOW);
	}
	for (unsigned i = 0; i < 4; i++) {
		outbox_init(&w->members[i].outbox, 1 << 20, wire_out_lost, (struct wake){NULL, NULL});
		assert_int_equal(hub_add_member(w->hub, &w->members[i]), 0);
	}
}

void world_fini(struct world *w)
{
	struct hub_stats stats;

	for (unsigned i = 0; i < 4; i++) {
		hub_remove_member(w->hub, &w->members[i]);
		outbox_fini(&w->members[i].outbox);
	}
	hub_stats(w->hub, &stats);
	assert_int_equal(stats.members + stats.requests + stats.subscriptions, 0);
	for (unsigned i = 0; i < 2; i++) {
		if (w->servers[i])
			hub_remove_server(w->hub, w->servers[i]);
		session_double_fini(&w->sessions[i]);
	}
	hub_free(w->hub);
}

/* a copy with double quotes for single ones */
static struct slice quoted(char *out, size_t size, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	assert_true(n < size);
	for (size_t i = 0; i < n; i++)
		out[i] = text[i] == '\'' ? '"' : text[i];
	return slice_make(out, n);
}

int ask(struct world *w, unsigned m, const char *json)
{
	struct member *member = &w->members[m];
	struct message message;
	char text[8192], why[128];
	int r = message_decode(quoted(text, sizeof(text), json), PROTOCOL_FROM_PEER, &message, why,
			       sizeof(why));

	if (r == 0)
		r = wire_in_request(w->hub, member, &message, &(struct wire_in_time){WORLD_NOW, WORLD_UNIX_MS});
	message_fini(&message);
	return r;
}

bool heard_positions;

static size_t put_line(char *out, size_t size, struct slice body)
{
	assert_true(body.n + 2 <= size);
	for (size_t i = 0; i < body.n; i++)
		out[i] = body.p[i] == '"' ? '\'' : body.p[i];
	out[body.n] = '\0';
	if (!heard_positions)
		leave_out_positions(out);
	strcat(out, "\n");
	return strlen(out);
}

const char *heard(struct world *w, unsigned m)
{
	static char text[1 << 16];
	struct outbox *o = &w->members[m].outbox;
	struct frame_reader in;
	struct slice body;
	struct iovec iov;
	size_t n, at = 0, room;
	char *to;

	text[0] = '\0';
	frame_reader_init(&in, PROTOCOL_FRAME_MAX);
	while (assert_int_equal(outbox_peek(o, &iov, 1, &n), 0), n > 0) {
		for (size_t took = 0; took < iov.iov_len; took += room) {
			assert_int_equal(frame_room(&in, iov.iov_len - took, &to, &room), 0);
			memcpy(to, (char *)iov.iov_base + took, room);
			frame_filled(&in, room);
			while (frame_next(&in, &body) == 0)
				at += put_line(text + at, sizeof(text) - at, body);
		}
		outbox_advance(o, iov.iov_len);
	}
	assert_int_equal(frame_pending(&in), 0);
	frame_reader_fini(&in);
	return text;
}

static void say(struct world *w, unsigned s, struct session_event *event, const char *json)
{
	char text[8192];
	struct envelope envelope = {.channel = event->channel};
	struct json_value data, ext;

	envelope.raw = envelope.pieces[0] = quoted(text, sizeof(text), json);
	envelope.n_pieces = 1;
	event->binary = w->sessions[s].binary;
	if (event->binary && json) {
		assert_int_equal(json_read_member(envelope.raw, "data", &data), 0);
		assert_int_equal(json_read_member(envelope.raw, "ext", &ext), 0);
		envelope.data = data.raw;
		envelope.ext = ext.raw;
	}
	event->envelope = json ? &envelope : NULL;
	hub_handle_event(w->hub, w->servers[s], event, WORLD_NOW - w->ago, WORLD_UNIX_MS - w->ago);
}

void say_message(struct world *w, unsigned s, const char *channel, const char *json)
{
	struct session_event event = {.kind = SESSION_EVENT_MESSAGE, .channel = slice_of(channel)};

	say(w, s, &event, json);
}

void say_channel(struct world *w, unsigned s, const char *channel,
		 enum session_channel_status status, const char *json, const char *text)
{
	struct session_event event = {
		.kind = SESSION_EVENT_CHANNEL, .channel = slice_of(channel), .status = status,
		.text = slice_of(text),
	};

	if (session_double_wants(&w->sessions[s], channel))
		session_double_set(&w->sessions[s], channel, status);
	say(w, s, &event, json);
}

void say_outcome(struct world *w, unsigned s, uint64_t cookie, enum session_outcome outcome,
		 const char *json, const char *text)
{
	struct session_event event = {
		.kind = SESSION_EVENT_OUTCOME, .cookie = cookie, .outcome = outcome,
		.text = slice_of(text),
	};

	say(w, s, &event, json);
}

void say_state(struct world *w, unsigned s, bool up)
{
	struct session_event event = {.kind = SESSION_EVENT_STATE};

	w->sessions[s].up = up;
	w->sessions[s].info.state = up ? SESSION_CONNECTED : SESSION_UNCONNECTED;
	say(w, s, &event, NULL);
}
