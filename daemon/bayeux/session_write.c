/*
 * Writes one message of ours: its fields, what the extensions and hooks add, and the clientId, which a
 * message gets when it is sent and never earlier. Invariant: a message that could not be written leaves
 * no trace in the text.
 */
#include "bayeux/session_core.h"

#include "base/date.h"
#include "base/errors.h"
#include "protocol/json_write.h"

#include <inttypes.h>
#include <stdio.h>

static struct slice channel_of(const struct outgoing *m)
{
	static const struct slice names[] = {
		[REQUEST_HANDSHAKE] = SLICE("/meta/handshake"),
		[REQUEST_CONNECT] = SLICE("/meta/connect"),
		[REQUEST_DISCONNECT] = SLICE("/meta/disconnect"),
		[REQUEST_SUBSCRIBE] = SLICE("/meta/subscribe"),
		[REQUEST_UNSUBSCRIBE] = SLICE("/meta/unsubscribe"),
	};
	return m->kind == REQUEST_PUBLISH ? m->channel : names[m->kind];
}

static bool requests_advice(const struct session *s)
{
	return s->o.wanted_timeout || s->o.wanted_interval;
}

/* How long the server is to hold, and what pause it is to allow; when empty, it asks the server to send its
   own advice again. */
static void write_advice(const struct session *s, bool probe, struct json_write *w)
{
	json_key(w, "advice");
	json_object_begin(w);
	if (probe || s->o.wanted_timeout)
		json_key(w, "timeout"), json_put_u64(w, probe ? 0 : s->o.wanted_timeout);
	if (s->o.wanted_interval)
		json_key(w, "interval"), json_put_u64(w, s->o.wanted_interval);
	json_object_end(w);
}

static void write_handshake(struct session *s, uint64_t now, struct json_write *w)
{
	enum session_transport list[SESSION_TRANSPORTS];
	size_t n = course_transports(s, now, list);
	json_key(w, "version"), json_put_str(w, "1.0");
	json_key(w, "minimumVersion"), json_put_str(w, "1.0");
	json_key(w, "supportedConnectionTypes");
	json_array_begin(w);
	for (size_t i = 0; i < n; i++)
		json_put_str(w, session_transport_name(list[i]));
	json_array_end(w);
	if (requests_advice(s))
		write_advice(s, false, w);
}

static void write_connect(const struct session *s, struct json_write *w)
{
	json_key(w, "connectionType");
	json_put_str(w, session_transport_name(link_next_transport(&s->link)));
	if (course_probes(s) || requests_advice(s) || course_refreshes_advice(s))
		write_advice(s, course_probes(s), w);
}

static void write_timestamp(uint64_t unix_ms, struct json_write *w)
{
	char date[DATE_HTTP_SIZE];
	date_http(unix_ms, date);
	json_key(w, "timestamp"), json_put_str(w, date);
}

/* The fields are in `out` from `start` on. What a peer puts into `ext` is not among them. */
static int expand_client_id(const struct session *s, const struct outgoing *m, size_t start,
			    struct buf *out)
{
	struct slice id = buf_slice(&s->client_id), fields = slice_drop(buf_slice(out), start);
	if (!s->o.expand_client_id || m->kind < REQUEST_SUBSCRIBE || !own_segment_possible(id) ||
	    !own_segment_found(fields, OWN_SEGMENT))
		return 0;
	CLEANUP(buf_fini) struct buf expanded;
	buf_init(&expanded, out->max);
	int r = own_segment_replace(fields, OWN_SEGMENT, id, &expanded);
	if (r)
		return r;
	buf_truncate(out, start);
	return buf_put(out, buf_slice(&expanded));
}

/* The object without its last brace, which follows after the extensions. */
static int write_fields(struct session *s, uint64_t now, struct outgoing *m, struct buf *out)
{
	struct json_write w;
	size_t start = buf_len(out);
	json_write_init(&w, out);
	json_object_begin(&w);
	json_key(&w, "channel"), json_put_text(&w, channel_of(m));
	/* a string: some servers refuse numbers (bayeux.md 0, 20) */
	snprintf(m->digits, sizeof(m->digits), "%" PRIu64, m->id);
	json_key(&w, "id"), json_put_str(&w, m->digits);
	if (m->kind == REQUEST_HANDSHAKE)
		write_handshake(s, now, &w);
	else
		json_key(&w, "clientId"), json_put_text(&w, buf_slice(&s->client_id));
	if (m->kind == REQUEST_CONNECT)
		write_connect(s, &w);
	if (m->subscription.p)
		json_key(&w, "subscription"), json_put_text(&w, m->subscription);
	if (m->data.p)
		json_key(&w, "data"), json_put_raw(&w, m->data);
	if (s->o.timestamp)
		write_timestamp(session_time(s, now).unix_ms, &w);
	json_object_end(&w);
	int r = json_write_done(&w);
	if (r)
		return r;
	buf_truncate(out, buf_len(out) - 1);
	r = expand_client_id(s, m, start, out);
	return r ? r : exts_write_fields(s, m->kind, out);
}

/* The first six kinds of hooks are those of requests. */
_Static_assert((int)HOOK_HANDSHAKE == (int)REQUEST_HANDSHAKE &&
	       (int)HOOK_SUBSCRIBE == (int)REQUEST_SUBSCRIBE &&
	       (int)HOOK_PUBLISH == (int)REQUEST_PUBLISH, "enum hook_kind");

/* Shows the fields, which are in `out` from `start` on, to the hooks; what they change is in *m
   afterwards, and the fields are written again. HOOK_CHANGED: m->ext is all the ext there is. */
static int show_message(struct session *s, uint64_t now, struct outgoing *m, size_t start,
			struct buf *out)
{
	struct slice id = slice_make(m->digits, strlen(m->digits));
	struct hook_change change = {SLICE_NULL, SLICE_NULL};
	int r = buf_putc(out, '}');
	if (r)
		return r;
	struct hook_message shown = {
		.kind = (enum hook_kind)m->kind, .channel = channel_of(m),
		.subscription = m->subscription, .id = id, .data = m->data, .ext = m->ext,
		.text = slice_drop(buf_slice(out), start)};
	r = hooks_outgoing(s, &shown, exts_fixed(s, m->kind), &change);
	buf_truncate(out, buf_len(out) - 1);
	if (r != HOOK_CHANGED)
		return r;
	m->ext = change.ext.p ? change.ext : shown.ext;
	if (!change.data.p)
		return HOOK_CHANGED;
	m->data = change.data;
	buf_truncate(out, start);
	r = write_fields(s, now, m, out);
	return r ? r : HOOK_CHANGED;
}

int write_message(struct session *s, uint64_t now, struct outgoing *m, char sign, struct buf *out)
{
	const struct ext_request request = {
		m->kind, m->kind == REQUEST_PUBLISH ? m->channel : m->subscription,
		session_time(s, now)};
	const struct ext_fixed *fixed = exts_fixed(s, m->kind);
	size_t start = buf_len(out);
	int r = buf_putc(out, sign);
	if (r == 0)
		r = write_fields(s, now, m, out);
	if (r == 0 && s->o.hooks.see)
		r = show_message(s, now, m, start + 1, out);
	if (r == HOOK_CHANGED)
		fixed = NULL, r = 0;
	if (r == 0)
		r = ext_write(&s->exts.chain, fixed, &request, m->ext, out);
	if (r == 0)
		r = buf_putc(out, '}');
	if (r)
		buf_truncate(out, start);
	return r;
}
