/*
 * The `ext` configured for one kind of request: a JSON object whose members are sent
 * with each of them. Members of the message's own `ext` and of extensions take
 * precedence. It may contain a credential: it is never printed, and its memory is wiped.
 */
#ifndef BAYEUX_EXT_FIXED_H
#define BAYEUX_EXT_FIXED_H

#include "protocol/buf.h"
#include "protocol/json_read.h"

#define EXT_FIXED_MEMBERS_MAX 32
#define EXT_FIXED_MAX (32u << 10)

struct ext_fixed {
	char *text;             /* the object, followed by the names of its members */
	size_t size;
	size_t n;
	struct json_field members[EXT_FIXED_MEMBERS_MAX];
};

/* Empty; nothing to free. */
void ext_fixed_init(struct ext_fixed *f);
void ext_fixed_fini(struct ext_fixed *f);
/*
 * Stores a copy of `object`; SLICE_NULL for none. 0; -EINVAL when it is not a JSON object, has a
 * key twice or too many keys; -EMSGSIZE when it is too large; -ENOMEM. On failure *f is as it was.
 */
int ext_fixed_set(struct ext_fixed *f, struct slice object);
/*
 * Appends the members whose key is not in `own` (a raw object or SLICE_NULL) and not `taken`,
 * each with a comma in front unless `out` ends in "{". 0 or -errno.
 */
int ext_fixed_write(const struct ext_fixed *f, struct slice own,
		    bool (*taken)(const void *ctx, const char *key), const void *ctx,
		    struct buf *out);

#endif
