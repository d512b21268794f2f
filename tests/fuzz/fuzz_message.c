/*
 * Any bytes as the body of a frame. What decodes must encode, and decode to the same
 * again; otherwise the description of the error must be UTF-8.
 */
#include "protocol/frame.h"
#include "protocol/message.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/message";

static void check_lists(const struct message *m)
{
	struct slice strings[PROTOCOL_CHANNELS_MAX];
	struct message_error e;
	struct buf scratch;
	size_t n = 0;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	if (message_has(m, PROTOCOL_FIELD_CHANNELS))
		message_strings(m->channels, &scratch, strings, PROTOCOL_CHANNELS_MAX, &n);
	for (size_t i = 0; i < n; i++)
		FUZZ_CHECK(utf8_valid(strings[i]));
	buf_clear(&scratch);
	if (message_has(m, PROTOCOL_FIELD_ERROR) && message_get_error(m->error, &scratch, &e) == 0)
		FUZZ_CHECK(utf8_valid(e.code_text) && utf8_valid(e.message));
	buf_fini(&scratch);
}

static void check_round_trip(const struct message *m, unsigned from)
{
	struct message again;
	struct slice body;
	struct buf out;
	char why[160];
	int r;

	buf_init(&out, PROTOCOL_FRAME_MAX);
	r = message_encode(m, &out);
	/* hello may hold more, in fields we ignore or in another spelling, never less */
	FUZZ_CHECK(r == 0 || r == -EMSGSIZE);
	if (r == 0) {
		body = slice_drop(buf_slice(&out), PROTOCOL_PREFIX);
		FUZZ_CHECK(message_decode(body, from, &again, why, sizeof(why)) == 0);
		FUZZ_CHECK(again.op == m->op && again.has == m->has && again.id == m->id &&
			   again.seq == m->seq && slice_eq(again.channel, m->channel) &&
			   slice_eq(again.message, m->message) && slice_eq(again.data, m->data));
		message_fini(&again);
	}
	buf_fini(&out);
}

static void check_side(struct slice text, unsigned from)
{
	struct message m;
	char why[60] = "";
	int r = message_decode(text, from, &m, why, sizeof(why));

	FUZZ_CHECK(r >= 0);
	FUZZ_CHECK(utf8_valid(slice_of(why)) && (r == 0) == (why[0] == '\0'));
	if (r == 0) {
		check_lists(&m);
		check_round_trip(&m, from);
	}
	message_fini(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	check_side(slice_make(data, n), PROTOCOL_FROM_PEER);
	check_side(slice_make(data, n), PROTOCOL_FROM_DAEMON);
	return 0;
}
