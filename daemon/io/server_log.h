/*
 * What the log says about one server: its state, failed exchanges, refused channels, messages left
 * out. Secrets are masked in every word that the server may have chosen.
 */
#ifndef IO_SERVER_LOG_H
#define IO_SERVER_LOG_H

#include "bayeux/session.h"
#include "io/mask.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct server_log {
	const char *name;
	struct mask *mask;
	enum session_state state;       /* as logged last */
	uint64_t masked_generation;     /* of the session whose client id is masked */
	char trouble[128];              /* the reason logged since it was connected last */
};

/* `name` and `mask` are the caller's and must outlive it. */
void server_log_init(struct server_log *l, const char *name, struct mask *mask);

/* Logs the state if it changed, and masks the client id from now on. Returns whether it changed. */
bool server_log_state(struct server_log *l, const struct session_info *info);

/* A note of the session: one line. */
void server_log_note(struct server_log *l, struct slice note);

/* A message that is left out, SESSION_EVENT_LOST. */
void server_log_lost(struct server_log *l, const struct session_event *event);

/* A channel that the server refuses, once for all its subscribers, and once for a refusal that
   lasts: SESSION_EVENT_CHANNEL. */
void server_log_channel(struct server_log *l, const struct session_event *event);

/* a failure whose reason shows no secret */
struct server_failure {
	struct session_failure failure;
	char reason[CURL_ERROR_SIZE];
};

/* Logs a failed exchange. Returns the failure with its reason masked, which is kept in `ret`. */
const struct session_failure *server_log_failure(struct server_log *l,
						 const struct session_failure *failure,
						 struct server_failure *ret);

#endif
