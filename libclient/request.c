/*
 * Owns the records of requests and the lists they wait in. Guarantees that a
 * record that exists can be written to the wire: names are UTF-8 and of
 * allowed length, the payload is one JSON value that fits into a frame. Must
 * never know connections or time.
 */
#include "libclient/request.h"

#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <stdlib.h>

/* what the frame needs besides the payload: keys, numbers, two names written as escapes */
#define FRAME_OVERHEAD 4096

static bool name_ok(struct slice name, size_t max)
{
	return !name.p || (name.n > 0 && name.n <= max && utf8_valid(name));
}

/*
 * The payload is checked as the member of an object, which it will be in the
 * frame: so any kind of value will do, nothing can stand behind it, and it may
 * nest as deeply as the daemon allows.
 */
static const struct slice before = {"{\"d\":", 5}, after = {"}", 1};

static int check_payload(struct slice wrapped)
{
	struct json_field d = {.name = "d"};
	int r = json_read_object_within(wrapped, PROTOCOL_DEPTH_MAX, &d, 1, true, NULL);

	if (r < 0)
		return COMETD_E_NOMEM;
	return r > 0 ? COMETD_E_JSON : 0;
}

static struct slice keep(char **p, struct slice s)
{
	struct slice kept = slice_make(*p, s.n);

	if (!s.p)
		return SLICE_NULL;
	memcpy(*p, s.p, s.n);
	*p += s.n;
	return kept;
}

int request_new(enum protocol_op op, struct slice server, struct slice channel, struct slice data,
		struct request **ret)
{
	if (!name_ok(server, PROTOCOL_NAME_MAX) || !name_ok(channel, PROTOCOL_CHANNEL_MAX))
		return COMETD_E_INVALID;
	if (data.n > PROTOCOL_REQUEST_MAX - FRAME_OVERHEAD)
		return COMETD_E_TOO_LARGE;

	size_t size = sizeof(struct request) + server.n + channel.n + before.n + data.n + after.n;
	struct request *r = malloc(size);
	if (!r)
		return COMETD_E_NOMEM;
	char *p = r->mem;

	*r = (struct request){.op = op, .size = size};
	r->server = keep(&p, server);
	r->channel = keep(&p, channel);
	if (data.p) {
		struct slice wrapped = keep(&p, before);

		r->data = keep(&p, data);
		keep(&p, after);
		wrapped.n = before.n + data.n + after.n;
		int error = check_payload(wrapped);
		if (error) {
			free(r);
			return error;
		}
	}
	*ret = r;
	return 0;
}

void request_free(struct request *r)
{
	free(r);
}

bool request_repeatable(const struct request *r)
{
	return r->op != PROTOCOL_OP_PUBLISH && r->op != PROTOCOL_OP_CALL;
}

bool request_tells_deadline(const struct request *r)
{
	return !request_repeatable(r);
}

void request_append(struct request_list *l, struct request *r)
{
	r->next = NULL;
	r->prev = l->last;
	if (l->last)
		l->last->next = r;
	else
		l->first = r;
	l->last = r;
	l->n++;
}

void request_remove(struct request_list *l, struct request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		l->first = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		l->last = r->prev;
	r->prev = r->next = NULL;
	l->n--;
}

void request_prepend_all(struct request_list *to, struct request_list *from)
{
	if (!from->first)
		return;
	from->last->next = to->first;
	if (to->first)
		to->first->prev = from->last;
	else
		to->last = from->last;
	to->first = from->first;
	to->n += from->n;
	*from = (struct request_list){NULL, NULL, 0};
}

struct request *request_find(const struct request_list *l, uint64_t id)
{
	for (struct request *r = l->first; r; r = r->next)
		if (r->id == id)
			return r;
	return NULL;
}
