/*
 * Owns the CURLM, a watch for each of its sockets, and its timer. done() runs only
 * after libcurl has returned, because libcurl forbids nearly all calls from within
 * its callbacks.
 */
#include "net/curl_loop.h"

#include "base/errors.h"
#include "base/log.h"
#include "net/curl_memory.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct curl_loop {
	struct loop *loop;
	CURLM *multi;
	struct loop_timer *timer;
	struct list sockets;             /* curl_socket::link */
	struct list starved;             /* transfers whose socket could not be watched */
	size_t n_transfers;
};

/* a socket that libcurl wants watched */
struct curl_socket {
	struct list link;
	struct curl_loop *c;
	struct loop_watch *watch;
	curl_socket_t fd;
};

static struct curl_transfer *transfer_of(CURL *easy)
{
	char *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	return (struct curl_transfer *)(void *)t;
}

/*
 * Calls done() of each ended transfer. An owner may add and remove transfers in it,
 * which changes libcurl's queue of messages, so the queue is read again each time.
 */
static void deliver(struct curl_loop *c)
{
	struct curl_transfer *t;
	CURLMsg *msg;
	int left;

	while ((t = LIST_FIRST(&c->starved, struct curl_transfer, starved))) {
		list_remove(&t->starved);
		t->done(t->ctx, CURLE_OUT_OF_MEMORY);
	}
	while ((msg = curl_multi_info_read(c->multi, &left))) {
		CURLcode result = msg->data.result;

		t = transfer_of(msg->easy_handle);
		t->done(t->ctx, result);
	}
}

static void act(struct curl_loop *c, curl_socket_t fd, int what)
{
	int running;
	CURLMcode r = curl_multi_socket_action(c->multi, fd, what, &running);

	/* a transfer that this affects ends by the deadline of its owner */
	if (r)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"error", slice_of(curl_multi_strerror(r))}),
			"libcurl failed");
	deliver(c);
}

static void on_ready(void *ctx, unsigned events)
{
	struct curl_socket *s = ctx;
	int what = 0;

	if (events & LOOP_READ)
		what |= CURL_CSELECT_IN;
	if (events & LOOP_WRITE)
		what |= CURL_CSELECT_OUT;
	act(s->c, s->fd, what);
}

static void on_timer(void *ctx)
{
	act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

/* CURLMOPT_TIMERFUNCTION */
static int set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct curl_loop *c = ctx;

	(void)multi;
	if (timeout_ms < 0)
		loop_timer_stop(c->timer);
	else
		loop_timer_at(c->timer, loop_now(c->loop) + (uint64_t)timeout_ms);
	return 0;
}

static void socket_free(struct curl_socket *s)
{
	if (!s)
		return;
	list_remove(&s->link);
	loop_watch_free(s->watch);
	free(s);
}
DEFINE_FREEP(curl_socket, socket_free)

static int watch_socket(struct curl_loop *c, curl_socket_t fd, unsigned events)
{
	CLEANUP(curl_socket_freep) struct curl_socket *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	list_init(&s->link);
	s->c = c;
	s->fd = fd;
	r = loop_watch_new(c->loop, fd, events, on_ready, s, &s->watch);
	if (r)
		return r;
	if (curl_multi_assign(c->multi, fd, s))
		return -ENOMEM;
	list_append(&c->sockets, &s->link);
	TAKE(s);
	return 0;
}

/*
 * CURLMOPT_SOCKETFUNCTION. Returning -1 here would abort all transfers of the
 * CURLM, so a watch that cannot be created ends only the transfer that needs it.
 */
static int set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
	struct curl_loop *c = ctx;
	struct curl_socket *s = socket;
	unsigned events = 0;
	int r;

	if (what == CURL_POLL_REMOVE) {
		socket_free(s);
		return 0;
	}
	if (what & CURL_POLL_IN)
		events |= LOOP_READ;
	if (what & CURL_POLL_OUT)
		events |= LOOP_WRITE;
	r = s ? loop_watch_set(s->watch, events) : watch_socket(c, fd, events);
	if (r) {
		struct curl_transfer *t = transfer_of(easy);

		list_remove(&t->starved);
		list_append(&c->starved, &t->starved);
		loop_timer_at(c->timer, loop_now(c->loop));
	}
	return 0;
}

static int setup(struct curl_loop *c)
{
	if (curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, set_socket) ||
	    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) ||
	    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer) ||
	    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c))
		return -EINVAL;
	return loop_timer_new(c->loop, on_timer, c, &c->timer);
}

int curl_loop_new(struct loop *loop, struct curl_loop **ret)
{
	struct curl_loop *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	/* OpenSSL may write to a closed socket, and with CURLOPT_NOSIGNAL libcurl does not block
	   SIGPIPE, which would end the daemon */
	signal(SIGPIPE, SIG_IGN);
	/* libcurl counts these calls itself */
	if (curl_memory_init()) {
		free(c);
		return -ENOMEM;
	}
	c->loop = loop;
	list_init(&c->sockets);
	list_init(&c->starved);
	c->multi = curl_multi_init();
	r = c->multi ? setup(c) : -ENOMEM;
	if (r) {
		curl_loop_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void curl_loop_free(struct curl_loop *c)
{
	if (!c)
		return;
	assert(c->n_transfers == 0);
	/* closes idle connections, and calls set_socket and set_timer for them */
	curl_multi_cleanup(c->multi);
	LIST_EACH_SAFE(s, &c->sockets, struct curl_socket, link)
		socket_free(s);
	loop_timer_free(c->timer);
	curl_global_cleanup();
	free(c);
}

int curl_loop_add(struct curl_loop *c, struct curl_transfer *t)
{
	assert(!t->loop && t->easy);
	if (curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t) ||
	    curl_multi_add_handle(c->multi, t->easy))
		return -ENOMEM;
	t->loop = c;
	c->n_transfers++;
	return 0;
}

void curl_loop_remove(struct curl_transfer *t)
{
	struct curl_loop *c = t->loop;

	if (!c)
		return;
	list_remove(&t->starved);
	curl_multi_remove_handle(c->multi, t->easy);
	/* curl_multi_remove_handle() may have called set_socket(), which adds it to this list */
	list_remove(&t->starved);
	t->loop = NULL;
	c->n_transfers--;
}
