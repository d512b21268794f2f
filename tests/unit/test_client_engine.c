/*
 * Conversations with the client engine, as tables. Each is played whole, byte
 * by byte, and again with each allocation failing once: what the application
 * is told must be the same.
 */
#include "tests/unit/testing.h"

#include "libclient/engine.h"
#include "libclient/error.h"
#include "libclient/request.h"
#include "protocol/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum what {
	END = 0,
	CONNECTED,     /* the driver has a connection */
	LOST,          /* it ended */
	SAY,           /* the daemon sends this frame */
	RAW,           /* the daemon sends these n bytes */
	HEAR,          /* the engine sends exactly this frame */
	HEAR_PART,     /* the first n bytes of it leave, and no more */
	SILENT,        /* the engine sends nothing */
	TELL,          /* the application is told this */
	IDLE,          /* and nothing more */
	BROKEN,        /* the engine wants the connection dropped */
	AT,            /* the clock shows n */
	DO,            /* a request: "verb channel [data]", the text is also its name */
	DO_FAILS,      /* the same, and it is refused at once with error n */
	CANCEL,        /* take the callback of this request back */
	FAIL_ALL,      /* end all requests with error n */
};

struct step {
	enum what what;
	const char *text;
	long n;
};

struct play {
	struct engine *engine;
	uint64_t now;
	size_t chunk;              /* bytes fed at once */
	const struct step *step;
	bool failing;              /* an allocation fails: what failed is done again */
};

static void on_result(struct cometd *c, const struct cometd_result *result, void *user)
{
	(void)c;
	(void)result;
	(void)user;
}

/* ---- what the application is told, in one line -------------------------- */

#define ARG(p, n) (int)((p) ? (n) : 1), (p) ? (p) : "-"

static void describe_event(const struct cometd_event *e, char *out, size_t size)
{
	switch (e->type) {
	case COMETD_EVENT_MESSAGE:
		snprintf(out, size, "message %s %llu %s %.*s", e->server,
			 (unsigned long long)e->seq,
			 e->channel, ARG(e->data, e->data_len));
		return;
	case COMETD_EVENT_STATE:
		snprintf(out, size, "state %s %s/%s gap=%d default=%d reason=%s retry=%lld",
			 e->server,
			 e->state_name, cometd_state_name(e->state), e->gap, e->is_default,
			 e->reason ? e->reason : "-", (long long)e->retry_in);
		return;
	case COMETD_EVENT_SUBSCRIPTION:
		snprintf(out, size, "subscription %s %s %s: %s", e->server ? e->server : "-",
			 e->channel,
			 cometd_error_name(e->error), e->text ? e->text : "-");
		return;
	case COMETD_EVENT_LOST:
		snprintf(out, size, "lost %s %llu %llu-%llu %s", e->server,
			 (unsigned long long)e->count, (unsigned long long)e->first,
			 (unsigned long long)e->last, cometd_error_name(e->error));
		return;
	case COMETD_EVENT_UP:
		snprintf(out, size, "up gap=%d", e->gap);
		return;
	case COMETD_EVENT_DOWN:
		snprintf(out, size, "down %s: %s", cometd_error_name(e->error), e->text);
		return;
	}
	snprintf(out, size, "event %d", e->type);
}

static void describe(const struct engine_item *item, char *out, size_t size)
{
	const struct cometd_result *r = &item->result;

	if (!item->is_result) {
		describe_event(&item->event, out, size);
		return;
	}
	snprintf(out, size, "%s = %s%s%s%s%s%.*s data=%.*s message=%.*s",
		 item->fn ? (const char *)item->user : "nobody", cometd_error_name(r->error),
		 r->pending ? " pending" : "", *r->text ? ": " : "", r->text,
		 r->binary ? " binary=" : "", (int)r->binary_len, r->binary ? r->binary : "",
		 ARG(r->data, r->data_len), ARG(r->message, r->message_len));
}

/* ---- playing ----------------------------------------------------------- */

static void feed(struct play *p, const char *bytes, size_t n)
{
	char *room;
	size_t size;

	while (n > 0) {
		size_t want = n < p->chunk ? n : p->chunk;
		int r = engine_room(p->engine, want, &room, &size);

		if (r) {
			assert_true(p->failing);
			assert_int_equal(r, -ENOMEM);
			continue;
		}
		if (size > want)
			size = want;
		memcpy(room, bytes, size);
		engine_filled(p->engine, size);
		bytes += size;
		n -= size;
	}
}

/* The tables write JSON with ' for ", or nobody could read them. */
static const char *json(const char *text)
{
	static char out[1024];
	size_t n = 0;

	for (; *text && n < sizeof(out) - 1; text++)
		out[n++] = *text == '\'' ? '"' : *text;
	out[n] = '\0';
	return out;
}

static void say(struct play *p, const char *text)
{
	size_t n = strlen(json(text));
	unsigned char prefix[4] = {n >> 24, n >> 16, n >> 8, n};

	feed(p, (char *)prefix, 4);
	feed(p, json(text), n);
}

static struct slice output(struct play *p)
{
	struct slice s;
	int r = engine_output(p->engine, p->now, &s);

	if (r) {
		assert_true(p->failing);
		assert_int_equal(engine_output(p->engine, p->now, &s), 0);
	}
	return s;
}

static void hear(struct play *p, const char *said)
{
	const char *text = json(said);
	struct slice s = output(p);
	const unsigned char *u = (const unsigned char *)s.p;

	if (s.n < 4)
		fail_msg("silence instead of %s", text);
	size_t n = (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
	assert_true(s.n >= n + 4);
	if (n != strlen(text) || memcmp(s.p + 4, text, n))
		fail_msg("heard %.*s instead of %s", (int)n, s.p + 4, text);
	engine_written(p->engine, n + 4);
}

static int next(struct play *p, struct engine_item *item)
{
	int r = engine_next(p->engine, p->now, item);

	if (r < 0) {
		assert_true(p->failing);
		assert_int_equal(r, -ENOMEM);
		r = engine_next(p->engine, p->now, item);
	}
	return r;
}

static void tell(struct play *p, const char *text)
{
	struct engine_item item;
	char told[1024];
	int r = next(p, &item);

	if (r)
		fail_msg("%s instead of %s", r == ENGINE_E_IDLE ? "idle" : "broken", text);
	describe(&item, told, sizeof(told));
	assert_string_equal(told, json(text));
}

static void tell_end(struct play *p, int expected)
{
	struct engine_item item;
	char told[1024] = "";
	int r = next(p, &item);

	if (r == 0)
		describe(&item, told, sizeof(told));
	if (r != expected)
		fail_msg("told %d %s", r, told);
}

static enum protocol_op op_of(const char *verb)
{
	static const struct { const char *verb; enum protocol_op op; } ops[] = {
		{"sub", PROTOCOL_OP_SUBSCRIBE}, {"listen", PROTOCOL_OP_SUBSCRIBE},
		{"unsub", PROTOCOL_OP_UNSUBSCRIBE}, {"pub", PROTOCOL_OP_PUBLISH},
		{"call", PROTOCOL_OP_CALL}, {"callx", PROTOCOL_OP_CALL}, {"status", PROTOCOL_OP_STATUS},
		{"ping", PROTOCOL_OP_PING},
	};

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (!strcmp(ops[i].verb, verb))
			return ops[i].op;
	fail_msg("no verb %s", verb);
	return 0;
}

static int do_request(struct play *p, const char *text)
{
	char verb[16] = "", channel[64] = "", data[256] = "";
	struct request *r;
	int n = sscanf(text, "%15s %63s %255[^\n]", verb, channel, data);
	const struct request_parts parts = {.channel = slice_of(n > 1 ? channel : NULL),
					    .data = slice_of(n > 2 ? data : NULL),
					    .ext = slice_of(strcmp(verb, "callx") ? NULL : "{}")};
	int error = request_new(op_of(verb), &parts, &r);

	if (error)
		return error;
	r->flags = !strcmp(verb, "listen") ? COMETD_LISTEN_ONLY | COMETD_DISCONNECT_IF_SLOW : 0;
	r->deadline = p->now + 30000;
	r->fn = on_result;
	r->user = (void *)text;
	return engine_request(p->engine, r);
}

static void request(struct play *p, const char *text, int expected)
{
	int error = do_request(p, text);

	if (error == COMETD_E_NOMEM && p->failing)
		error = do_request(p, text);
	assert_int_equal(error, expected);
}

static void play_step(struct play *p, const struct step *s)
{
	switch (s->what) {
	case CONNECTED:
		if (engine_connected(p->engine, p->now)) {
			assert_true(p->failing);
			assert_int_equal(engine_connected(p->engine, p->now), 0);
		}
		return;
	case LOST:
		engine_disconnected(p->engine, p->now, s->n ? (int)s->n : COMETD_E_DISCONNECTED);
		return;
	case SAY: say(p, s->text); return;
	case RAW: feed(p, s->text, s->n); return;
	case HEAR: hear(p, s->text); return;
	case HEAR_PART:
		assert_true(output(p).n > (size_t)s->n);
		engine_written(p->engine, s->n);
		return;
	case SILENT:
		assert_int_equal(output(p).n, 0);
		assert_false(engine_has_output(p->engine));
		return;
	case TELL: tell(p, s->text); return;
	case IDLE: tell_end(p, ENGINE_E_IDLE); return;
	case BROKEN: tell_end(p, ENGINE_E_BROKEN); return;
	case AT:
		p->now = s->n;
		engine_tick(p->engine, p->now);
		if (p->failing)
			engine_tick(p->engine, p->now);
		return;
	case DO: request(p, s->text, 0); return;
	case DO_FAILS: request(p, s->text, s->n); return;
	case CANCEL:
		assert_int_equal(engine_cancel(p->engine, on_result, (void *)s->text), 1);
		return;
	case FAIL_ALL: engine_fail_all(p->engine, s->n); return;
	case END: return;
	}
}

static int play(const struct step *steps, size_t chunk, bool failing)
{
	struct play p = {.now = 1000, .chunk = chunk, .failing = failing};
	int r = engine_new(1, &p.engine);

	if (r)
		return r;
	engine_set_name(p.engine, "test");
	for (p.step = steps; p.step->what != END; p.step++)
		play_step(&p, p.step);
	engine_free(p.engine);
	return 0;
}

static void converse(void **state)
{
	const struct step *steps = *state;

	assert_int_equal(play(steps, SIZE_MAX, false), 0);
	assert_int_equal(play(steps, 1, false), 0);
	FAIL_EACH_ALLOCATION {
		int r = play(steps, SIZE_MAX, true);

		if (r)
			assert_int_equal(r, -ENOMEM);
	}
}

/* ---- conversations ----------------------------------------------------- */

#define HELLO_SAID(id) {HEAR, "{'op':'hello','id':" #id ",'version':1,'name':'test'}", 0}
#define GREETED(id, servers)                                                                       \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'version':1,"            \
	      "'versions':[1,1],'servers':[" servers "]}}", 0}
#define UP {CONNECTED, 0, 0}, HELLO_SAID(1), GREETED(1, ""), {TELL, "up gap=0", 0}
#define OK(id) {SAY, "{'op':'reply','id':" #id ",'ok':true}", 0}
#define SUB(id, channel)                                                                           \
	{HEAR, "{'op':'subscribe','id':" #id ",'channel':'" channel "'}", 0}
#define SUB_OK(id, channel)                                                                        \
	{SAY, "{'op':'reply','id':" #id ",'ok':true,'result':{'channels':["            \
	      "{'channel':'" channel "','ok':true}]}}", 0}
#define NO " data=- message=-"

static const struct step greeting[] = {
	{SILENT, 0, 0}, {IDLE, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(1), {SILENT, 0, 0}, {IDLE, 0, 0},
	/* no answer to anything we asked */
	{SAY, "{'op':'reply','id':99,'ok':true,'result':{'version':1}}", 0}, {IDLE, 0, 0},
	{SILENT, 0, 0},
	GREETED(1, "{'server':'demo','default':true,'state':'connected','since':5,"
		   "'gap':false},"
		   "{'server':'far','state':'unconnected','since':6,'gap':true,"
		   "'reason':'no \\u00fc','retry_in':70}"),
	{TELL, "up gap=0", 0},
	{TELL, "state demo connected/connected gap=0 default=1 reason=- retry=-1", 0},
	{TELL, "state far unconnected/unconnected gap=1 default=0 reason=no \303\274 retry=70", 0},
	{IDLE, 0, 0}, {SILENT, 0, 0},
	{SAY, "{'op':'state','server':'demo','state':'daydreaming','since':7,'gap':true}", 0},
	{TELL, "state demo daydreaming/unknown gap=1 default=1 reason=- retry=-1", 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step greeting_of_another_kind[] = {
	{CONNECTED, 0, 0}, HELLO_SAID(1),
	/* rows that make no sense are not told, and harm nobody */
	GREETED(1, "7,{},{'server':8},{'server':'a'},{'server':'b','server':'c'},"
		   "{'server':'demo','state':'off','since':5,'gap':false,'new':[]}"),
	{TELL, "up gap=0", 0},
	{TELL, "state demo off/off gap=0 default=0 reason=- retry=-1", 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step events[] = {
	UP,
	{SAY, "{'op':'message','server':'demo','seq':18446744073709551615,'message':"
	      "{'data':{'n':9007199254740993},'channel':'/a\\/\\u00e9','id':'1'}}", 0},
	{SAY, "{'op':'message','server':'demo','seq':2,'message':{'channel':'/a','data':null}}", 0},
	{SAY, "{'op':'message','server':'demo','seq':3,'message':{'channel':'/a'}}", 0},
	{SAY, "{'op':'message','server':'demo','seq':4,'message':'odd'}", 0},
	{SAY, "{'op':'from-tomorrow','message':1}", 0},
	{SAY, "{'op':'lost','server':'demo','count':2,'first':5,'last':9,'code':'overflow'}", 0},
	{SAY, "{'op':'subscription','server':'demo','channel':'/b','ok':false,"
	      "'error':{'code':'refused','message':'403::no'}}", 0},
	{SAY, "{'op':'subscription','server':'demo','channel':'/b','ok':true}", 0},
	{TELL, "message demo 18446744073709551615 /a/\303\251 {'n':9007199254740993}", 0},
	{TELL, "message demo 2 /a null", 0},
	{TELL, "message demo 3 /a -", 0},
	{TELL, "message demo 4  -", 0},
	{TELL, "lost demo 2 5-9 slow", 0},
	{TELL, "subscription demo /b refused: 403::no", 0},
	{TELL, "subscription demo /b ok: -", 0},
	{IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step requests[] = {
	/* asked before there is a connection: they wait */
	{DO, "sub /a", 0}, {DO, "pub /a {\"n\":1}", 0}, {SILENT, 0, 0}, {IDLE, 0, 0},
	UP,
	SUB(2, "/a"),
	{HEAR, "{'op':'publish','id':3,'channel':'/a','data':{'n':1},'timeout':30000}", 0},
	{SILENT, 0, 0},
	/* answers come in any order */
	OK(3), {TELL, "pub /a {'n':1} = ok" NO, 0},
	SUB_OK(2, "/a"), {TELL, "sub /a = ok" NO, 0}, {IDLE, 0, 0},
	{DO, "callx /service/x 7", 0}, {DO, "status", 0}, {DO, "ping", 0}, {DO, "listen /l/**", 0},
	{HEAR, "{'op':'call','id':4,'channel':'/service/x','data':7,'ext':{},'timeout':30000}", 0},
	{HEAR, "{'op':'status','id':5}", 0},
	{HEAR, "{'op':'ping','id':6}", 0},
	{HEAR, "{'op':'subscribe','id':7,'channel':'/l/**','upstream':false,"
	       "'overflow':'disconnect'}", 0},
	{SAY, "{'op':'reply','id':4,'ok':true,"
	      "'result':{'message':{'channel':'/service/x','data':[8]},"
	      "'binary':{'data':'aGVsbG8=','last':true}}}", 0},
	{TELL, "callx /service/x 7 = ok binary=hello data=[8] "
	       "message={'channel':'/service/x','data':[8]}", 0},
	OK(5), {TELL, "status = ok" NO, 0}, OK(6), {TELL, "ping = ok" NO, 0},
	{SAY, "{'op':'reply','id':7,'ok':true,"
	      "'result':{'channels':[{'channel':'/l/**','pending':true}]}}", 0},
	{TELL, "listen /l/** = ok pending" NO, 0},
	/* a callback taken back */
	{DO, "pub /a 2", 0}, {CANCEL, "pub /a 2", 0},
	{HEAR, "{'op':'publish','id':8,'channel':'/a','data':2,'timeout':30000}", 0},
	OK(8), {TELL, "nobody = ok" NO, 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step refusals[] = {
	UP,
	{DO, "sub /no", 0}, {DO, "pub /no 1", 0}, {DO, "call /service/no 1", 0},
	{DO, "sub /row", 0},
	SUB(2, "/no"),
	{HEAR, "{'op':'publish','id':3,'channel':'/no','data':1,'timeout':30000}", 0},
	{HEAR, "{'op':'call','id':4,'channel':'/service/no','data':1,'timeout':30000}", 0},
	SUB(5, "/row"),
	{SAY, "{'op':'reply','id':2,'ok':false,'error':{'code':'denied','message':'not you'}}", 0},
	{TELL, "sub /no = denied: not you" NO, 0},
	{SAY, "{'op':'reply','id':3,'ok':false,'error':{'code':'refused','message':'m',"
	      "'bayeux':{'successful':false,'data':3}}}", 0},
	{TELL, "pub /no 1 = refused: m data=3 message={'successful':false,'data':3}", 0},
	/* a code of tomorrow, and no error at all */
	{SAY, "{'op':'reply','id':4,'ok':false,'error':{'code':'tired','message':'zzz'}}", 0},
	{TELL, "call /service/no 1 = internal: zzz" NO, 0},
	{SAY, "{'op':'reply','id':5,'ok':false}", 0},
	{TELL, "sub /row = internal: the daemon failed" NO, 0},
	/* nothing of it is wanted: the next connection is not asked for it */
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(6), GREETED(6, ""), {TELL, "up gap=1", 0}, {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step reconnection[] = {
	UP,
	{DO, "sub /a", 0}, {DO, "sub /b", 0}, SUB(2, "/a"), SUB(3, "/b"),
	SUB_OK(2, "/a"), {TELL, "sub /a = ok" NO, 0},
	/* no answer for /b; a publish that left, one cut in the middle, one that waits; a ping */
	{DO, "ping", 0}, {DO, "pub /a 1", 0}, {DO, "pub /a 2", 0},
	{HEAR, "{'op':'ping','id':4}", 0},
	{HEAR, "{'op':'publish','id':5,'channel':'/a','data':1,'timeout':30000}", 0},
	{HEAR_PART, 0, 20}, {DO, "pub /a 3", 0},
	{LOST, 0, 0},
	{TELL, "pub /a 1 = unknown-outcome: sent, but no answer came" NO, 0},
	{TELL, "down disconnected: the daemon closed the connection", 0}, {IDLE, 0, 0},
	{SILENT, 0, 0},
	/* attempts that fail are told once */
	{LOST, 0, COMETD_E_NO_DAEMON}, {LOST, 0, COMETD_E_NO_DAEMON}, {IDLE, 0, 0},
	{AT, 0, 2000},
	{CONNECTED, 0, 0}, HELLO_SAID(7), {SILENT, 0, 0}, GREETED(7, ""), {TELL, "up gap=1", 0},
	SUB(8, "/a"), SUB(9, "/b"), {HEAR, "{'op':'ping','id':10}", 0},
	{HEAR, "{'op':'publish','id':11,'channel':'/a','data':2,'timeout':29000}", 0},
	{HEAR, "{'op':'publish','id':12,'channel':'/a','data':3,'timeout':29000}", 0},
	/* late words of the old connection mean nothing */
	OK(5), OK(6), {IDLE, 0, 0},
	{SAY, "{'op':'reply','id':8,'ok':false,"
	      "'error':{'code':'refused','message':'changed my mind'}}", 0},
	{TELL, "subscription - /a refused: changed my mind", 0},
	SUB_OK(9, "/b"), {TELL, "sub /b = ok" NO, 0}, {IDLE, 0, 0},
	/* refused once, wanted still */
	{LOST, 0, 0}, {TELL, "pub /a 2 = unknown-outcome: sent, but no answer came" NO, 0},
	{TELL, "pub /a 3 = unknown-outcome: sent, but no answer came" NO, 0},
	{TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(13), GREETED(13, ""), {TELL, "up gap=1", 0},
	SUB(14, "/a"), SUB(15, "/b"), {HEAR, "{'op':'ping','id':16}", 0}, {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step unsubscription[] = {
	{DO_FAILS, "unsub /a", COMETD_E_NOT_SUBSCRIBED},
	/* without a connection there is nobody to ask */
	{DO, "sub /a", 0}, {DO, "unsub /a", 0},
	{TELL, "sub /a = cancelled: unsubscribed before the answer came" NO, 0},
	{TELL, "unsub /a = ok" NO, 0}, {IDLE, 0, 0},
	UP, {SILENT, 0, 0},
	{DO, "sub /a", 0}, {DO, "sub /b", 0}, {DO, "unsub /a", 0},
	{DO_FAILS, "unsub /a", COMETD_E_NOT_SUBSCRIBED},
	SUB(2, "/a"), SUB(3, "/b"), {HEAR, "{'op':'unsubscribe','id':4,'channel':'/a'}", 0},
	SUB_OK(2, "/a"), {TELL, "sub /a = ok" NO, 0}, OK(4), {TELL, "unsub /a = ok" NO, 0},
	SUB_OK(3, "/b"), {TELL, "sub /b = ok" NO, 0},
	/* the daemon had let go of it already, or never got to it */
	{DO, "sub /c", 0}, {DO, "unsub /c", 0}, SUB(5, "/c"),
	{HEAR, "{'op':'unsubscribe','id':6,'channel':'/c'}", 0},
	{SAY, "{'op':'reply','id':5,'ok':false,"
	      "'error':{'code':'not-subscribed','message':'x'}}", 0},
	{TELL, "sub /c = cancelled: unsubscribed before the answer came" NO, 0},
	{SAY, "{'op':'reply','id':6,'ok':false,"
	      "'error':{'code':'not-subscribed','message':'x'}}", 0},
	{TELL, "unsub /c = ok" NO, 0},
	/* twice the same is once, and its refusal does not end what is held */
	{DO, "sub /b", 0}, SUB(7, "/b"),
	{SAY, "{'op':'reply','id':7,'ok':false,'error':{'code':'too-many','message':'x'}}", 0},
	{TELL, "sub /b = too-many: x" NO, 0},
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(8), GREETED(8, ""), {TELL, "up gap=1", 0},
	SUB(9, "/b"), {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step deadlines[] = {
	{DO, "pub /a 1", 0}, {DO, "ping", 0}, {DO, "sub /a", 0}, {AT, 0, 30999}, {IDLE, 0, 0},
	{AT, 0, 31000},
	{TELL, "pub /a 1 = not-sent: it never reached the server" NO, 0},
	{TELL, "ping = timeout: no answer in time" NO, 0},
	{TELL, "sub /a = ok pending" NO, 0}, {IDLE, 0, 0},
	/* wanted still, and its fate is told as soon as it is known */
	UP, SUB(2, "/a"), {SILENT, 0, 0}, SUB_OK(2, "/a"),
	{TELL, "subscription - /a ok: -", 0}, {IDLE, 0, 0},
	{DO, "pub /a 2", 0}, {DO, "ping", 0}, {DO, "sub /s", 0}, {DO, "sub /t", 0},
	{DO, "sub /u", 0}, {DO, "sub /v", 0},
	{HEAR, "{'op':'publish','id':3,'channel':'/a','data':2,'timeout':30000}", 0},
	{HEAR, "{'op':'ping','id':4}", 0}, SUB(5, "/s"), SUB(6, "/t"), SUB(7, "/u"), SUB(8, "/v"),
	{DO, "unsub /v", 0},
	{AT, 0, 61000},
	{TELL, "ping = timeout: no answer in time" NO, 0},
	{TELL, "sub /s = ok pending" NO, 0}, {TELL, "sub /t = ok pending" NO, 0},
	{TELL, "sub /u = ok pending" NO, 0},
	{TELL, "sub /v = cancelled: unsubscribed before the answer came" NO, 0},
	{TELL, "unsub /v = timeout: no answer in time" NO, 0},
	/* the daemon gets a moment to say what became of the publish */
	{IDLE, 0, 0}, {AT, 0, 62000},
	{TELL, "pub /a 2 = unknown-outcome: sent, but no answer came" NO, 0},
	/* late answers: yes, no, and not yet */
	OK(3), SUB_OK(5, "/s"), {TELL, "subscription - /s ok: -", 0},
	{SAY, "{'op':'reply','id':6,'ok':false,'error':{'code':'refused','message':'no'}}", 0},
	{TELL, "subscription - /t refused: no", 0},
	{SAY, "{'op':'reply','id':7,'ok':true,'result':{'channels':["
	      "{'channel':'/u','pending':true}]}}", 0}, {IDLE, 0, 0},
	/* what a full window kept back is not forgotten either */
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(9),
	{SAY, "{'op':'reply','id':9,'ok':true,'result':{'version':1,'limits':{'requests':4}}}", 0},
	{TELL, "up gap=1", 0}, {DO, "sub /w", 0},
	SUB(10, "/a"), SUB(11, "/s"), SUB(12, "/t"), SUB(13, "/u"), {SILENT, 0, 0},
	{AT, 0, 99000}, {TELL, "sub /w = ok pending" NO, 0}, {SILENT, 0, 0},
	SUB_OK(10, "/a"), {IDLE, 0, 0}, SUB(14, "/w"), SUB_OK(14, "/w"),
	{TELL, "subscription - /w ok: -", 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step closing[] = {
	UP, {DO, "pub /a 1", 0}, {HEAR_PART, 0, 5},
	{SAY, "{'op':'closing','code':'shutdown','reason':'back soon','retry_in':700}", 0},
	{SAY, "{'op':'message','server':'demo','seq':4,'message':{}}", 0},
	/* nothing is written any more, so the publish is still ours */
	{BROKEN, 0, 0}, {SILENT, 0, 0}, {BROKEN, 0, 0},
	{LOST, 0, 0}, {TELL, "down shutdown: back soon", 0}, {IDLE, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(3), GREETED(3, ""), {TELL, "up gap=1", 0},
	{HEAR, "{'op':'publish','id':4,'channel':'/a','data':1,'timeout':30000}", 0},
	{SAY, "{'op':'closing','code':'overflow','reason':''}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	{TELL, "pub /a 1 = unknown-outcome: sent, but no answer came" NO, 0},
	{TELL, "down slow: this process reads too slowly", 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

static const struct step unfriendly_greetings[] = {
	{CONNECTED, 0, 0}, HELLO_SAID(1),
	{SAY, "{'op':'reply','id':1,'ok':false,"
	      "'error':{'code':'bad-version','message':'2 to 3'}}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0}, {TELL, "down version: 2 to 3", 0}, {IDLE, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(2),
	{SAY, "{'op':'reply','id':2,'ok':true,'result':{'version':9}}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(3), {SAY, "{'op':'reply','id':3,'ok':true}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(4), {SAY, "{'op':'reply','id':4,'ok':false}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(5),
	{SAY, "{'op':'closing','code':'too-many','reason':'full'}", 0}, {BROKEN, 0, 0},
	{LOST, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(6),
	{SAY, "{'op':'lost','server':'d','count':2,'first':5,'last':9,'code':'overflow'}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	/* it never greets */
	{CONNECTED, 0, 0}, HELLO_SAID(7), {AT, 0, 10999}, {IDLE, 0, 0}, {AT, 0, 11000},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	/* all of them one disappointment; then all is well */
	{IDLE, 0, 0},
	{CONNECTED, 0, 0}, HELLO_SAID(8), GREETED(8, ""), {TELL, "up gap=0", 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

#define NONSENSE(name, ...)                                                                        \
	static const struct step name[] = {                                                        \
		UP, {DO, "pub /a 1", 0}, __VA_ARGS__, {BROKEN, 0, 0}, {SILENT, 0, 0}, {LOST, 0, 0}

NONSENSE(empty_frame, {RAW, "\0\0\0\0", 4}),
	{TELL, "down protocol: a frame of impossible length", 0}, {END, 0, 0}};
NONSENSE(giant_frame, {RAW, "\377\377\377\377{}", 6}),
	{TELL, "down protocol: a frame of impossible length", 0}, {END, 0, 0}};
NONSENSE(no_json, {RAW, "\0\0\0\3{,}", 7}), {END, 0, 0}};
NONSENSE(no_object, {SAY, "[1]", 0}), {END, 0, 0}};
NONSENSE(no_utf8, {SAY, "{'op':'closing','code':'\300\200','reason':''}", 0}), {END, 0, 0}};
NONSENSE(wrong_type, {SAY, "{'op':'message','server':'demo','seq':-1,'message':{}}", 0}),
	{END, 0, 0}};
NONSENSE(missing_field, {SAY, "{'op':'message','server':'demo','seq':1}", 0}), {END, 0, 0}};
NONSENSE(reply_of_nothing, {SAY, "{'op':'reply','ok':true}", 0}), {END, 0, 0}};

/* the daemon allows two requests at once, replays included */
static const struct step window[] = {
	{DO, "sub /a", 0}, {CONNECTED, 0, 0}, HELLO_SAID(1),
	{SAY, "{'op':'reply','id':1,'ok':true,'result':{'version':1,"
	      "'limits':{'requests':2}}}", 0},
	{TELL, "up gap=0", 0},
	{DO, "ping", 0}, {DO, "status", 0}, SUB(2, "/a"), {HEAR, "{'op':'ping','id':3}", 0},
	{SILENT, 0, 0},
	SUB_OK(2, "/a"), {TELL, "sub /a = ok" NO, 0}, {HEAR, "{'op':'status','id':4}", 0},
	/* what was given up here still counts there */
	{AT, 0, 40000}, {TELL, "ping = timeout: no answer in time" NO, 0},
	{TELL, "status = timeout: no answer in time" NO, 0}, {DO, "ping", 0}, {SILENT, 0, 0},
	OK(3), {IDLE, 0, 0}, {HEAR, "{'op':'ping','id':5}", 0}, {DO, "sub /b", 0},
	{SILENT, 0, 0},
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(6),
	{SAY, "{'op':'reply','id':6,'ok':true,'result':{'version':1,"
	      "'limits':{'requests':1}}}", 0},
	{TELL, "up gap=1", 0}, SUB(7, "/a"), {SILENT, 0, 0}, SUB_OK(7, "/a"), {IDLE, 0, 0},
	{HEAR, "{'op':'ping','id':8}", 0}, {SILENT, 0, 0},
	{END, 0, 0},
};

/* what is not wanted any more is not asked for, and the last asker's options count */
static const struct step replay[] = {
	UP, {DO, "sub /a", 0}, {DO, "sub /b", 0}, {DO, "sub /c", 0}, SUB(2, "/a"), SUB(3, "/b"),
	SUB(4, "/c"), SUB_OK(2, "/a"), SUB_OK(3, "/b"), SUB_OK(4, "/c"),
	{TELL, "sub /a = ok" NO, 0}, {TELL, "sub /b = ok" NO, 0}, {TELL, "sub /c = ok" NO, 0},
	{DO, "listen /c", 0},
	{HEAR, "{'op':'subscribe','id':5,'channel':'/c','upstream':false,"
	       "'overflow':'disconnect'}", 0},
	SUB_OK(5, "/c"), {TELL, "listen /c = ok" NO, 0},
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(6),
	{SAY, "{'op':'reply','id':6,'ok':true,'result':{'version':1,'limits':{'requests':1}}}", 0},
	{TELL, "up gap=1", 0}, SUB(7, "/a"), {SILENT, 0, 0}, {DO, "unsub /b", 0},
	SUB_OK(7, "/a"), {IDLE, 0, 0},
	{HEAR, "{'op':'subscribe','id':8,'channel':'/c','upstream':false,"
	       "'overflow':'disconnect'}", 0},
	SUB_OK(8, "/c"), {IDLE, 0, 0}, {HEAR, "{'op':'unsubscribe','id':9,'channel':'/b'}", 0},
	{END, 0, 0},
};

static const struct step end[] = {
	{DO, "sub /a", 0}, UP, {DO, "pub /a 1", 0}, SUB(2, "/a"), {FAIL_ALL, 0, COMETD_E_CLOSED},
	{TELL, "sub /a = closed: the handle was freed" NO, 0},
	{TELL, "pub /a 1 = closed: the handle was freed" NO, 0}, {IDLE, 0, 0},
	{END, 0, 0},
};

/* ---- what tables cannot say -------------------------------------------- */

static int new_publish(struct slice data, struct request **ret)
{
	return request_new(PROTOCOL_OP_PUBLISH,
			   &(struct request_parts){.channel = SLICE("/a"), .data = data}, ret);
}

static int new_ping(struct slice server, struct slice channel, struct request **ret)
{
	return request_new(PROTOCOL_OP_PING,
			   &(struct request_parts){.server = server, .channel = channel}, ret);
}

static void test_limits(void **state)
{
	struct request *r = NULL;
	struct engine *e;
	static char big[5 << 20];
	int error = 0, n = 0;

	(void)state;
	assert_int_equal(engine_new(1, &e), 0);
	while (!error && n < 2 * COMETD_MAX_REQUESTS) {
		assert_int_equal(new_ping(SLICE_NULL, SLICE_NULL, &r), 0);
		error = engine_request(e, r);
		n += !error;
	}
	assert_int_equal(error, COMETD_E_TOO_MANY);
	assert_int_equal(n, COMETD_MAX_REQUESTS);
	engine_free(e);

	assert_int_equal(engine_new(1, &e), 0);
	memset(big, '7', sizeof(big));
	struct slice data = slice_make(big, 3 << 20);
	for (error = 0, n = 0; !error && n < 100; n += !error) {
		assert_int_equal(new_publish(data, &r), 0);
		error = engine_request(e, r);
	}
	assert_int_equal(error, COMETD_E_TOO_MANY);
	assert_int_equal(n, 5);
	/* what ended takes no room */
	engine_fail_all(e, COMETD_E_CLOSED);
	for (struct engine_item item; engine_next(e, 0, &item) == 0; n--)
		;
	assert_int_equal(n, 0);
	assert_int_equal(new_publish(data, &r), 0);
	assert_int_equal(engine_request(e, r), 0);
	engine_free(e);

	assert_int_equal(new_publish(slice_make(big, sizeof(big)), &r), COMETD_E_TOO_LARGE);
}

static void test_bad_requests(void **state)
{
	static const char *const bad[] = {"", " ", "{", "1,2", "1],[2", "tru", "\"\300\200\"",
					  "\"\\ud800\"", "{\"a\":}", "nul", "// 1", "'a'",
					  "1,\"d\":2", "1,\"e\":2", "1},{\"d\":1"};
	static const char *const good[] = {"null", "0", "\"\"", " [ ] ", "{}", "1e999",
					   "123456789012345678901234567890"};
	char deep[80] = "";
	struct request *r;
	char name[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(new_publish(slice_of(bad[i]), &r), COMETD_E_JSON);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(new_publish(slice_of(good[i]), &r), 0);
		assert_true(slice_eq(r->data, slice_of(good[i])));
		request_free(r);
	}
	/* as deep as the frame around it allows, and no deeper */
	memset(deep, '[', 31);
	memset(deep + 31, ']', 31);
	assert_int_equal(new_publish(slice_of(deep), &r), 0);
	request_free(r);
	memset(deep, '[', 32);
	memset(deep + 32, ']', 32);
	assert_int_equal(new_publish(slice_of(deep), &r),
			 COMETD_E_JSON);
	memset(name, 'x', sizeof(name));
	assert_int_equal(new_ping(SLICE(""), SLICE_NULL, &r), COMETD_E_INVALID);
	assert_int_equal(new_ping(slice_make(name, 65), SLICE_NULL, &r),
			 COMETD_E_INVALID);
	assert_int_equal(new_ping(SLICE_NULL, slice_make(name, 256), &r),
			 COMETD_E_INVALID);
	assert_int_equal(new_ping(SLICE_NULL, SLICE("/\377"), &r),
			 COMETD_E_INVALID);
}

/* how long the engine waits after its n-th failure in a row, at least and at most */
static void test_pauses(void **state)
{
	static const struct { unsigned low, high; } pause[] = {
		{50, 100}, {100, 200}, {200, 400}, {400, 800}, {800, 1600}, {1600, 3200},
		{2500, 5000}, {2500, 5000}, {2500, 5000}};

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct engine *e;
		uint64_t now = 0;

		assert_int_equal(engine_new(seed * 77777, &e), 0);
		assert_true(engine_wants_connection(e, now));
		assert_int_equal(engine_deadline(e), 0);
		for (size_t i = 0; i < sizeof(pause) / sizeof(*pause); i++) {
			struct engine_item item;

			engine_disconnected(e, now, COMETD_E_NO_DAEMON);
			while (engine_next(e, now, &item) == 0)
				;
			uint64_t then = engine_deadline(e);
			assert_in_range(then - now, pause[i].low, pause[i].high);
			assert_false(engine_wants_connection(e, then - 1));
			assert_true(engine_wants_connection(e, then));
			now = then;
		}
		engine_connect_now(e);
		assert_true(engine_wants_connection(e, now));
		engine_free(e);
	}
}

static uint64_t pause_after(struct play *p, const char *said)
{
	struct engine_item item;
	int r;

	assert_int_equal(engine_connected(p->engine, p->now), 0);
	engine_written(p->engine, output(p).n);
	say(p, said);
	while ((r = engine_next(p->engine, p->now, &item)) == 0)
		;
	p->now += 6000;
	engine_disconnected(p->engine, p->now, COMETD_E_DISCONNECTED);
	while (engine_next(p->engine, p->now, &item) == 0)
		;
	return engine_deadline(p->engine) - p->now;
}

static void test_pause_hints(void **state)
{
	struct play p = {.chunk = SIZE_MAX};

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	for (int i = 0; i < 10; i++)
		engine_disconnected(p.engine, 0, COMETD_E_NO_DAEMON);
	/* the daemon knows when it comes back */
	assert_in_range(pause_after(&p, "{'op':'closing','code':'shutdown','reason':'',"
					"'retry_in':300}"), 300, 400);
	/* but not for longer than we like, and the hint is for once */
	assert_in_range(pause_after(&p, "{'op':'closing','code':'shutdown','reason':'',"
					"'retry_in':99999}"), 2500, 5000);
	assert_in_range(pause_after(&p, "{'op':'closing','code':'shutdown','reason':''}"),
			2500, 5000);
	/* a good connection begins anew */
	assert_in_range(pause_after(&p, "{'op':'reply','id':4,'ok':true,'result':{'version':1}}"),
			50, 100);
	engine_free(p.engine);
}

static void test_states_remembered(void **state)
{
	struct play p = {.chunk = SIZE_MAX};
	struct engine_item item;

	(void)state;
	assert_int_equal(engine_new(3, &p.engine), 0);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_E_DISCONNECTED);
	assert_int_equal(engine_connected(p.engine, 0), 0);
	say(&p, "{'op':'reply','id':1,'ok':true,'result':{'version':1,'servers':["
		"{'server':'a','state':'connecting','since':1,'gap':false},"
		"{'server':'b','default':true,'state':'off','since':1,'gap':false}]}}");
	while (engine_next(p.engine, 0, &item) == 0)
		;
	assert_int_equal(engine_server_state(p.engine, "a"), COMETD_STATE_CONNECTING);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_STATE_OFF);
	assert_int_equal(engine_server_state(p.engine, "c"), COMETD_E_UNKNOWN_SERVER);
	say(&p, "{'op':'state','server':'b','state':'connected','since':2,'gap':false}");
	while (engine_next(p.engine, 0, &item) == 0)
		;
	assert_int_equal(engine_server_state(p.engine, "b"), COMETD_STATE_CONNECTED);
	assert_int_equal(engine_server_state(p.engine, NULL), COMETD_STATE_CONNECTED);
	engine_disconnected(p.engine, 0, COMETD_E_DISCONNECTED);
	assert_int_equal(engine_server_state(p.engine, "b"), COMETD_E_DISCONNECTED);
	engine_free(p.engine);
}

/* A daemon that tells of more servers than anybody has, with names longer than allowed. */
static void test_many_servers(void **state)
{
	static char text[64 * 1024];
	size_t n = (size_t)sprintf(text, "{\"op\":\"reply\",\"id\":1,\"ok\":true,\"result\":"
				   "{\"version\":1,\"servers\":[");
	struct play p = {.chunk = SIZE_MAX};
	struct engine_item item;
	int told = 0;

	(void)state;
	for (int i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "{\"server\":\"%0*d\",\"state\":\"off\",\"since\":1,"
				     "\"gap\":false},", i < 10 ? 100 : 3, i);
	strcpy(text + n - 1, "]}}");
	assert_int_equal(engine_new(3, &p.engine), 0);
	assert_int_equal(engine_connected(p.engine, 0), 0);
	n = strlen(text);
	feed(&p, (char[]){0, (char)(n >> 16), (char)(n >> 8), (char)n}, 4);
	feed(&p, text, n);
	while (engine_next(p.engine, 0, &item) == 0)
		told += item.event.type == COMETD_EVENT_STATE;
	/* the ten long names are told, but not remembered */
	assert_int_equal(told, 10 + 256);
	assert_int_equal(engine_server_state(p.engine, "265"), COMETD_STATE_OFF);
	assert_int_equal(engine_server_state(p.engine, "266"), COMETD_E_UNKNOWN_SERVER);
	engine_free(p.engine);
}

/* Each number has words and a name of its own. */
static void test_words(void **state)
{
	int named = 0;

	(void)state;
	for (int i = 0; i > -200; i--) {
		assert_non_null(cometd_strerror(i));
		named += strcmp(cometd_error_name(i), "unknown") != 0;
		for (int j = 0; j > i; j--)
			if (strcmp(cometd_error_name(i), "unknown"))
				assert_string_not_equal(cometd_error_name(i), cometd_error_name(j));
	}
	assert_int_equal(named, 30);
	for (int s = COMETD_STATE_OFF; s <= COMETD_STATE_DISCONNECTING; s++)
		assert_int_equal(cometd_state_of(cometd_state_name(s)), s);
	assert_int_equal(cometd_state_of("daydreaming"), COMETD_STATE_UNKNOWN);
	assert_int_equal(cometd_state_of(NULL), COMETD_STATE_UNKNOWN);
	for (int e = 0; e <= PROTOCOL_ERRORS_END; e++)
		assert_true(error_of_protocol(e) < 0);
}

#define CONVERSATION(table) {#table, converse, NULL, NULL, (void *)(table)}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONVERSATION(greeting), CONVERSATION(greeting_of_another_kind),
		CONVERSATION(events), CONVERSATION(requests),
		CONVERSATION(refusals), CONVERSATION(reconnection),
		CONVERSATION(unsubscription), CONVERSATION(deadlines), CONVERSATION(closing),
		CONVERSATION(unfriendly_greetings), CONVERSATION(empty_frame),
		CONVERSATION(giant_frame),
		CONVERSATION(no_json), CONVERSATION(no_object), CONVERSATION(no_utf8),
		CONVERSATION(wrong_type), CONVERSATION(missing_field),
		CONVERSATION(reply_of_nothing),
		CONVERSATION(window), CONVERSATION(replay), CONVERSATION(end),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_pauses), cmocka_unit_test(test_pause_hints),
		cmocka_unit_test(test_states_remembered), cmocka_unit_test(test_many_servers),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
