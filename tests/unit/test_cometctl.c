/*
 * cometctl from outside: arguments and input in; output, news and exit code
 * out; against a daemon that follows a script.
 */
#include "tests/unit/testing.h"

#include "tests/unit/client_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 12

struct run {
	pid_t pid;
	int in, out, err;           /* our ends */
	char text[2][16384];        /* what came out of out and err */
	size_t n[2];
	int status;
};

static const char *top(const char *variable)
{
	const char *dir = getenv(variable);

	return dir ? dir : ".";
}

static void find_cometctl_first(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s:%s", top("top_builddir"), getenv("PATH"));
	setenv("PATH", path, 1);
}

/* `line` is split at spaces; ' in it stands for ". */
static void start_program(struct run *r, const char *program, const char *socket, const char *line)
{
	char copy[512], *args[MAX_ARGS + 1] = {(char *)program}, *save = NULL;
	int in[2], out[2], err[2], n = 1;

	memset(r, 0, sizeof(*r));
	snprintf(copy, sizeof(copy), "%s", line);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	for (char *p = copy; n < MAX_ARGS && (p = strtok_r(p, " ", &save)); p = NULL)
		args[n++] = p;
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	r->pid = fork();
	if (r->pid == 0) {
		dup2(in[0], 0), dup2(out[1], 1), dup2(err[1], 2);
		setenv("COMETD_BRIDGE_SOCKET", socket, 1);
		execvp(program, args);
		_exit(127);
	}
	close(in[0]), close(out[1]), close(err[1]);
	r->in = in[1], r->out = out[0], r->err = err[0];
}

static void start(struct run *r, const char *socket, const char *line)
{
	start_program(r, "cometctl", socket, line);
}

static void collect(struct run *r, int i, int *fd)
{
	size_t room = sizeof(r->text[i]) - 1 - r->n[i];
	ssize_t got = read(*fd, r->text[i] + r->n[i], room);

	if (got > 0) {
		r->n[i] += (size_t)got;
	} else {
		close(*fd);
		*fd = -1;
	}
}

/* Reads what it writes until stdout says `text` (NULL: until both ends are closed). */
static void read_until(struct run *r, const char *text)
{
	while ((r->out >= 0 || r->err >= 0) && !(text && strstr(r->text[0], text))) {
		struct pollfd p[] = {{.fd = r->out, .events = POLLIN},
		{.fd = r->err, .events = POLLIN}};

		if (poll(p, 2, 20000) <= 0) {
			kill(r->pid, SIGKILL);
			fail_msg("cometctl hangs");
		}
		if (p[0].revents)
			collect(r, 0, &r->out);
		if (p[1].revents)
			collect(r, 1, &r->err);
	}
}

static void close_input(struct run *r)
{
	if (r->in >= 0)
		close(r->in);
	r->in = -1;
}

static void finish(struct run *r)
{
	close_input(r);
	read_until(r, NULL);
	assert_int_equal(waitpid(r->pid, &r->status, 0), r->pid);
}

static void feed(struct run *r, const char *text)
{
	assert_int_equal(write(r->in, text, strlen(text)), strlen(text));
}

/* ---- one run after the other ------------------------------------------- */

struct example {
	const char *line, *input;
	const struct daemon_step *script;
	int code;
	const char *out;            /* all of it */
	const char *err;            /* a part of it; "" must be silent */
};

#define SCRIPT(...) (const struct daemon_step[]){__VA_ARGS__, {D_END, 0, 0}}
#define NOTHING SCRIPT({D_END, 0, 0})
#define END {D_HEAR_END, 0, 0}
#define GREET D_GREET(1, D_DEMO)
#define PUB(id, what) {D_HEAR, "{'op':'publish','id':" #id "," what, 0}

static const char status_json[] =
	"{'version':'0.1.0','pid':7,'started':0,'servers':[{'server':'demo','default':true,"
	"'url':'http://x/','state':'unconnected','since':0,'channels':2,'reason':'gone',"
	"'retry_in':1500,'timesync':{'samples':3,'lag':12,'offset':-340}},"
	"{'server':'two','timesync':{'lag':0,'offset':5}},{'server':'three','timesync':7}],"
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
	{"wait --state happy", "", NOTHING, 2, "", "no such state: happy"},
	{"pub /a {", "", NOTHING, 2, "", "{: not one JSON value in UTF-8"},
	{"call /service/a 1,2", "", NOTHING, 2, "", "1,2: not one JSON value in UTF-8"},
	{"--version", "", NOTHING, 0, "cometctl " PACKAGE_VERSION "\n", ""},
	/* no daemon, no permission, no common language */
	{"--socket /nonexistent status", "", NOTHING, 3, "",
	"/nonexistent: cometd-bridged does not run"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "'name':'cometctl'", 0},
			      {D_SAY, "{'op':'closing','code':'shutdown','reason':'x'}", 0}, END),
	 3, "", "the daemon stops"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "denied", "no"),
	END),
	 4, "", "access rules"},
	{"status", "", SCRIPT({D_ACCEPT, 0, 0}, {D_HEAR, "hello", 0}, D_REFUSE(1, "bad-version",
	"no"), END),
	 1, "", "another version"},
	/* pub: every way a publish can end */
	{"pub /a {'n':1}",
	"", SCRIPT(GREET, PUB(2, "'channel':'/a','data':{'n':1},'timeout':30000}"),
				      D_OK(2), END), 0, "", ""},
	{"pub /a 1 --ext {'x':2}", "", SCRIPT(GREET, {D_HEAR, "'data':1,'ext':{'x':2},", 0},
		D_OK(2), END), 0, "", ""},
	{"pub /a - --ext {'x':2}", "1\n2", SCRIPT(GREET, {D_HEAR, "'data':1,'ext':{'x':2},", 0},
		{D_HEAR, "'data':2,'ext':{'x':2},", 0}, D_OK(2), D_OK(3), END), 0, "", ""},
	{"pub /a --binary - --ext {'x':2}", "hello", SCRIPT(GREET, {D_HEAR,
		",'ext':{'x':2},", 0}, D_OK(2), END), 0, "", ""},
	{"pub /a 1 --ext 2", "", NOTHING, 2, "", "not a JSON object: 2"},
	{"pub /a 1 --ext {},{}", "", NOTHING, 2, "", "not a JSON object: {},{}"},
	{"sub /a --ext {}", "", NOTHING, 2, "", "not for sub"},
	{"-s demo pub --timeout=1.5 /a -5", "",
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
	{"call /service/x {} --timeout 2", "", SCRIPT(GREET, {D_HEAR, "call", 0},
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
	 0, "/a\t{'n': 1}\n/b\\u0009\\u009b\t'x'\n", ""},
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
	{"sub /a --timeout 0.05", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"), END), 6, "", "timed out"},
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
	/* the daemon goes and comes */
	{"sub /a -n 1", "", SCRIPT(GREET, D_SUBSCRIBE(2, "/a"),
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye','retry_in':0}", 0},
		{D_HANGUP, 0, 0},
		D_GREET(3, D_DEMO), D_SUBSCRIBE(4, "/a"), D_MESSAGE(1, "/a", "1"), END),
	 0, "/a\t1\n", "cometctl: lost the daemon: bye; trying again\n"
	 "cometctl: the daemon is back, messages may have been missed\n"},
	{0},
};

static void unquote(char *text)
{
	for (char *p = text; *p; p++)
		if (*p == '"')
			*p = '\'';
}

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
					       "way takes 12 ms\ntwo "));
			assert_non_null(strstr(r.text[0], "\n  its clock is 5 ms ahead of ours, one "
					       "way takes 0 ms\nthree "));
			assert_non_null(strstr(r.text[0], "\n     1 a\\u001bb"));
		}
		daemon_end(d);
	}
}

/* ---- what takes two ------------------------------------------------------ */

#define SUBSCRIBED GREET, D_SUBSCRIBE(2, "/a"), D_MESSAGE(1, "/a", "1")

/* The line is out though nothing follows it; then a signal ends all, as it does other tools. */
static void test_signals(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct daemon *d = daemon_start(SCRIPT(SUBSCRIBED, END));
		struct run r;

		start(&r, daemon_path(d), "sub /a");
		read_until(&r, "/a\t1\n");
		kill(r.pid, signals[i]);
		finish(&r);
		assert_true(WIFSIGNALED(r.status));
		assert_int_equal(WTERMSIG(r.status), signals[i]);
		assert_string_equal(r.text[0], "/a\t1\n");
		assert_string_equal(r.text[1], "");
		daemon_end(d);
	}
}

/* The reader goes while nothing is written, and while something is. */
static void test_broken_pipe(void **state)
{
	struct daemon *d;
	struct run r;

	(void)state;
	d = daemon_start(SCRIPT(SUBSCRIBED, END));
	start(&r, daemon_path(d), "sub /a");
	read_until(&r, "/a\t1\n");
	close(r.out), r.out = -1;
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.text[1], "");
	daemon_end(d);

	d = daemon_start(SCRIPT(GREET, {D_HEAR, "status", 0}, {D_WAIT, 0, 0},
				{D_SAY, "{'op':'reply','id':2,'ok':true,'result':{}}", 0}, END));
	start(&r, daemon_path(d), "status");
	close(r.out), r.out = -1;
	daemon_go(d);
	finish(&r);
	assert_int_equal(r.status, 0);
	assert_string_equal(r.text[1], "");
	daemon_end(d);
}

/* Lines leave as they come, not at the end of the input. */
static void test_pub_as_it_comes(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), D_OK(2), {D_MEET, 0, 0},
					       PUB(3, "'channel':'/a','data':2,"), D_OK(3), END));
	struct run r;

	(void)state;
	start(&r, daemon_path(d), "pub /a -");
	feed(&r, "1\n");
	daemon_await(d);
	feed(&r, "2");
	finish(&r);
	assert_int_equal(r.status, 0);
	daemon_end(d);
}

/* More than may wait in the library at once, and than a buffer of lines may hold. */
static void test_pub_much(void **state)
{
	static char line[3 << 20];
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, ""), PUB(3, ""), PUB(4, ""),
	PUB(5, ""),
		PUB(6, ""), D_OK(2), D_OK(3), D_OK(4), D_OK(5), D_OK(6), PUB(7, ""), PUB(8, ""),
		D_OK(7), D_OK(8), END));
	struct run r;

	(void)state;
	memset(line, '7', sizeof(line) - 2);
	line[sizeof(line) - 2] = '\n';
	start(&r, daemon_path(d), "pub /a -");
	for (int i = 0; i < 7; i++)
		feed(&r, line);
	finish(&r);
	assert_string_equal(r.text[1], "");
	assert_int_equal(r.status, 0);
	daemon_end(d);
}

static void test_no_permission(void **state)
{
	struct daemon *d = daemon_start(NOTHING);
	struct run r;
	int status;

	(void)state;
	assert_int_equal(chmod(daemon_path(d), 0), 0);
	/* root may do all: be somebody else */
	pid_t child = fork();
	if (child == 0) {
		if (getuid() == 0 && setuid(65534))
			_exit(99);
		start(&r, daemon_path(d), "status");
		finish(&r);
		_exit(WIFEXITED(r.status) ? WEXITSTATUS(r.status) : 98);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* 126, 127: the build directory itself is closed to others */
	if (WEXITSTATUS(status) != 127)
		assert_int_equal(WEXITSTATUS(status), 4);
	daemon_end(d);
}

/* ---- the examples -------------------------------------------------------- */

static const char *path_of(const char *variable, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/libclient/examples/%s", top(variable), name);
	return path;
}

static void test_example_subscribe(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(SUBSCRIBED, D_SUBSCRIBE(3, "/b"), {D_HANGUP, 0, 0},
					       D_GREET(4, ""), D_SUBSCRIBE(5, "/a"),
					       D_SUBSCRIBE(6, "/b"), D_MESSAGE(2, "/b", "2"), END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_builddir", "subscribe"), daemon_path(d), "/a /b");
	read_until(&r, "/b 2\n");
	kill(r.pid, SIGTERM);
	finish(&r);
	assert_string_equal(r.text[0], "/a 1\n/b 2\n");
	assert_non_null(strstr(r.text[1], "the daemon is back, messages may have been missed\n"));
	daemon_end(d);
}

static void test_example_publish(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, PUB(2, "'channel':'/a','data':[1]"), D_OK(2),
					       END, GREET, PUB(2, ""), D_REFUSE(2, "refused", "no"),
					       END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_builddir", "publish"), daemon_path(d), "/a [1]");
	finish(&r);
	assert_int_equal(r.status, 0);
	start_program(&r, path_of("top_builddir", "publish"), daemon_path(d), "/a [1]");
	finish(&r);
	assert_int_equal(WEXITSTATUS(r.status), 1);
	assert_string_equal(r.text[1], "the server said no: no\n");
	daemon_end(d);
}

static void test_example_python(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(
		{D_ACCEPT, 0, 0}, {D_HEAR, "'hello'", 0}, {D_HEAR, "['/a', '/b']", 0}, D_OK(1),
		D_OK(2),
		D_MESSAGE(1, "/a", "{'n':1}"),
		{D_SAY, "{'op':'closing','code':'shutdown','reason':'bye'}", 0}, END));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_srcdir", "subscribe.py"), daemon_path(d), "/a /b");
	finish(&r);
	assert_string_equal(r.text[0], "/a {\"n\": 1}\n");
	assert_string_equal(r.text[1], "bye\n");
	assert_int_equal(WEXITSTATUS(r.status), 1);
	daemon_end(d);
}

/* The chat subscribes and publishes from two processes: either may come first. */
static void test_example_shell(void **state)
{
	struct daemon *d = daemon_start(SCRIPT(GREET, END, {D_UNLISTEN, 0, 0}));
	struct run r;

	(void)state;
	start_program(&r, path_of("top_srcdir", "chat.sh"), daemon_path(d), "/a me");
	close_input(&r);
	finish(&r);
	assert_int_equal(WEXITSTATUS(r.status), 3);
	daemon_end(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples), cmocka_unit_test(test_help),
		cmocka_unit_test(test_status), cmocka_unit_test(test_signals),
		cmocka_unit_test(test_broken_pipe), cmocka_unit_test(test_pub_as_it_comes),
		cmocka_unit_test(test_pub_much), cmocka_unit_test(test_no_permission),
		 cmocka_unit_test(test_example_subscribe),
		cmocka_unit_test(test_example_publish), cmocka_unit_test(test_example_python),
		cmocka_unit_test(test_example_shell),
	};

	find_cometctl_first();
	signal(SIGPIPE, SIG_IGN);
	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
