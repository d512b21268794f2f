#!/bin/sh
# The public header in strict C89 and in C++, and the libevent adapter in C99
# and C++, each without a warning, by each compiler that is here.
set -e
src=$top_srcdir
flags="-Wall -Wextra -Werror -pedantic -fsyntax-only -I$src/libclient"
skipped="no C++ compiler: not tried as C++"

for cc in "${CC:-cc}" gcc clang; do
	$cc --version >/dev/null 2>&1 || continue
	$cc -std=c89 $flags "$src/tests/unit/check_header.c"
	$cc -std=c99 $flags -x c "$src/libclient/cometd-bridge-libevent.h"
done
for cxx in "${CXX:-c++}" g++ clang++; do
	$cxx --version >/dev/null 2>&1 || continue
	skipped=
	$cxx -std=c++98 -Wno-long-long $flags -x c++ "$src/tests/unit/check_header.c"
	$cxx -std=c++11 $flags -x c++ "$src/libclient/cometd-bridge-libevent.h"
done
# a fault must be found
if printf '#include <cometd-bridge.h>\nint f(void) { return cometd_free; }\n' |
	${CC:-cc} -std=c89 $flags -x c - 2>/dev/null
then
	echo "a fault was not found"
	exit 1
fi
[ -z "$skipped" ] || { echo "$skipped"; exit 77; }
