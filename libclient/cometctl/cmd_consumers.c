/*
 * cometctl consumers: the durable consumers and what waits for them; and cometctl
 * forget: removes one.
 */
#include "cometctl.h"

#include <string.h>

static bool is_of_server(const struct ctl *ctl, const struct cometd_json *row)
{
	struct cometd_json server;
	char name[72];

	if (!ctl->server_given)
		return true;
	if (cometd_json_get(row, "server", &server) || cometd_json_text(&server, name, sizeof(name), NULL))
		return false;
	for (int i = 0; i < ctl->n_servers; i++)
		if (!strcmp(ctl->servers[i].name, name))
			return true;
	return false;
}

static int print_json_row(void *user, const struct cometd_json *row)
{
	if (is_of_server(user, row)) {
		print_json(stdout, row->json, row->len);
		putchar('\n');
	}
	return 0;
}

static int print(struct ctl *ctl, const struct cometd_json *result)
{
	const struct status_view view = {.columns = screen_columns(), .servers = ctl->servers, .channels = true,
					 .n_servers = ctl->server_given ? ctl->n_servers : 0};
	struct cometd_json rows;

	if (cometd_json_get(result, "consumers", &rows) || rows.kind != COMETD_JSON_ARRAY)
		return complain("no consumers", COMETD_E_PROTOCOL, NULL);
	if (ctl->json)
		cometd_json_each(&rows, print_json_row, ctl);
	else
		print_consumers(result, &view);
	return EXIT_OK;
}

int cmd_consumers(struct ctl *ctl)
{
	const struct cometd_result *result = NULL;
	struct cometd_json json;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = cometd_consumers(ctl->c, ctl_left(ctl, 1), &result);
	if (!error && !result)
		error = COMETD_E_NOMEM;
	if (!error && !result->json)
		error = COMETD_E_PROTOCOL;
	if (!error)
		error = cometd_json_parse(result->json, result->json_len, &json);
	return error ? complain("no consumers", error, result) : print(ctl, &json);
}

int cmd_forget(struct ctl *ctl)
{
	const char *name = ctl->args[0];
	const struct cometd_result *result = NULL;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = cometd_forget(ctl->c, ctl->servers[0].name, name, ctl_left(ctl, 1), &result);
	if (error == COMETD_E_INVALID)
		error = COMETD_E_UNKNOWN_CONSUMER;
	return error ? complain(error == COMETD_E_UNKNOWN_SERVER ? ctl->servers[0].name : name, error, result) : EXIT_OK;
}
