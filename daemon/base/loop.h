/*
 * The event loop: file descriptors, timers, signals, hooks at the end of a turn, and
 * deferred freeing. The only user of libevent.
 *
 * A turn is one wait and the callbacks that follow. At its end, first the end-of-turn
 * hooks run (output is written once, not once per message), then memory passed to
 * loop_reap() is freed. So a callback may end any object, including its own: it marks
 * and unlinks the object, and passes the memory to loop_reap().
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

#define LOOP_READ 1u
#define LOOP_WRITE 2u
/* Not combined with the others: the socket was closed in both directions, or failed. Called once. */
#define LOOP_HANGUP 4u

/* 0, -ENOMEM, or the errno of epoll. */
int loop_new(struct loop **ret);
/* Everything made with the loop must have been freed. Frees the memory passed to loop_reap(). */
void loop_free(struct loop *loop);
/* Runs turns until loop_stop(); 0, or a negative errno when waiting itself fails. */
int loop_run(struct loop *loop);
/* Runs one turn; waits for an event if `wait`. For tests and for stopping. 0, or a negative errno if waiting
   fails. There may be no event. */
int loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
/* the number of completed turns */
uint64_t loop_turns(const struct loop *loop);
/* milliseconds of CLOCK_BOOTTIME at the beginning of the turn; never goes back */
uint64_t loop_now(const struct loop *loop);

/*
 * Notes that a small request was served: the next one waits for the rest of the turn that it arrives in. For
 * LOOP_INTERACTIVE_MS from then on the loop is interactive, and work that could fill a turn takes a short share.
 */
#define LOOP_INTERACTIVE_MS 100
void loop_note_small_request(struct loop *loop);
bool loop_is_interactive(const struct loop *loop);

/* --- file descriptors --- */
struct loop_watch;
/*
 * Calls fn(ctx, what) while fd is ready for any of `events` (LOOP_READ | LOOP_WRITE;
 * 0 for a pause; or LOOP_HANGUP). A hang-up or error counts as ready for both. The caller still
 * owns the fd, which must be open until the watch is freed.
 */
int loop_watch_new(struct loop *loop, int fd, unsigned events,
		   void (*fn)(void *ctx, unsigned events), void *ctx, struct loop_watch **ret);
/* 0 or a negative errno */
int loop_watch_set(struct loop_watch *w, unsigned events);
/* Accepts NULL. No callback follows, not even in this turn. */
void loop_watch_free(struct loop_watch *w);

/* --- timers --- */
struct loop_timer;
/* 0 or -ENOMEM. Allocates all memory of the timer, so that setting it cannot fail. */
int loop_timer_new(struct loop *loop, void (*fn)(void *ctx), void *ctx, struct loop_timer **ret);
/*
 * Fires once at `when` (in time of loop_now()) or in the first turn after it; replaces the previous time;
 * UINT64_MAX stops the timer. Timers fire after the descriptors of the same turn. If a timer's callback sets a
 * timer to "now", that fires in the next turn, which does not wait: so long work can be continued by a timer,
 * and other callbacks run in between.
 */
void loop_timer_at(struct loop_timer *t, uint64_t when);
void loop_timer_stop(struct loop_timer *t);
/* Accepts NULL. No callback follows. */
void loop_timer_free(struct loop_timer *t);

/* --- signals --- */
struct loop_signal;
/* Calls fn(ctx, signo) in a turn, never from within the signal handler. 0 or a negative errno. Only one loop of a
   process may have signals. */
int loop_signal_new(struct loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx,
		    struct loop_signal **ret);
/* Accepts NULL. Restores the previous disposition of the signal. */
void loop_signal_free(struct loop_signal *s);

/* --- the end of the turn --- */
struct loop_hook {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};
static inline void loop_hook_init(struct loop_hook *h, void (*fn)(void *ctx), void *ctx)
{
	list_init(&h->link);
	h->fn = fn;
	h->ctx = ctx;
}
/* Runs `h` once at the end of this turn, also if this is called several times. A hook added by another hook runs in
   the same turn. Called outside a turn, it runs in the next one. */
void loop_at_end(struct loop *loop, struct loop_hook *h);
/* The same for work that uses up its share of the turn: it runs after all other hooks, so that it does not delay
   output. */
void loop_at_end_last(struct loop *loop, struct loop_hook *h);
/* Cancels the hook; required before its memory is freed. */
static inline void loop_hook_cancel(struct loop_hook *h) { list_remove(&h->link); }

/* --- the reaper --- */
struct loop_corpse {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};
/* Calls fn(ctx), which frees the memory, after the turn. `c` is a member of the freed object; it is passed only
   once and needs no initialisation. */
void loop_reap(struct loop *loop, struct loop_corpse *c, void (*fn)(void *ctx), void *ctx);

#endif
