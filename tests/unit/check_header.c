/*
 * Compiled as strict C89 and as C++ (client-header.sh): the public header must not
 * cause warnings. Never run.
 */
#include <cometd-bridge.h>

static void on_event(struct cometd *c, const struct cometd_event *event, void *user)
{
	struct cometd_message m = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

	(void)user;
	m.size = sizeof(m);
	m.binary = event->binary;
	m.binary_len = event->binary_len;
	if (event->binary)
		(void)cometd_publish_message_async(c, event->server, event->channel, &m,
						   COMETD_TIMEOUT_DEFAULT, 0, 0);
	if (event->type == COMETD_EVENT_MESSAGE)
		(void)cometd_publish_async(c, event->server, event->channel, event->data,
					   event->data_len, COMETD_TIMEOUT_DEFAULT, 0, 0);
}

int main(void)
{
	struct cometd *c = 0;

	if (cometd_new(&c))
		return 1;
	cometd_set_listener(c, on_event, 0);
	cometd_free(c);
	return 0;
}
