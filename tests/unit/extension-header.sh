#!/bin/sh
# The header of extensions in strict C89 and in C++, the example that it shows in C99
# and C++, the installed one in C11, each without a warning and without any other
# header of ours.
set -e
src=$top_srcdir
dir=$(mktemp -d)
trap 'rm -r "$dir"' EXIT
cp "$src/daemon/plugin/cometd-bridge-extension.h" "$dir"
flags="-Wall -Wextra -Werror -pedantic -fsyntax-only -I$dir"
smallest=$dir/smallest.c
# the smallest extension, as the header shows it, is one
sed -n '/THE SMALLEST EXTENSION/,/^ \*     cc /s/^ \*     //p' "$src/daemon/plugin/cometd-bridge-extension.h" |
	sed '/^cc /d' >"$smallest"
grep -q 'cometd_bridge_extension(void)' "$smallest"

skipped="no C++ compiler: not tried as C++"
for cc in "${CC:-cc}" gcc clang; do
	$cc --version >/dev/null 2>&1 || continue
	$cc -std=c89 $flags -x c "$dir/cometd-bridge-extension.h"
	$cc -std=c99 $flags -Wno-unused-parameter "$smallest"
	$cc -std=c11 $flags "$src/daemon/examples/tenant.c"
done
for cxx in "${CXX:-c++}" g++ clang++; do
	$cxx --version >/dev/null 2>&1 || continue
	skipped=
	$cxx -std=c++98 -Wno-long-long $flags -x c++ "$dir/cometd-bridge-extension.h"
	$cxx -std=c++11 $flags -Wno-unused-parameter -x c++ "$smallest"
done
# a fault must be found
if printf '#include <cometd-bridge-extension.h>\nint f(void) { return COMETD_EXTENSION_ABI(); }\n' |
	${CC:-cc} -std=c89 $flags -x c - 2>/dev/null
then
	echo "a fault was not found"
	exit 1
fi
[ -z "$skipped" ] || { echo "$skipped"; exit 77; }
