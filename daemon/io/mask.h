/*
 * Secrets that must not be told again. Servers repeat in their errors what they
 * were sent; whatever they repeat of it is overwritten with "*" before anybody
 * hears it. A secret is found also in part and where it is escaped here and
 * there: every run of MASK_RUN bytes that it has in common with a text goes.
 * Shorter secrets cannot be told from ordinary words and are left. Pure.
 */
#ifndef IO_MASK_H
#define IO_MASK_H

#include "protocol/slice.h"

#include <stddef.h>

#define MASK_RUN 8
/* beyond so many the oldest is forgotten */
#define MASK_SECRETS_MAX 32

struct mask;

/* 0 or -ENOMEM */
int mask_new(struct mask **ret);
/* Wipes all of it. NULL is fine. */
void mask_free(struct mask *m);

/* Keeps a copy of each word of `secret`, separated by blanks and quotation marks. 0 or -ENOMEM. */
int mask_add(struct mask *m, struct slice secret);
/* The same for the value of a header line, and the password in one of Basic. */
int mask_add_header(struct mask *m, const char *line);
/* The same for each string of a JSON text, but keys. */
int mask_add_json(struct mask *m, struct slice json);

/* Overwrites the secrets in `text`, all of it in UTF-8 as before. */
void mask_text(const struct mask *m, char *text, size_t n);
/*
 * The same in Bayeux messages, in the values of those that are no events: what servers say to us. An
 * event's bytes belong to those who talk through the server, and are left as they are.
 */
void mask_messages(const struct mask *m, char *text, size_t n);

#endif
