/*
 * One upstream with everything below it, against the scripted Bayeux server of
 * tests/fake. A member of the hub represents all local processes. Waiting runs
 * the loop and asks the server for its journal; nothing here sleeps.
 */
#ifndef TESTS_UPSTREAM_WORLD_H
#define TESTS_UPSTREAM_WORLD_H

#include "base/clock.h"
#include "protocol/frame.h"
#include "tests/fake/fake.h"
#include "tests/unit/testing.h"
#include "tests/unit/wire.h"
#include "upstream/upstream.h"

struct world {
	struct fake *fake;
	struct loop *loop;
	struct curl_loop *curl;
	struct hub *hub;
	struct upstream *u;
	struct upstream_options o;
	struct member member;
	struct frame_reader in;
	struct buf heard;                /* frames of the member, a line each */
	struct buf log;                  /* every line logged, with its fields */
	bool stopped;
	unsigned changes;
	char url[64];
	struct fault why;
	const char *urls[2];
};

/* for cmocka; *state is a struct world; no held connect ends by itself */
int upstream_world_setup(void **state);
/* nothing is due for minutes */
int upstream_world_setup_patient(void **state);
int upstream_world_teardown(void **state);
#define UPSTREAM_TEST(name)                                                                        \
	cmocka_unit_test_setup_teardown(name, upstream_world_setup, upstream_world_teardown)

/* Uses these transports: n is 1 for only the first, 2 for long-polling after it. */
void use(struct world *w, enum session_transport first, size_t n);
void start(struct world *w);
/* for upstream_stop(): sets w->stopped, once */
void on_stopped(void *ctx);

/* --- waiting --- */

void print_world(struct world *w);
/* in seconds, unaffected by clock_fake() */
uint64_t clock_real(void);
#define UNTIL(condition)                                                                    \
	do {                                                                                \
		uint64_t end_ = clock_real() + 60;                                          \
		while (!(condition)) {                                                      \
			if (clock_real() > end_) {                                          \
				print_world(w);                                             \
				fail_msg("waited in vain for " #condition);                 \
			}                                                                   \
		}                                                                           \
	} while (0)

/* The fake has seen it since its mark; fake_count(). */
bool seen(struct world *w, const char *kind, const char *channel, unsigned long n);
void await(struct world *w, const char *kind, const char *channel, unsigned long n);
struct session_info info_of(struct world *w);
bool is_in(struct world *w, enum session_state state);
/* of the last failure; not from the log, because each of its call sites has a limit */
bool is_reason(struct world *w, const char *text);
void until_connected(struct world *w);

/* --- the member --- */

bool has(const struct buf *b, const char *text);
unsigned count(const struct buf *b, const char *text);
/* Runs one turn of the loop; whether the member has received this. */
bool heard(struct world *w, const char *text);
void hear(struct world *w, const char *text);
void ask(struct world *w, const char *json);
/* Sends a subscribe and waits for its reply. */
void subscribe(struct world *w, const char *channel);

#endif
