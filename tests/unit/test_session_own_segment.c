/*
 * A session whose channels begin with its own client id (Lyrion Music Server):
 * "{clientId}" to those who use it, the id of the day to the server.
 */
#include "tests/unit/testing.h"

#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <errno.h>

static struct session_options options;

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	options.expand_client_id = true;
	return 0;
}

static void channels_are_asked_for_by_the_id(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /{clientId}/**",
	     "< commands long-polling [{'channel':'/meta/subscribe','id':'4','clientId':'c1',"
	     "'subscription':'/c1/**'}]",
	     /* Lyrion's reply has no id */
	     "> reply command [{'channel':'/meta/subscribe','clientId':'c1','successful':true,"
	     "'subscription':'/c1/**'}]",
	     "< channel /{clientId}/** active", "> publish 1 /{clientId}/x 9000 "
	     "{'response':'/{clientId}/slim/x','request':['','{clientId}']}",
	     "< commands long-polling [{'channel':'/c1/x','id':'5','clientId':'c1','data':"
	     "{'response':'/c1/slim/x','request':['','{clientId}']}}]",
	     /* the reply without id is found by its channel */
	     "> reply command [{'channel':'/c1/x','successful':true}]", "< outcome 1 ok",
	     "> wait 200",
	     "> reply connect [{'channel':'/c1/slim/x','id':'5','data':{'of':'/c1/slim/x',"
	     "'c1':'c1'}},{'channel':'/meta/connect','successful':true}]",
	     "< message /{clientId}/slim/x {'of':'/{clientId}/slim/x','c1':'c1'}", CONNECT,
	     "> unwant /{clientId}/**", "< commands %/meta/unsubscribe%'subscription':'/c1/**'%");
}

/* nothing goes into `ext`, which servers show to all who listen */
static void ext_is_left_alone(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 '/{clientId}/a' {'x':'/{clientId}/a'}",
	     "< commands %'data':'/c1/a','ext':{'x':'/{clientId}/a'}}]");
}

static void a_new_session_has_a_new_id(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /{clientId}/x", "< commands %'/c1/x'}]",
	     "> reply command [{'channel':'/meta/subscribe','successful':true,"
	     "'subscription':'/c1/x'}]",
	     "< channel /{clientId}/x active", "> publish 1 /a 9000 '/{clientId}/x'",
	     "< commands %", "> publish 2 /a 9000 '/{clientId}/x'",
	     /* in Lyrion's words */
	     "> reply command [{'channel':'/a','successful':false,'error':'invalid clientId'}]",
	     "< abort connect", "< state connected gap", PROBE,
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'invalid clientId','advice':{'reconnect':'handshake','interval':0}}]",
	     "< state unconnected gap: connect refused: invalid clientId",
	     "> sleep 9000", "< +250..1200", "< state handshaking gap%",
	     HANDSHAKE,
	     "> reply connect [{'clientId':'d2','channel':'/meta/handshake','successful':true}]",
	     "< state connecting gap%", "< connect %'clientId':'d2'%",
	     "< commands %'subscription':'/d2/x'},{'channel':'/a',%'data':'/d2/x'},"
	     "{'channel':'/a',%'data':'/d2/x'}]",
	     CONNECT_OK, "< state connected gap", "< connect %", "> wait 200",
	     /* the old id is not a secret any more, and no channel of ours */
	     "> reply connect [{'channel':'/d2/x','data':1},{'channel':'/c1/x','data':2},"
	     "{'channel':'/meta/connect','successful':true}]",
	     "< message /{clientId}/x 1", "< message /c1/x 2", "< connect %");
}

static void an_id_that_is_no_segment_stays_out(void **state)
{
	(void)state;
	PLAY(&options, "> start", "< state handshaking", HANDSHAKE,
	     "> reply connect [{'clientId':'a/b','channel':'/meta/handshake','successful':true}]",
	     "< state connecting", "< connect %", "> want /{clientId}/x",
	     "< commands %'subscription':'/{clientId}/x'}]");
}

static void only_where_it_is_wanted(void **state)
{
	(void)state;
	options.expand_client_id = false;
	PLAY(&options, UP, "> want /{clientId}/x", "< commands %'subscription':'/{clientId}/x'}]",
	     "> wait 200", "> reply connect [{'channel':'/c1/x','data':1},"
	     "{'channel':'/meta/connect','successful':true}]", "< message /c1/x 1", CONNECT);
}

/* ---- memory ---- */

static void feed_again(struct session *s, uint64_t batch, const char *text)
{
	struct session_event e;
	int r;

	do
		r = session_feed(s, 1, batch, slice_of(text));
	while (r == -ENOMEM);
	assert_int_equal(r, 0);
	do
		r = session_next(s, 1, &e);
	while (r == 0 || r == -ENOMEM);
	session_batch_end(s, 1, batch);
	while (session_next(s, 1, &e) != SESSION_E_NONE)
		;
}

static uint64_t take(struct session *s, const char *text)
{
	struct session_batch b;
	struct buf out;
	int r;

	buf_init(&out, 10000);
	do {
		buf_clear(&out);
		r = session_take_batch(s, 1, &out, &b);
	} while (r == -ENOMEM);
	assert_int_equal(r, 0);
	if (!memmem(buf_slice(&out).p, buf_len(&out), text, strlen(text)))
		fail_msg("no %s in %.*s", text, SLICE_ARG(buf_slice(&out)));
	buf_fini(&out);
	return b.id;
}

static void every_shortage_is_survived(void **state)
{
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct session *s;
		struct session_event e;

		if (session_new(&options, (struct wake){0}, &s))
			continue;
		session_start(s, 1);
		while (session_next(s, 1, &e) != SESSION_E_NONE)
			;
		feed_again(s, take(s, "handshake"),
			   "[{\"clientId\":\"c1\",\"channel\":\"/meta/handshake\",\"successful\":true}]");
		uint64_t connect = take(s, "\"timeout\":0");
		while (session_want(s, SLICE("/{clientId}/x"), 0) == -ENOMEM)
			;
		take(s, "\"subscription\":\"/c1/x\"");
		feed_again(s, connect, "[{\"channel\":\"/c1/x\",\"data\":1},"
				       "{\"channel\":\"/meta/connect\",\"successful\":true}]");
		session_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(channels_are_asked_for_by_the_id, setup),
		cmocka_unit_test_setup(ext_is_left_alone, setup),
		cmocka_unit_test_setup(a_new_session_has_a_new_id, setup),
		cmocka_unit_test_setup(an_id_that_is_no_segment_stays_out, setup),
		cmocka_unit_test_setup(only_where_it_is_wanted, setup),
		cmocka_unit_test_setup(every_shortage_is_survived, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
