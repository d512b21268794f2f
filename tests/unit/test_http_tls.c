/*
 * TLS of a request: trusted certificates, client certificates, pins, and the oldest version.
 */
#include "net/http_post.h"
#include "tests/unit/http_world.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start_tls(struct world *w)
{
	make(w);
	w->done = false;
	assert_int_equal(http_post_start(w->post, wire_url(w->wire, "https", "/"), SLICE("[]")), 0);
}

static void test_tls(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	make_certificates();
	use_tls(w, "good");
	/* no trusted authority signed it */
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "certificate");
	unmake(w);
	/* its authority is named */
	w->options.ca_file = pem("good");
	start_tls(w);
	wire_accept(w->wire);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	unmake(w);
	/* the right authority, the wrong host */
	use_tls(w, "other");
	w->options.ca_file = pem("other");
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "");
	unmake(w);
	/* insecure, as configured */
	w->options.insecure = true;
	start_tls(w);
	wire_accept(w->wire);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	unmake(w);
	/* a file of authorities that is not there */
	w->options.insecure = false;
	w->options.ca_file = pem("missing");
	start_tls(w);
	assert_failed(w, HTTP_NOT_SENT, "");
	/* a plain server where TLS is expected */
	unmake(w);
	w->options.ca_file = pem("good");
	wire_free(w->wire);
	w->wire = wire_new(w->loop);
	start_tls(w);
	c = wire_accept(w->wire);
	wire_hear_bytes(c, 1);
	wire_say(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_failed(w, HTTP_NOT_SENT, "");
	shell("rm -r %s", pki);
}

/* starts a request that must get through */
static void assert_served(struct world *w)
{
	unsigned before = wire_count(w->wire);
	struct wire_conn *c;

	start_tls(w);
	c = wire_accept(w->wire);
	wire_request(c);
	wire_say(c, OK_HEAD "Content-Length: 2\r\n\r\n[]");
	assert_answered(w, 200, "[]");
	assert_int_equal(wire_count(w->wire), before + 1);
	unmake(w);
	wire_close(c);
}

static void assert_not_served(struct world *w, const char *reason)
{
	struct wire_conn *c;

	start_tls(w);
	until_done(w);
	assert_int_not_equal(w->result.outcome, HTTP_ANSWERED);
	if (!strstr(w->reason, reason))
		fail_msg("\"%s\" does not contain \"%s\"", w->reason, reason);
	unmake(w);
	c = wire_accept(w->wire);
	wire_gone(c);
	assert_int_equal(wire_heard(c).n, 0);
	wire_close(c);
}

static void test_client_certificate(void **state)
{
	struct world *w = *state;
	char both[256];

	make_certificates();
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	wire_demand_certificate(w->wire, pem("other"));
	assert_not_served(w, "certificate");
	/* one the server does not know */
	w->options.cert_file = pem("good");
	w->options.key_file = pem("good-key");
	assert_not_served(w, "");
	w->options.cert_file = pem("other");
	w->options.key_file = pem("other-key");
	w->options.ca_file = pem("good");
	assert_served(w);
	/* certificate and key in one file */
	shell("cat %s/other.pem %s/other-key.pem > %s/both.pem", pki, pki, pki);
	snprintf(both, sizeof(both), "%s", pem("both"));
	w->options.cert_file = both;
	w->options.key_file = NULL;
	assert_served(w);
	/* a key with a password is an error; there is no prompt */
	shell("openssl ec -in %s/other-key.pem -aes256 -passout pass:hunter2 -out %s/locked.pem "
	      "2>/dev/null", pki, pki);
	w->options.key_file = pem("locked");
	assert_not_served(w, "");
	w->options.key_file = pem("missing");
	assert_not_served(w, "");
	shell("rm -r %s", pki);
}

/* the pin of a certificate's key, as the manual of curl makes it */
static void pin_of(const char *name, char to[64])
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof(command), "openssl x509 -in %s -pubkey -noout | openssl pkey -pubin "
		 "-outform der | openssl dgst -sha256 -binary | openssl enc -base64", pem(name));
	f = popen(command, "r");
	assert_non_null(f);
	strcpy(to, "sha256//");
	assert_non_null(fgets(to + 8, 50, f));
	assert_int_equal(pclose(f), 0);
	to[strcspn(to, "\n")] = 0;
}

static void test_pin(void **state)
{
	struct world *w = *state;
	char good[64], other[64], two[160];

	make_certificates();
	pin_of("good", good);
	pin_of("other", other);
	assert_true(http_pin_valid(good));
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	w->options.pin = good;
	assert_served(w);
	w->options.pin = other;
	assert_not_served(w, "public key");
	/* not even where any certificate will do: the pin is what is left */
	w->options.insecure = true;
	assert_not_served(w, "public key");
	snprintf(two, sizeof(two), "%s;%s", other, good);
	assert_true(http_pin_valid(two));
	w->options.pin = two;
	assert_served(w);
	shell("rm -r %s", pki);
}

static void test_pin_valid(void **state)
{
#define PIN "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="
	static const char *const bad[] = {
		"", ";", "sha256//", "/etc/key.pem", PIN ";", ";" PIN, PIN ";;" PIN, PIN "=", PIN " ",
		"sha1//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=",
		"sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMw==",
		"sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvR wE=",
	};

	(void)state;
	assert_true(http_pin_valid(PIN));
	assert_true(http_pin_valid(PIN ";" PIN ";" PIN));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_pin_valid(bad[i]))
			fail_msg("\"%s\" is taken for a pin", bad[i]);
}

static void test_tls_min(void **state)
{
	struct world *w = *state;

	make_certificates();
	use_tls(w, "good");
	w->options.ca_file = pem("good");
	w->options.tls_min = HTTP_TLS_1_3;
	assert_served(w);
	wire_be_old(w->wire);
	assert_not_served(w, "");
	w->options.tls_min = HTTP_TLS_1_2;
	assert_served(w);
	shell("rm -r %s", pki);
}

/* https:// at a port of plain HTTP */
static void test_server_without_tls(void **state)
{
	struct world *w = *state;
	struct wire_conn *c;

	start_tls(w);
	c = wire_accept(w->wire);
	wire_say(c, "HTTP/1.1 400 Bad Request\r\n\r\n");
	assert_failed(w, HTTP_NOT_SENT, "does not use TLS at this port");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, http_world_setup, http_world_teardown)
		T(tls), T(server_without_tls), T(client_certificate), T(pin), T(pin_valid), T(tls_min),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
