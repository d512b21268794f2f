#!/bin/bash
# Completion for bash: verbs, the names of servers, the values of options; and for each verb exactly
# the options that cometctl help has.
set -eu
fail() { echo "$1" >&2; exit 1; }
compopt() { :; }
. "$top_srcdir/libclient/cometctl/completion/cometctl"

# completes WORD...: what the last of the words of a command line can become, on one line
completes() {
	COMP_WORDS=(cometctl "$@") COMP_CWORD=$#
	_cometctl cometctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
	echo "${COMPREPLY[*]}"
}
expect() {
	local wanted=$1 got
	shift
	got=$(completes "$@")
	[ "$got" = "$wanted" ] || fail "cometctl $*: \"$got\" instead of \"$wanted\""
}

expect 'sub history pub call consumers forget wait status reload config help' ''
expect 'sub status' s
expect 'pub' help p
expect 'call consumers config' c
expect 'history help' h
expect '' history /a --since ''
expect '' sub /a
expect '' sub -n ''
expect '--server --socket' --s
expect '--timeout --text' pub /a --t
expect 'connecting connected' wait --state conn
expect 'handshaking halted' wait --state h

options() {
	grep -oE -- '--[a-z-]+' | sort -u
}
for verb in sub history pub call consumers forget wait status reload config help; do
	{ "$top_builddir/cometctl" help; "$top_builddir/cometctl" help $verb; } | options >completion.help.$$
	completes $verb -- | options >completion.got.$$
	# --timeout is explained in the summary; help has no use for it
	[ $verb != help ] || echo --timeout >>completion.got.$$
	sort -u completion.got.$$ | diff completion.help.$$ - >&2 || fail "$verb: other options than cometctl help"
done
rm completion.help.$$ completion.got.$$

cometctl() {
	if [ "$*" = 'consumers --json --timeout 1' ]; then
		echo '{"server":"demo","durable":"jobs","uid":0}'
		echo '{"server":"south","durable":"jobs","uid":0}'
		return
	fi
	[ "$*" = 'status --json --timeout 1' ] || fail "unexpected: cometctl $*"
	echo '{"version":"1","servers":[{"server":"demo","default":true},{"server":"south"}],"peers":[]}'
}
expect 'demo south' sub -s ''
expect 'south' status --server s
expect 'jobs' sub /a --durable j
expect 'jobs' forget ''
