/*
 * Acknowledgements of cometctl sub --durable. What is noted is acknowledged only after
 * acks_commit(): when it is written, or its command has succeeded.
 */
#ifndef COMETCTL_ACKS_H
#define COMETCTL_ACKS_H

#include "cometctl.h"

/* Private to acks.c. */
struct ack {
	const struct ctl_server *server;
	struct ctl_position noted, processed, sent;  /* epoch "": none */
	bool waits;                 /* for the answer to `sent` */
	int error;                  /* of the last answer */
};

struct acks {
	struct cometd *c;
	struct ack *v;              /* one for each server; NULL: nothing is acknowledged */
	int n;
};

/* 0, or an enum cometd_error; then acks_fini() need not be called. */
int acks_init(struct acks *a, const struct ctl *ctl);
void acks_fini(struct acks *a);
/* The messages of the server up to this one are printed, or reported as lost. */
void acks_note(struct acks *a, const struct ctl_server *server, const char *epoch, unsigned long long seq);
/* What was noted is processed. One request for each server is under way at a time: the next one covers the rest. */
void acks_commit(struct acks *a);
/* Waits until what is processed is acknowledged. EXIT_OK, or the exit code, reported. */
int acks_finish(struct acks *a, int timeout_ms);

#endif
