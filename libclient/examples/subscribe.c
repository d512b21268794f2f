/*
 * Prints what arrives on the channels given, until it is stopped:
 *
 *     cc subscribe.c $(pkg-config --cflags --libs cometd-bridge) -o subscribe
 *     ./subscribe /chat/room /news/today
 */
#include <cometd-bridge.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, cometd_strerror(error));
	return 1;
}

static void print(const struct cometd_event *event)
{
	switch (event->type) {
	case COMETD_EVENT_MESSAGE:
		printf("%s %.*s\n", event->channel, (int)event->data_len,
		       event->data ? event->data : "");
		fflush(stdout);
		break;
	case COMETD_EVENT_LOST:
		if (event->gap)
			fprintf(stderr, "messages may have been missed\n");
		else
			fprintf(stderr, "%lu messages lost\n", (unsigned long)event->count);
		break;
	case COMETD_EVENT_DOWN:
		fprintf(stderr, "no daemon (%s), trying again\n", event->text);
		break;
	case COMETD_EVENT_UP:
		if (event->gap)
			fprintf(stderr, "the daemon is back, messages may have been missed\n");
		break;
	case COMETD_EVENT_SUBSCRIPTION:
		if (event->error)
			fprintf(stderr, "%s: %s\n", event->channel, event->text);
		if (event->error && !event->pending)
			exit(1);
		break;
	case COMETD_EVENT_STATE:
		fprintf(stderr, "%s is %s\n", event->server, event->state_name);
		break;
	}
}

int main(int argc, char **argv)
{
	const struct cometd_event *event;
	struct cometd *c = NULL;
	int error, i;

	error = cometd_new(&c);
	if (error)
		return fail("cometd_new", error);
	error = cometd_connect(c, 10000);
	if (error)
		return fail(cometd_get_socket(c), error);
	for (i = 1; i < argc; i++) {
		error = cometd_subscribe(c, NULL, argv[i], 0, COMETD_TIMEOUT_DEFAULT, NULL);
		if (error)
			return fail(argv[i], error);
	}
	while ((error = cometd_next(c, COMETD_FOREVER, &event)) == 0)
		print(event);
	cometd_free(c);
	return fail("cometd_next", error);
}
