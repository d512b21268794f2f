/*
 * The process of a token server and the memory that it shares with the test. The process
 * ends with the test, and every wait has a deadline.
 */
#include "tests/scenario/tokens.h"

#include "tests/scenario/wire.h"
#include "tests/unit/testing.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REQUEST_MAX 16384
#define HEAD "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

/* written by one side at a time: the test while no request is under way, the server within one */
struct shared {
	atomic_uint requests;
	unsigned given;
	enum tokens_action manner;
	char prefix[64], text[4096], request[REQUEST_MAX];
};

struct tokens {
	struct shared *shared;
	char url[64];
	unsigned port;
	pid_t pid;
	int news;                       /* a byte for each request, once it is in `shared` */
};

/* --- the server --- */

static void say(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t k = send(fd, text, n, MSG_NOSIGNAL);

		if (k <= 0)
			return;
		text += k;
		n -= (size_t)k;
	}
}

static void send_json(int fd, const char *status, const char *body)
{
	char head[256];

	snprintf(head, sizeof(head), HEAD, status);
	say(fd, head, strlen(head));
	say(fd, body, strlen(body));
}

static void give(int fd, struct shared *s)
{
	char body[sizeof(s->text) + 256];

	snprintf(body, sizeof(body), "{\"access_token\":\"%s-%u\",\"token_type\":\"bearer\"%s}",
		 s->prefix, ++s->given, s->text);
	send_json(fd, "200 OK", body);
}

static void echo(int fd, const struct shared *s)
{
	char body[2 * REQUEST_MAX + 256], *to;

	to = body + sprintf(body, "{\"error\":\"invalid_request\",\"error_description\":\"");
	for (const char *p = s->request; *p; p++) {
		if (*p == '"' || *p == '\\')
			*to++ = '\\';
		*to++ = (unsigned char)*p < 0x20 ? ' ' : *p;
	}
	strcpy(to, "\"}");
	send_json(fd, "400 Bad Request", body);
}

static void flood(int fd)
{
	static char lots[1 << 16];

	memset(lots, 'x', sizeof(lots));
	send_json(fd, "200 OK", "{\"access_token\":\"");
	for (int i = 0; i < 256; i++)
		say(fd, lots, sizeof(lots));
}

static void answer(int fd, struct shared *s)
{
	char byte;

	switch (s->manner) {
	case TOKENS_GIVE:
		give(fd, s);
		break;
	case TOKENS_GIVE_ONCE:
		give(fd, s);
		s->manner = TOKENS_GIVE;
		s->text[0] = 0;
		break;
	case TOKENS_REPLY:
		say(fd, s->text, strlen(s->text));
		break;
	case TOKENS_ECHO:
		echo(fd, s);
		break;
	case TOKENS_HANG:
		while (recv(fd, &byte, 1, 0) > 0)
			;
		break;
	case TOKENS_FLOOD:
		flood(fd);
		break;
	}
}

/* Whether a whole request came. */
static bool receive(int fd, char *to)
{
	size_t n = 0;

	for (;;) {
		ssize_t k = recv(fd, to + n, REQUEST_MAX - 1 - n, 0);

		if (k <= 0)
			return false;
		to[n += (size_t)k] = 0;
		const char *body = strstr(to, "\r\n\r\n");
		const char *length = strstr(to, "Content-Length: ");
		if (body && length && n >= (size_t)(body + 4 - to) + strtoul(length + 16, NULL, 10))
			return true;
	}
}

static void serve(int listener, int news, struct shared *s)
{
	for (;;) {
		static char request[REQUEST_MAX];
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		if (receive(fd, request)) {
			memcpy(s->request, request, sizeof(request));
			s->requests++;
			if (write(news, "", 1) != 1)
				_exit(1);
			answer(fd, s);
		}
		shutdown(fd, SHUT_WR);
		close(fd);
	}
}

/* --- the test's side --- */

static int listen_on(unsigned *port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	*port = ntohs(sa.sin_port);
	return fd;
}

void tokens_up(struct tokens *t)
{
	int news[2], listener = listen_on(&t->port);

	assert_int_equal(pipe(news), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* others notice the end of the test by the end of its descriptors */
		dup2(listener, STDIN_FILENO);
		dup2(news[1], STDOUT_FILENO);
		close_range(STDERR_FILENO + 1, ~0u, 0);
		serve(STDIN_FILENO, STDOUT_FILENO, t->shared);
	}
	close(listener);
	close(news[1]);
	t->news = news[0];
}

void tokens_down(struct tokens *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	close(t->news);
	t->pid = 0;
}

struct tokens *tokens_new(const char *prefix)
{
	struct tokens *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->shared = mmap(NULL, sizeof(*t->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(t->shared != MAP_FAILED);
	snprintf(t->shared->prefix, sizeof(t->shared->prefix), "%s", prefix);
	tokens_up(t);
	snprintf(t->url, sizeof(t->url), "http://127.0.0.1:%u/token", t->port);
	return t;
}

void tokens_free(struct tokens *t)
{
	if (t->pid)
		tokens_down(t);
	munmap(t->shared, sizeof(*t->shared));
	free(t);
}

const char *tokens_url(const struct tokens *t)
{
	return t->url;
}

void tokens_do(struct tokens *t, enum tokens_action manner, const char *text)
{
	snprintf(t->shared->text, sizeof(t->shared->text), "%s", text ? text : "");
	t->shared->manner = manner;
}

const char *tokens_await(struct tokens *t)
{
	struct pollfd p = {.fd = t->news, .events = POLLIN};
	char byte;

	if (poll(&p, 1, SCENARIO_DEADLINE_MS) != 1 || read(t->news, &byte, 1) != 1)
		fail_msg("no request came to the token server");
	return t->shared->request;
}

unsigned tokens_count(const struct tokens *t)
{
	return t->shared->requests;
}
