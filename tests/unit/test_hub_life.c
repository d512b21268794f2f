/*
 * hub, with random operations in any order: the session wants exactly the patterns that
 * have a holder, each member gets exactly what it subscribed, once, and each request has
 * exactly one reply. A simple model computes the expected results.
 */
#include "tests/unit/hub_world.h"

#include "bayeux/channel.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 4
#define PATTERNS 8
#define REQUESTS 20000

static const char *const patterns[PATTERNS] = {
	"/a", "/a/b", "/a/*", "/a/**", "/**", "/b/c", "/service/s", "/service/*",
};
static const char *const channels[] = {"/a", "/a/b", "/a/b/c", "/b/c", "/b", "/service/s"};
#define CHANNELS_N (sizeof(channels) / sizeof(channels[0]))

enum hold { NOT, LISTENS, WANTS };

struct life {
	struct world w;
	enum hold held[MEMBERS][PATTERNS];
	unsigned replies[REQUESTS];     /* by request id */
	bool orphan[REQUESTS];          /* its member left */
	unsigned asker[REQUESTS];
	uint64_t cookie[REQUESTS];      /* of a publish still under way */
	unsigned n;                     /* ids given out */
	bool heard[MEMBERS];            /* the message in hand */
};

static unsigned seed;

static unsigned chance(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return seed / 65536u % n;
}

/* Reads the frames of a member: counts replies, and messages with this seq. */
static void listen_in(struct life *l, unsigned m, uint64_t seq)
{
	char expected[80], *line, *rest = (char *)heard(&l->w, m);
	unsigned id, messages = 0;

	snprintf(expected, sizeof(expected), "{'op':'message','server':'one','seq':%llu,",
		 (unsigned long long)seq);
	while ((line = strsep(&rest, "\n")) && *line) {
		if (sscanf(line, "{'op':'reply','id':%u,", &id) == 1) {
			assert_true(id < l->n && l->asker[id] == m && !l->orphan[id]);
			l->replies[id]++;
		} else if (strncmp(line, "{'op':'message'", 15) == 0) {
			assert_int_equal(strncmp(line, expected, strlen(expected)), 0);
			messages++;
		}
	}
	assert_int_equal(messages, l->heard[m]);
	l->heard[m] = false;
}

static void check(struct life *l, uint64_t seq)
{
	for (unsigned m = 0; m < MEMBERS; m++)
		listen_in(l, m, seq);
	for (unsigned p = 0; p < PATTERNS; p++) {
		bool wanted = false;

		for (unsigned m = 0; m < MEMBERS; m++)
			wanted = wanted || l->held[m][p] == WANTS;
		assert_int_equal(session_double_wants(&l->w.sessions[0], patterns[p]), wanted);
	}
	for (unsigned m = 0; m < MEMBERS; m++) {
		unsigned n = 0;

		for (unsigned p = 0; p < PATTERNS; p++)
			n += l->held[m][p] != NOT;
		assert_int_equal(l->w.members[m].n_subscriptions, n);
	}
}

static unsigned new_id(struct life *l, unsigned m)
{
	assert_true(l->n < REQUESTS);
	l->asker[l->n] = m;
	return l->n++;
}

static void subscribe(struct life *l, unsigned m)
{
	unsigned a = chance(PATTERNS), b = chance(PATTERNS);
	bool upstream = chance(3);
	char json[200];

	snprintf(json, sizeof(json),
		 "{'op':'subscribe','id':%u,'channels':['%s','%s'],'upstream':%s}", new_id(l, m),
		 patterns[a], patterns[b], upstream ? "true" : "false");
	assert_int_equal(ask(&l->w, m, json), 0);
	l->held[m][a] = upstream && a < 6 ? WANTS : LISTENS;
	l->held[m][b] = upstream && b < 6 ? WANTS : LISTENS;
}

static void unsubscribe(struct life *l, unsigned m)
{
	unsigned p = chance(PATTERNS);
	char json[100];

	snprintf(json, sizeof(json), "{'op':'unsubscribe','id':%u,'channel':'%s'}", new_id(l, m),
		 patterns[p]);
	assert_int_equal(ask(&l->w, m, json), 0);
	l->held[m][p] = NOT;
}

static void publish(struct life *l, unsigned m)
{
	unsigned id = new_id(l, m);
	char json[100];

	snprintf(json, sizeof(json), "{'op':'publish','id':%u,'channel':'/x','data':1}", id);
	assert_int_equal(ask(&l->w, m, json), 0);
	l->cookie[id] = l->w.sessions[0].cookie;
}

/* the outcome of a publish asked for lately, if it is still to come */
static void outcome(struct life *l, unsigned id)
{
	if (!l->cookie[id])
		return;
	say_outcome(&l->w, 0, l->cookie[id], chance(2) ? SESSION_OK : SESSION_OUTCOME_UNKNOWN, NULL,
		    NULL);
	l->cookie[id] = 0;
}

static void server_decides(struct life *l)
{
	static const enum session_channel_status decisions[] = {
		SESSION_CHANNEL_ACTIVE, SESSION_CHANNEL_ACTIVE, SESSION_CHANNEL_REFUSED,
		SESSION_CHANNEL_PENDING,
	};
	enum session_channel_status status = decisions[chance(4)];
	unsigned p = chance(PATTERNS);

	if (!session_double_wants(&l->w.sessions[0], patterns[p]))
		return;
	say_channel(&l->w, 0, patterns[p], status, NULL, "so it is");
	if (status != SESSION_CHANNEL_REFUSED)
		return;
	for (unsigned m = 0; m < MEMBERS; m++)
		if (l->held[m][p] == WANTS)
			l->held[m][p] = NOT;
}

static void message(struct life *l)
{
	const char *channel = channels[chance(CHANNELS_N)];

	for (unsigned m = 0; m < MEMBERS; m++)
		for (unsigned p = 0; p < PATTERNS; p++)
			if (l->held[m][p] != NOT &&
			    channel_matches(slice_of(patterns[p]), slice_of(channel)))
				l->heard[m] = true;
	say_message(&l->w, 0, channel, "{}");
}

static void remove_and_add_again(struct life *l, unsigned m)
{
	hub_remove_member(l->w.hub, &l->w.members[m]);
	for (unsigned id = 0; id < l->n; id++)
		if (l->asker[id] == m && l->replies[id] == 0)
			l->orphan[id] = true;
	memset(l->held[m], 0, sizeof(l->held[m]));
	assert_int_equal(hub_add_member(l->w.hub, &l->w.members[m]), 0);
}

/* The server has another session, and then again the first, which knows nothing any more. */
static void exchange(struct life *l)
{
	struct session *first = &l->w.sessions[0], other;
	bool up = first->up;

	session_double_init(&other);
	other.up = up;
	assert_int_equal(hub_set_session(l->w.hub, l->w.servers[0], &other), 0);
	session_double_drop(first);
	session_double_init(first);
	first->up = up;
	assert_int_equal(hub_set_session(l->w.hub, l->w.servers[0], first), 0);
	session_double_drop(&other);
	/* each publish that waited has its reply */
	memset(l->cookie, 0, sizeof(l->cookie));
}

static void step(struct life *l)
{
	unsigned m = chance(MEMBERS);
	bool room = l->w.members[m].requests.n < 4;

	switch (chance(10)) {
	case 0:
	case 1:
		if (room)
			subscribe(l, m);
		break;
	case 2:
		unsubscribe(l, m);
		break;
	case 3:
		if (room)
			publish(l, m);
		break;
	case 4:
		if (l->n > 0)
			outcome(l, l->n - 1 - chance(l->n < 20 ? l->n : 20));
		break;
	case 5:
		if (chance(4) == 0)
			say_state(&l->w, 0, chance(2));
		break;
	case 6:
		if (chance(8) == 0)
			remove_and_add_again(l, m);
		break;
	case 7:
		message(l);
		break;
	case 8:
		if (chance(8) == 0)
			exchange(l);
		break;
	default:
		server_decides(l);
	}
}

static void live(unsigned with_seed)
{
	struct life *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	world_init(&l->w);
	seed = with_seed;
	for (unsigned i = 0; i < 4000; i++) {
		step(l);
		check(l, hub_server_seq(l->w.servers[0]));
	}
	/* now all who wait are answered */
	say_state(&l->w, 0, false);
	for (unsigned id = 0; id < l->n; id++)
		outcome(l, id);
	check(l, 0);
	for (unsigned id = 0; id < l->n; id++)
		assert_int_equal(l->replies[id], !l->orphan[id]);
	world_fini(&l->w);
	free(l);
}

static void test_random_runs(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 10; i++)
		live(i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
