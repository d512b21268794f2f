/*
 * cometctl call: one question, one answer. Must never know how it travels.
 */
#include "cometctl.h"

#include <string.h>

int cmd_call(struct ctl *ctl)
{
	const char *channel = ctl->args[0], *data = ctl->args[1];
	const struct cometd_message message = ctl_message(ctl, data, strlen(data));
	const struct cometd_result *result = NULL;
	int error = cometd_json_parse(data, strlen(data), NULL);

	if (error)
		return complain(data, error, NULL);
	int code = ctl_connect(ctl);
	if (code)
		return code;
	error = cometd_call_message(ctl->c, ctl->server, channel, &message, ctl_left(ctl, 1),
				    &result);
	if (error)
		return complain_about(ctl, channel, error, result);
	if (!result)
		return complain(channel, COMETD_E_NOMEM, NULL);
	if (ctl->json)
		print_json(stdout, result->message, result->message_len);
	else
		print_data(stdout, result->data, result->data_len, result->binary, result->json,
			   result->json_len);
	fputc('\n', stdout);
	return EXIT_OK;
}
