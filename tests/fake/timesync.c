/* Answers of the timesync extension. */
#include "tests/fake/timesync.h"

#include <time.h>

/* a client whose clock is this exact gets no further answer */
#define ACCURACY_MS 25

long timesync_clock(const struct server *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + s->set.ahead;
}

/* adds a member to the ext that the reply has, or gives it one */
static void put_into_ext(struct object *reply, struct slice member)
{
	struct slice ext = SLICE_NULL, rest, name, value;
	struct text t = {NULL, 0, 0};

	for (size_t i = 0; i < reply->n; i++)
		if (strcmp(reply->fields[i].name, "ext") == 0)
			ext = slice_of(reply->fields[i].value);
	text_puts(&t, "{");
	for (rest = ext; ext.p && json_next_member(&rest, &name, &value);)
		text_printf(&t, "%.*s:%.*s,", SLICE_ARG(name), SLICE_ARG(value));
	text_slice(&t, member);
	text_puts(&t, "}");
	object_set(reply, "ext", text_view(&t));
	text_fini(&t);
}

void timesync_answer(const struct server *s, const struct request *q, struct object *reply)
{
	struct slice asked = json_member(json_member(q->raw, "ext"), "timesync");
	struct text t = {NULL, 0, 0};
	long tc = 0, lag = 0, offset = 0;

	if (!s->set.timesync || !json_number(json_member(asked, "tc"), &tc))
		return;
	bool modern = json_number(json_member(asked, "l"), &lag);
	json_number(json_member(asked, "o"), &offset);
	long a = tc + offset + lag - q->came;
	if (modern && lag != 0 && a >= -ACCURACY_MS && a <= ACCURACY_MS)
		return;
	text_printf(&t, "\"timesync\":{\"tc\":%ld,\"ts\":%ld,\"p\":%ld", tc, q->came,
		    timesync_clock(s) - q->came);
	if (modern)
		text_printf(&t, ",\"a\":%ld", a);
	text_puts(&t, "}");
	put_into_ext(reply, text_view(&t));
	text_fini(&t);
}
