/*
 * Owns the number of the last batch whose events were all handed over, and how
 * many events were handed over since. Guarantees that it never acknowledges a
 * batch the server did not name itself (one number too high and the server
 * deletes what we never saw), and that an event which the server repeats after
 * a lost connect is not handed over twice: repeats come in the same order, so
 * counting suffices. Must never know what a connect is for.
 */
#include "bayeux/ext_ack.h"

#include "protocol/json_read.h"

#include <errno.h>
#include <stdlib.h>

struct batch_number {
	char digits[24];        /* as the server wrote it; "" for none */
};

struct ext_ack {
	struct ext ext;
	bool on;
	struct batch_number done;      /* what the next connect acknowledges */
	/* becomes done when the text, or the awaited events, are through */
	struct batch_number coming;
	/* events that belong to the handshake's batch and are still to come */
	uint64_t awaited;
	uint64_t received;      /* events handed over since done */
	uint64_t skip;          /* of the coming events, how many are repeats */
};

static struct ext_ack *ack_of(struct ext *x)
{
	return LIST_OF(x, struct ext_ack, ext);
}

bool ext_ack_in_effect(const struct ext *x)
{
	return LIST_OF(x, const struct ext_ack, ext)->on;
}

static void restart(struct ext_ack *a)
{
	a->on = false;
	a->done = (struct batch_number){"0"};
	a->coming = (struct batch_number){""};
	a->awaited = a->received = a->skip = 0;
}

static int outgoing(struct ext *x, const struct ext_request *request, struct buf *out)
{
	struct ext_ack *a = ack_of(x);
	if (request->kind == REQUEST_HANDSHAKE) {
		restart(a);
		return buf_put_str(out, "true");
	}
	if (request->kind != REQUEST_CONNECT || !a->on)
		return 0;
	if (a->awaited > 0) {
		/* the handshake's events did not all come: have them again, skip those that did */
		a->awaited = 0;
		a->coming = (struct batch_number){""};
		a->skip = a->received;
	}
	return buf_put_str(out, a->done.digits);
}

static bool number_of(const struct json_value *v, struct batch_number *ret)
{
	if (v->kind != JSON_NUMBER || v->raw.n >= sizeof(ret->digits))
		return false;
	*ret = (struct batch_number){""};
	memcpy(ret->digits, v->raw.p, v->raw.n);
	return true;
}

/* true, or {"enabled":true,"batch":N} when events come along with the handshake */
static int handshake_reply(struct ext_ack *a, const struct envelope *e)
{
	struct json_field f[] = {{.name = "enabled"}, {.name = "batch"}};
	struct json_value v;
	int r = json_read_member(e->ext, "ack", &v);
	if (r == 0 && v.kind == JSON_OBJECT)
		r = json_read_object(v.raw, f, 2, false, NULL);
	if (r < 0)
		return r;
	restart(a);
	a->on = v.kind == JSON_TRUE || (r == 0 && f[0].value.kind == JSON_TRUE);
	if (a->on && number_of(&f[1].value, &a->coming))
		a->awaited = e->x_messages;
	return 0;
}

static int connect_reply(struct ext_ack *a, const struct envelope *e)
{
	struct json_value v;
	int r = json_read_member(e->ext, "ack", &v);
	if (r < 0)
		return r;
	if (!number_of(&v, &a->coming))
		/* the server lost count: better a repeat than a skip that hides a message */
		a->received = a->skip = 0;
	return 0;
}

static int incoming(struct ext *x, enum ext_moment moment, const struct envelope *e,
		    struct ext_time at)
{
	struct ext_ack *a = ack_of(x);
	(void)at;
	if (moment == EXT_HANDSHAKE_REPLY)
		return handshake_reply(a, e);
	if (a->on && moment == EXT_CONNECT_REPLY)
		return connect_reply(a, e);
	return a->on && moment == EXT_EVENT && a->skip > 0 ? EXT_DROP : 0;
}

static void count_event(struct ext_ack *a)
{
	if (a->awaited > 0)
		a->awaited--;
	if (a->skip > 0)
		a->skip--;
	else
		a->received++;
}

static void taken(struct ext *x, enum ext_moment moment, const struct envelope *e)
{
	struct ext_ack *a = ack_of(x);
	(void)e;
	if (a->on && moment == EXT_EVENT)
		count_event(a);
	/* its events came; its number does not count, so the server sends them again */
	else if (a->on && moment == EXT_STALE_REPLY)
		a->skip = a->received;
}

static void lost(struct ext *x)
{
	struct ext_ack *a = ack_of(x);
	/* a number that came with a text which was not looked through is worth nothing */
	a->coming = (struct batch_number){""};
	a->awaited = 0;
	a->skip = a->received;
}

static void settled(struct ext *x)
{
	struct ext_ack *a = ack_of(x);
	if (!a->coming.digits[0] || a->awaited > 0)
		return;
	a->done = a->coming;
	a->coming = (struct batch_number){""};
	a->received = a->skip = 0;
}

static void ack_free(struct ext *x)
{
	free(ack_of(x));
}

static const struct ext_ops ops = {
	.key = "ack", .outgoing = outgoing, .incoming = incoming, .taken = taken,
	.lost = lost, .settled = settled, .free = ack_free,
};

int ext_ack_new(struct ext **ret)
{
	struct ext_ack *a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->ext.ops = &ops;
	list_init(&a->ext.link);
	restart(a);
	*ret = &a->ext;
	return 0;
}
