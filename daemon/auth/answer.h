/*
 * Parses the answer of a credential source (plain text, or JSON with a token and its
 * lifetime), and makes a header of it. Pure.
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
	AUTH_EXT,               /* not a header: a member of the ext field of the handshake */
};

/* The owner must wipe it with auth_secret_wipe(). */
struct auth_secret {
	char text[AUTH_SECRET_MAX + 1];
	size_t n;
	uint64_t lifetime;      /* ms from now on; 0: unknown */
};
void auth_secret_wipe(struct auth_secret *s);

/*
 * Parses an answer: one line, without blanks at both ends; or, if it begins with "{", a JSON object with
 * "token" or "access_token", and optionally "expires_in" in seconds. NULL, or what is wrong with it,
 * without a part of the secret. Wipe *ret in any case.
 */
const char *auth_answer_parse(struct slice text, struct auth_secret *ret);

/* The same for a single line, which is never JSON. */
const char *auth_answer_line(struct slice text, struct auth_secret *ret);
/*
 * Parses the successful answer of a token server (RFC 6749 5.1). NULL, or what is wrong as above;
 * `refresh->n` is 0 if it contains no new refresh token.
 */
const char *auth_answer_token(struct slice text, struct auth_secret *access,
			      struct auth_secret *refresh);

/* Writes the header line to `to`; for AUTH_EXT, the secret itself. `name` is used for AUTH_HEADER. NULL, or
   what is wrong. */
const char *auth_answer_header(enum auth_kind kind, const char *name, const struct auth_secret *s,
			       char *to, size_t size);

#endif
