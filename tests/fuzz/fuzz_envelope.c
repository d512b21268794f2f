/*
 * Any bytes as a text of a server. Whatever gets through: all views lie within
 * the text or the scratch, and what is passed on to peers is a JSON object
 * that holds no clientId, however it was written.
 */
#include "bayeux/envelope.h"
#include "protocol/utf8.h"
#include "tests/fuzz/fuzz.h"

const char *const fuzz_seeds = "tests/fuzz/corpus/envelope";

static void check_pieces(const struct envelope *e)
{
	struct json_field secret[] = {{.name = "clientId"}};
	struct buf out;

	FUZZ_CHECK(e->n_pieces == 1 || e->n_pieces == 2);
	buf_init(&out, e->raw.n);
	for (size_t i = 0; i < e->n_pieces; i++)
		FUZZ_CHECK(buf_put(&out, e->pieces[i]) == 0);
	FUZZ_CHECK(json_read_object(buf_slice(&out), secret, 1, false, NULL) == 0);
	FUZZ_CHECK(secret[0].value.kind == JSON_ABSENT);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct envelope_batch b;
	int r;

	envelope_batch_init(&b);
	r = envelope_parse(&b, slice_make(data, n));
	FUZZ_CHECK(r >= 0);
	for (size_t i = 0; r == 0 && i < b.n; i++) {
		const struct envelope *e = &b.items[i];
		const struct slice texts[] = {e->channel, e->id, e->client_id, e->error,
					      envelope_error_parse(e->error).text};

		check_pieces(e);
		for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
			FUZZ_CHECK(texts[t].n == 0 || utf8_valid(texts[t]));
	}
	envelope_batch_fini(&b);
	return 0;
}
