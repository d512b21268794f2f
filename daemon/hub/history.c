/* The log of a server is filled and emptied here alone. */
#include "hub/history.h"

#include "hub/internal.h"
#include "hub/reader.h"

/* Readers that have not read it miss it. */
static void note_dropped(struct hub_server *server, uint64_t seq, struct slice channel, bool filtered)
{
	LIST_EACH(r, &server->readers, struct reader, of_server)
		reader_note_dropped(r, seq, channel, filtered);
}

static void drop_oldest(struct hub_server *server)
{
	const struct hub_log_entry *e = hub_log_at(&server->log, hub_log_oldest(&server->log));

	note_dropped(server, e->seq, hub_log_channel_of(e), e->filtered);
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

void history_append(struct hub_server *server, struct slice channel, bool filtered,
		    const struct chunk_frame *frame, uint64_t now)
{
	struct hub_log_item item = {.seq = server->seq, .channel = channel, .filtered = filtered};

	if (frame) {
		item.blob = frame->blob;
		item.offset = frame->offset;
		item.n = frame->n;
	}
	if (!hub_log_is_off(&server->log) && !hub_log_append(&server->log, &item, now)) {
		history_trim(server, now);
		return;
	}
	while (!hub_log_empty(&server->log))
		drop_oldest(server);
	note_dropped(server, server->seq, channel, filtered);
	hub_log_forget(&server->log, server->seq);
}

void hub_set_history(struct hub_server *server, const struct hub_log_limits *limits, uint64_t now)
{
	hub_log_set_limits(&server->log, limits);
	history_trim(server, now);
}
