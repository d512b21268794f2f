/*
 * Durable consumers. After a lost connection the daemon sends again what was not
 * acknowledged. What this process has given to the application already is not given
 * twice; the rest is marked as redelivered if another process may have received it.
 */
#ifndef LIBCLIENT_DURABLE_H
#define LIBCLIENT_DURABLE_H

#include "libclient/servers.h"
#include "libclient/wanted.h"

#include <stdbool.h>

/* The name of the consumer that receives the messages of this server; SLICE_NULL: none. */
struct slice durable_name(const struct wanted_set *w, const struct servers *s, const struct server *server);
/*
 * The daemon accepted a subscribe of the consumer `name`; `result`: that of the reply. 0 or -ENOMEM.
 * `server` may be NULL.
 */
int durable_attached(struct server *server, struct slice name, struct slice result);
/* A message for the consumer. False: this process gave it to the application already. */
bool durable_message(struct server *server, uint64_t seq, bool *ret_redelivered);
/* Messages up to `last` were lost. False: that was reported already. */
bool durable_loss(struct server *server, uint64_t last);

#endif
