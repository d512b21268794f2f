/* Makes, copies and frees the records of the store. */
#include "store/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int store_record_new(struct slice server, struct store_record **ret)
{
	struct store_record *r = calloc(1, sizeof(*r) + server.n + 1);

	if (!r)
		return -ENOMEM;
	list_init(&r->link);
	memcpy(r->server, server.p, server.n);
	*ret = r;
	return 0;
}

void store_record_free(struct store_record *r)
{
	list_remove(&r->link);
	free(r);
}

int store_record_copy(const struct store_record *r, struct list *to)
{
	struct store_record *copy;
	int error = store_record_new(slice_of(r->server), &copy);

	if (error)
		return error;
	copy->position = r->position;
	list_append(to, &copy->link);
	return 0;
}

void store_records_free(struct list *records)
{
	while (!list_empty(records))
		store_record_free(LIST_OF(records->next, struct store_record, link));
}
