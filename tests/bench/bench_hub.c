/*
 * Measures one kind of work on the hub: `bench_hub WORK SIZE`. Preparation is outside of
 * measured(), so that callgrind counts only the instructions of the work (see
 * tests/bench/run). Prints the number of operations.
 *
 *     deliver N      messages to N members subscribed to the channel
 *     write N        the same, each message written before the next comes
 *     deaf N         messages without a subscriber, with N members on other channels
 *     filtered N     the same, the N members on other channels with a filter
 *     trie N         searches in a tree of N patterns
 *     subscribe N    subscribes and unsubscribes of a channel that N others hold
 *     outcome N      outcomes of publishes while N others wait
 *     full N         messages to a member whose queue of N spans is full
 */
#include "local/wire_out.h"
#include "hub/hub.h"
#include "hub/trie.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static struct hub *hub;
static struct hub_server *server;
static struct session *session;
static struct member *members;
static size_t n_members;

static void must(int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "bench_hub: %s\n", strerror(r < 0 ? -r : EINVAL));
	exit(1);
}

static void *memory(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		must(-ENOMEM);
	return p;
}

static void make_hub(size_t n)
{
	const struct hub_options limits = {
		.subscriptions_max = SIZE_MAX, .requests_max = SIZE_MAX, .message_max = 1 << 20,
	};
	struct session_options options;

	session_options_default(&options);
	options.queue_max = UINT32_MAX;
	must(session_new(&options, (struct wake){NULL, NULL}, &session));
	must(hub_new(&limits, &wire_out_encoder, &hub));
	must(hub_add_server(hub, SLICE("bench"), true, session, &server));
	hub_set_history(server, &(struct hub_log_limits){4u << 20, 100000, 3600000}, 0);
	members = memory(n, sizeof(*members));
	n_members = n;
	for (size_t i = 0; i < n; i++) {
		outbox_init(&members[i].outbox, 16u << 20, wire_out_lost, (struct wake){NULL, NULL});
		must(hub_add_member(hub, &members[i]));
	}
}

static void drain(struct member *m)
{
	struct iovec iov[64];
	size_t n = 1;

	while (n > 0) {
		must(outbox_peek(&m->outbox, iov, 64, &n));
		for (size_t i = 0; i < n; i++)
			outbox_advance(&m->outbox, iov[i].iov_len);
	}
}

static void free_hub(void)
{
	for (size_t i = 0; i < n_members; i++) {
		hub_remove_member(hub, &members[i]);
		outbox_fini(&members[i].outbox);
	}
	free(members);
	hub_remove_server(hub, server);
	hub_free(hub);
	session_free(session);
}

static void subscribe(struct member *m, const char *channel, bool upstream)
{
	const struct slice name = slice_of(channel);
	const struct hub_subscribe s = {
		.tag = 1, .channels = {&name, 1}, .local_only = !upstream,
	};

	must(hub_subscribe(hub, m, &s));
}

static void unsubscribe(struct member *m, const char *channel)
{
	const struct slice name = slice_of(channel);

	must(hub_unsubscribe(hub, m, 1, SLICE_NULL, &(struct hub_channels){&name, 1}));
}

static void publish(struct member *m, uint64_t tag)
{
	const struct hub_publish p = {
		.tag = tag, .channel = SLICE("/a"), .data = SLICE("1"),
		.timeout = PROTOCOL_TIMEOUT_DEFAULT_MS,
	};

	must(hub_publish(hub, m, &p, 0));
}

static void say(const char *channel)
{
	static const char text[] =
		"{\"channel\":\"/prices/de/eur\",\"data\":{\"bid\":1.0873,\"ask\":1.0875,"
		"\"at\":\"2024-02-29T12:34:56.789Z\",\"source\":\"somewhere else entirely\"}}";
	struct envelope e = {.channel = slice_of(channel)};
	struct session_event event = {.kind = SESSION_EVENT_MESSAGE, .envelope = &e};

	e.raw = e.pieces[0] = SLICE(text);
	e.n_pieces = 1;
	hub_handle_event(hub, server, &event, 0, 0);
}

static void say_outcome(uint64_t cookie)
{
	struct session_event event = {
		.kind = SESSION_EVENT_OUTCOME, .outcome = SESSION_OK, .cookie = cookie,
	};

	hub_handle_event(hub, server, &event, 0, 0);
}

static void count(void *ctx, struct trie_entry *e)
{
	(void)e;
	++*(size_t *)ctx;
}

/* ---- the work ---- */

struct work {
	const char *name;
	void (*prepare)(size_t n);
	size_t (*run)(size_t n);        /* how many operations */
	void (*finish)(size_t n);
};

static void finish_hub(size_t n)
{
	(void)n;
	free_hub();
}

static void prepare_deliver(size_t n)
{
	make_hub(n);
	for (size_t i = 0; i < n; i++) {
		subscribe(&members[i], "/prices/**", false);
		drain(&members[i]);
	}
	/* every member has taken the first message, and knows the server */
	say("/prices/de/eur");
}

static size_t run_deliver(size_t n)
{
	(void)n;
	for (size_t i = 0; i < 1000; i++)
		say("/prices/de/eur");
	return 1000;
}

static void prepare_filtered(size_t n)
{
	char channel[64];

	make_hub(n);
	for (size_t i = 0; i < n; i++) {
		snprintf(channel, sizeof(channel), "/prices/de/%zu?a=b", i);
		subscribe(&members[i], channel, false);
		drain(&members[i]);
	}
}

static size_t run_write(size_t n)
{
	for (size_t i = 0; i < 1000; i++) {
		say("/prices/de/eur");
		for (size_t k = 0; k < n; k++)
			drain(&members[k]);
	}
	return 1000;
}

static size_t run_deaf(size_t n)
{
	(void)n;
	for (size_t i = 0; i < 1000; i++)
		say("/elsewhere/de/eur");
	return 1000;
}

static struct trie *trie;
static struct trie_entry *entries;

static void prepare_trie(size_t n)
{
	char pattern[80];

	must(trie_new(&trie));
	entries = memory(n, sizeof(*entries));
	for (size_t i = 0; i < n; i++) {
		snprintf(pattern, sizeof(pattern), "/users/%zu/inbox", i);
		trie_entry_init(&entries[i]);
		must(trie_add(trie, slice_of(pattern), &entries[i]));
	}
}

static size_t run_trie(size_t n)
{
	size_t found = 0;

	(void)n;
	for (size_t i = 0; i < 1000; i++)
		trie_collect(trie, SLICE("/users/7/inbox"), count, &found);
	if (found != 1000)
		must(-EINVAL);
	return 1000;
}

static void finish_trie(size_t n)
{
	for (size_t i = 0; i < n; i++)
		trie_remove(&entries[i]);
	trie_free(trie);
	free(entries);
}

static void prepare_subscribe(size_t n)
{
	make_hub(n + 1);
	for (size_t i = 0; i < n; i++)
		subscribe(&members[i], "/prices/de/eur", true);
}

static size_t run_subscribe(size_t n)
{
	for (size_t i = 0; i < 1000; i++) {
		subscribe(&members[n], "/prices/de/eur", true);
		unsubscribe(&members[n], "/prices/de/eur");
		drain(&members[n]);
	}
	return 1000;
}

static void prepare_outcome(size_t n)
{
	make_hub(1);
	for (size_t i = 0; i < n + 1000; i++)
		publish(&members[0], i);
}

/* cookies are given out from 1 */
static size_t run_outcome(size_t n)
{
	for (size_t i = 0; i < 1000; i++)
		say_outcome(n / 2 + i + 1);
	return 1000;
}

static void prepare_full(size_t n)
{
	make_hub(2);
	members[0].outbox.n_spans_max = n;
	subscribe(&members[0], "/prices/**", false);
	drain(&members[0]);
	/* a reply to the other member lies between two messages, so that no two merge */
	for (size_t i = 0; i < n; i++) {
		say("/prices/de/eur");
		hub_reply(hub, &members[1], i, &(struct hub_answer){0});
		drain(&members[1]);
	}
}

static size_t run_full(size_t n)
{
	(void)n;
	for (size_t i = 0; i < 1000; i++) {
		say("/prices/de/eur");
		hub_reply(hub, &members[1], i, &(struct hub_answer){0});
		drain(&members[1]);
	}
	return 1000;
}

static const struct work works[] = {
	{"deliver", prepare_deliver, run_deliver, finish_hub},
	{"write", prepare_deliver, run_write, finish_hub},
	{"deaf", prepare_deliver, run_deaf, finish_hub},
	{"filtered", prepare_filtered, run_deaf, finish_hub},
	{"trie", prepare_trie, run_trie, finish_trie},
	{"subscribe", prepare_subscribe, run_subscribe, finish_hub},
	{"outcome", prepare_outcome, run_outcome, finish_hub},
	{"full", prepare_full, run_full, finish_hub},
};

/* callgrind counts between its entry and its return */
__attribute__((noinline)) size_t measured(const struct work *work, size_t n);
size_t measured(const struct work *work, size_t n)
{
	return work->run(n);
}

int main(int argc, char **argv)
{
	size_t n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	for (size_t i = 0; n > 0 && i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, argv[1]) == 0) {
			works[i].prepare(n);
			printf("%zu\n", measured(&works[i], n));
			works[i].finish(n);
			return 0;
		}
	fprintf(stderr, "usage: bench_hub WORK SIZE\n");
	return 2;
}
