/*
 * Publishes one message without blocking, in a loop of its own that could wait
 * for other things as well:
 *
 *     cc publish.c $(pkg-config --cflags --libs cometd-bridge) -o publish
 *     ./publish /chat/room '{"text":"hello"}'
 */
#include <cometd-bridge.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

struct outcome {
	int here;
	int error;
};

static void on_published(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct outcome *outcome = user;

	(void)c;
	outcome->here = 1;
	outcome->error = result->error;
	if (result->error == COMETD_E_REFUSED)
		fprintf(stderr, "refused by the server: %s\n", result->text);
	else if (result->error == COMETD_E_NOT_SENT)
		fprintf(stderr, "not sent, you may try again\n");
	else if (result->error == COMETD_E_UNKNOWN_OUTCOME)
		fprintf(stderr, "sent, but not answered: it may have been published\n");
	else if (result->error)
		fprintf(stderr, "%s\n", result->text);
}

int main(int argc, char **argv)
{
	struct outcome outcome = {0, 0};
	struct cometd *c = NULL;
	int error;

	if (argc != 3) {
		fprintf(stderr, "usage: publish CHANNEL JSON\n");
		return 2;
	}
	error = cometd_new(&c);
	if (!error)
		error = cometd_publish_async(c, NULL, argv[1], argv[2], strlen(argv[2]),
					     COMETD_TIMEOUT_DEFAULT, on_published, &outcome);
	while (!error && !outcome.here) {
		struct pollfd p;

		p.fd = cometd_get_fd(c);
		p.events = (short)cometd_get_events(c);
		poll(&p, 1, cometd_get_timeout(c));
		error = cometd_process(c);
	}
	if (error)
		fprintf(stderr, "%s\n", cometd_strerror(error));
	cometd_free(c);
	return error || outcome.error ? 1 : 0;
}
