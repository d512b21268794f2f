/*
 * auth/oauth: how the token server is reached. The options for TLS and proxy apply to it,
 * too, but exceptions configured for the Bayeux server do not. The test wraps the
 * creation of the client.
 */
#include "auth/oauth.h"
#include "net/http_client.h"
#include "tests/unit/testing.h"

#include <string.h>

static struct http_options given;

int __real_http_client_new(const struct http_options *o, struct http_client **ret);
int __wrap_http_client_new(const struct http_options *o, struct http_client **ret);

/* the texts of ours, so that they outlive the call */
static const char *ours(const char *text)
{
	static const char *const texts[] = {
		"/ca.pem", "/cert.pem", "/key.pem", "http://proxy:1", "/proxy-ca.pem", "/login",
		"127.0.0.2", "sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE=",
	};

	for (size_t i = 0; text && i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i], text) == 0)
			return texts[i];
	return text;
}

int __wrap_http_client_new(const struct http_options *o, struct http_client **ret)
{
	given = *o;
	given.ca_file = ours(o->ca_file);
	given.cert_file = ours(o->cert_file);
	given.key_file = ours(o->key_file);
	given.pin = ours(o->pin);
	given.proxy = ours(o->proxy);
	given.proxy_ca_file = ours(o->proxy_ca_file);
	given.proxy_login_file = ours(o->proxy_login_file);
	given.no_proxy = ours(o->no_proxy);
	return __real_http_client_new(o, ret);
}

static void make(const char *url)
{
	static const char *const headers[] = {"Authorization: Bearer of-the-bayeux-server"};
	const struct http_options http = {
		.headers = {headers, 1}, .header_file = headers[0],
		.ca_file = ours("/ca.pem"), .insecure = true, .tls_min = HTTP_TLS_1_3,
		.cert_file = ours("/cert.pem"), .key_file = ours("/key.pem"),
		.pin = ours("sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="),
		.proxy = ours("http://proxy:1"), .proxy_ca_file = ours("/proxy-ca.pem"),
		.proxy_login_file = ours("/login"), .no_proxy = ours("127.0.0.2"),
		.redirects = HTTP_REDIRECTS_SAME_HOST, .connect_timeout = 4321,
		.body_max = 64u << 20,
	};
	const struct auth_oauth_options o = {
		.url = url, .client_id = "me", .secret_file = "/secret", .timeout = 1000,
		.http = &http,
	};
	struct auth_source *source;
	struct curl_loop *curl;
	struct loop *loop;

	memset(&given, 0, sizeof(given));
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(curl_loop_new(loop, &curl), 0);
	assert_int_equal(auth_oauth_new(loop, curl, &o, &source), 0);
	auth_source_free(source);
	curl_loop_free(curl);
	loop_free(loop);
}

static void assert_tls_is_ours(void)
{
	assert_string_equal(given.ca_file, "/ca.pem");
	assert_true(given.insecure);
	assert_int_equal(given.tls_min, HTTP_TLS_1_3);
	assert_string_equal(given.cert_file, "/cert.pem");
	assert_string_equal(given.key_file, "/key.pem");
	assert_string_equal(given.pin, ours("sha256//YhKJKSzoTt2b5FP18fvpHo7fJYqQCjAa3HWY3tvRMwE="));
	assert_int_equal(given.connect_timeout, 4321);
}

/* The options for redirects, credentials and large answers apply to the Bayeux server only. */
static void assert_rest_is_not(void)
{
	assert_int_equal(given.redirects, HTTP_REDIRECTS_NEVER);
	assert_int_equal(given.headers.n, 1);
	assert_null(given.header_file);
	assert_true(given.body_max < 16u << 20);
}

static void encrypted(void **state)
{
	(void)state;
	make("HTTPS://tokens/");
	assert_tls_is_ours();
	assert_rest_is_not();
	assert_string_equal(given.proxy, "http://proxy:1");
	assert_string_equal(given.proxy_ca_file, "/proxy-ca.pem");
	assert_string_equal(given.proxy_login_file, "/login");
	assert_string_equal(given.no_proxy, "127.0.0.2");
}

/* A request without encryption goes to this machine only, and not through a proxy, which could read the secret. */
static void not_encrypted(void **state)
{
	(void)state;
	make("HTTP://127.0.0.1/");
	assert_tls_is_ours();
	assert_rest_is_not();
	assert_null(given.proxy);
	assert_null(given.proxy_login_file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encrypted),
		cmocka_unit_test(not_encrypted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
