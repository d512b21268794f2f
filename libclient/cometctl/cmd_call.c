/*
 * cometctl call: one question, one answer. Must never know how it travels.
 */
#include "cometctl.h"

#include <string.h>

int cmd_call(struct ctl *ctl)
{
	const char *channel = ctl->args[0], *data = ctl->args[1];
	const struct cometd_result *result = NULL;
	int error = cometd_json_parse(data, strlen(data), NULL);

	if (error)
		return complain(data, error, NULL);
	int code = ctl_connect(ctl);
	if (code)
		return code;
	error = cometd_call(ctl->c, ctl->server, channel, data, strlen(data), ctl->timeout_ms,
			    &result);
	if (error)
		return complain(channel, error, result);
	if (!result)
		return complain(channel, COMETD_E_NOMEM, NULL);
	if (ctl->json)
		print_json(stdout, result->message, result->message_len);
	else
		print_json(stdout, result->data, result->data_len);
	fputc('\n', stdout);
	return EXIT_OK;
}
