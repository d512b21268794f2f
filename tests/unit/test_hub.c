/*
 * hub: a message is delivered once to each receiver, from one encoding; a state goes to
 * all members; members and servers are added and removed without leaks.
 */
#include "tests/unit/hub_world.h"
#include "local/wire_out.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OK_A "{'op':'reply','id':1,'ok':true,'result':{'channels':[{'channel':'/a','ok':true}]}}\n"

/* the member subscribes with upstream:false */
static void listen_to(struct world *w, unsigned m, const char *channel)
{
	char request[400];

	snprintf(request, sizeof(request),
		 "{'op':'subscribe','id':1,'channel':'%s','upstream':false}", channel);
	assert_int_equal(ask(w, m, request), 0);
	assert_non_null(strstr(heard(w, m), "'ok':true"));
}

static void test_receivers(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a");
	listen_to(&w, 1, "/**");
	listen_to(&w, 2, "/b");
	say_message(&w, 0, "/a", "{'channel':'/a','data':1}");
	say_message(&w, 0, "/b/c", "{'channel':'/b/c','data':2}");
	/* another server's channels are other channels */
	say_message(&w, 1, "/a", "{'channel':'/a','data':3}");
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':1,'message':"
			    "{'channel':'/a','data':1}}\n");
	assert_heard(&w, 1, "{'op':'message','server':'one','seq':1,'message':"
			    "{'channel':'/a','data':1}}\n"
			    "{'op':'message','server':'one','seq':2,'message':"
			    "{'channel':'/b/c','data':2}}\n");
	assert_heard(&w, 2, "");
	assert_int_equal(hub_server_seq(w.servers[0]), 2);
	assert_int_equal(hub_server_seq(w.servers[1]), 1);
	world_fini(&w);
}

static void test_once_however_many_match(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a/b");
	listen_to(&w, 0, "/a/*");
	listen_to(&w, 0, "/**");
	say_message(&w, 0, "/a/b", "{}");
	assert_heard(&w, 0, "{'op':'message','server':'one','seq':1,'message':{}}\n");
	world_fini(&w);
}

/* A message on a channel that is wanted only with a filter is for the filter's subscribers. */
static void test_filters(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_int_equal(ask(&w, 0, "{'op':'subscribe','id':1,'channel':'/t/X?s=a'}"), 0);
	assert_int_equal(ask(&w, 1, "{'op':'subscribe','id':1,'channel':'/t/X?s=b'}"), 0);
	say_channel(&w, 0, "/t/X?s=a", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	say_channel(&w, 0, "/t/X?s=b", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	listen_to(&w, 2, "/t/**");
	for (unsigned i = 0; i < 3; i++)
		heard(&w, i);
#define HEARD(seq, n) "{'op':'message','server':'one','seq':" #seq ",'message':" #n "}\n"
	say_message(&w, 0, "/t/X?s=a", "1");
	say_message(&w, 0, "/t/X", "2");
	say_message(&w, 0, "/t/XY", "3");
	assert_heard(&w, 0, HEARD(1, 1) HEARD(2, 2));
	assert_heard(&w, 1, HEARD(2, 2));
	assert_heard(&w, 2, HEARD(1, 1) HEARD(2, 2) HEARD(3, 3));
	/* once the channel itself is wanted, it brings what no filter lets through */
	assert_int_equal(ask(&w, 3, "{'op':'subscribe','id':1,'channel':'/t/X'}"), 0);
	say_channel(&w, 0, "/t/X", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	heard(&w, 3);
	say_message(&w, 0, "/t/X", "4");
	say_message(&w, 0, "/t/X?s=b", "5");
	assert_heard(&w, 0, "");
	assert_heard(&w, 1, HEARD(5, 5));
	assert_heard(&w, 3, HEARD(4, 4));
	hub_remove_member(w.hub, &w.members[1]);
	say_message(&w, 0, "/t/X?s=b", "6");
	world_fini(&w);
}
static void test_encoded_once_and_only_for_receivers(void **state)
{
	struct iovec iov[2][2];
	struct hub_stats stats;
	struct world w;
	size_t n;

	(void)state;
	world_init(&w);
	say_message(&w, 0, "/a", "{}");
	hub_stats(w.hub, &stats);
	assert_int_equal(stats.received, 1);
	assert_int_equal(stats.matched, 0);
	assert_int_equal(stats.encoded_bytes, 0);
	listen_to(&w, 0, "/a");
	listen_to(&w, 1, "/*");
	for (unsigned i = 0; i < 3; i++)
		say_message(&w, 0, "/a", "{}");
	/* both look at the same bytes, and three frames are one piece */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(outbox_peek(&w.members[i].outbox, iov[i], 2, &n), 0);
		assert_int_equal(n, 1);
	}
	assert_ptr_equal(iov[0][0].iov_base, iov[1][0].iov_base);
	assert_int_equal(iov[0][0].iov_len, iov[1][0].iov_len);
	hub_stats(w.hub, &stats);
	assert_int_equal(stats.received, 4);
	assert_int_equal(stats.matched, 3);
	assert_int_equal(stats.delivered_frames, 6);
	assert_int_equal(stats.members, 4);
	assert_int_equal(stats.subscriptions, 2);
	world_fini(&w);
}

/* bytes that a slow member still holds must not be written over by what comes later */
static void test_slow_member_keeps_its_bytes(void **state)
{
	char big[901] = "", expected[80], *found;
	struct world w;

	(void)state;
	world_init(&w);
	memset(big, '7', 900);
	listen_to(&w, 0, "/a");
	listen_to(&w, 1, "/a");
	for (unsigned i = 0; i < 60; i++) {
		say_message(&w, 0, "/a", big);
		heard(&w, 1);
	}
	found = strdup(heard(&w, 0));
	assert_non_null(found);
	for (unsigned i = 1; i <= 60; i++) {
		snprintf(expected, sizeof(expected), "'seq':%u,'message':777", i);
		assert_non_null(strstr(found, expected));
	}
	assert_int_equal(strspn(strstr(found, "'seq':1,'message':") + 18, "7"), 900);
	free(found);
	world_fini(&w);
}

static void test_strictest_overflow_counts(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	assert_asked(&w, 0, "{'op':'subscribe','id':1,'channel':'/a','upstream':false,"
			    "'overflow':'disconnect'}", OK_A);
	listen_to(&w, 0, "/**");
	listen_to(&w, 1, "/**");
	for (unsigned i = 0; i < 2; i++)
		w.members[i].outbox.bytes_max = 150;
	for (unsigned i = 0; i < 4; i++)
		say_message(&w, 0, "/b", "{}");
	assert_false(w.members[0].outbox.overrun);
	say_message(&w, 0, "/a", "{}");
	for (unsigned i = 0; i < 4; i++)
		say_message(&w, 0, "/b", "{}");
	assert_true(w.members[0].outbox.overrun);
	assert_false(w.members[1].outbox.overrun);
	/* whichever of its patterns is found first */
	listen_to(&w, 2, "/a");
	assert_int_equal(ask(&w, 2, "{'op':'subscribe','id':1,'channel':'/**','upstream':false,"
				    "'overflow':'disconnect'}"), 0);
	say_message(&w, 0, "/a", "{}");
	assert_int_equal(w.members[2].hit_overflow, OUTBOX_DISCONNECT);
	world_fini(&w);
}

static void test_too_large_is_lost(void **state)
{
	char big[1003];
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a");
	memset(big, '1', sizeof(big));
	big[1001] = '\0';
	say_message(&w, 0, "/a", big);
	big[1000] = '\0';
	say_message(&w, 0, "/a", big);
	assert_non_null(strstr(heard(&w, 0),
			       "{'op':'lost','server':'one','channel':'/a','count':1,"
			       "'first':1,'last':1,'code':'too-large'}\n"
			       "{'op':'message','server':'one','seq':2,"));
	world_fini(&w);
}

static void say_lost(struct world *w, enum session_loss loss, const char *channel)
{
	struct session_event event = {.kind = SESSION_EVENT_LOST, .loss = loss,
				      .channel = channel ? slice_of(channel) : SLICE_NULL};

	hub_handle_event(w->hub, w->servers[0], &event, 1000, 5000);
}

/* What could not be read is reported to those who would have received it, in its place. */
static void test_unreadable_is_lost(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a");
	listen_to(&w, 1, "/b");
	say_message(&w, 0, "/a", "{}");
	say_lost(&w, SESSION_LOSS_UNREADABLE, "/a");
	say_lost(&w, SESSION_LOSS_TOO_LARGE, "/b");
	say_lost(&w, SESSION_LOSS_UNREADABLE, "/nobody");
	/* it may have been for any subscription of that server, but for no others */
	say_lost(&w, SESSION_LOSS_UNREADABLE, NULL);
	say_message(&w, 0, "/a", "{}");
	assert_heard(&w, 0,
		     "{'op':'message','server':'one','seq':1,'message':{}}\n"
		     "{'op':'lost','server':'one','channel':'/a','count':1,"
		     "'first':2,'last':2,'code':'unreadable'}\n"
		     "{'op':'lost','server':'one','count':1,'first':5,'last':5,"
		     "'code':'unreadable'}\n"
		     "{'op':'message','server':'one','seq':6,'message':{}}\n");
	assert_heard(&w, 1,
		     "{'op':'lost','server':'one','channel':'/b','count':1,"
		     "'first':3,'last':3,'code':'too-large'}\n"
		     "{'op':'lost','server':'one','count':1,'first':5,'last':5,"
		     "'code':'unreadable'}\n");
	assert_heard(&w, 2, "");
	assert_int_equal(hub_server_left_out(w.servers[0]), 4);
	assert_int_equal(hub_server_left_out(w.servers[1]), 0);
	world_fini(&w);
}

/* When its queue overflows, the loss is one of those that are reported together. */
static void test_unreadable_is_counted_with_overflow(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a");
	w.members[0].outbox.bytes_max = 300;
	say_lost(&w, SESSION_LOSS_UNREADABLE, "/a");
	for (int i = 0; i < 9; i++)
		say_message(&w, 0, "/a", "{}");
	const char *all = heard(&w, 0);
	assert_non_null(strstr(all, "{'op':'lost','server':'one','count':"));
	assert_non_null(strstr(all, "'first':1,'last':"));
	assert_non_null(strstr(all, "'code':'overflow'}"));
	assert_null(strstr(all, "unreadable"));
	world_fini(&w);
}

/* a slow member holds the chunks, so that new ones are needed all the time */
static void test_no_memory_to_deliver(void **state)
{
	char big[901] = "";
	struct world w;
	unsigned lost = 0;

	(void)state;
	world_init(&w);
	memset(big, '7', 900);
	listen_to(&w, 0, "/a");
	listen_to(&w, 1, "/a");
	for (unsigned i = 0; i < 400; i++) {
		const char *text;

		testing_fail_allocation(i % 5);
		say_message(&w, 0, "/a", big);
		testing_allocation_failed();
		text = heard(&w, 0);
		assert_true(strstr(text, "'op':'message'") || strstr(text, "'op':'lost'"));
		lost += strstr(text, "'op':'lost'") != NULL;
	}
	assert_in_range(lost, 10, 390);
	assert_int_equal(w.members[0].outbox.delivered + w.members[0].outbox.lost, 400);
	world_fini(&w);
}

/* ---- state ---- */

static void test_state_reaches_all(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	w.sessions[0].info = (struct session_info){
		.since = WORLD_NOW - 500, .retry_at = WORLD_NOW + 3000, .generation = 7,
		.gap = true, .url = SLICE("http://a/"),
		.reason = SLICE("no route"), .transport = SESSION_LONG_POLLING,
	};
	say_state(&w, 0, false);
	for (unsigned i = 0; i < 4; i++)
		assert_heard(&w, i, "{'op':'state','server':'one','epoch':'0000000000000001','seq':0,'state':'unconnected',"
				    "'reason':'no route','since':1699999999500,'retry_in':3000,"
				    "'gap':true,'transport':'long-polling','url':'http://a/',"
				    "'generation':7,'first':1}\n");
	w.sessions[0].info.url = SLICE_NULL;
	/* a try that is due, and a reason that is no text */
	w.sessions[0].info.retry_at = WORLD_NOW - 1;
	w.sessions[0].info.reason = SLICE("\xff");
	w.sessions[0].info.gap = false;
	say_state(&w, 0, false);
	assert_heard(&w, 3, "{'op':'state','server':'one','epoch':'0000000000000001','seq':0,'state':'unconnected',"
			    "'since':1699999999500,'retry_in':0,"
			    "'gap':false,'transport':'long-polling','generation':7,'first':1}\n");
	w.sessions[0].info = (struct session_info){.since = WORLD_NOW, .retry_at = UINT64_MAX};
	say_state(&w, 1, true);
	assert_heard(&w, 0, "{'op':'state','server':'one','epoch':'0000000000000001','seq':0,'state':'unconnected',"
			    "'since':1699999999500,'retry_in':0,"
			    "'gap':false,'transport':'long-polling','generation':7,'first':1}\n"
			    "{'op':'state','server':'two','epoch':'0000000000000002','seq':0,'state':'connected',"
			    "'since':1699999000000,"
			    "'gap':false,'transport':'websocket','generation':0,'first':1}\n");
	world_fini(&w);
}

static size_t encoded(const struct world *w)
{
	struct hub_stats stats;

	hub_stats(w->hub, &stats);
	return stats.encoded_bytes;
}

/* a frame for all members is encoded once */
static void test_news_are_encoded_once(void **state)
{
	struct world w;
	size_t before;

	(void)state;
	world_init(&w);
	say_state(&w, 0, true);
	before = encoded(&w);
	assert_int_equal(before, strlen(heard(&w, 0)) - 1 + PROTOCOL_PREFIX);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(ask(&w, i, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	say_channel(&w, 0, "/a", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	for (unsigned i = 0; i < 4; i++)
		heard(&w, i);
	before = encoded(&w);
	say_channel(&w, 0, "/a", SESSION_CHANNEL_REFUSED, NULL, "no");
	assert_int_equal(encoded(&w) - before, strlen(heard(&w, 0)) - 1 + PROTOCOL_PREFIX);
	for (unsigned i = 1; i < 4; i++)
		assert_heard(&w, i, "{'op':'subscription','server':'one','channel':'/a','ok':false,"
				    "'error':{'code':'refused','message':'no'}}\n");
	world_fini(&w);
}

/* nor is a reply missing because its words are no text */
static void test_words_that_are_no_text(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	hub_refuse(w.hub, &w.members[0], 3, PROTOCOL_E_DENIED, SLICE("cut \xc3"));
	assert_heard(&w, 0, "{'op':'reply','id':3,'ok':false,"
			    "'error':{'code':'denied','message':''}}\n");
	FAIL_EACH_ALLOCATION {
		w.members[0].outbox.overrun = false;
		hub_refuse(w.hub, &w.members[0], 3, PROTOCOL_E_DENIED, SLICE("no"));
		(void)testing_allocation_failed();
		assert_true(strlen(heard(&w, 0)) > 0 || w.members[0].outbox.overrun);
	}
	world_fini(&w);
}

static void test_server_fields(void **state)
{
	struct json_write out;
	struct world w;
	struct buf b;

	(void)state;
	world_init(&w);
	buf_init(&b, 4096);
	w.sessions[0].info = (struct session_info){
		.state = SESSION_OFF, .since = WORLD_NOW, .retry_at = WORLD_NOW + 1,
		.reason = SLICE("why"), .url = SLICE("http://b/"), .gap = true,
	};
	/* in status, and to a new peer, which cannot have missed anything */
	for (unsigned i = 0; i < 2; i++) {
		json_write_init(&out, &b);
		json_object_begin(&out);
		wire_out_server(w.servers[0], i == 1, WORLD_NOW, WORLD_UNIX_MS, &out);
		json_object_end(&out);
		assert_int_equal(json_write_done(&out), 0);
		w.sessions[0].info.state = SESSION_CONNECTED;
	}
	/* a machine without a clock */
	json_write_init(&out, &b);
	json_object_begin(&out);
	w.sessions[0].info.since = WORLD_NOW - 2000;
	wire_out_server(w.servers[1], false, WORLD_NOW, 1000, &out);
	json_object_end(&out);
	assert_int_equal(json_write_done(&out), 0);
	assert_int_equal(buf_putc(&b, '\0'), 0);
	assert_string_equal(buf_slice(&b).p,
			    "{\"server\":\"one\",\"default\":true,\"state\":\"unconnected\","
			    "\"since\":1700000000000,\"gap\":true,\"generation\":0,"
			    "\"epoch\":\"0000000000000001\",\"first\":1,\"seq\":0,"
			    "\"reason\":\"why\",\"retry_in\":1,\"url\":\"http://b/\"}"
			    "{\"server\":\"one\",\"default\":true,\"state\":\"connected\","
			    "\"since\":1700000000000,\"gap\":false,\"generation\":0,"
			    "\"epoch\":\"0000000000000001\",\"first\":1,\"seq\":0,"
			    "\"reason\":\"why\",\"retry_in\":1,\"transport\":\"websocket\","
			    "\"url\":\"http://b/\"}"
			    "{\"server\":\"two\",\"default\":false,\"state\":\"unconnected\","
			    "\"since\":0,\"gap\":false,\"generation\":0,"
			    "\"epoch\":\"0000000000000002\",\"first\":1,\"seq\":0}");
	buf_fini(&b);
	world_fini(&w);
}

/* a member that would miss a state for lack of memory is overrun */
static void test_no_memory_for_a_state(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	FAIL_EACH_ALLOCATION {
		say_state(&w, 0, true);
		/* reading needs memory of its own */
		(void)testing_allocation_failed();
		for (unsigned i = 0; i < 4; i++) {
			assert_true(w.members[i].outbox.overrun !=
				    (strlen(heard(&w, i)) > 0));
			w.members[i].outbox.overrun = false;
		}
	}
	world_fini(&w);
}

/* ---- coming and going ---- */

static void test_members_by_id(void **state)
{
	struct member late = {0};
	struct world w;
	uint64_t id;

	(void)state;
	world_init(&w);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(hub_find_member(w.hub, w.members[i].id), &w.members[i]);
		assert_ptr_equal(hub_next_member(w.hub, i ? &w.members[i - 1] : NULL),
				 &w.members[i]);
	}
	assert_null(hub_next_member(w.hub, &w.members[3]));
	id = w.members[1].id;
	hub_remove_member(w.hub, &w.members[1]);
	assert_int_equal(w.members[1].id, 0);
	assert_null(hub_find_member(w.hub, id));
	assert_ptr_equal(hub_next_member(w.hub, &w.members[0]), &w.members[2]);
	/* ids are not used again: what was meant for the one must not reach the other */
	outbox_init(&late.outbox, 1000, wire_out_lost, (struct wake){NULL, NULL});
	assert_int_equal(hub_add_member(w.hub, &late), 0);
	assert_true(late.id > w.members[3].id);
	hub_remove_member(w.hub, &late);
	outbox_fini(&late.outbox);
	world_fini(&w);
}

static void test_member_removed(void **state)
{
	struct world w;

	(void)state;
	world_init(&w);
	listen_to(&w, 0, "/a");
	assert_int_equal(ask(&w, 0, "{'op':'subscribe','id':7,'channel':'/b'}"), 0);
	assert_int_equal(ask(&w, 1, "{'op':'subscribe','id':8,'channel':'/b'}"), 0);
	hub_remove_member(w.hub, &w.members[0]);
	assert_string_equal(session_double_asked(&w.sessions[0]), "+/b ");
	say_channel(&w, 0, "/b", SESSION_CHANNEL_ACTIVE, NULL, NULL);
	say_message(&w, 0, "/a", "{}");
	assert_heard(&w, 0, "");
	assert_heard(&w, 1, "{'op':'reply','id':8,'ok':true,'result':"
			    "{'channels':[{'channel':'/b','ok':true}]}}\n");
	hub_remove_member(w.hub, &w.members[1]);
	assert_string_equal(session_double_asked(&w.sessions[0]), "-/b ");
	world_fini(&w);
}

static void test_servers_by_name(void **state)
{
	struct hub_server *s;
	struct world w;

	(void)state;
	world_init(&w);
	assert_ptr_equal(hub_find_server(w.hub, SLICE("two")), w.servers[1]);
	assert_ptr_equal(hub_find_server(w.hub, SLICE_NULL), w.servers[0]);
	assert_null(hub_find_server(w.hub, SLICE("three")));
	assert_null(hub_find_server(w.hub, SLICE("")));
	assert_int_equal(hub_add_server(w.hub, SLICE("two"), false, &w.sessions[1], &s), -EEXIST);
	assert_ptr_equal(hub_next_server(w.hub, NULL), w.servers[0]);
	assert_ptr_equal(hub_next_server(w.hub, w.servers[0]), w.servers[1]);
	assert_null(hub_next_server(w.hub, w.servers[1]));
	assert_true(slice_eq(hub_server_name(w.servers[1]), SLICE("two")));
	assert_true(hub_server_is_default(w.servers[0]));
	assert_false(hub_server_is_default(w.servers[1]));
	assert_ptr_equal(hub_server_session(w.servers[1]), &w.sessions[1]);
	world_fini(&w);
}

#define GONE "{'code':'unknown-server','message':'taken out of the configuration'}"

static void test_server_removed(void **state)
{
	struct hub_server *again;
	struct world w;

	(void)state;
	world_init(&w);
	say_state(&w, 0, false);
	heard(&w, 0);
	assert_int_equal(ask(&w, 0, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	heard(&w, 0);
	say_state(&w, 0, true);
	heard(&w, 0);
	assert_int_equal(ask(&w, 0, "{'op':'subscribe','id':2,'channel':'/b'}"), 0);
	assert_int_equal(ask(&w, 0, "{'op':'publish','id':3,'channel':'/b','data':1}"), 0);
	assert_int_equal(ask(&w, 0, "{'op':'subscribe','id':4,'channel':'/b','server':'two'}"), 0);
	say_message(&w, 0, "/a", "{}");
	outbox_push_lost(&w.members[0].outbox, hub_server_name(w.servers[0]), 99);
	hub_remove_server(w.hub, w.servers[0]);
	assert_string_equal(session_double_asked(&w.sessions[0]), "+/a +/b -/a -/b ");
	assert_heard(&w, 0,
		     "{'op':'message','server':'one','seq':1,'message':{}}\n"
		     "{'op':'subscription','server':'one','channel':'/a','ok':false,"
		     "'error':" GONE "}\n"
		     "{'op':'reply','id':2,'ok':false,'result':{'channels':[{'channel':'/b',"
		     "'error':" GONE "}]},'error':" GONE "}\n"
		     "{'op':'reply','id':3,'ok':false,'error':{'code':'unknown-outcome',"
		     "'message':'the server was taken out of the configuration'}}\n"
		     "{'op':'lost','server':'one','count':1,'first':99,'last':99,"
		     "'code':'overflow'}\n");
	assert_null(hub_find_server(w.hub, SLICE("one")));
	assert_null(hub_find_server(w.hub, SLICE_NULL));
	assert_ptr_equal(hub_next_server(w.hub, NULL), w.servers[1]);
	assert_asked(&w, 0, "{'op':'publish','id':5,'channel':'/a','data':1,'server':'one'}",
		     "{'op':'reply','id':5,'ok':false,'error':{'code':'unknown-server',"
		     "'message':'no server \\'one\\''}}\n");
	assert_asked(&w, 0, "{'op':'publish','id':5,'channel':'/a','data':1}",
		     "{'op':'reply','id':5,'ok':false,'error':{'code':'unknown-server',"
		     "'message':'no server is the default'}}\n");
	/* the name comes back: its messages are counted on */
	assert_int_equal(hub_add_server(w.hub, SLICE("one"), true, &w.sessions[0], &again), 0);
	w.servers[0] = again;
	listen_to(&w, 1, "/a");
	heard(&w, 1);
	say_message(&w, 0, "/a", "{}");
	assert_heard(&w, 1, "{'op':'message','server':'one','seq':2,'message':{}}\n");
	world_fini(&w);
}

static void test_no_memory_to_begin(void **state)
{
	const struct hub_options options = {1, 1, 1};
	struct session session;

	(void)state;
	session_double_init(&session);
	FAIL_EACH_ALLOCATION {
		struct hub_server *server = NULL;
		struct member m = {0};
		struct hub *h;
		int r = hub_new(&options, &wire_out_encoder, &h);

		if (r) {
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		r = hub_add_server(h, SLICE("one"), true, &session, &server);
		assert_true(r == 0 || (r == -ENOMEM && !hub_find_server(h, SLICE("one"))));
		r = hub_add_member(h, &m);
		assert_true(r == 0 ? m.id != 0 : r == -ENOMEM && m.id == 0);
		hub_remove_member(h, &m);
		if (server)
			hub_remove_server(h, server);
		hub_free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receivers),
		cmocka_unit_test(test_once_however_many_match),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_encoded_once_and_only_for_receivers),
		cmocka_unit_test(test_slow_member_keeps_its_bytes),
		cmocka_unit_test(test_unreadable_is_lost),
		cmocka_unit_test(test_unreadable_is_counted_with_overflow),
		cmocka_unit_test(test_strictest_overflow_counts),
		cmocka_unit_test(test_too_large_is_lost),
		cmocka_unit_test(test_no_memory_to_deliver),
		cmocka_unit_test(test_state_reaches_all),
		cmocka_unit_test(test_news_are_encoded_once),
		cmocka_unit_test(test_words_that_are_no_text),
		cmocka_unit_test(test_server_fields),
		cmocka_unit_test(test_no_memory_for_a_state),
		cmocka_unit_test(test_members_by_id),
		cmocka_unit_test(test_member_removed),
		cmocka_unit_test(test_servers_by_name),
		cmocka_unit_test(test_server_removed),
		cmocka_unit_test(test_no_memory_to_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
