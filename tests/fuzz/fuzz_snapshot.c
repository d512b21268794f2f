/*
 * Any bytes as a saved session: refused, and then the session is as if there had been none; or the session goes on,
 * and what it saves itself is accepted by another one and saved by it in the same words.
 */
#include "bayeux/session.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

const char *const fuzz_seeds = "tests/fuzz/corpus/snapshot";

enum { NOW = 1000000, BATCHES_MAX = 20 };

static void ignore_wake(void *ctx)
{
	(void)ctx;
}

static struct session *make(unsigned char how)
{
	static const char *const urls[] = {"http://a/", "http://b/"};
	struct session_options o;
	struct session *s;

	session_options_default(&o);
	o.transports[0] = how & 1 ? SESSION_LONG_POLLING : SESSION_WEBSOCKET;
	o.transports[1] = how & 1 ? SESSION_WEBSOCKET : SESSION_LONG_POLLING;
	o.n_transports = how & 2 ? 1 : 2;
	o.ack = how & 4;
	o.replay = how & 8 ? SESSION_REPLAY_RESUME : SESSION_REPLAY_NEW;
	o.credentials = how & 16;
	o.urls = how & 32 ? urls : NULL;
	o.n_urls = how & 32 ? 2 : 0;
	FUZZ_CHECK(session_new(&o, (struct wake){ignore_wake, NULL}, &s) == 0);
	session_wall_clock(s, NOW, NOW);
	return s;
}

static void save(struct session *s, struct buf *ret)
{
	uint64_t until;

	buf_init(ret, SESSION_SNAPSHOT_MAX);
	FUZZ_CHECK(session_save(s, NOW, ret, &until) == 0);
}

/* The same but for the id, which is random: text before and after it. */
static void compare(struct slice a, struct slice b)
{
	const char *x = memmem(a.p, a.n, ",\"id\":", 6), *y = memmem(b.p, b.n, ",\"id\":", 6);

	FUZZ_CHECK(x && y && slice_eq(slice_make(a.p, (size_t)(x - a.p)), slice_make(b.p, (size_t)(y - b.p))));
	x = memchr(x + 6, ',', (size_t)(a.p + a.n - x - 6));
	y = memchr(y + 6, ',', (size_t)(b.p + b.n - y - 6));
	FUZZ_CHECK(x && y && slice_eq(slice_make(x, (size_t)(a.p + a.n - x)), slice_make(y, (size_t)(b.p + b.n - y))));
}

static void drive(struct session *s)
{
	static const char reply[] = "[{\"channel\":\"/meta/connect\",\"successful\":true,\"ext\":{\"ack\":9}}]";
	struct session_event e;
	struct session_batch b;
	struct buf out;

	buf_init(&out, SESSION_SNAPSHOT_MAX);
	for (unsigned i = 0; i < BATCHES_MAX; i++) {
		while (session_next(s, NOW + i * 3000, &e) == 0)
			if (e.kind == SESSION_EVENT_UNAUTHORIZED)
				session_authorized(s, NOW + i * 3000);
		session_tick(s, NOW + i * 3000);
		buf_clear(&out);
		if (session_take_batch(s, NOW + i * 3000, &out, &b))
			continue;
		FUZZ_CHECK(session_feed(s, NOW + i * 3000, b.transport == SESSION_WEBSOCKET ? 0 : b.id,
					slice_of(reply)) == 0 || b.transport == SESSION_WEBSOCKET);
		while (session_next(s, NOW + i * 3000, &e) == 0)
			;
		if (b.transport == SESSION_WEBSOCKET)
			session_text_end(s, NOW + i * 3000);
		else
			session_batch_end(s, NOW + i * 3000, b.id);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	unsigned char how = n ? data[0] : 0;
	struct session *s = make(how), *again;
	struct session_info info;
	struct buf first, second;
	int r = session_restore(s, NOW, slice_drop(slice_make(data, n), 1), true);

	session_info(s, &info);
	FUZZ_CHECK(r == 0 || r == SESSION_E_NOT_RESUMABLE);
	if (r) {
		FUZZ_CHECK(info.wanted == 0 && info.client_id.n == 0 && info.generation == 0 && !info.gap);
	} else {
		save(s, &first);
		again = make(how);
		FUZZ_CHECK(session_restore(again, NOW, buf_slice(&first), true) == 0);
		save(again, &second);
		compare(buf_slice(&first), buf_slice(&second));
		session_free(again);
		buf_fini(&first);
		buf_fini(&second);
	}
	session_start(s, NOW);
	drive(s);
	session_free(s);
	return 0;
}
