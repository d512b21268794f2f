/*
 * Compiled as C89, strictly, and as C++ (client-header.sh): whoever includes
 * the public header gets no warning. Never run.
 */
#include <cometd-bridge.h>

static void on_event(struct cometd *c, const struct cometd_event *event, void *user)
{
	struct cometd_binary bytes = {0, 0, 0, 0, 0};

	(void)user;
	bytes.bytes = event->binary;
	bytes.len = event->binary_len;
	if (event->binary)
		(void)cometd_publish_binary_async(c, event->server, event->channel, &bytes,
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
