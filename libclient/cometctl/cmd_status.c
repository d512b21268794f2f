/*
 * cometctl status: the daemon's snapshot, for people or (--json) as it came.
 */
#include "cometctl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS 80
#define COLUMNS_MIN 40

/* of the terminal, of COLUMNS, or 80 */
int screen_columns(void)
{
	struct winsize size;
	const char *variable = getenv("COLUMNS");
	int n = 0;

	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	if (n == 0 && variable)
		n = atoi(variable);
	return n == 0 ? COLUMNS : n < COLUMNS_MIN ? COLUMNS_MIN : n;
}

struct search {
	const char *name;
	bool print;
	bool found;
};

static int look_at(void *user, const struct cometd_json *row)
{
	struct search *s = user;
	struct cometd_json name;
	char text[256];

	if (cometd_json_get(row, "server", &name) ||
	    cometd_json_text(&name, text, sizeof(text), NULL) || strcmp(text, s->name))
		return 0;
	s->found = true;
	if (s->print) {
		print_json(stdout, row->json, row->len);
		putchar('\n');
	}
	return 1;
}

/* Looks for each server of -s; a name that no server has is an error before anything is printed. */
static int look_for_servers(const struct ctl *ctl, const struct cometd_json *status, bool print)
{
	struct cometd_json rows;

	if (cometd_json_get(status, "servers", &rows))
		return complain("no status", COMETD_E_PROTOCOL, NULL);
	for (int i = 0; i < ctl->n_servers; i++) {
		struct search s = {.name = ctl->servers[i].name, .print = print};

		cometd_json_each(&rows, look_at, &s);
		if (!s.found)
			return complain(s.name, COMETD_E_UNKNOWN_SERVER, NULL);
	}
	return EXIT_OK;
}

static int print(const struct ctl *ctl, const struct cometd_json *status)
{
	const struct status_view view = {.channels = ctl->verbose, .columns = screen_columns(),
				   .now_ms = (unsigned long long)time(NULL) * 1000,
				   .own_pid = (unsigned long long)getpid(),
				   .servers = ctl->servers,
				   .n_servers = ctl->server_given ? ctl->n_servers : 0};
	int code = ctl->server_given ? look_for_servers(ctl, status, false) : EXIT_OK;

	if (code)
		return code;
	if (ctl->json && ctl->server_given)
		return look_for_servers(ctl, status, true);
	if (ctl->json) {
		print_json(stdout, status->json, status->len);
		putchar('\n');
		return EXIT_OK;
	}
	print_status(status, &view);
	return EXIT_OK;
}

int cmd_status(struct ctl *ctl)
{
	const struct cometd_result *result = NULL;
	struct cometd_json status;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = (ctl->verbose ? cometd_status_detail : cometd_status)(ctl->c, ctl_left(ctl, 1),
									  &result);
	if (!error && !result)
		error = COMETD_E_NOMEM;
	if (!error && !result->json)
		error = COMETD_E_PROTOCOL;
	if (!error)
		error = cometd_json_parse(result->json, result->json_len, &status);
	return error ? complain("no status", error, result) : print(ctl, &status);
}
