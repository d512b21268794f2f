/*
 * Hooks from outside: what they are shown and when, what they may change and
 * delete, what becomes of the message then, and that nothing of it confuses the
 * counting of what was received.
 */
#include "tests/unit/testing.h"

#include "bayeux/ext.h"
#include "tests/unit/session_lines.h"
#include "tests/unit/session_play.h"

#include <errno.h>
#include <stdio.h>

/* The hook does what the name of the channel selects, and records what it was shown. */
static struct {
	char seen[8192];
	unsigned short_of_memory;       /* so many times */
} hook;

static struct session_options options;

static void note(const struct hook_message *m)
{
	static const char *const kinds[] = {"handshake", "connect", "disconnect", "subscribe",
					    "unsubscribe", "publish", "event"};
	size_t n = strlen(hook.seen);
	struct slice name = m->subscription.n ? m->subscription : m->channel;
	snprintf(hook.seen + n, sizeof(hook.seen) - n, "%s%s %.*s %.*s %.*s\n",
		 m->incoming ? "<" : ">", kinds[m->kind], SLICE_ARG(name), SLICE_ARG(m->data),
		 SLICE_ARG(m->ext));
}

static bool says(const struct hook_message *m, const char *word)
{
	struct slice name = m->subscription.n ? m->subscription : m->channel;
	return memmem(name.p, name.n, word, strlen(word));
}

static int see(void *ctx, const struct hook_message *m, struct hook_change *ret)
{
	static const char kept[] = "\"new\" ";
	assert_ptr_equal(ctx, &hook);
	bool handshake = m->kind == HOOK_HANDSHAKE && !m->incoming;
	if (hook.short_of_memory && (says(m, "short") || handshake)) {
		hook.short_of_memory--;
		return -ENOMEM;
	}
	note(m);
	assert_int_equal(m->text.p[0], '{');
	assert_int_equal(m->text.p[m->text.n - 1], '}');
	if (says(m, "delete") || says(m, "/meta/disconnect"))
		return HOOK_DELETE;
	if (says(m, "gone") && m->kind == HOOK_EVENT)
		return HOOK_DELETE;
	if (says(m, "data"))
		ret->data = slice_make(kept, 5);
	if (says(m, "ext"))
		ret->ext = SLICE("{\"mine\":1}");
	return ret->data.p || ret->ext.p ? HOOK_CHANGED : 0;
}

static int setup(void **state)
{
	(void)state;
	play_options(&options);
	memset(&hook, 0, sizeof(hook));
	options.hooks = (struct session_hooks){see, &hook, NULL};
	return 0;
}

static void assert_seen(const char *text)
{
	assert_string_equal(hook.seen, text);
	hook.seen[0] = '\0';
}

static void everything_is_shown(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /a", "< commands %", "> reply command "
	     "[{'channel':'/meta/subscribe','subscription':'/a','successful':true,'id':'4'}]",
	     "< channel /a active", "> publish 1 /b 9000 'x' {'e':2}", "< commands %",
	     "> reply command [{'channel':'/b','successful':true,'id':'5','ext':{'r':1}}]",
	     "< outcome 1 ok", "> wait 200",
	     "> late connect [{'channel':'/a','data':3},{'channel':'/meta/foo'},{'channel':'/q'}]",
	     "< message /a 3", "< note %", "> unwant /a", "< commands %", "> end command",
	     "> stop", "< state disconnecting", "< disconnect %",
	     "> reply command [{'channel':'/meta/disconnect','successful':true}]", "< abort all",
	     "< state off%");
	assert_seen(">handshake /meta/handshake  \n"
		    "<handshake /meta/handshake  \n"
		    ">connect /meta/connect  \n"
		    "<connect /meta/connect  \n"
		    ">connect /meta/connect  \n"
		    ">subscribe /a  \n"
		    "<subscribe /a  \n"
		    ">publish /b \"x\" {\"e\":2}\n"
		    "<publish /b  {\"r\":1}\n"
		    "<event /a 3 \n"
		    ">unsubscribe /a  \n"
		    /* to delete these two is not allowed */
		    ">disconnect /meta/disconnect  \n"
		    "<disconnect /meta/disconnect  \n");
}

/* ---- out ---- */

#define PUBLISH(channel, rest)                                                                     \
	"< commands long-polling [{'channel':'" channel "','id':'%','clientId':'c1'," rest "}]"
#define PUBLISHED "> reply command [{'channel':'/x','successful':true}]", "< outcome 1 %"

static void requests_are_changed(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /data 9000 1 {'e':2}",
	     PUBLISH("/data", "'data':'new','ext':{'e':2}"));
	PLAY(&options, UP, "> publish 1 /ext 9000 1 {'e':2}",
	     PUBLISH("/ext", "'data':1,'ext':{'mine':1}"));
	PLAY(&options, UP, "> publish 1 /data/ext 9000 1",
	     PUBLISH("/data/ext", "'data':'new','ext':{'mine':1}"));
	PLAY(&options, UP, "> want /ext", "< commands %'subscription':'/ext','ext':{'mine':1}}]");
}

/* Two messages of one batch, of which the first is not disturbed by what is done to the second. */
static void each_message_by_itself(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", PUBLISH("/a", "'data':1"),
	     "> publish 2 /b 9000 1", "> publish 3 /data/ext 9000 1", "> publish 4 /c 9000 [2]",
	     "> reply command [{'channel':'/a','successful':true}]", "< outcome 1 ok",
	     "< commands long-polling [{%/b%'data':1},{%/data/ext%'data':'new','ext':{'mine':1}},"
	     "{%/c%'data':[2]}]");
}

static struct session *configured(void)
{
	struct session *s;
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	assert_int_equal(session_set_ext(s, SESSION_EXT_HANDSHAKE,
					 SLICE("{\"site\":7,\"ack\":3}")), 0);
	return s;
}

/* The configured ext is shown, without the members of built-in extensions; the hook's result replaces all
   but those. */
static void a_configured_ext_is_shown(void **state)
{
	struct session_batch b;
	struct buf out;
	(void)state;
	options.ack = true;
	struct session *s = configured();
	struct session_event e;
	buf_init(&out, 4096);
	session_start(s, 0);
	while (session_next(s, 0, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	assert_seen(">handshake /meta/handshake  {\"site\":7}\n");
	assert_non_null(memmem(buf_slice(&out).p, buf_len(&out),
			       "\"ext\":{\"site\":7,\"ack\":true}}]", 29));
	buf_fini(&out);
	session_free(s);
}

static void a_deleted_publish_is_answered(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /delete 9000 1", "> sleep 10", "< +0",
	     "< outcome 1 refused: 404::message_deleted");
	PLAY(&options, UP, "> publish 1 /a 9000 1", PUBLISH("/a", "'data':1"),
	     "> publish 2 /b 9000 1", "> publish 3 /delete 9000 1", "> publish 4 /c 9000 1",
	     "> reply command [{'channel':'/a','successful':true}]", "< outcome 1 ok",
	     "< commands long-polling [{%/b%},{%/c%}]",
	     "< outcome 3 refused: 404::message_deleted",
	     "> reply command [{'channel':'/b','successful':true,'id':'5'},"
	     "{'channel':'/c','successful':true,'id':'7'}]", "< outcome 2 ok", "< outcome 4 ok");
}

/* It is not asked for again in this session, but in the next. */
static void a_deleted_subscribe_is_refused(void **state)
{
	(void)state;
	PLAY(&options, UP, "> want /delete", "> sleep 10", "< +0",
	     "< channel /delete refused: 404::message_deleted", "> want /a",
	     "< commands %'/a'}]", "> wait 9000",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a','successful':true}]",
	     "< channel /a active",
	     "> reply connect [{'channel':'/meta/connect','successful':false,"
	     "'error':'402::x','advice':{'reconnect':'handshake'}}]", "< state unconnected%",
	     "< state handshaking%", HANDSHAKE,
	     HANDSHAKE_OK, "< state connecting%", PROBE, "> sleep 10", "< +0",
	     "< channel /delete refused: 404::message_deleted", "< commands %'/a'}]");
}

static void a_deleted_subscribe_in_the_middle(void **state)
{
	(void)state;
	PLAY(&options, "> want /a", "> want /delete", "> want /b", START, "< commands %'/a'}]",
	     "> reply command [{'channel':'/meta/subscribe','subscription':'/a','successful':true}]",
	     "< channel /a active", "> sleep 10", "< +0",
	     "< channel /delete refused: 404::message_deleted", "< commands %'/b'}]");
}

/* ---- in ---- */

#define EVENTS(text) UP, "> wait 200", "> reply connect [" text "]"

static void events_are_changed_and_deleted(void **state)
{
	(void)state;
	PLAY(&options, EVENTS("{'channel':'/data','data':1},{'channel':'/delete','data':2},"
			      "{'channel':'/b','data':3},{'channel':'/meta/connect',"
			      "'successful':true}"),
	     "< message /data 'new'", "< message /b 3", "< connect %");
}

/* A reply is not changed. */
static void replies_are_only_shown(void **state)
{
	(void)state;
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %",
	     "> reply command [{'channel':'/delete','successful':true,'id':'4'}]",
	     "< outcome 1 ok");
	PLAY(&options, UP, "> publish 1 /a 9000 1", "< commands %",
	     "> reply command [{'channel':'/ext','successful':false,'id':'4','error':'1'}]",
	     "< outcome 1 refused%");
}

static void the_answer_to_a_call(void **state)
{
	(void)state;
	PLAY(&options, UP, "> call 1 /service/data 9000 1", "< commands %",
	     "> reply command [{'channel':'/service/data','data':7,'id':'4'}]",
	     "< outcome 1 ok 'new'");
	PLAY(&options, UP, "> call 1 /service/x 9000 1", "< commands %",
	     "> reply command [{'channel':'/service/delete','data':7,'id':'4'}]",
	     "< outcome 1 refused: 404::message_deleted");
}

#define ACK_HANDSHAKE                                                                              \
	"> start", "< state handshaking", "< handshake %",                                         \
	"> reply connect [{'clientId':'c1','supportedConnectionTypes':['long-polling'],"           \
	"'channel':'/meta/handshake','successful':true,'ext':{'ack':true}}]",                      \
	"< state connecting", "< connect %",                                                       \
	"> reply connect [{'channel':'/meta/connect','successful':true,'ext':{'ack':1}}]",         \
	"< state connected", "< connect %'ack':1}}]"

/* Also what was deleted is acknowledged, and skipped when it comes again: the hook is not shown
   it a second time. */
static void deleted_events_count_as_received(void **state)
{
	(void)state;
	options.ack = true;
	PLAY(&options, ACK_HANDSHAKE,
	     "> reply connect [{'channel':'/delete','data':1},{'channel':'/meta/connect',"
	     "'successful':true,'ext':{'ack':2}}]", "< connect %'ack':2}}]");
	hook.seen[0] = '\0';
	PLAY(&options, ACK_HANDSHAKE,
	     "> late connect [{'channel':'/delete','data':1},{'channel':'/b','data':2}]",
	     "< message /b 2", "> fail connect broken", "< state unconnected: cut",
	     "> sleep 9000", "< +%", "< connect %'ack':1}}]",
	     "> reply connect [{'channel':'/delete','data':1},{'channel':'/b','data':2},"
	     "{'channel':'/c','data':3},{'channel':'/meta/connect','successful':true,"
	     "'ext':{'ack':2}}]", "< message /c 3", "< state connected", "< connect %'ack':2}}]");
	char *first = strstr(hook.seen, "<event /delete");
	assert_non_null(first);
	assert_null(strstr(first + 1, "<event /delete"));
}

#define REPLAY_HANDSHAKE                                                                           \
	"< handshake %", "> reply connect [{'ext':{'replay':true},'clientId':'c1',"                \
	"'supportedConnectionTypes':['long-polling'],'channel':'/meta/handshake',"                 \
	"'successful':true}]"
#define REPLAY_EVENT(id) "{'channel':'/gone','data':{'event':{'replayId':" #id "}}}"
#define REPLAY_SUBSCRIBE(id) "< commands %'ext':{'replay':{'/gone':" #id "}}}]"
#define REPLAY_SUBSCRIBED                                                                          \
	"> reply command [{'channel':'/meta/subscribe','subscription':'/gone','successful':true}]", \
	"< channel /gone active"

/* What was deleted is not replayed: neither what came in time, nor what had to wait for its turn;
   and each was shown once. */
static void deleted_events_move_the_marker(void **state)
{
	(void)state;
	options.replay = SESSION_REPLAY_NEW;
	PLAY(&options, "> start", "< state handshaking", REPLAY_HANDSHAKE, "< state connecting",
	     "< connect %", "> reply connect [{'channel':'/meta/connect','successful':true}]",
	     "< state connected", "< connect %", "> want /gone", REPLAY_SUBSCRIBE(-1),
	     "> wait 200", "> late connect [" REPLAY_EVENT(7), REPLAY_SUBSCRIBED,
	     "> late connect ," REPLAY_EVENT(8),
	     "> reply connect ,{'channel':'/meta/connect','successful':false,"
	     "'advice':{'reconnect':'handshake','interval':0},'error':'403::Unknown client'}]",
	     "< state unconnected%", "> sleep 9000", "< +%", "< state handshaking%",
	     REPLAY_HANDSHAKE, "< state connecting%", "< connect %", REPLAY_SUBSCRIBE(8));
	char *seven = strstr(hook.seen, "<event /gone {\"event\":{\"replayId\":7}}");
	assert_non_null(seven);
	seven = strchr(seven, '\n');
	assert_null(strstr(seven, "\"replayId\":7}"));
	assert_non_null(strstr(seven, "\"replayId\":8}"));
}

/* The hook has no memory: nothing leaves, and nothing is lost. */
static void a_request_waits_for_memory(void **state)
{
	struct session_event e;
	struct session_batch b;
	struct session *s;
	struct buf out;
	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	session_start(s, 0);
	while (session_next(s, 0, &e) == 0)
		;
	hook.short_of_memory = 1;
	assert_int_equal(session_take_batch(s, 0, &out, &b), -ENOMEM);
	assert_int_equal(buf_len(&out), 0);
	assert_in_range(session_deadline(s), 1, 1000);
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	assert_int_equal(b.kind, SESSION_BATCH_HANDSHAKE);
	assert_seen(">handshake /meta/handshake  \n");
	buf_fini(&out);
	session_free(s);
}

/* The hook has no memory, and the driver discards the text: undelivered events are sent again. */
static void an_event_is_counted_after_the_hooks(void **state)
{
	static const char text[] = "[{\"channel\":\"/short\",\"data\":1}]";
	static const char handshake[] =
		"[{\"channel\":\"/meta/handshake\",\"clientId\":\"c1\",\"successful\":true,"
		"\"ext\":{\"ack\":true}}]";
	const struct session_failure broken = {.kind = SESSION_BROKEN, .reason = {"x", 1}};
	struct session_event e;
	struct session_batch b;
	struct session *s;
	struct buf out;
	(void)state;
	options.ack = true;
	buf_init(&out, 4096);
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	session_start(s, 0);
	for (uint64_t now = 0; now < 5000; now += 10) {
		int r;
		session_tick(s, now);
		while ((r = session_next(s, now, &e)) == 0 && e.kind != SESSION_EVENT_MESSAGE)
			;
		if (r == 0)
			break;
		if (r == -ENOMEM) {
			session_discard_text(s);
			session_batch_failed(s, now, b.id, &broken);
			continue;
		}
		if (session_take_batch(s, now, &out, &b))
			continue;
		bool first = b.kind == SESSION_BATCH_HANDSHAKE;
		session_feed(s, now, b.id, slice_of(first ? handshake : text));
		if (first) {
			session_batch_end(s, now, b.id);
			hook.short_of_memory = 2;
		}
	}
	assert_int_equal(hook.short_of_memory, 0);
	assert_int_equal(e.kind, SESSION_EVENT_MESSAGE);
	buf_fini(&out);
	session_free(s);
}

/* ---- what a changed event looks like ---- */

/* Feeds one event to a session with a subscription; returns what is delivered. */
static void rewrite(const char *message, struct buf *ret)
{
	static const char handshake[] =
		"[{\"channel\":\"/meta/handshake\",\"clientId\":\"c1\",\"successful\":true}]";
	struct session_event e;
	struct session_batch b;
	struct session *s;
	struct buf out;
	int r;
	buf_init(&out, 65536);
	assert_int_equal(session_new(&options, (struct wake){0}, &s), 0);
	session_start(s, 0);
	while (session_next(s, 0, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	assert_int_equal(session_feed(s, 0, b.id, slice_of(handshake)), 0);
	while (session_next(s, 0, &e) == 0)
		;
	session_batch_end(s, 0, b.id);
	while (session_next(s, 0, &e) == 0)
		;
	assert_int_equal(session_take_batch(s, 0, &out, &b), 0);
	assert_int_equal(session_feed(s, 0, b.id, slice_of(message)), 0);
	while ((r = session_next(s, 0, &e)) == 0 && e.kind != SESSION_EVENT_MESSAGE)
		;
	assert_int_equal(r, 0);
	buf_clear(ret);
	for (size_t i = 0; i < e.envelope->n_pieces; i++)
		assert_int_equal(buf_put(ret, e.envelope->pieces[i]), 0);
	session_free(s);
	buf_fini(&out);
}

static void only_what_was_changed_is_other(void **state)
{
	static const struct {
		const char *is, *becomes;
	} cases[] = {
		{"{\"channel\":\"/data\",\"data\":1,\"x\" : [ 2 ]}",
		 "{\"channel\":\"/data\",\"data\":\"new\",\"x\" : [ 2 ]}"},
		{"{ \"clientId\":\"c1\", \"data\" : {\"a\":1} , \"channel\":\"/data\"}",
		 "{  \"data\" : \"new\" , \"channel\":\"/data\"}"},
		{"{\"data\":1,\"clientId\":\"c1\",\"channel\":\"/data\"}",
		 "{\"data\":\"new\",\"channel\":\"/data\"}"},
		{"{\"data\":1,\"channel\":\"/data\",\"clientId\":\"c1\"}",
		 "{\"data\":\"new\",\"channel\":\"/data\"}"},
		{"{\"data\":1,\"channel\":\"/ext\"}",
		 "{\"data\":1,\"channel\":\"/ext\",\"ext\":{\"mine\":1}}"},
		{"{\"data\":1,\"channel\":\"/ext\",\"ext\":{\"x\":2}}",
		 "{\"data\":1,\"channel\":\"/ext\",\"ext\":{\"mine\":1}}"},
		{"{\"data\":1,\"channel\":\"/ext\",\"ext\":null }",
		 "{\"data\":1,\"channel\":\"/ext\",\"ext\":{\"mine\":1} }"},
		{"{\"data\":1,\"channel\":\"/ext\",\"clientId\":\"c1\"}",
		 "{\"data\":1,\"channel\":\"/ext\",\"ext\":{\"mine\":1}}"},
		{"{\"data\":1,\"channel\":\"/data/ext\",\"clientId\":\"c1\",\"ext\":{\"x\":2}}",
		 "{\"data\":\"new\",\"channel\":\"/data/ext\",\"ext\":{\"mine\":1}}"},
		{"{\"ext\":{\"x\":2},\"clientId\":\"c1\",\"data\":1,\"channel\":\"/data/ext\"}",
		 "{\"ext\":{\"mine\":1},\"data\":\"new\",\"channel\":\"/data/ext\"}"},
		{"{\"ext\":{\"x\":2},\"channel\":\"/data/ext\",\"data\":1,\"z\":9}",
		 "{\"ext\":{\"mine\":1},\"channel\":\"/data/ext\",\"data\":\"new\",\"z\":9}"},
		{"{\"d\\u0061ta\":1,\"channel\":\"\\/data\"}",
		 "{\"d\\u0061ta\":\"new\",\"channel\":\"\\/data\"}"},
	};
	struct buf text;
	(void)state;
	buf_init(&text, 4096);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rewrite(cases[i].is, &text);
		if (!slice_eq(buf_slice(&text), slice_of(cases[i].becomes)))
			fail_msg("%s\nbecame %.*s\nand not %s", cases[i].is,
				 SLICE_ARG(buf_slice(&text)), cases[i].becomes);
	}
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(everything_is_shown, setup),
		cmocka_unit_test_setup(requests_are_changed, setup),
		cmocka_unit_test_setup(each_message_by_itself, setup),
		cmocka_unit_test_setup(a_configured_ext_is_shown, setup),
		cmocka_unit_test_setup(a_deleted_publish_is_answered, setup),
		cmocka_unit_test_setup(a_deleted_subscribe_is_refused, setup),
		cmocka_unit_test_setup(a_deleted_subscribe_in_the_middle, setup),
		cmocka_unit_test_setup(events_are_changed_and_deleted, setup),
		cmocka_unit_test_setup(replies_are_only_shown, setup),
		cmocka_unit_test_setup(the_answer_to_a_call, setup),
		cmocka_unit_test_setup(deleted_events_count_as_received, setup),
		cmocka_unit_test_setup(deleted_events_move_the_marker, setup),
		cmocka_unit_test_setup(a_request_waits_for_memory, setup),
		cmocka_unit_test_setup(an_event_is_counted_after_the_hooks, setup),
		cmocka_unit_test_setup(only_what_was_changed_is_other, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
