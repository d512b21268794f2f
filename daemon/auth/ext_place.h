/* Inserts a string into a JSON object at a path of member names. Pure. */
#ifndef AUTH_EXT_PLACE_H
#define AUTH_EXT_PLACE_H

#include "protocol/buf.h"

#include <stdbool.h>

#define EXT_PATH_DEPTH_MAX 8

/* Whether `path` is "name/name/…": at most EXT_PATH_DEPTH_MAX names, none empty, without quotation
   marks, backslashes and control characters. Dots are part of a name: "com.example.auth/token". */
bool ext_path_valid(const char *path);

/*
 * Appends `object`, a raw JSON object or SLICE_NULL for {}, with the string `text` at `path`. Missing
 * members of the path are created, an existing value is replaced, and everything else is copied unchanged.
 * 0; -EINVAL if `object` is not an object, contains a name of the path twice, or has a value of the path that
 * is not an object; -EMSGSIZE; -ENOMEM. On failure `out` is unchanged.
 */
int ext_place(struct slice object, const char *path, struct slice text, struct buf *out);

#endif
