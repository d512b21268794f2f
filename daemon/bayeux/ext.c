/*
 * The chain of extensions of one session. They are called in the same order for
 * incoming and outgoing messages, which is possible because their keys are distinct.
 */
#include "bayeux/ext.h"

void ext_add(struct list *chain, struct ext *x)
{
	list_append(chain, &x->link);
}

void ext_free_all(struct list *chain)
{
	LIST_EACH_SAFE(x, chain, struct ext, link) {
		list_remove(&x->link);
		x->ops->free(x);
	}
}

/* Appends `"key":value`, with a comma if needed; nothing when there is no value. */
static int write_member(struct ext *x, const struct ext_request *request, struct buf *out)
{
	size_t start = buf_len(out);
	const char *comma = buf_slice(out).p[start - 1] == '{' ? "" : ",";
	int r = buf_printf(out, "%s\"%s\":", comma, x->ops->key);
	size_t empty = buf_len(out);
	if (r == 0)
		r = x->ops->outgoing(x, request, out);
	if (r < 0 || buf_len(out) == empty)
		buf_truncate(out, start);
	return r;
}

/* the members of an object, without its braces and outer spaces */
static struct slice members_of(struct slice object)
{
	if (object.n < 2)
		return SLICE_NULL;
	struct slice s = slice_make(object.p + 1, object.n - 2);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

bool ext_has_key(const struct list *chain, const char *key)
{
	LIST_EACH(x, chain, struct ext, link)
		if (strcmp(x->ops->key, key) == 0)
			return true;
	return false;
}

static bool is_key(const void *chain, const char *key)
{
	return ext_has_key(chain, key);
}

/* the object but for its last brace */
static int put_open(const struct list *chain, const struct ext_fixed *fixed, struct slice own,
		    struct buf *out)
{
	int r = buf_putc(out, '{');
	if (r == 0)
		r = buf_put(out, members_of(own));
	return r || !fixed ? r : ext_fixed_write(fixed, own, is_key, chain, out);
}

int ext_merge(const struct list *chain, const struct ext_fixed *fixed, struct slice own,
	      struct buf *out)
{
	size_t start = buf_len(out);
	int r = put_open(chain, fixed, own, out);
	if (r == 0)
		r = buf_putc(out, '}');
	if (r)
		buf_truncate(out, start);
	return r;
}

int ext_write(const struct list *chain, const struct ext_fixed *fixed,
	      const struct ext_request *request, struct slice own, struct buf *out)
{
	static const char opening[] = ",\"ext\":";
	size_t start = buf_len(out);
	int r = buf_put_str(out, opening);
	if (r == 0)
		r = put_open(chain, fixed, own, out);
	LIST_EACH(x, chain, struct ext, link)
		if (r == 0)
			r = write_member(x, request, out);
	bool nothing = !own.p && buf_len(out) == start + sizeof(opening);
	if (r == 0 && !nothing)
		r = buf_putc(out, '}');
	if (r || nothing)
		buf_truncate(out, start);
	return r;
}

int ext_look(const struct list *chain, enum ext_moment moment, const struct envelope *e,
	     struct ext_time at)
{
	int r = 0;
	LIST_EACH(x, chain, struct ext, link)
		if (r == 0 && x->ops->incoming)
			r = x->ops->incoming(x, moment, e, at);
	return r;
}

void ext_accepted(const struct list *chain, enum ext_moment moment, const struct envelope *e)
{
	LIST_EACH(x, chain, struct ext, link)
		if (x->ops->accepted)
			x->ops->accepted(x, moment, e);
}

int ext_incoming(const struct list *chain, enum ext_moment moment, const struct envelope *e,
		 struct ext_time at)
{
	int r = ext_look(chain, moment, e, at);
	if (r >= 0)
		ext_accepted(chain, moment, e);
	return r;
}

void ext_text(const struct list *chain, uint64_t number)
{
	LIST_EACH(x, chain, struct ext, link)
		if (x->ops->text)
			x->ops->text(x, number);
}

void ext_settled(const struct list *chain)
{
	LIST_EACH(x, chain, struct ext, link)
		if (x->ops->settled)
			x->ops->settled(x);
}
