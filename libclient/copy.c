/*
 * Makes copies of events and results. Each copy is one allocation, which includes
 * all it points to.
 */
#include "libclient/copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* a pointer inside the copy and how many bytes it points to */
struct part {
	const char **field;
	size_t n;
};

static size_t length(const char *s)
{
	return s ? strlen(s) : 0;
}

static size_t parts_size(const struct part *part, size_t n)
{
	size_t size = 0;

	for (size_t i = 0; i < n; i++)
		size += *part[i].field ? part[i].n + 1 : 0;
	return size;
}

static void parts_copy(const struct part *part, size_t n, char *p)
{
	for (size_t i = 0; i < n; i++) {
		if (!*part[i].field)
			continue;
		memcpy(p, *part[i].field, part[i].n);
		p[part[i].n] = '\0';
		*part[i].field = p;
		p += part[i].n + 1;
	}
}

int copy_event(const struct cometd_event *event, struct kept **ret)
{
	struct cometd_event e = *event;
	const struct part part[] = {
		{&e.server, length(e.server)}, {&e.channel, length(e.channel)},
		{&e.state_name, length(e.state_name)}, {&e.reason, length(e.reason)},
		{&e.transport, length(e.transport)}, {&e.text, length(e.text)},
		{&e.epoch, length(e.epoch)},
		{&e.data, e.data_len}, {&e.message, e.message_len}, {&e.json, e.json_len},
		{&e.binary, e.binary_len}, {&e.binary_meta, e.binary_meta_len},
	};
	size_t n = sizeof(part) / sizeof(*part);
	size_t size = sizeof(struct kept) + parts_size(part, n);
	struct kept *kept = malloc(size);

	if (!kept)
		return -ENOMEM;
	parts_copy(part, n, (char *)(kept + 1));
	*kept = (struct kept){.size = size, .event = e};
	*ret = kept;
	return 0;
}

int copy_result(const struct cometd_result *result, struct cometd_result **ret)
{
	struct cometd_result r = *result;
	const struct part part[] = {
		{&r.text, length(r.text)}, {&r.json, r.json_len},
		{&r.message, r.message_len}, {&r.data, r.data_len},
		{&r.binary, r.binary_len}, {&r.binary_meta, r.binary_meta_len},
	};
	size_t n = sizeof(part) / sizeof(*part);
	struct cometd_result *copy = malloc(sizeof(*copy) + parts_size(part, n));

	if (!copy)
		return -ENOMEM;
	parts_copy(part, n, (char *)(copy + 1));
	*copy = r;
	*ret = copy;
	return 0;
}
