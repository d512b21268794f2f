/*
 * Writes JSON into a buf. Raw JSON text is inserted unchanged. The first error is
 * kept: write on, and check once at the end.
 *
 *     struct json_write w;
 *     json_write_init(&w, buf);
 *     json_object_begin(&w);
 *     json_key(&w, "id"), json_put_u64(&w, 7);
 *     json_key(&w, "data"), json_put_raw(&w, data);
 *     json_object_end(&w);
 *     int r = json_write_done(&w);
 *
 * The only user of yajl_gen. Only the buf allocates: yajl's memory is in the
 * struct, because yajl does not handle a failing malloc.
 */
#ifndef PROTOCOL_JSON_WRITE_H
#define PROTOCOL_JSON_WRITE_H

#include "protocol/buf.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct json_write {
	struct buf *out;
	size_t start;           /* length of out at init; a failure truncates it to this */
	int error;              /* the first failure */
	int depth;              /* arrays and objects open */
	void *gen;              /* yajl_gen, lives in arena */
	size_t arena_used;
	_Alignas(16) char arena[2048];
};

/* Appends to `out`; w must not move until json_write_done. */
void json_write_init(struct json_write *w, struct buf *out);
/*
 * 0, or the first failure: -ENOMEM, -EMSGSIZE, or -EINVAL for a string that is
 * not UTF-8, a key where a value belongs (or the reverse), an empty raw value,
 * a text left unfinished. After a failure `out` is as long as it was at init.
 */
int json_write_done(struct json_write *w);

void json_object_begin(struct json_write *w);
void json_object_end(struct json_write *w);
void json_array_begin(struct json_write *w);
void json_array_end(struct json_write *w);
void json_key(struct json_write *w, const char *key);
void json_put_text(struct json_write *w, struct slice text);
void json_put_str(struct json_write *w, const char *text);
void json_put_u64(struct json_write *w, uint64_t n);
void json_put_i64(struct json_write *w, int64_t n);
void json_put_bool(struct json_write *w, bool b);
void json_put_null(struct json_write *w);
/* `raw` is one complete JSON value, trusted to be valid */
void json_put_raw(struct json_write *w, struct slice raw);

#endif
