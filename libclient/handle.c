/*
 * The handle: moves bytes between engine and socket, and runs all callbacks. A
 * handle freed in a callback stays valid until the turn ends. The engine is
 * drained before its bytes move.
 */
#include "libclient/handle.h"

#include "libclient/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define READ_SIZE (64 << 10)
/* reads in one turn: other descriptors of the application must get their turn, too */
#define READS 16

/* in this file: nothing to read, nothing to do */
#define AGAIN 1

/* ---- delivery to the application --------------------------------------- */

static bool full(const struct cometd *c)
{
	return !c->listener && c->kept_bytes >= COMETD_MAX_BACKLOG;
}

static struct kept *pop_kept(struct cometd *c)
{
	struct kept *kept = c->first;

	if (kept) {
		c->first = kept->next;
		c->kept_bytes -= kept->size;
	}
	return kept;
}

static int keep(struct cometd *c, const struct cometd_event *event)
{
	struct kept *kept;

	if (copy_event(event, &kept))
		return COMETD_E_NOMEM;
	if (c->first)
		c->last->next = kept;
	else
		c->first = kept;
	c->last = kept;
	c->kept_bytes += kept->size;
	return 0;
}

static int deliver_event(struct cometd *c, const struct cometd_event *event)
{
	if (!c->listener)
		return keep(c, event);
	c->listener(c, event, c->listener_user);
	return 0;
}

/* events kept for cometd_next() before a listener was set */
static void deliver_kept(struct cometd *c)
{
	struct kept *kept;

	while (c->listener && !c->free_pending && (kept = pop_kept(c))) {
		c->listener(c, &kept->event, c->listener_user);
		free(kept);
	}
}

static void drop(struct cometd *c, uint64_t now, int error)
{
	socket_close(&c->socket);
	engine_disconnected(c->engine, now, error);
}

/* COMETD_E_SYSTEM alone does not name the failure, so the text of errno is added. */
static void drop_failed(struct cometd *c, uint64_t now, int r)
{
	int error = error_of_errno(r);

	if (error == COMETD_E_SYSTEM)
		engine_give_up(c->engine, error, strerror(-r));
	drop(c, now, error);
}

static void deliver_result(struct cometd *c)
{
	if (c->item.sends)
		c->unacknowledged--;
	if (c->item.fn)
		c->item.fn(c, &c->item.result, c->item.user);
	else if (c->item.sends && !c->unreported_error)
		c->unreported_error = c->item.result.error;
}

/* Fills c->item with the next event; delivers results before it. 0, AGAIN, COMETD_E_NOMEM. */
static int next_event(struct cometd *c, uint64_t now)
{
	while (!c->free_pending && !c->item_waits) {
		int r = engine_next(c->engine, now, &c->item);

		if (r == ENGINE_E_IDLE)
			return AGAIN;
		if (r == ENGINE_E_BROKEN)
			drop(c, now, 0);
		else if (r)
			return COMETD_E_NOMEM;
		else if (!c->item.is_result)
			c->item_waits = true;
		else
			deliver_result(c);
	}
	return c->free_pending ? AGAIN : 0;
}

static int drain(struct cometd *c, uint64_t now)
{
	int r = 0;

	deliver_kept(c);
	while (!r && !full(c)) {
		r = next_event(c, now);
		if (!r)
			r = deliver_event(c, &c->item.event);
		if (!r)
			c->item_waits = false;
	}
	if (r == AGAIN)
		return 0;
	return r ? r : COMETD_E_BACKLOG;
}

/* ---- bytes ------------------------------------------------------------- */

static void connect_now(struct cometd *c, uint64_t now)
{
	int r = socket_open(&c->socket, socket_path(c->path));

	c->write_failed = false;
	if (!r)
		r = engine_connected(c->engine, now);
	if (r)
		drop_failed(c, now, r);
}

/*
 * A failed write does not drop the connection: received bytes, with the reason for
 * its end, may still have to be read. Reading then finds the end.
 */
static int flush(struct cometd *c, uint64_t now)
{
	struct slice bytes;
	size_t n;

	while (!c->write_failed) {
		int r = engine_output(c->engine, now, &bytes);

		if (r)
			return COMETD_E_NOMEM;
		if (bytes.n == 0)
			return 0;
		r = socket_write(&c->socket, bytes, &n);
		if (r == SOCKET_E_AGAIN)
			return 0;
		if (r)
			c->write_failed = true;
		else
			engine_written(c->engine, n);
	}
	return 0;
}

static int read_some(struct cometd *c, uint64_t now)
{
	char *p;
	size_t room, n;

	if (engine_room(c->engine, READ_SIZE, &p, &room))
		return COMETD_E_NOMEM;
	int r = socket_read(&c->socket, p, room, &n);
	if (r == SOCKET_E_AGAIN)
		return AGAIN;
	if (r == 0)
		engine_filled(c->engine, n);
	else if (r > 0)
		drop(c, now, COMETD_E_DISCONNECTED);
	else
		drop_failed(c, now, r);
	return 0;
}

/* Moves bytes, once each way; the engine must be drained. 0, AGAIN, COMETD_E_NOMEM. */
static int pump(struct cometd *c, uint64_t now)
{
	int r;

	if (engine_wants_connection(c->engine, now)) {
		connect_now(c, now);
		return 0;
	}
	if (c->socket.fd < 0)
		return AGAIN;
	r = flush(c, now);
	return r ? r : read_some(c, now);
}

/* ---- turns ------------------------------------------------------------- */

static void free_kept(struct cometd *c)
{
	struct kept *kept;

	while ((kept = pop_kept(c)))
		free(kept);
}

static void destroy(struct cometd *c)
{
	struct engine_item item;

	c->free_pending = true;
	c->depth++;
	engine_fail_all(c->engine, COMETD_E_CLOSED);
	while (engine_next_result(c->engine, &item))
		if (item.fn)
			item.fn(c, &item.result, item.user);
	free_kept(c);
	handle_free_given(c);
	socket_fini(&c->socket);
	engine_free(c->engine);
	free(c->path);
	free(c);
}

static void enter(struct cometd *c)
{
	c->depth++;
	engine_tick(c->engine, socket_now());
}

static int leave(struct cometd *c, int r)
{
	c->depth--;
	if (c->free_pending) {
		destroy(c);
		return COMETD_E_CLOSED;
	}
	socket_watch(&c->socket, !full(c), !c->write_failed && engine_has_output(c->engine));
	return r;
}

int handle_turn(struct cometd *c)
{
	uint64_t now = socket_now();

	enter(c);
	int r = drain(c, now);
	for (int i = 0; !r && i < READS && !c->free_pending; i++) {
		r = pump(c, now);
		if (!r)
			r = drain(c, now);
	}
	return leave(c, r == AGAIN ? 0 : r);
}

static int give(struct cometd *c, struct kept *kept, const struct cometd_event **ret)
{
	c->given = kept;
	*ret = &kept->event;
	return 0;
}

int handle_turn_next(struct cometd *c, const struct cometd_event **ret)
{
	uint64_t now = socket_now();
	int r;

	handle_free_given(c);
	if (c->first)
		return give(c, pop_kept(c), ret);
	enter(c);
	/* handle what was read last, too: no later event on the socket would trigger it */
	for (int i = 0; (r = next_event(c, now)) == AGAIN && i < READS && !c->free_pending; i++) {
		r = pump(c, now);
		if (r)
			break;
	}
	if (r == 0) {
		/* its bytes stay until the engine is asked again */
		c->item_waits = false;
		*ret = &c->item.event;
	}
	return leave(c, r == AGAIN ? COMETD_E_TIMEOUT : r);
}

void handle_free_given(struct cometd *c)
{
	free(c->given);
	free(c->result);
	c->given = NULL;
	c->result = NULL;
}

/* ---- life -------------------------------------------------------------- */

int cometd_new(struct cometd **ret)
{
	struct cometd *c = calloc(1, sizeof(*c));
	uint64_t seed;

	if (!c)
		return COMETD_E_NOMEM;
	/* only spreads processes over time, so anything will do when there is no entropy yet */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = socket_now() ^ (uint64_t)getpid() << 32;
	int r = socket_init(&c->socket);
	if (!r)
		r = engine_new(seed, &c->engine);
	if (r) {
		socket_fini(&c->socket);
		free(c);
		return error_of_errno(r);
	}
	engine_set_name(c->engine, program_invocation_short_name);
	*ret = c;
	return 0;
}

void cometd_free(struct cometd *c)
{
	if (!c)
		return;
	if (c->depth)
		c->free_pending = true;
	else
		destroy(c);
}
