/*
 * Peers that subscribe to all they may hold, beside one that publishes a message at
 * a time: what the server receives of both, in its order. Nothing here depends on
 * how fast the machine is: a slower one sends fewer channels between two publishes.
 */
#include "tests/scenario/world.h"

#include "tests/unit/testing.h"

#include <stdio.h>

#define PEERS 8
#define FRAMES 16
#define CHANNELS 64
#define PUBLISHES 20
/* fewer than fit into a batch, and more than are sent to a server that answers them slowly */
#define CHANNELS_BETWEEN 32

static void subscribe(struct wire *w, uint64_t ids[FRAMES], unsigned peer)
{
	char list[CHANNELS * 24];

	for (unsigned i = 0; i < FRAMES; i++) {
		size_t n = 0;

		for (unsigned k = 0; k < CHANNELS; k++)
			n += (size_t)sprintf(list + n, "%s\"/c/%u/%u\"", k ? "," : "", peer,
					     i * CHANNELS + k);
		ids[i] = wire_request(w, "subscribe", ",\"channels\":[%s]", list);
	}
	/* all of them are in the session now */
	wire_ok(w, "ping", "%s", "");
}

static void publish(struct wire *w)
{
	wire_ok(w, "publish", ",\"channel\":\"/p\",\"data\":1,\"timeout\":3600000");
}

static void publishes_beside_subscribes(void **state)
{
	struct world *w = world_up(NULL, *state);
	struct wire *publisher = world_peer(w, "publisher"), *peer[PEERS];
	uint64_t ids[PEERS][FRAMES];

	fake_command(w->fake, "rule type=subscribe times=all delay 100");
	for (unsigned i = 0; i < PEERS; i++) {
		peer[i] = wire_hello(w->socket, "subscriber");
		subscribe(peer[i], ids[i], i);
	}
	publish(publisher);
	fake_command(w->fake, "mark");
	for (unsigned i = 0; i < PUBLISHES; i++)
		publish(publisher);
	assert_in_range(fake_count(w->fake, "subscribe", NULL), 0, PUBLISHES * CHANNELS_BETWEEN);
	/* and the subscribes get on, however many publishes there are */
	for (unsigned long before = fake_count(w->fake, "subscribe", NULL), n = before; n < before + 2;
	     n = fake_count(w->fake, "subscribe", NULL))
		publish(publisher);
	/* without publishes they need not wait */
	fake_command(w->fake, "unrule");
	for (unsigned i = 0; i < PEERS; i++) {
		for (unsigned k = 0; k < FRAMES; k++)
			wire_reply_ok(peer[i], ids[i][k]);
		wire_close(peer[i]);
	}
	wire_close(publisher);
	world_free(w);
}

int main(void)
{
	static char websocket[] = "transports = websocket\n", polling[] = "transports = long-polling\n";
	const struct CMUnitTest tests[] = {
		{"publishes_beside_subscribes_websocket", publishes_beside_subscribes, NULL, NULL, websocket},
		{"publishes_beside_subscribes_polling", publishes_beside_subscribes, NULL, NULL, polling},
	};

	return scenario_run("fairness", tests, NULL, NULL);
}
