/* Putting one text into a JSON object, at a path of member names. Pure. */
#ifndef AUTH_EXT_PLACE_H
#define AUTH_EXT_PLACE_H

#include "protocol/buf.h"

#include <stdbool.h>

#define EXT_PATH_DEPTH_MAX 8

/* Whether `path` is "name/name/…": at most EXT_PATH_DEPTH_MAX names, none empty, without quotation
   marks, backslashes and control characters. Dots are part of a name: "com.example.auth/token". */
bool ext_path_valid(const char *path);

/*
 * Appends `object`, a raw JSON object or SLICE_NULL for {}, with the string `text` at `path`; members
 * that are missing on the way are made, what stood there before is replaced, all else stays as it was
 * written. 0; -EINVAL when `object` is none, says a name on the path twice, or has something else than
 * an object on the way; -EMSGSIZE; -ENOMEM. On failure `out` is as it was.
 */
int ext_place(struct slice object, const char *path, struct slice text, struct buf *out);

#endif
