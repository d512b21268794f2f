/*
 * The table of servers with their last reported states. Its size is bounded,
 * whatever the daemon sends.
 */
#include "libclient/servers.h"

#include "protocol/frame.h"
#include "protocol/json_read.h"
#include "protocol/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct server {
	char name[PROTOCOL_NAME_MAX + 1];
	enum cometd_state state;
	bool is_default;
};

void servers_init(struct servers *s)
{
	*s = (struct servers){NULL, 0};
}

void servers_fini(struct servers *s)
{
	free(s->v);
	servers_init(s);
}

static struct server *find(const struct servers *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (name ? !strcmp(s->v[i].name, name) : s->v[i].is_default)
			return &s->v[i];
	return NULL;
}

static int add(struct servers *s, struct slice name, enum cometd_state state, bool is_default)
{
	if (s->n >= SERVERS_MAX || name.n > PROTOCOL_NAME_MAX)
		return 0;
	struct server *v = realloc(s->v, (s->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	v[s->n] = (struct server){.state = state, .is_default = is_default};
	memcpy(v[s->n].name, name.p, name.n);
	s->n++;
	return 0;
}

int servers_note(struct servers *s, const char *name, enum cometd_state state)
{
	struct server *server = find(s, name);

	if (!server)
		return add(s, slice_of(name), state, false);
	server->state = state;
	return 0;
}

int servers_state(const struct servers *s, const char *name)
{
	struct server *server = find(s, name);

	return server ? (int)server->state : COMETD_E_UNKNOWN_SERVER;
}

bool servers_is_default(const struct servers *s, const char *name)
{
	struct server *server = find(s, name);

	return server && server->is_default;
}

const char *servers_default(const struct servers *s)
{
	struct server *server = find(s, NULL);

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
	struct buf *own_frames;
};

/* The state is set by the event, which is read before the application can ask for it. */
static int add_row(void *ctx, const struct json_element *element, const struct json_field *f)
{
	struct greeting *g = ctx;
	struct buf scratch;
	struct slice name;

	if (element->value.kind != JSON_OBJECT || element->duplicate || g->fresh.n >= SERVERS_MAX)
		return 0;
	buf_init(&scratch, PROTOCOL_FRAME_MAX);
	int r = json_text(&f[0].value, &scratch, &name);
	if (!r)
		r = add(&g->fresh, name, COMETD_STATE_UNKNOWN, f[1].value.kind == JSON_TRUE);
	buf_fini(&scratch);
	if (!r)
		r = put_state_frame(element->value.raw, g->own_frames);
	return r > 0 ? 0 : r;
}

int servers_replace(struct servers *s, struct slice rows, struct buf *own_frames)
{
	struct json_field f[] = {{.name = "server"}, {.name = "default"}};
	struct greeting g = {.own_frames = own_frames};
	size_t before = buf_len(own_frames);
	int r = json_read_objects(rows, f, 2, add_row, &g);

	if (r) {
		buf_truncate(own_frames, before);
		servers_fini(&g.fresh);
		return r;
	}
	servers_fini(s);
	*s = g.fresh;
	return 0;
}
