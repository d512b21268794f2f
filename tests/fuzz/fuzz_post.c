/*
 * Any bytes as the answer to a POST, parsed by libcurl and our callbacks. No network: socket() and
 * connect() are replaced here, and give libcurl one end of a pair whose other end has the answer. The
 * first byte selects whether it is read in pieces or at once, and whether redirects are followed.
 *
 * Each request ends once, with an answer or with a reason; nothing exceeds its ceiling; and reading in
 * pieces gives the same as reading at once.
 */
#include "base/log.h"
#include "base/loop.h"
#include "net/http_post.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/post";

enum { BODY_MAX = 20000, HOPS = 10, TURNS_MAX = 2000 };

/* --- the network --- */

static struct slice answer;
static int others[HOPS + 2];
static unsigned n_others;

static void close_network(void)
{
	while (n_others)
		close(others[--n_others]);
}

/* Whatever libcurl asks for but TCP is the system's. */
int socket(int domain, int type, int protocol)
{
	int fds[2];

	if (domain != AF_INET || (type & 0xf) != SOCK_STREAM)
		return socketpair(AF_UNIX, type, protocol, fds) < 0 ? -1 : (close(fds[1]), fds[0]);
	FUZZ_CHECK(n_others < HOPS + 2 && socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
	others[n_others++] = fds[1];
	FUZZ_CHECK(send(fds[1], answer.p, answer.n, MSG_NOSIGNAL) == (ssize_t)answer.n);
	shutdown(fds[1], SHUT_WR);
	return fds[0];
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	(void)fd;
	(void)address;
	(void)size;
	return 0;
}

/* --- requests --- */

struct result {
	bool ended;
	enum http_outcome outcome;
	unsigned status;
	struct buf body;
};

static struct loop *loop;
static struct curl_loop *curl;

static void drop_line(void *ctx, const struct log_line *line)
{
	(void)ctx;
	(void)line;
}

static void make_loop(void)
{
	if (loop)
		return;
	log_set_sink(drop_line, NULL);
	FUZZ_CHECK(loop_new(&loop) == 0 && curl_loop_new(loop, &curl) == 0);
}

static void take_result(struct result *to, const struct http_result *r)
{
	FUZZ_CHECK(!to->ended);
	FUZZ_CHECK(r->outcome == HTTP_ANSWERED || r->reason.n > 0);
	FUZZ_CHECK(r->outcome != HTTP_ANSWERED || (r->status >= 100 && r->status < 1000));
	FUZZ_CHECK(r->outcome == HTTP_ANSWERED || r->body.n == 0);
	FUZZ_CHECK(r->retry_after <= 6 * 3600 * 1000);
	to->ended = true;
	to->outcome = r->outcome;
	to->status = r->status;
	if (r->body.n)
		FUZZ_CHECK(buf_put(&to->body, r->body) == 0);
}

static void on_done(void *ctx, const struct http_result *r)
{
	take_result(ctx, r);
}

static void on_ready(void *ctx)
{
	(void)ctx;
}

static void pull(struct http_post *p, struct result *to)
{
	struct http_result r;
	struct slice piece;
	int n;

	while ((n = http_post_next(p, &piece, &r)) == 0) {
		FUZZ_CHECK(piece.n > 0 && piece.n <= HTTP_PIECE_MAX);
		FUZZ_CHECK(buf_put(&to->body, piece) == 0);
	}
	if (n == HTTP_E_DONE)
		take_result(to, &r);
}

static void post(const struct http_options *o, bool stream, struct result *to)
{
	struct http_client *client;
	struct http_post *p;

	*to = (struct result){.ended = false};
	buf_init(&to->body, 1u << 30);
	FUZZ_CHECK(http_client_new(o, &client) == 0);
	FUZZ_CHECK(http_post_new(curl, client, on_done, to, &p) == 0);
	if (stream)
		http_post_stream(p, on_ready);
	FUZZ_CHECK(http_post_start(p, "http://127.0.0.1/cometd", SLICE("[]")) == 0);
	for (int turns = 0; !to->ended; turns++) {
		FUZZ_CHECK(turns < TURNS_MAX && loop_turn(loop, true) == 0);
		if (stream && !to->ended)
			pull(p, to);
	}
	http_post_free(p);
	http_client_free(client);
	close_network();
}

/* Without it a body is the same however it is read. */
static bool is_coded(struct slice text)
{
	for (size_t i = 0; i + 6 <= text.n; i++)
		if (strncasecmp(text.p + i, "coding", 6) == 0)
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_options o;
	struct result whole, pieces;

	if (n == 0 || n > 60000)
		return 0;
	make_loop();
	http_options_default(&o);
	o.body_max = BODY_MAX;
	o.redirects = data[0] & 1 ? HTTP_REDIRECTS_SAME_HOST : HTTP_REDIRECTS_NEVER;
	answer = slice_make(data + 1, n - 1);
	post(&o, false, &whole);
	post(&o, true, &pieces);
	FUZZ_CHECK(buf_len(&whole.body) <= BODY_MAX);
	if (!is_coded(answer) && whole.outcome == HTTP_ANSWERED && whole.status == 200)
		FUZZ_CHECK(pieces.outcome == HTTP_ANSWERED && pieces.status == 200 &&
			   slice_eq(buf_slice(&whole.body), buf_slice(&pieces.body)));
	buf_fini(&whole.body);
	buf_fini(&pieces.body);
	return 0;
}
