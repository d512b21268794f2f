/*
 * What extensions do to one message: the first two lines are its data and its ext,
 * each later line is one call of an extension, by its first byte. Whatever they pass in:
 * the result is JSON, ext is an object with the values set last, a discarded change has no
 * effect, and fields that must not be changed are not.
 */
#include "plugin/message.h"
#include "protocol/json_read.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/plugin";

enum { NAME_MAX_HERE = 300, LINES_MAX = 100 };

static struct slice take_line(struct slice *rest)
{
	const char *end = memchr(rest->p, '\n', rest->n);
	struct slice line = slice_take(*rest, end ? (size_t)(end - rest->p) : rest->n);

	*rest = slice_drop(*rest, line.n + 1);
	return line;
}

static int ignore(void *ctx, const struct json_value *value)
{
	++*(unsigned *)ctx;
	(void)value;
	return 0;
}

static bool is_value(struct slice text)
{
	unsigned n = 0;
	struct buf array;
	int r;

	buf_init(&array, text.n + 2);
	FUZZ_CHECK(buf_putc(&array, '[') == 0 && buf_put(&array, text) == 0 &&
		   buf_putc(&array, ']') == 0);
	r = json_read_array(buf_slice(&array), ignore, &n);
	buf_fini(&array);
	return r == 0 && n == 1;
}

static bool is_object(struct slice text)
{
	return json_read_object(text, NULL, 0, false, NULL) == 0;
}

/* "name=json" */
static void set_ext(struct plugin_message *pm, struct slice line)
{
	const char *equals = memchr(line.p, '=', line.n);
	struct slice name = slice_take(line, equals ? (size_t)(equals - line.p) : line.n);
	struct slice json = slice_drop(line, name.n + 1);
	struct cometd_extension_text now;
	char text[NAME_MAX_HERE + 1] = "";

	name = slice_take(name, NAME_MAX_HERE);
	if (name.n)
		memcpy(text, name.p, name.n);
	if (plugin_message_set_ext(&pm->shown, text, json.p ? json.p : "", json.n))
		return;
	FUZZ_CHECK(pm->m->may_change && is_value(json) && is_object(pm->new_ext.value));
	/* a text may end in blanks, which are not of the value */
	FUZZ_CHECK(plugin_message_ext(&pm->shown, text, &now) == 1 && now.n <= json.n);
}

static void look_up(struct plugin_message *pm, struct slice line, bool in_ext)
{
	struct cometd_extension_text found;
	char name[NAME_MAX_HERE + 1] = "";
	int r;

	line = slice_take(line, NAME_MAX_HERE);
	if (line.n)
		memcpy(name, line.p, line.n);
	r = in_ext ? plugin_message_ext(&pm->shown, name, &found) :
		     plugin_message_field(&pm->shown, name, &found);
	FUZZ_CHECK(r == 0 || (r == 1 && is_value(slice_make(found.p, found.n))));
	/* a text that came from here may be handed back */
	if (r && in_ext)
		plugin_message_set_ext(&pm->shown, "copy", found.p, found.n);
	else if (r)
		plugin_message_set_data(&pm->shown, found.p, found.n);
}

static void step(struct plugin_message *pm, struct slice line)
{
	struct slice text = slice_drop(line, 1);

	switch (line.p[0]) {
	case 'd':
		if (plugin_message_set_data(&pm->shown, text.p ? text.p : "", text.n) == 0)
			FUZZ_CHECK(pm->m->may_change && is_value(text));
		break;
	case 'e':
		set_ext(pm, text);
		break;
	case 'f':
	case 'x':
		look_up(pm, text, line.p[0] == 'x');
		break;
	case 'k':       /* the next one looks; the one before was fine, if it was */
		if (!pm->fault)
			plugin_message_keep(pm);
		plugin_message_show(pm);
		break;
	}
}

static void check_end(struct plugin_message *pm, const struct hook_message *m)
{
	struct hook_change change = {.data = SLICE_NULL};
	int r = plugin_message_end(pm, &change);

	FUZZ_CHECK(r == 0 || (r == HOOK_CHANGED && m->may_change));
	if (r == 0)
		return;
	FUZZ_CHECK(change.data.p || change.ext.p);
	FUZZ_CHECK(!change.data.p || (m->data.p && is_value(change.data)));
	FUZZ_CHECK(!change.ext.p || is_object(change.ext));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice rest = slice_drop(slice_make(data, n), 1);
	struct list none = LIST_INIT(none);
	struct hook_message m = {.kind = HOOK_EVENT, .incoming = true, .reserved = &none,
				 .channel = SLICE("/a"), .text = SLICE("{\"channel\":\"/a\"}")};
	struct slice first = take_line(&rest), second = take_line(&rest);
	struct plugin_message pm;

	m.may_change = n == 0 || data[0] != '0';
	m.data = is_value(first) ? first : SLICE_NULL;
	/* as a reader of JSON gives it out: without the blanks around it */
	m.ext = is_object(second) && second.p[0] == '{' && second.p[second.n - 1] == '}' ?
			second : SLICE_NULL;
	plugin_message_init(&pm);
	plugin_message_begin(&pm, &m);
	plugin_message_show(&pm);
	for (int i = 0; rest.n && i < LINES_MAX; i++) {
		struct slice line = take_line(&rest);

		if (line.n)
			step(&pm, line);
	}
	check_end(&pm, &m);
	plugin_message_fini(&pm);
	return 0;
}
