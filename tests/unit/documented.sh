#!/bin/sh
# Makes a C program of the examples in README.md, cometd-bridge.h, cometd-bridge.3 and
# cometd_process.3 (the arguments), one function each. Its first argument names the
# document whose example runs; "nofile" after it: with no descriptor left.
set -e

# from the declaration of the handle to where it is freed
example() {
	sed -n '/struct cometd \*c\( = .*\)\{0,1\};$/,/cometd_free(c);$/p' "$1" |
		sed 's/^ \*//; s/\\en/\\n/g'
}

# between .Bd and .Ed below the heading EXAMPLES
manual() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh [^E]/p' "$1" | sed -n '/^\.Bd/,/^\.Ed/p' | sed '/^\.[BE]d/d'
}

function() {
	text=$($2 "$3")
	[ -n "$text" ] || { echo "$3: no example found" >&2; exit 1; }
	printf '\nstatic void %s\n{\n%s\n}\n' "$1" "$text"
}

cat <<'END'
#include <cometd-bridge.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
END
function 'readme(void)' example "$1"
function 'header(void)' example "$2"
function 'tour(void)' example "$3"
function 'process(struct cometd *c, int running)' manual "$4"
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
		readme();
	else if (strcmp(argv[1], "cometd-bridge.h") == 0)
		header();
	else if (strcmp(argv[1], "cometd-bridge.3") == 0)
		tour();
	else
		process(NULL, 0);
	/* sanitizers need descriptors when they report at the end */
	return setrlimit(RLIMIT_NOFILE, &before) ? 2 : 0;
}
END
