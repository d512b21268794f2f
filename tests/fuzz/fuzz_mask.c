/*
 * Any bytes as a text that may repeat secrets. Of what is masked, UTF-8 stays UTF-8
 * and JSON stays JSON of the same length; no secret is left as it was, nor what it
 * becomes in the escapes of JSON; and what is no secret is left alone.
 */
#include "net/mask.h"
#include "protocol/json_read.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/mask";

#define LONG "sec\xc3\xbcret/-\"+word"
#define SHORT "tiger"

static struct mask *mask(void)
{
	static struct mask *m;

	if (!m) {
		FUZZ_CHECK(mask_new(&m) == 0);
		FUZZ_CHECK(mask_add(m, SLICE(LONG)) == 0 && mask_add(m, SLICE(SHORT)) == 0);
		FUZZ_CHECK(mask_add_login(m, SLICE("me:pa%41ssword")) == 0);
		FUZZ_CHECK(mask_add_cookie(m, SLICE("handshake-0")) == 0);
	}
	return m;
}

static void check_text(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1);

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	text[n] = 0;
	mask_text(mask(), text, n);
	FUZZ_CHECK(!memmem(text, n, LONG, sizeof(LONG) - 1));
	FUZZ_CHECK(!memmem(text, n, "handshake-0", 11));
	FUZZ_CHECK(n != sizeof(SHORT) - 1 || memcmp(text, SHORT, n) != 0);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(text[i] == (char)data[i] || text[i] == '*');
	if (utf8_valid(slice_make(data, n)))
		FUZZ_CHECK(utf8_valid(slice_make(text, n)));
	free(text);
}

static int count(void *ctx, const struct json_element *e, const struct json_field *fields)
{
	(void)e;
	*(unsigned *)ctx = *(unsigned *)ctx * 31 + fields[0].value.kind;
	return 0;
}

static void check_messages(const uint8_t *data, size_t n)
{
	struct json_field fields[] = {{.name = "data"}};
	unsigned before = 0, after = 0;
	char *text = malloc(n + 1);
	int r;

	FUZZ_CHECK(text);
	memcpy(text, data, n);
	r = json_read_objects(slice_make(data, n), fields, 1, count, &before);
	mask_messages(mask(), text, n);
	FUZZ_CHECK(json_read_objects(slice_make(text, n), fields, 1, count, &after) == r);
	FUZZ_CHECK(before == after);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mask *m;

	check_text(data, n);
	check_messages(data, n);
	/* whatever it is: once it is a secret, it is found */
	FUZZ_CHECK(mask_new(&m) == 0 && mask_add(m, slice_make(data, n)) == 0);
	if (n >= MASK_RUN && utf8_valid(slice_make(data, n)) && !memchr(data, '*', n)) {
		char *text = malloc(n);

		FUZZ_CHECK(text);
		memcpy(text, data, n);
		mask_text(m, text, n);
		FUZZ_CHECK(memcmp(text, data, n) != 0);
		free(text);
	}
	mask_add_json(m, slice_make(data, n));
	mask_free(m);
	return 0;
}
