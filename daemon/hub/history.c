/* The log of a server is filled and emptied here alone. */
#include "hub/history.h"

#include "hub/internal.h"

static void drop_oldest(struct hub_server *server)
{
	hub_log_drop_oldest(&server->log);
}

void history_trim(struct hub_server *server, uint64_t now)
{
	while (hub_log_exceeds(&server->log, now))
		drop_oldest(server);
}

void history_clear(struct hub_server *server)
{
	while (!hub_log_empty(&server->log))
		drop_oldest(server);
	hub_log_forget(&server->log, server->seq);
}

void history_append(struct hub_server *server, struct slice channel, const struct chunk_frame *frame,
		    uint64_t now)
{
	struct hub_log_item item = {.seq = server->seq, .channel = channel};

	if (frame) {
		item.blob = frame->blob;
		item.offset = frame->offset;
		item.n = frame->n;
	}
	if (hub_log_is_off(&server->log) || hub_log_append(&server->log, &item, now))
		history_clear(server);
	else
		history_trim(server, now);
}

void hub_set_history(struct hub_server *server, const struct hub_log_limits *limits, uint64_t now)
{
	hub_log_set_limits(&server->log, limits);
	history_trim(server, now);
}
