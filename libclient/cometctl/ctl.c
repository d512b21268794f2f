/*
 * Owns what every verb does first, and the clock of their deadlines. Must
 * never know a verb.
 */
#include "cometctl.h"

#include <string.h>
#include <time.h>

/* how long the daemon may take to greet: it may be starting */
#define GREETING_MS 15000

long long ctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int ctl_left(const struct ctl *ctl, int least)
{
	if (ctl->deadline < 0)
		return -1;
	long long left = ctl->deadline - ctl_now();
	return left > least ? (int)left : least;
}

/* What the daemon or the kernel said; nobody hears events yet but we. */
static int complain_about_connection(struct ctl *ctl, int error)
{
	const struct cometd_event *event;
	struct cometd_result said = {.text = ""};

	while (cometd_next(ctl->c, 0, &event) == 0)
		if (event->type == COMETD_EVENT_DOWN && event->error == error) {
			said.text = event->text;
			break;
		}
	return complain(cometd_get_socket(ctl->c), error, &said);
}

int ctl_connect(struct ctl *ctl)
{
	int left = ctl_left(ctl, 1);
	int error = cometd_connect(ctl->c, left < 0 || left > GREETING_MS ? GREETING_MS : left);

	return error ? complain_about_connection(ctl, error) : EXIT_OK;
}

struct cometd_message ctl_message(const struct ctl *ctl, const char *data, size_t len)
{
	return (struct cometd_message){.size = sizeof(struct cometd_message), .data = data,
				       .data_len = len, .ext = ctl->ext,
				       .ext_len = ctl->ext ? strlen(ctl->ext) : 0};
}
