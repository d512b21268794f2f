/*
 * One value of the configuration <-> its text: numbers with units, words, file
 * modes. Knows no option.
 */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each: whether `text` is one, wholly; *ret is set only then. */
/* digits alone: "1024" */
bool config_number(const char *text, uint64_t *ret);
/* bytes: digits, or digits and K, M or G (times 1024): "64K" */
bool config_size(const char *text, uint64_t *ret);
/* milliseconds: digits and ms, s, m or h; the unit is never left out: "500ms" */
bool config_duration(const char *text, uint64_t *ret);
/* "yes" or "no" */
bool config_yes_no(const char *text, bool *ret);
/* permissions in octal digits: "0660" */
bool config_mode(const char *text, uint64_t *ret);

/* How many letters must be changed, added, left out or swapped with a neighbour. When there are more than
   `most`, some number above `most`; that is faster. */
unsigned config_distance(const char *a, const char *b, unsigned most);
/* Whether `text` may be a typing error of `name`. */
bool config_near(const char *text, const char *name);

#endif
