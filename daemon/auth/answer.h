/*
 * What a source of credentials says: a plain text, or JSON with a token and its
 * lifetime; and the header that is made of it. Pure.
 */
#ifndef AUTH_ANSWER_H
#define AUTH_ANSWER_H

#include "protocol/buf.h"

#include <stddef.h>
#include <stdint.h>

#define AUTH_SECRET_MAX 12288u

enum auth_kind {
	AUTH_NONE,
	AUTH_BEARER,            /* Authorization: Bearer SECRET */
	AUTH_BASIC,             /* Authorization: Basic, of a SECRET "user:password" */
	AUTH_HEADER,            /* NAME: SECRET */
	AUTH_EXT,               /* no header: at a path in the ext of the handshake */
};

/* Wiped by whoever owns it, with auth_secret_wipe(). */
struct auth_secret {
	char text[AUTH_SECRET_MAX + 1];
	size_t n;
	uint64_t lifetime;      /* ms from now on; 0: not told */
};
void auth_secret_wipe(struct auth_secret *s);

/*
 * Reads an answer: one line, blanks around it left out; or, beginning with "{", a JSON object
 * with "token" or "access_token" and perhaps "expires_in", in seconds. NULL, or what is wrong
 * with it, without a byte of it; *ret may then hold some and is to be wiped all the same.
 */
const char *auth_answer_parse(struct slice text, struct auth_secret *ret);

/* The same of one line alone, whatever it begins with. */
const char *auth_answer_line(struct slice text, struct auth_secret *ret);
/*
 * Reads what a token server says when it gives a token (RFC 6749 5.1). NULL, or what is wrong as
 * above; `refresh->n` is 0 when it gives no other refresh token.
 */
const char *auth_answer_token(struct slice text, struct auth_secret *access,
			      struct auth_secret *refresh);

/* The header line into `to`; of AUTH_EXT, the secret itself. `name` is that of AUTH_HEADER. NULL, or
   what is wrong. */
const char *auth_answer_header(enum auth_kind kind, const char *name, const struct auth_secret *s,
			       char *to, size_t size);

#endif
