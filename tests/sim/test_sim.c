/*
 * Plays scripts drawn by lot (see world.h), each in a process of its own. A script that fails is made shorter as
 * long as it fails, and printed in a form that can be played again:
 *
 *     SIM_SCRIPT='7 s0.1+20 p0.1+5 c0.30+9' tests/sim/test_sim
 *
 * SIM_FAULTS=n plays until n faults have happened (20,000), SIM_SEED=n begins with that seed. SIM_SHORTEN=0 leaves
 * the script as it is.
 */
#include "tests/sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAULTS 20000

/* ---- scripts ---- */

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
}

/* of 1000; the first one is in each script */
static const struct {
	enum world_action_kind kind;
	unsigned weight, n;
} lots[] = {
	{WORLD_PUBLISH, 560, 8}, {WORLD_SUBSCRIBE, 140, 8}, {WORLD_CUT, 90, 600}, {WORLD_READ, 50, 400},
	{WORLD_SEND, 80, 1}, {WORLD_END, 15, 1}, {WORLD_RESTART, 6, 1}, {WORLD_EXPIRE, 10, 1}, {WORLD_KICK, 5, 1},
	{WORLD_CLOSE, 20, 1}, {WORLD_WEBSOCKET, 6, 1}, {WORLD_TROUBLE, 18, 200},
};
#define LOTS (sizeof(lots) / sizeof(lots[0]))

/* `kinds`: a bit for each of the lots that the script has. */
static struct world_action draw_action(uint64_t *state, unsigned kinds)
{
	unsigned lot = (unsigned)draw(state, 1000), i = 0;
	struct world_action a;

	while (lot >= lots[i].weight)
		lot -= lots[i++].weight;
	if (!(kinds & 1u << i))
		i = 0;
	a = (struct world_action){
		.kind = (char)lots[i].kind, .program = (unsigned char)draw(state, WORLD_PROGRAMS),
		.n = (unsigned short)draw(state, lots[i].n),
		/* mostly one after the other */
		.pause = (unsigned short)draw(state, draw(state, 20) ? 100 : 12000),
	};
	/* a reader that is slow for ever has nothing to say, and one trouble ends for another */
	if (a.kind == WORLD_READ && draw(state, 2))
		a.n = 255;
	if (a.kind == WORLD_TROUBLE && draw(state, 2))
		a.n = 0;
	return a;
}

static void draw_script(uint64_t seed, struct world_script *s)
{
	uint64_t state = seed * 2654435769u + 88172645463325252u;
	/* not all kinds: after an interruption of a kind that is always reported, nothing can be missing unnoticed */
	unsigned kinds = 1 | (unsigned)draw(&state, 1u << LOTS);

	s->seed = seed;
	s->n = WORLD_ACTIONS;
	/* each begins with something subscribed */
	for (size_t i = 0; i < s->n; i++)
		s->actions[i] = i < WORLD_PROGRAMS ? (struct world_action){.kind = WORLD_SUBSCRIBE,
					.program = (unsigned char)i} : draw_action(&state, kinds);
}

static void print_script(const struct world_script *s)
{
	printf("SIM_SCRIPT='%" PRIu64, s->seed);
	for (size_t i = 0; i < s->n; i++)
		printf(" %c%u.%u+%u", s->actions[i].kind, s->actions[i].program, s->actions[i].n, s->actions[i].pause);
	printf("'\n");
}

static int read_script(const char *text, struct world_script *s)
{
	int n = 0;

	*s = (struct world_script){.n = 0};
	if (sscanf(text, "%" SCNu64 "%n", &s->seed, &n) != 1)
		return -1;
	for (text += n; s->n < WORLD_ACTIONS; text += n) {
		unsigned program, value, pause;
		char kind;

		if (sscanf(text, " %c%u.%u+%u%n", &kind, &program, &value, &pause, &n) != 4)
			return text[strspn(text, " \n")] ? -1 : 0;
		s->actions[s->n++] = (struct world_action){kind, (unsigned char)program, (unsigned short)value,
							   (unsigned short)pause};
	}
	return 0;
}

/* ---- playing ---- */

/* Whether what is promised holds. */
static bool play(const struct world_script *s, struct world_counts *counts, bool quiet)
{
	int status;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (quiet && !freopen("/dev/null", "w", stderr))
			_Exit(2);
		world_play(s, counts);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("test_sim");
		exit(1);
	}
	return status == 0;
}

/* Takes out parts of the script, smaller and smaller ones, as long as it fails without them. */
static void shorten(struct world_script *s, struct world_counts *counts)
{
	for (size_t part = s->n / 2; part > 0; part /= 2)
		for (size_t at = 0; at < s->n;) {
			struct world_script less = *s;
			size_t end = at + part < s->n ? at + part : s->n;

			memmove(&less.actions[at], &less.actions[end], (s->n - end) * sizeof(s->actions[0]));
			less.n -= end - at;
			if (play(&less, counts, true))
				at = end;
			else
				*s = less;
		}
}

static uint64_t environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value ? strtoull(value, NULL, 10) : otherwise;
}

static int report_failure(struct world_script *s, struct world_counts *counts)
{
	printf("the script of seed %" PRIu64 " fails; the shortest part of it that does:\n", s->seed);
	if (environment("SIM_SHORTEN", 1))
		shorten(s, counts);
	print_script(s);
	play(s, counts, false);
	return 1;
}

int main(void)
{
	struct world_counts *counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
					   -1, 0);
	uint64_t faults = environment("SIM_FAULTS", FAULTS), seed = environment("SIM_SEED", 1);
	const char *text = getenv("SIM_SCRIPT");
	struct world_script script;

	if (counts == MAP_FAILED)
		return 1;
	if (text)
		return read_script(text, &script) ? (fprintf(stderr, "not a script\n"), 1)
						  : !play(&script, counts, false);
	while (counts->faults < faults) {
		draw_script(seed++, &script);
		if (!play(&script, counts, false))
			return report_failure(&script, counts);
	}
	printf("%" PRIu64 " runs, %" PRIu64 " faults, %" PRIu64 " messages sent, %" PRIu64 " received, %" PRIu64
	       " lost and reported, %" PRIu64 " gaps reported: nothing lost without a report, nothing twice\n",
	       counts->runs, counts->faults, counts->messages, counts->received, counts->lost, counts->gaps);
	return 0;
}
