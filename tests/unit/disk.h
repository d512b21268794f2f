/*
 * A disk for SQLite that fails on request: a VFS over the real one, and the default after disk_use(). Each write,
 * truncation, sync, creation and deletion of a file counts as one operation.
 */
#ifndef TESTS_DISK_H
#define TESTS_DISK_H

#include <stdbool.h>

enum disk_fault { DISK_FULL, DISK_BROKEN };

void disk_use(void);
/* Lets `n` operations succeed; the next one fails, and with `for_ever` all later ones. */
void disk_fail(unsigned n, enum disk_fault fault, bool for_ever);
/* Nothing fails from now on. Whether something failed. */
bool disk_repair(void);
/* Blocks each sync until disk_release(), from any thread. */
void disk_hold(void);
void disk_release(void);
/* The number of operations since disk_use() or the last disk_fail(). */
unsigned disk_operations(void);

#endif
