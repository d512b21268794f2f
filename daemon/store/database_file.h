/*
 * The files of the database: state.db, and those that SQLite makes beside it. None is ever overwritten or deleted
 * because it cannot be used.
 */
#ifndef STORE_DATABASE_FILE_H
#define STORE_DATABASE_FILE_H

#include "base/fault.h"

#include <stdint.h>

#define DATABASE_FILE "state.db"

/*
 * Opens the state directory and makes sure that its database is a regular file of our user with mode 0600, which
 * SQLite gives to its other files, too. Creates an empty one if there is none. Returns the descriptor of the
 * directory, which the caller closes, or a negative errno with `why`. `moved`: see below, for what is left of a
 * database that was removed.
 */
int database_file_prepare(const char *directory, uint64_t unix_ms, struct fault *moved, struct fault *why);

/*
 * Renames the file and those that belong to it; `unix_ms` becomes a part of the new name. `moved` gets the reason and
 * the new name. 0, or a negative errno with `why`.
 */
int database_file_move_aside(int directory, uint64_t unix_ms, const char *reason, struct fault *moved,
			     struct fault *why);

#endif
