/*
 * SHA-1 with base64 (the WebSocket accept key), gzip with stored blocks, and
 * hexadecimal. Written here so that the demo's server needs no library that the
 * daemon does not need.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "tests/fake/codec.h"

static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void sha1_block(uint32_t h[5], const unsigned char *p)
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	for (int i = 0; i < 16; i++, p += 4)
		w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (b & c) | (~b & d)
			   : i < 40 || i >= 60 ? b ^ c ^ d
			   : (b & c) | (b & d) | (c & d);
		uint32_t next = rotate(a, 5) + f + e + k[i / 20] + w[i];

		e = d;
		d = c;
		c = rotate(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* of at most 119 bytes, which a key and the GUID never exceed */
static void sha1_short(const char *p, size_t n, unsigned char digest[20])
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	unsigned char pad[128] = {0};
	size_t total = n < 56 ? 64 : 128;

	memcpy(pad, p, n);
	pad[n] = 0x80;
	pad[total - 2] = (unsigned char)(n * 8 >> 8);
	pad[total - 1] = (unsigned char)(n * 8);
	for (size_t i = 0; i < total; i += 64)
		sha1_block(h, pad + i);
	for (int i = 0; i < 20; i++)
		digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
}

static void base64(const unsigned char *p, size_t n, struct text *ret)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;
		char out[4];

		if (i + 1 < n)
			v |= (uint32_t)p[i + 1] << 8;
		if (i + 2 < n)
			v |= p[i + 2];
		for (int j = 0; j < 4; j++)
			out[j] = digits[v >> (18 - 6 * j) & 63];
		if (i + 1 >= n)
			out[2] = '=';
		if (i + 2 >= n)
			out[3] = '=';
		text_add(ret, out, 4);
	}
}

void codec_accept_key(struct slice key, struct text *ret)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[20];
	char both[119];
	int n;

	n = snprintf(both, sizeof(both), "%.*s%s", SLICE_ARG(slice_take(key, 80)), guid);
	sha1_short(both, (size_t)n, digest);
	base64(digest, sizeof(digest), ret);
}

static uint32_t crc32_of(struct slice s)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < s.n; i++) {
		crc ^= (unsigned char)s.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

static void little_endian(struct text *t, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		text_add(t, &(unsigned char){(unsigned char)(v >> 8 * i)}, 1);
}

void codec_gzip(struct slice body, struct text *ret)
{
	struct slice rest = body;

	text_add(ret, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
	do {
		struct slice part = slice_take(rest, 65535);

		rest = slice_drop(rest, part.n);
		text_add(ret, rest.n ? "\0" : "\1", 1);
		little_endian(ret, (uint32_t)part.n, 2);
		little_endian(ret, ~(uint32_t)part.n, 2);
		text_slice(ret, part);
	} while (rest.n);
	little_endian(ret, crc32_of(body), 4);
	little_endian(ret, (uint32_t)body.n, 4);
}

bool codec_hex(const char *hex, struct text *ret)
{
	unsigned byte;
	int used;

	for (; *hex; hex += 2) {
		if (strspn(hex, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(hex, "%2x%n", &byte, &used) != 1)
			return false;
		text_add(ret, &(unsigned char){(unsigned char)byte}, 1);
	}
	return true;
}
