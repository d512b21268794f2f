/*
 * A server that ends or forbids the session: each way in which servers do so, with each
 * policy.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	return 0;
}

#define PLAY_WITH(...) play(&options, (const char *const[]){__VA_ARGS__, NULL})

/* from connected */
#define KICK                                                                                       \
	"> reply connect [{'channel':'/meta/disconnect','successful':true},"                       \
	"{'advice':{'interval':0,'reconnect':'none'},'channel':'/meta/connect',"                   \
	"'error':'402::session_unknown','successful':false}]"
#define KICK_BY_CONNECT                                                                            \
	"> reply connect [{'advice':{'reconnect':'none'},'channel':'/meta/connect',"               \
	"'successful':true}]"
#define FORBID                                                                                     \
	"> reply connect [{'advice':{'interval':0,'reconnect':'none'},'channel':'/meta/connect',"  \
	"'error':'402::session_unknown','successful':false}]"
/* from handshaking */
#define DENY                                                                                       \
	"> reply connect [{'channel':'/meta/handshake','successful':false,'error':'500::no',"      \
	"'advice':{'reconnect':'none'}}]"

#define ENDED "< state halted gap: not tried again: the server ended the session"
#define FORBIDDEN "< state halted gap: not tried again: connect refused: 402 session_unknown"

/* once, and whether it was active or still pending */
#define REFUSED(channel)                                                                           \
	"< channel " channel                                                                       \
	" refused: the session with the server ended and is not renewed"

static void stop_is_for_good(void **state)
{
	static const struct {
		const char *act, *said;
		enum session_policy on_disconnect, on_none;
	} ways[] = {
		{KICK, ENDED, SESSION_STOP, SESSION_RETRY},
		{KICK_BY_CONNECT, ENDED, SESSION_STOP, SESSION_RETRY},
		{"> reply connect [{'channel':'/meta/disconnect'}]", ENDED, SESSION_STOP,
		 SESSION_RETRY},
		{FORBID, FORBIDDEN, SESSION_RETRY, SESSION_STOP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		options.on_disconnect = ways[i].on_disconnect;
		options.on_none = ways[i].on_none;
		PLAY_WITH("> want /a", "> publish 1 /a 60000 1", START,
			  "< commands %", CONNECT_OK, "< state connected", CONNECT,
			  "> publish 2 /a 60000 2", ways[i].act, "< abort all", ways[i].said,
			  "< outcome 1 unknown: the session was lost before the reply",
			  "< outcome 2 not-sent: the session with the server ended and is not "
			  "renewed", REFUSED("/a"),
			  /* no request is left pending, and it does not start again */
			  "> wait 1", "> publish 3 /a 60000 3",
			  "< outcome 3 not-sent: the session with the server ended and is not "
			  "renewed",
			  "> call 4 /service/a 60000 4", "< outcome 4 not-sent: the session%",
			  "> want /b", REFUSED("/b"), "> unwant /a", "> want /a", REFUSED("/a"),
			  "> want /a", "> unwant /a", "> probe", "> authorized",
			  "> sleep 100000000",
			  /* but it can be stopped, and started, with what is still wanted */
			  "> stop", "< state off gap%", "> start", "< state handshaking gap%",
			  HANDSHAKE, HANDSHAKE_OK, "< state connecting gap%", PROBE,
			  "< commands % [{%'/meta/subscribe'%'/b'}]");
	}
}

static void what_was_active_ends_too(void **state)
{
	(void)state;
	options.on_disconnect = SESSION_STOP;
	options.overlap = SESSION_OVERLAP_COVERING;
	PLAY(&options, UP, "> want /a/**", "< commands %", "> want /a/b", "> want /c",
	     "> reply command [{'channel':'/meta/subscribe','successful':true,"
	     "'subscription':'/a/**'}]", "< channel /a/** active", "< channel /a/b active",
	     "< commands %", KICK, "< abort all", ENDED, REFUSED("/a/**"), REFUSED("/a/b"),
	     REFUSED("/c"), "> unwant /a/**", "> unwant /a/b", "> unwant /c",
	     "> sleep 100000000");
}

static void stop_at_the_handshake(void **state)
{
	(void)state;
	options.on_none = SESSION_STOP;
	PLAY(&options, "> publish 1 /a 60000 1", "> want /a", "> start", "< state handshaking",
	     HANDSHAKE, DENY, "< state halted: not tried again: handshake refused: 500 no",
	     "< outcome 1 not-sent: the session%", REFUSED("/a"), "> sleep 100000000");
	/* a successful handshake with this advice */
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'clientId':'c1','channel':'/meta/handshake','successful':true,"
	     "'supportedConnectionTypes':['long-polling'],'advice':{'reconnect':'none'}}]",
	     "< state halted: not tried again: the server forbids to connect",
	     "> sleep 100000000");
}

static void one_policy_is_not_the_other(void **state)
{
	(void)state;
	options.on_none = SESSION_STOP;
	PLAY(&options, UP, KICK, "< state unconnected gap: the server ended the session",
	     "> sleep 9000", "< +1000..1200", AGAIN, KICK_BY_CONNECT,
	     "< state unconnected gap: the server ended the session");
	options.on_none = SESSION_RETRY;
	options.on_disconnect = SESSION_STOP;
	PLAY(&options, UP, FORBID, "< state unconnected gap: connect refused: 402 session_unknown",
	     "> sleep 9000", "< +1000..1200", "< state handshaking%", HANDSHAKE, DENY,
	     "< state halted gap: handshake refused: 500 no", "> sleep 99000", "< +24000..36000",
	     "< state handshaking%", HANDSHAKE);
}

#define ASKED "> start", "< state unconnected: waiting for credentials", "< unauthorized"
#define CONNECTED                                                                                  \
	ASKED, "> authorized", "< state handshaking%", HANDSHAKE, HANDSHAKE_OK,                    \
		"< state connecting%", PROBE, CONNECT_OK, "< state connected", CONNECT,            \
		"> wait 20000"

static void refresh_asks_for_others_first(void **state)
{
	(void)state;
	options.credentials = true;
	options.on_disconnect = options.on_none = SESSION_REFRESH;
	PLAY(&options, CONNECTED, KICK, "< abort all",
	     "< state unconnected gap: waiting for credentials: the server ended the session",
	     "< unauthorized: waiting for credentials: the server ended the session",
	     "> sleep 100000", "> authorized", AGAIN, "> wait 20000", FORBID,
	     "< state unconnected gap: waiting for credentials: connect refused: 402 %",
	     "< unauthorized: %", "> wait 2000", "> authorized", "> sleep 9000",
	     "< +1200..1800", "< state handshaking gap%", HANDSHAKE, DENY,
	     "< state unconnected gap: waiting for credentials: handshake refused: 500 no",
	     "< unauthorized: %");
	/* there are none to ask for */
	options.credentials = false;
	PLAY(&options, UP, KICK, "< state unconnected gap: the server ended the session",
	     "> sleep 9000", "< +1000..1200", AGAIN);
}

/* Salesforce: the disconnect comes first, and the reply after it has the reason */
static void rejected_after_a_disconnect(void **state)
{
	static const enum session_policy policies[] = {SESSION_RETRY, SESSION_STOP, SESSION_REFRESH};

	(void)state;
	options.credentials = true;
	for (size_t i = 0; i < 3; i++) {
		options.on_disconnect = options.on_none = policies[i];
		PLAY(&options, CONNECTED,
		     "> reply connect [{'channel':'/meta/disconnect'},{'clientId':'c1','advice':"
		     "{'interval':0,'reconnect':'none'},'channel':'/meta/connect',"
		     "'error':'401::Authentication invalid','successful':false}]",
		     "< state unconnected gap: waiting for credentials: connect refused: "
		     "401 Authentication invalid",
		     "< unauthorized: %", "> authorized", AGAIN);
		/* a lost session is not a rejected credential */
		PLAY(&options, CONNECTED,
		     "> reply connect [{'channel':'/meta/connect','successful':false,"
		     "'error':'403::Unknown client','advice':{'reconnect':'handshake',"
		     "'interval':0}}]",
		     "< state unconnected gap: connect refused: 403 Unknown client", AGAIN);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stop_is_for_good, setup),
		cmocka_unit_test_setup(what_was_active_ends_too, setup),
		cmocka_unit_test_setup(stop_at_the_handshake, setup),
		cmocka_unit_test_setup(one_policy_is_not_the_other, setup),
		cmocka_unit_test_setup(refresh_asks_for_others_first, setup),
		cmocka_unit_test_setup(rejected_after_a_disconnect, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
