/*
 * Routes: which path takes which messages, at a server or a proxy that looks at
 * the path. Without any, every path takes everything.
 */
#ifndef FAKE_ROUTE_H
#define FAKE_ROUTE_H

#include "tests/fake/server.h"

/* From now on this path takes `type` ("handshake" … "publish", "upgrade") and no other path does;
   and it takes nothing but what has a route to it. false when there is no such type. */
bool route_add(struct server *s, const char *type, const char *path);
void routes_fini(struct server *s);

/* whether an upgrade may be asked for at this path, query included */
bool route_allows_upgrade(const struct server *s, struct slice path);
/* Whether each message of this text may be sent there. Broken texts may: others refuse them. */
bool route_allows(const struct server *s, struct slice path, struct slice text);

#endif
