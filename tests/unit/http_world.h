/*
 * An http_post and a server controlled by the test, for tests of HTTP: set the options,
 * call make() or begin(), then let the server answer. Certificates are made where a
 * test needs them.
 */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "net/http_post.h"
#include "tests/unit/wire.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

struct world {
	struct loop *loop;
	struct curl_loop *curl;
	struct wire *wire;
	struct http_options options;
	struct http_client *client;
	struct http_post *post;
	/* the arguments of done() */
	bool done;
	unsigned dones;
	struct http_result result;
	char body[1 << 16], reason[512];
};

/* for cmocka; *state is a struct world */
int http_world_setup(void **state);
int http_world_teardown(void **state);
/* the callback of w->post */
void on_done(void *w, const struct http_result *r);

/* Makes client and post of w->options; unmake() ends them, so that others may be made. */
void make(struct world *w);
void unmake(struct world *w);
/* Starts a request to /cometd. */
void start(struct world *w);
/* a new world of one connection, with the request on it */
struct wire_conn *begin(struct world *w);
/* How it ended; `reason` is part of the reported text. */
void until_done(struct world *w);
void assert_answered(struct world *w, unsigned status, const char *body);
void assert_failed(struct world *w, enum http_outcome outcome, const char *reason);

/* --- files --- */

void write_file(const char *path, const char *text);
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* the directory of the certificates */
extern char pki[];
/* Makes self-signed ones: "good" and "good-key" for 127.0.0.1, "other" and "other-key" for
   example.com. The test removes the directory. */
void make_certificates(void);
/* "DIR/NAME.pem", good for the next three calls */
const char *pem(const char *name);
/* From now on the server uses TLS with this certificate. */
void use_tls(struct world *w, const char *name);

#endif
