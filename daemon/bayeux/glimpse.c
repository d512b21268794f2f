/*
 * Searches one malformed or oversized message for a few fields. It reads each byte once,
 * keeps a bounded number of them, and never fails.
 */
#include "bayeux/glimpse.h"

enum key { KEY_NONE, KEY_OTHER, KEY_CHANNEL, KEY_SUCCESSFUL, KEY_DATA, KEY_EVENT, KEY_REPLAY_ID };

void glimpse_init(struct glimpse *g)
{
	*g = (struct glimpse){0};
}

static bool is_near(const struct glimpse *g)
{
	return g->depth > 0 && g->depth <= GLIMPSE_DEPTH;
}

/* The meaning of the key in `token` at this depth. */
static enum key key_of(const struct glimpse *g)
{
	static const struct {
		unsigned char depth, parent, key;
		struct slice name;
	} keys[] = {
		{1, KEY_NONE, KEY_CHANNEL, SLICE("\"channel\"")},
		{1, KEY_NONE, KEY_SUCCESSFUL, SLICE("\"successful\"")},
		{1, KEY_NONE, KEY_DATA, SLICE("\"data\"")},
		{2, KEY_DATA, KEY_EVENT, SLICE("\"event\"")},
		{3, KEY_EVENT, KEY_REPLAY_ID, SLICE("\"replayId\"")},
	};
	struct slice token = slice_make(g->token, g->token_n);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].depth == g->depth && keys[i].parent == g->keys[g->depth - 1] &&
		    slice_eq(token, keys[i].name))
			return keys[i].key;
	return KEY_OTHER;
}

static void take_channel(struct glimpse *g)
{
	g->channels++;
	if (g->token_n > sizeof(g->channel) || g->token[0] != '"')
		return;
	memcpy(g->channel, g->token, g->token_n);
	g->channel_n = g->token_n;
}

static void take_replay_id(struct glimpse *g)
{
	struct slice id = slice_make(g->token, g->token_n);
	if (id.n > 1 && id.p[0] == '"')
		id = slice_make(id.p + 1, id.n - 2);
	if (id.n == 0 || id.n >= sizeof(g->replay_id))
		return;
	memcpy(g->replay_id, id.p, id.n);
	g->replay_id_n = id.n;
}

/* The member that was read is complete. */
static void end_member(struct glimpse *g)
{
	if (!is_near(g))
		return;
	if (g->keys[g->depth] == KEY_CHANNEL)
		take_channel(g);
	else if (g->keys[g->depth] == KEY_REPLAY_ID)
		take_replay_id(g);
	g->keys[g->depth] = KEY_NONE;
	g->token_n = 0;
}

static void put(struct glimpse *g, char c)
{
	if (is_near(g) && g->token_n < sizeof(g->token))
		g->token[g->token_n++] = c;
}

static void take_structure(struct glimpse *g, char c)
{
	switch (c) {
	case '{':
	case '[':
		g->depth++;
		if (is_near(g))
			g->keys[g->depth] = KEY_NONE;
		g->token_n = 0;
		break;
	case '}':
	case ']':
		end_member(g);
		g->depth -= g->depth > 0;
		g->token_n = 0;
		break;
	case ',':
		end_member(g);
		break;
	case ':':
		if (is_near(g)) {
			g->keys[g->depth] = (unsigned char)key_of(g);
			g->successful |= g->keys[g->depth] == KEY_SUCCESSFUL;
		}
		g->token_n = 0;
		break;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		break;
	default:
		put(g, c);
	}
}

/* How many bytes of a long string that is not searched for may be skipped. */
static size_t plain_bytes(const struct glimpse *g, struct slice bytes)
{
	size_t n = 0;
	if (g->escaped || (is_near(g) && g->token_n < sizeof(g->token)))
		return 0;
	while (n < bytes.n && bytes.p[n] != '"' && bytes.p[n] != '\\')
		n++;
	return n;
}

void glimpse_feed(struct glimpse *g, struct slice bytes)
{
	for (; bytes.n; bytes = slice_drop(bytes, 1)) {
		if (!g->in_string && bytes.p[0] != '"') {
			take_structure(g, bytes.p[0]);
			continue;
		}
		if (!g->in_string) {
			g->in_string = true;
			g->token_n = 0;
			put(g, '"');
			continue;
		}
		bytes = slice_drop(bytes, plain_bytes(g, bytes));
		if (bytes.n == 0)
			break;
		put(g, bytes.p[0]);
		if (g->escaped)
			g->escaped = false;
		else if (bytes.p[0] == '\\')
			g->escaped = true;
		else if (bytes.p[0] == '"')
			g->in_string = false;
	}
}

struct slice glimpse_channel(const struct glimpse *g)
{
	if (g->channels != 1 || g->channel_n == 0)
		return SLICE_NULL;
	return slice_make(g->channel, g->channel_n);
}

struct slice glimpse_replay_id(const struct glimpse *g)
{
	return g->replay_id_n ? slice_make(g->replay_id, g->replay_id_n) : SLICE_NULL;
}
