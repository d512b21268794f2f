/*
 * What survives a restart: the position and the session of each server, its durable consumers and their messages. It is kept in the database
 * STATE-DIRECTORY/state.db, or, without a state directory, only in memory.
 *
 * The values in memory are the valid ones; the database follows them. A thread writes all changes of a turn in one
 * transaction, so the loop never waits for a disk. While the disk is full, read-only or failing, the daemon goes on
 * with the values in memory; the store tries again after growing pauses, and then writes all values.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/list.h"
#include "base/loop.h"
#include "base/wake.h"
#include "store/entry.h"
#include "store/record.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

enum store_state {
	STORE_MEMORY,           /* there is no state directory */
	STORE_OPENING,
	STORE_READY,
	STORE_FAILING,          /* nothing is written; it is tried again */
};
const char *store_state_name(enum store_state state);

struct store_info {
	enum store_state state;
	const char *directory;  /* NULL: none */
	const char *reason;     /* of STORE_FAILING; otherwise NULL */
	/* why the last database that could not be used was renamed, and its new name; NULL: there was none */
	const char *moved;
	uint64_t moves;         /* how often that happened */
};

/*
 * `directory`: the state directory, or NULL. `changed` is called on the loop when store_info() has changed. Begins to
 * read the database: call store_flush() before the values are needed. 0, -ENOMEM, or a negative errno.
 */
int store_new(struct loop *loop, const char *directory, struct wake changed, struct store **ret);
/*
 * Blocks until the database is open and all changes are committed; at most for `ms`, and not for pauses after a
 * failure. For starting and stopping the daemon. Whether that was reached.
 */
bool store_flush(struct store *s, unsigned ms);
/* Does not wait for changes: call store_flush() before. Accepts NULL. */
void store_free(struct store *s);
/* Whether its values do not survive the process: there is no state directory, or it cannot be written now. */
bool store_is_volatile(const struct store *s);
/* The strings are valid until the next turn. */
void store_info(const struct store *s, struct store_info *ret);

/* ---- values ---- */
/* False if nothing is known of this server. */
bool store_position(const struct store *s, struct slice server, struct store_position *ret);
/* `ret_write`: the number of this change, for store_committed(). 0 or -ENOMEM. */
int store_put_position(struct store *s, struct slice server, const struct store_position *p, uint64_t *ret_write);
/* The snapshot is valid until the next change of it. False: there is none, or the server has given it up. */
bool store_session(const struct store *s, struct slice server, uint64_t unix_ms, struct store_session *ret);
/* `session` is copied; NULL: there is none any more, and it is overwritten on the disk. 0 or -ENOMEM. */
int store_put_session(struct store *s, struct slice server, const struct store_session *session, uint64_t *ret_write);

/* ---- consumers and their messages ---- */
/*
 * They are not kept in the memory of the store: what was put is written with the other changes of the turn, in one
 * transaction and in this order, and then forgotten. 0 or -ENOMEM.
 *
 * After a failure of the disk, what was put since is forgotten, too. When the disk works again, the rewrite listeners
 * are called, and each puts, in that turn, all that it has: first store_clear().
 */
int store_put_message(struct store *s, struct slice server, const struct store_message *m, uint64_t *ret_write);
/* All messages of the server up to this one are deleted. */
int store_trim_messages(struct store *s, struct slice server, uint64_t seq, uint64_t *ret_write);
int store_put_consumer(struct store *s, struct slice server, const struct store_consumer *c, uint64_t *ret_write);
int store_end_consumer(struct store *s, struct slice server, struct slice name, uint64_t *ret_write);
/* All consumers and messages of the server are deleted; not if the database could not be read when the daemon
   started: then they are there when it starts again. */
int store_clear(struct store *s, struct slice server, uint64_t *ret_write);

/* After the start: what the database has of this server, messages by ascending seq. A result of `fn` that is not 0
   ends it and is returned. */
int store_each_consumer(const struct store *s, struct slice server,
			int (*fn)(void *ctx, const struct store_consumer *c), void *ctx);
int store_each_message(const struct store *s, struct slice server,
		       int (*fn)(void *ctx, const struct store_message *m), void *ctx);
/* Frees the memory of what was read of this server. */
void store_release(struct store *s, struct slice server);

/* ---- commits ---- */
/*
 * All changes up to this number are on the disk, or, without a state directory, in memory. Changes are committed in
 * the order in which they were made; of several changes of the same value only the last may be written.
 */
uint64_t store_committed(const struct store *s);
/* Called on the loop when store_committed() has become higher, in the order of store_listen(); or when all must be
   put again. */
struct store_listener {
	struct list link;
	void (*fn)(void *ctx);
	void *ctx;
};
void store_listen(struct store *s, struct store_listener *l, void (*fn)(void *ctx), void *ctx);
void store_listen_rewrite(struct store *s, struct store_listener *l, void (*fn)(void *ctx), void *ctx);
/* Required before its memory is freed. Accepts one that does not listen, if its link is initialised. */
static inline void store_unlisten(struct store_listener *l) { list_remove(&l->link); }

#endif
