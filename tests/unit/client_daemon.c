/*
 * The scripted daemon of client_daemon.h. A script that gets anything unexpected, or
 * waits for a minute, closes everything and reports the step.
 */
#include "tests/unit/client_daemon.h"

#include "tests/unit/testing.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 60

struct daemon {
	const struct daemon_step *script, *step;
	char dir[64];
	char path[80];
	int listener, fd;
	unsigned seq;
	bool may_leave;
	char *said;                 /* of consecutive steps: sent in one piece, so that */
	size_t n_said;              /* the client cannot close in between */
	sem_t go, met;
	pthread_t thread;
	char failure[2048];
};

static bool failed(struct daemon *d, const char *format, ...)
{
	va_list args;
	int n = snprintf(d->failure, sizeof(d->failure), "step %d: ", (int)(d->step - d->script));

	va_start(args, format);
	vsnprintf(d->failure + n, sizeof(d->failure) - (size_t)n, format, args);
	va_end(args);
	return false;
}

static bool wait_sem(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_timedwait(sem, &until))
		if (errno != EINTR)
			return false;
	return true;
}

static char *plain(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; p && *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

/* ---- bytes ------------------------------------------------------------- */

static bool readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, PATIENCE_S * 1000) == 1;
}

static size_t read_all(int fd, char *p, size_t n)
{
	size_t got = 0;

	while (got < n && readable(fd)) {
		ssize_t r = recv(fd, p + got, n - got, 0);

		if (r <= 0)
			break;
		got += (size_t)r;
	}
	return got;
}

static char *hear(struct daemon *d, size_t *ret_n)
{
	unsigned char prefix[4];

	if (read_all(d->fd, (char *)prefix, 4) != 4) {
		failed(d, "silence");
		return NULL;
	}
	size_t n = (size_t)prefix[0] << 24 | (size_t)prefix[1] << 16 | prefix[2] << 8 | prefix[3];
	char *body = malloc(n + 1);
	if (!body || read_all(d->fd, body, n) != n) {
		failed(d, "half a frame");
		free(body);
		return NULL;
	}
	body[n] = '\0';
	*ret_n = n;
	return body;
}

static bool flush(struct daemon *d)
{
	char *p = d->said, *said = d->said;
	size_t n = d->n_said;
	bool ok = true;

	d->said = NULL;
	d->n_said = 0;
	while (n > 0) {
		struct pollfd out = {.fd = d->fd, .events = POLLOUT};
		ssize_t r = poll(&out, 1, PATIENCE_S * 1000) == 1 ?
			send(d->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;

		if (r < 0) {
			ok = (d->may_leave && (errno == EPIPE || errno == ECONNRESET)) ||
			     failed(d, "cannot send: %s", strerror(errno));
			break;
		}
		p += r;
		n -= (size_t)r;
	}
	free(said);
	return ok;
}

static bool put(struct daemon *d, const char *p, size_t n)
{
	char *said = realloc(d->said, d->n_said + n);

	if (!said)
		return failed(d, "no memory");
	memcpy(said + d->n_said, p, n);
	d->said = said;
	d->n_said += n;
	return true;
}

static bool say(struct daemon *d, const char *body, size_t n)
{
	char prefix[4] = {(char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};

	return put(d, prefix, 4) && put(d, body, n);
}

/* ---- steps ------------------------------------------------------------- */

static struct sockaddr_un address(const struct daemon *d)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memcpy(addr.sun_path, d->path, strlen(d->path));
	return addr;
}

static bool listen_there(struct daemon *d)
{
	struct sockaddr_un addr = address(d);

	d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return (d->listener >= 0 && !bind(d->listener, (struct sockaddr *)&addr, sizeof(addr)) &&
		!listen(d->listener, 16)) || failed(d, "cannot listen: %s", strerror(errno));
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool do_accept(struct daemon *d)
{
	close_fd(&d->fd);
	if (readable(d->listener))
		d->fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);
	return d->fd >= 0 || failed(d, "nobody connects");
}

static bool do_accept_all(struct daemon *d)
{
	struct pollfd p = {.fd = d->listener, .events = POLLIN};

	while (poll(&p, 1, 0) == 1) {
		int fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return failed(d, "cannot accept");
		close(fd);
	}
	return true;
}

static bool do_hear(struct daemon *d, const struct daemon_step *s)
{
	size_t n;
	char *body = hear(d, &n), *wanted = s->text ? plain(s->text) : NULL;
	bool ok = body != NULL;

	if (ok && s->what == D_HEAR && !strstr(body, wanted))
		ok = failed(d, "heard %.900s instead of %s", body, wanted);
	if (ok && s->what == D_HEAR_SIZE && n != s->n)
		ok = failed(d, "heard %zu bytes", n);
	free(wanted);
	free(body);
	return ok;
}

static bool do_say_big(struct daemon *d, size_t n)
{
	static const char tail[] = "\"}}";
	char head[128];
	int head_n = snprintf(head, sizeof(head),
			      "{\"op\":\"message\",\"server\":\"demo\",\"seq\":%u,"
			      "\"message\":{\"channel\":\"/big\",\"data\":\"", ++d->seq);
	size_t size = (size_t)head_n + n - 2 + strlen(tail);
	char *body = malloc(size);

	if (!body)
		return failed(d, "no memory");
	memset(body, 'x', size);
	memcpy(body, head, (size_t)head_n);
	memcpy(body + size - strlen(tail), tail, strlen(tail));
	bool ok = say(d, body, size);
	free(body);
	return ok;
}

static bool do_hear_end(struct daemon *d)
{
	char c;

	if (!readable(d->fd) || recv(d->fd, &c, 1, 0) > 0)
		return failed(d, "the other side goes on");
	close_fd(&d->fd);
	return true;
}

static bool do_step(struct daemon *d, const struct daemon_step *s)
{
	char *text;
	bool ok;

	if (s->what != D_SAY && s->what != D_SAY_RAW && s->what != D_SAY_BIG && !flush(d))
		return false;
	switch (s->what) {
	case D_LISTEN: return listen_there(d);
	case D_UNLISTEN: close_fd(&d->listener); return unlink(d->path) == 0;
	case D_ACCEPT: return do_accept(d);
	case D_ACCEPT_ALL: return do_accept_all(d);
	case D_HEAR:
	case D_HEAR_SIZE: return do_hear(d, s);
	case D_SAY:
		text = plain(s->text);
		ok = text && say(d, text, strlen(text));
		free(text);
		return ok;
	case D_SAY_RAW: return put(d, s->text, s->n);
	case D_SAY_BIG: return do_say_big(d, s->n);
	case D_HEAR_END: return do_hear_end(d);
	case D_MAY_LEAVE: d->may_leave = true; return true;
	case D_HANGUP: close_fd(&d->fd); return true;
	case D_WAIT: return wait_sem(&d->go) || failed(d, "the test does not go on");
	case D_MEET: return sem_post(&d->met) == 0;
	case D_END: break;
	}
	return true;
}

static void *play(void *arg)
{
	struct daemon *d = arg;

	for (d->step = d->script; do_step(d, d->step) && d->step->what != D_END; d->step++)
		;
	/* an unread byte would turn the end into a reset: take what is there */
	if (d->failure[0] && d->fd >= 0)
		shutdown(d->fd, SHUT_RDWR);
	return NULL;
}

/* ---- for tests --------------------------------------------------------- */

struct daemon *daemon_start(const struct daemon_step *script)
{
	struct daemon *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	*d = (struct daemon){.script = script, .step = script, .listener = -1, .fd = -1};
	strcpy(d->dir, "/tmp/cometd-bridge-test-XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->path, sizeof(d->path), "%s/sock", d->dir);
	sem_init(&d->go, 0, 0);
	sem_init(&d->met, 0, 0);
	assert_true(listen_there(d));
	assert_int_equal(pthread_create(&d->thread, NULL, play, d), 0);
	return d;
}

const char *daemon_path(const struct daemon *d)
{
	return d->path;
}

int daemon_connect(const struct daemon *d)
{
	struct sockaddr_un addr = address(d);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		close(fd);
		return -1;
	}
	return fd;
}

void daemon_go(struct daemon *d)
{
	sem_post(&d->go);
}

void daemon_await(struct daemon *d)
{
	if (!wait_sem(&d->met))
		fail_msg("the script does not come to the meeting");
}

void daemon_end(struct daemon *d)
{
	char failure[sizeof(d->failure)];

	pthread_join(d->thread, NULL);
	close_fd(&d->fd);
	close_fd(&d->listener);
	free(d->said);
	unlink(d->path);
	rmdir(d->dir);
	sem_destroy(&d->go);
	sem_destroy(&d->met);
	memcpy(failure, d->failure, sizeof(failure));
	free(d);
	if (failure[0])
		fail_msg("the daemon's script: %s", failure);
}
