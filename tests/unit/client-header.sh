#!/bin/sh
# The public header in strict C89 and in C++, and the libevent adapter in C99
# and C++, each without a warning.
set -e
src=$top_srcdir
flags="-Wall -Wextra -Werror -pedantic -fsyntax-only -I$src/libclient"

${CC:-cc} -std=c89 $flags "$src/tests/unit/check_header.c"
${CC:-cc} -std=c99 $flags -x c "$src/libclient/cometd-bridge-libevent.h"
if ${CXX:-c++} --version >/dev/null 2>&1; then
	${CXX:-c++} -std=c++98 -Wno-long-long $flags -x c++ "$src/tests/unit/check_header.c"
	${CXX:-c++} -std=c++11 $flags -x c++ "$src/libclient/cometd-bridge-libevent.h"
else
	skipped="no C++ compiler: not tried as C++"
fi
# a fault must be found
if printf '#include <cometd-bridge.h>\nint f(void) { return cometd_free; }\n' |
	${CC:-cc} -std=c89 $flags -x c - 2>/dev/null
then
	echo "a fault was not found"
	exit 1
fi
[ -z "$skipped" ] || { echo "$skipped"; exit 77; }
