/*
 * cometctl call: one request to a service channel, and its answer.
 */
#include "cometctl.h"

#include <stdlib.h>
#include <string.h>

static int call(struct ctl *ctl, const char *data, size_t len)
{
	const struct cometd_message message = ctl_message(ctl, data, len);
	const struct ctl_server *server = &ctl->servers[0];
	const char *channel = ctl->args[0];
	const struct cometd_result *result = NULL;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = cometd_call_message(ctl->c, server->name, channel, &message, ctl_left(ctl, 1),
					&result);
	if (!error && !result)
		error = COMETD_E_NOMEM;
	if (error) {
		code = complain_about(server, channel, error, result);
		ctl_explain(server, error);
		return code;
	}
	if (ctl->json)
		print_json(stdout, result->message, result->message_len);
	else
		print_data(stdout, result->data, result->data_len, result->binary, result->json,
			   result->json_len);
	fputc('\n', stdout);
	return EXIT_OK;
}

int cmd_call(struct ctl *ctl)
{
	size_t len;
	char *data;
	int code = payload_read(ctl, ctl->args[1], &data, &len);

	if (code)
		return code;
	code = call(ctl, data, len);
	free(data);
	return code;
}
