/*
 * cometctl wait: until the session with a server is in some state. Prints
 * nothing; the exit code is the answer.
 */
#include "cometctl.h"

int cmd_wait(struct ctl *ctl)
{
	int code = ctl_connect(ctl);

	if (code)
		return code;
	const char *server = ctl->server ? ctl->server : "the default server";
	int error = cometd_wait_state(ctl->c, ctl->server, ctl->state, ctl_left(ctl, 0));
	if (error == COMETD_E_TIMEOUT) {
		fputs("cometctl: ", stderr);
		print_name(stderr, server);
		fprintf(stderr, ": not %s in time\n", cometd_state_name(ctl->state));
		return EXIT_TIMEOUT;
	}
	return error ? complain(server, error, NULL) : EXIT_OK;
}
