/* Setup and teardown of a test: a fake server and a connected client. */
#include "tests/fake/setup.h"

#include <poll.h>

struct fake *fake;
struct client client;

int setup_client(void **state)
{
	/* the session outlives a test that is slow, with valgrind on a loaded machine, and sends no connect */
	static const char *const options[] = {"--timeout", "60000", "--max-interval", "600000", NULL};

	(void)state;
	fake = fake_start(options);
	client_init(&client, fake_port(fake));
	client_handshake(&client, NULL);
	return 0;
}

int setup_ws_client(void **state)
{
	setup_client(state);
	client_open_ws(&client);
	client_handshake(&client, NULL);
	return 0;
}

int teardown_client(void **state)
{
	(void)state;
	client_fini(&client);
	fake_stop(fake);
	return 0;
}

bool has_no_input(const struct raw *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};

	return r->n == 0 && poll(&p, 1, 0) == 0;
}

struct fake *fake_of(const char *dialect, const char *timeout)
{
	const char *options[] = {"--dialect", dialect, "--timeout", timeout, NULL};

	return fake_start(options);
}

void connect_client(struct client *c, struct fake *f, bool ws, const char *fields)
{
	client_init(c, fake_port(f));
	if (ws)
		client_open_ws(c);
	client_handshake(c, fields);
}
