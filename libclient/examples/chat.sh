#!/bin/sh
# A chat in the shell: what you type goes to a channel, what others (and you)
# write comes from it.
#
#     ./chat.sh /chat/room me
channel=${1:?usage: chat.sh CHANNEL NAME}
name=${2:?usage: chat.sh CHANNEL NAME}

cometctl wait --timeout 10 || exit

# the text as a JSON string: " and \ escaped, control characters left out
quote() {
	printf '"%s"' "$(printf %s "$1" | tr -d '\000-\037' | sed 's/["\\]/\\&/g')"
}

cometctl sub "$channel" &
listener=$!
trap 'kill "$listener" 2>/dev/null' EXIT

while IFS= read -r line; do
	printf '{"from":%s,"text":%s}\n' "$(quote "$name")" "$(quote "$line")"
done | cometctl pub "$channel" -
