#!/bin/sh
# Makes a C program of the examples in README.md, cometd-bridge.h, cometd-bridge.3,
# cometd_process.3 and further pages of the library (the arguments), one function each.
# The first argument of the program names the document whose example runs; "nofile"
# after it: with no descriptor left. The examples of the further pages are only compiled.
set -e

# from the declaration of the handle to where it is freed
example() {
	sed -n '/struct cometd \*c\( = .*\)\{0,1\};$/,/cometd_free(c);$/p' "$1" |
		sed 's/^ \*//; s/\\en/\\n/g'
}

# between .Bd and .Ed below the heading EXAMPLES
manual() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$1" | sed -n '/^\.Bd/,/^\.Ed/p' |
		sed '/^\.[BE]d/d; s/\\e/\\/g; s/\\-/-/g'
}

function() {
	text=$($2 "$3")
	[ -n "$text" ] || { echo "$3: no example found" >&2; exit 1; }
	printf '\nstatic void %s\n{\n\t(void)c;\n\t{\n%s\n\t}\n}\n' "$1" "$text"
}

cat <<'END'
#include <cometd-bridge.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
END
function 'readme(struct cometd *c)' example "$1"
function 'header(struct cometd *c)' example "$2"
function 'tour(struct cometd *c)' example "$3"
function 'process(struct cometd *c, int running)' manual "$4"
shift 4
echo 'static void run(struct cometd *c) { (void)c; }'
for page; do
	function "page$#(struct cometd *c, const struct cometd_event *event)" manual "$page" |
		sed 's/^\t(void)c;$/\t(void)c, (void)event;/'
	pages="$pages		page$#(c, NULL);
"
	shift
done
printf '\nstatic void all_pages(struct cometd *c)\n{\n%s}\n' "$pages"
cat <<'END'

int main(int argc, char **argv)
{
	struct rlimit before, none;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2 || getrlimit(RLIMIT_NOFILE, &before))
		return 2;
	none = (struct rlimit){3, before.rlim_max};
	if (argc > 2 && setrlimit(RLIMIT_NOFILE, &none))
		return 2;
	if (strcmp(argv[1], "README.md") == 0)
		readme(NULL);
	else if (strcmp(argv[1], "cometd-bridge.h") == 0)
		header(NULL);
	else if (strcmp(argv[1], "cometd-bridge.3") == 0)
		tour(NULL);
	else
		process(NULL, 0);
	if (argc > 3)
		all_pages(NULL);
	/* sanitizers need descriptors when they report at the end */
	return setrlimit(RLIMIT_NOFILE, &before) ? 2 : 0;
}
END
