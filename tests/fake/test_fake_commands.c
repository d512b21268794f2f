/*
 * The commands do what README.md describes, the process starts and ends as
 * documented, and libcurl, an independent client, accepts the answers.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <curl/curl.h>
#include "tests/fake/setup.h"

#define PUBLISH "[{\"channel\":\"/a\",\"clientId\":\"CID\",\"id\":\"7\",\"data\":1}]"
#define PUBLISHED "{\"channel\":\"/a\",\"id\":\"7\",\"successful\":true}"
#define SUBSCRIBE(channel) \
	"[{\"channel\":\"/meta/subscribe\",\"clientId\":\"CID\",\"id\":\"3\"," \
	"\"subscription\":\"" channel "\"}]"

/* ---- commands ---- */

static void test_events(void **state)
{
	(void)state;
	ask(&client, SUBSCRIBE("/a"));
	ask(&client, SUBSCRIBE("/*"));
	ask(&client, SUBSCRIBE("/**"));
	assert_string_equal(fake_command(fake, "subscriptions"), "1:/a 1:/* 1:/**");
	fake_command(fake, "rule type=event channel=/a field data 2");
	fake_command(fake, "rule type=event channel=/a drop");
	fake_command(fake, "rule type=event channel=/a twice");
	fake_command(fake, "rule type=event channel=/a reply {\"channel\":\"/z\",\"data\":$data}");
	for (int i = 0; i < 4; i++)
		fake_command(fake, "publish /a {\"big\": 9007199254740993}");
	fake_command(fake, "set duplicates on");
	fake_command(fake, "publish /a 3");
	fake_command(fake, "set duplicates off");
	fake_command(fake, "deliver 1 {\"channel\":\"/none\",\"odd\":1}");
	fake_command(fake, "burst /a 3 p");
	send_connect(&client, "9");
	assert_string_equal(read_response(&client, &client.wait),
		"[{\"data\":2,\"channel\":\"/a\"},"
		"{\"data\":{\"big\": 9007199254740993},\"channel\":\"/a\"},"
		"{\"data\":{\"big\": 9007199254740993},\"channel\":\"/a\"},"
		"{\"channel\":\"/z\",\"data\":{\"big\": 9007199254740993}},"
		"{\"data\":3,\"channel\":\"/a\"},{\"data\":3,\"channel\":\"/a\"},"
		"{\"data\":3,\"channel\":\"/a\"},{\"channel\":\"/none\",\"odd\":1},"
		"{\"data\":\"p-1\",\"channel\":\"/a\"},{\"data\":\"p-2\",\"channel\":\"/a\"},"
		"{\"data\":\"p-3\",\"channel\":\"/a\"},"
		"{\"channel\":\"/meta/connect\",\"id\":\"9\",\"successful\":true}]");
	fake_command(fake, "set echo off");
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
}

static void test_burst(void **state)
{
	(void)state;
	ask(&client, SUBSCRIBE("/a"));
	fake_command(fake, "mark");
	fake_command(fake, "burst /a 10000 p");
	for (int i = 1; i <= 10000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "[{\"data\":\"p-%d\",\"channel\":\"/a\"}]", i);
		assert_string_equal(read_ws(&client), text);
	}
	fake_await(fake, "event", "/a", 10000);
	fake_command(fake, "burst /a 1 long 10");
	assert_string_equal(read_ws(&client), "[{\"data\":\"long-1    \",\"channel\":\"/a\"}]");
}

/* What is sent slowly arrives all the same, and at once when that is over. */
static void test_drip(void **state)
{
	(void)state;
	ask(&client, SUBSCRIBE("/a"));
	fake_command(fake, "drip 20 1");
	fake_command(fake, "burst /a 1 p 100");
	assert_int_equal(strlen(read_ws(&client)), 128);
	fake_command(fake, "drip 20 600000");
	fake_command(fake, "burst /a 1 p 100");
	fake_command(fake, "drip off");
	assert_int_equal(strlen(read_ws(&client)), 128);
	assert_non_null(strstr(fake_try(fake, "drip 1"), "error"));
}

static void test_sessions_end(void **state)
{
	(void)state;
	send_connect(&client, "4");
	fake_await(fake, "held", NULL, 1);
	assert_int_equal(fake_number(fake, "kick"), 1);
	assert_string_equal(read_response(&client, &client.wait),
		"[{\"channel\":\"/meta/disconnect\",\"successful\":true},"
		"{\"advice\":{\"reconnect\":\"none\"},\"channel\":\"/meta/connect\",\"id\":\"4\","
		"\"successful\":true}]");
	client_handshake(&client, NULL);
	send_connect(&client, "5");
	fake_await(fake, "held", NULL, 2);
	assert_int_equal(fake_number(fake, "expire 1"), 0);
	assert_int_equal(fake_number(fake, "expire 2"), 1);
	assert_non_null(strstr(read_response(&client, &client.wait), "402::session_unknown"));
	assert_int_equal(fake_number(fake, "sessions"), 0);
}

static void test_silence_of_the_server(void **state)
{
	(void)state;
	fake_command(fake, "freeze");
	send_post(&client, &client.talk, PUBLISH);
	/* two commands, so that the server ran its loop at least once after the bytes arrived */
	assert_int_equal(fake_count(fake, "publish", NULL), 0);
	assert_int_equal(fake_count(fake, "publish", NULL), 0);
	assert_true(has_no_input(&client.talk));
	assert_false(raw_refused(fake_port(fake)));
	assert_int_equal(fake_count(fake, "publish", NULL), 0);
	assert_int_equal(fake_count(fake, "accept", NULL), 1);
	fake_command(fake, "thaw");
	assert_string_equal(read_response(&client, &client.talk), "[" PUBLISHED "]");
	/* the whole process, with the kernel answering for it */
	fake_pause(fake);
	send_post(&client, &client.talk, PUBLISH);
	assert_false(raw_refused(fake_port(fake)));
	assert_true(has_no_input(&client.talk));
	fake_resume(fake);
	assert_string_equal(read_response(&client, &client.talk), "[" PUBLISHED "]");
}

static void test_listening(void **state)
{
	uint16_t port = fake_port(fake);

	(void)state;
	fake_command(fake, "stop-listening");
	assert_true(raw_refused(port));
	/* those who are in stay */
	assert_string_equal(ask(&client, PUBLISH), "[" PUBLISHED "]");
	fake_command(fake, "listen");
	assert_false(raw_refused(port));
	fake_kill(fake);
	assert_true(raw_refused(port));
	fake_restart(fake);
	assert_int_equal(fake_port(fake), port);
	raw_close(&client.talk);
	raw_open(&client.talk, port);
	assert_non_null(strstr(ask(&client, PUBLISH), "402::session_unknown"));
}

static void test_cuts(void **state)
{
	char *bytes;
	size_t n;

	(void)state;
	send_connect(&client, "4");
	fake_await(fake, "held", NULL, 1);
	assert_int_equal(fake_number(fake, "connections"), 2);
	assert_int_equal(fake_number(fake, "cut idle"), 1);
	assert_false(raw_until_end(&client.talk, &bytes, &n));
	assert_int_equal(fake_number(fake, "cut ws"), 0);
	assert_int_equal(fake_number(fake, "cut lp rst"), 1);
	assert_true(raw_until_end(&client.wait, &bytes, &n));
	assert_int_equal(n, 0);
	client_open_ws(&client);
	assert_int_equal(fake_number(fake, "cut"), 1);
	assert_false(raw_until_end(&client.talk, &bytes, &n));
}

static void test_settings(void **state)
{
	struct raw r;

	(void)state;
	fake_command(fake, "advice {\"interval\": -1}");
	send_connect(&client, "4");
	fake_await(fake, "held", NULL, 1);
	ask(&client, SUBSCRIBE("/a"));
	fake_command(fake, "publish /a 1");
	assert_non_null(strstr(read_response(&client, &client.wait), "\"advice\":{\"interval\": -1}"));
	fake_command(fake, "advice default");
	fake_command(fake, "set advise-max-interval on");
	fake_command(fake, "set max-interval 7000");
	fake_command(fake, "set interval 5");
	fake_command(fake, "set timeout 1");
	send_connect(&client, "5");
	assert_non_null(strstr(read_response(&client, &client.wait),
		"\"advice\":{\"interval\":5,\"timeout\":1,\"maxInterval\":7000,"
		"\"reconnect\":\"retry\"}"));
	fake_command(fake, "types [\"callback-polling\"]");
	client_handshake(&client, NULL);
	fake_command(fake, "ws off 405");
	send_upgrade(&r, fake_port(fake), NULL);
	read_response(&client, &r);
	assert_int_equal(client.status, 405);
	raw_close(&r);
	fake_command(fake, "lp off 404");
	ask(&client, PUBLISH);
	assert_int_equal(client.status, 404);
	fake_command(fake, "lp on");
	fake_command(fake, "require-header Authorization Bearer s3cret one");
	ask(&client, PUBLISH);
	assert_int_equal(client.status, 401);
	client.headers = "Authorization: Bearer s3cret\r\n";
	ask(&client, PUBLISH);
	assert_int_equal(client.status, 401);
	client.headers = "authorization: Bearer s3cret one\r\n";
	assert_non_null(strstr(ask(&client, PUBLISH), PUBLISHED));
	fake_command(fake, "require-header off");
	client.headers = NULL;
	assert_non_null(strstr(ask(&client, PUBLISH), PUBLISHED));
	assert_memory_equal(fake_try(fake, "set colour red"), "error ", 6);
	assert_memory_equal(fake_try(fake, "ws maybe"), "error ", 6);
}

static int post_to(const char *path, const char *text)
{
	client.path = path;
	ask(&client, text);
	client.path = NULL;
	return client.status;
}

static void test_routes(void **state)
{
	struct raw r = {-1, NULL, 0};

	(void)state;
	fake_command(fake, "route publish /p?q=1");
	fake_command(fake, "route subscribe /s");
	fake_command(fake, "route unsubscribe /s");
	fake_command(fake, "route upgrade /ws");
	assert_int_equal(post_to("/p?q=1", PUBLISH), 200);
	assert_int_equal(post_to("/p", PUBLISH), 404);
	assert_int_equal(post_to("/s", PUBLISH), 404);
	assert_int_equal(post_to("/s", SUBSCRIBE("/a")), 200);
	/* one message of the batch has another route */
	assert_int_equal(post_to("/s", "[{\"channel\":\"/meta/subscribe\"},{\"channel\":\"/a\"}]"), 404);
	assert_int_equal(post_to("/p?q=1", "[{\"channel\":\"/meta/connect\"}]"), 404);
	assert_int_equal(post_to("/s", "{"), 500);
	/* messages without a route are accepted on paths without a route */
	assert_int_equal(post_to("/", "[{\"channel\":\"/meta/disconnect\"}]"), 200);
	send_upgrade(&r, fake_port(fake), NULL);
	read_response(&client, &r);
	assert_int_equal(client.status, 404);
	raw_close(&r);
	assert_int_equal(fake_count(fake, "refused", NULL), 5);
	assert_int_equal(fake_count(fake, "request", "/p"), 1);
	fake_command(fake, "route off");
	assert_int_equal(post_to("/s", PUBLISH), 200);
	assert_memory_equal(fake_try(fake, "route event /x"), "error ", 6);
	assert_memory_equal(fake_try(fake, "route publish"), "error ", 6);
}

#define TIMED_CONNECT(timesync)                                                                   \
	"[{\"channel\":\"/meta/connect\",\"clientId\":\"CID\",\"id\":\"7\",\"connectionType\":"         \
	"\"long-polling\",\"advice\":{\"timeout\":0},\"ext\":{\"timesync\":" timesync "}}]"

static void test_timesync(void **state)
{
	(void)state;
	/* off by default */
	assert_null(strstr(ask(&client, TIMED_CONNECT("{\"tc\":5}")), "timesync"));
	fake_command(fake, "set timesync 1000");
	assert_null(strstr(ask(&client, PUBLISH), "timesync"));
	const char *said = strstr(ask(&client, TIMED_CONNECT("{\"tc\":5}")), "\"timesync\":{\"tc\":5,");
	long ts, held;
	assert_non_null(said);
	assert_int_equal(sscanf(said, "\"timesync\":{\"tc\":5,\"ts\":%ld,\"p\":%ld}", &ts, &held), 2);
	assert_true(ts > 1700000000000 && held >= 0);
	/* a client whose clock is wrong gets the difference */
	assert_non_null(strstr(ask(&client, TIMED_CONNECT("{\"tc\":5,\"l\":1,\"o\":0}")), ",\"a\":-1"));
}

static void test_waiting(void **state)
{
	(void)state;
	assert_string_equal(fake_try(fake, "await publish /a 2 1"),
			    "error timed out: 0 of 2 publish /a");
	/* an await in front of what it waits for */
	send_post(&client, &client.talk, PUBLISH);
	fake_await(fake, "publish", "/a", 1);
	read_response(&client, &client.talk);
	assert_int_equal(fake_count(fake, "publish", NULL), 1);
	assert_int_equal(fake_count(fake, "publish", "/b"), 0);
	fake_command(fake, "mark");
	assert_int_equal(fake_count(fake, "publish", NULL), 0);
	assert_memory_equal(fake_try(fake, "await publish"), "error ", 6);
	assert_memory_equal(fake_try(fake, "count"), "error ", 6);
	fake_print_log(fake);
}

static void test_demo(void **state)
{
	static const char *const options[] = {"--demo", NULL};

	(void)state;
	fake = fake_start(options);
	client_init(&client, fake_port(fake));
	client_handshake(&client, NULL);
	ask(&client, SUBSCRIBE("/demo/clock"));
	send_connect(&client, "4");
	assert_non_null(strstr(read_response(&client, &client.wait), "{\"data\":{\"tick\":"));
	teardown_client(NULL);
}

/* ---- an independent client ---- */

static size_t collect(char *p, size_t size, size_t n, void *arg)
{
	char *body = arg;

	if (strlen(body) + size * n < 4096)
		strncat(body, p, size * n);
	return size * n;
}

/* one POST by libcurl; the body and curl's verdict */
static CURLcode post(const char *scheme, const char *text, size_t n, const char *ca, char *body)
{
	CURL *curl = curl_easy_init();
	char url[64];
	CURLcode r;

	assert_non_null(curl);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%u/cometd", scheme, fake_port(fake));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 120L);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)n);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
	body[0] = '\0';
	r = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	return r;
}

static void test_curl(void **state)
{
	static const char publish[] = "[{\"channel\":\"/a\",\"id\":\"7\",\"data\":1}]";
	static const char unknown[] = "[{\"channel\":\"/a\",\"id\":\"7\","
				      "\"error\":\"402::session_unknown\",\"successful\":false}]";
	const size_t size = 3 * 1024 * 1024;
	char body[4096], *big = malloc(size);

	(void)state;
	assert_non_null(big);
	fake_command(fake, "rule type=publish gzip chunk 1");
	assert_int_equal(post("http", publish, sizeof(publish) - 1, NULL, body), CURLE_OK);
	assert_string_equal(body, unknown);
	/* curl asks before it sends that much: Expect, 100 Continue */
	memset(big, ' ', size);
	memcpy(big, publish, sizeof(publish) - 1);
	assert_int_equal(post("http", big, size, NULL, body), CURLE_OK);
	assert_string_equal(body, unknown);
	fake_command(fake, "rule type=publish cut 3");
	assert_int_equal(post("http", publish, sizeof(publish) - 1, NULL, body),
			 CURLE_PARTIAL_FILE);
	fake_command(fake, "rule type=publish close");
	assert_int_equal(post("http", publish, sizeof(publish) - 1, NULL, body),
			 CURLE_GOT_NOTHING);
	free(big);
}

static void test_tls(void **state)
{
#ifdef HAVE_EVENT_OPENSSL
	static const char publish[] = "[{\"channel\":\"/a\",\"id\":\"7\",\"data\":1}]";
	char dir[] = "/tmp/test-fake-XXXXXX", cert[64], key[64], body[4096];
	const char *options[] = {"--tls", cert, key, NULL};

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	if (!fake_make_certificate(dir, "127.0.0.1")) {
		print_message("SKIP: no openssl program to make a certificate\n");
		rmdir(dir);
		skip();
	}
	fake = fake_start(options);
	assert_int_equal(post("https", publish, sizeof(publish) - 1, cert, body), CURLE_OK);
	assert_non_null(strstr(body, "402::session_unknown"));
	assert_int_equal(post("https", publish, sizeof(publish) - 1, NULL, body),
			 CURLE_PEER_FAILED_VERIFICATION);
	fake_stop(fake);
	unlink(cert);
	unlink(key);
	rmdir(dir);
#else
	(void)state;
	print_message("SKIP: built without libevent_openssl\n");
	skip();
#endif
}

#define LP(test) cmocka_unit_test_setup_teardown(test, setup_client, teardown_client)
#define WS(test) cmocka_unit_test_setup_teardown(test, setup_ws_client, teardown_client)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		LP(test_events),
		WS(test_burst),
		WS(test_drip),
		LP(test_sessions_end),
		LP(test_silence_of_the_server),
		LP(test_listening),
		LP(test_cuts),
		LP(test_settings),
		LP(test_routes),
		LP(test_timesync),
		LP(test_waiting),
		cmocka_unit_test(test_demo),
		LP(test_curl),
		cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
