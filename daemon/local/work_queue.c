/*
 * Owns the order in which waiting work is done, and the time that it may take
 * in one turn. Invariants: a turn ends its work with the first step that uses
 * up WORK_TURN_US; of the heavy items, none is visited twice before another is
 * visited once; and these get half of a turn at least, in a turn that they do not
 * pause in. While light items are served, they get an eleventh of the time.
 */
#include "local/work_queue.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* a larger debt is cut to this, so that paying it takes a bounded number of rounds */
#define DEBT_MAX_US 5000
/* each step costs at least this, though the clock has not moved */
#define STEP_MIN_US 1
/* how many visits the average of their cost is taken of, more or less */
#define WEIGHED_VISITS 16
/* A small request may seem to cost so much now and then: interrupts, page faults and cold caches count as well.
   The average counts no visit as more, and a light item does not owe it. */
#define SPIKE_US 400
/* A new item is light, and its first costly visit makes it heavy. */
#define NEW_WEIGHT (WORK_LIGHT_US * WEIGHED_VISITS * 3 / 4)
/* heavy items pause for so many times as long as they worked, if a light item was served in the last so
   many microseconds: sending what they requested and its answers cost several times as much, and are not
   measured here */
#define PAUSE_TIMES 10
#define LIGHT_US 100000

struct work_queue {
	struct loop *loop;
	struct loop_timer *timer;
	struct list light;              /* busy light items that owe nothing */
	struct list heavy;              /* all others that are busy or in debt */
	size_t n_busy;
	uint64_t clock;                 /* clock_work_us() when the last visit ended */
	struct list recent;             /* light items, the one that was served last first */
	uint64_t pause_until;           /* by clock_mono_us() */
	int64_t heavy_us;               /* what heavy items used in this turn */
	struct work_item *served;       /* whose functions run; NULL: cancelled meanwhile */
};

static void set_busy(struct work_queue *q, struct work_item *item, bool busy)
{
	if (item->busy == busy)
		return;
	item->busy = busy;
	q->n_busy += busy ? 1 : (size_t)-1;
}

static void move_to_end(struct work_queue *q, struct work_item *item)
{
	list_remove(&item->link);
	list_append(&q->heavy, &item->link);
}

/* how many microseconds the heavy items pause from `now` on */
static uint64_t pause_left(const struct work_queue *q, uint64_t now)
{
	struct work_item *light = LIST_FIRST(&q->recent, struct work_item, recent);
	uint64_t light_until = light ? light->light_at + LIGHT_US : 0;
	uint64_t end = q->pause_until < light_until ? q->pause_until : light_until;

	return end > now ? end - now : 0;
}

/* The heavy items pause for the sake of this one. */
static void note_light(struct work_queue *q, struct work_item *item)
{
	list_remove(&item->recent);
	list_prepend(&q->recent, &item->recent);
	item->light_at = clock_mono_us();
	loop_note_small_request(q->loop);
}

/* No heavy item pauses any longer because of this one, but possibly because of another. */
static void stop_being_light(struct work_item *item)
{
	list_remove(&item->recent);
}

/* What the item owes for a visit. */
static int64_t charge(const struct work_item *item, int64_t cost)
{
	if (item->heavy)
		return cost;
	return cost > SPIKE_US ? cost - SPIKE_US : 0;
}

/* Whether the item is heavy after this visit. Heavy ones pause, but none for its own requests when it was
   light itself. */
static void weigh(struct work_queue *q, struct work_item *item, int64_t cost, bool more)
{
	bool was_heavy = item->heavy;

	item->weight += (cost < SPIKE_US ? cost : SPIKE_US) - item->weight / WEIGHED_VISITS;
	item->heavy = more || item->weight >= WORK_LIGHT_US * WEIGHED_VISITS;
	if (item->heavy || was_heavy)
		q->heavy_us += cost < DEBT_MAX_US ? cost : DEBT_MAX_US;
	if (item->heavy)
		stop_being_light(item);
	else if (!item->resumed)
		note_light(q, item);
	item->resumed = more && item->resumed;
}

static int64_t cost_of(uint64_t us, size_t steps, size_t bytes)
{
	return (int64_t)us + (int64_t)steps * STEP_MIN_US +
	       (int64_t)(bytes / 1024) * WORK_US_PER_KIB;
}

/*
 * Does steps of this item while it has credit and the turn has `left`; returns what they cost. With the cheap
 * clock a step seems to cost more when another process had the processor meanwhile, so the other one decides: an
 * item whose visit ends too early would count as heavy.
 */
static int64_t serve(struct work_queue *q, struct work_item *item, int64_t left)
{
	int64_t limit = item->credit < left ? item->credit : left, cost;
	uint64_t begin = clock_mono_us(), before = q->clock;
	size_t steps = 0, bytes = 0;
	bool more;

	q->served = item;
	do {
		do {
			size_t n = 0;

			more = item->functions->step(item->ctx, &n);
			steps++;
			bytes += n;
		} while (more && q->served && cost_of(clock_mono_us() - begin, steps, bytes) < limit);
		q->clock = clock_work_us();
		cost = cost_of(q->clock - before, steps, bytes);
	} while (more && q->served && cost < limit);
	if (!q->served)
		return cost;
	weigh(q, item, cost, more);
	item->credit -= charge(item, cost);
	if (item->credit < -DEBT_MAX_US)
		item->credit = -DEBT_MAX_US;
	if (!more)
		set_busy(q, item, false);
	if (item->credit <= 0)
		move_to_end(q, item);
	else if (!more)
		list_remove(&item->link);
	/* else the turn is over: it stays first and continues in the next turn */
	item->functions->rest(item->ctx);
	q->served = NULL;
	return cost;
}

/* NULL: all that are busy pause */
static struct work_item *next_item(struct work_queue *q, int64_t left, bool pausing)
{
	bool light_first = pausing || left > WORK_TURN_US / 2 || list_empty(&q->heavy);

	if (light_first && !list_empty(&q->light))
		return LIST_FIRST(&q->light, struct work_item, link);
	return pausing ? NULL : LIST_FIRST(&q->heavy, struct work_item, link);
}

/* Serves the item, or grants it a share when it is in debt. Returns what was spent. */
static int64_t visit(struct work_queue *q, struct work_item *item, int64_t left)
{
	if (item->credit <= 0) {
		item->credit += WORK_QUANTUM_US;
		move_to_end(q, item);
		return 0;
	}
	if (!item->busy) {
		/* its debt is paid */
		list_remove(&item->link);
		return 0;
	}
	return serve(q, item, left);
}

/* A timer set by a timer fires in the next turn, which then does not wait. */
static void set_timer(struct work_queue *q)
{
	uint64_t at = loop_now(q->loop);

	if (list_empty(&q->light))
		at += (pause_left(q, clock_mono_us()) + 999) / 1000;
	loop_timer_at(q->timer, q->n_busy > 0 ? at : UINT64_MAX);
}

static void on_timer(void *ctx)
{
	struct work_queue *q = ctx;
	int64_t left = WORK_TURN_US;
	bool pausing = pause_left(q, clock_mono_us()) > 0;
	struct work_item *item;

	q->clock = clock_work_us();
	q->heavy_us = 0;
	while (q->n_busy > 0 && left > 0 && (item = next_item(q, left, pausing)))
		left -= visit(q, item, left);
	if (q->heavy_us > 0)
		q->pause_until = clock_mono_us() + (uint64_t)q->heavy_us * PAUSE_TIMES;
	set_timer(q);
}

int work_queue_new(struct loop *loop, struct work_queue **ret)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	list_init(&q->light);
	list_init(&q->heavy);
	list_init(&q->recent);
	if (loop_timer_new(loop, on_timer, q, &q->timer)) {
		free(q);
		return -ENOMEM;
	}
	*ret = q;
	return 0;
}

void work_queue_free(struct work_queue *q)
{
	if (!q)
		return;
	assert(list_empty(&q->light) && list_empty(&q->heavy) && list_empty(&q->recent));
	loop_timer_free(q->timer);
	free(q);
}

struct loop *work_queue_loop(const struct work_queue *q)
{
	return q->loop;
}

void work_item_init(struct work_item *item, const struct work_functions *functions, void *ctx)
{
	*item = (struct work_item){.functions = functions, .ctx = ctx, .weight = NEW_WEIGHT};
	list_init(&item->link);
	list_init(&item->recent);
}

static void add_to(struct work_queue *q, struct list *list, struct work_item *item)
{
	if (item->busy)
		return;
	set_busy(q, item, true);
	if (!list_linked(&item->link)) {
		item->credit = WORK_QUANTUM_US;
		list_append(list, &item->link);
	}
	if (list == &q->light || q->n_busy == 1)
		set_timer(q);
}

void work_queue_add(struct work_queue *q, struct work_item *item)
{
	add_to(q, item->heavy ? &q->heavy : &q->light, item);
}

void work_queue_resume(struct work_queue *q, struct work_item *item)
{
	/* it would wait for itself */
	stop_being_light(item);
	item->resumed = true;
	add_to(q, &q->heavy, item);
}

void work_queue_cancel(struct work_queue *q, struct work_item *item)
{
	set_busy(q, item, false);
	list_remove(&item->link);
	stop_being_light(item);
	if (q->served == item)
		q->served = NULL;
}

bool work_queue_delays(const struct work_queue *q, const struct work_item *item)
{
	return item->busy && q->served != item;
}
