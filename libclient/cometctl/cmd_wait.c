/*
 * cometctl wait: until the session with a server is in some state. Prints
 * nothing; the exit code is the answer.
 */
#include "cometctl.h"

int cmd_wait(struct ctl *ctl)
{
	long long deadline = ctl_now() + ctl->timeout_ms;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int left = COMETD_FOREVER;
	if (ctl->timeout_ms >= 0)
		left = deadline > ctl_now() ? (int)(deadline - ctl_now()) : 0;
	const char *server = ctl->server ? ctl->server : "the default server";
	int error = cometd_wait_state(ctl->c, ctl->server, ctl->state, left);
	if (error == COMETD_E_TIMEOUT) {
		fprintf(stderr, "cometctl: %s: not %s in time\n", server,
			cometd_state_name(ctl->state));
		return EXIT_TIMEOUT;
	}
	return error ? complain(server, error, NULL) : EXIT_OK;
}
