/*
 * The tables of consumers and messages in the database; see store/database.h.
 */
#ifndef STORE_DATABASE_ENTRIES_H
#define STORE_DATABASE_ENTRIES_H

#include "store/entry.h"

#include <sqlite3.h>

/* The migration that makes them. */
#define DATABASE_ENTRIES_TABLES                                                                    \
	"CREATE TABLE consumer ("                                                                  \
	" server TEXT NOT NULL,"                                                                   \
	" name TEXT NOT NULL,"                                                                     \
	" uid INTEGER NOT NULL,"                                                                   \
	/* seq of the last message that it has processed */                                        \
	" acked INTEGER NOT NULL,"                                                                 \
	/* messages dropped by limits before they were acknowledged: count, first and last */      \
	" lost INTEGER NOT NULL,"                                                                  \
	" lost_first INTEGER NOT NULL,"                                                            \
	" lost_last INTEGER NOT NULL,"                                                             \
	" patterns BLOB NOT NULL,"                                                                 \
	" PRIMARY KEY (server, name)"                                                              \
	") STRICT;"                                                                                \
	"CREATE TABLE message ("                                                                   \
	" server TEXT NOT NULL,"                                                                   \
	" seq INTEGER NOT NULL,"                                                                   \
	" unix_ms INTEGER NOT NULL,"                                                               \
	" channel BLOB NOT NULL,"                                                                  \
	/* also for subscriptions to the channel with a filter */                                 \
	" filtered INTEGER NOT NULL,"                                                              \
	" frame BLOB NOT NULL,"                                                                    \
	" PRIMARY KEY (server, seq)"                                                               \
	") STRICT, WITHOUT ROWID"

/* Private to database_entries.c; zeroes: nothing is prepared. */
struct database_entries {
	sqlite3_stmt *statements[STORE_ENTRY_CLEAR + 2];
};

/* All results are those of SQLite; 0 is success. */
int database_entries_prepare(struct database_entries *e, sqlite3 *sqlite);
/* Executes these entries in their order, within the transaction of the caller. */
int database_entries_write(struct database_entries *e, const struct list *entries);
/* Appends all consumers, and then all messages of each server in the order of seq. */
int database_entries_read(sqlite3 *sqlite, struct list *entries);
void database_entries_fini(struct database_entries *e);

#endif
