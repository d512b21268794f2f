/*
 * Shows messages to the hooks of external extensions and applies their changes. Only
 * events can be changed or deleted, so that the session always handles the server's own
 * reply. A changed message differs only in the changed members.
 */
#include "bayeux/session_core.h"

#include "protocol/json_read.h"

#include <errno.h>

/* a new value for one member, which may not exist yet */
struct splice {
	const char *name;
	struct slice with;      /* SLICE_NULL: unchanged */
	struct slice at;        /* the old value; SLICE_NULL: the member is added at the end */
	struct slice *ret;      /* set to the value in the new text */
};

/* Appends; cannot exceed the ceiling, because the room was reserved before. */
static int put_value(struct splice *p, struct buf *out)
{
	int r = buf_put(out, p->with);
	struct slice all = buf_slice(out);
	if (r == 0)
		*p->ret = slice_drop(all, all.n - p->with.n);
	return r;
}

static bool is_within(struct slice s, struct slice whole)
{
	return s.p && s.p >= whole.p && s.p + s.n <= whole.p + whole.n;
}

/* Copies a piece of the message but for what is replaced in it. */
static int put_piece(struct slice piece, struct splice *first, struct splice *second,
		     struct buf *out)
{
	int r = 0;
	struct splice *in_order[] = {first, second};
	for (int i = 0; i < 2 && r == 0; i++) {
		struct splice *p = in_order[i];
		if (!p->with.p || !is_within(p->at, piece))
			continue;
		size_t before = (size_t)(p->at.p - piece.p);
		r = buf_put(out, slice_take(piece, before));
		if (r == 0)
			r = put_value(p, out);
		piece = slice_drop(piece, before + p->at.n);
	}
	return r ? r : buf_put(out, piece);
}

/* A new member is inserted before the last brace. */
static int put_absent(struct splice *p, struct buf *out)
{
	if (!p->with.p || p->at.p)
		return 0;
	buf_truncate(out, buf_len(out) - 1);
	int r = buf_printf(out, ",\"%s\":", p->name);
	if (r == 0)
		r = put_value(p, out);
	return r ? r : buf_putc(out, '}');
}

/* finds the values to be replaced; `ext` need not be an object */
static int find_places(struct slice raw, struct splice *data, struct splice *ext)
{
	struct json_field f[] = {{.name = data->name}, {.name = ext->name}};
	int r = json_read_object(raw, f, 2, false, NULL);
	if (r)
		return r < 0 ? r : -EINVAL;
	data->at = f[0].value.kind != JSON_ABSENT ? f[0].value.raw : SLICE_NULL;
	ext->at = f[1].value.kind != JSON_ABSENT ? f[1].value.raw : SLICE_NULL;
	return 0;
}

/* Writes the changed message into `text` and updates *e; `raw` stays the server's text. */
static int rewrite(struct envelope *e, const struct hook_change *change, struct buf *text)
{
	struct splice data = {"data", change->data, SLICE_NULL, &e->data};
	struct splice ext = {"ext", change->ext, SLICE_NULL, &e->ext};
	size_t room = e->raw.n + change->data.n + change->ext.n + 16;
	char *unused;
	int r = find_places(e->raw, &data, &ext);
	buf_fini(text);
	buf_init(text, room);
	/* all at once: the views of it must not move */
	if (r == 0)
		r = buf_room(text, room, &unused);
	bool ext_first = ext.at.p && ext.at.p < data.at.p;
	for (size_t i = 0; i < e->n_pieces && r == 0; i++)
		r = put_piece(e->pieces[i], ext_first ? &ext : &data, ext_first ? &data : &ext,
			      text);
	if (r == 0)
		r = put_absent(&data, text);
	if (r == 0)
		r = put_absent(&ext, text);
	e->pieces[0] = buf_slice(text);
	e->n_pieces = 1;
	return r;
}

static bool kind_of(const struct envelope *e, enum hook_kind *ret)
{
	static const struct {
		struct slice channel;
		enum hook_kind kind;
	} replies[] = {
		{SLICE("/meta/connect"), HOOK_CONNECT},
		{SLICE("/meta/handshake"), HOOK_HANDSHAKE},
		{SLICE("/meta/subscribe"), HOOK_SUBSCRIBE},
		{SLICE("/meta/unsubscribe"), HOOK_UNSUBSCRIBE},
		{SLICE("/meta/disconnect"), HOOK_DISCONNECT},
	};
	if (e->kind == ENVELOPE_EVENT || e->kind == ENVELOPE_REPLY) {
		*ret = e->kind == ENVELOPE_EVENT ? HOOK_EVENT : HOOK_PUBLISH;
		return true;
	}
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++)
		if (slice_eq(e->channel, replies[i].channel)) {
			*ret = replies[i].kind;
			return true;
		}
	return false;
}

int hooks_incoming(struct session *s, const struct envelope **e)
{
	const struct envelope *was = *e;
	struct hook_change change = {SLICE_NULL, SLICE_NULL};
	struct hook_message m = {
		.incoming = true, .channel = was->channel, .subscription = was->subscription,
		.id = was->id, .data = was->data, .ext = was->ext, .text = was->raw,
		.reserved = &s->exts.chain,
	};
	if (!s->o.hooks.see || !kind_of(was, &m.kind))
		return 0;
	m.may_change = m.may_delete = m.kind == HOOK_EVENT;
	int r = s->o.hooks.see(s->o.hooks.ctx, &m, &change);
	if (r != HOOK_CHANGED || !m.may_change)
		return r == HOOK_DELETE && !m.may_delete ? 0 : r;
	s->changed = *was;
	r = rewrite(&s->changed, &change, &s->changed_text);
	if (r == 0)
		*e = &s->changed;
	return r;
}

int hooks_outgoing(struct session *s, struct hook_message *m, const struct ext_fixed *fixed,
		   struct hook_change *ret)
{
	m->may_change = true;
	m->may_delete = m->kind == HOOK_PUBLISH || m->kind == HOOK_SUBSCRIBE;
	m->reserved = &s->exts.chain;
	buf_clear(&s->changed_text);
	int r = 0;
	if (fixed && fixed->n) {
		s->changed_text.max = m->ext.n + EXT_FIXED_MAX + 16;
		r = ext_merge(&s->exts.chain, fixed, m->ext, &s->changed_text);
		m->ext = buf_slice(&s->changed_text);
	}
	if (r == 0)
		r = s->o.hooks.see(s->o.hooks.ctx, m, ret);
	return r == HOOK_DELETE && !m->may_delete ? 0 : r;
}
