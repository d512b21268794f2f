/*
 * Reads the values in a saved session strictly: what is not exactly as it was written is SAVED_E_INVALID, never a
 * guess.
 */
#ifndef BAYEUX_SAVED_H
#define BAYEUX_SAVED_H

#include "protocol/json_read.h"

enum { SAVED_E_INVALID = 1 };

/* An object with exactly these fields; a field may be absent, which the functions below refuse. 0, SAVED_E_INVALID,
   -ENOMEM. So are the results of all others. */
int saved_object(const struct json_value *v, struct json_field *fields, size_t n);
int saved_u64(const struct json_value *v, uint64_t max, uint64_t *ret);
/* whether it is this string, written without escapes */
bool saved_is(const struct json_value *v, const char *text);
int saved_bool(const struct json_value *v, bool *ret);
/* A string of at most `size` - 1 bytes, none of them 0; *ret views `scratch`. */
int saved_text(const struct json_value *v, char *scratch, size_t size, struct slice *ret);
/* Calls `each` for every element of an array, which must be channels or patterns. A result of `each` other than 0
   ends it and is returned. */
int saved_channels(const struct json_value *v, int (*each)(void *ctx, struct slice channel), void *ctx);
/* One of them. */
int saved_channel(const struct json_value *v, char scratch[PROTOCOL_CHANNEL_MAX + 1], struct slice *ret);

#endif
