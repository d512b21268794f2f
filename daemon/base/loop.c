/*
 * The event loop: waits, runs callbacks of descriptors, timers and signals, then the
 * hooks at the end of the turn, then frees. A callback may free any watch, timer or
 * signal, including its own; none is called after it was freed. The only user of
 * libevent.
 *
 * libevent's clock stops while the machine is suspended, but a session that expired
 * during that time must be noticed at once. So the timers are in a separate heap, and
 * a timerfd of CLOCK_BOOTTIME, which fires on resume, wakes the loop for the earliest.
 */
#include "base/loop.h"

#include "base/clock.h"
#include "base/errors.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NEVER UINT64_MAX
#define NOT_IN_HEAP SIZE_MAX

struct loop {
	struct event_base *base;
	struct event timerfd_event;
	int timerfd;
	uint64_t armed;                 /* the time that the timerfd is set to */
	uint64_t now;
	uint64_t turns;
	bool now_is_fresh;              /* read since the wait of this turn */
	bool stopped;
	uint64_t interactive_until;     /* loop time */
	struct loop_timer **heap;       /* by time; has room for all timers */
	size_t n_heap, heap_room;
	size_t n_timers;
	struct list due;                /* timers taken from the heap, about to fire */
	struct list hooks;
	struct list last_hooks;         /* run when `hooks` is empty */
	struct list corpses;
};

struct loop_watch {
	struct loop *loop;
	struct event event;
	int fd;
	unsigned events;
	void (*fn)(void *ctx, unsigned events);
	void *ctx;
};

struct loop_timer {
	struct loop *loop;
	uint64_t when;
	size_t at;                      /* place in the heap, or NOT_IN_HEAP */
	struct list due;
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop_signal {
	struct loop *loop;
	struct event event;
	void (*fn)(void *ctx, int signo);
	void *ctx;
};

/* libevent would print errors to stderr; its results are sufficient */
static void swallow(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

/* the error to return when libevent returns -1; it does not always set errno */
static int event_error(void)
{
	return errno ? -errno : -EIO;
}

/* The first callback of a turn reads the clock; all callbacks of that turn use the same time. */
static void refresh_now(struct loop *loop)
{
	uint64_t now;

	if (loop->now_is_fresh)
		return;
	loop->now_is_fresh = true;
	now = clock_boot_ms();
	if (now > loop->now)
		loop->now = now;
}

/* --- the heap of timers --- */

static void heap_place(struct loop *loop, size_t at, struct loop_timer *t)
{
	loop->heap[at] = t;
	t->at = at;
}

static void heap_up(struct loop *loop, size_t at)
{
	struct loop_timer *t = loop->heap[at];

	while (at > 0 && loop->heap[(at - 1) / 2]->when > t->when) {
		heap_place(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_place(loop, at, t);
}

static void heap_down(struct loop *loop, size_t at)
{
	struct loop_timer *t = loop->heap[at];
	size_t child;

	while ((child = at * 2 + 1) < loop->n_heap) {
		if (child + 1 < loop->n_heap &&
		    loop->heap[child + 1]->when < loop->heap[child]->when)
			child++;
		if (loop->heap[child]->when >= t->when)
			break;
		heap_place(loop, at, loop->heap[child]);
		at = child;
	}
	heap_place(loop, at, t);
}

static void heap_remove(struct loop_timer *t)
{
	struct loop *loop = t->loop;
	size_t at = t->at;
	struct loop_timer *last;

	if (at == NOT_IN_HEAP)
		return;
	t->at = NOT_IN_HEAP;
	last = loop->heap[--loop->n_heap];
	if (last == t)
		return;
	heap_place(loop, at, last);
	heap_up(loop, at);
	heap_down(loop, last->at);
}

static void heap_insert(struct loop_timer *t)
{
	assert(t->loop->n_heap < t->loop->heap_room);
	heap_place(t->loop, t->loop->n_heap++, t);
	heap_up(t->loop, t->at);
}

/* Reserves the place of a new timer, because setting it must not fail. */
static int heap_reserve(struct loop *loop, size_t n)
{
	size_t room = loop->heap_room ? loop->heap_room * 2 : 16;
	struct loop_timer **heap;

	if (n <= loop->heap_room)
		return 0;
	heap = realloc(loop->heap, room * sizeof(struct loop_timer *));
	if (!heap)
		return -ENOMEM;
	loop->heap = heap;
	loop->heap_room = room;
	return 0;
}

/* --- life --- */

static void on_timerfd(evutil_socket_t fd, short what, void *ctx)
{
	struct loop *loop = ctx;
	uint64_t expirations;

	(void)what;
	refresh_now(loop);
	if (read(fd, &expirations, sizeof(expirations)) == (ssize_t)sizeof(expirations))
		loop->armed = NEVER;
}

static int new_base(struct event_base **ret)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return -ENOMEM;
	/* there is one thread, and libevent's time is not used */
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
	errno = 0;
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (!base)
		return errno ? -errno : -ENOMEM;
	*ret = base;
	return 0;
}

static int open_timerfd(struct loop *loop)
{
	loop->timerfd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timerfd < 0)
		return -errno;
	event_assign(&loop->timerfd_event, loop->base, loop->timerfd, EV_READ | EV_PERSIST,
		     on_timerfd, loop);
	errno = 0;
	return event_add(&loop->timerfd_event, NULL) ? event_error() : 0;
}

DEFINE_FREEP(loop, loop_free)

int loop_new(struct loop **ret)
{
	CLEANUP(loop_freep) struct loop *loop = calloc(1, sizeof(*loop));
	int r;

	if (!loop)
		return -ENOMEM;
	event_set_log_callback(swallow);
	loop->timerfd = -1;
	loop->armed = NEVER;
	list_init(&loop->due);
	list_init(&loop->hooks);
	list_init(&loop->last_hooks);
	list_init(&loop->corpses);
	loop->now = clock_boot_ms();
	r = new_base(&loop->base);
	if (r)
		return r;
	r = open_timerfd(loop);
	if (r)
		return r;
	*ret = TAKE(loop);
	return 0;
}

static void free_corpses(struct loop *loop)
{
	struct loop_corpse *c;

	while ((c = LIST_FIRST(&loop->corpses, struct loop_corpse, link))) {
		list_remove(&c->link);
		c->fn(c->ctx);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	free_corpses(loop);
	assert(loop->n_timers == 0);
	if (loop->timerfd >= 0) {
		event_del(&loop->timerfd_event);
		close(loop->timerfd);
	}
	if (loop->base)
		event_base_free(loop->base);
	free(loop->heap);
	free(loop);
}

/* --- the turn --- */

/* Called once per turn instead of each time a timer is set: most timers are set many times before they fire. */
static int arm_timerfd(struct loop *loop)
{
	uint64_t when = loop->n_heap ? loop->heap[0]->when : NEVER;
	struct itimerspec at = {0};

	if (when == loop->armed)
		return 0;
	if (when != NEVER) {
		at.it_value.tv_sec = (time_t)(when / 1000);
		at.it_value.tv_nsec = (long)(when % 1000) * 1000000;
		/* all zero would disarm the timerfd */
		if (when == 0)
			at.it_value.tv_nsec = 1;
	}
	if (timerfd_settime(loop->timerfd, TFD_TIMER_ABSTIME, &at, NULL))
		return -errno;
	loop->armed = when;
	return 0;
}

/*
 * Removes all due timers from the heap before it fires any: so a timer that a callback
 * sets to "now" fires in the next turn and cannot prolong this one for ever.
 */
static void fire_timers(struct loop *loop)
{
	struct loop_timer *t;

	while (loop->n_heap && loop->heap[0]->when <= loop->now) {
		t = loop->heap[0];
		heap_remove(t);
		list_append(&loop->due, &t->due);
	}
	while ((t = LIST_FIRST(&loop->due, struct loop_timer, due))) {
		list_remove(&t->due);
		t->fn(t->ctx);
	}
}

static struct loop_hook *next_hook(struct loop *loop)
{
	struct list *list = list_empty(&loop->hooks) ? &loop->last_hooks : &loop->hooks;

	return LIST_FIRST(list, struct loop_hook, link);
}

static void run_hooks(struct loop *loop)
{
	struct loop_hook *h;

	while ((h = next_hook(loop))) {
		list_remove(&h->link);
		h->fn(h->ctx);
	}
}

static bool must_not_wait(const struct loop *loop)
{
	return !list_empty(&loop->hooks) || !list_empty(&loop->last_hooks) ||
	       !list_empty(&loop->corpses) ||
	       (loop->n_heap && loop->heap[0]->when <= loop->now);
}

int loop_turn(struct loop *loop, bool wait)
{
	int flags = EVLOOP_ONCE | (wait && !must_not_wait(loop) ? 0 : EVLOOP_NONBLOCK);
	int r = arm_timerfd(loop);

	if (r)
		return r;
	loop->now_is_fresh = false;
	errno = 0;
	if (event_base_loop(loop->base, flags) < 0)
		return event_error();
	refresh_now(loop);
	/* after the descriptors, so that data that arrived in time is handled before its deadline */
	fire_timers(loop);
	run_hooks(loop);
	free_corpses(loop);
	loop->turns++;
	return 0;
}

int loop_run(struct loop *loop)
{
	int r = 0;

	loop->stopped = false;
	while (!loop->stopped && r == 0)
		r = loop_turn(loop, true);
	return r;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

uint64_t loop_turns(const struct loop *loop)
{
	return loop->turns;
}

uint64_t loop_now(const struct loop *loop)
{
	return loop->now;
}

void loop_note_small_request(struct loop *loop)
{
	loop->interactive_until = loop->now + LOOP_INTERACTIVE_MS;
}

bool loop_is_interactive(const struct loop *loop)
{
	return loop->now < loop->interactive_until;
}

/* --- file descriptors --- */

static bool hung_up(int fd)
{
	struct pollfd pfd = {.fd = fd};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_watch *w = ctx;

	refresh_now(w->loop);
	if (w->events == LOOP_HANGUP) {
		if (hung_up(fd))
			w->fn(w->ctx, LOOP_HANGUP);
		return;
	}
	w->fn(w->ctx, (what & EV_READ ? LOOP_READ : 0) | (what & EV_WRITE ? LOOP_WRITE : 0));
}

int loop_watch_new(struct loop *loop, int fd, unsigned events,
		   void (*fn)(void *ctx, unsigned events), void *ctx, struct loop_watch **ret)
{
	struct loop_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->fd = fd;
	w->fn = fn;
	w->ctx = ctx;
	r = loop_watch_set(w, events);
	if (r) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int loop_watch_set(struct loop_watch *w, unsigned events)
{
	short what = EV_PERSIST;

	if (events == w->events)
		return 0;
	if (w->events)
		event_del(&w->event);
	w->events = 0;
	if (!events)
		return 0;
	if (events == LOOP_HANGUP)
		/* edge-triggered: otherwise unread input would keep it ready all the time */
		what |= EV_READ | EV_ET;
	what |= events & LOOP_READ ? EV_READ : 0;
	what |= events & LOOP_WRITE ? EV_WRITE : 0;
	event_assign(&w->event, w->loop->base, w->fd, what, on_ready, w);
	errno = 0;
	if (event_add(&w->event, NULL))
		return event_error();
	w->events = events;
	return 0;
}

void loop_watch_free(struct loop_watch *w)
{
	if (!w)
		return;
	loop_watch_set(w, 0);
	free(w);
}

/* --- timers --- */

int loop_timer_new(struct loop *loop, void (*fn)(void *ctx), void *ctx, struct loop_timer **ret)
{
	struct loop_timer *t;

	if (heap_reserve(loop, loop->n_timers + 1))
		return -ENOMEM;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->at = NOT_IN_HEAP;
	list_init(&t->due);
	t->fn = fn;
	t->ctx = ctx;
	loop->n_timers++;
	*ret = t;
	return 0;
}

void loop_timer_at(struct loop_timer *t, uint64_t when)
{
	loop_timer_stop(t);
	if (when == NEVER)
		return;
	t->when = when;
	heap_insert(t);
}

void loop_timer_stop(struct loop_timer *t)
{
	heap_remove(t);
	list_remove(&t->due);
}

void loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	loop_timer_stop(t);
	t->loop->n_timers--;
	free(t);
}

/* --- signals --- */

static void on_signal(evutil_socket_t signo, short what, void *ctx)
{
	struct loop_signal *s = ctx;

	(void)what;
	refresh_now(s->loop);
	s->fn(s->ctx, (int)signo);
}

int loop_signal_new(struct loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx,
		    struct loop_signal **ret)
{
	struct loop_signal *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->fn = fn;
	s->ctx = ctx;
	event_assign(&s->event, loop->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
	errno = 0;
	if (event_add(&s->event, NULL)) {
		r = event_error();
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void loop_signal_free(struct loop_signal *s)
{
	if (!s)
		return;
	event_del(&s->event);
	free(s);
}

/* --- the end of the turn, and the reaper --- */

void loop_at_end(struct loop *loop, struct loop_hook *h)
{
	if (!list_linked(&h->link))
		list_append(&loop->hooks, &h->link);
}

void loop_at_end_last(struct loop *loop, struct loop_hook *h)
{
	if (!list_linked(&h->link))
		list_append(&loop->last_hooks, &h->link);
}

void loop_reap(struct loop *loop, struct loop_corpse *c, void (*fn)(void *ctx), void *ctx)
{
	c->fn = fn;
	c->ctx = ctx;
	list_append(&loop->corpses, &c->link);
}
