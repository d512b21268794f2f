/*
 * Consumers and their messages on the way to or from the database. Each entry is a copy of its own, used by the loop
 * or by the thread, never by both.
 */
#ifndef STORE_ENTRY_H
#define STORE_ENTRY_H

#include "base/list.h"
#include "protocol/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A message that some consumer of its server has not acknowledged. */
struct store_message {
	uint64_t seq, unix_ms;
	struct slice channel, frame;
	bool filtered;                  /* it is also for subscriptions to the channel with a filter */
};

/* A durable consumer: its patterns are one text, and so is what limits took from it. */
struct store_consumer {
	struct slice name;
	uint64_t uid, acked;
	/* messages that were dropped before they were acknowledged: how many, the first and the last */
	uint64_t lost, lost_first, lost_last;
	struct slice patterns;
};

/* Private to store/. */
enum store_entry_kind {
	STORE_ENTRY_MESSAGE,
	STORE_ENTRY_TRIM,               /* the messages up to message.seq are deleted */
	STORE_ENTRY_CONSUMER,
	STORE_ENTRY_END,                /* consumer.name has ended */
	STORE_ENTRY_CLEAR,              /* all consumers and messages of the server are deleted */
};
struct store_entry {
	struct list link;
	enum store_entry_kind kind;
	struct slice server;
	struct store_message message;
	struct store_consumer consumer;
	char bytes[];
};

/* A copy of `e` with all its texts. 0 or -ENOMEM. */
int store_entry_copy(const struct store_entry *e, struct store_entry **ret);
/* Frees all entries of a list. */
void store_entries_free(struct list *entries);

#endif
