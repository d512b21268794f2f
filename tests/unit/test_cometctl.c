/*
 * Runs of cometctl, one after the other, against a daemon that follows a script.
 */
#include "tests/unit/testing.h"

#include "tests/unit/cometctl_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEN "0123456789"

struct example {
	const char *line, *input;
	const struct daemon_step *script;
	int code;
	const char *out;            /* all of it */
	const char *err;            /* a part of it; "" must be silent */
};

#define STATUS(text)                                                                               \
	{D_HEAR, "status", 0}, {D_SAY, "{'op':'reply','id':2,'ok':true,'result':" text "}", 0}
#define D_MAY_BE_LOST {D_SAY, "{'op':'lost','server':'demo','count':0,'first':0,'last':0,'code':'expired'}", 0}
#define LOGGED                                                                                     \
	"{'server':'demo','default':true,'state':'connected','since':1,'gap':false,'epoch':'e1','seq':9}"
#define LOGGED_STATE                                                                               \
	"{'op':'state','server':'demo','default':true,'state':'connected','since':1,'gap':false,"       \
	"'epoch':'e1','seq':9}"
#define PAST_OVER(id, channel)                                                                     \
	{D_SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[{'channel':'" channel      \
		"','ok':true}]}}", 0}
/* another process had it, up to message 5 */
#define ATTACH D_GREET(1, LOGGED), {D_HEAR, "{'op':'subscribe','id':2,'channel':'/a','durable':'jobs'}", 0},  \
	{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':[{'channel':'/a','ok':true}],'acked':4,"   \
		"'redelivered':5}}", 0}
#define ACKED(id, n)                                                                               \
	{D_HEAR, "{'op':'ack','id':" #id ",'server':'demo','durable':'jobs','seq':" #n "}", 0}, D_OK(id)
#define TWO_SERVERS "{'servers':[{'server':'x'},{'server':'two','n':2}]}"

static const struct example examples[] = {
	/* usage: no connection is made */
	{"", "", NOTHING, 2, "", "a verb is missing"},
	{"publish /a 1", "", NOTHING, 2, "", "no such verb: publish"},
	{"pub /a", "", NOTHING, 2, "", "pub: too few arguments\ncometctl: try cometctl help pub\n"},
	{"pub /a 1 2", "", NOTHING, 2, "", "pub: too many arguments"},
	{"sub", "", NOTHING, 2, "", "sub: too few arguments"},
	{"pub --wrong /a 1", "", NOTHING, 2, "", "no such option: --wrong"},
	{"pub /a 1 -n 3", "", NOTHING, 2, "", "pub: there is no option --count\n"},
	{"sub /a -n 0", "", NOTHING, 2, "", "--count: not a number from 1 on: 0"},
	{"sub /a -n", "", NOTHING, 2, "", "a value is missing: -n"},
	{"sub /a --json=yes", "", NOTHING, 2, "", "the only value is pretty, not yes"},
	{"sub /a --timeout never", "", NOTHING, 2, "", "--timeout: not a time in seconds: never"},
	{"sub /a --timeout nan", "", NOTHING, 2, "", "not a time in seconds: nan"},
	{"sub /a --timeout 0x10", "", NOTHING, 2, "", "not a time in seconds: 0x10"},
	{"call /service/a 1 --timeout 3601", "", NOTHING, 2, "", "call: --timeout: at most 3600 seconds"},
	{"sub /a --timeout=\x1b[2J", "", NOTHING, 2, "", "seconds: \\u001b[2J\n"},
	{"pub /a 1 --server=", "", NOTHING, 2, "", "--server: not the name of a server: ''\n"},
	{"status --socket=", "", NOTHING, 2, "", "--socket: not the path of a socket: \n"},
	{"wait --state happy", "", NOTHING, 2, "", "halted or disconnecting, not happy"},
	{"pub /a {", "", NOTHING, 2, "", "{: not valid JSON"},
	{"call /service/a 1,2", "", NOTHING, 2, "", "1,2: not valid JSON"},
	{"pub /a [" TEN TEN TEN TEN TEN TEN TEN "}", "", NOTHING, 2, "",
	 "cometctl: [" TEN TEN TEN TEN TEN "012345678...: not valid JSON"},
	/* names that nothing can have; what is wrong is named */
	{"pub /\377 1", "", SCRIPT(GREET, END), 2, "", "/\\xff: the channel is not valid"},
	{"sub /\377", "", SCRIPT(GREET, END), 2, "", "/\\xff: the channel is not valid"},
	{"-s \377 pub /a 1", "", SCRIPT(GREET, END), 2, "", "\\xff: no such server"},
	{"-s \377 sub /a", "", SCRIPT(GREET, END), 2, "", "\\xff: no such server"},
	{"-s x call /service/a 1", "", SCRIPT(GREET, {D_HEAR, "call", 0},
		D_REFUSE(2, "unknown-server", "no server x"), END), 2, "",
		"cometctl: no server x; cometctl status lists the servers\n"},
	{"sub a", "", SCRIPT(GREET, {D_HEAR, "subscribe", 0}, D_REFUSE(2, "bad-channel",
		"channel a must begin"), END), 2, "", "cometctl: channel a must begin\n"},
	{"--version", "", NOTHING, 0, "cometctl " PACKAGE_VERSION "\n", ""},
	/* no daemon, no permission, no common language */
	{"--socket /nonexistent status", "", NOTHING, 3, "",
	"/nonexistent: cometd-bridged is not running"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "'name':'cometctl'", 0},
			      {D_SAY, "{'op':'closing','code':'shutdown','reason':'x'}", 0}, END),
	 3, "", "the daemon is stopping"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0},
			      {D_SAY, "{'op':'closing','code':'too-many','reason':'16 of uid 7'}", 0},
			      END),
	 1, "", ": a limit is reached: 16 of uid 7\n"},
	/* a daemon that hangs: the deadline is that of the whole command */
	{"wait --timeout 0.3", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, END), 6, "",
	 "no answer in time"},
	{"pub /a 1 --timeout 0.3", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, END), 6, "",
	 "no answer in time"},
	/* accepted, later refused temporarily, then finally */
	{"sub /a", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true,"
			"'pending':true,'error':{'code':'refused','message':'403::limit'}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':false,"
			"'error':{'code':'refused','message':'403::no'}}", 0}, END),
	 5, "", "/a: refused by the server: 403::no"},
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true,"
			"'pending':true,'error':{'code':'refused','message':'403::limit'}}", 0},
		D_MESSAGE(1, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: /a: not subscribed yet at demo, trying again: 403::limit\n"},
	{"sub /a --timeout 0.3", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, END), 6, "",
	 "no answer in time"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "denied", "no"),
	END),
	 4, "", "access rules"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "bad-version",
	"no"), END),
	 1, "", "another version"},
	/* pub: every way a publish can end */
	{"pub /a {'n':1}",
	"", SCRIPT(GREET, PUB(2, "'channel':'/a','data':{'n':1},'timeout':"),
				      D_OK(2), END), 0, "", ""},
	{"pub /a 1 --ext {'x':2}", "", SCRIPT(GREET, {D_HEAR, "'data':1,'ext':{'x':2},", 0},
		D_OK(2), END), 0, "", ""},
	{"pub /a - --ext {'x':2}", "1\n2", SCRIPT(GREET, {D_HEAR, "'data':1,'ext':{'x':2},", 0},
		{D_HEAR, "'data':2,'ext':{'x':2},", 0}, D_OK(2), D_OK(3), END), 0, "", ""},
	{"pub /a --binary - --ext {'x':2}", "hello", SCRIPT(GREET, {D_HEAR,
		",'ext':{'x':2},", 0}, D_OK(2), END), 0, "", ""},
	/* the server's own reply, for who asks for all */
	{"pub /a 1 --json", "", SCRIPT(GREET, PUB(2, ""), {D_SAY, "{'op':'reply','id':2,'ok':true,"
		"'result':{'bayeux':{'successful':true,'data':{'token':1}}}}", 0}, END), 0,
	 "{'ok':true,'bayeux':{'successful':true,'data':{'token':1}}}\n", ""},
	{"pub /a - --json", "1\n2", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), {D_SAY,
		"{'op':'reply','id':2,'ok':true,'result':{'bayeux':{'id':'1'}}}", 0}, D_OK(3),
		END), 0, "{'line':1,'ok':true,'bayeux':{'id':'1'}}\n{'line':2,'ok':true}\n", ""},
	{"pub /a 1 --json", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "403::no"), END), 5,
	 "{'ok':false,'error':{'code':'refused','message':'403::no'}}\n", "/a: refused by the server"},
	{"pub /a - --json", "1\nx\n", SCRIPT(GREET, PUB(2, ""), D_OK(2), END), 2,
	 "{'line':2,'ok':false,'error':{'code':'json','message':'not valid JSON, not UTF-8, or nested "
	 "too deeply'}}\n{'line':1,'ok':true}\n", "line 2: not valid JSON"},
	{"pub /a 1 --json=pretty", "", SCRIPT(GREET, PUB(2, ""), {D_SAY, "{'op':'reply','id':2,'ok':true,"
		"'result':{'bayeux':{'a':[1,{}],'b:,':'\\\"}'}}}", 0}, END), 0,
	 "{\n  'ok': true,\n  'bayeux': {\n    'a': [\n      1,\n      {}\n    ],\n    'b:,': '\\'}'\n"
	 "  }\n}\n", ""},
	{"pub /a 1 --json=nice", "", NOTHING, 2, "", "the only value is pretty, not nice"},
	/* plain text, from the line, as lines and from a file */
	{"pub /a --text it's", "", SCRIPT(GREET, PUB(2, "'channel':'/a','data':'it\\\"s',"), D_OK(2), END),
	 0, "", ""},
	{"pub /a --text -", "one\n\n{'", SCRIPT(GREET, PUB(2, "'channel':'/a','data':'one',"),
		PUB(3, "'channel':'/a','data':'',"), PUB(4, "'channel':'/a','data':'{\\\"',"),
		D_OK(2), D_OK(3), D_OK(4), END), 0, "", ""},
	{"pub /a --text --file -", "two\nlines\n", SCRIPT(GREET,
		PUB(2, "'channel':'/a','data':'two\\nlines\\n',"), D_OK(2), END), 0, "", ""},
	{"pub /a --file -", "{'n':\n1}\n", SCRIPT(GREET, PUB(2, "'channel':'/a','data':{'n':\n1}\n,"),
		D_OK(2), END), 0, "", ""},
	{"pub /a --text \377", "", NOTHING, 2, "", "\\xff: the text is not UTF-8; publish it as bytes"},
	{"pub /a --text -", "\377\n", SCRIPT(GREET, END), 2, "", "line 1: the text is not UTF-8"},
	{"pub /a --file /nonexistent", "", NOTHING, 2, "", "cannot open /nonexistent: No such file"},
	{"pub /a --file /", "", NOTHING, 1, "", "cannot read /: Is a directory"},
	{"pub /a --file /dev/zero", "", NOTHING, 2, "", "/dev/zero: larger than the limit"},
	{"pub /a --file /dev/null", "", NOTHING, 2, "", "/dev/null: not valid JSON"},
	{"pub /a --file - --binary -", "", NOTHING, 2, "", "--binary replaces --file and --text"},
	{"pub /a hello", "", NOTHING, 2, "", "nested too deeply; --text publishes plain text\n"},
	{"call /service/a --text hello", "", SCRIPT(GREET, {D_HEAR, "'data':'hello'", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':1}}}", 0}, END),
	 0, "1\n", ""},
	/* who it is, and where */
	{"pub /a 1 --name logger", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "'name':'logger'", 0},
		{D_SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1,'servers':[]}}", 0},
		PUB(2, ""), D_OK(2), END), 0, "", ""},
	{"pub /a 1 --name=", "", NOTHING, 2, "", "--name: not a text of 1 to 64 bytes in UTF-8: \n"},
	{"pub /a 1 -s x -s y", "", NOTHING, 2, "", "pub: only one --server"},
	/* reports: more, none, and why it failed as the daemon knows it */
	{"pub /a 1 -v", "", SCRIPT(GREET, PUB(2, ""), D_OK(2), END), 0, "",
	 "cometctl: demo: connected\ncometctl: /a: acknowledged\n"},
	{"pub /a 1 -q", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "no"), END), 5, "", ""},
	{"pub /a 1", "", SCRIPT(D_GREET(1, "{'server':'demo','default':true,'state':'unconnected',"
		"'since':1,'gap':false,'reason':'HTTP 401','retry_in':0}"), PUB(2, ""),
		D_REFUSE(2, "not-sent", "no session in time"), END), 8, "",
	 "/a: not sent to the server: no session in time\n"
	 "cometctl: demo: unconnected: HTTP 401, next try in 0.0 s\n"},
	{"call /service/a 1", "", SCRIPT(D_GREET(1, "{'server':'demo','default':true,'state':'halted',"
		"'since':1,'gap':false,'reason':'HTTP 402'}"), {D_HEAR, "call", 0},
		D_REFUSE(2, "not-sent", "late"), END), 8, "", "cometctl: demo: halted: HTTP 402\n"},
	{"pub /a 1 --ext 2", "", NOTHING, 2, "", "--ext: not a JSON object: 2"},
	{"pub /a 1 --ext {},{}", "", NOTHING, 2, "", "--ext: not a JSON object: {},{}"},
	{"sub /a --ext {}", "", NOTHING, 2, "", "sub: there is no option --ext\n"},
	/* the rest of the time is sent as the deadline */
	{"-s demo pub --timeout=1999.5 /a -5", "",
	 SCRIPT(GREET, PUB(2, "'server':'demo','channel':'/a','data':-5,'timeout':1"), D_OK(2),
	END),
	 0, "", ""},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "403::no"), END), 5, "",
	 "/a: refused by the server: 403::no"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "denied", "rule 7"), END), 4, "",
	"rule 7"},
	{"pub a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "bad-channel", "no /"), END), 2, "",
	"no /"},
	{"-sx pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "unknown-server", "x"),
	END), 2, "", "x"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "not-sent", "away"), END), 8, "",
	"away"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "unknown-outcome", "?"), END), 7, "",
	"?"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), {D_HANGUP, 0, 0}), 7, "", "sent, but not answered"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "internal", "oh"), END), 1, "",
	"oh"},
	/* pub -: a line a message, in order, up to the first failure */
	{"pub /a -", "1\n\n {'n':2} \n'three'", SCRIPT(GREET, PUB(2, "'channel':'/a','data':1,"),
		PUB(3, "'channel':'/a','data': {'n':2} ,"),
		PUB(4, "'channel':'/a','data':'three',"),
		D_OK(4), D_OK(2), D_OK(3), END), 0, "", ""},
	{"pub /a -", "", SCRIPT(GREET, END), 0, "", ""},
	{"pub /a -", "1\n\nnope\n4\n", SCRIPT(GREET, PUB(2, ""), D_OK(2), END), 2, "",
	"line 3: not valid JSON, not UTF-8, or nested too deeply; --text publishes plain text\n"
	"cometctl: 3 lines read: 1 acknowledged, 1 not valid (from line 3); the input after that was not "
	"read\n"},
	{"pub /a - -v", "1\n2\n", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), D_OK(2), D_OK(3), END), 0, "",
	"cometctl: 2 lines read: 2 acknowledged\n"},
	/* the first of many failures is reported, and the rest counted */
	{"pub /a -", "1\n2\n3\n4", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), PUB(4, ""), PUB(5, ""), D_OK(2),
		D_REFUSE(4, "not-sent", "away"), D_REFUSE(3, "unknown-outcome", "?"),
		D_REFUSE(5, "not-sent", "away"), END), 8, "",
	"cometctl: line 3: not sent to the server: away\n"
	"cometctl: 4 lines read: 1 acknowledged, 1 sent without an answer (from line 2), 2 not sent (from "
	"line 3)\n"},
	{"pub /a -", "1\n2\n", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), D_OK(2), D_REFUSE(3, "refused",
	"no"),
				      END), 5, "", "line 2: refused by the server: no"},
	/* pub --binary: bytes of a file, or of standard input */
	{"pub /a --binary -", "hello", SCRIPT(GREET, PUB(2, "'channel':'/a','timeout':"),
		D_OK(2), END), 0, "", ""},
	{"pub /a --binary -", "hello", SCRIPT(GREET, {D_HEAR,
		",'binary':{'data':'aGVsbG8=','last':true}}", 0}, D_OK(2), END), 0, "", ""},
	{"pub /a --binary /dev/null", "", SCRIPT(GREET, {D_HEAR,
		",'binary':{'data':'','last':true}}", 0}, D_OK(2), END), 0, "", ""},
	{"pub /a --binary -", "hello", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "no"), END),
	 5, "", "refused by the server: no"},
	{"pub /a --binary /nonexistent", "", NOTHING, 2, "", "cannot open /nonexistent"},
	{"pub /a 1 --binary -", "", NOTHING, 2, "", "pub: too many arguments"},
	{"pub --binary -", "", NOTHING, 2, "", "pub: too few arguments\ncometctl: try cometctl help pub\n"},
	{"call /service/x 1 --binary -", "", NOTHING, 2, "", "call: there is no option --binary\n"},
	/* call */
	{"call /service/x {}",
	"", SCRIPT(GREET, {D_HEAR, "{'op':'call','id':2,'channel':'/service/x'", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':[1,\n2]}}}", 0},
		END),
	 0, "[1, 2]\n", ""},
	{"--json call /service/x {}", "", SCRIPT(GREET, {D_HEAR, "call", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':[1]}}}", 0},
		END),
	 0, "{'data':[1]}\n", ""},
	{"call /service/x 1 --ext {'x':2}", "", SCRIPT(GREET, {D_HEAR, "'data':1,'ext':{'x':2},", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':[1]}}}", 0},
		END), 0, "[1]\n", ""},
	{"call /service/x 1", "", SCRIPT(GREET, {D_HEAR, "call", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'message':{'data':{'data':"
			"'xK#0@zV'}},'binary':{'data':'aGVsbG8=','last':true}}}", 0}, END),
	 0, "{'data':'aGVsbG8=','last':true}\n", ""},
	{"call /service/x {} --timeout 200", "", SCRIPT(GREET, {D_HEAR, "call", 0},
		D_REFUSE(2, "timeout", "late"), END), 6, "", "late"},
	/* wait */
	{"wait", "", SCRIPT(GREET, END), 0, "", ""},
	{"wait -s x", "", SCRIPT(GREET, END), 2, "", "x: no such server; cometctl status lists"},
	{"wait --state halted --timeout 0.03", "", SCRIPT(GREET, END), 6, "",
	 "cometctl: demo: connected; not halted in time\n"},
	{"wait --timeout 0.03", "", SCRIPT(D_GREET(1, "{'server':'demo','default':true,'state':"
		"'unconnected','since':1,'gap':false,'reason':'invalid_grant','retry_in':0}"), END), 6, "",
	 "cometctl: demo: unconnected: invalid_grant, next try in 0.0 s; not connected in time\n"},
	{"wait -s demo -s two", "", SCRIPT(D_GREET(1, D_DEMO ",{'server':'two','state':'connecting',"
		"'since':1,'gap':false}"),
		{D_SAY, "{'op':'state','server':'two','state':'connected','since':1,'gap':false}", 0}, END),
	 0, "", ""},
	{"wait -s two -s demo --timeout 0.03", "", SCRIPT(D_GREET(1, D_DEMO ",{'server':'two','state':"
		"'connecting','since':1,'gap':false}"), END), 6, "", "two: connecting; not connected"},
	/* a daemon that does not run (yet) */
	{"wait --socket /nonexistent --timeout 0.3", "", NOTHING, 3, "", "cometctl: /nonexistent: "
	 "cometd-bridged is not running there; waiting for it\ncometctl: /nonexistent: cometd-bridged is "
	 "not running there; start it (systemctl start cometd-bridge.socket), or name its socket with "
	 "--socket\n"},
	{"wait", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0},
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye'}", 0}, {D_HANGUP, 0, 0},
		D_GREET(2, D_DEMO), END), 0, "", "the daemon is stopping; waiting for it\n"},
	{"wait", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "bad-version", "no"), END),
	 1, "", "install cometctl and cometd-bridged from the same release\n"},
	{"wait --state halted", "", SCRIPT(GREET,
		{D_SAY, "{'op':'state','server':'demo','state':'halted','since':1,'gap':false}", 0},
		END),
	 0, "", ""},
	/* status: the screen is tested in test_status_print */
	{"status", "", SCRIPT(GREET, STATUS("{}"), END), 0, "cometd-bridged -, process -\n", ""},
	{"status --json", "", SCRIPT(GREET, STATUS("{'a':1}"), END), 0, "{'a':1}\n", ""},
	{"status -s two -s x --json", "", SCRIPT(GREET, STATUS(TWO_SERVERS), END), 0,
	 "{'server':'two','n':2}\n{'server':'x'}\n", ""},
	{"status -s x", "", SCRIPT(GREET, STATUS("{'servers':[{'server':'x','default':true}]}"), END), 0,
	 "cometd-bridged -, process -\n\n"
	 "SERVER       STATE  SINCE  CHANNELS  RECEIVED  PUBLISHED  OUTAGES\n"
	 "x (default)  -          -         -         -          -        -\n", ""},
	{"status -v", "", SCRIPT(GREET, {D_HEAR, "{'op':'status','id':2,'detail':true}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'peers':[{'name':'p','channels':["
			"{'server':'demo','channel':'/a'}]}]}}", 0}, END), 0,
	 "cometd-bridged -, process -\n\n"
	 "PROGRAM  USER  PID  SINCE  CHANNELS  QUEUED  DELIVERED  MISSED\n"
	 "p        -       -      -         -       -          -       -\n  /a at demo\n",
	 "cometctl: demo: connected\n"},
	{"status -s x -s nosuch", "", SCRIPT(GREET, STATUS(TWO_SERVERS), END), 2, "",
	 "nosuch: no such server; cometctl status lists the servers\n"},
	{"status", "", SCRIPT(GREET, STATUS("{'reload':{'at':1,'ok':true}}"), END), 0,
	 "cometd-bridged -, process -\n", ""},
	/* reload, config */
	{"reload", "", SCRIPT(GREET, {D_HEAR, "{'op':'reload','id':2}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'changes':["
			"{'option':'socket','place':'/f:1','effect':'restart'},"
			"{'server':'a','option':'header','place':'/f:7','effect':'new-session'},"
			"{'server':'a','option':'default','effect':'used'},{'server':'b','effect':'added'},"
			"{'server':'c','effect':'later'}]}}", 0}, END), 0,
	 "socket (/f:1): in effect after a restart of the daemon\n"
	 "a: header (/f:7): its server gets a new session\na: default (default): in effect\nb: added\nc: later\n", ""},
	{"reload", "", SCRIPT(GREET, {D_HEAR, "{'op':'reload','id':2}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'changes':[]}}", 0}, END), 0, "nothing changed\n", ""},
	{"reload --json", "", SCRIPT(GREET, {D_HEAR, "{'op':'reload','id':2}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{}}", 0}, END), 0, "{}\n", ""},
	{"reload", "", SCRIPT(GREET, {D_HEAR, "{'op':'reload','id':2}", 0}, D_REFUSE(2, "bad-config", "/f:3: wrong"), END),
	 9, "", "reload: the configuration has an error and is not used: /f:3: wrong\n"},
	{"reload", "", SCRIPT(GREET, {D_HEAR, "{'op':'reload','id':2}", 0}, D_REFUSE(2, "denied", "only root"), END),
	 4, "", "reload: the daemon's access rules forbid it: only root\n"},
	{"config", "", SCRIPT(GREET, {D_HEAR, "{'op':'config','id':2}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'config':'[bridge]\\n# /f:1\\n\\u001b\\n'}}", 0}, END),
	 0, "[bridge]\n# /f:1\n\\u001b\n", ""},
	{"config", "", SCRIPT(GREET, {D_HEAR, "{'op':'config','id':2}", 0}, D_REFUSE(2, "denied", "only root"), END),
	 4, "", "no configuration: the daemon's access rules forbid it: only root\n"},
	/* sub */
	{"sub /a /b -n 2", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_SUBSCRIBE(3, "/b"),
		D_MESSAGE(1, "/a", "{'n':\n1}"), D_MESSAGE(2, "/b\\u0009\\u009b", "'x'"),
		D_MESSAGE(3, "/a", "'too many'"), END),
	 0, "/a\t{'n': 1}\n/b\\u0009\302\233\t'x'\n", ""},
	{"--json sub /a -n1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(7, "/a", "1"),
	END), 0,
	 "{'op':'up','gap':false}\n"
	 "{'op':'state','server':'demo','default':true,'state':'connected','since':1,'gap':false}\n"
	 "{'op':'subscription','server':'demo','channel':'/a','ok':true}\n"
	 "{'op':'message','server':'demo','seq':7,'message':{'channel':'/a','data':1}}\n", ""},
	/* bytes in base64, not Z85 */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'message','server':'demo','seq':1,'message':{'channel':'/a','data':"
			"{'data':'xK#0@zV'}},'binary':{'data':'aGVsbG8=','last':true}}", 0}, END), 0,
	 "/a\t{'data':'aGVsbG8=','last':true}\n", ""},
	{"sub /a /no", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), {D_HEAR, "/no", 0},
		D_REFUSE(3, "refused", "403::no"), END), 5, "", "/no: refused by the server: 403::no"},
	{"sub /a", "", SCRIPT(GREET, {D_HEAR, "/a", 0}, D_REFUSE(2, "denied", "no"), END), 4, "",
	"/a: "},
	/* pending, then refused */
	{"sub /a", "", SCRIPT(GREET, {D_HEAR, "/a", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':["
			"{'channel':'/a','pending':true}]}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':false,"
			"'error':{'code':'refused','message':'403::no'}}", 0}, END),
	 5, "", "/a: refused by the server: 403::no"},
	{"sub /a --timeout 0.3", "", SCRIPT(GREET, {D_HEAR, "/a", 0}, END), 6, "", "timed out"},
	/* states are printed to stderr, but only those of the selected server */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'state','server':'other','state':'halted','since':1,'gap':true}", 0},
		{D_SAY, "{'op':'lost','server':'demo','count':2,'first':3,'last':5,"
			"'code':'overflow'}", 0},
		D_MESSAGE(6, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: demo: 2 messages lost (3 to 5): this process reads too slowly\n"},
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'state','server':'demo','state':'unconnected','since':1,'gap':true,"
			"'reason':'\\u001b[2J','retry_in':1500}", 0},
		{D_SAY, "{'op':'state','server':'demo','state':'connected','since':1,"
			"'gap':true}", 0},
		D_MESSAGE(6, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: demo: unconnected: \\u001b[2J, next try in 1.5 s\n"
	 "cometctl: demo: connected, messages may have been missed\n"},
	/* missed while connected; but not what was missed before */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'state','server':'demo','state':'connected','since':1,"
			"'gap':true}", 0},
		D_MESSAGE(6, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: demo: connected, messages may have been missed\n"},
	{"sub /a -n 1", "", SCRIPT(D_GREET(1, "{'server':'demo','default':true,'state':"
		"'connected','since':1,'gap':true}"), D_SUBSCRIBE(2, "/a"),
		D_MESSAGE(6, "/a", "1"), END),
	 0, "/a\t1\n", ""},
	/* positions: what they are for, and what is no position */
	{"sub /a --since 7", "", NOTHING, 2, "", "--since: not a position EPOCH:SEQ, an age like 10m, or a time like 09:30 or 2026-11-30T09:30: 7\n"},
	{"sub /a --since e1:", "", NOTHING, 2, "", "2026-11-30T09:30: e1:\n"},
	{"sub /a --since :7", "", NOTHING, 2, "", "2026-11-30T09:30: :7\n"},
	{"sub /a --since e1:7x", "", NOTHING, 2, "", "2026-11-30T09:30: e1:7x\n"},
	{"sub /a --since e1:18446744073709551616", "", NOTHING, 2, "", "not a position"},
	{"sub /a --since " TEN TEN TEN TEN TEN TEN TEN ":7", "", NOTHING, 2, "", "not a position"},
	{"sub /a --history 0", "", NOTHING, 2, "", "--history: not a number from 1 on: 0\n"},
	{"sub /a --history 3 --since e1:7", "", NOTHING, 2, "", "sub: --since replaces --history\n"},
	{"sub /a --since e1:7 -s a -s b", "", NOTHING, 2, "", "--since is a position of one --server\n"},
	{"history /a --history 3", "", NOTHING, 2, "", "history: there is no option --history\n"},
	{"history", "", NOTHING, 2, "", "history: too few arguments"},
	{"sub /a --history 3 -n 2 --format %{position}:%{data}", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'channel':'/a','history':3}", 0}, D_MESSAGE(5, "/a", "1"), D_MESSAGE(9, "/a", "2"), END),
	 0, "e1:5:1\ne1:9:2\n", ""},
	{"sub /a --since e1:4 -n 1 -v", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'channel':'/a','epoch':'e1','seq':4}", 0}, D_MESSAGE(5, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: demo: position e1:5\n"},
	/* times: of several servers, too */
	{"sub /a --since 2026-11-30T09:31:22.123+0100 -s demo -s two -n 1 --data-only", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'server':'demo','channel':'/a','since':1796027482123}", 0},
		{D_HEAR, "'server':'two','channel':'/a','since':1796027482123}", 0}, D_MESSAGE(5, "/a", "1"), END),
	 0, "1\n", ""},
	{"history /a --since 2026-11-30T08:31Z -n 1", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'channel':'/a','upstream':false,'since':1796027460000}", 0}, D_MESSAGE(5, "/a", "1"),
		D_MESSAGE(6, "/a", "2"), {D_MAY_LEAVE, 0, 0}, END), 0, "/a\t1\n", ""},
	{"history /a --since 10m", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'upstream':false,'since':1", 0},
		D_MESSAGE(5, "/a", "1"), PAST_OVER(2, "/a"), END), 0, "/a\t1\n", ""},
	{"sub /a --since 0d", "", SCRIPT(GREET, {D_HEAR, "'since'", 0}, D_REFUSE(2, "bad-request", "unknown field"), END),
	 1, "", "/a: the daemon rejected the request as invalid: unknown field\n"},
	{"sub /a --json -n 1", "", SCRIPT(D_GREET(1, LOGGED), D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'lost','server':'demo','count':2,'first':3,'last':5,'code':'expired'}", 0},
		{D_SAY, "{'op':'message','server':'demo','seq':6,'message':{'channel':'/a','data':{}} } ", 0}, END),
	 0, "{'op':'up','gap':false}\n" LOGGED_STATE "\n"
	    "{'op':'subscription','server':'demo','channel':'/a','ok':true}\n"
	    "{'op':'lost','server':'demo','count':2,'first':3,'last':5,'code':'expired','epoch':'e1'}\n"
	    "{'op':'message','server':'demo','seq':6,'message':{'channel':'/a','data':{}} ,'epoch':'e1'}\n",
	 "cometctl: demo: up to 2 messages lost (3 to 5): the daemon no longer has them\n"},
	{"sub /a --format %{position} -n 1", "", SCRIPT(SUBSCRIBED, END), 0, "-\n", ""},
	/* the past alone: it ends with the last of the replies, and subscribes to nothing */
	{"history /a /b", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'channel':'/a','upstream':false,'history':18446744073709551615,'more':true}", 0},
		{D_HEAR, "'channel':'/b','upstream':false,'history':18446744073709551615}", 0},
		D_MESSAGE(5, "/a", "1"), D_MESSAGE(9, "/b", "2"),
		PAST_OVER(3, "/b"), PAST_OVER(2, "/a"), {D_MAY_LEAVE, 0, 0}, D_MESSAGE(10, "/a", "3"), END),
	 0, "/a\t1\n/b\t2\n", ""},
	{"history /a -n 1 -v", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'upstream':false,'history':1}", 0},
		PAST_OVER(2, "/a"), END), 0, "", "cometctl: demo: position e1:9\n"},
	{"history /a --since e1:4 -v", "", SCRIPT(D_GREET(1, LOGGED),
		{D_HEAR, "'upstream':false,'epoch':'e1','seq':4}", 0}, D_MAY_BE_LOST,
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':[{'channel':'/a','ok':true,"
			"'gap':true}]}}", 0}, END),
	 0, "", "cometctl: demo: messages may have been missed\n"
		"cometctl: demo: position e1:4\n"},
	{"history /a --since e1:4 -n 1", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'seq':4}", 0},
		D_MESSAGE(5, "/a", "1"), D_MESSAGE(6, "/a", "2"), {D_MAY_LEAVE, 0, 0}, END), 0, "/a\t1\n", ""},
	{"history /a --timeout 0.3", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'history'", 0}, END), 6, "",
	 "timed out\n"},
	{"history /a", "", SCRIPT(GREET, {D_HEAR, "'history'", 0},
		D_REFUSE(2, "bad-request", "unknown field"), END), 1, "",
	 "/a: the daemon rejected the request as invalid: unknown field\n"},
	/* only the connection was lost: it continues, and reports nothing that was not */
	{"sub /a -n 2", "", SCRIPT(D_GREET(1, LOGGED), D_SUBSCRIBE(2, "/a"), D_MESSAGE(10, "/a", "1"),
		{D_HANGUP, 0, 0}, D_GREET(3, LOGGED), {D_HEAR, "'channel':'/a','epoch':'e1','seq':10}", 0},
		D_MESSAGE(12, "/a", "2"), END),
	 0, "/a\t1\n/a\t2\n", "; trying again\ncometctl: the daemon is back\n"},
	{"sub /a -n 2", "", SCRIPT(D_GREET(1, LOGGED), D_SUBSCRIBE(2, "/a"), D_MESSAGE(10, "/a", "1"),
		{D_HANGUP, 0, 0}, D_GREET(3, LOGGED), {D_HEAR, "'channel':'/a','epoch':'e1','seq':10}", 0},
		D_MAY_BE_LOST,
		{D_SAY, "{'op':'reply','id':4,'ok':true,'result':{'channels':[{'channel':'/a','ok':true,"
			"'gap':true}]}}", 0}, D_MESSAGE(12, "/a", "2"), END),
	 0, "/a\t1\n/a\t2\n", "the daemon is back\ncometctl: demo: messages may have been missed\n"},
	/* the sign that a subscription is established */
	{"sub /a -v -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"), END), 0,
	 "/a\t1\n", "cometctl: demo: connected\ncometctl: /a: subscribed at demo\n"},
	{"sub /a -v -n 1", "", SCRIPT(GREET, {D_HEAR, "subscribe", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':["
			"{'channel':'/a','pending':true}]}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true}", 0},
		D_MESSAGE(1, "/a", "1"), END), 0, "/a\t1\n",
	 "/a: not subscribed yet at demo; waiting for the server\ncometctl: /a: subscribed at demo\n"},
	{"sub /a --json -n 1", "", SCRIPT(GREET, {D_HEAR, "subscribe", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':["
			"{'channel':'/a','pending':true}]}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true}", 0},
		D_MESSAGE(1, "/a", "1"), END), 0, "{'op':'up','gap':false}\n"
	 "{'op':'state','server':'demo','default':true,'state':'connected','since':1,'gap':false}\n"
	 "{'op':'subscription','server':'demo','channel':'/a','ok':true,'pending':true}\n"
	 "{'op':'subscription','server':'demo','channel':'/a','ok':true}\n"
	 "{'op':'message','server':'demo','seq':1,'message':{'channel':'/a','data':1}}\n", ""},
	{"sub /a -q -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'lost','server':'demo','count':2,'first':3,'last':5,"
			"'code':'overflow'}", 0}, D_MESSAGE(6, "/a", "1"), END), 0, "/a\t1\n", ""},
	/* durable consumers: acknowledged when it is written */
	{"sub /a --durable", "", NOTHING, 2, "", "a value is missing: --durable\n"},
	{"sub /a --durable a/b", "", NOTHING, 2, "", "--durable: not a name of 1 to 64 letters, digits, '.', '_' and '-': a/b\n"},
	{"sub /a --durable=", "", NOTHING, 2, "", "--durable: not a name of 1 to 64"},
	{"sub /a --durable " TEN TEN TEN TEN TEN TEN "12345", "", NOTHING, 2, "", "--durable: not a name of 1 to 64"},
	{"sub /a --durable x --since 10m", "", NOTHING, 2, "", "sub: --durable replaces --history and --since\n"},
	{"sub /a --history 3 --durable x", "", NOTHING, 2, "", "sub: --durable replaces --history and --since\n"},
	{"sub /a --exec cat", "", NOTHING, 2, "", "sub: --exec needs --durable\n"},
	{"sub /a --durable x --exec=", "", NOTHING, 2, "", "--exec: not a command: ''\n"},
	{"history /a --durable x", "", NOTHING, 2, "", "history: there is no option --durable\n"},
	{"sub /a --durable jobs -n 2", "", SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), D_MESSAGE(6, "/a", "2"),
		ACKED(3, 6), END), 0, "/a\t1\n/a\t2\n", ""},
	{"sub /a --durable jobs -n 2 --json", "", SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), ACKED(3, 5),
		{D_SAY, "{'op':'lost','server':'demo','count':2,'first':6,'last':9,'code':'expired'}", 0}, ACKED(4, 9),
		D_MESSAGE(10, "/a", "2"), ACKED(5, 10), END), 0,
	 "{'op':'up','gap':false}\n" LOGGED_STATE "\n"
	 "{'op':'subscription','server':'demo','channel':'/a','ok':true}\n"
	 "{'op':'message','server':'demo','seq':5,'message':{'channel':'/a','data':1},'epoch':'e1','redelivered':true}\n"
	 "{'op':'lost','server':'demo','count':2,'first':6,'last':9,'code':'expired','epoch':'e1'}\n"
	 "{'op':'message','server':'demo','seq':10,'message':{'channel':'/a','data':2},'epoch':'e1'}\n",
	 "cometctl: demo: up to 2 messages lost (6 to 9): the daemon no longer has them\n"},
	{"sub /a --durable jobs", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'durable':'jobs'}", 0},
		D_REFUSE(2, "in-use", "process 7 has it"), END), 1, "",
	 "jobs: another connection has this consumer: process 7 has it; cometctl consumers lists the consumers\n"},
	{"sub /a --durable jobs", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'durable':'jobs'}", 0},
		D_REFUSE(2, "denied", "the consumer jobs belongs to another user"), END), 4, "", "belongs to another user\n"},
	/* the last acknowledgement fails: it would come again */
	{"sub /a --durable jobs -n 1", "", SCRIPT(ATTACH, D_MESSAGE(6, "/a", "1"), {D_HEAR, "'op':'ack'", 0},
		D_REFUSE(3, "internal", "the disk is full"), END), 1, "/a\t1\n",
	 "demo: message 6 is not acknowledged and may come again: the disk is full\n"},
	{"sub /a --durable jobs -n 2", "", SCRIPT(ATTACH, D_MESSAGE(6, "/a", "1"), {D_HEAR, "'op':'ack'", 0},
		{D_HANGUP, 0, 0}, D_GREET(4, LOGGED), {D_HEAR, "'op':'subscribe','id':5,'channel':'/a','durable':'jobs'}", 0},
		{D_SAY, "{'op':'reply','id':5,'ok':true,'result':{'channels':[{'channel':'/a','ok':true}],'acked':4,"
			"'redelivered':6}}", 0}, D_MESSAGE(6, "/a", "1"), D_MESSAGE(7, "/a", "2"), ACKED(6, 6), ACKED(7, 7),
		END), 0, "/a\t1\n/a\t2\n", "the daemon is back\n"},
	/* a command for each message */
	{"sub /a --durable jobs --exec cat -n 2", "", SCRIPT(ATTACH, D_MESSAGE(5, "/a", "[1]"), D_MESSAGE(6, "/a", "2"),
		ACKED(3, 5), ACKED(4, 6), END), 0, "[1]\n2\n", ""},
	{"sub /a --durable jobs --exec cat -n 1 --json", "", SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), ACKED(3, 5), END), 0,
	 "{'op':'message','server':'demo','seq':5,'message':{'channel':'/a','data':1},'epoch':'e1','redelivered':true}\n", ""},
	{"sub /a --durable jobs --exec env|grep\t^COMETD_[^B]|sort -n 1", "", SCRIPT(ATTACH, D_MESSAGE(6, "/a", "1"),
		ACKED(3, 6), END), 0, "COMETD_CHANNEL=/a\nCOMETD_REDELIVERED=0\nCOMETD_SEQ=6\nCOMETD_SERVER=demo\n", ""},
	/* it fails at first, and is run again */
	{"sub /a --durable jobs -n 1 --exec f=$COMETD_BRIDGE_SOCKET.3;rm\t$f\t2>/dev/null||{\ttouch\t$f;exit\t3;}", "",
	 SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), ACKED(3, 5), END), 0, "",
	 "cometctl: demo: message 5: the command failed: exit status 3; trying again in 0.5 s\n"},
	{"sub /a --durable jobs -n 1 --exec f=$COMETD_BRIDGE_SOCKET.9;rm\t$f\t2>/dev/null||{\ttouch\t$f;kill\t-9\t$$;}", "",
	 SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), ACKED(3, 5), END), 0, "",
	 "cometctl: demo: message 5: the command failed: signal 9; trying again in 0.5 s\n"},
	{"consumers", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "{'op':'consumers','id':2}", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'consumers':[{'server':'demo','durable':'jobs','uid':4000000000,"
			"'channels':['/a','/b/*'],'acked':17,'newest':29,'waiting':12,'lost':0,'pid':7},"
			"{'server':'two','durable':'x','uid':4000000001,'channels':[],'acked':0,'waiting':0,'lost':1}]}}", 0},
		END), 0,
	 "CONSUMER  SERVER  USER        PID  WAITING  LOST  ACKED\n"
	 "jobs      demo    4000000000    7       12     0     17\n"
	 "  /a\n  /b/*\n"
	 "x         two     4000000001    -        0     1      0\n", ""},
	{"consumers -s two --json", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "consumers", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'consumers':[{'server':'demo','durable':'jobs'},"
			"{'server':'two','durable':'x'}]}}", 0}, END), 0, "{'server':'two','durable':'x'}\n", ""},
	{"consumers", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "consumers", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'consumers':[]}}", 0}, END), 0,
	 "CONSUMER  SERVER  USER  PID  WAITING  LOST  ACKED\nno durable consumer\n", ""},
	{"consumers", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "consumers", 0}, D_REFUSE(2, "unknown-op", "no such op"), END),
	 1, "", "no consumers: the daemon rejected"},
	{"forget jobs", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "{'op':'forget','id':2,'durable':'jobs'}", 0}, D_OK(2), END),
	 0, "", ""},
	{"forget jobs -s two", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "'server':'two','durable':'jobs'}", 0},
		D_REFUSE(2, "in-use", "process 7 has it"), END), 1, "", "jobs: another connection has this consumer: process 7"},
	{"forget jobs", "", SCRIPT(D_GREET(1, LOGGED), {D_HEAR, "forget", 0}, D_REFUSE(2, "unknown-consumer", "none"), END),
	 2, "", "jobs: no such consumer: none; cometctl consumers lists the consumers\n"},
	{"forget a/b", "", SCRIPT(D_GREET(1, LOGGED), END), 2, "", "a/b: no such consumer; cometctl consumers"},
	{"forget", "", NOTHING, 2, "", "forget: too few arguments"},
	/* several servers: each line has its server */
	{"sub /a -s demo -s two -v -n 2", "", SCRIPT(D_GREET(1, D_DEMO),
		{D_HEAR, "{'op':'subscribe','id':2,'server':'demo','channel':'/a'}", 0}, D_OK(2),
		{D_HEAR, "{'op':'subscribe','id':3,'server':'two','channel':'/a'}", 0}, D_OK(3),
		D_MESSAGE(1, "/a", "1"),
		{D_SAY, "{'op':'message','server':'other','seq':7,'message':{'channel':'/a','data':0}}", 0},
		{D_SAY, "{'op':'message','server':'two','seq':7,'message':{'channel':'/a','data':2}}", 0},
		END), 0, "demo\t/a\t1\ntwo\t/a\t2\n",
	 "cometctl: /a: subscribed at demo\ncometctl: /a: subscribed at two\n"},
	{"-s demo -s two sub /a", "", SCRIPT(GREET, {D_HEAR, "subscribe", 0}, {D_HEAR, "subscribe", 0},
		D_OK(2), D_REFUSE(3, "unknown-server", "no"), END), 2, "", "two: no such server"},
	/* formats */
	{"sub /a -n 1 --data-only", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "'x\\n'"),
		END), 0, "'x\\n'\n", ""},
	{"sub /a -n 2 --format %{seq}|%{server}|%{channel}|%{id}|%{text}%%\\t\\\\", "",
	 SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), {D_SAY, "{'op':'message','server':'demo','seq':9,'message':"
		"{'channel':'/a','data':'it\\n\\u00e9','id':'i1'}}", 0}, D_MESSAGE(10, "/a", "{'n':1}"), END),
	 0, "9|demo|/a|i1|it\\u000a\303\251%\t\\\n10|demo|/a|-|{'n':1}%\t\\\n", ""},
	{"sub /a --format %{chanel}", "", NOTHING, 2, "",
	 "--format has no field %{chanel}; the fields are %{time}, "},
	{"sub /a --format %d", "", NOTHING, 2, "", "--format has no field %d; "},
	{"sub /a --format %", "", NOTHING, 2, "", "--format has no field %; "},
	{"sub /a --format \\x", "", NOTHING, 2, "", "supports \\t, \\n and \\\\, not \\x"},
	{"sub /a --format %% --data-only", "", NOTHING, 2, "", "only one --format or --data-only"},
	{"sub /a --json --data-only", "", NOTHING, 2, "", "--json replaces --format and --data-only"},
	{"pub /a 1 --data-only", "", NOTHING, 2, "", "pub: there is no option --data-only\n"},
	/* colours, where they are asked for */
	{"sub /a -n 1 --color", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"), END),
	 0, "\033[36m/a\033[0m\t1\n", ""},
	{"sub /a -n 1 --color=auto", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"), END),
	 0, "/a\t1\n", ""},
	{"sub /a --color=red", "", NOTHING, 2, "", "--color: auto, always or never, not red"},
	/* the daemon goes and comes */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0},
		D_GREET(3, D_DEMO), D_SUBSCRIBE(4, "/a"), D_MESSAGE(1, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: lost the daemon: bye; trying again\n"
	 "cometctl: the daemon is back, messages may have been missed\n"},
	{0},
};

static void test_examples(void **state)
{
	(void)state;
	for (const struct example *e = examples; e->line; e++) {
		struct daemon *d = daemon_start(e->script);
		char input[256];
		struct run r;

		snprintf(input, sizeof(input), "%s", e->input);
		for (char *p = input; *p; p++)
			*p = *p == '\'' ? '"' : *p;
		start(&r, daemon_path(d), e->line);
		if (*input)
			feed(&r, input);
		finish(&r);
		unquote(r.text[0]), unquote(r.text[1]);
		if (!WIFEXITED(r.status) || WEXITSTATUS(r.status) != e->code ||
		    strcmp(r.text[0], e->out) || !strstr(r.text[1], e->err) ||
		    (!*e->err && *r.text[1]))
			fail_msg("cometctl %s: status %x instead of %d\nout: %s\nerr: %s", e->line,
				 r.status, e->code, r.text[0], r.text[1]);
		daemon_end(d);
	}
}

static void run_alone(struct run *r, const char *line, int code)
{
	start(r, "/nonexistent", line);
	finish(r);
	assert_true(WIFEXITED(r->status));
	assert_int_equal(WEXITSTATUS(r->status), code);
}

static void test_help(void **state)
{
	static const char *const verbs[] = {"sub", "pub", "call", "wait", "status", "help"};
	char line[32];
	struct run r;

	(void)state;
	run_alone(&r, "help", 0);
	assert_non_null(strstr(r.text[0], "exit status: 0 success"));
	assert_string_equal(r.text[1], "");
	run_alone(&r, "--help", 0);
	assert_non_null(strstr(r.text[0], "exit status: 0 success"));
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		snprintf(line, sizeof(line), "help %s", verbs[i]);
		run_alone(&r, line, 0);
		snprintf(line, sizeof(line), "usage: cometctl %s", verbs[i]);
		assert_ptr_equal(strstr(r.text[0], line), r.text[0]);
	}
	run_alone(&r, "pub --help", 0);
	assert_ptr_equal(strstr(r.text[0], "usage: cometctl pub CHANNEL"), r.text[0]);
	run_alone(&r, "help publish", 2);
	assert_non_null(strstr(r.text[1], "no such verb: publish"));
}

/* no line of the help is wider than a terminal */
static void test_help_fits(void **state)
{
	static const char *const lines[] = {"help", "help sub", "help pub", "help call", "help wait",
					    "help status", "help history"};
	struct run r;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		run_alone(&r, lines[i], 0);
		for (char *p = r.text[0]; *p; p += strcspn(p, "\n") + 1)
			assert_true(strcspn(p, "\n") <= 80);
	}
}

/* 2026-11-30T09:31:22.123+0100 */
static void test_time(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1"), END));
	int year, month, day, hour, minute, second, ms, zone, n = 0;
	struct run r;

	(void)state;
	start(&r, daemon_path(d), "sub /a -n 1 --format %{time}");
	finish(&r);
	assert_int_equal(sscanf(r.text[0], "%4d-%2d-%2dT%2d:%2d:%2d.%3d%5d\n%n", &year, &month, &day,
				&hour, &minute, &second, &ms, &zone, &n), 8);
	assert_int_equal(n, strlen("2026-11-30T09:31:22.123+0100\n"));
	assert_true(year >= 2026);
	daemon_end(d);
}

/* The command is stopped with it. What it did by then is acknowledged, if it was successful. */
static void test_stop(void **state)
{
	const struct {
		const char *line;
		const struct daemon_step *script;
	} rows[] = {
		{"sub /a --durable jobs --exec trap\t'exit\t0'\tTERM;echo\tgo;while\t:;do\tsleep\t0.1;done",
		 SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), D_MESSAGE(6, "/a", "2"), ACKED(3, 5), END)},
		{"sub /a --durable jobs --exec echo\tgo;sleep\t1000",
		 SCRIPT(ATTACH, D_MESSAGE(5, "/a", "1"), D_MESSAGE(6, "/a", "2"), END)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct daemon *d = daemon_start(rows[i].script);
		struct run r;

		start(&r, daemon_path(d), rows[i].line);
		read_until(&r, "go\n");
		kill(r.pid, SIGTERM);
		finish(&r);
		assert_true(WIFSIGNALED(r.status) && WTERMSIG(r.status) == SIGTERM);
		assert_string_equal(r.text[0], "go\n");
		daemon_end(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_fits),
		cmocka_unit_test(test_time),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
