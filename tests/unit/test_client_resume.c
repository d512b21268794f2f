/*
 * Conversations with the client engine about positions: what a new connection asks
 * for, so that each message reaches the application once, and when a gap is reported.
 */
#include "tests/unit/testing.h"

#include "tests/unit/engine_play.h"

#include "libclient/request.h"

#include <stdio.h>
#include <string.h>

#define DEMO(epoch, seq)                                                                           \
	"{'server':'demo','default':true,'state':'connected','since':5,'gap':false,"               \
	"'epoch':'" epoch "','seq':" #seq "}"
#define STATE {TELL, "state demo connected/connected gap=0 default=1 reason=- retry=-1", 0}
#define BEGIN(epoch, seq)                                                                          \
	{CONNECTED, 0, 0}, HELLO_SAID(1), GREETED(1, DEMO(epoch, seq)), {TELL, "up gap=0", 0}, STATE
#define AGAIN(id, epoch, seq, gap)                                                                 \
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},            \
	{CONNECTED, 0, 0}, HELLO_SAID(id), GREETED(id, DEMO(epoch, seq)),                          \
	{TELL, "up gap=" #gap, 0}, STATE
#define SUBSCRIBED(id, channel)                                                                    \
	{DO, "sub " channel, 0}, SUB(id, channel), SUB_OK(id, channel),                            \
	{TELL, "sub " channel " = ok" NO, 0}
#define MESSAGE(seq, channel)                                                                      \
	{SAY, "{'op':'message','server':'demo','seq':" #seq ",'message':{'channel':'" channel      \
	      "','data':1}}", 0}
#define GOT(seq, channel) {TELL, "message demo " #seq " " channel " 1", 0}
#define GIVEN(seq, channel) MESSAGE(seq, channel), GOT(seq, channel)
#define SINCE(id, channel, epoch, seq)                                                             \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','epoch':'" epoch "',"       \
	       "'seq':" #seq "}", 0}
#define SINCE_MORE(id, channel, epoch, seq)                                                        \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','epoch':'" epoch "',"       \
	       "'more':true,'seq':" #seq "}", 0}

/* as often as the connection is lost: after the last message, with or without the replies */
static const struct step resumption[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), SUBSCRIBED(3, "/b"),
	GIVEN(101, "/a"), GIVEN(104, "/b"),
	AGAIN(4, "e1", 110, 0),
	{HEAR, "{'op':'subscribe','id':5,'channels':['/a','/b'],'epoch':'e1','seq':104}", 0},
	{SILENT, 0, 0}, GIVEN(106, "/b"),
	AGAIN(6, "e1", 111, 0),
	{HEAR, "{'op':'subscribe','id':7,'channels':['/a','/b'],'epoch':'e1','seq':106}", 0},
	GIVEN(107, "/a"), GIVEN(111, "/a"),
	{SAY, "{'op':'reply','id':7,'ok':true,'result':{'channels':[{'channel':'/a','ok':true},"
	      "{'channel':'/b','pending':true}]}}", 0}, {IDLE, 0, 0},
	GIVEN(112, "/a"),
	/* a connection that fails before the daemon greets changes nothing */
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{LOST, 0, COMETD_E_NO_DAEMON}, {CONNECTED, 0, 0}, HELLO_SAID(8), {LOST, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(9), GREETED(9, DEMO("e1", 112)), {TELL, "up gap=0", 0}, STATE,
	{HEAR, "{'op':'subscribe','id':10,'channels':['/a','/b'],'epoch':'e1','seq':112}", 0},
	{END, 0, 0},
};

/* /a was confirmed at 112, while messages up to there were still being read for /b */
static const struct step confirmed_ahead[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), SUBSCRIBED(3, "/b"), GIVEN(101, "/a"),
	AGAIN(4, "e1", 110, 0),
	{HEAR, "{'op':'subscribe','id':5,'channels':['/a','/b'],'epoch':'e1','seq':101}", 0},
	GIVEN(109, "/b"),
	{SAY, "{'op':'reply','id':5,'ok':true,'result':{'channels':[{'channel':'/a','ok':true,'seq':112},"
	      "{'channel':'/b','ok':true,'seq':110}]}}", 0}, {IDLE, 0, 0},
	AGAIN(6, "e1", 113, 0),
	SINCE_MORE(7, "/a", "e1", 112), SINCE(8, "/b", "e1", 110),
	{END, 0, 0},
};

/* nothing was received: after what the daemon had before; what is new on this connection is live */
static const struct step no_message_yet[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"),
	AGAIN(3, "e1", 103, 0), SINCE(4, "/a", "e1", 100), SUB_OK(4, "/a"), {IDLE, 0, 0},
	SUBSCRIBED(5, "/b"),
	/* the daemon reports its newest position */
	{SAY, "{'op':'state','server':'demo','state':'connected','since':5,'gap':false,'epoch':'e1',"
	      "'seq':120}", 0}, STATE,
	SUBSCRIBED(6, "/c"),
	/* a first subscribe without a reply begins with new messages, as it would have */
	{DO, "sub /d", 0}, SUB(7, "/d"),
	AGAIN(8, "e1", 130, 0),
	{HEAR, "{'op':'subscribe','id':9,'channels':['/a','/b'],'epoch':'e1','more':true,'seq':103}", 0},
	SINCE(10, "/c", "e1", 120), SUB(11, "/d"), {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step unsubscribed[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), SUBSCRIBED(3, "/b"), GIVEN(101, "/a"),
	{DO, "unsub /a", 0}, {HEAR, "{'op':'unsubscribe','id':4,'channel':'/a'}", 0},
	/* it was under way */
	GIVEN(102, "/a"),
	AGAIN(5, "e1", 103, 0), SINCE(6, "/b", "e1", 102), {HEAR, "{'op':'unsubscribe','id':7,'channel':'/a'}", 0},
	{END, 0, 0},
};

#define LOST_GAP {TELL, "lost demo 0 0-0 expired", 0}
#define GAP(id, channel)                                                                           \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[{'channel':'" channel    \
	      "','ok':true,'gap':true}]}}", 0}

/* reported once for each connection, and by UP where it is known at once */
/* the daemon reports it before the past, and in the replies */
#define MAY_BE_LOST {SAY, "{'op':'lost','server':'demo','count':0,'first':0,'last':0,'code':'expired'}", 0}

static const struct step gaps[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), {DO, "listen /b", 0},
	{HEAR, "{'op':'subscribe','id':3,'channel':'/b','upstream':false,'overflow':'disconnect'}", 0},
	SUB_OK(3, "/b"), {TELL, "listen /b = ok" NO, 0}, GIVEN(101, "/a"),
	AGAIN(4, "e1", 200, 0), SINCE_MORE(5, "/a", "e1", 101),
	{HEAR, "{'op':'subscribe','id':6,'channel':'/b','upstream':false,'overflow':'disconnect','epoch':'e1',"
	       "'seq':101}", 0},
	MAY_BE_LOST, LOST_GAP, GIVEN(150, "/a"), MAY_BE_LOST, GAP(5, "/a"), GAP(6, "/b"), {IDLE, 0, 0},
	/* that of a channel is another one, and comes later */
	{SAY, "{'op':'lost','server':'demo','channel':'/b','count':0,'first':0,'last':0,'code':'expired'}", 0}, LOST_GAP,
	/* what the log had and has no more is counted; after it the next position */
	AGAIN(7, "e1", 300, 0), SINCE_MORE(8, "/a", "e1", 200),
	{HEAR, "{'op':'subscribe','id':9,'channel':'/b','upstream':false,'overflow':'disconnect','epoch':'e1',"
	       "'seq':200}", 0},
	{SAY, "{'op':'lost','server':'demo','count':60,'first':201,'last':260,'code':'expired'}", 0},
	{TELL, "lost demo 60 201-260 expired", 0},
	AGAIN(10, "e1", 300, 0), SINCE_MORE(11, "/a", "e1", 260),
	{HEAR, "{'op':'subscribe','id':12,'channel':'/b','upstream':false,'overflow':'disconnect','epoch':'e1',"
	       "'seq':260}", 0},
	/* the daemon was restarted: it is asked for what it has */
	AGAIN(13, "e2", 9, 1), SINCE_MORE(14, "/a", "e1", 260),
	{HEAR, "{'op':'subscribe','id':15,'channel':'/b','upstream':false,'overflow':'disconnect','epoch':'e1',"
	       "'seq':260}", 0},
	MAY_BE_LOST, GIVEN(7, "/a"), GAP(14, "/a"), MAY_BE_LOST, GAP(15, "/b"), {IDLE, 0, 0},
	AGAIN(16, "e2", 9, 0), SINCE_MORE(17, "/a", "e2", 9),
	{END, 0, 0},
};

/* the restarted daemon is lost before its replies */
static const struct step restarted_twice[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), GIVEN(101, "/a"),
	AGAIN(3, "e2", 9, 1), SINCE(4, "/a", "e1", 101), GIVEN(7, "/a"),
	AGAIN(5, "e2", 9, 0), SINCE(6, "/a", "e2", 7),
	AGAIN(7, "e3", 2, 1), SINCE(8, "/a", "e2", 7),
	{END, 0, 0},
};

/* a daemon without positions, an older or newer one in turn, and one that refuses them */
static const struct step other_daemons[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), SUBSCRIBED(3, "/b"), GIVEN(101, "/a"),
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(4),
	GREETED(4, "{'server':'demo','default':true,'state':'connected','since':5,'gap':false}"),
	{TELL, "up gap=1", 0}, STATE, SUB(5, "/a"), SUB(6, "/b"), SUB_OK(5, "/a"), SUB_OK(6, "/b"),
	GIVEN(7, "/a"),
	AGAIN(7, "e1", 200, 1), SUB(8, "/a"), SUB(9, "/b"), SUB_OK(8, "/a"), SUB_OK(9, "/b"), {IDLE, 0, 0},
	AGAIN(10, "e1", 210, 0),
	{HEAR, "{'op':'subscribe','id':11,'channels':['/a','/b'],'epoch':'e1','seq':200}", 0},
	{SAY, "{'op':'reply','id':11,'ok':false,'error':{'code':'bad-request','message':'epoch'}}", 0},
	LOST_GAP, SUB(12, "/a"), SUB(13, "/b"), SUB_OK(12, "/a"),
	{SAY, "{'op':'reply','id':13,'ok':false,'error':{'code':'bad-request','message':'?'}}", 0},
	{TELL, "subscription demo /b bad-request: ?", 0}, {IDLE, 0, 0},
	AGAIN(14, "e1", 220, 0), SINCE_MORE(15, "/a", "e1", 210), SINCE(16, "/b", "e1", 101), SUB_OK(16, "/b"),
	{TELL, "subscription demo /b ok: -", 0}, SUB_OK(15, "/a"), {IDLE, 0, 0},
	/* several names in one request are refused together: each is asked for alone */
	AGAIN(17, "e1", 230, 0),
	{HEAR, "{'op':'subscribe','id':18,'channels':['/a','/b'],'epoch':'e1','seq':220}", 0},
	{SAY, "{'op':'reply','id':18,'ok':false,'error':{'code':'too-many','message':'1'}}", 0},
	LOST_GAP, SUB(19, "/a"), SUB(20, "/b"), SUB_OK(19, "/a"),
	{SAY, "{'op':'reply','id':20,'ok':false,'error':{'code':'denied','message':'no'}}", 0},
	{TELL, "subscription demo /b denied: no", 0}, {IDLE, 0, 0},
	AGAIN(21, "e1", 230, 0), SINCE(22, "/a", "e1", 230), {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step one_of_many_refused[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), SUBSCRIBED(3, "/b"), SUBSCRIBED(4, "/c"), GIVEN(101, "/a"),
	AGAIN(5, "e1", 110, 0),
	{HEAR, "{'op':'subscribe','id':6,'channels':['/a','/b','/c'],'epoch':'e1','seq':101}", 0},
	{SAY, "{'op':'reply','id':6,'ok':false,'error':{'code':'refused','message':'no'},'result':{'channels':["
	      "{'channel':'/c','error':{'code':'too-many','message':'full'}},"
	      "{'channel':'/\\u0061','ok':true},{'channel':'/b','error':{'code':'refused','message':'no'}}]}}", 0},
	{TELL, "subscription demo /b refused: no", 0}, {TELL, "subscription demo /c too-many: full", 0},
	{IDLE, 0, 0},
	/* a lasting refusal ends it, any other is tried again, where it stopped */
	AGAIN(7, "e1", 120, 0), SINCE_MORE(8, "/a", "e1", 110), SINCE(9, "/c", "e1", 101), {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step two_servers[] = {
	{CONNECTED, 0, 0}, HELLO_SAID(1),
	GREETED(1, DEMO("e1", 100) ",{'server':'far','state':'off','since':5,'gap':false,'epoch':'f1','seq':7}"),
	{TELL, "up gap=0", 0}, STATE, {TELL, "state far off/off gap=0 default=0 reason=- retry=-1", 0},
	SUBSCRIBED(2, "/a"),
	/* of another server: no position of ours */
	{SAY, "{'op':'message','server':'far','seq':900,'message':{'channel':'/a','data':1}}", 0},
	{TELL, "message far 900 /a 1", 0},
	{SAY, "{'op':'message','server':'near','seq':950,'message':{'channel':'/a','data':1}}", 0},
	{TELL, "message near 950 /a 1", 0},
	AGAIN(3, "e1", 100, 0), SINCE(4, "/a", "e1", 100),
	{END, 0, 0},
};

#define FROM(id, channel, ms)                                                                      \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','since':" #ms "}", 0}

/* messages since a time: interrupted before the first one it is asked for again, then the position continues */
static const struct step from_a_time[] = {
	BEGIN("e1", 100), {DO, "from /a 5000", 0}, FROM(2, "/a", 5000),
	AGAIN(3, "e1", 110, 0), FROM(4, "/a", 5000), GIVEN(60, "/a"),
	AGAIN(5, "e1", 110, 0), SINCE(6, "/a", "e1", 60), GIVEN(90, "/a"), SUB_OK(6, "/a"),
	{TELL, "from /a 5000 = ok" NO, 0}, GIVEN(111, "/a"),
	AGAIN(7, "e1", 120, 0), SINCE(8, "/a", "e1", 111),
	{END, 0, 0},
};

/* ---- the past, as the application asks for it -------------------------- */

#define LAST(id, channel, n)                                                                       \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','history':" #n "}", 0}

static const struct step history[] = {
	BEGIN("e1", 100), {DO, "last /a 5", 0}, LAST(2, "/a", 5), GIVEN(60, "/a"), GIVEN(90, "/a"),
	SUB_OK(2, "/a"), {TELL, "last /a 5 = ok" NO, 0}, GIVEN(101, "/a"),
	/* it is there already: no past again */
	{DO, "last /a 7", 0}, SUB(3, "/a"), SUB_OK(3, "/a"), {TELL, "last /a 7 = ok" NO, 0},
	AGAIN(4, "e1", 110, 0), SINCE(5, "/a", "e1", 101), SUB_OK(5, "/a"), {IDLE, 0, 0},
	/* interrupted before its first message, and after it */
	{DO, "last /b 5", 0}, LAST(6, "/b", 5),
	AGAIN(7, "e1", 110, 0), SINCE(8, "/a", "e1", 110), LAST(9, "/b", 5), SUB_OK(8, "/a"), {IDLE, 0, 0},
	GIVEN(20, "/b"), GIVEN(40, "/b"),
	AGAIN(10, "e1", 110, 0), SINCE(11, "/a", "e1", 110), SINCE(12, "/b", "e1", 40), GIVEN(41, "/b"),
	SUB_OK(11, "/a"), SUB_OK(12, "/b"), {TELL, "last /b 5 = ok" NO, 0},
	AGAIN(13, "e1", 111, 0),
	{HEAR, "{'op':'subscribe','id':14,'channels':['/a','/b'],'epoch':'e1','seq':110}", 0},
	{END, 0, 0},
};

/* of several requested together one ascending sequence; each request in between ends it */
static const struct step pasts_together[] = {
	{DO, "last /a 5", 0}, {DO, "since /b e1 50", 0}, {DO, "ping", 0}, {DO, "last /c 1", 0}, {DO, "sub /d", 0},
	BEGIN("e1", 100),
	{HEAR, "{'op':'subscribe','id':2,'channel':'/a','history':5,'more':true}", 0},
	SINCE(3, "/b", "e1", 50), {HEAR, "{'op':'ping','id':4}", 0}, LAST(5, "/c", 1), SUB(6, "/d"),
	{SILENT, 0, 0},
	{SAY, "{'op':'reply','id':3,'ok':true,'result':{'channels':[{'channel':'/b','ok':true,'gap':true}]}}", 0},
	{TELL, "since /b e1 50 = ok gap" NO, 0},
	{SAY, "{'op':'reply','id':2,'ok':false,'error':{'code':'bad-request','message':'history'}}", 0},
	{TELL, "last /a 5 = bad-request: history" NO, 0}, {IDLE, 0, 0},
	AGAIN(7, "e1", 100, 0), SINCE(8, "/b", "e1", 100), {HEAR, "{'op':'ping','id':9}", 0}, LAST(10, "/c", 1),
	SUB(11, "/d"), {SILENT, 0, 0},
	{END, 0, 0},
};

/* the past of a pattern beside a live channel: what both match is given once */
static const struct step overlapping[] = {
	BEGIN("e1", 40), SUBSCRIBED(2, "/x/a"), GIVEN(60, "/x/a"), GIVEN(100, "/x/a"),
	{DO, "since /x/* e1 20", 0}, SINCE(3, "/x/*", "e1", 20),
	/* not yet of the past: the live one */
	GIVEN(101, "/x/a"), GIVEN(30, "/x/a"), GIVEN(50, "/x/b"),
	AGAIN(4, "e1", 101, 0), SINCE(5, "/x/a", "e1", 101), SINCE(6, "/x/*", "e1", 50),
	MESSAGE(60, "/x/a"), GIVEN(70, "/x/b"), MESSAGE(100, "/x/a"), GIVEN(100, "/x/deep/a"), GIVEN(102, "/x/a"),
	SUB_OK(5, "/x/a"), SUB_OK(6, "/x/*"), {TELL, "since /x/* e1 20 = ok" NO, 0}, {IDLE, 0, 0},
	AGAIN(7, "e1", 102, 0),
	{HEAR, "{'op':'subscribe','id':8,'channels':['/x/a','/x/*'],'epoch':'e1','seq':102}", 0},
	{END, 0, 0},
};

/* only after an interruption can the past bring a message again; before it, what comes is new */
static const struct step first_reading[] = {
	BEGIN("e1", 40), SUBSCRIBED(2, "/x/a"), GIVEN(101, "/x/a"),
	{DO, "since /x/* e1 20", 0}, SINCE(3, "/x/*", "e1", 20), GIVEN(60, "/x/a"), GIVEN(61, "/x/b"),
	SUB_OK(3, "/x/*"), {TELL, "since /x/* e1 20 = ok" NO, 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

/* the daemon answers late: pending, and the past follows all the same */
static const struct step late_past[] = {
	BEGIN("e1", 100), {DO, "last /a 5", 0}, LAST(2, "/a", 5), GIVEN(60, "/a"),
	{AT, 0, 40000}, {TELL, "last /a 5 = ok pending" NO, 0},
	AGAIN(3, "e1", 100, 0), SINCE(4, "/a", "e1", 60), SUB_OK(4, "/a"), {TELL, "subscription demo /a ok: -", 0},
	{DO, "sub /b", 0}, SUB(5, "/b"), {AT, 0, 80000}, {TELL, "sub /b = ok pending" NO, 0},
	AGAIN(6, "e1", 120, 0),
	{HEAR, "{'op':'subscribe','id':7,'channels':['/a','/b'],'epoch':'e1','seq':100}", 0},
	{END, 0, 0},
};

/* the daemon allows two requests: what does not fit waits, with its own position */
#define NARROW(id, seq)                                                                            \
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},            \
	{CONNECTED, 0, 0}, HELLO_SAID(id),                                                         \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1,'limits':{'requests':2},"   \
	      "'servers':[" DEMO("e1", seq) "]}}", 0}, {TELL, "up gap=0", 0}, STATE
#define LISTEN(id, channel, rest)                                                                  \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','upstream':false,"           \
	       "'overflow':'disconnect'," rest "}", 0}
static const struct step narrow[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a"), {DO, "listen /b", 0},
	{HEAR, "{'op':'subscribe','id':3,'channel':'/b','upstream':false,'overflow':'disconnect'}", 0},
	SUB_OK(3, "/b"), {TELL, "listen /b = ok" NO, 0},
	{SAY, "{'op':'state','server':'demo','state':'connected','since':5,'gap':false,'epoch':'e1',"
	      "'seq':101}", 0}, STATE, SUBSCRIBED(4, "/c"),
	NARROW(5, 101), SINCE_MORE(6, "/a", "e1", 100), LISTEN(7, "/b", "'epoch':'e1','seq':100"), {SILENT, 0, 0},
	GIVEN(105, "/a"), SUB_OK(6, "/a"), {IDLE, 0, 0}, SINCE(8, "/c", "e1", 101), {SILENT, 0, 0},
	GIVEN(103, "/c"), GIVEN(106, "/b"),
	NARROW(9, 106), SINCE_MORE(10, "/a", "e1", 106), LISTEN(11, "/b", "'epoch':'e1','seq':106"),
	SUB_OK(10, "/a"), {IDLE, 0, 0}, SINCE(12, "/c", "e1", 103),
	{END, 0, 0},
};

/* ---- many channels ------------------------------------------------------ */

#define MANY 1000

static void connect_again(struct play *p, unsigned long id, unsigned long seq)
{
	struct engine_item item;
	char text[512];

	assert_int_equal(engine_connected(p->engine, p->now), 0);
	engine_written(p->engine, play_output(p).n);
	snprintf(text, sizeof(text), "{'op':'reply','id':%lu,'ok':true,'result':{'version':1,'limits':"
		 "{'requests':64},'servers':[{'server':'demo','default':true,'state':'connected','since':5,"
		 "'gap':false,'epoch':'e1','seq':%lu}]}}", id, seq);
	play_say(p, text);
	while (engine_next(p->engine, p->now, &item) == 0)
		assert_true(item.is_result || !item.event.gap);
}

/* The next frame that the engine writes, as text. */
static struct slice frame(struct play *p)
{
	struct slice s = play_output(p);
	const unsigned char *u = (const unsigned char *)s.p;

	assert_true(s.n > 4);
	return slice_make(s.p + 4, (size_t)u[2] << 8 | u[3]);
}

static size_t occurrences(struct slice s, const char *text)
{
	size_t n = 0;

	for (const char *p; (p = memmem(s.p, s.n, text, strlen(text))); n++)
		s = slice_drop(s, (size_t)(p - s.p) + 1);
	return n;
}

static void subscribe_many(struct play *p)
{
	struct engine_item item;
	struct request *r;
	char text[128];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), "/channel/%u", i);
		assert_int_equal(request_new(PROTOCOL_OP_SUBSCRIBE,
					     &(struct request_parts){.channel = slice_of(text)}, &r), 0);
		r->deadline = p->now + 30000;
		assert_int_equal(engine_request(p->engine, r), 0);
		engine_written(p->engine, frame(p).n + 4);
		snprintf(text, sizeof(text), "{'op':'reply','id':%u,'ok':true}", i + 2);
		play_say(p, text);
		assert_int_equal(engine_next(p->engine, p->now, &item), 0);
		assert_true(item.is_result && !item.result.error);
	}
}

/* More channels than the daemon allows requests: one chain, whose last link alone has no `more`. */
static void test_many_channels(void **state)
{
	struct play p = {.chunk = SIZE_MAX, .now = 1000};
	struct engine_item item;
	size_t channels = 0;

	(void)state;
	assert_int_equal(engine_new(1, &p.engine), 0);
	connect_again(&p, 1, 100);
	subscribe_many(&p);
	play_say(&p, "{'op':'message','server':'demo','seq':105,'message':{'channel':'/channel/9'}}");
	assert_int_equal(engine_next(p.engine, p.now, &item), 0);
	assert_string_equal(item.event.epoch, "e1");
	assert_int_equal(item.event.seq, 105);
	engine_disconnected(p.engine, p.now, COMETD_E_DISCONNECTED);
	connect_again(&p, MANY + 2, 200);
	for (unsigned i = 0; i < (MANY + 63) / 64; i++) {
		struct slice s = frame(&p);
		bool last = i == MANY / 64;

		assert_int_equal(occurrences(s, "/channel/"), last ? MANY % 64 : 64);
		assert_int_equal(occurrences(s, "\"seq\":105"), 1);
		assert_int_equal(occurrences(s, "\"more\":true"), !last);
		channels += occurrences(s, "/channel/");
		engine_written(p.engine, s.n + 4);
	}
	assert_int_equal(channels, MANY);
	assert_int_equal(play_output(&p).n, 0);
	engine_free(p.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONVERSATION(resumption), CONVERSATION(confirmed_ahead), CONVERSATION(no_message_yet), CONVERSATION(unsubscribed),
		CONVERSATION(gaps), CONVERSATION(restarted_twice), CONVERSATION(other_daemons),
		CONVERSATION(one_of_many_refused), CONVERSATION(two_servers), CONVERSATION(from_a_time), CONVERSATION(history),
		CONVERSATION(pasts_together), CONVERSATION(overlapping),
		CONVERSATION(first_reading), CONVERSATION(late_past),
		CONVERSATION(narrow), cmocka_unit_test(test_many_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
