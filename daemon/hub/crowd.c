/*
 * For each server, the list of slow receivers: messages of that server fill more than
 * half of their outbox, but their socket still accepts data. The caller decides whether
 * reading from the server waits for them.
 */
#include "hub/crowd.h"

#include "hub/internal.h"

static bool is_behind(const struct member *m)
{
	return m->outbox.bytes > m->outbox.bytes_max / 2;
}

void crowd_note(struct hub_server *server, struct member *m)
{
	if (!is_behind(m) || m->dismissed_at == m->outbox.written || list_linked(&m->crowded))
		return;
	m->written_seen = m->outbox.written;
	list_append(&server->crowd, &m->crowded);
}

bool hub_is_crowded(const struct hub_server *server)
{
	return !list_empty(&server->crowd);
}

uint64_t hub_crowd_progress(struct hub_server *server)
{
	uint64_t taken = 0;

	LIST_EACH_SAFE(m, &server->crowd, struct member, crowded) {
		taken += m->outbox.written - m->written_seen;
		m->written_seen = m->outbox.written;
		if (!is_behind(m))
			list_remove(&m->crowded);
	}
	return taken;
}

void hub_crowd_dismiss(struct hub_server *server)
{
	LIST_EACH_SAFE(m, &server->crowd, struct member, crowded) {
		m->dismissed_at = m->outbox.written;
		list_remove(&m->crowded);
	}
}

void hub_set_paused(struct hub_server *server, bool paused, uint64_t total)
{
	server->paused = paused;
	server->paused_ms = total;
}

bool hub_server_paused(const struct hub_server *server, uint64_t *ret_ms)
{
	*ret_ms = server->paused_ms;
	return server->paused;
}
