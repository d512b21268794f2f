/*
 * Makes and signs a token. A key with a password is rejected; OpenSSL does not ask
 * for the password on the terminal.
 */
#include "auth/jwt.h"

#include "base/errors.h"
#include "protocol/json_write.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define PART_MAX 8192
#define SIGNATURE_MAX 2048

/* --- base64url, without padding (RFC 7515) --- */

static int put_base64url(struct slice bytes, struct buf *out)
{
	char *to;
	int r = buf_room(out, (bytes.n + 2) / 3 * 4 + 1, &to), n;

	if (r)
		return r;
	n = EVP_EncodeBlock((unsigned char *)to, (const unsigned char *)bytes.p, (int)bytes.n);
	while (n > 0 && to[n - 1] == '=')
		n--;
	for (int i = 0; i < n; i++)
		to[i] = to[i] == '+' ? '-' : to[i] == '/' ? '_' : to[i];
	buf_grown(out, (size_t)n);
	return 0;
}

/* --- what is signed --- */

static void put_member(struct json_write *w, const char *key, const char *text)
{
	if (!text)
		return;
	json_key(w, key);
	json_put_str(w, text);
}

static int put_header(const struct auth_jwt *jwt, struct buf *out)
{
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	put_member(&w, "alg", "RS256");
	put_member(&w, "typ", "JWT");
	put_member(&w, "kid", jwt->key_id);
	json_object_end(&w);
	return json_write_done(&w);
}

static int put_claims(const struct auth_jwt *jwt, struct buf *out)
{
	struct json_write w;

	json_write_init(&w, out);
	json_object_begin(&w);
	put_member(&w, "iss", jwt->issuer);
	put_member(&w, "sub", jwt->subject);
	put_member(&w, "aud", jwt->audience);
	json_key(&w, "iat"), json_put_u64(&w, jwt->issued);
	json_key(&w, "exp"), json_put_u64(&w, jwt->issued + jwt->lifetime);
	put_member(&w, "jti", jwt->id);
	json_object_end(&w);
	return json_write_done(&w);
}

static int put_parts(const struct auth_jwt *jwt, struct buf *out)
{
	CLEANUP(buf_fini) struct buf header, claims;
	int r;

	buf_init(&header, PART_MAX);
	buf_init(&claims, PART_MAX);
	r = put_header(jwt, &header);
	if (!r)
		r = put_claims(jwt, &claims);
	if (!r)
		r = put_base64url(buf_slice(&header), out);
	if (!r)
		r = buf_putc(out, '.');
	return r ? r : put_base64url(buf_slice(&claims), out);
}

/* --- the signature --- */

static void key_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void digest_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

/* OpenSSL's default callback would ask on the terminal, which blocks the daemon. */
static int no_password(char *to, int size, int writing, void *ctx)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static const char *read_key(struct slice pem, EVP_PKEY **ret)
{
	BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)pem.n);

	if (!bio)
		return "out of memory";
	*ret = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!*ret)
		return "it is not a private key in PEM format without a password";
	if (!EVP_PKEY_is_a(*ret, "RSA"))
		return "it is not an RSA key";
	if (EVP_PKEY_get_bits(*ret) < AUTH_JWT_BITS_MIN)
		return "the key has less than 2048 bits";
	return NULL;
}

static const char *put_signature(EVP_PKEY *key, struct slice text, struct buf *out)
{
	CLEANUP(digest_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof(signature);
	bool done;

	done = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	       EVP_DigestSign(ctx, signature, &n, (const unsigned char *)text.p, text.n) == 1;
	ERR_clear_error();
	if (!done)
		return "signing with this key failed";
	return put_base64url(slice_make(signature, n), out) ? "out of memory" : NULL;
}

const char *auth_jwt_put(const struct auth_jwt *jwt, struct slice pem, struct buf *out)
{
	CLEANUP(key_freep) EVP_PKEY *key = NULL;
	CLEANUP(buf_fini) struct buf text, signature;
	const char *fault;

	buf_init(&text, 3 * PART_MAX);
	buf_init(&signature, 2 * SIGNATURE_MAX);
	fault = read_key(pem, &key);
	if (fault)
		return fault;
	if (put_parts(jwt, &text))
		return "out of memory";
	fault = put_signature(key, buf_slice(&text), &signature);
	if (fault)
		return fault;
	if (buf_put(out, buf_slice(&text)) || buf_putc(out, '.') ||
	    buf_put(out, buf_slice(&signature)))
		return "out of memory";
	return NULL;
}
