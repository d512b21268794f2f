/*
 * Secrets that must not be told again. Servers repeat in their errors what they
 * were sent; whatever they repeat of it is overwritten with "*" before anybody
 * hears it. A secret is found also in part, and where it is written otherwise: with
 * the escapes of JSON, percent-encoded, as a form, in the other alphabet of base64.
 * Every run of MASK_RUN bytes that it has in common with a text goes. Shorter ones
 * cannot be told from ordinary words: those of MASK_SHORT bytes go where they are
 * a word of their own, those of less are left. Pure.
 */
#ifndef NET_MASK_H
#define NET_MASK_H

#include "protocol/slice.h"

#include <stddef.h>

#define MASK_RUN 8
#define MASK_SHORT 4
/* beyond so many the oldest is forgotten; so many cookies beside them */
#define MASK_SECRETS_MAX 32

struct mask;

/* 0 or -ENOMEM */
int mask_new(struct mask **ret);
/* NULL is fine. */
void mask_free(struct mask *m);

/* What is masked from now on; no copy of it is kept. 0 or -ENOMEM. */
int mask_add(struct mask *m, struct slice secret);
/* The same for "user:password": the password, and both in base64. The user alone is no secret. */
int mask_add_login(struct mask *m, struct slice login);
/* The same for the value of a header line, without its scheme ("Bearer"), and the password in one
   of Basic. */
int mask_add_header(struct mask *m, const char *line);
/* The same for the value of a cookie, up to its first ";" or the end of its line, when it is as long as
   a run, also without its escapes. */
int mask_add_cookie(struct mask *m, struct slice value);
/* The same for the client id of a session, in place of the one before. */
int mask_set_client_id(struct mask *m, struct slice id);
/* The same for each string of a JSON text (keys excepted) that is as long as a run without its escapes. */
int mask_add_json(struct mask *m, struct slice json);

/* Overwrites the secrets in `text`, all of it in UTF-8 as before. */
void mask_text(const struct mask *m, char *text, size_t n);
/*
 * The same in Bayeux messages, in the values of those that are no events: what servers say to us. An
 * event's bytes belong to those who talk through the server, and are left as they are; so is what
 * says which message it is: channel, id, advice and their like.
 */
void mask_messages(const struct mask *m, char *text, size_t n);

#endif
