/*
 * Reads and changes one message for extensions. Values that they set are valid JSON,
 * within the size and depth that a peer may send, and do not replace the member of a
 * built-in extension. A text that they pass may be one that was returned from here.
 */
#include "plugin/message.h"

#include "bayeux/ext.h"
#include "protocol/json_read.h"
#include "protocol/json_write.h"
#include "protocol/utf8.h"

#include <errno.h>

/* the maximum size of a text made here */
#define TEXT_MAX (COMETD_EXTENSION_DATA_MAX + COMETD_EXTENSION_EXT_MAX + 4096u)

_Static_assert((int)COMETD_EXTENSION_HANDSHAKE == (int)HOOK_HANDSHAKE + 1 &&
	       (int)COMETD_EXTENSION_EVENT == (int)HOOK_EVENT + 1, "enum cometd_extension_kind");
_Static_assert(COMETD_EXTENSION_DATA_MAX <= PROTOCOL_REQUEST_MAX, "as a peer");

/* ---- drafts ---- */

static void init_part(struct plugin_part *p)
{
	*p = (struct plugin_part){.value = SLICE_NULL};
	buf_init(&p->text, TEXT_MAX);
}

void plugin_message_init(struct plugin_message *pm)
{
	*pm = (struct plugin_message){.m = NULL};
	init_part(&pm->data);
	init_part(&pm->ext);
	init_part(&pm->new_data);
	init_part(&pm->new_ext);
	buf_init(&pm->check, TEXT_MAX);
	buf_init(&pm->scratch, TEXT_MAX);
}

void plugin_message_fini(struct plugin_message *pm)
{
	buf_fini(&pm->data.text);
	buf_fini(&pm->ext.text);
	buf_fini(&pm->new_data.text);
	buf_fini(&pm->new_ext.text);
	buf_fini(&pm->check);
	buf_fini(&pm->scratch);
}

static struct cometd_extension_text text_of(struct slice s)
{
	return (struct cometd_extension_text){s.p ? s.p : "", s.n};
}

static void begin_part(struct plugin_part *p, struct slice value)
{
	buf_clear(&p->text);
	p->value = value;
	p->changed = false;
}

void plugin_message_begin(struct plugin_message *pm, const struct hook_message *m)
{
	pm->m = m;
	pm->added = 0;
	begin_part(&pm->data, m->data);
	begin_part(&pm->ext, m->ext);
	buf_clear(&pm->check);
	buf_clear(&pm->scratch);
}

void plugin_message_show(struct plugin_message *pm)
{
	const struct hook_message *m = pm->m;

	pm->shown = (struct cometd_extension_message){
		sizeof(pm->shown), (enum cometd_extension_kind)(m->kind + 1), m->incoming,
		text_of(m->channel), text_of(m->subscription), text_of(m->id)};
	begin_part(&pm->new_data, pm->data.value);
	begin_part(&pm->new_ext, pm->ext.value);
	pm->new_added = pm->added;
	pm->fault = NULL;
	pm->short_of_memory = false;
}

static void swap(struct buf *a, struct buf *b)
{
	struct buf c = *a;

	*a = *b;
	*b = c;
}

/* Moves the text, too, because the value points into it. */
static void keep_part(struct plugin_part *old, struct plugin_part *new)
{
	if (!new->changed)
		return;
	old->value = new->value;
	old->changed = true;
	swap(&old->text, &new->text);
}

void plugin_message_keep(struct plugin_message *pm)
{
	keep_part(&pm->data, &pm->new_data);
	keep_part(&pm->ext, &pm->new_ext);
	pm->added = pm->new_added;
}

int plugin_message_end(struct plugin_message *pm, struct hook_change *ret)
{
	pm->m = NULL;
	if (!pm->data.changed && !pm->ext.changed)
		return 0;
	if (pm->data.changed)
		ret->data = pm->data.value;
	if (pm->ext.changed)
		ret->ext = pm->ext.value;
	return HOOK_CHANGED;
}

/* ---- reading ---- */

/* NULL: no hook is running; the extension kept the pointer of an earlier call */
static struct plugin_message *of(struct cometd_extension_message *m)
{
	struct plugin_message *pm = LIST_OF(m, struct plugin_message, shown);

	return pm->m ? pm : NULL;
}

/* Finds a member of an object by name. 1 and *ret; 0 if there is none; -ENOMEM. */
static int member(struct slice object, const char *name, struct cometd_extension_text *ret)
{
	struct json_field f = {.name = name};
	int r = object.p ? json_read_object(object, &f, 1, false, NULL) : 0;

	if (r < 0)
		return r;
	if (f.value.kind == JSON_ABSENT)
		return 0;
	*ret = text_of(f.value.raw);
	return 1;
}

int plugin_message_field(struct cometd_extension_message *m, const char *name,
			 struct cometd_extension_text *ret)
{
	struct plugin_message *pm = of(m);
	const struct plugin_part *part = NULL;

	if (!pm)
		return 0;
	if (strcmp(name, "data") == 0)
		part = &pm->new_data;
	if (strcmp(name, "ext") == 0)
		part = &pm->new_ext;
	if (!part)
		return member(pm->m->text, name, ret);
	if (part->value.p)
		*ret = text_of(part->value);
	return part->value.p != NULL;
}

int plugin_message_ext(struct cometd_extension_message *m, const char *name,
		       struct cometd_extension_text *ret)
{
	struct plugin_message *pm = of(m);

	return pm ? member(pm->new_ext.value, name, ret) : 0;
}

/* ---- changing ---- */

static int wrong(struct plugin_message *pm, int error, const char *fault)
{
	if (error == -ENOMEM)
		pm->short_of_memory = true;
	else
		pm->fault = fault;
	return error;
}

/*
 * Writes {"name":json} to pm->check and parses it with the limit `depth`, to check that `json` is exactly one
 * value. 0 and *ret; -EINVAL, -EMSGSIZE, -ENOMEM.
 */
static int check_value(struct plugin_message *pm, const char *name, struct slice json,
		       unsigned depth, struct json_field *ret)
{
	struct json_field f = {.name = name};
	struct json_write w;

	buf_clear(&pm->check);
	json_write_init(&w, &pm->check);
	json_object_begin(&w);
	json_key(&w, name);
	json_put_raw(&w, json);
	json_object_end(&w);
	int r = json_write_done(&w);
	if (r == 0)
		r = json_read_object_within(buf_slice(&pm->check), depth, &f, 1, true, NULL);
	if (r == 0)
		*ret = f;
	return r > 0 ? -EINVAL : r;
}

int plugin_message_set_data(struct cometd_extension_message *m, const char *json, size_t n)
{
	struct plugin_message *pm = of(m);
	struct json_field f;

	if (!pm)
		return -EPERM;
	if (!pm->m->may_change || !pm->m->data.p)
		return wrong(pm, -EPERM, "it sets data where that is not allowed");
	if (n > COMETD_EXTENSION_DATA_MAX)
		return wrong(pm, -EMSGSIZE, "the data that it sets is too large");
	int r = check_value(pm, "data", slice_make(json, n), PROTOCOL_DEPTH_MAX, &f);
	if (r)
		return wrong(pm, r, "the data that it sets is not valid JSON, or nested too deeply");
	swap(&pm->new_data.text, &pm->check);
	pm->new_data.value = f.value.raw;
	pm->new_data.changed = true;
	return 0;
}

static bool is_empty(struct slice object)
{
	size_t i = 1;

	while (i < object.n && strchr(" \t\r\n", object.p[i]))
		i++;
	return i + 1 >= object.n;
}

/* Writes `object` to pm->scratch with the member of *f, which replaces one of the same name or is appended. */
static int put_member(struct plugin_message *pm, struct slice object, const struct json_field *f)
{
	struct json_field own = {.name = f->name};
	struct slice before = slice_take(object, object.n - 1), with = f->member, after = SLICE("}");
	int r = json_read_object(object, &own, 1, false, NULL);

	if (r)
		return r < 0 ? r : -EINVAL;
	if (own.value.kind != JSON_ABSENT) {
		before.n = (size_t)(own.value.raw.p - object.p);
		with = f->value.raw;
		after = slice_drop(object, before.n + own.value.raw.n);
	}
	buf_clear(&pm->scratch);
	r = buf_put(&pm->scratch, before);
	if (!r && own.value.kind == JSON_ABSENT && !is_empty(object))
		r = buf_putc(&pm->scratch, ',');
	if (!r)
		r = buf_put(&pm->scratch, with);
	return r ? r : buf_put(&pm->scratch, after);
}

/* NULL, or what is wrong with the name. */
static const char *name_fault(const struct plugin_message *pm, const char *name, int *ret)
{
	size_t n = strnlen(name, COMETD_EXTENSION_NAME_MAX + 1);

	*ret = -EINVAL;
	if (n == 0 || n > COMETD_EXTENSION_NAME_MAX || !utf8_valid(slice_make(name, n)))
		return "it sets an invalid name in ext";
	*ret = -EEXIST;
	if (ext_has_key(pm->m->reserved, name))
		return "the name that it sets in ext belongs to a built-in extension";
	return NULL;
}

int plugin_message_set_ext(struct cometd_extension_message *m, const char *name, const char *json,
			   size_t n)
{
	struct plugin_message *pm = of(m);
	const char *fault;
	struct json_field f;
	int r;

	if (!pm)
		return -EPERM;
	if (!pm->m->may_change)
		return wrong(pm, -EPERM, "it sets ext where that is not allowed");
	fault = name_fault(pm, name, &r);
	if (fault)
		return wrong(pm, r, fault);
	size_t room = COMETD_EXTENSION_EXT_MAX - pm->new_added, length = strlen(name);
	if (n > room || length > room - n)
		return wrong(pm, -EMSGSIZE, "the values that it sets in ext are too large");
	/* one level less, because it is inside ext */
	r = check_value(pm, name, slice_make(json, n), PROTOCOL_DEPTH_MAX - 1, &f);
	if (r == 0)
		r = put_member(pm, pm->new_ext.value.p ? pm->new_ext.value : SLICE("{}"), &f);
	if (r)
		return wrong(pm, r, "the value that it sets in ext is not valid JSON, or nested too deeply");
	swap(&pm->new_ext.text, &pm->scratch);
	pm->new_ext.value = buf_slice(&pm->new_ext.text);
	pm->new_ext.changed = true;
	pm->new_added += length + n;
	return 0;
}
