/* Owns the server and the client of a test. */
#include "tests/fake/joined.h"

#include <poll.h>

struct fake *fake;
struct client client;

int join(void **state)
{
	static const char *const options[] = {"--timeout", "60000", NULL};

	(void)state;
	fake = fake_start(options);
	client_init(&client, fake_port(fake));
	client_handshake(&client, NULL);
	return 0;
}

int join_ws(void **state)
{
	join(state);
	client_open_ws(&client);
	client_handshake(&client, NULL);
	return 0;
}

int leave(void **state)
{
	(void)state;
	client_fini(&client);
	fake_stop(fake);
	return 0;
}

bool quiet(const struct raw *r)
{
	struct pollfd p = {.fd = r->fd, .events = POLLIN};

	return r->n == 0 && poll(&p, 1, 0) == 0;
}

struct fake *fake_of(const char *dialect, const char *timeout)
{
	const char *options[] = {"--dialect", dialect, "--timeout", timeout, NULL};

	return fake_start(options);
}

void join_as(struct client *c, struct fake *f, bool ws, const char *fields)
{
	client_init(c, fake_port(f));
	if (ws)
		client_open_ws(c);
	client_handshake(c, fields);
}
