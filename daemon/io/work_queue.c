/*
 * Owns the order in which waiting work is done, and the time that it may take
 * in one turn. Invariants: a turn ends its work with the first step that uses
 * up WORK_TURN_US; of the items that always have work, none is visited twice
 * before another is visited once; and these get at least half of the turn.
 */
#include "io/work_queue.h"

#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* a larger debt is cut to this, so that paying it takes a bounded number of rounds */
#define DEBT_MAX_US 5000
/* each step costs at least this, though the clock has not moved */
#define STEP_MIN_US 1

struct work_queue {
	struct loop *loop;
	struct loop_timer *timer;
	struct list fresh;              /* were idle, and have not been served since */
	struct list waiting;            /* all others that are busy or in debt */
	size_t n_busy;
	uint64_t clock;                 /* clock_work_us() when the last visit ended */
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
	list_append(&q->waiting, &item->link);
}

static int64_t cost_of(uint64_t us, size_t steps, size_t bytes)
{
	return (int64_t)us + (int64_t)steps * STEP_MIN_US +
	       (int64_t)(bytes / 1024) * WORK_US_PER_KIB;
}

/*
 * Does steps of this item while it has credit and the turn has `left`; returns what they cost. With the cheap
 * clock a step seems to cost more when another process had the processor meanwhile: that may end a visit
 * early, but creates no debt.
 */
static int64_t serve(struct work_queue *q, struct work_item *item, int64_t left)
{
	int64_t limit = item->credit < left ? item->credit : left;
	uint64_t begin = clock_mono_us(), before = q->clock;
	size_t steps = 0, bytes = 0;
	bool more;

	q->served = item;
	do {
		size_t n = 0;

		more = item->functions->step(item->ctx, &n);
		steps++;
		bytes += n;
	} while (more && q->served && cost_of(clock_mono_us() - begin, steps, bytes) < limit);
	q->clock = clock_work_us();
	int64_t cost = cost_of(q->clock - before, steps, bytes);
	if (!q->served)
		return cost;
	item->credit -= cost;
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

static struct work_item *next_item(struct work_queue *q, int64_t left)
{
	bool fresh_first = left > WORK_TURN_US / 2 || list_empty(&q->waiting);

	return LIST_FIRST(fresh_first && !list_empty(&q->fresh) ? &q->fresh : &q->waiting,
			  struct work_item, link);
}

/* Serves the next item, or grants it a share when it is in debt. Returns what was spent. */
static int64_t visit(struct work_queue *q, int64_t left)
{
	struct work_item *item = next_item(q, left);

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

static void on_timer(void *ctx)
{
	struct work_queue *q = ctx;
	int64_t left = WORK_TURN_US;

	q->clock = clock_work_us();
	while (q->n_busy > 0 && left > 0)
		left -= visit(q, left);
	/* a timer set by a timer fires in the next turn, which then does not wait */
	loop_timer_at(q->timer, q->n_busy > 0 ? loop_now(q->loop) : UINT64_MAX);
}

int work_queue_new(struct loop *loop, struct work_queue **ret)
{
	struct work_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->loop = loop;
	list_init(&q->fresh);
	list_init(&q->waiting);
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
	assert(list_empty(&q->fresh) && list_empty(&q->waiting));
	loop_timer_free(q->timer);
	free(q);
}

struct loop *work_queue_loop(const struct work_queue *q)
{
	return q->loop;
}

void work_item_init(struct work_item *item, const struct work_functions *functions, void *ctx)
{
	*item = (struct work_item){.functions = functions, .ctx = ctx};
	list_init(&item->link);
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
	if (q->n_busy == 1)
		loop_timer_at(q->timer, loop_now(q->loop));
}

void work_queue_add(struct work_queue *q, struct work_item *item)
{
	add_to(q, &q->fresh, item);
}

void work_queue_resume(struct work_queue *q, struct work_item *item)
{
	add_to(q, &q->waiting, item);
}

void work_queue_cancel(struct work_queue *q, struct work_item *item)
{
	set_busy(q, item, false);
	list_remove(&item->link);
	if (q->served == item)
		q->served = NULL;
}
