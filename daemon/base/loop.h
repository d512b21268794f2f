/*
 * The event loop: file descriptors, timers, signals, hooks at the end of a turn, and
 * deferred freeing. The only user of libevent.
 *
 * A turn is one wait and the callbacks that follow. At its end, first the end-of-turn
 * hooks run (output is written once, not once per message), then memory given to
 * loop_reap() is freed. So a callback may end any object, its own included: it marks
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
/* alone: neither, but the other end of a socket hung up both ways, or it failed. Called once. */
#define LOOP_HANGUP 4u

/* 0, -ENOMEM, or what epoll answered. */
int loop_new(struct loop **ret);
/* Everything made with the loop must be freed before; pending reaps are done now. */
void loop_free(struct loop *loop);
/* Runs turns until loop_stop(); 0, or a negative errno when waiting itself fails. */
int loop_run(struct loop *loop);
/* Runs one turn; waits for something to happen when `wait`. For tests and for stopping. 0, or a
   negative errno when waiting itself fails. A turn may also have no event. */
int loop_turn(struct loop *loop, bool wait);
void loop_stop(struct loop *loop);
/* turns completed so far, for a watchdog that wants progress and not mere life */
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
 * 0 for a pause; or LOOP_HANGUP). A hang-up or error counts as ready for both. The fd stays
 * the caller's, and must be open until the watch is freed.
 */
int loop_watch_new(struct loop *loop, int fd, unsigned events,
		   void (*fn)(void *ctx, unsigned events), void *ctx, struct loop_watch **ret);
/* 0 or a negative errno */
int loop_watch_set(struct loop_watch *w, unsigned events);
/* NULL is fine. No callback comes after it, not even in this turn. */
void loop_watch_free(struct loop_watch *w);

/* --- timers --- */
struct loop_timer;
/* 0 or -ENOMEM. All memory a timer needs is taken here, so that setting it cannot fail. */
int loop_timer_new(struct loop *loop, void (*fn)(void *ctx), void *ctx, struct loop_timer **ret);
/*
 * Fires once at `when` (loop_now() time) or in the first turn after it; replaces what was
 * set; UINT64_MAX stops it. Timers run after the descriptors of the same turn. A timer that
 * another timer's callback sets to "now" fires in the next turn, which then does not wait:
 * so a timer is also the way to continue long work and let others run in between.
 */
void loop_timer_at(struct loop_timer *t, uint64_t when);
void loop_timer_stop(struct loop_timer *t);
/* NULL is fine. No callback comes after it. */
void loop_timer_free(struct loop_timer *t);

/* --- signals --- */
struct loop_signal;
/* Calls fn(ctx, signo) in a turn, never inside the handler. 0 or a negative errno. Only one loop
   of a process may have signals. */
int loop_signal_new(struct loop *loop, int signo, void (*fn)(void *ctx, int signo), void *ctx,
		    struct loop_signal **ret);
/* NULL is fine. The signal does again what it did before. */
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
/* Runs h once at the end of this turn, however often it is asked for; a hook asked for by
   another hook runs in the same end. Called outside a turn, it runs in the next. */
void loop_at_end(struct loop *loop, struct loop_hook *h);
/* The same for work that fills its share of the turn: it runs after all other hooks, so that what is
   ready to be written does not wait for it. */
void loop_at_end_last(struct loop *loop, struct loop_hook *h);
/* Cancels the hook; required before its memory is freed. */
static inline void loop_hook_cancel(struct loop_hook *h) { list_remove(&h->link); }

/* --- the reaper --- */
struct loop_corpse {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};
/* fn(ctx) frees the memory after the turn. `c` is a member of the object that is freed; it is passed
   once and needs no initialisation. */
void loop_reap(struct loop *loop, struct loop_corpse *c, void (*fn)(void *ctx), void *ctx);

#endif
