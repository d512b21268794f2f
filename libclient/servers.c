/*
 * The table of servers with their last reported states and positions. Its size is
 * bounded, whatever the daemon sends.
 */
#include "libclient/servers.h"

#include "protocol/frame.h"
#include "protocol/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void servers_init(struct servers *s)
{
	*s = (struct servers){NULL, 0};
}

void servers_fini(struct servers *s)
{
	free(s->v);
	servers_init(s);
}

struct server *servers_find(const struct servers *s, struct slice name)
{
	for (size_t i = 0; i < s->n; i++)
		if (name.p ? slice_eq(slice_of(s->v[i].name), name) : s->v[i].is_default)
			return &s->v[i];
	return NULL;
}

static int add(struct servers *s, struct slice name, struct server **ret)
{
	*ret = NULL;
	if (s->n >= SERVERS_MAX || name.n > PROTOCOL_NAME_MAX)
		return 0;
	struct server *v = realloc(s->v, (s->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	v[s->n] = (struct server){.state = COMETD_STATE_UNKNOWN};
	memcpy(v[s->n].name, name.p, name.n);
	*ret = &v[s->n++];
	return 0;
}

void servers_reach(struct server *server, uint64_t seq)
{
	if (server && position_known(&server->newest) && server->newest.seq < seq)
		server->newest.seq = seq;
}

int servers_note(struct servers *s, const char *name, enum cometd_state state,
		 const struct position *newest)
{
	struct server *server = servers_find(s, slice_of(name));
	int r = server ? 0 : add(s, slice_of(name), &server);

	if (!server)
		return r;
	server->state = state;
	if (position_known(newest))
		server->newest = *newest;
	return 0;
}

int servers_state(const struct servers *s, const char *name)
{
	struct server *server = servers_find(s, slice_of(name));

	return server ? (int)server->state : COMETD_E_UNKNOWN_SERVER;
}

bool servers_is_default(const struct servers *s, const char *name)
{
	struct server *server = servers_find(s, slice_of(name));

	return server && server->is_default;
}

const char *servers_default(const struct servers *s)
{
	struct server *server = servers_find(s, SLICE_NULL);

	return server ? server->name : NULL;
}

/* {"server":…} of the greeting -> {"op":"state","server":…} */
static int put_state_frame(struct slice row, struct buf *own_frames)
{
	size_t before = buf_len(own_frames), mark;
	int r = frame_begin(own_frames, &mark);

	if (!r)
		r = buf_put_str(own_frames, "{\"op\":\"state\",");
	if (!r)
		r = buf_put(own_frames, slice_drop(row, 1));
	if (!r)
		return frame_end(own_frames, mark, PROTOCOL_FRAME_MAX);
	buf_truncate(own_frames, before);
	return r;
}

struct greeting {
	struct servers fresh;
	const struct servers *old;
	struct buf *own_frames;
};

static int add_server(struct greeting *g, const struct json_field *f)
{
	struct slice name, epoch = SLICE_NULL;
	struct server *server, *before;
	struct buf scratch;
	uint64_t newest = 0;

	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	int r = json_text(&f[0].value, &scratch, &name);
	if (!r)
		r = add(&g->fresh, name, &server);
	if (!r && server) {
		server->is_default = f[1].value.kind == JSON_TRUE;
		before = servers_find(g->old, name);
		if (before) {
			server->given = before->given;
			server->consumed = before->consumed;
			memcpy(server->consumer, before->consumer, sizeof(server->consumer));
		}
		r = json_text(&f[2].value, &scratch, &epoch);
		if (r >= 0 && json_u64(&f[3].value, &newest) == 0)
			server->newest = position_of(epoch, newest);
		/* a daemon without positions has no such text */
		r = r > 0 ? 0 : r;
	}
	buf_fini(&scratch);
	return r;
}

/* The state is set by the event, which is read before the application can ask for it. */
static int add_row(void *ctx, const struct json_element *element, const struct json_field *f)
{
	struct greeting *g = ctx;

	if (element->value.kind != JSON_OBJECT || element->duplicate || g->fresh.n >= SERVERS_MAX)
		return 0;
	int r = add_server(g, f);
	if (!r)
		r = put_state_frame(element->value.raw, g->own_frames);
	return r > 0 ? 0 : r;
}

int servers_replace(struct servers *s, struct slice rows, struct buf *own_frames)
{
	struct json_field f[] = {{.name = "server"}, {.name = "default"}, {.name = "epoch"},
				 {.name = "seq"}};
	struct greeting g = {.old = s, .own_frames = own_frames};
	size_t before = buf_len(own_frames);
	int r = json_read_objects(rows, f, 4, add_row, &g);

	if (r) {
		buf_truncate(own_frames, before);
		servers_fini(&g.fresh);
		return r;
	}
	servers_fini(s);
	*s = g.fresh;
	return 0;
}
