/*
 * A secret that was replaced is nowhere in the memory of the daemon, and the one in use is in few
 * places: its owner's, and those of requests under way. Each way in which a secret comes, over both
 * transports, while the daemon goes on.
 */
#include "tests/scenario/tokens.h"
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUICK "backoff = 20ms 50ms\nhalt-retry = 10m\n"
#define LENGTH 120
/* where the present secret may lie: at its owner's, in the headers of the request under way, and, with
   TLS, in libcurl's buffer of that request */
#define FEW 3

/* --- the memory of the daemon --- */

static unsigned count(const char *text, size_t n, const char *piece, size_t size)
{
	unsigned found = 0;

	for (const char *p = text; (p = memmem(p, n - (size_t)(p - text), piece, size)); p++)
		found++;
	return found;
}

struct region {
	unsigned long long start, end;
};

static bool next_region(FILE *maps, struct region *ret)
{
	char line[512], rights[8];

	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%llx-%llx %7s", &ret->start, &ret->end, rights) == 3 &&
		    rights[0] == 'r' && rights[1] == 'w')
			return true;
	return false;
}

/*
 * Whether the memory can be searched. Sanitizers and valgrind keep what was freed: with them the same
 * conversations are played for what the checkers themselves report. A process without core files shows
 * its memory to root alone.
 */
static bool is_readable(const struct world *w)
{
	const bool kept = WITH_ADDRESS_SANITIZER || getenv("DAEMON_WRAPPER");
	char path[64];

	if (kept)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/mem", w->daemon);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	if (mem < 0) {
		print_message("SKIPPED: the daemon's memory cannot be read: %s\n", strerror(errno));
		return false;
	}
	close(mem);
	return true;
}

/*
 * How often a secret lies there: as often as that of its pieces that lies there most often, for the
 * allocator writes over the beginning of what is freed.
 */
static unsigned copies(const struct world *w, const char *secret)
{
	enum { PIECE = 24, PIECES = 3 };
	size_t n = strlen(secret);
	char path[64];
	struct region r;
	unsigned found[PIECES] = {0}, most = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", w->daemon);
	FILE *maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", w->daemon);
	int mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_non_null(maps);
	while (next_region(maps, &r)) {
		char *text = malloc(r.end - r.start);

		assert_non_null(text);
		ssize_t size = pread(mem, text, r.end - r.start, (off_t)r.start);
		for (size_t i = 0; size > 0 && i < PIECES; i++)
			found[i] += count(text, (size_t)size, secret + i * (n - PIECE) / (PIECES - 1), PIECE);
		free(text);
	}
	fclose(maps);
	close(mem);
	for (size_t i = 0; i < PIECES; i++)
		most = found[i] > most ? found[i] : most;
	return most;
}

/* --- ways in which a secret comes --- */

static void put_file(const struct world *w, const char *name, mode_t mode, const char *text)
{
	char path[128], next[136];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	snprintf(next, sizeof(next), "%s.new", path);
	FILE *f = fopen(next, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fchmod(fileno(f), mode), 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(next, path), 0);
}

/* "wordx00xwordx01x…": no piece of it is in another word's */
static void make_secret(char to[LENGTH + 1], const char *word)
{
	size_t n = 0;

	for (unsigned i = 0; n < LENGTH; i++)
		n += (size_t)snprintf(to + n, LENGTH + 1 - n, "%sx%02ux", word, i);
}

struct way {
	const char *name;
	const char *options;            /* for world_lines() */
	const char *file;               /* content of $DIR/f; %s is replaced by the secret */
	const char *sent;               /* the header with it; NULL: it is in the ext */
	bool base64;                    /* … of what is in the file */
};

static const struct way ways[] = {
	{"file", "credential-file = $DIR/f\n", "%s\n", "Authorization Bearer %s", false},
	{"file, JSON", "credential-file = $DIR/f\n", "{\"access_token\":\"%s\"}", "Authorization Bearer %s",
	 false},
	{"basic", "credential = basic\ncredential-file = $DIR/f\n", "me:%s", "Authorization Basic %s",
	 true},
	{"header X-Key", "credential = header X-Key\ncredential-file = $DIR/f\n", "%s", "X-Key %s",
	 false},
	{"header @", "header = @$DIR/f\n", "X-Key: %s\n", "X-Key %s", false},
	{"ext", "credential = ext auth/token\ncredential-file = $DIR/f\n", "%s", NULL, false},
	{"ext @", "ext = handshake @$DIR/f\n", "{\"auth\":{\"token\":\"%s\"}}", NULL,
	 false},
	{"command", "credential-command = $DIR/f\n", "#!/bin/sh\necho '%s'\n",
	 "Authorization Bearer %s", false},
};

/* what the server must see: the secret, or it with the user in base64 */
static void shown_of(const struct way *way, const char *secret, char to[2 * LENGTH])
{
	char login[LENGTH + 8];

	snprintf(login, sizeof(login), "me:%s", secret);
	if (way->base64)
		EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)login, (int)strlen(login));
	else
		snprintf(to, 2 * LENGTH, "%s", secret);
}

static void offer(struct world *w, const struct way *way, const char *secret)
{
	char text[512], shown[2 * LENGTH];

	snprintf(text, sizeof(text), way->file, secret);
	put_file(w, "f", 0700, text);
	shown_of(way, secret, shown);
	snprintf(text, sizeof(text), way->sent ? way->sent : "", shown);
	if (way->sent)
		fake_command(w->fake, "require-header %s", text);
}

struct medium {
	const char *transport;
	bool tls;
};

static char certificate[] = "/tmp/wiped-XXXXXX";
static bool has_certificate;

/* One for all worlds, in `certificate`. */
static int make_certificate(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(certificate));
	has_certificate = fake_make_certificate(certificate, "127.0.0.1");
	return 0;
}

static int remove_certificate(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", certificate);
	return system(command);
}

static struct world *prepare(const struct medium *m, const char *options)
{
	char cert[64], key[64], server[1024], command[256];
	const char *const plain[] = {"--timeout", "60000", NULL};
	const char *const tls[] = {"--timeout", "60000", "--tls", cert, key, NULL};

	snprintf(cert, sizeof(cert), "%s/cert.pem", certificate);
	snprintf(key, sizeof(key), "%s/key.pem", certificate);
	struct world *w = world_new(m->tls ? tls : plain);
	char *lines = world_lines(w, options);
	snprintf(server, sizeof(server), QUICK "transports = %s\ntls-ca = %s\n%s", m->transport, cert,
		 lines);
	free(lines);
	world_configure(w, NULL, server, NULL);
	snprintf(command, sizeof(command), "sed -i 's|^url = http:|url = https:|' %s", w->config);
	if (m->tls)
		assert_int_equal(system(command), 0);
	return w;
}

/* Requests on every lane, so that each has shown the secret. */
static void use(struct wire *a)
{
	for (int i = 0; i < 8; i++)
		wire_ok(a, "publish", ",\"channel\":\"/c\",\"data\":%d", i);
}

/* The buffers of the last turn of the loop are free by now: the daemon has sent and received since. */
static void assert_replaced(const struct world *w, struct wire *a, const char *what, const char *old,
			    const char *now)
{
	wire_ok(a, "ping", "%s", "");
	if (!is_readable(w))
		return;
	unsigned left = copies(w, old), here = copies(w, now);

	print_message("%s: %u of the old one, %u of the present one\n", what, left, here);
	assert_int_equal(left, 0);
	assert_true(here <= FEW);
}

static void one_way(const struct medium *m, const struct way *way)
{
	char first[LENGTH + 1], second[LENGTH + 1], old[2 * LENGTH], now[2 * LENGTH];
	struct world *w = prepare(m, way->options);

	make_secret(first, "first");
	make_secret(second, "second");
	offer(w, way, first);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	use(a);
	fake_await(w->fake, "held", NULL, 1);
	offer(w, way, second);
	fake_command(w->fake, "mark");
	if (!way->sent)
		fake_command(w->fake, "expire");
	fake_command(w->fake, "cut");
	fake_await(w->fake, "held", NULL, 1);
	if (way->base64)
		assert_replaced(w, a, "password", first, second);
	shown_of(way, first, old);
	shown_of(way, second, now);
	assert_replaced(w, a, way->name, old, now);
	wire_close(a);
	world_free(w);
}

static void replaced(void **state)
{
	const struct medium *m = *state;

	if (m->tls && !has_certificate) {
		print_message("SKIPPED: there is no openssl program\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		/* what is not in a header is in a text, of which libwslay frees a copy as it is */
		if (ways[i].sent || strcmp(m->transport, "websocket") != 0)
			one_way(m, &ways[i]);
}

static void grant(struct tokens *t, const char *access, const char *refresh)
{
	char text[512];

	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
		 "{\"access_token\":\"%s\",\"refresh_token\":\"%s\"}", access, refresh);
	tokens_do(t, TOKENS_REPLY, text);
}

/* The token server replaces both tokens, and only the file knows the secret of the client. */
static void granted(void **state)
{
	char options[512], client[LENGTH + 1], access[2][LENGTH + 1], refresh[3][LENGTH + 1];
	struct tokens *t = tokens_new("");

	snprintf(options, sizeof(options), "oauth = t\n[oauth t]\ntoken-url = %s\nclient-id = me\n"
		 "client-auth = body\nclient-secret-file = $DIR/client\n"
		 "refresh-token-file = $DIR/refresh\n[server demo]\n", tokens_url(t));
	struct world *w = prepare(*state, options);
	make_secret(client, "client"), make_secret(access[0], "first"), make_secret(access[1], "second");
	make_secret(refresh[0], "old"), make_secret(refresh[1], "next"), make_secret(refresh[2], "last");
	put_file(w, "client", 0600, client);
	put_file(w, "refresh", 0600, refresh[0]);
	grant(t, access[0], refresh[1]);
	fake_command(w->fake, "require-header Authorization Bearer %s", access[0]);
	world_start(w);
	struct wire *a = world_peer(w, "a");
	use(a);
	fake_await(w->fake, "held", NULL, 1);
	grant(t, access[1], refresh[2]);
	fake_command(w->fake, "require-header Authorization Bearer %s", access[1]);
	fake_command(w->fake, "mark");
	fake_command(w->fake, "cut");
	/* the old one is rejected, and a new one fetched */
	fake_await(w->fake, "held", NULL, 1);
	assert_replaced(w, a, "access token", access[0], access[1]);
	assert_replaced(w, a, "refresh token", refresh[0], refresh[1]);
	assert_replaced(w, a, "refresh token", refresh[1], refresh[2]);
	assert_replaced(w, a, "client secret", client, client);
	wire_close(a);
	world_free(w);
	tokens_free(t);
}

#define ON(name, transport, tls)                                                                   \
	{name, replaced, NULL, NULL, (void *)&(const struct medium){transport, tls}},              \
	{name ", oauth", granted, NULL, NULL, (void *)&(const struct medium){transport, tls}}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON("websocket", "websocket", false),
		ON("long-polling", "long-polling", false),
		ON("websocket, TLS", "websocket", true),
		ON("long-polling, TLS", "long-polling", true),
	};

	return scenario_run("wiped", tests, make_certificate, remove_certificate);
}
