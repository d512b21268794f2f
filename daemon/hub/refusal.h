/*
 * A request of a member that is not done: the reply says why. And the checks that all requests need.
 */
#ifndef HUB_REFUSAL_H
#define HUB_REFUSAL_H

#include "hub/hub.h"

/* The expected outcome of a request that cannot be done: struct refusal is filled in. */
enum { OPS_E_REFUSED = 1 };

/* Why a request is not done. */
struct refusal {
	enum protocol_error code;
	char text[512];
};

/* Returns OPS_E_REFUSED. */
__attribute__((format(printf, 3, 4)))
int refusal_set(struct refusal *no, enum protocol_error code, const char *format, ...);
/* The same for a wrong channel: names the limit that was exceeded, or the wrong character. `fault`: of channel_check_…(). */
int refusal_of_channel(struct refusal *no, struct slice channel, int fault);
/* The part of a name that a refusal shows. Cut between characters: half a character is not UTF-8, and the refusal
   could not be sent. */
struct slice refusal_name(struct slice name);

/* What every request needs: a tag that is free, a server that is there. `tag` NULL: it gets no answer. */
int refusal_check_request(struct hub *h, const struct member *member, const uint64_t *tag, struct slice name,
		  struct hub_server **ret, struct refusal *no);
/* Whether the member may have one more request without an answer. */
int refusal_check_room(const struct hub *h, const struct member *member, struct refusal *no);
/* Ends a request: replies with the error if `r` is one. 0, or the negative errno. */
int refusal_conclude(struct hub *h, struct member *member, const uint64_t *tag, int r, const struct refusal *no);

#endif
