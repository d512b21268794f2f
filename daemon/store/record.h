/*
 * What the store keeps of one server. Records are copied between the loop and the thread that writes them, never
 * shared.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include "base/list.h"
#include "base/strmap.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* `epoch` and `seq` name one message of a server for ever. */
struct store_position {
	uint64_t epoch, seq;
};

/* What is needed to go on with the session at the server, a secret; nothing once it has ended. */
struct store_session {
	struct slice snapshot;
	uint64_t until;                 /* ms since 1970: the server does not have it any more */
};

/* Private to store/. */
struct store_record {
	struct list link;
	struct strmap_node by_server;   /* of those in memory; the key is `server` */
	bool changed;                   /* since it was copied to be written */
	struct store_position position;
	bool session_changed;           /* `session` is part of the change */
	struct store_session session;   /* its snapshot belongs to the record */
	char server[];
};

/* An empty record. 0 or -ENOMEM. */
int store_record_new(struct slice server, struct store_record **ret);
void store_record_free(struct store_record *r);
/* Replaces the session by a copy of this one; NULL: by none. 0 or -ENOMEM. */
int store_record_set_session(struct store_record *r, const struct store_session *session);
/* Appends a copy to `to`, with the session only if that has changed. 0 or -ENOMEM. */
int store_record_copy(const struct store_record *r, struct list *to);
/* Frees all records of a list. */
void store_records_free(struct list *records);

#endif
