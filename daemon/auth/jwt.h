/*
 * Makes a JSON Web Token signed with RS256, used as an assertion (RFC 7523). Pure: the
 * caller passes the time and the key.
 */
#ifndef AUTH_JWT_H
#define AUTH_JWT_H

#include "protocol/buf.h"

#include <stdint.h>

/* the minimum key size (RFC 7518 3.3) */
#define AUTH_JWT_BITS_MIN 2048

struct auth_jwt {
	const char *key_id;             /* "kid"; NULL: none */
	const char *issuer, *subject, *audience;
	const char *id;                 /* "jti", never used twice; NULL: none */
	uint64_t issued, lifetime;      /* seconds since 1970; seconds */
};

/* Appends the token. `key` is the PEM text of a private RSA key without a password. NULL, or what is wrong,
   without a part of the key. */
const char *auth_jwt_put(const struct auth_jwt *jwt, struct slice key, struct buf *out);

#endif
