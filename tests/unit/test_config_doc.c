/*
 * The table of options and what people read of it: cometd-bridge.conf(5), which
 * has each row word for word, and OPTIONS.md, which names them beside the options
 * of other clients.
 */
#include "config/config.h"
#include "tests/unit/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* the text of a file of daemon/, a byte more than it has */
static char *read_file(const char *name)
{
	char path[512], *text;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/daemon/%s", getenv("top_srcdir"), name);
	f = fopen(path, "re");
	assert_non_null(f);
	text = malloc(1u << 20);
	assert_non_null(text);
	n = fread(text, 1, (1u << 20) - 1, f);
	assert_true(n > 0 && feof(f));
	text[n] = 0;
	fclose(f);
	return text;
}

/* the man page without backslashes, and with each paragraph of text on one line */
static char *man_page(void)
{
	char *text = read_file("cometd-bridge.conf.5"), *to = text;
	bool macro = text[0] == '.';

	for (const char *at = text; *at; at++) {
		if (*at == '\n') {
			bool next = at[1] == '.';

			*to++ = macro || next ? '\n' : ' ';
			macro = next;
		} else if (*at != '\\') {
			*to++ = *at;
		}
	}
	*to = 0;
	return text;
}

/* Each option is there with type, default, meaning and example; and there is no other option. */
static void test_man_page(void **state)
{
	char *page = man_page();
	const char *at = page;
	struct config_option o;
	size_t n = 0, headings = 0;

	(void)state;
	for (; config_describe(n, &o); n++) {
		char wanted[1024], range[100] = "";

		if (o.min)
			snprintf(range, sizeof(range), ".br\nRange: %s to %s%s%s\n", o.min, o.max,
				 o.word ? ", or " : "", o.word ? o.word : "");
		snprintf(wanted, sizeof(wanted),
			 "\n.It Cm %s No = Ar \"%s\"\n%s.%s\n%s"
			 ".br\n%s%s\n.br\nExample: %s = %s\n",
			 o.name, o.type, o.meaning,
			 o.repeatable ? " May be given several times." : "", range,
			 o.fallback ? "Default: " : "No default", o.fallback ? o.fallback : "",
			 o.name, o.example);
		at = strstr(page, wanted);
		if (!at)
			fail_msg("cometd-bridge.conf.5 lacks:%s", wanted);
	}
	for (at = page; (at = strstr(at, "\n.It Cm ")); at++)
		headings++;
	assert_int_equal(headings, n);
	free(page);
}


static bool is_option(const char *name, size_t n)
{
	struct config_option o;

	for (size_t i = 0; config_describe(i, &o); i++)
		if (strlen(o.name) == n && memcmp(o.name, name, n) == 0)
			return true;
	return false;
}

/* Code in a cell is an option, possibly followed by a value. */
static unsigned check_cell(const char *cell, const char *end)
{
	unsigned found = 0;

	if (strspn(cell, " ") >= (size_t)(end - cell))
		fail_msg("an empty cell: %.80s", cell - 40);
	while ((cell = memchr(cell, '`', (size_t)(end - cell)))) {
		size_t n = strcspn(++cell, " `");

		if (!is_option(cell, n))
			fail_msg("OPTIONS.md: there is no option %.*s", (int)n, cell);
		found++;
		cell = strchr(cell, '`') + 1;
	}
	return found;
}

/* The second cell of each row is ours: never empty, and naming only what there is. */
static void test_options_beside_others(void **state)
{
	char *page = read_file("OPTIONS.md");
	unsigned rows = 0, named = 0;

	(void)state;
	for (char *line = strtok(page, "\n"); line; line = strtok(NULL, "\n")) {
		const char *cell = line[0] == '|' ? strchr(line + 1, '|') : NULL;
		const char *end = cell ? strchr(cell + 1, '|') : NULL;

		if (!end || strncmp(line, "|---", 4) == 0 || strncmp(line, "| what ", 7) == 0)
			continue;
		rows++;
		named += check_cell(cell + 1, end);
	}
	assert_true(rows > 50);
	assert_true(named > 65);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_man_page),
		cmocka_unit_test(test_options_beside_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
