/* A temporary state directory of a test, and the files in it. */
#ifndef TESTS_STATE_DIR_H
#define TESTS_STATE_DIR_H

#include <stdbool.h>
#include <stddef.h>

/* its path */
extern char state_dir[64];

void state_dir_make(void);
/* Removes it with all its files. */
void state_dir_remove(void);
void state_dir_clear(void);

/* Of a file in it; the result is valid until the next call. */
const char *state_path(const char *name);
/* The content; the caller frees it. NULL: there is no such file. */
char *state_read(const char *name, size_t *ret_size);
/* NULL: removes it. */
void state_write(const char *name, const char *content, size_t size);
/* How many files have this text in them. */
unsigned state_files_with(const char *text);
/* How many files have names that begin like this. */
unsigned state_count(const char *prefix);

#endif
