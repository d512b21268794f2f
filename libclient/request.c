/*
 * Makes requests, and the lists they wait in. A request is checked when it is made,
 * so it can always be written to the wire: names are UTF-8 and not too long, data
 * and ext are JSON and fit into a frame.
 */
#include "libclient/request.h"

#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <stdlib.h>

/* what the frame needs besides data and ext: keys, numbers, two names written as escapes */
#define FRAME_OVERHEAD 4096
#define JSON_MAX (PROTOCOL_REQUEST_MAX - FRAME_OVERHEAD)

static bool name_ok(struct slice name, size_t max)
{
	return !name.p || (name.n > 0 && name.n <= max && utf8_valid(name));
}

/* 1 to 64 of [A-Za-z0-9._-], as the daemon has it */
static bool consumer_ok(struct slice name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	for (size_t i = 0; i < name.n; i++)
		if (!memchr(allowed, name.p[i], sizeof(allowed) - 1))
			return false;
	return !name.p || (name.n > 0 && name.n <= PROTOCOL_NAME_MAX);
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

/*
 * JSON is checked as a member of an object, as it will be in the frame: any kind of
 * value is valid, text after it is not, and it may nest as deeply as the daemon
 * allows.
 */
static const struct slice before = {"{\"d\":", 5}, after = {"}", 1};

static size_t json_size(struct slice json)
{
	return json.p ? before.n + json.n + after.n : 0;
}

static int check_json(struct slice wrapped, bool only_object)
{
	struct json_field d = {.name = "d"};
	int r = json_read_object_within(wrapped, PROTOCOL_DEPTH_MAX, &d, 1, true, NULL);

	if (r < 0)
		return COMETD_E_NOMEM;
	return r > 0 || (only_object && d.value.kind != JSON_OBJECT) ? COMETD_E_JSON : 0;
}

static int keep_json(char **p, struct slice json, bool only_object, struct slice *ret)
{
	if (!json.p)
		return 0;
	struct slice wrapped = keep(p, before);
	*ret = keep(p, json);
	keep(p, after);
	wrapped.n = json_size(json);
	return check_json(wrapped, only_object);
}

static int fill(struct request *r, const struct request_parts *parts)
{
	char *p = r->mem;

	r->server = keep(&p, parts->server);
	r->channel = keep(&p, parts->channel);
	r->durable = keep(&p, parts->durable);
	r->binary = parts->binary;
	int error = keep_json(&p, parts->data, false, &r->data);
	return error ? error : keep_json(&p, parts->ext, true, &r->ext);
}

int request_new(enum protocol_op op, const struct request_parts *q, struct request **ret)
{
	if (!name_ok(q->server, PROTOCOL_NAME_MAX))
		return COMETD_E_UNKNOWN_SERVER;
	if (!name_ok(q->channel, PROTOCOL_CHANNEL_MAX))
		return COMETD_E_BAD_CHANNEL;
	if (!consumer_ok(q->durable))
		return COMETD_E_INVALID;
	if (q->data.n > JSON_MAX || q->ext.n > JSON_MAX - q->data.n)
		return COMETD_E_TOO_LARGE;

	size_t size = sizeof(struct request) + q->server.n + q->channel.n + q->durable.n + json_size(q->data) +
		      json_size(q->ext);
	struct request *r = malloc(size);
	if (!r)
		return COMETD_E_NOMEM;
	*r = (struct request){.op = op, .size = size};
	int error = fill(r, q);
	if (error) {
		free(r);
		return error;
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

bool request_sends_deadline(const struct request *r)
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
