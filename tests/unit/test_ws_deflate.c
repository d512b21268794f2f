/*
 * io/ws_deflate: the terms that a server may answer, texts there and back over
 * every window, and what must not come out of a few bytes.
 */
#include "net/ws_deflate.h"
#include "tests/unit/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_terms(void **state)
{
	static const struct {
		const char *value;
		struct ws_deflate_terms terms;
	} rows[] = {
		{"permessage-deflate", {true, false, false, 15, 15}},
		{"PerMessage-Deflate ;server_no_context_takeover", {true, true, false, 15, 15}},
		{"permessage-deflate;client_no_context_takeover; server_max_window_bits=8",
		 {true, false, true, 8, 15}},
		{"permessage-deflate; client_max_window_bits=\"10\"; server_max_window_bits = 12",
		 {true, false, false, 12, 10}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ws_deflate_terms t = {0};

		if (!ws_deflate_parse(slice_of(rows[i].value), &t))
			fail_msg("%s", rows[i].value);
		assert_true(t.agreed);
		assert_int_equal(t.forget_in, rows[i].terms.forget_in);
		assert_int_equal(t.forget_out, rows[i].terms.forget_out);
		assert_int_equal(t.bits_in, rows[i].terms.bits_in);
		assert_int_equal(t.bits_out, rows[i].terms.bits_out);
	}
}

static void test_bad_terms(void **state)
{
	static const char *const rows[] = {
		"", "x-webkit-deflate-frame", "permessage-deflate, permessage-deflate",
		"permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover=1",
		"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
		"permessage-deflate; client_max_window_bits",
		"permessage-deflate; client_max_window_bits=7",
		"permessage-deflate; client_max_window_bits=16",
		"permessage-deflate; client_max_window_bits=08",
		"permessage-deflate; client_max_window_bits=999999999999",
		"permessage-deflate; client_max_window_bits=\"\"",
		"permessage-deflate; server_max_window_bits=9; server_max_window_bits=9", "permessage-deflate; ;",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ws_deflate_terms t = {0};

		if (ws_deflate_parse(slice_of(rows[i]), &t))
			fail_msg("%s", rows[i]);
		assert_false(t.agreed);
	}
}

/* the whole text of a compressed message, in steps of an odd size */
static int unpack(struct ws_deflate *d, struct slice packed, struct buf *out)
{
	struct slice parts[] = {packed, WS_DEFLATE_TAIL};
	char to[997];
	size_t n;

	for (int i = 0; i < 2; i++)
		do {
			int r = ws_deflate_unpack(d, &parts[i], to, sizeof(to), &n);

			if (r)
				return r;
			assert_int_equal(buf_put(out, slice_make(to, n)), 0);
		} while (n == sizeof(to) || parts[i].n);
	ws_deflate_unpacked(d);
	return 0;
}

/* texts that repeat each other, and noise, over the same pair of streams */
static void there_and_back(const struct ws_deflate_terms *terms, bool forget)
{
	const size_t sizes[] = {64, 1000, 1000, 16384, 70000, 300000, 64};
	const struct ws_deflate_terms other_terms = {.agreed = true, .forget_in = terms->forget_out,
						     .bits_in = terms->bits_out, .bits_out = 15};
	struct ws_deflate *d = NULL, *other = NULL;
	char *text = malloc(300000);
	struct buf packed, plain;
	unsigned noise = 1;

	assert_non_null(text);
	for (size_t i = 0; i < 300000; i++) {
		noise = noise * 1103515245 + 12345;
		text[i] = i % 20000 < 10000 ? (char)('a' + i % 7) : (char)(noise >> 16);
	}
	buf_init(&packed, 1u << 20);
	buf_init(&plain, 300000);
	assert_int_equal(ws_deflate_new(terms, &d), 0);
	assert_int_equal(ws_deflate_new(&other_terms, &other), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		buf_clear(&packed);
		buf_clear(&plain);
		assert_int_equal(ws_deflate_pack(d, slice_make(text, sizes[i]), &packed), 0);
		if (forget && i == 2)
			ws_deflate_unsent(d);
		else
			assert_int_equal(unpack(other, buf_slice(&packed), &plain), 0);
		if (!forget || i != 2)
			assert_true(slice_eq(buf_slice(&plain), slice_make(text, sizes[i])));
	}
	buf_fini(&packed);
	buf_fini(&plain);
	ws_deflate_free(d);
	ws_deflate_free(other);
	free(text);
}

static void test_there_and_back(void **state)
{
	(void)state;
	for (int bits = 9; bits <= 15; bits++)
		for (int forget = 0; forget < 2; forget++) {
			const struct ws_deflate_terms terms = {.agreed = true, .bits_in = 15,
							       .bits_out = bits,
							       .forget_out = forget};
			there_and_back(&terms, false);
			there_and_back(&terms, true);
		}
}

static void test_plain(void **state)
{
	const struct ws_deflate_terms small = {.agreed = true, .bits_in = 8, .bits_out = 8};
	const struct ws_deflate_terms usual = {.agreed = true, .bits_in = 15, .bits_out = 15};
	struct ws_deflate *d = NULL;
	char text[1000] = "";
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(ws_deflate_new(&small, &d), 0);
	assert_int_equal(ws_deflate_pack(d, slice_make(text, sizeof(text)), &out), WS_DEFLATE_E_PLAIN);
	ws_deflate_unsent(d);
	ws_deflate_free(d);
	assert_int_equal(ws_deflate_new(&usual, &d), 0);
	assert_int_equal(ws_deflate_pack(d, slice_make(text, 63), &out), WS_DEFLATE_E_PLAIN);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	/* no room: as if it had not been tried */
	buf_init(&out, 8);
	assert_int_equal(buf_put_str(&out, "before"), 0);
	assert_int_equal(ws_deflate_pack(d, slice_make(text, sizeof(text)), &out), -EMSGSIZE);
	assert_true(slice_eq(buf_slice(&out), SLICE("before")));
	buf_fini(&out);
	ws_deflate_free(d);
	ws_deflate_free(NULL);
}

/* what a few bytes become is made a step at a time, and no byte beyond the room for it */
static void test_bomb(void **state)
{
	const struct ws_deflate_terms terms = {.agreed = true, .bits_in = 15, .bits_out = 15};
	static char zeros[1u << 20];
	struct ws_deflate *d = NULL, *other = NULL;
	char to[101];
	struct slice rest;
	struct buf packed;
	size_t n, total = 0;

	(void)state;
	buf_init(&packed, 1u << 20);
	assert_int_equal(ws_deflate_new(&terms, &d), 0);
	assert_int_equal(ws_deflate_new(&terms, &other), 0);
	assert_int_equal(ws_deflate_pack(d, slice_make(zeros, sizeof(zeros)), &packed), 0);
	assert_true(buf_len(&packed) < 5000);
	rest = buf_slice(&packed);
	do {
		to[100] = 'x';
		assert_int_equal(ws_deflate_unpack(other, &rest, to, 100, &n), 0);
		assert_int_equal(to[100], 'x');
		total += n;
	} while (n == 100 || rest.n);
	assert_int_equal(total, sizeof(zeros));
	ws_deflate_free(d);
	ws_deflate_free(other);
	buf_fini(&packed);
}

/* every valid kind of stream; a block that ends the stream is allowed */
static void test_odd_streams(void **state)
{
	const struct ws_deflate_terms terms = {.agreed = true, .bits_in = 15, .bits_out = 15};
	static const struct {
		struct slice packed;
		int r;
		const char *plain;
	} rows[] = {
		/* RFC 7692, 7.2.3.1: "Hello"; .3: stored; .4: a final block; .5: two blocks */
		{SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), 0, "Hello"},
		{SLICE("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), 0, "Hello"},
		{SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 0, "Hello"},
		{SLICE("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), 0, "Hello"},
		{SLICE("\x00"), 0, ""},
		{SLICE("\xff"), WS_DEFLATE_E_BROKEN, NULL},
		{SLICE("\x00\x05\x00\x05\x00Hello\x00"), WS_DEFLATE_E_BROKEN, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ws_deflate *d = NULL;
		struct buf plain;

		buf_init(&plain, 100);
		assert_int_equal(ws_deflate_new(&terms, &d), 0);
		assert_int_equal(unpack(d, rows[i].packed, &plain), rows[i].r);
		if (rows[i].plain && !slice_eq(buf_slice(&plain), slice_of(rows[i].plain)))
			fail_msg("row %zu", i);
		ws_deflate_free(d);
		buf_fini(&plain);
	}
}

static void test_allocations(void **state)
{
	const struct ws_deflate_terms terms = {.agreed = true, .bits_in = 15, .bits_out = 15};
	static char text[50000];

	(void)state;
	FAIL_EACH_ALLOCATION {
		struct ws_deflate *d = NULL;
		struct buf out;

		buf_init(&out, sizeof(text));
		if (ws_deflate_new(&terms, &d) == 0) {
			int r = ws_deflate_pack(d, slice_make(text, sizeof(text)), &out);
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(buf_len(&out) > 0, r == 0);
		}
		ws_deflate_free(d);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_terms), cmocka_unit_test(test_bad_terms),
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_bomb), cmocka_unit_test(test_odd_streams),
		cmocka_unit_test(test_allocations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
