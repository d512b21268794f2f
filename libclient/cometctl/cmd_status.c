/*
 * cometctl status: the daemon's snapshot, for people or (--json) as it came.
 * Guarantees that a daemon which tells less, or more, is still shown: every
 * field is optional. Must never know how the snapshot is made.
 */
#include "cometctl.h"

#include <string.h>
#include <time.h>

/* wide enough for any name and for what is left of a long reason */
#define TEXT_MAX 300

struct column {
	const char *title;
	const char *field;
	int width;                  /* negative: to the left, as of printf */
};

static const struct column server_columns[] = {
	{"SERVER", "server", -16}, {"STATE", "state", -13}, {"SINCE", "since", -9},
	{"TRANSPORT", "transport", -12}, {"CHANNELS", "channels", 8}, {"RECEIVED", "received", 10},
	{"PUBLISHED", "published", 10}, {"HANDSHAKES", "handshakes", 10},
};

static const struct column peer_columns[] = {
	{"PEER", "peer", 6}, {" NAME", "name", -17}, {"UID", "uid", 6}, {"PID", "pid", 8},
	{"SUBSCRIBED", "subscriptions", 10}, {"QUEUED", "queued_bytes", 10},
	{"DELIVERED", "delivered", 10}, {"LOST", "lost", 8},
};
#define N(table) (int)(sizeof(table) / sizeof(*(table)))

static void text_of(const struct cometd_json *object, const char *field, char *out, size_t size)
{
	struct cometd_json v;

	snprintf(out, size, "-");
	if (cometd_json_get(object, field, &v) || v.kind == COMETD_JSON_NONE)
		return;
	if (v.kind == COMETD_JSON_STRING)
		cometd_json_text(&v, out, size, NULL);
	else
		snprintf(out, size, "%.*s", (int)(v.len < size ? v.len : size - 1), v.json);
}

static bool number_of(const struct cometd_json *object, const char *field, uint64_t *ret)
{
	struct cometd_json v;

	return !cometd_json_get(object, field, &v) && !cometd_json_u64(&v, ret);
}

static bool is_true(const struct cometd_json *object, const char *field)
{
	struct cometd_json v;

	return !cometd_json_get(object, field, &v) && v.kind == COMETD_JSON_TRUE;
}

/* "5 min" since a moment in milliseconds since 1970 */
static void age(uint64_t since_ms, char *out, size_t size)
{
	uint64_t now = (uint64_t)time(NULL), since = since_ms / 1000;
	uint64_t s = now > since ? now - since : 0;

	if (s < 120)
		snprintf(out, size, "%u s", (unsigned)s);
	else if (s < 7200)
		snprintf(out, size, "%u min", (unsigned)(s / 60));
	else if (s < 172800)
		snprintf(out, size, "%u h", (unsigned)(s / 3600));
	else
		snprintf(out, size, "%llu d", (unsigned long long)(s / 86400));
}

static void print_padded(const char *text, int width)
{
	int pad = (width < 0 ? -width : width) - (int)print_name(NULL, text);

	if (width > 0)
		printf("%*s", pad > 0 ? pad : 0, "");
	print_name(stdout, text);
	printf("%*s ", width < 0 && pad > 0 ? pad : 0, "");
}

static void print_cell(const struct cometd_json *row, const struct column *column)
{
	char text[TEXT_MAX];
	uint64_t since;

	text_of(row, column->field, text, sizeof(text) - 2);
	if (!strcmp(column->field, "since") && number_of(row, "since", &since))
		age(since, text, sizeof(text));
	if (!strcmp(column->field, "server") && is_true(row, "default"))
		strcat(text, "*");
	print_padded(text, column->width);
}

/* "its clock is 340 ms ahead of ours, one way takes 12 ms" */
static void print_timesync(const struct cometd_json *row)
{
	struct cometd_json timesync;
	char offset[TEXT_MAX], lag[TEXT_MAX];

	if (cometd_json_get(row, "timesync", &timesync) || timesync.kind != COMETD_JSON_OBJECT)
		return;
	text_of(&timesync, "offset", offset, sizeof(offset));
	text_of(&timesync, "lag", lag, sizeof(lag));
	bool behind = offset[0] == '-';
	fputs("  its clock is ", stdout);
	print_name(stdout, offset + behind);
	printf(" ms %s ours, one way takes ", behind ? "behind" : "ahead of");
	print_name(stdout, lag);
	puts(" ms");
}

static void print_left_out(const struct cometd_json *row)
{
	uint64_t n;

	if (number_of(row, "left_out", &n) && n > 0)
		printf("  left out %llu message%s that could not be read or exceeded max-message\n",
		       (unsigned long long)n, n == 1 ? "" : "s");
}

static int print_disabled(void *user, const struct cometd_json *name)
{
	char text[TEXT_MAX];

	(void)user;
	if (cometd_json_text(name, text, sizeof(text), NULL))
		return 0;
	fputs("  extension ", stdout);
	print_name(stdout, text);
	puts(" failed too often and is disabled until the daemon is restarted");
	return 0;
}

static int print_server(void *user, const struct cometd_json *row)
{
	struct cometd_json disabled;
	char text[TEXT_MAX];
	uint64_t retry;

	(void)user;
	for (int i = 0; i < N(server_columns); i++)
		print_cell(row, &server_columns[i]);
	text_of(row, "url", text, sizeof(text));
	print_name(stdout, text);
	putchar('\n');
	text_of(row, "reason", text, sizeof(text));
	if (strcmp(text, "-")) {
		fputs("  ", stdout);
		print_name(stdout, text);
		if (number_of(row, "retry_in", &retry))
			printf(", next try in %.1f s", (double)retry / 1000);
		putchar('\n');
	}
	print_timesync(row);
	print_left_out(row);
	if (!cometd_json_get(row, "disabled_extensions", &disabled))
		cometd_json_each(&disabled, print_disabled, NULL);
	return 0;
}

static int print_peer(void *user, const struct cometd_json *row)
{
	(void)user;
	for (int i = 0; i < N(peer_columns); i++)
		print_cell(row, &peer_columns[i]);
	putchar('\n');
	return 0;
}

static void print_table(const struct cometd_json *status, const char *field,
			const struct column *columns, int n, const char *last_title,
			int (*print_row)(void *user, const struct cometd_json *row))
{
	struct cometd_json rows;

	if (cometd_json_get(status, field, &rows) || rows.kind != COMETD_JSON_ARRAY)
		return;
	putchar('\n');
	for (int i = 0; i < n; i++)
		print_padded(columns[i].title, columns[i].width);
	puts(last_title);
	cometd_json_each(&rows, print_row, NULL);
}

void print_status(const struct cometd_json *status)
{
	char version[64], pid[32], up[32] = "";
	uint64_t started;

	text_of(status, "version", version, sizeof(version));
	text_of(status, "pid", pid, sizeof(pid));
	fputs("cometd-bridged ", stdout);
	print_name(stdout, version);
	fputs(", process ", stdout);
	print_name(stdout, pid);
	if (number_of(status, "started", &started)) {
		age(started, up, sizeof(up));
		printf(", up %s", up);
	}
	putchar('\n');
	print_table(status, "servers", server_columns, N(server_columns), "URL", print_server);
	print_table(status, "peers", peer_columns, N(peer_columns), "", print_peer);
}

int cmd_status(struct ctl *ctl)
{
	const struct cometd_result *result = NULL;
	struct cometd_json status;
	int code = ctl_connect(ctl);

	if (code)
		return code;
	int error = cometd_status(ctl->c, ctl_left(ctl, 1), &result);
	if (!error && !result)
		error = COMETD_E_NOMEM;
	if (!error && !result->json)
		error = COMETD_E_PROTOCOL;
	if (!error)
		error = cometd_json_parse(result->json, result->json_len, &status);
	if (error)
		return complain("no status", error, result);
	if (ctl->json) {
		print_json(stdout, result->json, result->json_len);
		putchar('\n');
	} else {
		print_status(&status);
	}
	return EXIT_OK;
}
