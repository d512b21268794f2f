/*
 * Prints each message of a channel at least once, also if it is killed at any moment:
 *
 *     cc worker.c $(pkg-config --cflags --libs cometd-bridge) -o worker
 *     ./worker billing /orders
 *
 * `billing` is the name of a durable consumer: the daemon stores the messages of the channel
 * until they are acknowledged. What was printed and not acknowledged when the program was
 * killed comes again at its next start.
 */
#include <cometd-bridge.h>

#include <stdio.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, cometd_strerror(error));
	return 1;
}

static int report(const struct cometd_event *event)
{
	if (event->type == COMETD_EVENT_LOST && event->gap)
		fprintf(stderr, "messages may have been missed\n");
	else if (event->type == COMETD_EVENT_LOST)
		fprintf(stderr, "%lu messages lost: %s\n", (unsigned long)event->count, event->text);
	else if (event->type == COMETD_EVENT_DOWN)
		fprintf(stderr, "no daemon (%s), trying again\n", event->text);
	else if (event->type == COMETD_EVENT_SUBSCRIPTION && event->error)
		fprintf(stderr, "%s: %s\n", event->channel, event->text);
	/* a refusal that is not temporary is the end */
	return event->type == COMETD_EVENT_SUBSCRIPTION && !event->pending ? event->error : 0;
}

/* The work. 0 when it is done, and must not be done again. */
static int process(const struct cometd_event *event)
{
	printf("%s%s %.*s\n", event->redelivered ? "again: " : "", event->channel,
	       (int)event->data_len, event->data ? event->data : "");
	return fflush(stdout);
}

int main(int argc, char **argv)
{
	struct cometd_subscription subscription = {0};
	const struct cometd_event *event;
	struct cometd *c = NULL;
	int error;

	if (argc != 3) {
		fprintf(stderr, "usage: worker NAME CHANNEL\n");
		return 2;
	}
	error = cometd_new(&c);
	if (error)
		return fail("cometd_new", error);
	error = cometd_connect(c, 10000);
	if (error)
		return fail(cometd_get_socket(c), error);
	subscription.size = sizeof(subscription);
	subscription.durable = argv[1];
	error = cometd_subscribe_with(c, NULL, argv[2], &subscription, COMETD_TIMEOUT_DEFAULT, NULL);
	if (error)
		return fail(argv[2], error);
	while (error == 0) {
		error = cometd_next(c, COMETD_FOREVER, &event);
		if (error == 0 && event->type != COMETD_EVENT_MESSAGE)
			error = report(event);
		else if (error == 0 && process(event) != 0)
			break;
		else if (error == 0)
			/* without waiting: it covers all messages before it, too */
			error = cometd_ack_async(c, event->server, event->epoch, event->seq,
						 COMETD_TIMEOUT_DEFAULT, NULL, NULL);
	}
	cometd_free(c);
	return fail("worker", error);
}
