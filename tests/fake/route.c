/* The routes: which path accepts which messages. */
#include <stdlib.h>
#include "tests/fake/dialect.h"
#include "tests/fake/route.h"

struct route {
	struct list link;
	char *type;
	char *path;
};

static bool is_type(const char *name)
{
	for (int t = MESSAGE_HANDSHAKE; t <= MESSAGE_PUBLISH; t++)
		if (strcmp(name, message_type_name((enum message_type)t)) == 0)
			return true;
	return strcmp(name, "upgrade") == 0;
}

bool route_add(struct server *s, const char *type, const char *path)
{
	struct route *r;

	if (!is_type(type))
		return false;
	r = xcalloc(1, sizeof(*r));
	r->type = xstrdup(type);
	r->path = xstrdup(path);
	list_append(&s->routes, &r->link);
	return true;
}

void routes_fini(struct server *s)
{
	LIST_EACH_SAFE(r, &s->routes, struct route, link) {
		list_remove(&r->link);
		free(r->type);
		free(r->path);
		free(r);
	}
}

static bool takes(const struct server *s, struct slice path, const char *type)
{
	bool routed = false;

	LIST_EACH(r, &s->routes, struct route, link) {
		bool same_type = strcmp(r->type, type) == 0;
		bool same_path = slice_eq(path, slice_of(r->path));

		if (same_type && same_path)
			return true;
		routed = routed || same_type || same_path;
	}
	return !routed;
}

bool route_allows_upgrade(const struct server *s, struct slice path)
{
	return takes(s, path, "upgrade");
}

static bool allows_message(const struct server *s, struct slice path, struct slice message)
{
	struct slice channel = json_member(message, "channel");
	char *text = json_is_string(channel) ? json_text(channel) : xstrdup("");
	bool good = takes(s, path, message_type_name(message_type_of(text)));

	free(text);
	return good;
}

bool route_allows(const struct server *s, struct slice path, struct slice text)
{
	struct slice one;

	if (!json_valid(text))
		return true;
	if (!json_is_array(text))
		return allows_message(s, path, text);
	while (json_next(&text, &one))
		if (!allows_message(s, path, one))
			return false;
	return true;
}
