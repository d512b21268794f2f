/*
 * The loop, the server's end and the http_post of a test, and the directory of its
 * certificates. All are freed and removed after the test.
 */
#include "tests/unit/http_world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void on_done(void *ctx, const struct http_result *r)
{
	struct world *w = ctx;

	w->done = true;
	w->dones++;
	w->result = *r;
	snprintf(w->body, sizeof(w->body), "%.*s", SLICE_ARG(r->body));
	snprintf(w->reason, sizeof(w->reason), "%.*s", SLICE_ARG(r->reason));
	w->result.body.p = w->body;
	w->result.reason.p = w->reason;
}

int http_world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || loop_new(&w->loop) || curl_loop_new(w->loop, &w->curl))
		return -1;
	w->wire = wire_new(w->loop);
	http_options_default(&w->options);
	/* no slow machine ends it */
	w->options.connect_timeout = 3600000;
	*state = w;
	return 0;
}

void make(struct world *w)
{
	assert_int_equal(http_client_new(&w->options, &w->client), 0);
	assert_int_equal(http_post_new(w->curl, w->client, on_done, w, &w->post), 0);
}

void unmake(struct world *w)
{
	http_post_free(w->post);
	http_client_free(w->client);
	w->post = NULL;
	w->client = NULL;
}

int http_world_teardown(void **state)
{
	struct world *w = *state;

	unmake(w);
	curl_loop_free(w->curl);
	wire_free(w->wire);
	loop_free(w->loop);
	free(w);
	return 0;
}

void start(struct world *w)
{
	w->done = false;
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "http", "/cometd"),
					 SLICE("[{\"id\":\"1\"}]")), 0);
}

/* a new world of one connection, with the request on it */
struct wire_conn *begin(struct world *w)
{
	struct wire_conn *c;

	make(w);
	start(w);
	c = wire_accept(w->wire);
	wire_request(c);
	return c;
}

void until_done(struct world *w)
{
	wire_until(w->loop, &w->done);
}

void assert_answered(struct world *w, unsigned status, const char *body)
{
	until_done(w);
	assert_string_equal(w->reason, "");
	assert_int_equal(w->result.outcome, HTTP_ANSWERED);
	assert_int_equal(w->result.status, status);
	assert_string_equal(w->body, body);
}

void assert_failed(struct world *w, enum http_outcome outcome, const char *reason)
{
	until_done(w);
	assert_int_equal(w->result.outcome, outcome);
	if (!strstr(w->reason, reason))
		fail_msg("\"%s\" does not contain \"%s\"", w->reason, reason);
}

/* --- files --- */

void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

#define PKI_TEMPLATE "/tmp/test-http-pki-XXXXXX"
char pki[sizeof(PKI_TEMPLATE)];

void shell(const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

const char *pem(const char *name)
{
	static char paths[4][256];
	static unsigned at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s.pem", pki, name);
	return path;
}

/* self-signed certificates, one for us and one for another party */
void make_certificates(void)
{
	static const char *const rows[][2] = {{"good", "IP:127.0.0.1"}, {"other", "DNS:example.com"}};

	strcpy(pki, PKI_TEMPLATE);
	assert_non_null(mkdtemp(pki));
	for (int i = 0; i < 2; i++)
		shell("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		      "-subj /CN=test -addext subjectAltName=%s -keyout %s/%s-key.pem "
		      "-out %s/%s.pem 2>/dev/null", rows[i][1], pki, rows[i][0], pki, rows[i][0]);
}

void use_tls(struct world *w, const char *name)
{
	char key[32];

	snprintf(key, sizeof(key), "%s-key", name);
	wire_free(w->wire);
	w->wire = wire_new_tls(w->loop, pem(name), pem(key));
}
