/*
 * The members that somebody configured to go out with each request of one kind,
 * beside those of Bayeux: on the message itself, where `ext` would be the place
 * for most servers, but not for all. They may hold a credential: nobody prints
 * them.
 */
#ifndef BAYEUX_FIELDS_H
#define BAYEUX_FIELDS_H

#include "bayeux/ext_fixed.h"

enum { FIELDS_E_RESERVED = 1 };
/*
 * As ext_fixed_set(). FIELDS_E_RESERVED when a member has a name that Bayeux or an option of ours
 * gives a meaning: *ret_name is it, for good; *f is as it was.
 */
int fields_set(struct ext_fixed *f, struct slice object, const char **ret_name);
/* Appends each with a comma in front; `out` ends in a member. 0 or -errno. */
int fields_write(const struct ext_fixed *f, struct buf *out);

#endif
