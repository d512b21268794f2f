#!/bin/bash
# Publishes lines of text and checks what became of each: it subscribes, waits until
# the subscription is established, publishes COUNT lines, and ends with 0 when each
# was acknowledged by the server and received, in order. It never sleeps.
#
#     ./lines.sh /demo/lines 1000
channel=${1:?usage: lines.sh CHANNEL COUNT}
count=${2:?usage: lines.sh CHANNEL COUNT}

fail() {
	echo "lines.sh: $1" >&2
	exit 1
}

cometctl wait --timeout 60 || exit

# its end closes the pipe, so no read below waits for longer than this timeout
coproc sub { exec cometctl sub "$channel" --json --timeout 60; }
exec {events}<&"${sub[0]}"

while read -r event <&$events || fail "no subscription"; do
	[[ $event == '{"op":"subscription"'*'"ok":true}' ]] && break
done

n=0
while read -r outcome; do
	n=$((n + 1))
	[[ $outcome == *'"ok":true'* ]] || fail "not acknowledged: $outcome"
done < <(seq -f 'line %g' "$count" | cometctl pub "$channel" --text --json -)
[ $n -eq "$count" ] || fail "$n outcomes instead of $count"

n=0
while [ $n -lt "$count" ] && { read -r event <&$events || fail "$n messages received"; }; do
	case $event in
	*'"op":"message"'*"\"data\":\"line $((n + 1))\""*) n=$((n + 1)) ;;
	*'"op":"state"'*) ;;
	*) fail "unexpected: $event" ;;
	esac
done
echo "$n lines published, acknowledged and received"
