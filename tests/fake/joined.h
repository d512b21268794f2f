/*
 * A fake server and a client that has joined it: how most conversations with it
 * begin.
 */
#ifndef TESTS_FAKE_JOINED_H
#define TESTS_FAKE_JOINED_H

#include "tests/fake/fake.h"
#include "tests/fake/raw_client.h"

/* of the test that runs, from join() to leave() */
extern struct fake *fake;
extern struct client client;

/* Setup: a server, and a client past its first connect, on long-polling or on a WebSocket. */
int join(void **state);
int join_ws(void **state);
/* Teardown. */
int leave(void **state);

/* A server of this dialect, which holds connects for `timeout` ms. */
struct fake *fake_of(const char *dialect, const char *timeout);
/* A client of it past its first connect, with `fields` in its handshake (NULL: none). */
void join_as(struct client *c, struct fake *f, bool ws, const char *fields);

/* Nothing is there to be read; to be called behind a barrier. */
bool quiet(const struct raw *r);

#endif
