/*
 * The chain of extensions: called in order, then all notified; a message that one of
 * them had no memory for is shown again, and none counts it twice.
 */
#include "tests/unit/testing.h"

#include "bayeux/ext.h"
#include "bayeux/ext_ack.h"
#include "bayeux/session.h"

#include <errno.h>
#include <stdlib.h>

/* an extension that allocates in each call, and returns what the test has set */
struct scripted {
	struct ext ext;
	int event_result;
	unsigned asked, accepted;
};

static struct scripted *scripted_of(struct ext *x)
{
	return LIST_OF(x, struct scripted, ext);
}

static int scripted_needs(int result)
{
	/* volatile: clang leaves out an allocation that is not used */
	void *volatile p = malloc(8);
	if (!p)
		return -ENOMEM;
	free(p);
	return result;
}

static int scripted_outgoing(struct ext *x, const struct ext_request *request, struct buf *out)
{
	(void)x;
	(void)request;
	int r = scripted_needs(0);
	return r ? r : buf_put_str(out, "1");
}

static int scripted_incoming(struct ext *x, enum ext_moment moment, const struct envelope *e,
			     struct ext_time at)
{
	(void)e;
	(void)at;
	scripted_of(x)->asked++;
	return scripted_needs(moment == EXT_EVENT ? scripted_of(x)->event_result : 0);
}

static void scripted_accepted(struct ext *x, enum ext_moment moment, const struct envelope *e)
{
	(void)moment;
	(void)e;
	scripted_of(x)->accepted++;
}

static void scripted_free(struct ext *x)
{
	(void)x;
}

static const struct ext_ops scripted_ops = {
	.key = "scripted", .outgoing = scripted_outgoing, .incoming = scripted_incoming,
	.accepted = scripted_accepted, .free = scripted_free,
};

static void add_scripted(struct list *chain, struct scripted *s)
{
	*s = (struct scripted){.ext = {.ops = &scripted_ops}};
	list_init(&s->ext.link);
	ext_add(chain, &s->ext);
}

enum { GOOD_HANDSHAKE, EVENT, GOOD_CONNECT };

static void parse_messages(struct envelope_batch *b)
{
	static const char text[] =
		"[{\"channel\":\"/meta/handshake\",\"successful\":true,"
		"\"ext\":{\"ack\":true,\"replay\":true}},"
		"{\"channel\":\"/e\",\"data\":1},"
		"{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":5}}]";
	envelope_batch_init(b);
	assert_int_equal(envelope_parse(b, slice_of(text)), 0);
}

static const struct ext_time noon = {500, 43200000};

/* Calls until none fails, as the session does; a test fails only one allocation. */
static int incoming(const struct list *chain, enum ext_moment moment, const struct envelope *e)
{
	int r = ext_incoming(chain, moment, e, noon);
	return r == -ENOMEM ? ext_incoming(chain, moment, e, noon) : r;
}

static void all_see_what_one_dropped(void **state)
{
	struct scripted x[3];
	struct envelope_batch b;
	struct list chain;
	(void)state;
	list_init(&chain);
	parse_messages(&b);
	for (int i = 0; i < 3; i++)
		add_scripted(&chain, &x[i]);
	assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), 0);
	x[1].event_result = EXT_DROP;
	assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), EXT_DROP);
	/* the next one does not see it, but may count it */
	assert_int_equal(x[0].asked, 2);
	assert_int_equal(x[1].asked, 2);
	assert_int_equal(x[2].asked, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(x[i].accepted, 2);
	x[1].event_result = -ENOMEM;
	assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), -ENOMEM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(x[i].accepted, 2);
	ext_free_all(&chain);
	envelope_batch_fini(&b);
}

static void assert_connect_has(const struct list *chain, const char *expected)
{
	const struct ext_request request = {.kind = REQUEST_CONNECT, .at = noon};
	struct buf out;
	/* ext_write leaves no trace of a failure */
	buf_init(&out, 256);
	int r = ext_write(chain, NULL, &request, SLICE_NULL, &out);
	if (r == -ENOMEM)
		r = ext_write(chain, NULL, &request, SLICE_NULL, &out);
	assert_int_equal(r, 0);
	assert_int_equal(buf_len(&out), strlen(expected));
	assert_memory_equal(buf_slice(&out).p, expected, strlen(expected));
	buf_fini(&out);
}

/* ack precedes one that fails: its counts decide which repeats are dropped */
static void what_fails_is_counted_once(void **state)
{
	unsigned runs = 0;
	struct envelope_batch b;
	(void)state;
	parse_messages(&b);
	FAIL_EACH_ALLOCATION {
		struct scripted behind;
		struct list chain;
		struct ext *ack;
		list_init(&chain);
		runs++;
		if (ext_ack_new(&ack))
			assert_int_equal(ext_ack_new(&ack), 0);
		ext_add(&chain, ack);
		add_scripted(&chain, &behind);
		assert_int_equal(incoming(&chain, EXT_HANDSHAKE_REPLY, &b.items[GOOD_HANDSHAKE]), 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), 0);
		ext_ack_lost(ack);
		for (int i = 0; i < 3; i++)
			assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), EXT_DROP);
		assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), 0);
		/* overtaken: its four events come again */
		assert_int_equal(incoming(&chain, EXT_STALE_REPLY, &b.items[GOOD_CONNECT]), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), EXT_DROP);
		assert_int_equal(incoming(&chain, EXT_EVENT, &b.items[EVENT]), 0);
		assert_int_equal(incoming(&chain, EXT_CONNECT_REPLY, &b.items[GOOD_CONNECT]), 0);
		ext_settled(&chain);
		assert_connect_has(&chain, ",\"ext\":{\"ack\":5,\"scripted\":1}");
		assert_int_equal(behind.accepted, 1 + 3 + 3 + 1 + 1 + 4 + 1 + 1);
		ext_free_all(&chain);
	}
	/* the questions alone are one allocation each */
	assert_in_range(runs, 9, 100);
	envelope_batch_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_see_what_one_dropped),
		cmocka_unit_test(what_fails_is_counted_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
