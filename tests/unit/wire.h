/*
 * The other end of a connection, for tests of drivers: a listening socket on the test's
 * own loop, and connections that send and read exactly the bytes the test wants. All in
 * one thread: waiting here runs the loop, so the driver under test continues meanwhile,
 * and nothing depends on time.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include "base/loop.h"
#include "protocol/buf.h"

#include <stdbool.h>

struct wire;
struct wire_conn;

/* Listens on a free port of 127.0.0.1. With `certificate` and `key` (PEM files) it uses TLS. */
struct wire *wire_new(struct loop *loop);
struct wire *wire_new_tls(struct loop *loop, const char *certificate, const char *key);
/* From now on a TLS client must show a certificate of this authority (PEM file). */
void wire_demand_certificate(struct wire *w, const char *authority);
/* From now on no newer TLS than 1.2 is used. */
void wire_be_old(struct wire *w);
/* Closes all its connections. */
void wire_free(struct wire *w);
/* A port that refuses connections until the caller closes *ret_fd. One that a server has left may be that of
   another test's server. */
unsigned wire_refusing_port(int *ret_fd);
unsigned wire_port(const struct wire *w);
/* "http://127.0.0.1:PORT/path"; valid until the next call */
const char *wire_url(const struct wire *w, const char *scheme, const char *path);
/* connections so far */
unsigned wire_count(const struct wire *w);

/* Does not accept new connections: they are open in the kernel, but nothing reads them. */
void wire_pause(struct wire *w, bool pause);

/* Turns the loop until `*flag`, but not for ever. */
void wire_until(struct loop *loop, const bool *flag);
/* Turns the loop until there is no more to do at once. */
void wire_settle(struct loop *loop);

/* Waits for the next connection. */
struct wire_conn *wire_accept(struct wire *w);
/* Waits until this many bytes, or `text`, are in the input. */
void wire_hear_bytes(struct wire_conn *c, size_t n);
void wire_hear(struct wire_conn *c, const char *text);
/* Waits for a complete HTTP request (header, and a body of Content-Length bytes), drops all input
   before it, and returns it, NUL-terminated, valid until the next call. */
const char *wire_request(struct wire_conn *c);
/* the input received and not dropped */
struct slice wire_heard(const struct wire_conn *c);
void wire_forget(struct wire_conn *c, size_t n);
/* Queues these bytes; they are sent while the loop runs. */
void wire_say(struct wire_conn *c, const char *text);
void wire_say_bytes(struct wire_conn *c, const void *p, size_t n);
/* Runs the loop until all queued bytes are sent. */
void wire_said(struct wire_conn *c);
/* whether it has, without a turn */
bool wire_has_said(const struct wire_conn *c);
/* Stops reading, as a peer that hangs; what comes stays in the kernel. */
void wire_deaf(struct wire_conn *c);
/* reads again */
void wire_listen(struct wire_conn *c);
/* Waits until the other end closed the connection. */
void wire_gone(struct wire_conn *c);
bool wire_is_gone(const struct wire_conn *c);
/* Ends the connection: in order, or by a reset. */
void wire_close(struct wire_conn *c);
void wire_reset(struct wire_conn *c);

#endif
