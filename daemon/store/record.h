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

/* Private to store/. */
struct store_record {
	struct list link;
	struct strmap_node by_server;   /* of those in memory; the key is `server` */
	bool changed;                   /* since it was copied to be written */
	struct store_position position;
	char server[];
};

/* An empty record. 0 or -ENOMEM. */
int store_record_new(struct slice server, struct store_record **ret);
void store_record_free(struct store_record *r);
/* Appends a copy to `to`. 0 or -ENOMEM. */
int store_record_copy(const struct store_record *r, struct list *to);
/* Frees all records of a list. */
void store_records_free(struct list *records);

#endif
