/*
 * Reads advice objects. Numbers are limited to a sensible range, whatever the server
 * sent.
 */
#include "bayeux/advice.h"

#include "protocol/json_read.h"

#include <errno.h>

enum field {
	RECONNECT, INTERVAL, TIMEOUT, MAX_INTERVAL, MULTIPLE_CLIENTS, HOSTS, TRANSPORT, FIELDS
};

void advice_reset(struct advice *a)
{
	*a = (struct advice){.timeout = ADVICE_TIMEOUT_DEFAULT};
}

/* Numbers may be written as 2000 or 2000.0. They are limited to 0 and one hour: a server that wants no
   reconnect at all sends reconnect none. */
static void read_ms(const struct json_value *v, uint64_t *ms)
{
	double d;
	if (json_double(v, &d) != 0)
		return;
	if (d >= ADVICE_MAX)
		*ms = ADVICE_MAX;
	else
		*ms = d > 0 ? (uint64_t)d : 0;
}

static void read_reconnect(const struct json_value *v, enum advice_reconnect *reconnect)
{
	static const struct {
		struct slice raw;
		enum advice_reconnect reconnect;
	} words[] = {
		{SLICE("\"retry\""), ADVICE_RETRY},
		{SLICE("\"handshake\""), ADVICE_HANDSHAKE},
		{SLICE("\"none\""), ADVICE_NONE},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(v->raw, words[i].raw))
			*reconnect = words[i].reconnect;
}

static int overlay(struct advice *a, struct slice text, const char *transport,
		   struct json_value *ret_inner)
{
	struct json_field f[FIELDS] = {
		[RECONNECT] = {.name = "reconnect"},
		[INTERVAL] = {.name = "interval"},
		[TIMEOUT] = {.name = "timeout"},
		[MAX_INTERVAL] = {.name = "maxInterval"},
		[MULTIPLE_CLIENTS] = {.name = "multiple-clients"},
		[HOSTS] = {.name = "hosts"},
		[TRANSPORT] = {.name = transport},
	};
	int r = json_read_object(text, f, FIELDS, false, NULL);
	if (r)
		return r;
	read_reconnect(&f[RECONNECT].value, &a->reconnect);
	read_ms(&f[INTERVAL].value, &a->interval);
	read_ms(&f[TIMEOUT].value, &a->timeout);
	read_ms(&f[MAX_INTERVAL].value, &a->max_interval);
	if (json_is_bool(&f[MULTIPLE_CLIENTS].value))
		a->multiple_clients = f[MULTIPLE_CLIENTS].value.kind == JSON_TRUE;
	if (f[HOSTS].value.kind == JSON_ARRAY)
		a->hosts = true;
	*ret_inner = f[TRANSPORT].value;
	return 0;
}

int advice_read(struct advice *a, struct slice text, const char *transport)
{
	struct advice fresh;
	struct json_value inner, innermost;
	advice_reset(&fresh);
	int r = overlay(&fresh, text, transport, &inner);
	if (r == 0 && inner.kind == JSON_OBJECT)
		r = overlay(&fresh, inner.raw, transport, &innermost);
	if (r == 0)
		*a = fresh;
	return r < 0 ? r : 0;
}
