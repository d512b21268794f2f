/*
 * The text of a configured `ext` and the list of its members. No key is sent twice,
 * because servers differ in which one they use.
 */
#include "bayeux/ext_fixed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ext_fixed_init(struct ext_fixed *f)
{
	*f = (struct ext_fixed){0};
}

void ext_fixed_fini(struct ext_fixed *f)
{
	if (f->text)
		explicit_bzero(f->text, f->size);
	free(f->text);
	ext_fixed_init(f);
}

/* Decodes the name of a member into *at, and advances *at past its NUL. 0, -EINVAL, -ENOMEM. */
static int take_name(struct ext_fixed *f, struct slice key, char **at)
{
	/* json_read views a key without its quotation marks; they are the bytes around it */
	const struct json_value value = {JSON_STRING, {key.p - 1, key.n + 2}};
	struct buf scratch;
	struct slice name;
	buf_init(&scratch, EXT_FIXED_MAX);
	int r = json_text(&value, &scratch, &name);
	if (r == 0 && memchr(name.p, 0, name.n))
		r = -EINVAL;
	if (r == 0) {
		memcpy(*at, name.p, name.n);
		f->members[f->n++] = (struct json_field){.name = *at};
		*at += name.n;
		*(*at)++ = '\0';
	}
	buf_fini(&scratch);
	return r;
}

/* Each walk finds one more name; a configuration has few of them. */
static int find_members(struct ext_fixed *f, struct slice object, char *names)
{
	for (;;) {
		struct slice key;
		int r = json_read_object(object, f->members, f->n, true, &key);
		if (r <= 0)
			return r;
		if (r != JSON_E_UNKNOWN || f->n == EXT_FIXED_MEMBERS_MAX)
			return -EINVAL;
		r = take_name(f, key, &names);
		if (r)
			return r < 0 ? r : -EINVAL;
	}
}

int ext_fixed_set(struct ext_fixed *f, struct slice object)
{
	struct ext_fixed fresh = {0};
	if (object.n > EXT_FIXED_MAX)
		return -EMSGSIZE;
	if (object.p) {
		/* a decoded name with its NUL is no longer than the key with its quotation marks */
		fresh.size = 2 * object.n;
		fresh.text = calloc(1, fresh.size + 1);
		if (!fresh.text)
			return -ENOMEM;
		memcpy(fresh.text, object.p, object.n);
		int r = find_members(&fresh, slice_make(fresh.text, object.n),
				     fresh.text + object.n);
		if (r) {
			ext_fixed_fini(&fresh);
			return r;
		}
	}
	ext_fixed_fini(f);
	*f = fresh;
	return 0;
}

static int write_member(const struct json_field *member, struct buf *out)
{
	struct slice before = buf_slice(out);
	int r = before.n && before.p[before.n - 1] == '{' ? 0 : buf_putc(out, ',');
	return r ? r : buf_put(out, member->member);
}

int ext_fixed_write(const struct ext_fixed *f, struct slice own,
		    bool (*taken)(const void *ctx, const char *key), const void *ctx,
		    struct buf *out)
{
	struct json_field theirs[EXT_FIXED_MEMBERS_MAX];
	if (f->n == 0)
		return 0;
	memcpy(theirs, f->members, f->n * sizeof(theirs[0]));
	int r = own.p ? json_read_object(own, theirs, f->n, false, NULL) : 0;
	for (size_t i = 0; r >= 0 && i < f->n; i++) {
		if ((own.p && theirs[i].value.kind != JSON_ABSENT) ||
		    taken(ctx, f->members[i].name))
			continue;
		r = write_member(&f->members[i], out);
	}
	return r < 0 ? r : 0;
}
