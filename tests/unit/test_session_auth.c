/*
 * The session with a source of credentials: every way in which servers reject them, and
 * answers that only look like a rejection.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.credentials = true;
	return 0;
}

#define SHAKE HANDSHAKE, HANDSHAKE_OK
#define ASKED "> start", "< state unconnected: waiting for credentials", "< unauthorized"
#define AUTHORIZED ASKED, "> authorized", "< state handshaking: waiting for credentials"
#define CONNECTED                                                                                  \
	AUTHORIZED, SHAKE, "< state connecting%", PROBE, CONNECT_OK, "< state connected", CONNECT
#define BACK                                                                                       \
	SHAKE, "< state connecting gap%", PROBE, CONNECT_OK, "< state connected gap", CONNECT

/* the same for a script with lines that are variables */
#define PLAY_WITH(options, ...) play(options, (const char *const[]){__VA_ARGS__, NULL})

static void nothing_is_sent_without_credentials(void **state)
{
	(void)state;
	PLAY(&options, ASKED, "> sleep 1000000", "> probe", "> sleep 1000000",
	     "> not-yet the command took too long",
	     "< state unconnected: waiting for credentials: the command took too long",
	     /* each try sets the reason, and only a new one is reported */
	     "> not-yet the command took too long", "> not-yet the command failed",
	     "< state unconnected: waiting for credentials: the command failed",
	     "> not-yet the command failed", "> not-yet the command took too long",
	     "< state unconnected: waiting for credentials: the command took too long",
	     "> authorized", "< state handshaking%", SHAKE, "< state connecting%", PROBE,
	     "> authorized", "> not-yet late", CONNECT_OK, "< state connected", CONNECT);
}

static void stopped_while_it_waits(void **state)
{
	(void)state;
	PLAY(&options, ASKED, "> stop", "< state off%", "> authorized", "> sleep 100000");
}

static void without_the_option_nothing_is_asked(void **state)
{
	(void)state;
	options.credentials = false;
	PLAY(&options, UP, "> fail connect broken status=401", "< state unconnected%",
	     "> sleep 9000", "< +800..1200", PROBE);
}

/* the server ends the session: at once a new handshake with new credentials */
static void rejected_while_connected(void **state)
{
	static const struct {
		const char *act, *why;
	} ways[] = {
		{"> reply connect [{'channel':'/meta/connect','successful':false,"
		 "'error':'401::Authentication invalid','advice':{'reconnect':'none'}}]",
		 "< state unconnected gap: waiting for credentials: connect refused: "
		 "401 Authentication invalid"},
		{"> reply connect [{'channel':'/meta/connect','successful':false,"
		 "'error':'403::Forbidden','advice':{'reconnect':'handshake'}}]",
		 "< state unconnected gap: waiting for credentials: connect refused: 403 Forbidden"},
		{"> reply connect [{'channel':'/meta/connect','successful':false,'error':'x',"
		 "'ext':{'sfdc':{'failureReason':'401::Authentication invalid'}}}]",
		 "< state unconnected gap: waiting for credentials: connect refused: x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		PLAY_WITH(&options, CONNECTED, "> wait 20000", ways[i].act, ways[i].why,
		     "< unauthorized: waiting for credentials%", "> wait 5000", "> authorized",
		     "< state handshaking gap%", BACK);
}

/* rejected by HTTP, perhaps a proxy: the session is resumed with new credentials, and loses nothing */
static void rejected_in_http(void **state)
{
	static const char *const ways[] = {"> fail connect broken status=401",
					   "> fail connect broken status=403"};

	(void)state;
#define REJECTED_ONCE(way)                                                                         \
	way, "< state unconnected gap: waiting for credentials: cut",                              \
		"< unauthorized: waiting for credentials%", "> wait 5000", "> authorized", PROBE
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		PLAY_WITH(&options, CONNECTED, "> wait 20000", REJECTED_ONCE(ways[i]), CONNECT_OK,
			  "< state connected gap", CONNECT, "> wait 20000", CONNECT_OK, CONNECT,
			  REJECTED_ONCE(ways[i]),
			  /* not again: the session may be bound to what began it */
			  ways[i], "< state unconnected gap: waiting for credentials: cut",
			  "< unauthorized%", "> wait 5000", "> authorized", "> sleep 9000",
			  "< +960..1440", "< state handshaking gap%", BACK);
	/* the new ones came when the server had long forgotten the session */
	PLAY_WITH(&options, CONNECTED, "> wait 20000", ways[0], "< state unconnected gap%",
	     "< unauthorized%", "> wait 90000", "> authorized", "< state handshaking gap%", BACK);
	/* stopped meanwhile: a disconnect is sent, as usual */
	PLAY_WITH(&options, CONNECTED, ways[0], "< state unconnected gap%", "< unauthorized%", "> stop",
	     "< state disconnecting gap%", "< disconnect %", "> fail command broken status=401",
	     "< state off gap%");
}

static void rejected_handshake(void **state)
{
	static const char *const ways[] = {
		"> fail connect broken status=401",
		"> reply connect [{'channel':'/meta/handshake','successful':false,"
		"'error':'403::Handshake denied','ext':{'sfdc':{'failureReason':"
		"'401::Authentication invalid'}},'advice':{'reconnect':'none'}}]",
		"> reply connect [{'channel':'/meta/handshake','successful':false,"
		"'error':'403::handshake_denied','advice':{'reconnect':'none'}}]",
		"> reply connect [{'channel':'/meta/handshake','successful':false,"
		"'error':'401::no','advice':{'reconnect':'retry'}}]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		PLAY_WITH(&options, AUTHORIZED, HANDSHAKE, ways[i],
		     "< state unconnected: waiting for credentials: %",
		     "< unauthorized: waiting for credentials: %",
		     /* never two handshakes within a second */
		     "> authorized", "> sleep 9000", "< +1000..1000", "< state handshaking%",
		     SHAKE, "< state connecting%", PROBE);
}

/* credential after credential is rejected: the pauses grow */
static void the_loop_is_broken(void **state)
{
	(void)state;
#define REJECTED                                                                                   \
	HANDSHAKE, "> fail connect broken status=401", "< state unconnected%", "< unauthorized%",  \
		"> wait 3000", "> authorized"
	PLAY(&options, AUTHORIZED, REJECTED, "< state handshaking%", REJECTED, "> sleep 99000",
	     "< +960..1440", "< state handshaking%", REJECTED, "> sleep 99000", "< +1152..1728",
	     "< state handshaking%", REJECTED, "> sleep 99000", "< +1382..2074",
	     "< state handshaking%", HANDSHAKE);
}

/* what ended while the server was away is replaced at once, whatever the pause was by then */
static void rejected_after_an_outage(void **state)
{
	(void)state;
	PLAY(&options, AUTHORIZED, HANDSHAKE, "> fail connect broken status=500",
	     "< state unconnected%", "> sleep 99000", "< +800..2000", "< state handshaking%",
	     HANDSHAKE, "> fail connect broken status=500", "< state unconnected%",
	     "> sleep 99000", "< +1200..3000", "< state handshaking%", HANDSHAKE,
	     "> fail connect broken status=401", "< state unconnected%", "< unauthorized%",
	     "> wait 3000", "> authorized", "< state handshaking%", HANDSHAKE,
	     "> fail connect broken status=401", "< state unconnected%", "< unauthorized%",
	     "> wait 3000", "> authorized", "> sleep 99000", "< +1152..2074",
	     "< state handshaking%", SHAKE, "< state connecting%", PROBE);
}

static void what_only_looks_like_it(void **state)
{
	(void)state;
	/* the session is unknown: Salesforce, Faye */
	PLAY(&options, CONNECTED, "> wait 20000",
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'403::Unknown client','advice':{'reconnect':'handshake','interval':0}}]",
	     "< state unconnected gap: connect refused: 403 Unknown client",
	     "< state handshaking gap%", BACK, "> wait 20000",
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'401:c1:Unknown client','advice':{'reconnect':'handshake','interval':0}}]",
	     "< state unconnected gap: connect refused: 401 Unknown client",
	     "< state handshaking gap%", BACK);
	/* a quota, which no other credential changes */
	PLAY(&options, AUTHORIZED, HANDSHAKE,
	     "> reply connect [{'channel':'/meta/handshake','successful':false,"
	     "'error':'403::Handshake denied','ext':{'sfdc':{'failureReason':"
	     "'403::Organization concurrent user limit exceeded'}},"
	     "'advice':{'reconnect':'none'}}]",
	     "< state halted: handshake refused: 403::Organization concurrent user limit exceeded");
	/* a channel that this credential may not have */
	PLAY(&options, CONNECTED, "> want /a", "< commands %", "> reply command "
	     "[{'channel':'/meta/subscribe','subscription':'/a','successful':false,"
	     "'error':'403:denied_by_security_policy:subscribe_denied'}]",
	     "< channel /a refused: refused by the server");
}

#define REJECTED_STATE "< state unconnected gap: waiting for credentials: cut", "< unauthorized%"
#define PUBLISHED(n) "> publish " #n " /a 60000 " #n, "< commands %'data':" #n "%"
#define DONE(n) "> reply command [{'channel':'/a','successful':true}]", "< outcome " #n " ok"
#define DENIED(status) "> fail command broken status=" #status

/* A 401 means that the request had no effect: its messages are sent again with another credential, while
   the session and the other peers continue. */
static void publishes_survive_the_rejection(void **state)
{
	(void)state;
	PLAY(&options, CONNECTED, "> wait 20000", PUBLISHED(1), DENIED(401),
	     "< unauthorized: HTTP status 401 to a request", "> publish 2 /a 60000 2", "> peer 1",
	     PUBLISHED(3), DONE(3), "> wait 5000", "> authorized",
	     "< commands %'data':1%'data':2%", "> peer 2", "> publish 4 /a 60000 4",
	     "> reply command [{'channel':'/a','id':'4','successful':true},"
	     "{'channel':'/a','id':'5','successful':true}]", "< outcome 1 ok", "< outcome 2 ok",
	     "< commands %'data':4%", DONE(4));
	/* all peers get this answer: each waits, and nothing is lost */
	PLAY(&options, CONNECTED, "> wait 20000", PUBLISHED(1), DENIED(401), "< unauthorized%",
	     "> peer 1", PUBLISHED(2), DENIED(401), "> peer 2", PUBLISHED(3), "> want /b",
	     DENIED(401), "< commands %'/b'%", DENIED(401), "< channel /b pending: HTTP status 401",
	     "> authorized", "< commands %'data':1%'data':2%'data':3%");
	/* the credential ended while both lanes were busy: the second answer, which comes before
	   there is a new one or after, be it all in one millisecond, is no rejection of the new one */
	PLAY(&options, CONNECTED, "> wait 20000", PUBLISHED(1), "> fail connect broken status=401",
	     REJECTED_STATE, "> wait 10", DENIED(401), "> authorized", PROBE, CONNECT_OK,
	     "< state connected gap", CONNECT, "< commands %'data':1%", DONE(1));
	PLAY(&options, CONNECTED, "> wait 20000", PUBLISHED(1), "> fail connect broken status=401",
	     REJECTED_STATE, "> authorized", PROBE, CONNECT_OK, "< state connected gap", CONNECT,
	     DENIED(401), "< commands %'data':1%", DONE(1));
}

/* A gateway refuses one request whatever the credential: its publisher gets the error, and no other waits. */
static void one_request_is_refused(void **state)
{
	(void)state;
	/* in a batch it is found one by one */
	PLAY(&options, CONNECTED, "> wait 20000", PUBLISHED(1), "> peer 1", "> publish 2 /bad 60000 2",
	     "> peer 2", "> publish 3 /a 60000 3", DONE(1), "< commands %'data':2%'data':3%",
	     DENIED(403), "< commands %'data':2}]", DENIED(403),
	     "< outcome 2 refused: refused with HTTP status 403", "< commands %'data':3}]", DONE(3),
	     "> want /bad", "< commands %'/bad'%", DENIED(403),
	     "< channel /bad refused: refused with HTTP status 403",
	     /* with 401, when another credential has shown to be good */
	     "> peer 1", PUBLISHED(4), DENIED(401), "< unauthorized%", "> authorized",
	     "< commands %'data':4%", "> peer 2", "> publish 5 /a 60000 5", DENIED(401),
	     "< abort connect", "< state connected gap", PROBE, "< commands %'data':5%", DONE(5),
	     CONNECT_OK, CONNECT, "< commands %'data':4%", DENIED(401),
	     "< outcome 4 refused: refused with HTTP status 401",
	     /* the next one does not ask for another one at once */
	     "> peer 1", PUBLISHED(6), DENIED(401), "> peer 2", PUBLISHED(7), DONE(7),
	     "> sleep 9000", "< +800..1200", "< commands %'data':6%", DENIED(401),
	     "< unauthorized%");
	/* without a credential to renew it is a refusal */
	options.credentials = false;
	PLAY(&options, UP, PUBLISHED(1), DENIED(401),
	     "< outcome 1 refused: refused with HTTP status 401");
}

/* After "too many requests", or a fault of the server, only that peer waits. */
static void only_its_owner_waits(void **state)
{
	(void)state;
	PLAY(&options, CONNECTED, "> peer 1", PUBLISHED(1), "> publish 2 /a 60000 2",
	     "> fail command broken status=429 retry=20000", "> peer 2", PUBLISHED(3), DONE(3),
	     "> wait 15000", PUBLISHED(4), DONE(4), "> sleep 9000", "< +5000..5000",
	     "< commands %'data':1%'data':2%");
	PLAY(&options, CONNECTED, "> peer 1", PUBLISHED(1), "> publish 2 /a 60000 2", DENIED(500),
	     "< outcome 1 unknown%", "> peer 2", PUBLISHED(3), DONE(3), "> sleep 9000",
	     "< +800..1200", "< commands %'data':2%", DENIED(500), "< outcome 2 unknown%",
	     PUBLISHED(4), DENIED(500), "< outcome 4 unknown%",
	     /* also when nothing succeeds in between */
	     "> peer 3", PUBLISHED(5), DENIED(500), "< outcome 5 unknown%", "> peer 4", PUBLISHED(6),
	     DONE(6));
}

static void rejected_upgrade(void **state)
{
	(void)state;
	options.transports[0] = SESSION_WEBSOCKET;
	options.transports[1] = SESSION_LONG_POLLING;
	options.n_transports = 2;
#define UPGRADE "< state handshaking%", "< handshake websocket %"
#define REFUSED                                                                                    \
	"> closed not-sent status=403", "< state unconnected: waiting for credentials: cut",       \
		"< unauthorized%", "> wait 9000", "> authorized"
	/* a proxy that refuses them all is one with whom long-polling may work */
	PLAY(&options, ASKED, "> authorized", UPGRADE, REFUSED, UPGRADE, REFUSED, "> sleep 9000",
	     "< +960..1440", UPGRADE, REFUSED, "> sleep 9000", "< +1152..1728",
	     "< state handshaking%", "< handshake long-polling %");
}

#define AUTH_TEST(test) cmocka_unit_test_setup(test, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(nothing_is_sent_without_credentials),
		AUTH_TEST(stopped_while_it_waits),
		AUTH_TEST(without_the_option_nothing_is_asked),
		AUTH_TEST(rejected_while_connected),
		AUTH_TEST(rejected_in_http),
		AUTH_TEST(rejected_handshake),
		AUTH_TEST(the_loop_is_broken),
		AUTH_TEST(rejected_after_an_outage),
		AUTH_TEST(what_only_looks_like_it),
		AUTH_TEST(publishes_survive_the_rejection),
		AUTH_TEST(one_request_is_refused),
		AUTH_TEST(only_its_owner_waits),
		AUTH_TEST(rejected_upgrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
