/*
 * How an answer is sent, apart from its content. All zero is the normal way; rules
 * (rule.h) set others. The owner of the struct frees the strings.
 */
#ifndef FAKE_SEND_OPTIONS_H
#define FAKE_SEND_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct send_options {
	/* both transports */
	bool hold;		/* waits for the command `release` */
	long delay;		/* ms */
	bool silent;		/* never sent */
	bool close;		/* the connection ends instead */
	bool reset;		/* when it ends, it ends with RST */
	char *body;		/* sent instead of the messages; placeholders */
	char *raw;		/* hexadecimal bytes instead of any response or frame */

	/* HTTP */
	int status;		/* 0 = 200 */
	char *headers;		/* complete lines */
	bool cut_body;		/* only the first cut_at bytes of the body, then the end */
	bool cut_head;		/* … of the whole response */
	size_t cut_at;
	size_t chunk;		/* chunked, so many bytes a chunk */
	bool gzip;

	/* WebSocket */
	int ws_close;		/* close code instead of the frame */
	char *ws_reason;
	size_t fragment;	/* bytes a fragment */
	bool ping;		/* pings before, between and after the fragments */
	bool binary;
	bool masked;
	bool rsv1;
	bool bad_utf8;
	bool wrong_key;		/* upgrade: a Sec-WebSocket-Accept of another key */
};

#endif
