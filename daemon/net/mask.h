/*
 * Masks secrets in received text: servers repeat parts of requests in their errors, so
 * every secret that was sent is overwritten with "*" before the text reaches a log or a
 * client. Parts of a secret are masked, too, and other encodings of it: JSON escapes,
 * percent-encoding, forms, both alphabets of base64. Every run of MASK_RUN bytes that
 * the text shares with a secret is masked. A shorter secret could be part of an
 * ordinary word: one of at least MASK_SHORT bytes is masked where it is a word of its
 * own, a shorter one is not masked. Pure.
 */
#ifndef NET_MASK_H
#define NET_MASK_H

#include "protocol/slice.h"

#include <stddef.h>

#define MASK_RUN 8
#define MASK_SHORT 4
/* the maximum number of secrets, and of cookies; another one replaces the oldest */
#define MASK_SECRETS_MAX 32

struct mask;

/* 0 or -ENOMEM */
int mask_new(struct mask **ret);
/* NULL is fine. */
void mask_free(struct mask *m);

/* Masks this secret from now on; no copy of it is kept. 0 or -ENOMEM. */
int mask_add(struct mask *m, struct slice secret);
/* The same for "user:password": masks the password, and the base64 of both. The user alone is not a secret. */
int mask_add_login(struct mask *m, struct slice login);
/* The same for the value of a header line, without its scheme ("Bearer"); of Basic also the password. */
int mask_add_header(struct mask *m, const char *line);
/* The same for the value of a cookie, up to its first ";" or the end of the line, if its decoded form has at
   least MASK_RUN bytes. */
int mask_add_cookie(struct mask *m, struct slice value);
/* The same for the client id of a session; replaces the previous one. */
int mask_set_client_id(struct mask *m, struct slice id);
/* The same for each string value of a JSON text (not for keys) whose decoded form has at least MASK_RUN bytes. */
int mask_add_json(struct mask *m, struct slice json);

/* Overwrites the secrets in `text`, which remains valid UTF-8. */
void mask_text(const struct mask *m, char *text, size_t n);
/*
 * The same in the string values of Bayeux messages. Events are not changed: their data comes from other
 * clients. Routing fields (channel, id, advice and so on) are not changed either.
 */
void mask_messages(const struct mask *m, char *text, size_t n);

#endif
