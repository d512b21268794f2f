/*
 * Programs that use the library, a real daemon, and a server: what only the three
 * together can show.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <cometd-bridge.h>

#include <stdio.h>
#include <string.h>

#define QUICK "backoff = 50ms 200ms\nnetwork-delay = 2s\n"
#define DEFAULT COMETD_TIMEOUT_DEFAULT
#define DEADLINE SCENARIO_DEADLINE_MS

static struct cometd *connected(struct world *w)
{
	struct cometd *c;

	assert_int_equal(cometd_new(&c), 0);
	assert_int_equal(cometd_set_socket(c, w->socket), 0);
	assert_int_equal(cometd_connect(c, DEADLINE), 0);
	assert_int_equal(cometd_wait_state(c, NULL, COMETD_STATE_CONNECTED, DEADLINE), 0);
	return c;
}

static const struct cometd_event *next(struct cometd *c, enum cometd_event_type type)
{
	const struct cometd_event *event;

	do
		assert_int_equal(cometd_next(c, DEADLINE, &event), 0);
	while (event->type != type);
	return event;
}

#define assert_text(p, n, text)                                                                    \
	do {                                                                                       \
		assert_non_null(p);                                                                \
		assert_int_equal(n, strlen(text));                                                 \
		assert_memory_equal(p, text, n);                                                   \
	} while (0)

/* ---- more than data ---- */

static void ext_goes_to_the_server(void **state)
{
	struct world *w = world_up(NULL, QUICK "ext = publish {\"site\":7}\n");
	struct cometd *c = connected(w);
	struct cometd_message m = {.size = sizeof(m), .data = "1", .data_len = 1,
				   .ext = "{\"by\":\"me\"}", .ext_len = 11};
	const struct cometd_result *r;

	(void)state;
	assert_int_equal(cometd_subscribe(c, NULL, "/r", 0, DEFAULT, NULL), 0);
	assert_int_equal(cometd_publish_message(c, NULL, "/r", &m, DEFAULT, NULL), 0);
	const struct cometd_event *e = next(c, COMETD_EVENT_MESSAGE);
	assert_text(e->data, e->data_len, "1");
	const char wanted[] = "\"ext\":{\"by\":\"me\",\"site\":7}";
	assert_non_null(memmem(e->message, e->message_len, wanted, strlen(wanted)));
	m.ext = "{\"why\":\"because\"}", m.ext_len = 17;
	assert_int_equal(cometd_call_message(c, NULL, "/service/echo", &m, DEFAULT, &r), 0);
	assert_text(r->data, r->data_len, "1");
	assert_null(r->binary);
	assert_true(fake_log_has(w->fake, "\"ext\":{\"why\":\"because\",\"site\":7}"));
	cometd_free(c);
	world_free(w);
}

struct answer {
	int n, error, more;
	char bytes[16], meta[16];
	size_t n_bytes;
};

static void on_answer(struct cometd *c, const struct cometd_result *r, void *user)
{
	struct answer *a = user;

	(void)c;
	a->n++;
	a->error = r->error;
	assert_true(r->binary_len <= sizeof(a->bytes) && r->binary_meta_len < sizeof(a->meta));
	if (r->binary)
		memcpy(a->bytes, r->binary, r->binary_len);
	a->n_bytes = r->binary_len;
	a->more = r->binary_more;
	snprintf(a->meta, sizeof(a->meta), "%.*s", (int)r->binary_meta_len,
		 r->binary_meta ? r->binary_meta : "");
}

static void a_call_takes_bytes_and_brings_bytes(void **state)
{
	struct world *w = world_up(NULL, QUICK "binary = yes\n");
	struct cometd *c = connected(w);
	struct cometd_message m = {.size = sizeof(m), .binary = "\0\xa7\x4e", .binary_len = 3,
				   .binary_more = 1, .binary_meta = "{\"n\":1}",
				   .binary_meta_len = 7};
	const struct cometd_result *r;
	struct answer answer = {0};

	(void)state;
	assert_int_equal(cometd_call_message(c, NULL, "/service/echo", &m, DEFAULT, &r), 0);
	assert_int_equal(r->binary_len, 3);
	assert_memory_equal(r->binary, "\0\xa7\x4e", 3);
	assert_int_equal(r->binary_more, 1);
	assert_text(r->binary_meta, r->binary_meta_len, "{\"n\":1}");
	assert_non_null(r->data);
	/* the same without blocking, and with no bytes at all */
	m = (struct cometd_message){.size = sizeof(m), .binary = ""};
	assert_int_equal(cometd_call_message_async(c, NULL, "/service/echo", &m, DEFAULT, on_answer,
						   &answer), 0);
	m.binary_len = 1;
	assert_int_equal(cometd_call_message_async(c, NULL, "/service/echo", &m, DEFAULT, on_answer,
						   &answer), 0);
	while (answer.n < 2)
		assert_int_equal(cometd_wait(c, DEADLINE), 0);
	assert_int_equal(answer.error, 0);
	assert_int_equal(answer.n_bytes, 1);
	assert_memory_equal(answer.bytes, "\0", 1);
	assert_int_equal(answer.more, 0);
	assert_string_equal(answer.meta, "");
	cometd_free(c);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ext_goes_to_the_server),
		cmocka_unit_test(a_call_takes_bytes_and_brings_bytes),
	};

	return scenario_run("library", tests, NULL, NULL);
}
