/*
 * The log lines about one server. Which of its losses, returns and reasons have a line is decided
 * in outage.c.
 */
#include "upstream/server_log.h"

#include "base/log.h"

#include <string.h>

void server_log_init(struct server_log *l, const char *name, struct mask *mask)
{
	*l = (struct server_log){.name = name, .mask = mask};
	outage_init(&l->outage);
}

void server_log_set_mask(struct server_log *l, struct mask *mask)
{
	l->mask = mask;
	l->masked_generation = 0;
}

/* Copies words of the server or of libcurl, cut to fit, with secrets masked. */
static struct slice masked(const struct server_log *l, struct slice words, char ret[SERVER_LOG_WORDS_MAX])
{
	words = slice_take(words, SERVER_LOG_WORDS_MAX);
	memcpy(ret, words.n ? words.p : "", words.n);
	mask_text(l->mask, ret, words.n);
	return slice_make(ret, words.n);
}

/* Who knows it can end the session, or read along; a server may repeat it in any error. */
static void mask_client_id(struct server_log *l, const struct session_info *info)
{
	if (info->generation != l->masked_generation &&
	    mask_set_client_id(l->mask, info->client_id) == 0)
		l->masked_generation = info->generation;
}

void server_log_tick(struct server_log *l, uint64_t now, const struct session_info *info)
{
	struct outage_line line;

	if (!outage_look(&l->outage, now, info, &line))
		return;
	log_msg_limited_by_caller(
		line.level,
		LOG_FIELDS({"server", slice_of(l->name)},
			   {"transport", slice_of(session_transport_name(info->transport))}),
		"%s", line.text);
}

uint64_t server_log_due(const struct server_log *l)
{
	return outage_due(&l->outage);
}

bool server_log_state(struct server_log *l, uint64_t now, const struct session_info *info)
{
	mask_client_id(l, info);
	server_log_tick(l, now, info);
	if (info->state == l->state)
		return false;
	l->state = info->state;
	log_msg(LOG_L_DEBUG, LOG_FIELDS({"server", slice_of(l->name)}), "%s",
		session_state_name(info->state));
	return true;
}

/* The names of channels in it are the server's words, which mask_messages() leaves. */
void server_log_note(struct server_log *l, uint64_t now, struct slice note)
{
	char text[SERVER_LOG_WORDS_MAX];
	bool may = l->state == SESSION_CONNECTED || outage_may_note(&l->outage, now);

	note = masked(l, note, text);
	log_msg(may ? LOG_L_WARNING : LOG_L_DEBUG, LOG_FIELDS({"server", slice_of(l->name)}), "%.*s", SLICE_ARG(note));
}

void server_log_lost(struct server_log *l, const struct session_event *event)
{
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(l->name)}, {"channel", event->channel}),
		"a message is left out: %.*s", SLICE_ARG(event->text));
}

static const char *refusal_text(bool final, bool kept)
{
	if (!final)
		return "the channel is not subscribed yet; trying again";
	if (kept)
		return "the server refuses the channel of the option subscribe; it is asked again in the next session. "
		       "Permit the channel at the server, or remove it from the configuration";
	return "the server refuses the channel; its subscriptions end";
}

void server_log_channel(struct server_log *l, const struct session_event *event, bool kept)
{
	char text[SERVER_LOG_WORDS_MAX];
	struct slice why = event->text;
	bool refused = event->status == SESSION_CHANNEL_REFUSED;

	if (event->status == SESSION_CHANNEL_ACTIVE || event->repeated)
		return;
	if (event->envelope && event->envelope->error.n)
		why = event->envelope->error;
	why = masked(l, why, text);
	log_msg(LOG_L_WARNING,
		LOG_FIELDS({"server", slice_of(l->name)}, {"channel", event->channel}),
		"%s: %.*s", refusal_text(refused, kept), SLICE_ARG(why));
}

const struct session_failure *server_log_mask(const struct server_log *l,
					      const struct session_failure *failure,
					      struct server_failure *ret)
{
	ret->failure = *failure;
	ret->failure.reason = masked(l, failure->reason, ret->reason);
	return &ret->failure;
}

void server_log_failure(struct server_log *l, const struct session_info *info,
			const struct server_failure *f)
{
	log_msg(info->state == SESSION_CONNECTED ? LOG_L_INFO : LOG_L_DEBUG,
		LOG_FIELDS({"server", slice_of(l->name)}, {"reason", f->failure.reason}),
		"an exchange failed");
}
