/*
 * The answer to status, for people. Each field is optional, so that the status of
 * an older or newer daemon is shown as far as it goes. Tables fit the width of the
 * screen: names are cut for it, numbers never.
 */
#include "cometctl.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/* enough for any name and for a long reason */
#define TEXT_MAX 600
/* a name is not cut to less than this */
#define NAME_MIN 8

/* ---- fields ---------------------------------------------------------------- */

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

/* "5 min" from a moment in milliseconds since 1970 until now */
static void put_age(uint64_t since_ms, uint64_t now_ms, char *out, size_t size)
{
	uint64_t s = now_ms > since_ms ? (now_ms - since_ms) / 1000 : 0;

	if (s < 120)
		snprintf(out, size, "%u s", (unsigned)s);
	else if (s < 7200)
		snprintf(out, size, "%u min", (unsigned)(s / 60));
	else if (s < 172800)
		snprintf(out, size, "%u h", (unsigned)(s / 3600));
	else
		snprintf(out, size, "%llu d", (unsigned long long)(s / 86400));
}

/* "980", "1.2K", "34M": at most five characters from `whole` on, below it all digits */
static void put_scaled(uint64_t n, uint64_t whole, unsigned base, char *out, size_t size)
{
	const char *unit = "KMGTPE";
	double scaled = (double)n / base;

	if (n < whole) {
		snprintf(out, size, "%llu", (unsigned long long)n);
		return;
	}
	for (; scaled >= base && unit[1]; unit++)
		scaled /= base;
	snprintf(out, size, scaled < 10 ? "%.1f%c" : "%.0f%c", scaled, *unit);
}

/* ---- tables ------------------------------------------------------------------ */

enum kind { NAME, SERVER_NAME, STATE, AGE, AGE_AGO, COUNT, BYTES, USER, LOSS };

struct column {
	const char *title;
	const char *field;
	enum kind kind;
};

static const struct column server_columns[] = {
	{"SERVER", "server", SERVER_NAME}, {"STATE", "state", STATE}, {"SINCE", "since", AGE},
	{"CHANNELS", "channels", COUNT}, {"RECEIVED", "received", COUNT},
	{"PUBLISHED", "published", COUNT}, {"OUTAGES", "losses", COUNT},
};

static const struct column peer_columns[] = {
	{"PROGRAM", "name", NAME}, {"USER", "uid", USER}, {"PID", "pid", COUNT},
	{"SINCE", "since", AGE}, {"CHANNELS", "subscriptions", COUNT},
	{"QUEUED", "queued_bytes", BYTES}, {"DELIVERED", "delivered", COUNT},
	{"MISSED", "lost", LOSS},
};
/* of peers that disconnected and missed messages */
static const struct column departed_columns[] = {
	{"PROGRAM", "name", NAME}, {"USER", "uid", USER}, {"PID", "pid", COUNT},
	{"ENDED", "until", AGE_AGO}, {"DELIVERED", "delivered", COUNT}, {"MISSED", "lost", LOSS},
};
static const struct column consumer_columns[] = {
	{"CONSUMER", "durable", NAME}, {"SERVER", "server", NAME}, {"USER", "uid", USER}, {"PID", "pid", COUNT},
	{"WAITING", "waiting", COUNT}, {"LOST", "lost", LOSS}, {"ACKED", "acked", COUNT},
};
#define N(table) (sizeof(table) / sizeof(*(table)))
#define COLUMNS_MAX 8

struct table {
	const struct status_view *view;
	const struct column *columns;
	size_t n;
	int widths[COLUMNS_MAX];
	unsigned rows;
	bool first;                 /* no empty line before it */
	/* NULL: all rows are shown */
	bool (*is_shown)(const struct status_view *view, const struct cometd_json *row);
	void (*details)(const struct status_view *view, const struct cometd_json *row);
};

static void put_user(uint64_t uid, char *out, size_t size)
{
	const struct passwd *p = uid <= UINT32_MAX ? getpwuid((uid_t)uid) : NULL;

	if (p)
		snprintf(out, size, "%s", p->pw_name);
}

static void put_cell(const struct table *t, const struct cometd_json *row, const struct column *c,
		     char *out, size_t size)
{
	uint64_t n;

	text_of(row, c->field, out, size - 16);
	if (c->kind == SERVER_NAME && is_true(row, "default"))
		strcat(out, " (default)");
	if (c->kind < AGE || !number_of(row, c->field, &n))
		return;
	if (c->kind == AGE || c->kind == AGE_AGO)
		put_age(n, t->view->now_ms, out, size - 8);
	if (c->kind == AGE_AGO)
		strcat(out, " ago");
	else if (c->kind == BYTES)
		put_scaled(n, 1024, 1024, out, size);
	else if (c->kind == USER)
		put_user(n, out, size);
	else if (c->kind == COUNT || c->kind == LOSS)
		put_scaled(n, 10000000, 1000, out, size);
}

/* Whether a row of the servers is about one that is to be shown. */
static bool is_server_shown(const struct status_view *view, const struct cometd_json *row)
{
	char name[TEXT_MAX];

	text_of(row, "server", name, sizeof(name));
	for (int i = 0; i < view->n_servers; i++)
		if (!strcmp(view->servers[i].name, name))
			return true;
	return view->n_servers == 0;
}

/* This command is connected for a moment, too: of no interest to who runs it. */
static bool is_other_program(const struct status_view *view, const struct cometd_json *row)
{
	uint64_t pid;

	return !number_of(row, "pid", &pid) || pid != view->own_pid;
}

static int measure_row(void *user, const struct cometd_json *row)
{
	struct table *t = user;
	char text[TEXT_MAX];

	if (t->is_shown && !t->is_shown(t->view, row))
		return 0;
	t->rows++;
	for (size_t i = 0; i < t->n; i++) {
		put_cell(t, row, &t->columns[i], text, sizeof(text));
		int width = (int)print_name(NULL, text);
		if (width > t->widths[i])
			t->widths[i] = width;
	}
	return 0;
}

/* The first column, which has names, gives way when the screen is too narrow. */
static void fit(struct table *t)
{
	int sum = -2;

	for (size_t i = 0; i < t->n; i++)
		sum += t->widths[i] + 2;
	int width = t->widths[0] - (sum - t->view->columns);
	if (width < t->widths[0])
		t->widths[0] = width < NAME_MIN ? NAME_MIN : width;
}

static void cut(char *text, int width)
{
	size_t n = strlen(text);

	if ((int)print_name(NULL, text) <= width)
		return;
	while (n > 0 && (int)print_name(NULL, text) > width - 3) {
		n--;
		while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
		text[n] = '\0';
	}
	strcpy(text + n, "...");
}

static bool is_to_the_left(enum kind kind)
{
	return kind == NAME || kind == SERVER_NAME || kind == STATE || kind == USER;
}

static bool begin_cell_style(enum kind kind, const char *text)
{
	if (kind == LOSS ? !strcmp(text, "0") || !strcmp(text, "-") : kind != STATE)
		return false;
	style_begin(stdout, kind == LOSS ? STYLE_BAD : !strcmp(text, "connected") ? STYLE_GOOD :
		    !strcmp(text, "handshaking") || !strcmp(text, "connecting") ? STYLE_BUSY :
		    STYLE_BAD);
	return true;
}

static void print_cell(const struct table *t, size_t i, char *text, bool styled)
{
	enum kind kind = t->columns[i].kind;
	bool left = is_to_the_left(kind), last = i + 1 == t->n;

	if (i == 0)
		cut(text, t->widths[i]);
	int pad = t->widths[i] - (int)print_name(NULL, text);
	if (!left)
		printf("%*s", pad > 0 ? pad : 0, "");
	styled = styled && begin_cell_style(kind, text);
	print_name(stdout, text);
	if (styled)
		style_end(stdout);
	if (!last)
		printf("%*s", left && pad > 0 ? pad + 2 : 2, "");
}

static int print_row(void *user, const struct cometd_json *row)
{
	const struct table *t = user;
	char text[TEXT_MAX];

	if (t->is_shown && !t->is_shown(t->view, row))
		return 0;
	for (size_t i = 0; i < t->n; i++) {
		put_cell(t, row, &t->columns[i], text, sizeof(text));
		print_cell(t, i, text, true);
	}
	putchar('\n');
	if (t->details)
		t->details(t->view, row);
	return 0;
}

static void print_titles(struct table *t)
{
	style_begin(stdout, STYLE_HEAD);
	for (size_t i = 0; i < t->n; i++) {
		char title[16];

		snprintf(title, sizeof(title), "%s", t->columns[i].title);
		print_cell(t, i, title, false);
	}
	style_end(stdout);
	putchar('\n');
}

/* none: what to print for an empty table; NULL: nothing at all, no titles either */
static void print_table(struct table *t, const struct cometd_json *status, const char *field,
			const char *none)
{
	struct cometd_json rows;

	if (cometd_json_get(status, field, &rows) || rows.kind != COMETD_JSON_ARRAY ||
	    (!none && rows.len == 2))
		return;
	if (!t->first)
		putchar('\n');
	for (size_t i = 0; i < t->n; i++)
		t->widths[i] = (int)strlen(t->columns[i].title);
	cometd_json_each(&rows, measure_row, t);
	fit(t);
	print_titles(t);
	cometd_json_each(&rows, print_row, t);
	if (t->rows == 0)
		puts(none);
}

/* ---- lines below a row --------------------------------------------------------- */

/* Words of a text, on as many lines as it needs. What has no blank to break at stays whole. */
static void print_detail(const struct status_view *view, const char *text)
{
	char word[TEXT_MAX];
	int column = 2;

	fputs("  ", stdout);
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, " ");

		snprintf(word, sizeof(word), "%.*s", (int)n, p);
		int width = (int)print_name(NULL, word);
		if (column > 2 && column + 1 + width > view->columns) {
			fputs("\n    ", stdout);
			column = 4;
		} else if (p > text) {
			putchar(' ');
			column++;
		}
		print_name(stdout, word);
		column += width;
		p += n + (p[n] == ' ');
	}
	putchar('\n');
}

/* "its clock is 340 ms fast, a message takes 12 ms one way" */
static void print_timesync(const struct status_view *view, const struct cometd_json *row)
{
	struct cometd_json timesync;
	char offset[64], lag[64], text[TEXT_MAX];

	if (cometd_json_get(row, "timesync", &timesync) || timesync.kind != COMETD_JSON_OBJECT)
		return;
	text_of(&timesync, "offset", offset, sizeof(offset));
	text_of(&timesync, "lag", lag, sizeof(lag));
	bool slow = offset[0] == '-';
	snprintf(text, sizeof(text), "its clock is %s ms %s, a message takes %s ms one way",
		 offset + slow, slow ? "slow" : "fast", lag);
	print_detail(view, text);
}

static void print_left_out(const struct status_view *view, const struct cometd_json *row)
{
	char text[128];
	uint64_t n;

	if (!number_of(row, "left_out", &n) || n == 0)
		return;
	snprintf(text, sizeof(text), "left out %llu message%s that could not be read or exceeded "
		 "max-message", (unsigned long long)n, n == 1 ? "" : "s");
	print_detail(view, text);
}

static int print_disabled(void *user, const struct cometd_json *name)
{
	char text[256], line[TEXT_MAX];

	if (cometd_json_text(name, text, sizeof(text), NULL))
		return 0;
	snprintf(line, sizeof(line), "extension %s failed too often and is disabled until the daemon "
		 "is restarted", text);
	print_detail(user, line);
	return 0;
}

/* "keeps /chat/room subscribed", with the server's reason if it does not accept it */
static int print_kept(void *user, const struct cometd_json *row)
{
	char channel[TEXT_MAX], reason[TEXT_MAX], text[3 * TEXT_MAX];
	const char *but = is_true(row, "refused") ? ", but the server refuses it" :
			  is_true(row, "pending") ? ", not accepted by the server yet" : "";

	text_of(row, "channel", channel, sizeof(channel));
	text_of(row, "reason", reason, sizeof(reason));
	bool explained = *but && strcmp(reason, "-");
	snprintf(text, sizeof(text), "keeps %s subscribed%s%s%s", channel, but, explained ? ": " : "",
		 explained ? reason : "");
	print_detail(user, text);
	return 0;
}

static void print_lingering(const struct status_view *view, const struct cometd_json *row)
{
	char text[128];
	uint64_t n;

	if (!number_of(row, "lingering", &n) || n == 0)
		return;
	snprintf(text, sizeof(text), "%llu channel%s for a while: the last program that had %s left",
		 (unsigned long long)n, n == 1 ? " stays subscribed" : "s stay subscribed", n == 1 ? "it" : "them");
	print_detail(view, text);
}

/* `trying`: the last try is under way, so that only those before it were without success */
static void print_next_try(const struct status_view *view, const struct cometd_json *row, bool trying)
{
	char text[128] = "";
	uint64_t tries = 0, retry;
	bool tried = number_of(row, "tries", &tries) && tries > trying;

	if (tried && trying)
		tries--;
	if (tried)
		snprintf(text, sizeof(text), "%llu failed %s", (unsigned long long)tries,
			 tries == 1 ? "try" : "tries");
	if (number_of(row, "retry_in", &retry))
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%snext try in %.1f s",
			 tried ? ", " : "", (double)retry / 1000);
	else if (trying)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%strying now",
			 tried ? ", " : "");
	if (*text)
		print_detail(view, text);
}

static void print_server_details(const struct status_view *view, const struct cometd_json *row)
{
	char url[TEXT_MAX], transport[64], text[2 * TEXT_MAX], state[32];
	struct cometd_json list;

	text_of(row, "url", url, sizeof(url));
	text_of(row, "transport", transport, sizeof(transport));
	snprintf(text, sizeof(text), "%s by %s", url, transport);
	if (strcmp(url, "-"))
		print_detail(view, strcmp(transport, "-") ? text : url);
	text_of(row, "reason", text, sizeof(text));
	if (strcmp(text, "-"))
		print_detail(view, text);
	text_of(row, "state", state, sizeof(state));
	if (strcmp(state, "connected"))
		print_next_try(view, row,
			       !strcmp(state, "handshaking") || !strcmp(state, "connecting"));
	print_timesync(view, row);
	print_left_out(view, row);
	if (!cometd_json_get(row, "paused", &list) && list.kind == COMETD_JSON_ARRAY)
		print_detail(view, "paused: the queue of a program that receives from it is more than half "
			     "full");
	if (!cometd_json_get(row, "kept", &list))
		cometd_json_each(&list, print_kept, (void *)view);
	print_lingering(view, row);
	if (!cometd_json_get(row, "disabled_extensions", &list))
		cometd_json_each(&list, print_disabled, (void *)view);
}

static int print_pause(void *user, const struct cometd_json *name)
{
	static const struct {
		const char *name, *words;
	} reasons[] = {
		{"outbox", "its requests wait: it reads slowly, and more than half of its queue is full"},
		{"reply", "its requests wait until it has read a large reply"},
		{"backlog", "its requests wait for those of other programs"},
	};
	char text[64];

	if (cometd_json_text(name, text, sizeof(text), NULL))
		return 0;
	for (size_t i = 0; i < N(reasons); i++)
		if (!strcmp(text, reasons[i].name))
			print_detail(user, reasons[i].words);
	return 0;
}

/* "/chat/room at demo": only at the servers that are shown */
static int print_channel(void *user, const struct cometd_json *row)
{
	const struct status_view *view = user;
	char channel[TEXT_MAX], server[128], text[2 * TEXT_MAX];

	if (!is_server_shown(view, row))
		return 0;
	text_of(row, "channel", channel, sizeof(channel));
	text_of(row, "server", server, sizeof(server));
	snprintf(text, sizeof(text), "%s at %s%s", channel, server,
		 is_true(row, "pending") ? ", not accepted by the server yet" : "");
	print_detail(view, text);
	return 0;
}

static void print_peer_details(const struct status_view *view, const struct cometd_json *row)
{
	struct cometd_json list;

	if (!cometd_json_get(row, "paused", &list))
		cometd_json_each(&list, print_pause, (void *)view);
	if (view->channels && !cometd_json_get(row, "channels", &list))
		cometd_json_each(&list, print_channel, (void *)view);
	if (view->channels && is_true(row, "more_channels"))
		print_detail(view, "and more channels, which are not shown");
}

/* ---- the last reload --------------------------------------------------------------- */

static void print_reload(const struct status_view *view, const struct cometd_json *status)
{
	char age[32], error[TEXT_MAX], text[2 * TEXT_MAX];
	struct cometd_json reload;
	uint64_t at;

	if (cometd_json_get(status, "reload", &reload) || !number_of(&reload, "at", &at) || is_true(&reload, "ok"))
		return;
	put_age(at, view->now_ms, age, sizeof(age));
	text_of(&reload, "error", error, sizeof(error));
	snprintf(text, sizeof(text), "the reload of the configuration %s ago failed: %s", age, error);
	print_detail(view, text);
}

/* ---- what survives a restart ----------------------------------------------------------- */

static void print_store(const struct status_view *view, const struct cometd_json *status)
{
	char words[TEXT_MAX], text[2 * TEXT_MAX];
	struct cometd_json store;

	if (cometd_json_get(status, "store", &store) || store.kind != COMETD_JSON_OBJECT)
		return;
	text_of(&store, "reason", words, sizeof(words));
	snprintf(text, sizeof(text), "the state cannot be written, and a restart would lose positions and sessions: %s", words);
	if (strcmp(words, "-"))
		print_detail(view, text);
	text_of(&store, "moved", words, sizeof(words));
	if (strcmp(words, "-"))
		print_detail(view, words);
}

/* ---- all of it ------------------------------------------------------------------- */

void print_status(const struct cometd_json *status, const struct status_view *view)
{
	struct table servers = {.view = view, .columns = server_columns, .n = N(server_columns),
				.is_shown = is_server_shown, .details = print_server_details};
	struct table peers = {.view = view, .columns = peer_columns, .n = N(peer_columns),
			      .is_shown = is_other_program, .details = print_peer_details};
	struct table departed = {.view = view, .columns = departed_columns,
				 .n = N(departed_columns)};
	char version[64], pid[32], up[32];
	uint64_t started;

	text_of(status, "version", version, sizeof(version));
	text_of(status, "pid", pid, sizeof(pid));
	fputs("cometd-bridged ", stdout);
	print_name(stdout, version);
	fputs(", process ", stdout);
	print_name(stdout, pid);
	if (number_of(status, "started", &started)) {
		put_age(started, view->now_ms, up, sizeof(up));
		printf(", up %s", up);
	}
	putchar('\n');
	print_reload(view, status);
	print_store(view, status);
	print_table(&servers, status, "servers", "no server");
	print_table(&peers, status, "peers", "no other program is connected");
	print_table(&departed, status, "departed", NULL);
}

/* ---- durable consumers ----------------------------------------------------------- */

static int print_pattern(void *user, const struct cometd_json *pattern)
{
	char text[TEXT_MAX];

	if (!cometd_json_text(pattern, text, sizeof(text), NULL))
		print_detail(user, text);
	return 0;
}

static void print_patterns(const struct status_view *view, const struct cometd_json *row)
{
	struct cometd_json list;

	if (!cometd_json_get(row, "channels", &list) && list.kind == COMETD_JSON_ARRAY)
		cometd_json_each(&list, print_pattern, (void *)view);
}

void print_consumers(const struct cometd_json *result, const struct status_view *view)
{
	struct table consumers = {.view = view, .columns = consumer_columns, .n = N(consumer_columns), .first = true,
				  .is_shown = is_server_shown, .details = print_patterns};

	print_table(&consumers, result, "consumers", "no durable consumer");
}
