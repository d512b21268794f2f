/*
 * Waits until another process changes a file, by inotify and without polling. For
 * tests where the process reports the change in no other way.
 */
#ifndef TESTS_SCENARIO_WATCH_H
#define TESTS_SCENARIO_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>

/* `what`: IN_MODIFY, IN_CLOSE_NOWRITE (it was read), …; from now on, whatever its name becomes. */
int watch_open(const char *path, uint32_t what);
/* Waits until something of it has happened since the last call; false at the deadline, of
   wire_now(). */
bool watch_wait(int watch, int64_t deadline);

#endif
