/*
 * The members configured for each request of one kind, in addition to those of Bayeux:
 * on the message itself, for servers that do not read them from `ext`. They may contain
 * a credential and are never printed.
 */
#ifndef BAYEUX_FIELDS_H
#define BAYEUX_FIELDS_H

#include "bayeux/ext_fixed.h"

enum { FIELDS_E_RESERVED = 1 };
/*
 * As ext_fixed_set(). FIELDS_E_RESERVED when a member has a name that is used by Bayeux or by another
 * option: *ret_name is a static string with that name; *f is unchanged.
 */
int fields_set(struct ext_fixed *f, struct slice object, const char **ret_name);
/* Appends each with a comma before it; `out` ends in a member. 0 or -errno. */
int fields_write(const struct ext_fixed *f, struct buf *out);

#endif
