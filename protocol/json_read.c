/*
 * Reads JSON in one pass of yajl and returns views of the requested values.
 * Results count only when the whole text is valid: strict UTF-8, one JSON value,
 * limited depth, no wanted key twice.
 *
 * yajl does not report the positions of values. They follow from how much it
 * has consumed when it calls back: a value begins at the first byte after the
 * last key, bracket or value that is not blank, colon or comma, and ends at
 * yajl's position when it reports the value.
 */
#include "protocol/json_read.h"
#include "protocol/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

const char *json_fault_text(int fault)
{
	static const char *const text[] = {
		[JSON_E_SYNTAX] = "not JSON",
		[JSON_E_UTF8] = "not UTF-8",
		[JSON_E_DEPTH] = "nested too deeply",
		[JSON_E_SHAPE] = "not the array or object expected",
		[JSON_E_DUPLICATE] = "a key occurs twice",
		[JSON_E_UNKNOWN] = "an unknown key",
	};

	if (fault < JSON_E_SYNTAX || fault > JSON_E_UNKNOWN)
		return "no fault of the text";
	return text[fault];
}

/*
 * yajl's memory. yajl 2.1 does not check whether an allocation fails. So most
 * memory is from an arena on the stack, the rest from malloc and kept in a list;
 * if malloc fails, longjmp() leaves yajl, and the list is freed. This is safe
 * because a yajl handle owns nothing but memory.
 */
struct block {
	struct block *next;
	size_t size;
	_Alignas(16) char bytes[];
};

struct memory {
	jmp_buf failed;
	struct block *blocks;      /* from malloc */
	size_t used;               /* of arena */
	/* a handle takes 500 bytes, its first escaped string and its end 2 kB each */
	_Alignas(16) char arena[5120];
};

static void *memory_alloc(void *ctx, size_t n)
{
	struct memory *m = ctx;
	size_t size = (sizeof(struct block) + n + 15) & ~(size_t)15;
	struct block *b;

	if (size <= sizeof(m->arena) - m->used) {
		b = (struct block *)(m->arena + m->used);
		m->used += size;
	} else {
		b = malloc(size);
		if (!b)
			longjmp(m->failed, 1);
		b->next = m->blocks;
		m->blocks = b;
	}
	b->size = n;
	return b->bytes;
}

static void *memory_realloc(void *ctx, void *p, size_t n)
{
	struct memory *m = ctx;
	struct block *old = p ? (struct block *)((char *)p - offsetof(struct block, bytes)) : NULL;
	struct block **at = &m->blocks, *b;

	while (*at && *at != old)
		at = &(*at)->next;
	if (!old || !*at) {
		/* new, or in the arena, where blocks cannot grow */
		void *moved = memory_alloc(m, n);

		if (old)
			memcpy(moved, p, old->size < n ? old->size : n);
		return moved;
	}
	b = realloc(old, sizeof(*b) + n);
	if (!b)
		longjmp(m->failed, 1);
	b->size = n;
	*at = b;
	return b->bytes;
}

/* everything is freed at once when the walk ends */
static void memory_free(void *ctx, void *p)
{
	(void)ctx;
	(void)p;
}

static void memory_fini(struct memory *m)
{
	while (m->blocks) {
		struct block *b = m->blocks;

		m->blocks = b->next;
		free(b);
	}
}

/*
 * One walk. Values matter at two depths: elements at `level`, and the members
 * of an element that is an object one deeper. With one bare object `level` is 0
 * and the object is the only element.
 */
struct walk {
	struct slice text;
	yajl_handle yajl;
	yajl_callbacks calls;      /* yajl looks into it at each token, see watch() */
	bool watching;
	size_t mark;               /* after the last key, bracket or value */
	size_t root_end;           /* after the outermost array or object; 0: not reached yet */
	unsigned depth, depth_max; /* arrays and objects open */
	unsigned level;
	bool root;                 /* the text is an array or object, as requested */
	bool in_object;            /* the open element is an object */
	size_t element_start, value_start;

	struct json_field *fields, *field;   /* field: whose value comes next */
	size_t n, key_start;
	bool strict, duplicate;
	struct slice unknown;      /* first key that no field wants */
	bool accept_array, accept_object;
	int (*each)(struct walk *w, const struct json_value *element);
	union {
		int (*element)(void *ctx, const struct json_element *element,
			       const struct json_field *fields);
		int (*value)(void *ctx, const struct json_value *value);
	} user;
	void *ctx;
	int result;                /* what ended the walk early */
	int fault;                 /* the most serious fault of a text that is JSON */
};

static const yajl_callbacks calls_all, calls_depth;

/*
 * Deep inside a value only the depth matters. Without callbacks yajl does not
 * decode the escapes of strings that no caller asked for.
 */
static void watch(struct walk *w)
{
	bool watching = w->depth == 0 || (w->root && (w->depth == w->level ||
						      (w->depth == w->level + 1 && w->in_object)));

	if (watching == w->watching)
		return;
	w->watching = watching;
	w->calls = watching ? calls_all : calls_depth;
}

static void blame(struct walk *w, enum json_fault fault)
{
	/* the enum is ordered by severity */
	if (!w->fault || (int)fault < w->fault)
		w->fault = fault;
}

static size_t position(const struct walk *w)
{
	return yajl_get_bytes_consumed(w->yajl);
}

static struct slice cut(const struct walk *w, size_t start, size_t end)
{
	return slice_make(w->text.p + start, end - start);
}

static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ':' || c == ',';
}

static size_t next_value(const struct walk *w)
{
	size_t i = w->mark;

	while (i < w->text.n && is_gap(w->text.p[i]))
		i++;
	return i;
}

static void element_begins(struct walk *w, size_t start, bool object)
{
	w->element_start = start;
	w->in_object = object;
	w->duplicate = false;
	w->field = NULL;
	for (size_t i = 0; i < w->n; i++) {
		w->fields[i].value = (struct json_value){JSON_ABSENT, SLICE_NULL};
		w->fields[i].member = SLICE_NULL;
	}
}

/* an element is complete; returns 0 to make yajl stop */
static int element_ends(struct walk *w, enum json_kind kind, size_t end)
{
	struct json_value value = {kind, cut(w, w->element_start, end)};

	w->in_object = false;
	w->mark = end;
	if (w->each)
		w->result = w->each(w, &value);
	return w->result == 0;
}

/* the value of a member is whole */
static int member_ends(struct walk *w, enum json_kind kind, size_t start, size_t end)
{
	w->mark = end;
	if (w->field) {
		w->field->value = (struct json_value){kind, cut(w, start, end)};
		w->field->member = cut(w, w->key_start, end);
	}
	return 1;
}

static int scalar(struct walk *w, enum json_kind kind)
{
	size_t end = position(w);

	if (w->depth == 0)
		return 1;   /* no root: reported at the end */
	if (w->depth > w->level)
		return member_ends(w, kind, next_value(w), end);
	element_begins(w, next_value(w), false);
	return element_ends(w, kind, end);
}

static int on_null(void *ctx)
{
	return scalar(ctx, JSON_NULL);
}

static int on_bool(void *ctx, int value)
{
	return scalar(ctx, value ? JSON_TRUE : JSON_FALSE);
}

static int on_number(void *ctx, const char *p, size_t n)
{
	(void)p;
	(void)n;
	return scalar(ctx, JSON_NUMBER);
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
	(void)p;
	(void)n;
	return scalar(ctx, JSON_STRING);
}

static int begins(struct walk *w, bool object)
{
	size_t end = position(w);

	if (w->depth == 0) {
		w->root = object ? w->accept_object : w->accept_array;
		w->level = object ? 0 : 1;
		/* the array around messages does not count as part of them */
		if (w->root && !object && w->accept_object)
			w->depth_max++;
	}
	if (w->depth == w->depth_max) {
		w->result = JSON_E_DEPTH;
		return 0;
	}
	if (w->watching && w->depth == w->level)
		element_begins(w, end - 1, object);
	else if (w->watching)
		w->value_start = end - 1;
	w->depth++;
	w->mark = end;
	watch(w);
	return 1;
}

static int ends(struct walk *w, bool object)
{
	enum json_kind kind = object ? JSON_OBJECT : JSON_ARRAY;
	size_t end = position(w);
	int go_on = 1;

	w->depth--;
	if (w->depth == 0)
		w->root_end = end;
	/* `watching` is still that of the closing element: whether its members were read */
	if (w->root && w->depth == w->level)
		go_on = element_ends(w, kind, end);
	watch(w);
	if (w->watching && w->depth > w->level)
		go_on = member_ends(w, kind, w->value_start, end);
	return go_on;
}

static int on_object(void *ctx)
{
	return begins(ctx, true);
}

static int on_object_end(void *ctx)
{
	return ends(ctx, true);
}

static int on_array(void *ctx)
{
	return begins(ctx, false);
}

static int on_array_end(void *ctx)
{
	return ends(ctx, false);
}

/*
 * Where the key that ends at `end` opens. Within a key each quote follows a
 * backslash; the opening quote never does.
 */
static size_t key_opens(const struct walk *w, size_t end)
{
	size_t i = end - 2;

	while (w->text.p[i] != '"' || w->text.p[i - 1] == '\\')
		i--;
	return i;
}

static struct json_field *wanted(struct walk *w, const char *key, size_t n)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->fields[i].name_len == n && memcmp(w->fields[i].name, key, n) == 0)
			return &w->fields[i];
	return NULL;
}

/* `key` is decoded, so an escaped key is found, too */
static int on_key(void *ctx, const unsigned char *key, size_t n)
{
	struct walk *w = ctx;
	size_t end = position(w);
	bool in_place = (const char *)key == w->text.p + end - 1 - n;

	w->mark = end;
	w->key_start = in_place ? end - n - 2 : key_opens(w, end);
	w->field = wanted(w, (const char *)key, n);
	if (!w->field && w->strict) {
		if (!w->unknown.p)
			w->unknown = cut(w, w->key_start + 1, end - 1);
		blame(w, JSON_E_UNKNOWN);
	}
	if (w->field && w->field->value.kind != JSON_ABSENT) {
		w->field = NULL;
		w->duplicate = true;
	}
	return 1;
}

static const yajl_callbacks calls_all = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_object_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

static const yajl_callbacks calls_depth = {
	.yajl_start_map = on_object,
	.yajl_end_map = on_object_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_array_end,
};

/* yajl accepts a truncated token after the end, as in {}" */
static bool is_blank_after_end(const struct walk *w)
{
	for (size_t i = w->root_end; i < w->text.n; i++)
		if (!memchr(" \t\r\n", w->text.p[i], 4))
			return false;
	return true;
}

static int parse(struct walk *w, struct memory *m)
{
	yajl_alloc_funcs funcs = {memory_alloc, memory_realloc, memory_free, m};
	yajl_status status;

	if (setjmp(m->failed))
		return -ENOMEM;
	w->yajl = yajl_alloc(&w->calls, &funcs, w);
	yajl_config(w->yajl, yajl_dont_validate_strings, 1);   /* checked before, more strictly */
	status = yajl_parse(w->yajl, (const unsigned char *)w->text.p, w->text.n);
	if (status == yajl_status_ok) {
		/* yajl reports a number at the very end only now, from a buffer of its own */
		w->calls = (yajl_callbacks){0};
		status = yajl_complete_parse(w->yajl);
	}
	if (w->result)
		return w->result;
	if (status != yajl_status_ok || (w->root_end && !is_blank_after_end(w)))
		return JSON_E_SYNTAX;
	if (!w->root)
		blame(w, JSON_E_SHAPE);
	return w->fault;
}

static int walk(struct walk *w)
{
	struct memory memory;
	int r;

	for (size_t i = 0; i < w->n; i++)
		if (w->fields[i].name_len == 0)
			w->fields[i].name_len = strlen(w->fields[i].name);
	/* for an empty text */
	element_begins(w, 0, false);
	if (w->text.n == 0)
		return JSON_E_SYNTAX;
	if (!utf8_valid(w->text) || !utf8_surrogates_paired(w->text))
		return JSON_E_UTF8;
	/* yajl accepts these two as blanks; JSON does not */
	if (memchr(w->text.p, '\v', w->text.n) || memchr(w->text.p, '\f', w->text.n))
		return JSON_E_SYNTAX;
	w->calls = calls_all;
	w->watching = true;
	memory.blocks = NULL;
	memory.used = 0;
	r = parse(w, &memory);
	memory_fini(&memory);
	return r;
}

int json_read_object_within(struct slice text, unsigned depth, struct json_field *fields, size_t n,
			    bool strict, struct slice *ret_key)
{
	struct walk w = {
		.text = text, .depth_max = depth, .fields = fields, .n = n, .strict = strict,
		.accept_object = true,
	};
	int r = walk(&w);

	if ((r == 0 || r == JSON_E_UNKNOWN) && w.duplicate)
		return JSON_E_DUPLICATE;
	if (r == JSON_E_UNKNOWN && ret_key)
		*ret_key = w.unknown;
	return r;
}

int json_read_object(struct slice text, struct json_field *fields, size_t n, bool strict,
		     struct slice *ret_key)
{
	return json_read_object_within(text, JSON_DEPTH_MAX, fields, n, strict, ret_key);
}

int json_read_member(struct slice object, const char *name, struct json_value *ret)
{
	struct json_field f = {.name = name};
	int r = object.p ? json_read_object(object, &f, 1, false, NULL) : 0;

	*ret = (struct json_value){0};
	if (r == 0)
		*ret = f.value;
	return r < 0 ? r : 0;
}

static int report_element(struct walk *w, const struct json_value *value)
{
	const struct json_element element = {*value, w->duplicate};

	return w->user.element(w->ctx, &element, w->fields);
}

int json_read_objects(struct slice text, struct json_field *fields, size_t n,
		      int (*each)(void *ctx, const struct json_element *element,
				  const struct json_field *fields),
		      void *ctx)
{
	struct walk w = {
		.text = text, .depth_max = PROTOCOL_DEPTH_MAX, .fields = fields, .n = n,
		.accept_object = true, .accept_array = true,
		.each = report_element, .user.element = each, .ctx = ctx,
	};

	return walk(&w);
}

static int report_value(struct walk *w, const struct json_value *value)
{
	return w->user.value(w->ctx, value);
}

int json_read_array(struct slice text, int (*each)(void *ctx, const struct json_value *value),
		    void *ctx)
{
	struct walk w = {
		.text = text, .depth_max = JSON_DEPTH_MAX, .accept_array = true,
		.each = report_value, .user.value = each, .ctx = ctx,
	};

	return walk(&w);
}
