/*
 * A member that asks for past messages: the last ones of a channel, or those after a
 * position; in order, each once, then the reply, then live messages. What cannot be had
 * any more is reported.
 */
#include "tests/unit/hub_talk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define EPOCH "'epoch':'0000000000000001'"
#define EXPIRED(n, first, last)                                                                    \
	"{'op':'lost','server':'one','count':" #n ",'first':" #first ",'last':" #last              \
	",'code':'expired'}\n"
#define OK_(channel) "{'channel':'" channel "','ok':true}"
/* messages may be missing: before the past, because a message of that would give another position */
#define UNKNOWN "expired0:0-0 "
#define GAP_(channel) "{'channel':'" channel "','ok':true,'gap':true}"

/* Member 3 holds all channels, so that all messages are logged, and all positions are complete. */
static struct world *past_new(void)
{
	struct world *w = world_new();

	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/**'}"), 0);
	confirm(w, "/**");
	for (unsigned i = 0; i < 4; i++)
		heard(w, i);
	return w;
}

/* "/a1 /b2 lost3-4 reply7 ": what the member received, in short */
static const char *got(struct world *w, unsigned m)
{
	static char text[1 << 16];
	char *line, *rest = (char *)heard(w, m);
	size_t at = 0;

	text[0] = '\0';
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *seq = strstr(line, "'seq':"), *channel = strstr(line, "{'channel':'");
		unsigned long long first = 0, last = 0, count = 0;
		const char *lost = strstr(line, "'count':");

		if (strncmp(line, "{'op':'message'", 15) == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%.*s%llu ",
					       (int)strcspn(channel + 12, "'"), channel + 12,
					       strtoull(seq + 6, NULL, 10));
		else if (lost && sscanf(lost, "'count':%llu,'first':%llu,'last':%llu", &count, &first, &last) == 3)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%llu:%llu-%llu ",
					       strstr(line, "expired") ? "expired" : "lost", count, first, last);
		else if (strncmp(line, "{'op':'reply'", 13) == 0)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%lld%s ",
					       strstr(line, "'ok':false") ? "error" : "reply",
					       strtoll(strstr(line, "'id':") + 5, NULL, 10),
					       strstr(line, "'gap':true") ? "gap" : "");
		else
			at += (size_t)snprintf(text + at, sizeof(text) - at, "other ");
	}
	return text;
}

#define assert_got(w, m, expected)                                                                 \
	do {                                                                                       \
		read_all(w, m);                                                                    \
		assert_string_equal(got(w, m), expected);                                          \
	} while (0)

/* With the id 9. The server is not asked, so the reply does not wait for it. */
static void subscribe(struct world *w, unsigned m, const char *rest)
{
	char text[4096];

	snprintf(text, sizeof(text), "{'op':'subscribe','id':9,'upstream':false,%s}", rest);
	assert_int_equal(ask(w, m, text), 0);
}

/* ---- history ---- */

static void test_history(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 3);
	talk(w, "/b/c", 2);
	talk(w, "/a", 1);
	talk(w, "/b/d", 1);
	subscribe(w, 0, "'channel':'/a','history':3");
	/* a message that comes before it is read is live, and follows */
	talk(w, "/a", 1);
	assert_got(w, 0, "/a2 /a3 /a6 reply9 /a8 ");
	talk(w, "/a", 1);
	assert_got(w, 0, "/a9 ");
	/* of a pattern; of several; more than there are; nothing */
	subscribe(w, 1, "'channel':'/b/*','history':2");
	assert_got(w, 1, "/b/c5 /b/d7 reply9 ");
	subscribe(w, 2, "'channels':['/b/c','/a'],'history':1");
	assert_got(w, 2, "/b/c5 /a9 reply9 ");
	world_drop(w);
}

static void test_history_numbers(void **state)
{
	static const struct { const char *request, *result; } rows[] = {
		{"'channel':'/a','history':0", "reply9 "},
		{"'channel':'/a','history':1", "/a3 reply9 "},
		{"'channel':'/a','history':18446744073709551615", "/a1 /a3 reply9 "},
		{"'channel':'/**','history':18446744073709551615", "/a1 /b2 /a3 reply9 "},
		{"'channel':'/*','history':2", "/b2 /a3 reply9 "},
		{"'channel':'/c','history':5", "reply9 "},
		{"'channel':'/c/**','history':5", "reply9 "},
		{"'channels':['/c','/a','/a','/**'],'history':1", "/a3 reply9 "},
		/* each its own last one, and what follows it */
		{"'channels':['/a','/b'],'history':1", "/b2 /a3 reply9 "},
		{"'channels':['/c/*','/*'],'history':1", "/a3 reply9 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = past_new();

		talk(w, "/a", 1), talk(w, "/b", 1), talk(w, "/a", 1);
		subscribe(w, 0, rows[i].request);
		assert_got(w, 0, rows[i].result);
		world_drop(w);
	}
}

/* WORLD_UNIX_MS is now; a time before 1970 + loop time is before all, one in the future after all */
static void test_time(void **state)
{
	static const struct { const char *request, *result; } rows[] = {
		{"'channel':'/**','since':1699999997000", "/a1 /b2 /a3 /a4 reply9 "},
		{"'channel':'/a','since':1699999997000", "/a1 /a3 /a4 reply9 "},
		{"'channel':'/a','since':1699999997001", "/a3 /a4 reply9 "},
		{"'channels':['/a','/b'],'since':1699999998000", "/b2 /a3 /a4 reply9 "},
		{"'channel':'/a','since':1699999999001", "/a4 reply9 "},
		{"'channel':'/a','since':1700000000000", "/a4 reply9 "},
		{"'channel':'/a','since':1700000000001", "reply9 "},
		{"'channel':'/a','since':18446744073709551615", "reply9 "},
		{"'channel':'/a','since':0", "/a1 /a3 /a4 reply9 "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world *w = past_new();

		w->ago = 3000, talk(w, "/a", 1);
		w->ago = 2000, talk(w, "/b", 1);
		w->ago = 1000, talk(w, "/a", 1);
		w->ago = 0, talk(w, "/a", 1);
		subscribe(w, 0, rows[i].request);
		assert_got(w, 0, rows[i].result);
		/* and live ones follow */
		talk(w, "/a", 1);
		assert_got(w, 0, "/a5 ");
		world_drop(w);
	}
}

/* The reply of a subscribe waits for both: the server's answer, and the past. */
static void test_the_reply_waits(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':9,'channel':'/a','history':1}"), 0);
	assert_got(w, 1, "/a2 ");
	talk(w, "/a", 1);
	assert_got(w, 1, "/a3 ");
	confirm(w, "/a");
	assert_got(w, 1, "reply9 ");
	world_drop(w);
}

/* ---- positions ---- */

static void test_position(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 3);
	talk(w, "/b", 1);
	talk(w, "/a", 1);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':1");
	assert_got(w, 0, "/a2 /a3 /a5 reply9 ");
	subscribe(w, 1, "'channels':['/a','/b']," EPOCH ",'seq':0");
	assert_got(w, 1, "/a1 /a2 /a3 /b4 /a5 reply9 ");
	/* the newest: there is nothing to read */
	subscribe(w, 2, "'channel':'/b'," EPOCH ",'seq':5");
	assert_heard(w, 2, CHANNELS(9, OK_("/b")));
	assert_false(hub_can_read(&w->members[2]));
	talk(w, "/b", 1);
	assert_got(w, 2, "/b6 ");
	world_drop(w);
}

/* What was not received for certain is said per channel; then all that there is comes. */
static void test_gaps(void **state)
{
	struct world *w = world_new();

	(void)state;
	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/a'}"), 0);
	confirm(w, "/a");
	talk(w, "/a", 2);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/b'}"), 0);
	confirm(w, "/b");
	talk(w, "/b", 1);
	heard(w, 0), heard(w, 1), heard(w, 2);
	/* /b was not subscribed at the server at position 1 */
	subscribe(w, 0, "'channels':['/a','/b']," EPOCH ",'seq':1");
	read_all(w, 0);
	assert_non_null(strstr(heard(w, 0), "[" OK_("/a") "," GAP_("/b") "]"));
	/* another epoch: all of this one is after it */
	subscribe(w, 1, "'channel':'/a','epoch':'0000000000000009','seq':2");
	assert_got(w, 1, UNKNOWN "/a1 /a2 reply9gap ");
	/* the future */
	subscribe(w, 2, "'channel':'/a'," EPOCH ",'seq':18446744073709551615");
	assert_got(w, 2, UNKNOWN "reply9gap ");
	talk(w, "/a", 1);
	assert_got(w, 2, "/a4 ");
	world_drop(w);
}

/* Until the server accepts /a, another subscription brings its messages. Only if that ends before, some may be missing. */
static void test_covered_until_accepted(void **state)
{
	(void)state;
	for (int ends = 0; ends < 2; ends++) {
		struct world *w = past_new();

		talk(w, "/a", 1);
		assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channel':'/a'," EPOCH ",'seq':0}"), 0);
		assert_got(w, 0, "/a1 ");
		if (ends)
			assert_int_equal(ask(w, 3, "{'op':'unsubscribe','id':2,'channel':'/**'}"), 0);
		talk(w, "/a", 1);
		confirm(w, "/a");
		read_all(w, 0);
		if (ends)
			assert_string_equal(heard(w, 0),
				"{'op':'message','server':'one','seq':2,'message':{'channel':'/a'}}\n"
				"{'op':'lost','server':'one','channel':'/a','count':0,'first':0,'last':0,'code':'expired'}\n"
				"{'op':'reply','id':9,'ok':true,'result':{'channels':[" OK_("/a") "]}}\n");
		else
			assert_string_equal(got(w, 0), "/a2 reply9 ");
		/* and not once more */
		confirm(w, "/a");
		assert_got(w, 0, "");
		world_drop(w);
	}
}

static void test_odd_epochs(void **state)
{
	static const char *const epochs[] = {"", "1", "000000000000000g", "000000000000000A", "00000000000000001",
					     "-000000000000001", "0x00000000000001", NULL};
	struct world *w = past_new();
	char text[600], long_one[301];

	(void)state;
	talk(w, "/a", 1);
	memset(long_one, '0', 300);
	long_one[300] = '\0';
	for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
		snprintf(text, sizeof(text), "'channel':'/a','epoch':'%s','seq':0", epochs[i] ? epochs[i] : long_one);
		subscribe(w, 0, text);
		assert_got(w, 0, UNKNOWN "/a1 reply9gap ");
		assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':2,'channel':'/a'}"), 0);
		heard(w, 0);
	}
	world_drop(w);
}

/* Before the seq at which this run of the epoch began, nothing is known. */
static void test_before_the_beginning(void **state)
{
	struct world *w = past_new();

	(void)state;
	hub_set_position(w->servers[0], 1, 100);
	talk(w, "/a", 2);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':50");
	assert_got(w, 0, UNKNOWN "/a101 /a102 reply9gap ");
	subscribe(w, 1, "'channel':'/a'," EPOCH ",'seq':101");
	assert_got(w, 1, "/a102 reply9 ");
	world_drop(w);
}

#define ONLY_ONE                                                                                   \
	"only one of \\\"history\\\", \\\"since\\\" and a position (\\\"epoch\\\" and \\\"seq\\\")"
static void test_bad_requests(void **state)
{
	static const struct { const char *request, *text; } rows[] = {
		{"'epoch':'0'", "a position has both \\\"epoch\\\" and \\\"seq\\\""},
		{"'seq':1", "a position has both \\\"epoch\\\" and \\\"seq\\\""},
		{"'history':1,'epoch':'0','seq':1", ONLY_ONE},
		{"'history':1,'since':1", ONLY_ONE}, {"'since':1,'epoch':'0','seq':1", ONLY_ONE},
		{"'more':true", "\\\"more\\\" needs \\\"history\\\", \\\"since\\\" or a position (\\\"epoch\\\" and \\\"seq\\\")"},
	};
	struct world *w = past_new();
	char request[200], expected[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *to = expected;

		snprintf(request, sizeof(request), "{'op':'subscribe','id':9,'channel':'/a',%s}", rows[i].request);
		assert_int_equal(ask(w, 0, request), 0);
		snprintf(expected, sizeof(expected), REFUSED(9, "bad-request", "%s"), rows[i].text);
		/* a double quote is a single one in these texts */
		for (const char *at = expected; (*to = *at == '"' ? '\'' : *at); at++)
			to++;
		assert_heard(w, 0, expected);
	}
	assert_int_equal(w->members[0].n_subscriptions, 0);
	/* "more" that is false is as if it were left out */
	subscribe(w, 0, "'channel':'/a','more':false");
	assert_got(w, 0, "reply9 ");
	world_drop(w);
}

/* ---- each once ---- */

static void test_what_was_received_is_left_out(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a/x", 2);
	subscribe(w, 0, "'channel':'/a/*'");
	heard(w, 0);
	talk(w, "/a/x", 1), talk(w, "/b", 1);
	assert_got(w, 0, "/a/x3 ");
	subscribe(w, 0, "'channel':'/**'," EPOCH ",'seq':0");
	talk(w, "/a/x", 1);
	assert_got(w, 0, "/a/x1 /a/x2 /b4 reply9 /a/x5 ");
	/* a third one: nothing is left to give */
	subscribe(w, 0, "'channel':'/a/x','history':9");
	assert_got(w, 0, "reply9 ");
	/* the same one again is read again, except what others have brought */
	assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':2,'channels':['/a/*','/a/x']}"), 0);
	heard(w, 0);
	subscribe(w, 0, "'channel':'/**','history':2");
	assert_got(w, 0, "/b4 /a/x5 reply9 ");
	world_drop(w);
}

/* Going back while reading. */
static void test_further_back(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 300), talk(w, "/b", 1), talk(w, "/a", 300);
	subscribe(w, 0, "'channel':'/b'," EPOCH ",'seq':0");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/a'," EPOCH ",'seq':599}"), 0);
	hub_read(&w->members[0]);
	assert_string_equal(got(w, 0), "/b301 /a600 /a601 reply9 reply8 ");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':5,'upstream':false,'channel':'/*'," EPOCH ",'seq':597}"), 0);
	talk(w, "/b", 1);
	assert_got(w, 0, "/a598 /a599 reply5 /b602 ");
	world_drop(w);
}

static void test_a_live_one_while_reading(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2), talk(w, "/b", 2);
	subscribe(w, 0, "'channel':'/a','history':5");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/b'}"), 0);
	talk(w, "/b", 1);
	assert_got(w, 0, "reply8 /a1 /a2 reply9 /b5 ");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/b'}"), 0);
	assert_got(w, 0, "reply8 ");
	world_drop(w);
}

/* ---- more ---- */

static void test_more(void **state)
{
	struct world *w = past_new();
	struct hub_stats before, after;

	(void)state;
	talk(w, "/a", 2), talk(w, "/b", 1), talk(w, "/a", 1);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':1,'more':true");
	assert_false(hub_can_read(&w->members[0]));
	talk(w, "/a", 1);
	assert_int_equal(hub_behind(&w->members[0]), 4);
	assert_heard(w, 0, "");
	hub_stats(w->hub, &before);
	hub_read(&w->members[0]);
	hub_stats(w->hub, &after);
	assert_int_equal(after.read_entries, before.read_entries);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/b'," EPOCH ",'seq':1}"), 0);
	assert_got(w, 0, "/a2 /b3 /a4 reply9 /a5 reply8 ");
	/* a plain subscribe lets it begin, too; nothing is live before */
	subscribe(w, 1, "'channel':'/a'," EPOCH ",'seq':5,'more':true");
	talk(w, "/a", 1);
	assert_got(w, 1, "");
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':8,'upstream':false,'channel':'/c'}"), 0);
	assert_got(w, 1, "reply8 reply9 /a6 ");
	/* one that is refused does not */
	subscribe(w, 2, "'channel':'/a'," EPOCH ",'seq':5,'more':true");
	assert_int_equal(ask(w, 2, "{'op':'subscribe','id':8,'upstream':false,'channel':'a'}"), 0);
	assert_got(w, 2, "error8 ");
	subscribe(w, 2, "'channel':'/b'") ;
	heard(w, 2);
	world_drop(w);
}

/* ---- what is gone ---- */

static void test_expired_in_its_place(void **state)
{
	struct world *w = past_new();

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 4, 3600000}, WORLD_NOW);
	talk(w, "/a", 10);
	/* several requests, one report */
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':2,'more':true");
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/b'," EPOCH ",'seq':2}"), 0);
	read_all(w, 0);
	assert_heard(w, 0, EXPIRED(4, 3, 6)
		     "{'op':'message','server':'one','seq':7,'message':{'channel':'/a'}}\n"
		     "{'op':'message','server':'one','seq':8,'message':{'channel':'/a'}}\n"
		     "{'op':'message','server':'one','seq':9,'message':{'channel':'/a'}}\n"
		     "{'op':'message','server':'one','seq':10,'message':{'channel':'/a'}}\n"
		     CHANNELS(9, OK_("/a")) CHANNELS(8, OK_("/b")));
	/* dropped while it waits: exact */
	subscribe(w, 1, "'channel':'/a'," EPOCH ",'seq':9,'more':true");
	talk(w, "/b", 2), talk(w, "/a", 1), talk(w, "/b", 3);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':8,'upstream':false,'channel':'/c'}"), 0);
	assert_got(w, 1, "reply8 expired1:10-10 reply9 /a13 ");
	heard(w, 3);
	world_drop(w);
}

/* Of a channel whose next message is dropped, and overwritten in the ring, the later ones are still found. */
static void test_dropped_while_it_waits(void **state)
{
	struct world *w = past_new();

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 60, 3600000}, WORLD_NOW);
	talk(w, "/a", 1), talk(w, "/x", 49), talk(w, "/a", 1), talk(w, "/x", 9);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':0,'more':true");
	talk(w, "/x", 4), talk(w, "/z", 1);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':8,'upstream':false,'channel':'/c'}"), 0);
	assert_got(w, 0, "reply8 expired1:1-1 /a51 reply9 ");
	world_drop(w);
}

/* Without a log each message is gone at once. */
static void test_no_log(void **state)
{
	struct world *w = past_new();

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){0}, WORLD_NOW);
	talk(w, "/a", 3);
	subscribe(w, 0, "'channel':'/a','history':3");
	assert_got(w, 0, "reply9 ");
	subscribe(w, 1, "'channel':'/a'," EPOCH ",'seq':1,'more':true");
	talk(w, "/a", 1), talk(w, "/b", 1);
	assert_int_equal(ask(w, 1, "{'op':'subscribe','id':8,'upstream':false,'channel':'/c'}"), 0);
	read_all(w, 1);
	assert_non_null(strstr(heard(w, 1), EXPIRED(3, 2, 4)));
	talk(w, "/a", 1);
	assert_got(w, 1, "/a6 ");
	world_drop(w);
}

/* "disconnect" prefers the end of the connection to a loss. */
static void test_expired_disconnects(void **state)
{
	struct world *w = past_new();

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){1 << 20, 4, 3600000}, WORLD_NOW);
	talk(w, "/a", 2);
	subscribe(w, 0, "'channel':'/a','overflow':'disconnect'," EPOCH ",'seq':0,'more':true");
	talk(w, "/b", 2);
	assert_false(w->members[0].outbox.overrun);
	talk(w, "/b", 1);
	assert_true(w->members[0].outbox.overrun);
	assert_false(hub_can_read(&w->members[0]));
	world_drop(w);
}

/* ---- ends ---- */

static void test_unsubscribe_while_reading(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2), talk(w, "/b", 1);
	subscribe(w, 0, "'channels':['/a','/b'],'history':5,'more':true");
	assert_int_equal(ask(w, 0, "{'op':'unsubscribe','id':2,'channel':'/a'}"), 0);
	assert_heard(w, 0, DONE(2));
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':3,'upstream':false,'channel':'/c'}"), 0);
	read_all(w, 0);
	const char *all = heard(w, 0);
	assert_null(strstr(all, "'seq':1,"));
	assert_non_null(strstr(all, "'seq':3,"));
	assert_non_null(strstr(all, "{'channel':'/a','error':" UNSUBSCRIBED "}"));
	world_drop(w);
}

static void test_refused_while_reading(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':9,'channel':'/a','history':5,'more':true}"), 0);
	confirm(w, "/a");
	refuse_a(w);
	assert_int_equal(w->members[0].n_subscriptions, 0);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':3,'channel':'/c','upstream':false}"), 0);
	assert_got(w, 0, "other reply3 error9 ");
	world_drop(w);
}

static void test_the_server_goes(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2);
	subscribe(w, 0, "'channel':'/a','history':5,'more':true");
	hub_remove_server(w->hub, w->servers[0]);
	assert_false(hub_can_read(&w->members[0]));
	assert_got(w, 0, "other error9 ");
	/* it comes again: positions go on, what was there is gone */
	assert_int_equal(hub_add_server(w->hub, SLICE("one"), true, &w->sessions[0], &w->servers[0]), 0);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':1");
	read_all(w, 0);
	assert_non_null(strstr(heard(w, 0), EXPIRED(1, 2, 2)));
	world_drop(w);
}

static void test_the_member_goes(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 400);
	subscribe(w, 0, "'channel':'/a','history':400");
	hub_read(&w->members[0]);
	heard(w, 0);
	hub_remove_member(w->hub, &w->members[0]);
	assert_false(hub_can_read(&w->members[0]));
	talk(w, "/a", 1);
	assert_heard(w, 0, "");
	world_drop(w);
}

static void test_immediate_stop(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 2);
	subscribe(w, 0, "'channel':'/a','history':5,'more':true");
	hub_end_requests(w->hub, SLICE("the daemon stops"));
	assert_got(w, 0, "reply9 ");
	world_drop(w);
}

static void test_another_session(void **state)
{
	struct world *w = past_new();
	struct session other;

	(void)state;
	session_double_init(&other);
	talk(w, "/a", 2);
	subscribe(w, 0, "'channel':'/a','history':5,'more':true");
	assert_int_equal(hub_set_session(w->hub, w->servers[0], &other), 0);
	go(w, false);
	heard(w, 0);
	assert_int_equal(ask(w, 0, "{'op':'subscribe','id':3,'channel':'/c','upstream':false}"), 0);
	assert_got(w, 0, "reply3 /a1 /a2 reply9 ");
	session_double_drop(&w->sessions[0]);
	world_drop(w);
	session_double_fini(&other);
}

/* ---- a slow reader ---- */

static void test_slow(void **state)
{
	struct world *w = past_new();
	struct member *m = &w->members[0];
	char large[900];

	(void)state;
	talk(w, "/a", 900);
	m->outbox.bytes_max = 10000;
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':0");
	for (unsigned seq = 1; seq <= 900;) {
		const char *text;
		char word[20];

		read_all(w, 0);
		assert_true(m->outbox.bytes <= 5000);
		assert_false(hub_is_crowded(w->servers[0]));
		for (text = got(w, 0); *text == '/'; text += strlen(word)) {
			snprintf(word, sizeof(word), "/a%u ", seq++);
			assert_memory_equal(text, word, strlen(word));
		}
		assert_string_equal(text, seq <= 900 ? "" : "reply9 ");
	}
	assert_int_equal(m->outbox.lost, 0);
	/* one message that is larger than half of it */
	m->outbox.bytes_max = 1500;
	memset(large, '1', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	say_message(w, 0, "/b", large);
	say_message(w, 0, "/b", large);
	subscribe(w, 0, "'channel':'/b','history':2");
	for (int i = 0; i < 2; i++) {
		read_all(w, 0);
		assert_true(strlen(heard(w, 0)) > sizeof(large));
	}
	assert_int_equal(m->outbox.lost, 0);
	world_drop(w);
}

/* What could not be encoded, or read, is reported in its place. */
static void test_lost_ones(void **state)
{
	struct world *w = past_new();
	struct session_event unreadable = {.kind = SESSION_EVENT_LOST, .loss = SESSION_LOSS_UNREADABLE};
	char large[1100];

	(void)state;
	talk(w, "/a", 1);
	memset(large, '1', sizeof(large));
	large[sizeof(large) - 1] = '\0';
	say_message(w, 0, "/a", large);
	hub_handle_event(w->hub, w->servers[0], &unreadable, WORLD_NOW, WORLD_UNIX_MS);
	unreadable.channel = SLICE("/b");
	hub_handle_event(w->hub, w->servers[0], &unreadable, WORLD_NOW, WORLD_UNIX_MS);
	talk(w, "/a", 1);
	subscribe(w, 0, "'channel':'/a'," EPOCH ",'seq':0");
	assert_got(w, 0, "/a1 lost1:2-2 lost1:3-3 /a5 reply9 ");
	world_drop(w);
}

/* A subscription with a filter gets what came because of it. */
static void test_filter(void **state)
{
	struct world *w = world_new();

	(void)state;
	go(w, true);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':1,'channel':'/a?b=c'}"), 0);
	talk(w, "/a", 2);
	assert_int_equal(ask(w, 3, "{'op':'subscribe','id':2,'channel':'/a'}"), 0);
	talk(w, "/a", 1);
	heard(w, 0);
	subscribe(w, 0, "'channel':'/a?b=c','history':5");
	assert_got(w, 0, "/a1 /a2 reply9 ");
	world_drop(w);
}

/* ---- cost ---- */

static uint64_t entries(struct world *w)
{
	struct hub_stats stats;

	hub_stats(w->hub, &stats);
	return stats.read_entries;
}

/* The last message of a channel is found without a look at the 100000 others, by 10000 members. */
static void test_the_last_of_many(void **state)
{
	struct world *w = past_new();
	uint64_t before;

	(void)state;
	hub_set_history(w->servers[0], &(struct hub_log_limits){100 << 20, 200000, 3600000}, WORLD_NOW);
	talk(w, "/rare/a", 1);
	for (int i = 0; i < 200; i++) {
		talk(w, "/often", 499), talk(w, "/other", 1);
		heard(w, 3);
	}
	before = entries(w);
	for (int i = 0; i < 10000; i++) {
		subscribe(w, 0, i % 2 ? "'channels':['/rare/a','/often','/none'],'history':1"
				      : "'channels':['/other','/often'],'history':1");
		assert_got(w, 0, i % 2 ? "/rare/a1 /often100000 reply9 " : "/often100000 /other100001 reply9 ");
		hub_remove_member(w->hub, &w->members[0]);
		assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
	}
	assert_true(entries(w) - before <= 10000 * 4);
	/* a pattern looks at all messages once, however many patterns there are */
	before = entries(w);
	subscribe(w, 0, "'channels':['/rare/*','/rare/**','/x/*','/y/*'],'history':1");
	assert_int_equal(entries(w) - before, 100001);
	assert_got(w, 0, "/rare/a1 reply9 ");
	world_drop(w);
}

/* ---- memory ---- */

static void test_no_memory(void **state)
{
	struct world *w = past_new();

	(void)state;
	talk(w, "/a", 5);
	FAIL_EACH_ALLOCATION {
		int r = ask(w, 0, "{'op':'subscribe','id':9,'channels':['/a','/b'],'history':2,'upstream':false}");
		const char *text;

		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(w->members[0].n_subscriptions, r == 0 ? 2 : 0);
		assert_int_equal(list_empty(&w->members[0].readers), r != 0);
		read_all(w, 0);
		assert_true(list_empty(&w->members[0].readers));
		(void)testing_allocation_failed();
		text = got(w, 0);
		assert_true(w->members[0].outbox.overrun || strstr(text, "reply9 ") || strstr(text, "error9 "));
		if (r == 0 && !w->members[0].outbox.overrun)
			assert_memory_equal(text, strstr(text, "lost") ? "lost2:4-5 " : "/a4 ", 4);
		w->members[0].outbox.overrun = false;
		hub_remove_member(w->hub, &w->members[0]);
		assert_int_equal(hub_add_member(w->hub, &w->members[0]), 0);
	}
	world_drop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history), cmocka_unit_test(test_history_numbers),
		cmocka_unit_test(test_history), cmocka_unit_test(test_time),
		cmocka_unit_test(test_the_reply_waits), cmocka_unit_test(test_position),
		cmocka_unit_test(test_gaps), cmocka_unit_test(test_covered_until_accepted),
		cmocka_unit_test(test_odd_epochs),
		cmocka_unit_test(test_before_the_beginning), cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_what_was_received_is_left_out), cmocka_unit_test(test_further_back),
		cmocka_unit_test(test_a_live_one_while_reading), cmocka_unit_test(test_more),
		cmocka_unit_test(test_expired_in_its_place),
		cmocka_unit_test(test_dropped_while_it_waits), cmocka_unit_test(test_no_log), cmocka_unit_test(test_expired_disconnects),
		cmocka_unit_test(test_unsubscribe_while_reading), cmocka_unit_test(test_refused_while_reading),
		cmocka_unit_test(test_the_server_goes), cmocka_unit_test(test_the_member_goes),
		cmocka_unit_test(test_immediate_stop), cmocka_unit_test(test_another_session),
		cmocka_unit_test(test_slow), cmocka_unit_test(test_lost_ones), cmocka_unit_test(test_filter),
		cmocka_unit_test(test_the_last_of_many), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
