/*
 * The database of the store. Every function blocks for the disk and belongs in the thread of the store. All SQL is
 * here; the only user of SQLite.
 */
#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include "base/list.h"
#include "base/fault.h"

#include <stdint.h>

struct database;

/*
 * Opens DIRECTORY/state.db, or creates it. Only one process can have it open. A file that is damaged, of another
 * program, or written by a newer version is renamed, and a new one is created: `moved` gets the reason and the new
 * name, of which `unix_ms` becomes a part. 0, or a negative errno with `why`.
 */
int database_open(const char *directory, uint64_t unix_ms, struct fault *moved, struct fault *why,
		  struct database **ret);
/* Deletes the sessions that their servers have given up: they are secrets. 0, or a negative errno with `why`. */
int database_expire(struct database *db, uint64_t unix_ms, struct fault *why);
/* Appends a struct store_record for each server in the file. 0, or a negative errno with `why`. */
int database_read(struct database *db, struct list *records, struct fault *why);
/* Appends a struct store_entry for each consumer in the file, and then for each message, in their order. 0, or a
   negative errno with `why`. */
int database_read_entries(struct database *db, struct list *entries, struct fault *why);
/*
 * Writes these records, and executes these struct store_entry in their order, in one transaction. 0: it is on the disk. A negative errno with `why`: all or nothing
 * was written; close the database and open it again. -ESTALE: the file was removed or replaced.
 */
int database_write(struct database *db, const struct list *records, const struct list *entries,
		   struct fault *why);
/* Accepts NULL. */
void database_close(struct database *db);

#endif
