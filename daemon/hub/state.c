/*
 * Turns the state of a session into the fields of the event `state`, and the
 * subscriptions of a member into objects for status. Times leave as the protocol
 * needs them: since 1970, or from now.
 */
#include "hub/state.h"

#include "base/clock.h"
#include "hub/internal.h"
#include "hub/subscription.h"

static void put_optional(const struct session_info *info, uint64_t now, struct message *m)
{
	if (info->reason.n > 0) {
		m->reason = info->reason;
		m->has |= PROTOCOL_F(REASON);
	}
	if (info->retry_at != UINT64_MAX) {
		m->retry_in = info->retry_at > now ? info->retry_at - now : 0;
		m->has |= PROTOCOL_F(RETRY_IN);
	}
	if (info->url.n > 0) {
		m->url = info->url;
		m->has |= PROTOCOL_F(URL);
	}
	if (info->state != SESSION_OFF) {
		m->transport = slice_of(session_transport_name(info->transport));
		m->has |= PROTOCOL_F(TRANSPORT);
	}
}

void state_message(const struct hub_server *server, uint64_t now, uint64_t unix_ms,
		   struct message *ret)
{
	struct session_info info;

	session_info(server->session, &info);
	message_init(ret, PROTOCOL_OP_STATE);
	ret->server = server->by_name.key;
	ret->state = slice_of(session_state_name(info.state));
	ret->since = clock_before(unix_ms, now - info.since);
	ret->gap = info.gap;
	ret->generation = info.generation;
	ret->has = PROTOCOL_F(SERVER) | PROTOCOL_F(STATE) | PROTOCOL_F(SINCE) | PROTOCOL_F(GAP) |
		PROTOCOL_F(GENERATION);
	put_optional(&info, now, ret);
}

static void put_text(struct json_write *w, enum protocol_field f, struct slice text)
{
	json_key(w, protocol_field_name(f));
	json_put_text(w, text);
}

static void put_u64(struct json_write *w, enum protocol_field f, uint64_t n)
{
	json_key(w, protocol_field_name(f));
	json_put_u64(w, n);
}

void hub_put_server_fields(const struct hub_server *server, bool greeting, uint64_t now,
			   uint64_t unix_ms, struct json_write *w)
{
	struct message m;

	state_message(server, now, unix_ms, &m);
	put_text(w, PROTOCOL_FIELD_SERVER, m.server);
	json_key(w, "default");
	json_put_bool(w, server->is_default);
	put_text(w, PROTOCOL_FIELD_STATE, m.state);
	put_u64(w, PROTOCOL_FIELD_SINCE, m.since);
	json_key(w, protocol_field_name(PROTOCOL_FIELD_GAP));
	json_put_bool(w, m.gap && !greeting);
	put_u64(w, PROTOCOL_FIELD_GENERATION, m.generation);
	if (message_has(&m, PROTOCOL_FIELD_REASON))
		put_text(w, PROTOCOL_FIELD_REASON, m.reason);
	if (message_has(&m, PROTOCOL_FIELD_RETRY_IN))
		put_u64(w, PROTOCOL_FIELD_RETRY_IN, m.retry_in);
	if (message_has(&m, PROTOCOL_FIELD_TRANSPORT))
		put_text(w, PROTOCOL_FIELD_TRANSPORT, m.transport);
	if (message_has(&m, PROTOCOL_FIELD_URL))
		put_text(w, PROTOCOL_FIELD_URL, m.url);
	message_fini(&m);
}

bool hub_put_subscriptions(const struct member *m, size_t max, struct json_write *w)
{
	LIST_EACH(s, &m->subscriptions, struct subscription, of_member) {
		if (buf_len(w->out) > max)
			return false;
		json_object_begin(w);
		put_text(w, PROTOCOL_FIELD_SERVER, s->server->by_name.key);
		put_text(w, PROTOCOL_FIELD_CHANNEL, s->pattern);
		if (s->pending) {
			json_key(w, protocol_field_name(PROTOCOL_FIELD_PENDING));
			json_put_bool(w, true);
		}
		json_object_end(w);
	}
	return true;
}
