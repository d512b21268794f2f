/*
 * Acknowledgements, sent as fast as they are answered. They are cumulative, so one that
 * failed is repaired by the next one.
 */
#include "acks.h"

#include <stdlib.h>
#include <string.h>

int acks_init(struct acks *a, const struct ctl *ctl)
{
	*a = (struct acks){.c = ctl->c};
	if (!ctl->durable)
		return 0;
	a->v = calloc((size_t)ctl->n_servers, sizeof(*a->v));
	if (!a->v)
		return COMETD_E_NOMEM;
	a->n = ctl->n_servers;
	for (int i = 0; i < a->n; i++)
		a->v[i].server = &ctl->servers[i];
	return 0;
}

void acks_fini(struct acks *a)
{
	free(a->v);
}

void acks_note(struct acks *a, const struct ctl_server *server, const char *epoch, unsigned long long seq)
{
	for (int i = 0; i < a->n; i++)
		if (a->v[i].server == server && epoch) {
			snprintf(a->v[i].noted.epoch, sizeof(a->v[i].noted.epoch), "%s", epoch);
			a->v[i].noted.seq = seq;
		}
}

static bool same(const struct ctl_position *x, const struct ctl_position *y)
{
	return x->seq == y->seq && !strcmp(x->epoch, y->epoch);
}

static void report_failure(const struct ack *ack, int error, const char *text)
{
	char seq[32];

	snprintf(seq, sizeof(seq), "%llu", ack->sent.seq);
	report(ack->server->real_name, ": message ", seq, " is not acknowledged and may come again: ",
	       *text ? text : cometd_strerror(error), NULL);
}

static void on_acknowledged(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct ack *ack = user;

	(void)c;
	ack->waits = false;
	ack->error = result->error;
	if (result->error && result->error != COMETD_E_CLOSED)
		report_failure(ack, result->error, result->text);
}

static void send_next(struct acks *a, struct ack *ack)
{
	if (ack->waits || same(&ack->processed, &ack->sent))
		return;
	ack->sent = ack->processed;
	ack->error = cometd_ack_async(a->c, ack->server->real_name, ack->sent.epoch, ack->sent.seq,
				      COMETD_TIMEOUT_DEFAULT, on_acknowledged, ack);
	ack->waits = !ack->error;
	if (ack->error)
		report_failure(ack, ack->error, "");
}

void acks_commit(struct acks *a)
{
	for (int i = 0; i < a->n; i++) {
		a->v[i].processed = a->v[i].noted;
		send_next(a, &a->v[i]);
	}
}

static bool any_waits(struct acks *a)
{
	bool any = false;

	for (int i = 0; i < a->n; i++) {
		send_next(a, &a->v[i]);
		any |= a->v[i].waits;
	}
	return any;
}

int acks_finish(struct acks *a, int timeout_ms)
{
	long long end = ctl_now() + timeout_ms, left;
	int error = 0;

	while (any_waits(a) && (left = end - ctl_now()) > 0)
		cometd_wait(a->c, (int)left);
	for (int i = 0; i < a->n; i++) {
		struct ack *ack = &a->v[i];

		if (ack->waits)
			report_failure(ack, ack->error = COMETD_E_TIMEOUT, "");
		if (ack->error)
			error = ack->error;
	}
	return exit_code_of(error);
}
