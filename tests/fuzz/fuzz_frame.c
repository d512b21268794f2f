/*
 * Any bytes as a stream. However it is cut into pieces, the same frames come
 * out and the same end, and no memory is taken for claims.
 */
#include "protocol/frame.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/frame";

enum { LIMIT = 4096 };

/* frames and how it ended, in one number that depends on every byte of them */
static uint64_t digest(struct slice stream, size_t piece)
{
	struct frame_reader r;
	uint64_t sum = 14695981039346656037u;
	size_t fed = 0;
	int result = FRAME_E_AGAIN;

	frame_reader_init(&r, LIMIT);
	while (stream.n && result == FRAME_E_AGAIN) {
		struct slice body;
		char *to;
		size_t n;

		FUZZ_CHECK(frame_room(&r, piece < stream.n ? piece : stream.n, &to, &n) == 0);
		memcpy(to, stream.p, n);
		frame_filled(&r, n);
		stream = slice_drop(stream, n);
		fed += n;
		while ((result = frame_next(&r, &body)) == 0) {
			FUZZ_CHECK(body.n > 0 && body.n <= LIMIT);
			for (size_t i = 0; i < body.n; i++)
				sum = (sum ^ (uint8_t)body.p[i]) * 1099511628211u;
			sum = (sum ^ body.n) * 1099511628211u;
		}
		FUZZ_CHECK(frame_pending(&r) <= fed);
		FUZZ_CHECK(r.in.cap <= 2 * fed + 1024);
	}
	frame_reader_fini(&r);
	return sum * 31 + (uint64_t)result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice stream = slice_make(data, n);
	uint64_t whole = digest(stream, SIZE_MAX);

	FUZZ_CHECK(digest(stream, 1) == whole);
	FUZZ_CHECK(digest(stream, 7) == whole);
	return 0;
}
