/*
 * Any bytes as a name, as JSON and as the answer to status, printed by cometctl
 * for people: nothing that a terminal may obey comes out, only whole characters,
 * and one line stays one line. For programs, JSON comes out byte for byte but
 * for its line breaks.
 */
#include "libclient/cometctl/cometctl.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/output";

static bool is_harmless(const char *text, size_t n, bool lines)
{
	const unsigned char *p = (const unsigned char *)text;

	if (!utf8_valid(slice_make(text, n)))
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t left = n - i;

		if ((p[i] < ' ' && !(lines && p[i] == '\n')) || p[i] == 0x7f)
			return false;
		if (left >= 2 && ((p[i] == 0xc2 && p[i + 1] < 0xa0) || !memcmp(p + i, "\xd8\x9c", 2)))
			return false;
		if (left >= 3 && p[i] == 0xe2 &&
		    ((p[i + 1] == 0x80 && ((p[i + 2] >= 0xa8 && p[i + 2] <= 0xae) ||
					   p[i + 2] == 0x8e || p[i + 2] == 0x8f)) ||
		     (p[i + 1] == 0x81 && p[i + 2] >= 0xa6 && p[i + 2] <= 0xa9)))
			return false;
	}
	return true;
}

struct out {
	char *text;
	size_t n;
	FILE *to;
};

static void begin(struct out *o)
{
	o->text = NULL;
	o->to = open_memstream(&o->text, &o->n);
	FUZZ_CHECK(o->to);
}

static void end(struct out *o)
{
	FUZZ_CHECK(fclose(o->to) == 0);
}

static void print_as_name(const char *name)
{
	struct out o;

	begin(&o);
	size_t columns = print_name(o.to, name);
	end(&o);
	FUZZ_CHECK(is_harmless(o.text, o.n, false));
	FUZZ_CHECK(columns <= o.n);
	free(o.text);
	begin(&o);
	print_json_string(o.to, name);
	end(&o);
	FUZZ_CHECK(is_harmless(o.text, o.n, false));
	FUZZ_CHECK(cometd_json_parse(o.text, o.n, NULL) == 0);
	free(o.text);
}

static void print_as_json(const char *json, size_t n, bool people)
{
	struct out o;

	print_to_terminal(people);
	begin(&o);
	print_json(o.to, json, n);
	end(&o);
	if (people) {
		FUZZ_CHECK(is_harmless(o.text, o.n, false));
		FUZZ_CHECK(cometd_json_parse(o.text, o.n, NULL) == 0);
	} else {
		FUZZ_CHECK(o.n == n);
		for (size_t i = 0; i < n; i++)
			FUZZ_CHECK(o.text[i] == json[i] || (o.text[i] == ' ' && (unsigned char)json[i] < ' '));
	}
	free(o.text);
}

/* Indented, it is the same JSON on other lines. */
static void print_as_pretty_json(const char *json, size_t n)
{
	struct out o;

	print_pretty(true);
	begin(&o);
	print_json(o.to, json, n);
	end(&o);
	print_pretty(false);
	FUZZ_CHECK(is_harmless(o.text, o.n, true));
	FUZZ_CHECK(cometd_json_parse(o.text, o.n, NULL) == 0);
	free(o.text);
}

static void print_as_status(const struct cometd_json *status)
{
	FILE *before = stdout;
	struct out o;

	begin(&o);
	stdout = o.to;
	print_status(status, &(struct status_view){.columns = 80, .channels = true});
	stdout = before;
	end(&o);
	FUZZ_CHECK(is_harmless(o.text, o.n, true));
	free(o.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* of exactly its length, so that a byte read after it is found */
	char *copy = malloc(n + 1);
	struct cometd_json status;

	FUZZ_CHECK(copy);
	memcpy(copy, data, n);
	copy[n] = '\0';
	print_to_terminal(true);
	print_as_name(copy);
	if (cometd_json_parse(copy, n, &status) == 0) {
		print_as_json(copy, n, false);
		print_as_json(copy, n, true);
		print_as_pretty_json(copy, n);
		print_as_status(&status);
	}
	free(copy);
	return 0;
}
