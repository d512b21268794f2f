/*
 * auth/jwt: a token is equal to the one that the program openssl makes of the same
 * claims, the public key verifies it, and unsuitable keys are rejected.
 */
#include "auth/jwt.h"
#include "tests/unit/rsa_key.h"
#include "tests/unit/testing.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

/* by "openssl dgst -sha256 -sign" of the same key */
static const char vector[] =
	"eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJpc3MiOiJtZSIsInN1YiI6InVzZXJAZXhhbX"
	"BsZS5jb20iLCJhdWQiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3"
	"MDAwMDAxMjAsImp0aSI6ImoxIn0.VRvJFkEd_M2RKq9cJY-hc-mfLslF8wh6ntGoGfjnpSc3q_p5gLpRKGNZ7v1Ukr"
	"GxnPyXrsmi2BpzPKFsUcugCi0KNh5Zh-oCQNl0FrZrYR8cyAWh9xwLO44q692MGDs8M19Vsm4-dc-9BEuAgd2ewmGk"
	"rgOqvt8Fx7vi1zkzsluRK5vr2LUXZ4UIuxvJXOqt_U616kteiOBnwQbZc4Vnks8894Iem3oy2fIgyjbybqdQig6we6"
	"uUyxb5RZAzgZaTvwGtm7GU-WssZwkCjKq8AVA4SgnGDN8agAWIfUKFJu8zswnx6EUd8noQXIqnqzw9rbmfRRVx46O-"
	"nsFDoico4w";

static const struct auth_jwt jwt = {
	.key_id = "k1", .issuer = "me", .subject = "user@example.com",
	.audience = "https://login.example.com", .id = "j1", .issued = 1700000000, .lifetime = 120};

static void the_vector(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 8192);
	assert_null(auth_jwt_put(&jwt, slice_of(key_pem), &out));
	assert_true(slice_eq(buf_slice(&out), slice_of(vector)));
	buf_fini(&out);
}

/* Decodes base64url without padding, of at most 4096 bytes; returns the number of bytes. */
static size_t decode(struct slice s, unsigned char *to)
{
	char text[8192];
	size_t padding = (4 - s.n % 4) % 4;

	for (size_t i = 0; i < s.n; i++) {
		assert_null(memchr("+/=", s.p[i], 3));
		text[i] = s.p[i] == '-' ? '+' : s.p[i] == '_' ? '/' : s.p[i];
	}
	memset(text + s.n, '=', padding);
	int n = EVP_DecodeBlock(to, (unsigned char *)text, (int)(s.n + padding));
	assert_true(n >= 0);
	return (size_t)n - padding;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	assert_non_null(key);
	BIO_free(bio);
	return key;
}

static void the_public_key_verifies_it(void **state)
{
	EVP_PKEY *key = read_key(key_pem);
	struct auth_jwt odd = jwt;
	unsigned char bytes[4096];
	struct buf out;

	(void)state;
	buf_init(&out, 8192);
	odd.key_id = odd.id = NULL;
	odd.subject = "quote \" and \xc3\xbc";
	assert_null(auth_jwt_put(&odd, slice_of(key_pem), &out));
	struct slice token = buf_slice(&out), claims = token;
	const char *dot = memrchr(token.p, '.', token.n);
	struct slice text = slice_take(token, (size_t)(dot - token.p));
	size_t n = decode(slice_drop(token, text.n + 1), bytes);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(ctx, bytes, n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(ctx);
	claims = slice_drop(text, (size_t)((const char *)memchr(text.p, '.', text.n) - text.p) + 1);
	n = decode(claims, bytes);
	assert_true(slice_eq(slice_make(bytes, n),
			     SLICE("{\"iss\":\"me\",\"sub\":\"quote \\\" and \xc3\xbc\","
				   "\"aud\":\"https://login.example.com\",\"iat\":1700000000,"
				   "\"exp\":1700000120}")));
	EVP_PKEY_free(key);
	buf_fini(&out);
}

/* 1024 bits, made for this test: making one takes minutes under valgrind */
static const char small_pem[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIICdQIBADANBgkqhkiG9w0BAQEFAASCAl8wggJbAgEAAoGBAN7E7OWBSAROztcs\n"
	"60Ft+w2ZYavFnL/RasfCUzEfs7+KuL1NfMe/6Ljbzep6WHcKZTiQhIiDJm0apIX4\n"
	"phDPGgnxGRX0lmb0pKeHo6ARR0c/RU5KCqr71aQqTG14j9LsQ58uuUfTjLnLw+5p\n"
	"hKTXQgA4VIcUL4ojO0/5OIL9ExeVAgMBAAECgYA/NrhWg/IQruBI9Qko/vF/sWei\n"
	"26eYUu+vEbiTtwBFuTKlHSjsccuzMURkZiVWWk/Q1kmVh0nPKgFHtwBAwtQLOFHk\n"
	"8gAzfX8HokcNADIR54AN/aakyAdpRoGLPas0yJuNH9WlmAntMoQCf13tvbilsF42\n"
	"CYtRfNiaUAL8X9ue/QJBAP/ThqGFHKwJrg7/2hoBWFZtaS/qpODYGQsdPgHhcVEG\n"
	"WCR43La+Sr7IgOo7/fjkhJja0DwRDCC8WfGHuKfzgDMCQQDe66cV4I2PgVBCb1YI\n"
	"r45H0C3tK+XNS1tGBQ1c9fTcOPHr8Vs3rv1hre1HVZOIXaDxAsX53hwbKaq1q7EW\n"
	"pCEXAkA1rnU5v2zczMsxao6hllarDBpea6ZdZ/sZUfGJA317uxET1ii6UAPvNLOY\n"
	"cy4/4/PO/1tiv1EELYHSJOCinX3xAkArIV0Klo/NHC/zKqdytsTIkDbSlJO5zMK0\n"
	"IXYcbloZ4cqs493KQEk2BPjLvHr2/2aMOwUi+x5lAwLMc5On1cmxAkBbEzrEvC4H\n"
	"BwQFf1u33JiQQ/kPHOfBuzmyTBq6TqJFdLJPurqn0im/lPKiESBOTrxqxVrZQnbA\n"
	"0ulqaXKOarZx\n"
	"-----END PRIVATE KEY-----\n";

/* as PEM; with a password when there is one */
static void assert_refused(EVP_PKEY *key, const char *password, const char *fault)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf out;
	char *pem;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, password ? EVP_aes_128_cbc() : NULL,
						  NULL, 0, NULL, (void *)password), 1);
	long n = BIO_get_mem_data(bio, &pem);
	buf_init(&out, 8192);
	assert_string_equal(auth_jwt_put(&jwt, slice_make(pem, (size_t)n), &out), fault);
	assert_int_equal(buf_len(&out), 0);
	BIO_free(bio);
	EVP_PKEY_free(key);
	buf_fini(&out);
}

static void keys_that_will_not_do(void **state)
{
	static const char no_key[] = "it is not a private key in PEM format without a password";
	struct buf out;

	(void)state;
	assert_refused(read_key(small_pem), NULL, "the key has less than 2048 bits");
	assert_refused(EVP_EC_gen("P-256"), NULL, "it is not an RSA key");
	assert_refused(read_key(key_pem), "password", no_key);
	buf_init(&out, 8192);
	assert_string_equal(auth_jwt_put(&jwt, SLICE_NULL, &out), no_key);
	assert_string_equal(auth_jwt_put(&jwt, SLICE("-----BEGIN PRIVATE KEY-----\n"), &out), no_key);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

static void short_of_memory(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 8192);
	FAIL_EACH_ALLOCATION {
		const char *fault = auth_jwt_put(&jwt, slice_of(key_pem), &out);

		assert_true(!fault || strcmp(fault, "out of memory") == 0);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector),
		cmocka_unit_test(the_public_key_verifies_it),
		cmocka_unit_test(keys_that_will_not_do),
		cmocka_unit_test(short_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
