/*
 * Log lines about one server: its state, failed exchanges, refused channels, messages left
 * out. Secrets are masked in every word that the server may have chosen.
 */
#ifndef UPSTREAM_SERVER_LOG_H
#define UPSTREAM_SERVER_LOG_H

#include "bayeux/session.h"
#include "net/mask.h"
#include "upstream/outage.h"

#include <stdbool.h>
#include <stdint.h>

/* of words of the server or of libcurl, with the final NUL */
#define SERVER_LOG_WORDS_MAX 256

struct server_log {
	const char *name;
	struct mask *mask;
	enum session_state state;       /* as seen last */
	uint64_t masked_generation;     /* of the session whose client id is masked */
	struct outage outage;           /* decides on the lines about losses and returns */
};

/* `name` and `mask` are the caller's and must outlive it. */
void server_log_init(struct server_log *l, const char *name, struct mask *mask);
/* Other options bring another mask. */
void server_log_set_mask(struct server_log *l, struct mask *mask);

/* The state may have changed: logs a loss or return, and masks the client id from now on. Returns
   whether it changed. */
bool server_log_state(struct server_log *l, uint64_t now, const struct session_info *info);

/* When to call server_log_tick(), for losses and returns that had no line of their own; UINT64_MAX
   for never. */
uint64_t server_log_due(const struct server_log *l);
void server_log_tick(struct server_log *l, uint64_t now, const struct session_info *info);

/* A note of the session: one line. While the server is away, each try may lead to the same note:
   only a few of these are logged. */
void server_log_note(struct server_log *l, uint64_t now, struct slice note);

/* A message that is left out, SESSION_EVENT_LOST. */
void server_log_lost(struct server_log *l, const struct session_event *event);

/* A channel that the server refuses, once for all its subscribers, and once for a refusal that
   lasts: SESSION_EVENT_CHANNEL. `kept`: by the option subscribe. */
void server_log_channel(struct server_log *l, const struct session_event *event, bool kept);

/* a failure whose reason shows no secret */
struct server_failure {
	struct session_failure failure;
	char reason[SERVER_LOG_WORDS_MAX];
};

/* Returns the failure with its reason masked, which is kept in `ret`. */
const struct session_failure *server_log_mask(const struct server_log *l,
					      const struct session_failure *failure,
					      struct server_failure *ret);

/* An exchange failed, and the session with `info` knows it. One that ended the connection, or a try
   to connect, is logged as the reason of that; others have a line here. */
void server_log_failure(struct server_log *l, const struct session_info *info,
			const struct server_failure *f);

#endif
