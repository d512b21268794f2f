/*
 * Requests of members that name a consumer: checks, and what they do. hub_ack() and hub_forget() are in hub.h.
 */
#ifndef HUB_CONSUMER_OPS_H
#define HUB_CONSUMER_OPS_H

#include "hub/consumer.h"
#include "hub/refusal.h"

/*
 * The consumer for a subscribe of this member, which it does not hold yet. `durable` SLICE_NULL: none, and the member
 * must hold none of this server. `ret_new`: it was made now; free it if the subscribe fails. 0, OPS_E_REFUSED, -ENOMEM.
 */
int consumer_open(struct hub *h, const struct member *member, struct hub_server *server, struct slice durable,
		  struct consumer **ret, bool *ret_new, struct refusal *no);

#endif
