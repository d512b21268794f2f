/*
 * A random world: members with overlapping patterns subscribe, ask for the past, go and
 * come back at the position where they were, read slowly or not at all; messages are
 * dropped from the log. For each member, what it received and what was reported as lost
 * is what was sent for it, each once and in order.
 */
#include "bayeux/channel.h"
#include "tests/unit/hub_talk.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 3u
#define MESSAGES 400u
#define PATTERNS 6u

static const char *const patterns[PATTERNS] = {"/a", "/b", "/c/d", "/c/*", "/*", "/**"};
static const char *const channels[] = {"/a", "/b", "/c/d", "/c/e", "/f/g/h"};

/* what a member must have got since its position */
struct model {
	bool holds[PATTERNS];
	bool resumes;                   /* all its subscriptions were made with one position: in order */
	uint64_t position;              /* the last seq that it received, or that was reported as lost */
	bool due[MESSAGES + 1];         /* sent for it */
	bool got[MESSAGES + 1];
	uint64_t lost, n_due, n_got;
	unsigned next_id;
};

struct sim {
	struct world *w;
	struct model models[MEMBERS];
	const char *sent[MESSAGES + 1];  /* channel by seq */
	uint64_t seq;
	unsigned seed;
};

static unsigned pick(struct sim *s, unsigned n)
{
	s->seed = s->seed * 1103515245u + 12345u;
	return (s->seed >> 16) % n;
}

static bool is_due(const struct model *m, const char *channel)
{
	for (unsigned i = 0; i < PATTERNS; i++)
		if (m->holds[i] && channel_matches(slice_of(patterns[i]), slice_of(channel)))
			return true;
	return false;
}

static void send_one(struct sim *s)
{
	const char *channel = channels[pick(s, 5)];
	char text[64];

	if (s->seq == MESSAGES)
		return;
	s->sent[++s->seq] = channel;
	snprintf(text, sizeof(text), "{'channel':'%s'}", channel);
	say_message(s->w, 0, channel, text);
	for (unsigned i = 0; i < MEMBERS; i++)
		if (is_due(&s->models[i], channel) && !s->models[i].due[s->seq]) {
			s->models[i].due[s->seq] = true;
			s->models[i].n_due++;
		}
}

static void take_line(struct model *m, const char *line)
{
	const char *seq = strstr(line, "'seq':"), *lost = strstr(line, "'count':");
	unsigned long long count, first, last;

	if (strncmp(line, "{'op':'message'", 15) == 0) {
		uint64_t n = strtoull(seq + 6, NULL, 10);

		assert_true(m->due[n]);
		assert_false(m->got[n]);
		if (m->resumes)
			assert_true(n > m->position);
		m->got[n] = true;
		m->n_got++;
		m->position = n > m->position ? n : m->position;
	} else if (lost) {
		assert_int_equal(sscanf(lost, "'count':%llu,'first':%llu,'last':%llu", &count, &first, &last), 3);
		if (m->resumes && count)
			assert_true(first > m->position);
		m->lost += count;
		m->position = last > m->position ? last : m->position;
	}
}

static void take(struct sim *s, unsigned i)
{
	char *line, *rest = (char *)heard(s->w, i);

	while ((line = strsep(&rest, "\n")) && *line)
		take_line(&s->models[i], line);
}

static void read_some(struct sim *s, unsigned i, bool all)
{
	do {
		if (hub_can_read(&s->w->members[i]))
			hub_read(&s->w->members[i]);
		if (all || pick(s, 2))
			take(s, i);
	} while (all && hub_can_read(&s->w->members[i]));
}

static void subscribe(struct sim *s, unsigned i, unsigned pattern, const char *rest)
{
	char text[300];

	snprintf(text, sizeof(text), "{'op':'subscribe','id':%u,'channel':'%s','upstream':false%s}",
		 ++s->models[i].next_id, patterns[pattern], rest);
	assert_int_equal(ask(s->w, i, text), 0);
}

/* A member that resumes: all that is after its position is due again for the patterns that it holds now. */
static void come_back(struct sim *s, unsigned i, bool from_the_start)
{
	struct model *m = &s->models[i];
	struct hub_position p;
	char rest[100];
	unsigned first = pick(s, PATTERNS), n = 1 + pick(s, 3);
	uint64_t position = from_the_start ? 0 : m->position;

	heard(s->w, i);
	s->w->members[i].outbox.overrun = false;
	hub_remove_member(s->w->hub, &s->w->members[i]);
	assert_int_equal(hub_add_member(s->w->hub, &s->w->members[i]), 0);
	hub_server_position(s->w->servers[0], &p);
	*m = (struct model){.resumes = true, .position = position};
	/* what is gone already would be counted without regard to channels */
	if (position + 1 < p.first)
		position = m->position = p.first - 1;
	for (unsigned k = 0; k < n; k++) {
		unsigned pattern = (first + k) % PATTERNS;

		m->holds[pattern] = true;
		snprintf(rest, sizeof(rest), ",'epoch':'0000000000000001','seq':%llu%s",
			 (unsigned long long)position, k + 1 < n ? ",'more':true" : "");
		subscribe(s, i, pattern, rest);
		/* messages may come between the requests */
		if (pick(s, 3) == 0)
			send_one(s);
	}
	for (uint64_t seq = position + 1; seq <= s->seq; seq++)
		if (is_due(m, s->sent[seq]) && !m->due[seq]) {
			m->due[seq] = true;
			m->n_due++;
		}
}

/* One more pattern, whose past is due except for what was due already; the order is not the same any more. */
static void ask_more(struct sim *s, unsigned i)
{
	struct model *m = &s->models[i];
	unsigned pattern = pick(s, PATTERNS);
	struct hub_position p;
	char rest[100];

	/* more requests may not wait for the past */
	if (m->holds[pattern] || s->w->members[i].requests.n == 4)
		return;
	hub_server_position(s->w->servers[0], &p);
	uint64_t from = p.first + pick(s, (unsigned)(s->seq + 2 - p.first));

	m->holds[pattern] = true;
	m->resumes = false;
	if (pick(s, 2)) {
		snprintf(rest, sizeof(rest), ",'epoch':'0000000000000001','seq':%llu", (unsigned long long)from - 1);
	} else {
		unsigned n = 1 + pick(s, 20);

		from = s->seq + 1;
		for (uint64_t seq = s->seq; n > 0 && seq >= p.first; seq--)
			if (channel_matches(slice_of(patterns[pattern]), slice_of(s->sent[seq]))) {
				from = seq;
				n--;
			}
		n = 0;
		for (uint64_t seq = from; seq <= s->seq; seq++)
			n += channel_matches(slice_of(patterns[pattern]), slice_of(s->sent[seq]));
		snprintf(rest, sizeof(rest), ",'history':%u", n);
	}
	subscribe(s, i, pattern, rest);
	for (uint64_t seq = from; seq <= s->seq; seq++)
		if (channel_matches(slice_of(patterns[pattern]), slice_of(s->sent[seq])) && !m->due[seq]) {
			m->due[seq] = true;
			m->n_due++;
		}
}

static void step(struct sim *s, bool evict)
{
	unsigned i = pick(s, MEMBERS);

	switch (pick(s, 40)) {
	case 0:
		come_back(s, i, pick(s, 2));
		break;
	case 1:
		ask_more(s, i);
		break;
	case 2:
		if (evict)
			hub_set_history(s->w->servers[0],
					&(struct hub_log_limits){1 << 20, 20 + pick(s, 80), 3600000}, WORLD_NOW);
		break;
	case 3:
		s->w->members[i].outbox.bytes_max = 400 + pick(s, 4000);
		break;
	default:
		if (pick(s, 2))
			send_one(s);
		else
			read_some(s, i, false);
		break;
	}
}

static void run(unsigned seed, bool evict)
{
	struct sim s = {.w = world_new(), .seed = seed};

	/* it keeps everything in the log */
	assert_int_equal(ask(s.w, 3, "{'op':'subscribe','id':1,'channel':'/**','upstream':false}"), 0);
	for (unsigned i = 0; i < MEMBERS; i++)
		come_back(&s, i, true);
	for (unsigned n = 0; n < 2000; n++)
		step(&s, evict);
	heard(s.w, 3);
	for (unsigned i = 0; i < MEMBERS; i++) {
		struct model *m = &s.models[i];

		read_some(&s, i, true);
		assert_true(list_empty(&s.w->members[i].readers));
		take(&s, i);
		if (m->n_got + m->lost != m->n_due)
			fail_msg("seed %u, member %u: %llu received, %llu lost, %llu sent", seed, i,
				 (unsigned long long)m->n_got, (unsigned long long)m->lost,
				 (unsigned long long)m->n_due);
	}
	world_drop(s.w);
}

/* $PAST_RUNS, or 150 */
static unsigned runs(void)
{
	const char *value = getenv("PAST_RUNS");

	return value ? (unsigned)strtoul(value, NULL, 10) : 150;
}

static void test_nothing_expires(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= runs(); seed++)
		run(seed, false);
}

static void test_messages_expire(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= runs(); seed++)
		run(seed * 7919, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_expires),
		cmocka_unit_test(test_messages_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
