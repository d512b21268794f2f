/*
 * HTTP around the messages: preset and persistent cookies, redirects, proxies and
 * certificates. Each failure has its own reason, and the session recovers by itself
 * when the cause is removed.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK "backoff = 50ms 200ms\n"

/* `lines`: up to two %s in it are replaced by the directory */
static struct world *prepare(const char *transport, const char *lines)
{
	static const char *const options[] = {"--timeout", "60000", NULL};
	struct world *w = world_new(options);
	char server[1024], more[512];

	/* cppcheck-suppress wrongPrintfScanfArgNum ; more than a format needs is allowed */
	snprintf(more, sizeof(more), lines, w->dir, w->dir);
	snprintf(server, sizeof(server), QUICK "transports = %s\n%s", transport, more);
	world_configure(w, NULL, server, NULL);
	return w;
}

static void assert_works(struct world *w)
{
	struct wire *a = world_peer(w, "a");

	wire_ok(a, "subscribe", ",\"channel\":\"/c\"");
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	wire_expect(a, PROTOCOL_OP_MESSAGE);
	wire_close(a);
}

/* --- cookies --- */

static void assert_jar(const struct world *w, const char *has, const char *has_not)
{
	char path[128], text[4096];
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "%s/jar", w->dir);
	f = fopen(path, "re");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	assert_non_null(strstr(text, has));
	assert_null(strstr(text, has_not));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* The first request has these cookies; no other one is asked for them. */
static void start_with(struct world *w, const char *cookies)
{
	fake_command(w->fake, "mark");
	fake_command(w->fake, "rule type=handshake hold");
	fake_command(w->fake, "require-header Cookie %s", cookies);
	world_start(w);
	fake_await(w->fake, "parked", NULL, 1);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
	fake_command(w->fake, "require-header off");
	fake_command(w->fake, "release");
	assert_works(w);
}

/*
 * The cookie that sticks to one node of a cluster, with the date that Salesforce writes, is
 * there again after a restart; that of the session is not, and the one of the configuration is.
 */
static void kept(const char *transport, const char *cookies)
{
	struct world *w = prepare(transport, "cookie = preset=1\ncookie-jar = %s/jar\n");

	fake_command(w->fake, "rule type=%s times=all header \"Set-Cookie: route=s3cret; Path=/; "
		     "Expires=Sun, 24-Sep-2034 19:55:37 GMT\"",
		     strcmp(transport, "websocket") ? "subscribe" : "upgrade");
	start_with(w, "preset=1");
	assert_int_equal(world_stop(w), 0);
	assert_jar(w, "\troute\ts3cret\n", "BAYEUX_BROWSER");
	start_with(w, cookies);
	assert_false(world_log_has(w, "s3cret"));
	world_free(w);
}

static void cookies_over_longpolling(void **state)
{
	(void)state;
	kept("long-polling", "preset=1; route=s3cret");
}

static void cookies_over_websocket(void **state)
{
	(void)state;
	kept("websocket", "route=s3cret; preset=1");
}

/* a jar that is none, where nothing can be written: two lines of the log, and all works */
static void a_jar_that_cannot_be(void **state)
{
	struct world *w = prepare("long-polling", "cookie-jar = %s/log.d/jar\ncookie = @%s/none\n");
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/log.d", w->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(rmdir(path), 0);
	fake_command(w->fake, "rule type=handshake header \"Set-Cookie: route=x; Max-Age=1000\"");
	world_start(w);
	assert_works(w);
	assert_true(world_log_has(w, "the directory of the cookie-jar is not writable"));
	assert_true(world_log_has(w, "the handshake is sent without the cookies of this file"));
	world_free(w);
}

/* --- redirects --- */

static void redirected(void **state)
{
	struct world *w = prepare("long-polling", "redirects = same-host\n");

	(void)state;
	fake_command(w->fake, "rule type=handshake redirect 307 /elsewhere");
	fake_command(w->fake, "rule type=subscribe redirect 301 /elsewhere");
	world_start(w);
	assert_works(w);
	fake_await(w->fake, "request", "/elsewhere", 2);
	assert_int_equal(fake_count(w->fake, "session", NULL), 1);
	assert_true(world_log_has(w, "the server redirects requests; change url to the new address to avoid that"));
	world_free(w);
}

/* not followed, reported, and tried again */
static void rejected_redirects(void **state)
{
	static const struct { const char *lines, *to, *reason; } rows[] = {
		{"", "/elsewhere", "redirects are not followed"},
		{"redirects = same-host\n", "http://localhost/", "another host"},
		{"redirects = same-host\n", "file:///etc/passwd", "not an http or https URL"},
		{"redirects = same-host\n", "/cometd", "too many redirects"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = prepare("long-polling", rows[i].lines);

		fake_command(w->fake, "rule type=handshake times=all redirect 302 %s", rows[i].to);
		world_start(w);
		struct wire *a = wire_hello(w->socket, "a");
		wire_await_reason(a, "demo", rows[i].reason);
		fake_command(w->fake, "unrule");
		wire_state(a, "demo", "connected");
		wire_close(a);
		world_free(w);
	}
}

/* --- proxies --- */

/* the fake is the proxy, which passes everything on to itself */
static void a_proxy_that_refuses(void **state)
{
	static const char *const options[] = {"--timeout", "60000", NULL};
	struct world *w = world_new(options);
	char server[512], path[128];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/login", w->dir);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("user:s3cret\n", f);
	assert_int_equal(fchmod(fileno(f), 0600), 0);
	assert_int_equal(fclose(f), 0);
	snprintf(server, sizeof(server), QUICK "transports = long-polling\nproxy = http://127.0.0.1:%u\n"
		 "proxy-credential-file = %s\n", fake_port(w->fake), path);
	world_configure(w, NULL, server, NULL);
	fake_command(w->fake, "require-header Proxy-Authorization Basic dXNlcjpzM2NyZXQ=");
	fake_command(w->fake, "rule type=handshake times=2 status 407 body <html>who?</html>");
	world_start(w);
	struct wire *a = wire_hello(w->socket, "a");
	wire_await_reason(a, "demo", "the proxy answered 407: proxy-credential-file is missing or wrong");
	wire_state(a, "demo", "connected");
	wire_close(a);
	assert_works(w);
	assert_int_equal(fake_count(w->fake, "refused", NULL), 0);
	assert_false(world_log_has(w, "s3cret"));
	world_free(w);
}

/* --- certificates --- */

static void shell(const char *dir, const char *commands)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd %s && exec 2>/dev/null && %s", dir, commands);
	assert_int_equal(system(line), 0);
}

#define EC "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
/* what `openssl ca` needs, which alone can date a certificate back in OpenSSL 3.0 and in 3.5 */
#define AUTHORITY                                                                                  \
	"[ca]\ndefault_ca = a\n[a]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n"        \
	"default_md = sha256\nunique_subject = no\npolicy = p\n[p]\ncommonName = supplied\n"
#define SIGN(from, to, out)                                                                        \
	"openssl ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca-key.pem "             \
	"-extfile names -in csr -startdate " from "0101000000Z -enddate " to "0101000000Z "       \
	"-out " out

/* an authority, and of the server's key a certificate that is good and one that was */
static void make_certificates(const char *dir)
{
	shell(dir, "openssl req -x509 " EC "-subj /CN=ca -days 2 -keyout ca-key.pem -out ca.pem && "
		   "openssl req " EC "-subj /CN=server -keyout key.pem -out csr && "
		   "echo subjectAltName=IP:127.0.0.1 >names && "
		   "printf '" AUTHORITY "' >ca.conf && touch index && echo 01 >serial && "
		   SIGN("2020", "2100", "good.pem") " && " SIGN("2020", "2021", "expired.pem")
		   " && cp good.pem cert.pem");
}

/* A certificate expires and is renewed later: the daemon reports it, tries again, and recovers. */
static void expired(const char *transport)
{
	char dir[] = "/tmp/cometd-bridge-pki.XXXXXX", cert[64], key[64], line[512];
	const char *options[] = {"--timeout", "60000", "--tls", cert, key, NULL};
	struct world *w;

	assert_non_null(mkdtemp(dir));
	make_certificates(dir);
	snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
	snprintf(key, sizeof(key), "%s/key.pem", dir);
	w = world_new(options);
	snprintf(line, sizeof(line), QUICK "transports = %s\ntls-ca = %s/ca.pem\n", transport, dir);
	world_configure(w, NULL, line, NULL);
	/* the same address, with TLS */
	shell(w->dir, "sed -i 's|url = http:|url = https:|' bridge.conf");
	world_start(w);
	struct wire *a = world_peer(w, "a");
	fake_kill(w->fake);
	shell(dir, "cp expired.pem cert.pem");
	fake_restart(w->fake);
	/* when it comes once more it has seen what is wrong */
	fake_await(w->fake, "accept", NULL, 3);
	assert_true(world_log_has(w, "certificate has expired"));
	assert_int_equal(fake_count(w->fake, "request", NULL), 0);
	fake_kill(w->fake);
	shell(dir, "cp good.pem cert.pem");
	fake_restart(w->fake);
	fake_await(w->fake, "session", NULL, 1);
	fake_await(w->fake, "held", NULL, 1);
	wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":1");
	wire_close(a);
	world_free(w);
	shell(dir, "rm -r ../${PWD##*/}");
}

static void a_certificate_that_expires(void **state)
{
	(void)state;
	expired("long-polling");
	expired("websocket");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookies_over_longpolling),
		cmocka_unit_test(cookies_over_websocket),
		cmocka_unit_test(a_jar_that_cannot_be),
		cmocka_unit_test(redirected),
		cmocka_unit_test(rejected_redirects),
		cmocka_unit_test(a_proxy_that_refuses),
		cmocka_unit_test(a_certificate_that_expires),
	};

	return scenario_run("http", tests, NULL, NULL);
}
