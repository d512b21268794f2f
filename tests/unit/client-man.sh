#!/bin/sh
# Each exported function has a page that names it, with its prototype; cometctl.1
# has each exit code of the help. Every page has examples, refers only to pages of ours
# that exist, and gets no warning from mandoc. Examples are shown as they have to be typed.
set -e
pages=$top_srcdir/libclient
for name in $(sed -n 's/^\t\t\(cometd_[a-z0-9_]*\);/\1/p' "$pages/cometd-bridge.map"); do
	page=$(grep -lx "\.Nm $name\( ,\)\?" "$pages"/*.3) ||
		{ echo "no page for $name"; exit 1; }
	grep -qx "\.Fo $name" $page || { echo "$page: no prototype of $name"; exit 1; }
done
for code in 0 1 2 3 4 5 6 7 8; do
	grep -qx "\.It $code" "$pages/cometctl/cometctl.1" ||
		{ echo "cometctl.1: no exit status $code"; exit 1; }
done
all="$pages/*.3 $pages/cometctl/*.1 $top_srcdir/daemon/*.[578] $top_srcdir/daemon/plugin/*.3"
for page in $all; do
	grep -qx '\.Sh EXAMPLES' "$page" || { echo "$page: no EXAMPLES"; exit 1; }
	sed -n 's/^\.Xr \(comet[^ ]*\) \([1-8]\).*/\1.\2/p' "$page" | tr -d '\\' | while read -r other; do
		ls $all | grep -q "/$other\$" || grep -qx "\.Nm ${other%.3}\( ,\)\?" "$pages"/*.3 ||
			{ echo "$page: there is no page $other"; exit 1; }
	done
done
if ! command -v mandoc >/dev/null; then
	echo "no mandoc: the pages are not checked"
	exit 77
fi
mandoc -T lint -W warning $all
for page in $all; do
	mandoc -T utf8 -O width=78 "$page" | sed 's/.\x08//g; s/^ *//' >rendered.$$
	awk '/^\.Ed/ { inside = 0 } inside { print } /^\.Bd -literal/ { inside = 1 }
		sub(/^\.D[1l] /, "") { print }' "$page" |
		sed "s/\\\\(aq/'/g; s/\\\\-/-/g; s/\\\\e/\\\\/g; s/\\\\&//g; s/^[ \t]*//" |
		grep -v '^$' | while IFS= read -r line; do
		grep -qF -- "$line" rendered.$$ || { echo "$page: not shown as it is: $line"; exit 1; }
	done
done
rm -f rendered.$$
