/* Everything that is not on the path is copied byte for byte. */
#include "auth/ext_place.h"

#include "protocol/json_read.h"
#include "protocol/json_write.h"

#include <errno.h>

bool ext_path_valid(const char *path)
{
	unsigned depth = 1;

	for (const char *p = path; *p; p++) {
		if (*p == '/' && (p == path || p[1] == '/' || !p[1] || ++depth > EXT_PATH_DEPTH_MAX))
			return false;
		if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20)
			return false;
	}
	return *path != 0;
}

static int put_text(struct slice text, struct buf *out)
{
	struct json_write w;

	json_write_init(&w, out);
	json_put_text(&w, text);
	return json_write_done(&w);
}

/* Appends the part of the object before the member, with a comma if needed; *rest is the part after it. */
static int put_front(struct slice object, const struct json_field *member, struct buf *out,
		     struct slice *rest)
{
	const char *end = memrchr(object.p, '}', object.n);
	struct slice front;

	if (member->value.kind != JSON_ABSENT) {
		front = slice_take(object, (size_t)(member->member.p - object.p));
		*rest = slice_drop(object, front.n + member->member.n);
		return buf_put(out, front);
	}
	front = slice_take(object, (size_t)(end - object.p));
	*rest = slice_drop(object, front.n);
	while (front.n && strchr(" \t\r\n", front.p[front.n - 1]))
		front.n--;
	int r = buf_put(out, front);
	struct slice so_far = buf_slice(out);
	bool first = so_far.n && so_far.p[so_far.n - 1] == '{';
	return r || first ? r : buf_putc(out, ',');
}

static int place(struct slice object, const char *path, struct slice text, struct buf *out)
{
	size_t n = strcspn(path, "/");
	struct json_field member = {.name = path, .name_len = n};
	struct slice rest;
	int r = json_read_object(object, &member, 1, false, NULL);

	if (r)
		return r < 0 ? r : -EINVAL;
	bool is_object = member.value.kind == JSON_OBJECT;
	if (path[n] && member.value.kind != JSON_ABSENT && !is_object)
		return -EINVAL;
	r = put_front(object, &member, out, &rest);
	if (!r)
		r = buf_printf(out, "\"%.*s\":", (int)n, path);
	if (!r && path[n])
		r = place(is_object ? member.value.raw : SLICE("{}"), path + n + 1, text, out);
	else if (!r)
		r = put_text(text, out);
	return r ? r : buf_put(out, rest);
}

int ext_place(struct slice object, const char *path, struct slice text, struct buf *out)
{
	size_t before = buf_len(out);
	int r = place(object.p ? object : SLICE("{}"), path, text, out);

	if (r)
		buf_truncate(out, before);
	return r;
}
