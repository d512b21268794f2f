/*
 * What is put into the store is never lower than a seq that was used in the same epoch: `limit` is raised only when
 * the store has committed the higher one, or together with a new epoch.
 */
#include "upstream/position.h"

#include "base/clock.h"
#include "base/strmap.h"

#include <sys/random.h>

/* 0 or -ENOMEM */
static int put(struct position *p, uint64_t epoch, uint64_t seq, uint64_t *ret_write)
{
	return store_put_position(p->store, hub_server_name(p->server), &(struct store_position){epoch, seq},
				  ret_write);
}

static struct hub_position position_of(const struct position *p)
{
	struct hub_position at;

	hub_server_position(p->server, &at);
	return at;
}

/* Asks the store to commit more numbers of this epoch. Without memory, the next message does it. */
static void ask(struct position *p)
{
	uint64_t next = p->limit + POSITION_STEP;

	if (put(p, position_of(p).epoch, next, &p->write) == 0)
		p->next_limit = next;
}

static void on_commit(void *ctx)
{
	struct position *p = ctx;

	if (!p->write || store_committed(p->store) < p->write)
		return;
	p->limit = p->next_limit;
	p->write = 0;
}

static uint64_t new_epoch(uint64_t old)
{
	uint64_t epoch = 0;

	/* early in boot there may be no random bytes yet; the hash differs between processes */
	if (getrandom(&epoch, sizeof(epoch), GRND_NONBLOCK) != sizeof(epoch)) {
		uint64_t seed = clock_unix_ms() ^ old;

		epoch = strmap_hash(strmap_number(&seed));
	}
	return epoch ? epoch : 1;
}

/* No file has this epoch, so its first numbers need no reservation. */
static void begin_epoch(struct position *p)
{
	struct hub_position at = position_of(p);
	uint64_t epoch = new_epoch(at.epoch), ignored;

	hub_begin_epoch(p->server, epoch);
	p->limit = at.seq + POSITION_STEP;
	p->write = 0;
	put(p, epoch, p->limit, &ignored);
}

void position_init(struct position *p, struct store *store, struct hub_server *server)
{
	struct store_position stored;

	*p = (struct position){.store = store, .server = server};
	if (!store)
		return;
	store_listen(store, &p->listener, on_commit, p);
	if (!store_position(store, hub_server_name(server), &stored)) {
		begin_epoch(p);
		return;
	}
	hub_set_position(server, stored.epoch, stored.seq);
	p->limit = stored.seq;
	ask(p);
}

bool position_reserve(struct position *p)
{
	if (!p->store)
		return false;
	uint64_t seq = position_of(p).seq;
	if (seq + POSITION_STEP / 2 < p->limit)
		return false;
	if (!p->write)
		ask(p);
	if (seq < p->limit)
		return false;
	begin_epoch(p);
	return true;
}

void position_fini(struct position *p)
{
	uint64_t ignored;

	if (!p->store)
		return;
	store_unlisten(&p->listener);
	/* without memory, the reserved numbers are skipped */
	put(p, position_of(p).epoch, position_of(p).seq, &ignored);
	p->store = NULL;
}
