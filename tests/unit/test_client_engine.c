/*
 * Conversations with the client engine. Each is played at once, byte by byte, and again
 * with each allocation failing once: the application must get the same.
 */
#include "tests/unit/testing.h"

#include "tests/unit/engine_play.h"

#include <stdio.h>
#include <string.h>

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
	/* invalid rows are ignored */
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
	/* what the server itself replied */
	{DO, "pub /b 1", 0}, {DO, "sub /b", 0},
	{HEAR, "{'op':'publish','id':8,'channel':'/b','data':1,'timeout':30000}", 0},
	SUB(9, "/b"),
	{SAY, "{'op':'reply','id':8,'ok':true,'result':{'bayeux':{'id':'4','data':[7]}}}", 0},
	{TELL, "pub /b 1 = ok data=[7] message={'id':'4','data':[7]}", 0},
	{SAY, "{'op':'reply','id':9,'ok':true,'result':{'channels':[{'channel':'/b','ok':true,"
	      "'bayeux':{'id':'5'}}]}}", 0},
	{TELL, "sub /b = ok data=- message={'id':'5'}", 0},
	/* a callback taken back */
	{DO, "pub /a 2", 0}, {CANCEL, "pub /a 2", 0},
	{HEAR, "{'op':'publish','id':10,'channel':'/a','data':2,'timeout':30000}", 0},
	OK(10), {TELL, "nobody = ok" NO, 0}, {IDLE, 0, 0},
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
	{CONNECTED, 0, 0}, HELLO_SAID(6), GREETED(6, ""), {TELL, "up gap=0", 0}, {SILENT, 0, 0},
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
	{TELL, "pub /a 1 = unknown-outcome: sent, but not answered" NO, 0},
	{TELL, "down disconnected: the daemon closed the connection", 0}, {IDLE, 0, 0},
	{SILENT, 0, 0},
	/* attempts that fail are reported once */
	{LOST, 0, COMETD_E_NO_DAEMON}, {LOST, 0, COMETD_E_NO_DAEMON}, {IDLE, 0, 0},
	{AT, 0, 2000},
	{CONNECTED, 0, 0}, HELLO_SAID(7), {SILENT, 0, 0},
	GREETED(7, "{'server':'demo','default':true,'state':'connected','since':5,'gap':false}"),
	{TELL, "up gap=1", 0}, {TELL, "state demo connected/connected gap=0 default=1 reason=- retry=-1", 0},
	SUB(8, "/a"), SUB(9, "/b"), {HEAR, "{'op':'ping','id':10}", 0},
	{HEAR, "{'op':'publish','id':11,'channel':'/a','data':2,'timeout':29000}", 0},
	{HEAR, "{'op':'publish','id':12,'channel':'/a','data':3,'timeout':29000}", 0},
	/* late words of the old connection mean nothing */
	OK(5), OK(6), {IDLE, 0, 0},
	{SAY, "{'op':'reply','id':8,'ok':false,"
	      "'error':{'code':'refused','message':'changed my mind'}}", 0},
	{TELL, "subscription demo /a refused: changed my mind", 0},
	SUB_OK(9, "/b"), {TELL, "sub /b = ok" NO, 0}, {IDLE, 0, 0},
	/* after a temporary refusal still wanted; after a final one not */
	{SAY, "{'op':'subscription','server':'demo','channel':'/b','ok':true,'pending':true,"
	      "'error':{'code':'refused','message':'limit'}}", 0},
	{TELL, "subscription demo /b refused pending: limit", 0},
	{LOST, 0, 0}, {TELL, "pub /a 2 = unknown-outcome: sent, but not answered" NO, 0},
	{TELL, "pub /a 3 = unknown-outcome: sent, but not answered" NO, 0},
	{TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(13),
	GREETED(13, "{'server':'demo','default':true,'state':'connected','since':5,'gap':false}"),
	{TELL, "up gap=1", 0}, {TELL, "state demo connected/connected gap=0 default=1 reason=- retry=-1", 0},
	SUB(14, "/b"), {HEAR, "{'op':'ping','id':15}", 0}, {SILENT, 0, 0},
	/* as announced, an event reports that it is accepted now, once */
	SUB_OK(14, "/b"), {TELL, "subscription demo /b ok: -", 0}, {IDLE, 0, 0},
	{SAY, "{'op':'subscription','server':'demo','channel':'/b','ok':false,"
	      "'error':{'code':'refused','message':'no'}}", 0},
	{TELL, "subscription demo /b refused: no", 0}, {LOST, 0, 0},
	{TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(16), GREETED(16, ""), {TELL, "up gap=0", 0},
	{HEAR, "{'op':'ping','id':17}", 0}, {SILENT, 0, 0},
	{END, 0, 0},
};

static const struct step unsubscription[] = {
	{DO_FAILS, "unsub /a", COMETD_E_NOT_SUBSCRIBED},
	/* without a connection there is nothing to send */
	{DO, "sub /a", 0}, {DO, "unsub /a", 0},
	{TELL, "sub /a = cancelled: unsubscribed before the answer came" NO, 0},
	{TELL, "unsub /a = ok" NO, 0}, {IDLE, 0, 0},
	UP, {SILENT, 0, 0},
	{DO, "sub /a", 0}, {DO, "sub /b", 0}, {DO, "unsub /a", 0},
	{DO_FAILS, "unsub /a", COMETD_E_NOT_SUBSCRIBED},
	SUB(2, "/a"), SUB(3, "/b"), {HEAR, "{'op':'unsubscribe','id':4,'channel':'/a'}", 0},
	SUB_OK(2, "/a"), {TELL, "sub /a = ok" NO, 0}, OK(4), {TELL, "unsub /a = ok" NO, 0},
	SUB_OK(3, "/b"), {TELL, "sub /b = ok" NO, 0},
	/* the subscription has ended at the daemon already, or never began */
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
	{TELL, "pub /a 1 = not-sent: not sent to the server" NO, 0},
	{TELL, "ping = timeout: no answer in time" NO, 0},
	{TELL, "sub /a = ok pending" NO, 0}, {IDLE, 0, 0},
	/* still wanted, and the answer is reported when it arrives */
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
	/* the daemon gets a grace period to report the outcome of the publish */
	{IDLE, 0, 0}, {AT, 0, 62000},
	{TELL, "pub /a 2 = unknown-outcome: sent, but not answered" NO, 0},
	/* late answers: yes, no, and not yet */
	OK(3), SUB_OK(5, "/s"), {TELL, "subscription - /s ok: -", 0},
	{SAY, "{'op':'reply','id':6,'ok':false,'error':{'code':'refused','message':'no'}}", 0},
	{TELL, "subscription - /t refused: no", 0},
	{SAY, "{'op':'reply','id':7,'ok':true,'result':{'channels':["
	      "{'channel':'/u','pending':true}]}}", 0}, {IDLE, 0, 0},
	/* what a full window kept back is not forgotten either */
	{LOST, 0, 0}, {TELL, "down disconnected: the daemon closed the connection", 0},
	{CONNECTED, 0, 0}, HELLO_SAID(9),
	{SAY, "{'op':'reply','id':9,'ok':true,'result':{'version':1,'limits':{'requests':3}}}", 0},
	{TELL, "up gap=1", 0}, {DO, "sub /w", 0},
	SUB(10, "/a"), SUB(11, "/s"), SUB(12, "/u"), {SILENT, 0, 0},
	{AT, 0, 99000}, {TELL, "sub /w = ok pending" NO, 0}, {SILENT, 0, 0},
	SUB_OK(10, "/a"), {IDLE, 0, 0}, SUB(13, "/w"), SUB_OK(13, "/w"),
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
	{CONNECTED, 0, 0}, HELLO_SAID(3), GREETED(3, ""), {TELL, "up gap=0", 0},
	{HEAR, "{'op':'publish','id':4,'channel':'/a','data':1,'timeout':30000}", 0},
	{SAY, "{'op':'closing','code':'overflow','reason':''}", 0},
	{BROKEN, 0, 0}, {LOST, 0, 0},
	{TELL, "pub /a 1 = unknown-outcome: sent, but not answered" NO, 0},
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
	{TELL, "down protocol: a frame of invalid length", 0}, {END, 0, 0}};
NONSENSE(giant_frame, {RAW, "\377\377\377\377{}", 6}),
	{TELL, "down protocol: a frame of invalid length", 0}, {END, 0, 0}};
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

/* The name of a program may be of any length: it is cut at a character, and the greeting goes out. */
static void test_long_names(void **state)
{
	static const struct { size_t letters; const char *end; size_t n; } table[] = {
		{63, "\303\274", 63}, {62, "\303\274", 64}, {61, "\360\237\230\200\360", 61},
		{60, "\360\237\230\200x", 64}, {200, "", 64}, {10, "\303", 0}, {10, "\303x", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char name[256], expected[256];
		struct play p = {.chunk = SIZE_MAX};

		memset(name, 'n', table[i].letters);
		strcpy(name + table[i].letters, table[i].end);
		assert_int_equal(engine_new(1, &p.engine), 0);
		engine_set_name(p.engine, name);
		assert_int_equal(engine_connected(p.engine, 0), 0);
		snprintf(expected, sizeof(expected), "\"name\":\"%.*s\"}", (int)table[i].n, name);
		struct slice out = play_output(&p);
		assert_int_equal(memmem(out.p, out.n, expected, strlen(expected)) != NULL,
				 table[i].n > 0);
		engine_free(p.engine);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONVERSATION(greeting), CONVERSATION(greeting_of_another_kind),
		CONVERSATION(events), CONVERSATION(requests), CONVERSATION(refusals),
		CONVERSATION(reconnection), CONVERSATION(unsubscription), CONVERSATION(deadlines),
		CONVERSATION(closing), CONVERSATION(unfriendly_greetings),
		CONVERSATION(empty_frame), CONVERSATION(giant_frame), CONVERSATION(no_json),
		CONVERSATION(no_object), CONVERSATION(no_utf8), CONVERSATION(wrong_type),
		CONVERSATION(missing_field), CONVERSATION(reply_of_nothing), CONVERSATION(window),
		CONVERSATION(replay), CONVERSATION(end),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
