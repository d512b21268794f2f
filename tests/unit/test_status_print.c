/*
 * The screen of cometctl status: what an administrator sees of a status, word for
 * word, on a wide and on a narrow terminal.
 */
#include "libclient/cometctl/cometctl.h"
#include "tests/unit/testing.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1000000000000ull

/* ' in `json` is for ". The caller frees. */
static char *screen(const char *json, const struct status_view *view)
{
	char *copy = strdup(json), *text = NULL;
	struct cometd_json status;
	FILE *before = stdout;
	size_t n = 0;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(cometd_json_parse(copy, strlen(copy), &status), 0);
	print_to_terminal(true);
	stdout = open_memstream(&text, &n);
	print_status(&status, view);
	fclose(stdout);
	stdout = before;
	free(copy);
	return text;
}

static void assert_screen(const char *json, const struct status_view *view, const char *expected)
{
	char *text = screen(json, view);

	assert_string_equal(text, expected);
	free(text);
}

#define SERVERS                                                                                    \
	"'servers':[{'server':'demo','default':true,'url':'wss://host/cometd','state':'connected',"  \
	"'since':999999700000,'transport':'websocket','channels':2,'received':123456789,"             \
	"'published':12,'losses':1},"                                                                 \
	"{'server':'sf','url':'https://my.salesforce.com/cometd/59.0','state':'unconnected',"         \
	"'since':999999955000,'transport':'long-polling','channels':1,'received':0,'published':0,"    \
	"'losses':3,'reason':'HTTP 401 Unauthorized: the server rejects the credential, and it is "   \
	"fetched again','retry_in':3200,'tries':5,'disabled_extensions':['a\\u001b'],"                \
	"'timesync':{'lag':12,'offset':-340},'left_out':3}]"

static const char both[] =
	"{'version':'0.1.0','pid':7,'started':999999000000," SERVERS ",'peers':["
	"{'peer':1,'name':'monitor','uid':0,'pid':41,'since':999999999000,'subscriptions':1,"
	"'queued_bytes':2048,'delivered':10,'lost':0},"
	"{'peer':2,'name':'slow\\u001b','uid':4294967294,'pid':42,'since':999999999000,"
	"'subscriptions':3,'queued_bytes':12582912,'delivered':10,'lost':2662,'paused':['outbox']}],"
	"'departed':[{'peer':3,'name':'gone','uid':0,'pid':43,'since':0,'until':999999700000,'delivered':5,"
	"'lost':7}]}";

static void test_screen(void **state)
{
	(void)state;
	assert_screen(both, &(struct status_view){.columns = 80, .now_ms = NOW},
		"cometd-bridged 0.1.0, process 7, up 16 min\n"
		"\n"
		"SERVER          STATE        SINCE  CHANNELS  RECEIVED  PUBLISHED  OUTAGES\n"
		"demo (default)  connected    5 min         2      123M         12        1\n"
		"  wss://host/cometd by websocket\n"
		"sf              unconnected   45 s         1         0          0        3\n"
		"  https://my.salesforce.com/cometd/59.0 by long-polling\n"
		"  HTTP 401 Unauthorized: the server rejects the credential, and it is fetched\n"
		"    again\n"
		"  5 failed tries, next try in 3.2 s\n"
		"  its clock is 340 ms slow, a message takes 12 ms one way\n"
		"  left out 3 messages that could not be read or exceeded max-message\n"
		"  extension a\\u001b failed too often and is disabled until the daemon is\n"
		"    restarted\n"
		"\n"
		"PROGRAM     USER        PID  SINCE  CHANNELS  QUEUED  DELIVERED  MISSED\n"
		"monitor     root         41    1 s         1    2.0K         10       0\n"
		"slow\\u001b  4294967294   42    1 s         3     12M         10    2662\n"
		"  its requests wait: it reads slowly, and more than half of its queue is full\n"
		"\n"
		"PROGRAM  USER  PID      ENDED  DELIVERED  MISSED\n"
		"gone     root   43  5 min ago          5       7\n");
}

/* The store is shown only if there is something to do. */
static void test_store(void **state)
{
	const struct status_view view = {.columns = 80, .now_ms = NOW};

	(void)state;
	assert_screen("{'version':'1','pid':7,'store':{'state':'memory'}}", &view, "cometd-bridged 1, process 7\n");
	assert_screen("{'version':'1','pid':7,'store':7}", &view, "cometd-bridged 1, process 7\n");
	assert_screen("{'version':'1','pid':7,'store':{'state':'failing','directory':'/s','reason':'/s/state.db: database "
		      "or disk is full','moved':'/s/state.db is damaged; it is kept as state.db.x'}}", &view,
		      "cometd-bridged 1, process 7\n"
		      "  the state cannot be written, and a restart would lose positions and sessions:\n"
		      "    /s/state.db: database or disk is full\n"
		      "  /s/state.db is damaged; it is kept as state.db.x\n");
}

/* Only these servers; programs are of all. */
static void test_some_servers(void **state)
{
	const struct ctl_server sf = {.name = "sf"};
	char *text = screen(both, &(struct status_view){.columns = 200, .now_ms = NOW, .servers = &sf,
							.n_servers = 1});

	(void)state;
	assert_null(strstr(text, "demo"));
	assert_non_null(strstr(text, "\nsf      unconnected   45 s "));
	assert_non_null(strstr(text, "credential, and it is fetched again\n"));
	free(text);
}

/* Who wants which channel, at the servers that are shown. */
static void test_channels(void **state)
{
	static const char peers[] =
		"{'peers':[{'name':'a','channels':[{'server':'demo','channel':'/x/\\u001b'},{'server':'sf',"
		"'channel':'/y','pending':true},7],'more_channels':true},{'name':'b','channels':[]}]}";
	const struct ctl_server sf = {.name = "sf"};
	char *text = screen(peers, &(struct status_view){.columns = 80, .channels = true});

	(void)state;
	assert_non_null(strstr(text, "\n  /x/\\u001b at demo\n  /y at sf, not accepted by the server yet\n"));
	assert_non_null(strstr(text, "\n  and more channels, which are not shown\nb "));
	free(text);
	text = screen(peers, &(struct status_view){.columns = 80, .channels = true, .servers = &sf,
						   .n_servers = 1});
	assert_null(strstr(text, "/x"));
	assert_non_null(strstr(text, "\n  /y at sf, "));
	free(text);
	text = screen(peers, &(struct status_view){.columns = 80});
	assert_null(strstr(text, "/y"));
	free(text);
}

/* A try that is under way has not failed; the program that asks is not shown. */
static void test_trying_now(void **state)
{
	static const char first[] = "{'servers':[{'server':'a','state':'handshaking','tries':1}],"
		"'peers':[{'name':'cometctl','pid':9}]}";
	static const char third[] = "{'servers':[{'server':'a','state':'connecting','tries':3}],"
		"'peers':[{'name':'cometctl','pid':9},{'name':'b','pid':8}]}";
	const struct status_view view = {.columns = 80, .own_pid = 9};
	char *text = screen(first, &view);

	(void)state;
	assert_non_null(strstr(text, "\n  trying now\n"));
	assert_non_null(strstr(text, "MISSED\nno other program is connected\n"));
	assert_null(strstr(text, "cometctl"));
	free(text);
	text = screen(third, &view);
	assert_non_null(strstr(text, "\n  2 failed tries, trying now\n"));
	assert_null(strstr(text, "cometctl"));
	assert_non_null(strstr(text, "\nb "));
	assert_null(strstr(text, "no other program"));
	free(text);
}

/* Names are cut to fit, numbers are not. */
static void test_narrow(void **state)
{
	(void)state;
	assert_screen("{'version':'1','peers':[{'name':'a-program-with-a-long-name','uid':0,'pid':4194304,"
		      "'since':0,'subscriptions':1024,'queued_bytes':9999999,'delivered':9999999,'lost':1}]}",
		      &(struct status_view){.columns = 80, .now_ms = NOW},
		      "cometd-bridged 1, process -\n"
		      "\n"
		      "PROGRAM              USER      PID    SINCE  CHANNELS  QUEUED  DELIVERED  MISSED\n"
		      "a-program-with-a...  root  4194304  11574 d      1024    9.5M    9999999       1\n");
}

/* A daemon that reports less, or things of other kinds, is shown as far as it goes. */
static void test_little(void **state)
{
	const struct status_view view = {.columns = 80, .now_ms = NOW};

	(void)state;
	assert_screen("{}", &view, "cometd-bridged -, process -\n");
	assert_screen("{'servers':7,'peers':[],'departed':[]}", &view, "cometd-bridged -, process -\n\n"
		      "PROGRAM  USER  PID  SINCE  CHANNELS  QUEUED  DELIVERED  MISSED\nno other program is connected\n");
	assert_screen("{'servers':[{'server':'s','kept':[{'channel':'/a'},{'channel':'/b','pending':true},"
		      "{'channel':'/c','pending':true,'reason':'busy'},7,{'channel':'/d','refused':true,"
		      "'reason':'403::no'},{'channel':'/e','reason':'earlier'}],'lingering':1},"
		      "{'server':'t','lingering':20}]}", &view,
		      "cometd-bridged -, process -\n\n"
		      "SERVER  STATE  SINCE  CHANNELS  RECEIVED  PUBLISHED  OUTAGES\n"
		      "s       -          -         -         -          -        -\n"
		      "  keeps /a subscribed\n"
		      "  keeps /b subscribed, not accepted by the server yet\n"
		      "  keeps /c subscribed, not accepted by the server yet: busy\n"
		      "  keeps - subscribed\n"
		      "  keeps /d subscribed, but the server refuses it: 403::no\n"
		      "  keeps /e subscribed\n"
		      "  1 channel stays subscribed for a while: the last program that had it left\n"
		      "t       -          -         -         -          -        -\n"
		      "  20 channels stay subscribed for a while: the last program that had them left\n");
	assert_screen("{'servers':[7,{'timesync':7,'disabled_extensions':[8],'paused':['receivers']}]}", &view,
		      "cometd-bridged -, process -\n\n"
		      "SERVER  STATE  SINCE  CHANNELS  RECEIVED  PUBLISHED  OUTAGES\n"
		      "-       -          -         -         -          -        -\n"
		      "-       -          -         -         -          -        -\n"
		      "  paused: the queue of a program that receives from it is more than half full\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_screen),
		cmocka_unit_test(test_store), cmocka_unit_test(test_some_servers),
		cmocka_unit_test(test_channels),
		cmocka_unit_test(test_trying_now),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
