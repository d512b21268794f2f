/* Accepts requests and passes them to HTTP, WebSocket and the protocol. */
#ifndef FAKE_FRONT_H
#define FAKE_FRONT_H

#include "tests/fake/conn.h"

/* for server->on_accept */
void front_accept(struct conn *c);

#endif
