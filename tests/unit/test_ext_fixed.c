/*
 * ext_fixed: a configured `ext` is merged, byte by byte as it was written, and
 * no key goes out twice; what is no object is refused and changes nothing; and
 * the session puts each where it belongs.
 */
#include "tests/unit/testing.h"

#include "bayeux/ext.h"
#include "bayeux/ext_ack.h"
#include "bayeux/fields.h"
#include "bayeux/session.h"

#include <errno.h>
#include <stdio.h>

static const struct ext_request handshake = {.kind = REQUEST_HANDSHAKE};
static const struct ext_request connect_request = {.kind = REQUEST_CONNECT};

static void assert_written(const struct list *chain, const struct ext_fixed *f, const char *own,
			   const char *expected)
{
	struct buf out;
	buf_init(&out, 4096);
	assert_int_equal(buf_putc(&out, '-'), 0);
	assert_int_equal(ext_write(chain, f, &handshake, own ? slice_of(own) : SLICE_NULL, &out),
			 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	assert_string_equal(buf_slice(&out).p + 1, expected);
	buf_fini(&out);
}

static void members_are_merged(void **state)
{
	struct ext_fixed f;
	struct list none, chain;
	struct ext *ack;
	(void)state;
	list_init(&none);
	list_init(&chain);
	assert_int_equal(ext_ack_new(&ack), 0);
	ext_add(&chain, ack);
	ext_fixed_init(&f);
	assert_written(&none, &f, NULL, "");
	assert_written(&chain, &f, NULL, ",\"ext\":{\"ack\":true}");
	assert_int_equal(ext_fixed_set(&f, SLICE(" { \"a\" : [1, {\"b\":2}],\"\\u0063\\\"\":"
					   "12345678901234567890} ")), 0);
	assert_written(&none, &f, NULL,
		       ",\"ext\":{\"a\" : [1, {\"b\":2}],\"\\u0063\\\"\":12345678901234567890}");
	assert_written(&chain, &f, "{}",
		       ",\"ext\":{\"a\" : [1, {\"b\":2}],\"\\u0063\\\"\":12345678901234567890,\"ack\":true}");
	/* the message's own members win, however their keys are written */
	assert_written(&none, &f, "{\"x\":0,\"c\\\"\":null}",
		       ",\"ext\":{\"x\":0,\"c\\\"\":null,\"a\" : [1, {\"b\":2}]}");
	assert_written(&none, &f, "{\"\\u0061\":0,\"c\\\"\":1}",
		       ",\"ext\":{\"\\u0061\":0,\"c\\\"\":1}");
	/* and so do extensions */
	assert_int_equal(ext_fixed_set(&f, SLICE("{\"ack\":7,\"b\":{}}")), 0);
	assert_written(&chain, &f, NULL, ",\"ext\":{\"b\":{},\"ack\":true}");
	assert_written(&none, &f, NULL, ",\"ext\":{\"ack\":7,\"b\":{}}");
	assert_int_equal(ext_fixed_set(&f, SLICE("{}")), 0);
	assert_written(&none, &f, NULL, "");
	assert_int_equal(ext_fixed_set(&f, SLICE_NULL), 0);
	assert_written(&none, &f, NULL, "");
	ext_fixed_fini(&f);
	ext_free_all(&chain);
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "1", "\"a\"", "[]", "null", "{", "{\"a\":1", "{\"a\":1}}", "{\"a\":1,}",
		"{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"a\":1} x", "{'a':1}",
		"{\"\\u0000\":1}", "{\"\xff\":1}", "{\"a\":\"\xff\"}",
	};
	struct ext_fixed f;
	struct list none;
	(void)state;
	list_init(&none);
	ext_fixed_init(&f);
	assert_int_equal(ext_fixed_set(&f, SLICE("{\"good\":1}")), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ext_fixed_set(&f, slice_of(bad[i])) != -EINVAL)
			fail_msg("%s", bad[i]);
	assert_written(&none, &f, NULL, ",\"ext\":{\"good\":1}");
	ext_fixed_fini(&f);
}

static void there_is_a_limit(void **state)
{
	char text[1024] = "{", key[32];
	struct ext_fixed f;
	struct buf large;
	size_t n = 1;
	(void)state;
	ext_fixed_init(&f);
	for (int i = 0; i <= EXT_FIXED_MEMBERS_MAX; i++) {
		snprintf(key, sizeof(key), "%s\"k%d\":0}", i ? "," : "", i);
		memcpy(text + n, key, strlen(key) + 1);
		n += strlen(key) - 1;
		assert_int_equal(ext_fixed_set(&f, slice_of(text)),
				 i < EXT_FIXED_MEMBERS_MAX ? 0 : -EINVAL);
	}
	assert_int_equal(f.n, EXT_FIXED_MEMBERS_MAX);
	buf_init(&large, EXT_FIXED_MAX + 1);
	assert_int_equal(buf_put_str(&large, "{}"), 0);
	while (buf_len(&large) <= EXT_FIXED_MAX)
		assert_int_equal(buf_putc(&large, ' '), 0);
	assert_int_equal(ext_fixed_set(&f, buf_slice(&large)), -EMSGSIZE);
	buf_fini(&large);
	ext_fixed_fini(&f);
}

static void memory_fails(void **state)
{
	unsigned failed = 0;
	(void)state;
	FAIL_EACH_ALLOCATION {
		struct ext_fixed f;
		struct list none;
		list_init(&none);
		ext_fixed_init(&f);
		int r = ext_fixed_set(&f, SLICE("{\"\\u0061\":1,\"b\":2}"));
		failed += r == -ENOMEM;
		if (r)
			r = ext_fixed_set(&f, SLICE("{\"\\u0061\":1,\"b\":2}"));
		assert_int_equal(r, 0);
		struct buf out;
		buf_init(&out, 4096);
		if (buf_putc(&out, '-'))
			assert_int_equal(buf_putc(&out, '-'), 0);
		r = ext_write(&none, &f, &connect_request, SLICE("{\"a\":0}"), &out);
		failed += r == -ENOMEM;
		if (r) {
			/* no trace of the attempt */
			assert_int_equal(buf_len(&out), 1);
			r = ext_write(&none, &f, &connect_request, SLICE("{\"a\":0}"), &out);
		}
		assert_int_equal(r, 0);
		assert_true(slice_eq(buf_slice(&out), SLICE("-,\"ext\":{\"a\":0,\"b\":2}")));
		buf_fini(&out);
		ext_fixed_fini(&f);
	}
	assert_in_range(failed, 2, 50);
}

/* Each name with a meaning, however it is written; and nothing of it stays. */
static void reserved_fields_are_refused(void **state)
{
	static const char *const names[] = {
		"channel", "id", "clientId", "version", "data", "ext", "advice", "connectionType",
		"subscription", "supportedConnectionTypes", "minimumVersion", "timestamp",
	};
	struct ext_fixed f;
	struct buf out;
	(void)state;
	ext_fixed_init(&f);
	buf_init(&out, 100);
	assert_int_equal(fields_set(&f, SLICE("{\"ID\":1,\"channels\":{\"id\":2}}"), NULL), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[64];
		const char *name = NULL;
		snprintf(text, sizeof(text), "{\"x\":0,\"\\u%04x%s\":1}", names[i][0], names[i] + 1);
		assert_int_equal(fields_set(&f, slice_of(text), &name), FIELDS_E_RESERVED);
		assert_string_equal(name, names[i]);
	}
	assert_int_equal(fields_set(&f, SLICE("[]"), NULL), -EINVAL);
	assert_int_equal(buf_put_str(&out, "{\"a\":0"), 0);
	assert_int_equal(fields_write(&f, &out), 0);
	assert_true(slice_eq(buf_slice(&out),
			     SLICE("{\"a\":0,\"ID\":1,\"channels\":{\"id\":2}")));
	assert_int_equal(fields_set(&f, SLICE_NULL, NULL), 0);
	buf_clear(&out);
	assert_int_equal(fields_write(&f, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	ext_fixed_fini(&f);
	FAIL_EACH_ALLOCATION {
		int r = fields_set(&f, SLICE("{\"a\":1}"), NULL);
		assert_true(r == 0 || (r == -ENOMEM && f.n == 0));
		ext_fixed_fini(&f);
	}
}

/* The next batch ends in this text, and is answered by `reply` unless that is NULL. */
static void exchange(struct session *s, const char *end, const char *reply)
{
	struct session_event event;
	struct session_batch batch;
	struct buf out;
	buf_init(&out, 1 << 16);
	while (session_next(s, 1, &event) == 0)
		;
	assert_int_equal(session_take_batch(s, 1, &out, &batch), 0);
	assert_int_equal(buf_putc(&out, 0), 0);
	const char *found = strstr(buf_slice(&out).p, end);
	if (!found || found[strlen(end)])
		fail_msg("%s does not end in %s", buf_slice(&out).p, end);
	buf_fini(&out);
	if (!reply)
		return;
	assert_int_equal(session_feed(s, 1, batch.id, slice_of(reply)), 0);
	while (session_next(s, 1, &event) == 0)
		;
	session_batch_end(s, 1, batch.id);
}

static void each_request_has_its_own(void **state)
{
	struct session_options o;
	struct session *s;
	(void)state;
	session_options_default(&o);
	o.transports[0] = SESSION_LONG_POLLING;
	o.n_transports = 1;
	o.replay = SESSION_REPLAY_OFF;
	assert_int_equal(session_new(&o, (struct wake){0}, &s), 0);
	assert_int_equal(session_set_ext(s, SESSION_EXT_HANDSHAKE, SLICE("{\"h\":1}")), 0);
	assert_int_equal(session_set_ext(s, SESSION_EXT_CONNECT, SLICE("{\"c\":1}")), 0);
	assert_int_equal(session_set_ext(s, SESSION_EXT_SUBSCRIBE, SLICE("{\"s\":1}")), 0);
	assert_int_equal(session_set_ext(s, SESSION_EXT_PUBLISH, SLICE("{\"p\":1}")), 0);
	assert_int_equal(session_set_fields(s, SESSION_EXT_HANDSHAKE, SLICE("{\"h\":2}")), 0);
	assert_int_equal(session_set_fields(s, SESSION_EXT_CONNECT, SLICE("{\"c\":2}")), 0);
	assert_int_equal(session_set_fields(s, SESSION_EXT_SUBSCRIBE, SLICE("{\"s\":2}")), 0);
	assert_int_equal(session_set_fields(s, SESSION_EXT_PUBLISH, SLICE("{\"p\":2}")), 0);
	assert_int_equal(session_set_fields(s, SESSION_EXT_PUBLISH, SLICE("{\"id\":2}")), -EINVAL);
	session_start(s, 1);
	exchange(s, "\"supportedConnectionTypes\":[\"long-polling\"],\"h\":2,\"ext\":{\"h\":1,\"ack\":true}}]",
		 "[{\"channel\":\"/meta/handshake\",\"clientId\":\"c\",\"successful\":true,"
		 "\"ext\":{\"ack\":true},\"supportedConnectionTypes\":[\"long-polling\"]}]");
	exchange(s, "\"advice\":{\"timeout\":0},\"c\":2,\"ext\":{\"c\":1,\"ack\":0}}]",
		 "[{\"channel\":\"/meta/connect\",\"successful\":true}]");
	exchange(s, ",\"c\":2,\"ext\":{\"c\":1,\"ack\":0}}]", NULL);
	assert_int_equal(session_want(s, SLICE("/a"), 0), 0);
	assert_int_equal(session_publish(s, 1, SLICE("/b"), SLICE("2"), SLICE("{\"mine\":3}"),
					 false, 9000, 0, 1), 0);
	exchange(s, "\"subscription\":\"/a\",\"s\":2,\"ext\":{\"s\":1}},{\"channel\":\"/b\",\"id\":\"4\","
		    "\"clientId\":\"c\",\"data\":2,\"p\":2,\"ext\":{\"mine\":3,\"p\":1}}]", NULL);
	session_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_are_merged),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(memory_fails),
		cmocka_unit_test(reserved_fields_are_refused),
		cmocka_unit_test(each_request_has_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
