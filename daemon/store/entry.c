/* Copies and frees the entries of the store: each is one block of memory. */
#include "store/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct slice append(char **at, struct slice text)
{
	char *copy = *at;

	if (text.n)
		memcpy(copy, text.p, text.n);
	*at += text.n;
	return slice_make(copy, text.n);
}

int store_entry_copy(const struct store_entry *e, struct store_entry **ret)
{
	size_t n = e->server.n + e->message.channel.n + e->message.frame.n + e->consumer.name.n + e->consumer.patterns.n;
	struct store_entry *copy = malloc(sizeof(*copy) + n);

	if (!copy)
		return -ENOMEM;
	*copy = *e;
	char *at = copy->bytes;
	copy->server = append(&at, e->server);
	copy->message.channel = append(&at, e->message.channel);
	copy->message.frame = append(&at, e->message.frame);
	copy->consumer.name = append(&at, e->consumer.name);
	copy->consumer.patterns = append(&at, e->consumer.patterns);
	list_init(&copy->link);
	*ret = copy;
	return 0;
}

void store_entries_free(struct list *entries)
{
	LIST_EACH_SAFE(e, entries, struct store_entry, link) {
		list_remove(&e->link);
		free(e);
	}
}
