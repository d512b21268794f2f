/*
 * --format: a message as one line of chosen fields. One line stays one line,
 * whatever the message contains.
 */
#include "cometctl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- fields ---------------------------------------------------------------- */

/* 2026-11-30T09:31:22.123+0100: when cometctl received it */
static void print_time(FILE *to)
{
	struct timespec now;
	struct tm tm;
	char day[32], zone[8];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	fprintf(to, "%s.%03ld%s", day, now.tv_nsec / 1000000, zone);
}

/* A JSON string as its text, on one line; any other value as it is. */
static void print_as_text(FILE *to, const struct cometd_json *v)
{
	size_t n;
	char *text;

	if (v->kind != COMETD_JSON_STRING || cometd_json_text(v, NULL, 0, &n) ||
	    !(text = malloc(n + 1))) {
		print_json(to, v->json, v->len);
		return;
	}
	if (cometd_json_text(v, text, n + 1, NULL) == 0)
		print_name(to, text);
	free(text);
}

static void print_id(FILE *to, const struct cometd_event *e)
{
	struct cometd_json message, id;

	if (cometd_json_parse(e->message, e->message_len, &message) == 0 &&
	    cometd_json_get(&message, "id", &id) == 0 && id.kind != COMETD_JSON_NONE)
		print_as_text(to, &id);
	else
		fputc('-', to);
}

static void print_text(FILE *to, const struct cometd_event *e)
{
	struct cometd_json data;

	if (!e->binary && e->data && cometd_json_parse(e->data, e->data_len, &data) == 0)
		print_as_text(to, &data);
	else
		print_data(to, e->data, e->data_len, e->binary, e->json, e->json_len);
}

/* ---- the format -------------------------------------------------------------- */

enum field { FIELD_TIME, FIELD_SERVER, FIELD_CHANNEL, FIELD_DATA, FIELD_TEXT, FIELD_SEQ, FIELD_ID,
	     FIELD_POSITION };

static const char *const fields[] = {"time", "server", "channel", "data", "text", "seq", "id",
				     "position"};
#define N_FIELDS (sizeof(fields) / sizeof(*fields))

/* The field that "%{NAME}" at `p` means, or -1; *ret_len: of all of it. */
static int find_field(const char *p, size_t *ret_len)
{
	const char *end = p[1] == '{' ? strchr(p, '}') : NULL;

	if (!end)
		return -1;
	*ret_len = (size_t)(end - p) + 1;
	for (size_t i = 0; i < N_FIELDS; i++)
		if (strlen(fields[i]) == *ret_len - 3 && !strncmp(p + 2, fields[i], *ret_len - 3))
			return (int)i;
	return -1;
}

const char *format_check(const char *format, char *words, size_t size)
{
	size_t n;

	for (const char *p = format; *p; p++) {
		if (*p == '\\' && (!p[1] || !strchr("tn\\", p[1]))) {
			snprintf(words, size, "--format supports \\t, \\n and \\\\, not \\%.1s", p + 1);
			return words;
		}
		if (*p == '%' && p[1] != '%' && find_field(p, &n) < 0) {
			const char *end = strchr(p, '}');

			n = end && p[1] == '{' ? (size_t)(end - p) + 1 : 2;
			snprintf(words, size, "--format has no field %.*s; the fields are %%{time}, "
				 "%%{server}, %%{channel}, %%{data}, %%{text}, %%{seq}, %%{id} and %%{position}",
				 (int)(n < 40 ? n : 40), p);
			return words;
		}
		if (*p == '\\' || (*p == '%' && p[1] == '%'))
			p++;
	}
	return NULL;
}

static void print_field(FILE *to, enum field field, const struct cometd_event *e)
{
	switch (field) {
	case FIELD_TIME:
		print_time(to);
		return;
	case FIELD_SERVER:
		print_name(to, e->server);
		return;
	case FIELD_CHANNEL:
		style_begin(to, STYLE_CHANNEL);
		print_name(to, e->channel);
		style_end(to);
		return;
	case FIELD_DATA:
		print_data(to, e->data, e->data_len, e->binary, e->json, e->json_len);
		return;
	case FIELD_TEXT:
		print_text(to, e);
		return;
	case FIELD_SEQ:
		fprintf(to, "%llu", (unsigned long long)e->seq);
		return;
	case FIELD_ID:
		print_id(to, e);
		return;
	case FIELD_POSITION:
		if (e->epoch)
			fprintf(to, "%s:%llu", e->epoch, (unsigned long long)e->seq);
		else
			fputc('-', to);
		return;
	}
}

void format_print(FILE *to, const char *format, const struct cometd_event *e)
{
	for (const char *p = format; *p; p++) {
		size_t n = 1;

		if (*p == '\\') {
			p++;
			fputc(*p == 't' ? '\t' : *p == 'n' ? '\n' : *p, to);
		} else if (*p == '%' && p[1] != '%') {
			int field = find_field(p, &n);

			print_field(to, (enum field)field, e);
			p += n - 1;
		} else {
			p += *p == '%';
			fputc(*p, to);
		}
	}
}
