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

int ctl_connect(struct ctl *ctl)
{
	int error = cometd_connect(ctl->c, GREETING_MS);

	return error ? complain(cometd_get_socket(ctl->c), error, NULL) : EXIT_OK;
}

struct cometd_message ctl_message(const struct ctl *ctl, const char *data, size_t len)
{
	return (struct cometd_message){.size = sizeof(struct cometd_message), .data = data,
				       .data_len = len, .ext = ctl->ext,
				       .ext_len = ctl->ext ? strlen(ctl->ext) : 0};
}
