#!/bin/sh
# Each exported function has a page that names it, with its prototype; the
# pages are what mandoc likes; cometctl.1 knows each exit code that the help
# tells.
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
if ! command -v mandoc >/dev/null; then
	echo "no mandoc: the pages are not checked"
	exit 77
fi
mandoc -T lint -W warning "$pages"/*.3 "$pages/cometctl/cometctl.1"
