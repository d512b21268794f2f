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

static void free_session(struct store_record *r)
{
	if (r->session.snapshot.p)
		explicit_bzero((char *)r->session.snapshot.p, r->session.snapshot.n);
	free((char *)r->session.snapshot.p);
	r->session = (struct store_session){SLICE_NULL, 0};
}

void store_record_free(struct store_record *r)
{
	list_remove(&r->link);
	free_session(r);
	free(r);
}

int store_record_set_session(struct store_record *r, const struct store_session *session)
{
	char *copy = session ? malloc(session->snapshot.n + 1) : NULL;

	if (session && !copy)
		return -ENOMEM;
	free_session(r);
	if (!session)
		return 0;
	memcpy(copy, session->snapshot.p, session->snapshot.n);
	r->session = (struct store_session){slice_make(copy, session->snapshot.n), session->until};
	return 0;
}

int store_record_copy(const struct store_record *r, struct list *to)
{
	struct store_record *copy;
	int error = store_record_new(slice_of(r->server), &copy);

	if (error)
		return error;
	copy->position = r->position;
	copy->session_changed = r->session_changed;
	if (r->session_changed && r->session.snapshot.p)
		error = store_record_set_session(copy, &r->session);
	if (error) {
		store_record_free(copy);
		return error;
	}
	list_append(to, &copy->link);
	return 0;
}

void store_records_free(struct list *records)
{
	while (!list_empty(records))
		store_record_free(LIST_OF(records->next, struct store_record, link));
}
