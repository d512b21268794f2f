/* Compares two configurations, by the values of their options where these are plain, else by their texts. */
#include "config/diff.h"

#include "config/option.h"

#include <string.h>

static bool is_same_text(const struct config_source *a, const struct config_source *b)
{
	if (a->texts.n != b->texts.n)
		return false;
	for (size_t i = 0; i < a->texts.n; i++)
		if (strcmp(a->texts.v[i], b->texts.v[i]) != 0)
			return false;
	return true;
}

/* One side: a struct config or config_server, and where its options come from. */
struct side {
	const void *base;
	const struct config_source *sources;
};

static bool is_same(const struct config_row *row, size_t i, const struct side *a, const struct side *b)
{
	size_t size = row->kind->size;

	if (!size)
		return is_same_text(&a->sources[i], &b->sources[i]);
	return memcmp((const char *)a->base + row->offset, (const char *)b->base + row->offset, size) == 0;
}

static void diff(const char *section, const char *server, const struct side *old, const struct side *now,
		 void (*changed)(void *ctx, const struct config_difference *d), void *ctx)
{
	const struct config_row *row;

	for (size_t i = 0; (row = config_row(i)); i++) {
		const struct config_difference d = {.server = server, .option = row->option.name,
						    .place = now->sources[i].place, .change = row->change};

		if (strcmp(row->option.section, section) == 0 && !is_same(row, i, old, now))
			changed(ctx, &d);
	}
}

void config_diff_bridge(const struct config *old, const struct config *now,
			void (*changed)(void *ctx, const struct config_difference *d), void *ctx)
{
	diff("bridge", NULL, &(struct side){old, old->sources}, &(struct side){now, now->sources}, changed, ctx);
}

void config_diff_server(const struct config_server *old, const struct config_server *now,
			void (*changed)(void *ctx, const struct config_difference *d), void *ctx)
{
	diff("server", now->name, &(struct side){old, old->sources}, &(struct side){now, now->sources}, changed, ctx);
	if (old->oauth && now->oauth && strcmp(old->oauth_name, now->oauth_name) == 0)
		diff("oauth", now->name, &(struct side){old->oauth, old->oauth->sources},
		     &(struct side){now->oauth, now->oauth->sources}, changed, ctx);
}

/* FNV-1a, each text with its end. It is no secret, and nothing depends on two texts with one number. */
static uint64_t mix(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
	while (*text++);
	return hash;
}

static uint64_t mix_section(uint64_t hash, const char *section, const struct config_source *sources)
{
	const struct config_row *row;

	for (size_t i = 0; (row = config_row(i)); i++) {
		if (strcmp(row->option.section, section) != 0 || row->change != CONFIG_NEW_SESSION || !sources[i].texts.n)
			continue;
		hash = mix(hash, row->option.name);
		for (size_t k = 0; k < sources[i].texts.n; k++)
			hash = mix(hash, sources[i].texts.v[k]);
	}
	return hash;
}

uint64_t config_fingerprint(const struct config_server *c)
{
	uint64_t hash = mix_section(0xcbf29ce484222325u, "server", c->sources);

	return c->oauth ? mix_section(mix(hash, c->oauth_name), "oauth", c->oauth->sources) : hash;
}

struct config_server *config_find_server(const struct config *c, const char *name)
{
	LIST_EACH(s, &c->servers, struct config_server, link)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}
