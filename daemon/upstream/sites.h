/*
 * The places where one server is reached, in the order of the configuration:
 * for each URL where its operations go, and a transport of either kind. The
 * session names one of them with each batch. Two URLs share only the client, so that
 * requests in flight at one can end there while the other is tried.
 */
#ifndef UPSTREAM_SITES_H
#define UPSTREAM_SITES_H

#include "upstream/endpoints.h"
#include "upstream/transport.h"

#include <stddef.h>

struct sites;

/* Takes the URLs apart; nothing is opened. 0, a url_fault, -ENOMEM. */
int sites_new(const char *const *urls, size_t n, const struct endpoint_options *o,
	      struct sites **ret);
/* Makes the transports, of these parts but for the endpoints; before any batch. 0 or -ENOMEM. */
int sites_open(struct sites *s, const struct transport_parts *parts,
	       const struct transport_events *events);
/* Ends all that is under way, without a callback. */
void sites_close(struct sites *s);
/* NULL is fine. */
void sites_free(struct sites *s);

size_t sites_count(const struct sites *s);
/* How people are shown the URLs: without query, in which there may be a secret. They live as long
   as `s`. */
const char *const *sites_shown(const struct sites *s);

/* Each URL of each operation there; what it returns for one ends it, and is returned. */
int sites_each_url(const struct sites *s, int (*each)(void *ctx, const struct url *url), void *ctx);

/* what this batch goes out through */
struct transport *sites_transport(struct sites *s, const struct session_batch *batch);
/* The next input from any of the transports, in turn; see transport_next(). 0 or TRANSPORT_E_NONE. */
int sites_next(struct sites *s, struct transport_input *ret);
/* Nothing is pulled at the moment; see transport_hold(). */
void sites_hold(struct sites *s);
/* Ends the exchange of `batch`, on a WebSocket that connection; 0: everything everywhere. */
void sites_abort(struct sites *s, uint64_t batch);
/* Closes the WebSocket, wherever there is one. */
void sites_abort_websocket(struct sites *s);

#endif
