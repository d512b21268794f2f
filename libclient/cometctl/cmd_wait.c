/*
 * cometctl wait: until the session with each server is in some state; also for a
 * daemon that does not run yet. Prints nothing on standard output: the exit code
 * is the answer.
 */
#include "cometctl.h"

#include <string.h>

/* the pause between two attempts to connect to a daemon that does not run yet */
#define PAUSE_MS 200

static bool may_come(int error)
{
	return error == COMETD_E_NO_DAEMON || error == COMETD_E_DISCONNECTED ||
		error == COMETD_E_SHUTDOWN || error == COMETD_E_BUSY;
}

/* Reports why it waits, once for each reason. */
static void report_wait(const struct ctl *ctl, int error, int *reported)
{
	if (error != *reported)
		report(cometd_get_socket(ctl->c), ": ", cometd_strerror(error), "; waiting for it",
		       NULL);
	*reported = error;
}

static int wait_for_daemon(struct ctl *ctl)
{
	int error, reported = 0;

	while (may_come(error = ctl_try_connect(ctl))) {
		int left = ctl_left(ctl, 0);

		if (left == 0)
			break;
		report_wait(ctl, error, &reported);
		cometd_wait(ctl->c, left < 0 || left > PAUSE_MS ? PAUSE_MS : left);
	}
	return error ? complain(cometd_get_socket(ctl->c), error,
				&(struct cometd_result){.text = ctl->down}) : EXIT_OK;
}

static int complain_too_late(const struct ctl *ctl, const struct ctl_server *s)
{
	char more[64];

	if (!cometd_is_connected(ctl->c))
		return complain(cometd_get_socket(ctl->c), cometd_connection_error(ctl->c),
				&(struct cometd_result){.text = ctl->down});
	snprintf(more, sizeof(more), "; not %s in time", cometd_state_name(ctl->state));
	ctl_report_state(s, more);
	return EXIT_TIMEOUT;
}

int cmd_wait(struct ctl *ctl)
{
	int code = wait_for_daemon(ctl);

	for (int i = 0; !code && i < ctl->n_servers; i++) {
		const struct ctl_server *s = &ctl->servers[i];
		int error = cometd_wait_state(ctl->c, s->name, ctl->state, ctl_left(ctl, 0));

		if (error == COMETD_E_TIMEOUT)
			code = complain_too_late(ctl, s);
		else if (error)
			code = complain(s->name ? s->name : "the default server", error, NULL);
	}
	return code;
}
