/*
 * Texts cut into their elements: the same ones whatever the cuts, whatever is in
 * an element, and nothing but that element lost. Each text here is fed whole,
 * byte by byte, and in two pieces at each place.
 */
#include "tests/unit/testing.h"

#include "bayeux/elements.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Appends what comes out of the pieces that lie before `cuts`: each element, or "FAULT", a line. */
static void put_element(struct buf *out, const struct element *e)
{
	if (!e->glimpse)
		assert_int_equal(e->size, e->raw.n);
	if (e->glimpse)
		assert_int_equal(buf_printf(out, "too large: %zu %.*s\n", e->size,
					    SLICE_ARG(glimpse_channel(e->glimpse))), 0);
	else
		assert_int_equal(buf_printf(out, "%.*s\n", SLICE_ARG(e->raw)), 0);
}

/* One piece, from a block of its size, so that sanitizers and valgrind see who looks further. */
static int feed(struct elements *s, struct slice piece, struct buf *out)
{
	struct element e;
	int r;
	char *copy = malloc(piece.n ? piece.n : 1);
	assert_non_null(copy);
	memcpy(copy, piece.p, piece.n);
	elements_feed(s, slice_make(copy, piece.n));
	while ((r = elements_next(s, &e)) == 0)
		put_element(out, &e);
	free(copy);
	return r;
}

static void finish(struct elements *s, int r, struct buf *out)
{
	assert_true(r == ELEMENTS_MORE || r == ELEMENTS_FAULT);
	if (r == ELEMENTS_FAULT)
		assert_int_equal(elements_end(s), ELEMENTS_FAULT);
	if (elements_end(s))
		assert_int_equal(buf_put_str(out, "FAULT\n"), 0);
}

/* with a cut after `first` bytes, and then one after each `step` of them */
static void split(size_t max, struct slice text, size_t first, size_t step, struct buf *out)
{
	struct elements s;
	elements_init(&s, max);
	elements_begin(&s);
	int r = feed(&s, slice_take(text, first), out);
	for (text = slice_drop(text, first); text.n && r == ELEMENTS_MORE;
	     text = slice_drop(text, step))
		r = feed(&s, slice_take(text, step), out);
	finish(&s, r, out);
	elements_fini(&s);
}

static void assert_split(size_t max, struct slice text, const char *expected)
{
	struct buf out;
	buf_init(&out, 1 << 20);
	for (size_t first = 0; first <= text.n; first++) {
		buf_clear(&out);
		split(max, text, first, text.n, &out);
		assert_int_equal(buf_putc(&out, '\0'), 0);
		assert_string_equal(buf_slice(&out).p, expected);
	}
	for (size_t step = 1; step < 4; step++) {
		buf_clear(&out);
		split(max, text, step, step, &out);
		assert_int_equal(buf_putc(&out, '\0'), 0);
		assert_string_equal(buf_slice(&out).p, expected);
	}
	buf_fini(&out);
}

#define WHOLE(text, expected) assert_split(1 << 20, SLICE(text), expected)

static void arrays_and_bare_objects(void **state)
{
	(void)state;
	WHOLE("[]", "");
	WHOLE(" [ ] ", "");
	WHOLE("{}", "{}\n");
	WHOLE("[{\"a\":1},{\"b\":[2,{}]}]", "{\"a\":1}\n{\"b\":[2,{}]}\n");
	WHOLE("\r\n\t[ {\"a\": 1} , {} ]\n", "{\"a\": 1}\n{}\n");
	WHOLE("[1,true,\"x\",[null],-2.5e3 ,{}]", "1\ntrue\n\"x\"\n[null]\n-2.5e3\n{}\n");
	WHOLE("[\"a]b\",\"\\\"\",\"\\\\\",\"\\\\\\\"]\"]", "\"a]b\"\n\"\\\"\"\n\"\\\\\"\n\"\\\\\\\"]\"\n");
	WHOLE("[{\"a\":\"}\\\"{\",\"b\":\"]\"}]", "{\"a\":\"}\\\"{\",\"b\":\"]\"}\n");
}

static void what_surrounds_a_text(void **state)
{
	(void)state;
	WHOLE("\xef\xbb\xbf[{}]", "{}\n");
	WHOLE("\xef\xbb\xbf {}", "{}\n");
	WHOLE("/*[{}]*/", "{}\n");
	WHOLE("\n/* {\"a\":1} */\n", "{\"a\":1}\n");
	WHOLE("\xef\xbb\xbf/*[]*/", "");
}

/* The end of an element is found whatever is in it: its neighbours come. */
static void a_bad_element_is_one_element(void **state)
{
	static const char *const bad[] = {
		"{\"d\":\"half \\ud83d\"}", "{\"d\":\"\xff\xc0\"}", "{\"d\":NaN}", "{\"d\":Infinity}",
		"{\"d\":\"a\nb\tc\x01\"}", "{\"d\":'x'}", "{d:1}", "{\"d\":1,}", "{,}", "{\"d\" 1}",
		"{\"d\":01}", "{\"d\":\"\\x\"}", "NaN", "undefined", "\x02", "{\"d\":tru}",
		"{\"d\":[1 2]}", ("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]"
		"]]]]]]]]]]]]]]]]"),
	};
	char text[512], expected[512];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[{\"a\":1},%s,{\"b\":2}]", bad[i]);
		snprintf(expected, sizeof(expected), "{\"a\":1}\n%s\n{\"b\":2}\n", bad[i]);
		assert_split(1 << 20, slice_of(text), expected);
	}
}

static void deep_nesting_costs_no_memory(void **state)
{
	enum { DEPTH = 10000 };
	struct buf text, out;
	(void)state;
	buf_init(&text, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_put_str(&text, "[1,");
	for (int i = 0; i < DEPTH; i++)
		buf_putc(&text, '[');
	for (int i = 0; i < DEPTH; i++)
		buf_putc(&text, ']');
	buf_put_str(&text, ",2]");
	split(1 << 20, buf_slice(&text), 5000, 777, &out);
	assert_int_equal(buf_len(&out), 2 + 2 * DEPTH + 1 + 2);
	buf_fini(&out);
	buf_fini(&text);
}

/* What is between two elements, and is no comma, is an element of its own or nothing. */
static void what_separates_elements(void **state)
{
	(void)state;
	WHOLE("[{\"a\":1},]", "{\"a\":1}\n");
	WHOLE("[,{}]", "{}\n");
	WHOLE("[{} , , ,{}]", "{}\n{}\n");
	WHOLE("[{\"a\":1}{\"b\":2}]", "{\"a\":1}\n{\"b\":2}\n");
	WHOLE("[{\"a\":1} x {\"b\":2}]", "{\"a\":1}\nx\n{\"b\":2}\n");
	WHOLE("[{}:{}}{}]", "{}\n:\n{}\n}\n{}\n");
	WHOLE("[{}],{}]", "{}\n{}\n");
	WHOLE("[{}]]", "{}\n");
}

/* A closing bracket closes all down to its partner; an object that is not closed ends with the next
   one; neighbours come as they are. */
static void brackets_that_do_not_match(void **state)
{
	static const char *const bad[] = {
		"{\"a\":[1}", "{\"a\":[[[{\"b\":1}]}", "{\"a\":[{\"b\":[{]}}", "{\"a\":1",
		"{\"a\":{\"b\":1}", "{\"a\":[1],\"b\":{\"c\":1", "{\"a\":\",{\"", "{", "{\"a\":",
		"{\"a\":1, \n\"b\"", "[{]",
	};
	char text[512], expected[512];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), "[{\"a\":[1,{}]},%s,\n{\"b\":{}},{}]", bad[i]);
		snprintf(expected, sizeof(expected), "{\"a\":[1,{}]}\n%s\n{\"b\":{}}\n{}\n", bad[i]);
		assert_split(1 << 20, slice_of(text), expected);
	}
	/* the last one */
	WHOLE("[{},{\"a\":{\"b\":1}]", "{}\n{\"a\":{\"b\":1}\n");
	WHOLE("[{},{\"a\":1]]", "{}\n{\"a\":1\n");
	WHOLE("[{},{\"a\":{\"b\":1]}]", "{}\n{\"a\":{\"b\":1\n");
	WHOLE("[{\"a\":{\"b\":1]},{}]", "{\"a\":{\"b\":1\n{}\n");
	WHOLE("[{\"a\":1],{}]", "{\"a\":1\n{}\n");
	WHOLE("[{\"a\":1],\"b\":2},{}]", "{\"a\":1\n\"b\"\n:2\n}\n{}\n");
	/* too large, and not closed */
	assert_split(10, SLICE("[{\"a\":1234567890 , {}]"), "too large: 16 \n{}\n");
}

/* What came in front of a fault stays. */
static void a_broken_text_ends_there(void **state)
{
	(void)state;
	WHOLE("", "FAULT\n");
	WHOLE("  ", "FAULT\n");
	WHOLE("<html>[{}]</html>", "FAULT\n");
	WHOLE("\"text\"", "FAULT\n");
	WHOLE("[{\"a\":1},{\"b\":2}", "{\"a\":1}\n{\"b\":2}\nFAULT\n");
	WHOLE("[{\"a\":1},{\"b\":2", "{\"a\":1}\nFAULT\n");
	WHOLE("[{\"a\":1},{\"b\":\"2", "{\"a\":1}\nFAULT\n");
	WHOLE("[{\"a\":1},12", "{\"a\":1}\nFAULT\n");
	WHOLE("[{}][{}]", "{}\nFAULT\n");
	WHOLE("[{}]x", "{}\nFAULT\n");
	WHOLE("{}{}", "{}\nFAULT\n");
	WHOLE("[{}}", "{}\nFAULT\n");
	WHOLE("{}]", "{}\nFAULT\n");
	WHOLE("{},{}", "{}\nFAULT\n");
	WHOLE("{\"a\":1]", "FAULT\n");
	WHOLE("[{\"a\":1},{\"b\":[{\"c\":1},{\"d\":1}]", "{\"a\":1}\nFAULT\n");
	WHOLE("\xef\xbb[{}]", "FAULT\n");
	WHOLE("/x[{}]", "FAULT\n");
	WHOLE("/*[{}]", "{}\nFAULT\n");
	WHOLE("[{}]*/", "{}\nFAULT\n");
	WHOLE("/*[{}]*x", "{}\nFAULT\n");
}

/* One that is larger than the limit is skipped, and its channel is found wherever it is. */
static void too_large_elements_are_skipped(void **state)
{
	char text[4096], pad[2001], expected[256];
	(void)state;
	memset(pad, 'x', 2000);
	pad[2000] = '\0';
	assert_split(10, SLICE("[{\"a\":1},{\"a\":123456},{}]"),
		     "{\"a\":1}\ntoo large: 12 \n{}\n");
	/* exactly the limit is not too large */
	assert_split(12, SLICE("[{\"a\":1},{\"a\":123456},{}]"),
		     "{\"a\":1}\n{\"a\":123456}\n{}\n");
	static const char *const forms[] = {
		"{\"channel\":\"/a\",\"data\":\"%s\"}", "{\"data\":\"%s\",\"channel\":\"/a\"}",
		"{\"data\":{\"channel\":\"/no\",\"x\":\"%s\"},\"channel\" : \"/a\" }",
	};
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		int n = snprintf(text, sizeof(text), "[{},");
		int m = snprintf(text + n, sizeof(text) - (size_t)n, forms[i], pad);
		strcat(text, ",{}]");
		snprintf(expected, sizeof(expected), "{}\ntoo large: %d \"/a\"\n{}\n", m);
		assert_split(100, slice_of(text), expected);
		assert_split(1500, slice_of(text), expected);
	}
}

/* ---- what is seen of one that cannot be read ---- */

static void assert_glimpse(struct slice text, const char *channel, const char *id, bool reply)
{
	for (size_t step = 1; step <= text.n; step = step == 1 ? text.n : step + 1) {
		struct glimpse g;
		glimpse_init(&g);
		for (struct slice rest = text; rest.n; rest = slice_drop(rest, step))
			glimpse_feed(&g, slice_take(rest, step));
		assert_true(slice_eq(glimpse_channel(&g), slice_of(channel)));
		assert_true(slice_eq(glimpse_replay_id(&g), slice_of(id)));
		assert_int_equal(g.successful, reply);
	}
}

static void what_is_seen_of_a_broken_one(void **state)
{
	(void)state;
	assert_glimpse(SLICE("{\"channel\":\"/m\",\"data\":\"half \\ud83d\"}"), "\"/m\"", "", false);
	assert_glimpse(SLICE("{\"data\":NaN,\"channel\":\"\\/m\\/n\"}"), "\"\\/m\\/n\"", "", false);
	assert_glimpse(SLICE("{\"data\":{\"channel\":\"/x\"}}"), "", "", false);
	assert_glimpse(SLICE("{\"channel\":\"/a\",\"channel\":\"/b\"}"), "", "", false);
	assert_glimpse(SLICE("{\"channel\":7}"), "", "", false);
	assert_glimpse(SLICE("{\"x\":\"channel\",\"y\":\"/m\"}"), "", "", false);
	assert_glimpse(SLICE("{\"successful\":true,\"channel\":\"/m\",\"x\":\xff}"), "\"/m\"", "", true);
	assert_glimpse(SLICE("{\"data\":{\"successful\":true},\"channel\":\"/m\"}"), "\"/m\"", "",
		       false);
	assert_glimpse(SLICE("{\"data\":{\"event\":{\"replayId\":42,\"x\":\"\\ud83d\"}},"
			     "\"channel\":\"/e\"}"), "\"/e\"", "42", false);
	assert_glimpse(SLICE("{\"data\":{\"event\":{\"replayId\" : \"43\" }}}"), "", "43", false);
	assert_glimpse(SLICE("{\"data\":{\"payload\":{\"replayId\":42},\"event\":{\"x\":{\"replayId\":"
			     "1}}}}"), "", "", false);
	assert_glimpse(SLICE("{\"event\":{\"data\":{\"replayId\":42}}}"), "", "", false);
	assert_glimpse(SLICE("}}]]:,{\"channel\":\"/m\"}"), "\"/m\"", "", false);
}

/* Each allocation fails once; nothing is lost by it. */
static void shortage_of_memory(void **state)
{
	static const struct slice text = SLICE("[{\"a\":\"0123456789\"},{\"b\":\"0123456789\"}]");
	(void)state;
	struct elements s;
	struct element e;
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(buf_put_str(&out, "x"), 0);
	elements_init(&s, 100);
	elements_begin(&s);
	for (struct slice rest = text; rest.n; rest = slice_drop(rest, 7)) {
		int r;
		elements_feed(&s, slice_take(rest, 7));
		testing_fail_allocation(0);
		while ((r = elements_next(&s, &e)) == 0 || r == -ENOMEM) {
			testing_allocation_failed();
			if (r == 0)
				put_element(&out, &e);
		}
		testing_allocation_failed();
	}
	assert_int_equal(elements_end(&s), 0);
	assert_int_equal(buf_putc(&out, '\0'), 0);
	assert_string_equal(buf_slice(&out).p,
			    "x{\"a\":\"0123456789\"}\n{\"b\":\"0123456789\"}\n");
	buf_fini(&out);
	elements_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrays_and_bare_objects),
		cmocka_unit_test(what_surrounds_a_text),
		cmocka_unit_test(a_bad_element_is_one_element),
		cmocka_unit_test(what_separates_elements),
		cmocka_unit_test(brackets_that_do_not_match),
		cmocka_unit_test(deep_nesting_costs_no_memory),
		cmocka_unit_test(a_broken_text_ends_there),
		cmocka_unit_test(too_large_elements_are_skipped),
		cmocka_unit_test(what_is_seen_of_a_broken_one),
		cmocka_unit_test(shortage_of_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
