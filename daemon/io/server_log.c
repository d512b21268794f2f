/*
 * The log lines about one server. The reason of an outage is logged once until the server is
 * connected again: one that is down for a week is tried ten thousand times, and is one line.
 */
#include "io/server_log.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

void server_log_init(struct server_log *l, const char *name, struct mask *mask)
{
	*l = (struct server_log){.name = name, .mask = mask};
}

/* Copies words of the server or of libcurl, cut to fit, with secrets masked. */
static struct slice masked(const struct server_log *l, struct slice words, char ret[CURL_ERROR_SIZE])
{
	words = slice_take(words, CURL_ERROR_SIZE);
	memcpy(ret, words.n ? words.p : "", words.n);
	mask_text(l->mask, ret, words.n);
	return slice_make(ret, words.n);
}

static bool is_known_reason(struct server_log *l, struct slice reason)
{
	struct slice known = slice_of(l->trouble);

	reason = slice_take(reason, sizeof(l->trouble) - 1);
	if (known.n && slice_eq(known, reason))
		return true;
	snprintf(l->trouble, sizeof(l->trouble), "%.*s", SLICE_ARG(reason));
	return false;
}

static enum log_level level_of(struct server_log *l, const struct session_info *info)
{
	switch (info->state) {
	case SESSION_UNCONNECTED:
	case SESSION_HALTED:
		/* no failure yet; one of the credential's source is logged there, with its reason */
		if (slice_eq(info->reason, SLICE("waiting for credentials")))
			return LOG_L_DEBUG;
		return is_known_reason(l, info->reason) ? LOG_L_DEBUG : LOG_L_WARNING;
	case SESSION_CONNECTED:
		l->trouble[0] = 0;
		return LOG_L_NOTICE;
	case SESSION_OFF:
		return LOG_L_NOTICE;
	default:
		return LOG_L_DEBUG;
	}
}

/* Who knows it can end the session, or read along; a server may repeat it in any error. */
static void mask_client_id(struct server_log *l, const struct session_info *info)
{
	if (info->generation != l->masked_generation &&
	    mask_set_client_id(l->mask, info->client_id) == 0)
		l->masked_generation = info->generation;
}

bool server_log_state(struct server_log *l, const struct session_info *info)
{
	mask_client_id(l, info);
	if (info->state == l->state)
		return false;
	l->state = info->state;
	enum log_level level = level_of(l, info);
	log_msg(level,
		LOG_FIELDS({"server", slice_of(l->name)},
			   {"transport", slice_of(session_transport_name(info->transport))},
			   {info->reason.n ? "reason" : NULL, info->reason}),
		"%s", session_state_name(info->state));
	return true;
}

/* The names of channels in it are the server's words, which mask_messages() leaves. */
void server_log_note(struct server_log *l, struct slice note)
{
	char text[CURL_ERROR_SIZE];

	note = masked(l, note, text);
	log_msg(LOG_L_WARNING, LOG_FIELDS({"server", slice_of(l->name)}), "%.*s", SLICE_ARG(note));
}

void server_log_lost(struct server_log *l, const struct session_event *event)
{
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(l->name)}, {"channel", event->channel}),
		"a message is left out: %.*s", SLICE_ARG(event->text));
}

void server_log_channel(struct server_log *l, const struct session_event *event)
{
	char text[CURL_ERROR_SIZE];
	struct slice why = event->text;
	bool refused = event->status == SESSION_CHANNEL_REFUSED;

	if (event->status == SESSION_CHANNEL_ACTIVE || event->repeated)
		return;
	if (event->envelope && event->envelope->error.n)
		why = event->envelope->error;
	why = masked(l, why, text);
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(l->name)}, {"channel", event->channel}),
		"%s: %.*s", refused ? "the server refuses the channel, which its subscribers lose"
				    : "the channel is not subscribed yet, and asked for again",
		SLICE_ARG(why));
}

const struct session_failure *server_log_failure(struct server_log *l,
						 const struct session_failure *failure,
						 struct server_failure *ret)
{
	ret->failure = *failure;
	ret->failure.reason = masked(l, failure->reason, ret->reason);
	log_msg(LOG_L_INFO,
		LOG_FIELDS({"server", slice_of(l->name)}, {"reason", ret->failure.reason}),
		"an exchange failed");
	return &ret->failure;
}
