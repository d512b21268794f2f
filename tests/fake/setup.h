/*
 * Setup of most tests of the fake server: a server, and a client that is connected
 * to it.
 */
#ifndef TESTS_FAKE_SETUP_H
#define TESTS_FAKE_SETUP_H

#include "tests/fake/fake.h"
#include "tests/fake/raw_client.h"

/* of the test that runs, from setup_client() to teardown_client() */
extern struct fake *fake;
extern struct client client;

/* Setup: a server, and a client past its first connect, on long-polling or on a WebSocket. */
int setup_client(void **state);
int setup_ws_client(void **state);
/* Teardown. */
int teardown_client(void **state);

/* A server of this dialect, which holds connects for `timeout` ms. */
struct fake *fake_of(const char *dialect, const char *timeout);
/* A client of it past its first connect, with `fields` in its handshake (NULL: none). */
void connect_client(struct client *c, struct fake *f, bool ws, const char *fields);

/* No byte is waiting to be read; call it after a barrier. */
bool has_no_input(const struct raw *r);

#endif
