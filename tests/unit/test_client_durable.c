/*
 * Conversations with the client engine about durable consumers: what a new connection
 * asks for, which messages reach the application, and acknowledgements. A random test
 * loses connections anywhere: each message is given once to a process that goes on.
 */
#include "tests/unit/testing.h"

#include "tests/unit/engine_play.h"

#include "libclient/request.h"

#include <stdio.h>
#include <stdlib.h>
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
#define MESSAGE(seq, channel)                                                                      \
	{SAY, "{'op':'message','server':'demo','seq':" #seq ",'message':{'channel':'" channel      \
	      "','data':1}}", 0}
#define GIVEN(seq, channel) MESSAGE(seq, channel), {TELL, "message demo " #seq " " channel " 1", 0}
#define GIVEN_AGAIN(seq, channel)                                                                  \
	MESSAGE(seq, channel), {TELL, "message demo " #seq " " channel " 1 again", 0}
#define LEFT_OUT(seq, channel) MESSAGE(seq, channel), {IDLE, 0, 0}
#define DURABLE(id, channel, name)                                                                 \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "','durable':'" name "'}", 0}
#define ATTACHED(id, channel, acked, redelivered)                                                  \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':[{'channel':'" channel    \
	      "','ok':true}],'acked':" #acked ",'redelivered':" #redelivered "}}", 0}
#define SUBSCRIBED(id, channel, name, acked, redelivered)                                          \
	{DO, "durable " channel " " name, 0}, DURABLE(id, channel, name),                          \
	ATTACHED(id, channel, acked, redelivered),                                                 \
	{TELL, "durable " channel " " name " = ok" NO, 0}
#define ACK(id, name, seq)                                                                         \
	{HEAR, "{'op':'ack','id':" #id ",'durable':'" name "','seq':" #seq "}", 0}
#define REFUSED(id, code)                                                                          \
	{SAY, "{'op':'reply','id':" #id ",'ok':false,'error':{'code':'" code "','message':'why'}}", 0}

/* the connection is lost: what was given and not acknowledged comes again, and is left out */
static const struct step each_once[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"), GIVEN(102, "/a"), GIVEN(103, "/a"),
	{DO, "ack e1 101", 0}, ACK(3, "jobs", 101), OK(3), {TELL, "ack e1 101 = ok" NO, 0},
	AGAIN(4, "e1", 105, 0), DURABLE(5, "/a", "jobs"), ATTACHED(5, "/a", 101, 104), {SILENT, 0, 0},
	LEFT_OUT(102, "/a"), LEFT_OUT(103, "/a"),
	/* it was delivered to a connection that this process did not read to the end */
	GIVEN_AGAIN(104, "/a"), GIVEN(105, "/a"),
	{DO, "ack e1 105", 0}, ACK(6, "jobs", 105), OK(6), {TELL, "ack e1 105 = ok" NO, 0},
	AGAIN(7, "e1", 105, 0), DURABLE(8, "/a", "jobs"), ATTACHED(8, "/a", 105, 105), GIVEN(106, "/a"),
	{END, 0, 0},
};

/* another process had the consumer before, and did not acknowledge all */
static const struct step of_another_process[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 50, 60), GIVEN_AGAIN(55, "/a"), GIVEN_AGAIN(60, "/a"),
	GIVEN(61, "/a"), SUBSCRIBED(3, "/b/*", "jobs", 50, 60), GIVEN(62, "/b/c"),
	AGAIN(4, "e1", 100, 0), DURABLE(5, "/a", "jobs"), DURABLE(6, "/b/*", "jobs"), ATTACHED(5, "/a", 50, 62),
	LEFT_OUT(55, "/a"), ATTACHED(6, "/b/*", 50, 62), LEFT_OUT(60, "/a"), LEFT_OUT(61, "/a"), LEFT_OUT(62, "/b/c"),
	GIVEN(63, "/a"),
	{END, 0, 0},
};

/* numbers that begin again, and numbers that are used again: all are new messages */
static const struct step other_numbers[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"), GIVEN(102, "/a"),
	AGAIN(3, "e2", 0, 1), DURABLE(4, "/a", "jobs"), ATTACHED(4, "/a", 0, 1), GIVEN_AGAIN(1, "/a"),
	{DO, "ack e1 102", 0}, {SILENT, 0, 0}, {TELL, "ack e1 102 = expired: the daemon no longer has them" NO, 0},
	{DO, "ack e2 1", 0}, ACK(5, "jobs", 1), OK(5), {TELL, "ack e2 1 = ok" NO, 0},
	GIVEN(2, "/a"), GIVEN(3, "/a"),
	AGAIN(6, "e2", 1, 0), DURABLE(7, "/a", "jobs"), ATTACHED(7, "/a", 1, 1), GIVEN(2, "/a"), GIVEN(3, "/a"),
	AGAIN(8, "e2", 3, 0), DURABLE(9, "/a", "jobs"), ATTACHED(9, "/a", 1, 2), LEFT_OUT(2, "/a"), GIVEN(3, "/a"),
	{END, 0, 0},
};

/* an acknowledgement without a reply is sent again, after the consumer has the connection again */
static const struct step acks_survive[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"), GIVEN(102, "/a"),
	{DO, "ack e1 101", 0}, ACK(3, "jobs", 101),
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{DO, "ack e1 102", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(4), GREETED(4, DEMO("e1", 102)), {TELL, "up gap=0", 0}, STATE,
	DURABLE(5, "/a", "jobs"), ACK(6, "jobs", 101), ACK(7, "jobs", 102), {SILENT, 0, 0},
	ATTACHED(5, "/a", 0, 102), OK(6), {TELL, "ack e1 101 = ok" NO, 0}, OK(7), {TELL, "ack e1 102 = ok" NO, 0},
	/* restarted without its state before it is sent: the number is that of another message */
	GIVEN(103, "/a"), {DO, "ack e1 103", 0}, ACK(8, "jobs", 103),
	AGAIN(9, "e2", 200, 1), DURABLE(10, "/a", "jobs"), {SILENT, 0, 0},
	{TELL, "ack e1 103 = expired: the daemon no longer has them" NO, 0},
	/* refused: the program learns why */
	ATTACHED(10, "/a", 0, 0), {DO, "ack e2 300", 0}, ACK(11, "jobs", 300), REFUSED(11, "bad-request"),
	{TELL, "ack e2 300 = bad-request: why" NO, 0},
	{AT, 0, 2000}, {DO, "ack e2 301", 0}, ACK(12, "jobs", 301), {AT, 0, 32001},
	{TELL, "ack e2 301 = timeout: no answer in time" NO, 0},
	{END, 0, 0},
};

/* without a callback: those that wait become one; another request in between stays in its place */
static const struct step acks_are_combined[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0),
	GIVEN(101, "/a"), GIVEN(102, "/a"), GIVEN(103, "/a"), GIVEN(104, "/a"), GIVEN(105, "/a"),
	{DO, "ackx e1 101", 0}, {DO, "ackx e1 103", 0}, {DO, "ackx e1 102", 0}, ACK(3, "jobs", 103), {SILENT, 0, 0},
	{DO, "ackx e1 104", 0}, {DO, "ping", 0}, {DO, "ackx e1 105", 0}, {DO, "ack e1 105", 0},
	ACK(4, "jobs", 104), {HEAR, "{'op':'ping','id':5}", 0}, ACK(6, "jobs", 105), ACK(7, "jobs", 105),
	OK(3), {TELL, "nobody = ok" NO, 0}, OK(7), {TELL, "ack e1 105 = ok" NO, 0},
	{END, 0, 0},
};

static const struct step losses[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"),
	{SAY, "{'op':'lost','server':'demo','count':3,'first':102,'last':110,'code':'expired'}", 0},
	{TELL, "lost demo 3 102-110 expired", 0},
	/* each gap is reported where it is */
	{SAY, "{'op':'lost','server':'demo','count':0,'first':0,'last':0,'code':'expired'}", 0},
	{TELL, "lost demo 0 0-0 expired", 0}, GIVEN(111, "/a"),
	{SAY, "{'op':'lost','server':'demo','count':0,'first':0,'last':0,'code':'expired'}", 0},
	{TELL, "lost demo 0 0-0 expired", 0}, GIVEN(112, "/a"),
	/* again, because it was not acknowledged */
	AGAIN(3, "e1", 120, 0), DURABLE(4, "/a", "jobs"), ATTACHED(4, "/a", 0, 112),
	{SAY, "{'op':'lost','server':'demo','count':4,'first':101,'last':110,'code':'expired'}", 0}, {IDLE, 0, 0},
	LEFT_OUT(111, "/a"), LEFT_OUT(112, "/a"),
	{SAY, "{'op':'lost','server':'demo','count':2,'first':113,'last':115,'code':'expired'}", 0},
	{TELL, "lost demo 2 113-115 expired", 0}, GIVEN(116, "/a"),
	{END, 0, 0},
};

/* refused at first, or later: in use is no end, and another user's name is one */
static const struct step refusals[] = {
	BEGIN("e1", 100), {DO, "durable /a jobs", 0}, DURABLE(2, "/a", "jobs"), REFUSED(2, "in-use"),
	{TELL, "durable /a jobs = in-use: why" NO, 0},
	{DO_FAILS, "ack e1 5", COMETD_E_NOT_SUBSCRIBED},
	{END, 0, 0},
};

static const struct step refused_later[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"),
	AGAIN(3, "e1", 101, 0), DURABLE(4, "/a", "jobs"), REFUSED(4, "in-use"),
	{TELL, "subscription demo /a in-use: why", 0},
	AGAIN(5, "e1", 101, 0), DURABLE(6, "/a", "jobs"), ATTACHED(6, "/a", 0, 101),
	{TELL, "subscription demo /a ok: -", 0}, LEFT_OUT(101, "/a"),
	AGAIN(7, "e1", 101, 0), DURABLE(8, "/a", "jobs"), REFUSED(8, "denied"),
	{TELL, "subscription demo /a denied: why", 0},
	AGAIN(9, "e1", 101, 0), {SILENT, 0, 0},
	{END, 0, 0},
};

/* the application leaves it, and uses another one, or none: nothing is left out */
static const struct step changed[] = {
	BEGIN("e1", 100), SUBSCRIBED(2, "/a", "jobs", 0, 0), GIVEN(101, "/a"), GIVEN(102, "/a"),
	{DO, "unsub /a", 0}, {HEAR, "{'op':'unsubscribe','id':3,'channel':'/a'}", 0}, OK(3),
	{TELL, "unsub /a = ok" NO, 0}, {DO_FAILS, "ack e1 102", COMETD_E_NOT_SUBSCRIBED},
	AGAIN(4, "e1", 102, 0), {SILENT, 0, 0}, SUBSCRIBED(5, "/a", "other", 0, 102), GIVEN_AGAIN(101, "/a"),
	{DO, "ack e1 101", 0}, ACK(6, "other", 101),
	{DO, "unsub /a", 0}, {HEAR, "{'op':'unsubscribe','id':7,'channel':'/a'}", 0}, OK(7),
	{TELL, "unsub /a = ok" NO, 0},
	AGAIN(8, "e1", 102, 0), ACK(9, "other", 101), {DO, "sub /a", 0}, SUB(10, "/a"), SUB_OK(10, "/a"),
	{TELL, "sub /a = ok" NO, 0}, GIVEN(50, "/a"),
	{END, 0, 0},
};

/* ---- random ------------------------------------------------------------- */

/*
 * A daemon with one consumer: messages 1, 2, … of which some are dropped by a limit. It sends what was not
 * acknowledged to each connection, and may be lost after any byte of it. A message is due once: after
 * `acked` of the application, in order.
 */
struct model {
	struct play p;
	bool attached;              /* the connection has the consumer */
	unsigned newest, acked, delivered, sent, given, given_acked;
};

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

static void drain(struct model *m)
{
	struct engine_item item;

	while (engine_next(m->p.engine, m->p.now, &item) == 0) {
		if (item.is_result || item.event.type != COMETD_EVENT_MESSAGE)
			continue;
		/* none is left out, none comes twice */
		assert_int_equal(item.event.seq, m->given + 1);
		m->given++;
	}
}

/* Reads what the engine sends, up to `n` frames: the acknowledgements take effect. */
static void serve(struct model *m, unsigned n)
{
	struct slice s;

	while (n-- > 0 && (s = play_output(&m->p)).n > 4) {
		const unsigned char *u = (const unsigned char *)s.p;
		size_t size = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
		char text[512], reply[512];
		unsigned id = 0, seq = 0;
		const char *at;

		snprintf(text, sizeof(text), "%.*s", (int)size, s.p + 4);
		engine_written(m->p.engine, size + 4);
		if ((at = strstr(text, "\"id\":")))
			id = (unsigned)strtoul(at + 5, NULL, 10);
		if (strstr(text, "\"op\":\"hello\"")) {
			snprintf(reply, sizeof(reply), "{'op':'reply','id':%u,'ok':true,'result':{'version':1,'versions':"
				 "[1,1],'servers':[" DEMO("e1", 0) "]}}", id);
		} else if (strstr(text, "\"op\":\"ack\"")) {
			seq = (unsigned)strtoul(strstr(text, "\"seq\":") + 6, NULL, 10);
			assert_true(seq <= m->delivered);
			m->acked = seq > m->acked ? seq : m->acked;
			m->sent = m->sent < m->acked ? m->acked : m->sent;
			snprintf(reply, sizeof(reply), "{'op':'reply','id':%u,'ok':true}", id);
		} else {
			assert_non_null(strstr(text, "\"durable\":\"jobs\""));
			snprintf(reply, sizeof(reply), "{'op':'reply','id':%u,'ok':true,'result':{'channels':[{'channel':"
				 "'/a','ok':true}],'acked':%u,'redelivered':%u}}", id, m->acked, m->delivered);
			m->sent = m->acked;
			m->attached = true;
		}
		/* now and then the connection is lost with the reply */
		if (below(20))
			play_say(&m->p, reply);
		else
			m->attached = false, n = 0, engine_give_up(m->p.engine, COMETD_E_DISCONNECTED, "");
		drain(m);
	}
}

static void reconnect(struct model *m)
{
	if (engine_state(m->p.engine) != ENGINE_DOWN)
		engine_disconnected(m->p.engine, m->p.now, COMETD_E_DISCONNECTED);
	drain(m);
	m->attached = false;
	assert_int_equal(engine_connected(m->p.engine, m->p.now), 0);
}

static void message(struct model *m)
{
	char text[200];

	if (!m->attached || m->sent >= m->newest || engine_state(m->p.engine) != ENGINE_UP)
		return;
	m->sent++;
	snprintf(text, sizeof(text), "{'op':'message','server':'demo','seq':%u,'message':{'channel':'/a','data':1}}",
		 m->sent);
	if (m->delivered < m->sent)
		m->delivered = m->sent;
	/* the last bytes may not arrive */
	if (below(10)) {
		play_say(&m->p, text);
		drain(m);
	} else {
		play_feed(&m->p, "\0\0\1", 3);
		engine_disconnected(m->p.engine, m->p.now, COMETD_E_DISCONNECTED);
		reconnect(m);
	}
}

static void acknowledge(struct model *m)
{
	struct request *r;
	struct slice name = engine_consumer(m->p.engine, "demo");

	if (m->given == m->given_acked || !name.p)
		return;
	m->given_acked += 1 + below(m->given - m->given_acked);
	assert_int_equal(request_new(PROTOCOL_OP_ACK, &(struct request_parts){.server = SLICE("demo"), .durable = name},
				     &r), 0);
	r->past.since = position_of(SLICE("e1"), m->given_acked);
	r->deadline = UINT64_MAX;
	assert_int_equal(engine_request(m->p.engine, r), 0);
}

static void run_random(unsigned seed)
{
	struct model m = {.p = {.now = 1000, .chunk = SIZE_MAX}};
	struct request *r;

	srand(seed);
	assert_int_equal(engine_new(1, &m.p.engine), 0);
	assert_int_equal(request_new(PROTOCOL_OP_SUBSCRIBE, &(struct request_parts){
				.channel = SLICE("/a"), .durable = SLICE("jobs")}, &r), 0);
	r->deadline = UINT64_MAX;
	assert_int_equal(engine_request(m.p.engine, r), 0);
	reconnect(&m);
	for (unsigned i = 0; i < 300; i++) {
		switch (below(8)) {
		case 0: case 1: m.newest++; break;
		case 2: case 3: message(&m); break;
		case 4: acknowledge(&m); break;
		case 5: case 6: serve(&m, 1 + below(3)); break;
		case 7:
			if (!below(4) || engine_state(m.p.engine) == ENGINE_BROKEN)
				reconnect(&m);
			break;
		}
		m.p.now++;
	}
	/* what is left comes when the connection lasts */
	for (unsigned i = 0; i < 1000 && (m.given < m.newest || m.acked < m.given); i++) {
		if (engine_state(m.p.engine) == ENGINE_BROKEN || engine_state(m.p.engine) == ENGINE_DOWN)
			reconnect(&m);
		serve(&m, 10);
		message(&m);
		acknowledge(&m);
	}
	assert_int_equal(m.given, m.newest);
	assert_int_equal(m.acked, m.given);
	engine_free(m.p.engine);
}

static void test_random(void **state)
{
	const char *runs = getenv("DURABLE_RUNS");

	(void)state;
	for (unsigned seed = 0; seed < (runs ? strtoul(runs, NULL, 10) : 1000); seed++)
		run_random(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONVERSATION(each_once), CONVERSATION(of_another_process), CONVERSATION(other_numbers),
		CONVERSATION(acks_survive), CONVERSATION(acks_are_combined), CONVERSATION(losses),
		CONVERSATION(refusals), CONVERSATION(refused_later), CONVERSATION(changed),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
