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

static const char status_json[] =
	"{'version':'0.1.0','pid':7,'started':0,'servers':[{'server':'demo','default':true,"
	"'url':'http://x/','state':'unconnected','since':0,'channels':2,'reason':'gone',"
	"'retry_in':1500,'timesync':{'samples':3,'lag':12,'offset':-340},'left_out':3},"
	"{'server':'two','timesync':{'lag':0,'offset':5},'left_out':0,"
	"'disabled_extensions':['a\\u001b','b']},"
	"{'server':'three','timesync':7,'disabled_extensions':[8]}],"
	"'peers':[{'peer':1,'name':'a\\u001bb','uid':0},7]}";

static const struct example examples[] = {
	/* usage: nobody is asked */
	{"", "", NOTHING, 2, "", "a verb is missing"},
	{"publish /a 1", "", NOTHING, 2, "", "no such verb: publish"},
	{"pub /a", "", NOTHING, 2, "", "too few arguments for pub"},
	{"pub /a 1 2", "", NOTHING, 2, "", "too many arguments for pub"},
	{"sub", "", NOTHING, 2, "", "too few arguments for sub"},
	{"pub --wrong /a 1", "", NOTHING, 2, "", "no such option: --wrong"},
	{"pub /a 1 -n 3", "", NOTHING, 2, "", "not for pub"},
	{"sub /a -n 0", "", NOTHING, 2, "", "not a count: 0"},
	{"sub /a -n", "", NOTHING, 2, "", "a value is missing: -n"},
	{"sub /a --json=yes", "", NOTHING, 2, "", "without a value"},
	{"sub /a --timeout never", "", NOTHING, 2, "", "not a time in seconds: never"},
	{"sub /a --timeout nan", "", NOTHING, 2, "", "not a time in seconds: nan"},
	{"sub /a --timeout 0x10", "", NOTHING, 2, "", "not a time in seconds: 0x10"},
	{"call /service/a 1 --timeout 3601", "", NOTHING, 2, "", "no more than 3600 seconds for call"},
	{"sub /a --timeout=\x1b[2J", "", NOTHING, 2, "", "seconds: \\u001b[2J\n"},
	{"pub /a 1 --server=", "", NOTHING, 2, "", "not the name of a server: ''\n"},
	{"status --socket=", "", NOTHING, 2, "", "not the path of a socket: \n"},
	{"wait --state happy", "", NOTHING, 2, "", "no such state: happy"},
	{"pub /a {", "", NOTHING, 2, "", "{: not one JSON value in UTF-8"},
	{"call /service/a 1,2", "", NOTHING, 2, "", "1,2: not one JSON value in UTF-8"},
	{"pub /a [" TEN TEN TEN TEN TEN TEN TEN "}", "", NOTHING, 2, "",
	 "cometctl: [" TEN TEN TEN TEN TEN "012345678...: not one JSON value"},
	/* names that nothing can have; what is wrong is named */
	{"pub /\377 1", "", SCRIPT(GREET, END), 2, "", "/\\xff: not a channel name"},
	{"sub /\377", "", SCRIPT(GREET, END), 2, "", "/\\xff: not a channel name"},
	{"-s \377 pub /a 1", "", SCRIPT(GREET, END), 2, "", "\\xff: no such server"},
	{"-s \377 sub /a", "", SCRIPT(GREET, END), 2, "", "\\xff: no such server"},
	{"-s x call /service/a 1", "", SCRIPT(GREET, {D_HEAR, "call", 0},
		D_REFUSE(2, "unknown-server", "no server x"), END), 2, "", "x: no such server"},
	{"--version", "", NOTHING, 0, "cometctl " PACKAGE_VERSION "\n", ""},
	/* no daemon, no permission, no common language */
	{"--socket /nonexistent status", "", NOTHING, 3, "",
	"/nonexistent: cometd-bridged does not run"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "'name':'cometctl'", 0},
			      {D_SAY, "{'op':'closing','code':'shutdown','reason':'x'}", 0}, END),
	 3, "", "the daemon stops"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0},
			      {D_SAY, "{'op':'closing','code':'too-many','reason':'16 of uid 7'}", 0},
			      END),
	 1, "", ": a limit is reached: 16 of uid 7\n"},
	/* a daemon that hangs: the deadline is that of the whole command */
	{"wait --timeout 0.3", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, END), 6, "",
	 "no answer in time"},
	{"pub /a 1 --timeout 0.3", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, END), 6, "",
	 "no answer in time"},
	/* accepted, later refused for the moment, and at last for good */
	{"sub /a", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true,"
			"'pending':true,'error':{'code':'refused','message':'403::limit'}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':false,"
			"'error':{'code':'refused','message':'403::no'}}", 0}, END),
	 5, "", "/a: the server said no: 403::no"},
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':true,"
			"'pending':true,'error':{'code':'refused','message':'403::limit'}}", 0},
		D_MESSAGE(1, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: /a: not subscribed yet, and asked for again: 403::limit\n"},
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
	 "{'successful':true,'data':{'token':1}}\n", ""},
	{"pub /a - --json", "1\n2", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), {D_SAY,
		"{'op':'reply','id':2,'ok':true,'result':{'bayeux':{'id':'1'}}}", 0}, D_OK(3),
		END), 0, "{'id':'1'}\n", ""},
	{"pub /a 1 --ext 2", "", NOTHING, 2, "", "not a JSON object: 2"},
	{"pub /a 1 --ext {},{}", "", NOTHING, 2, "", "not a JSON object: {},{}"},
	{"sub /a --ext {}", "", NOTHING, 2, "", "not for sub"},
	/* what is left of it is told */
	{"-s demo pub --timeout=1999.5 /a -5", "",
	 SCRIPT(GREET, PUB(2, "'server':'demo','channel':'/a','data':-5,'timeout':1"), D_OK(2),
	END),
	 0, "", ""},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "403::no"), END), 5, "",
	 "/a: the server said no: 403::no"},
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
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), {D_HANGUP, 0, 0}), 7, "", "no answer came"},
	{"pub /a 1", "", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "internal", "oh"), END), 1, "",
	"oh"},
	/* pub -: a line a message, in order, up to the first failure */
	{"pub /a -", "1\n\n {'n':2} \n'three'", SCRIPT(GREET, PUB(2, "'channel':'/a','data':1,"),
		PUB(3, "'channel':'/a','data': {'n':2} ,"),
		PUB(4, "'channel':'/a','data':'three',"),
		D_OK(4), D_OK(2), D_OK(3), END), 0, "", ""},
	{"pub /a -", "", SCRIPT(GREET, END), 0, "", ""},
	{"pub /a -", "1\n\nnope\n4\n", SCRIPT(GREET, PUB(2, ""), D_OK(2), END), 2, "",
	"line 3: not one JSON"},
	{"pub /a -", "1\n2\n", SCRIPT(GREET, PUB(2, ""), PUB(3, ""), D_OK(2), D_REFUSE(3, "refused",
	"no"),
				      END), 5, "", "line 2: the server said no: no"},
	/* pub --binary: bytes of a file, or of standard input */
	{"pub /a --binary -", "hello", SCRIPT(GREET, PUB(2, "'channel':'/a','timeout':"),
		D_OK(2), END), 0, "", ""},
	{"pub /a --binary -", "hello", SCRIPT(GREET, {D_HEAR,
		",'binary':{'data':'aGVsbG8=','last':true}}", 0}, D_OK(2), END), 0, "", ""},
	{"pub /a --binary /dev/null", "", SCRIPT(GREET, {D_HEAR,
		",'binary':{'data':'','last':true}}", 0}, D_OK(2), END), 0, "", ""},
	{"pub /a --binary -", "hello", SCRIPT(GREET, PUB(2, ""), D_REFUSE(2, "refused", "no"), END),
	 5, "", "the server said no: no"},
	{"pub /a --binary /nonexistent", "", NOTHING, 2, "", "cannot open /nonexistent"},
	{"pub /a 1 --binary -", "", NOTHING, 2, "", "too many arguments for pub"},
	{"pub --binary -", "", NOTHING, 2, "", "too few arguments for pub"},
	{"call /service/x 1 --binary -", "", NOTHING, 2, "", "not for call"},
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
	{"wait -s x", "", SCRIPT(GREET, END), 2, "", "x: no such server"},
	{"wait --state halted --timeout 0.03", "", SCRIPT(GREET, END), 6, "", "not halted in time"},
	{"wait --state halted", "", SCRIPT(GREET,
		{D_SAY, "{'op':'state','server':'demo','state':'halted','since':1,'gap':false}", 0},
		END),
	 0, "", ""},
	/* status */
	{"status", "", SCRIPT(GREET, {D_HEAR, "status", 0},
	{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{}}", 0},
			      END), 0, "cometd-bridged -, process -\n", ""},
	/* sub */
	{"sub /a /b -n 2", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_SUBSCRIBE(3, "/b"),
		D_MESSAGE(1, "/a", "{'n':\n1}"), D_MESSAGE(2, "/b\\u0009\\u009b", "'x'"),
		D_MESSAGE(3, "/a", "'too many'"), END),
	 0, "/a\t{'n': 1}\n/b\\u0009\302\233\t'x'\n", ""},
	{"--json sub /a -n1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(7, "/a", "1"),
	END), 0,
	 "{'op':'up','gap':false}\n"
	 "{'op':'state','server':'demo','default':true,'state':'connected','since':1,'gap':false}\n"
	 "{'op':'message','server':'demo','seq':7,'message':{'channel':'/a','data':1}}\n", ""},
	/* bytes in base64, for nobody reads Z85 */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'message','server':'demo','seq':1,'message':{'channel':'/a','data':"
			"{'data':'xK#0@zV'}},'binary':{'data':'aGVsbG8=','last':true}}", 0}, END), 0,
	 "/a\t{'data':'aGVsbG8=','last':true}\n", ""},
	{"sub /a /no", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), {D_HEAR, "/no", 0},
		D_REFUSE(3, "refused", "403::no"), END), 5, "", "/no: the server said no: 403::no"},
	{"sub /a", "", SCRIPT(GREET, {D_HEAR, "/a", 0}, D_REFUSE(2, "denied", "no"), END), 4, "",
	"/a: "},
	/* pending, then refused */
	{"sub /a", "", SCRIPT(GREET, {D_HEAR, "/a", 0},
		{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{'channels':["
			"{'channel':'/a','pending':true}]}}", 0},
		{D_SAY, "{'op':'subscription','server':'demo','channel':'/a','ok':false,"
			"'error':{'code':'refused','message':'403::no'}}", 0}, END),
	 5, "", "/a: the server said no: 403::no"},
	{"sub /a --timeout 0.3", "", SCRIPT(GREET, {D_HEAR, "/a", 0}, END), 6, "", "timed out"},
	/* news goes to stderr, and nobody is disturbed by a server that is not asked for */
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

static void test_help(void **state)
{
	struct run r;

	(void)state;
	start(&r, "/nonexistent", "pub --help");
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_non_null(strstr(r.text[0], "exit status: 0 done"));
	assert_string_equal(r.text[1], "");
}

static void test_status(void **state)
{
	char say[1024];
	const struct daemon_step script[] = {GREET, {D_HEAR, "status", 0}, {D_SAY, say, 0},
	END, {D_END, 0, 0}};

	(void)state;
	snprintf(say, sizeof(say), "{'op':'reply','id':2,'ok':true,'result':%s}", status_json);
	for (int json = 0; json < 2; json++) {
		struct daemon *d = daemon_start(script);
		struct run r;

		start(&r, daemon_path(d), json ? "status --json" : "status");
		finish(&r);
		assert_int_equal(r.status, 0);
		unquote(r.text[0]);
		if (json) {
			assert_memory_equal(r.text[0], status_json, strlen(status_json));
		} else {
			assert_non_null(strstr(r.text[0], "cometd-bridged 0.1.0, process 7, up "));
			assert_non_null(strstr(r.text[0], "\ndemo*            unconnected   "));
			assert_non_null(strstr(r.text[0], " http://x/\n  gone, next try in "
					       "1.5 s\n  its clock is 340 ms behind ours, one "
					       "way takes 12 ms\n  left out 3 messages that "
					       "could not be read or exceeded max-message\n"
					       "two "));
			assert_non_null(strstr(r.text[0], "\n  its clock is 5 ms ahead of ours, one "
					       "way takes 0 ms\n  extension a\\u001b failed too "
					       "often and is disabled until the daemon is "
					       "restarted\n  extension b failed"));
			assert_non_null(strstr(r.text[0], "restarted\nthree "));
			assert_non_null(strstr(r.text[0], "\n     1 a\\u001bb"));
		}
		daemon_end(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_status),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
