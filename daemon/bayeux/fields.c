/*
 * The list of reserved names. No message has one of them twice, because servers differ
 * in which value they use.
 */
#include "bayeux/fields.h"

#include <string.h>

static const char *const reserved[] = {
	"advice", "channel", "clientId", "connectionType", "data", "ext", "id", "minimumVersion",
	"subscription", "supportedConnectionTypes", "timestamp", "version",
};

static const char *find_reserved(const struct ext_fixed *f)
{
	for (size_t i = 0; i < f->n; i++)
		for (size_t k = 0; k < sizeof(reserved) / sizeof(reserved[0]); k++)
			if (strcmp(f->members[i].name, reserved[k]) == 0)
				return reserved[k];
	return NULL;
}

int fields_set(struct ext_fixed *f, struct slice object, const char **ret_name)
{
	struct ext_fixed fresh;
	ext_fixed_init(&fresh);
	int r = ext_fixed_set(&fresh, object);
	const char *name = r ? NULL : find_reserved(&fresh);
	if (r || name) {
		ext_fixed_fini(&fresh);
		if (name)
			*ret_name = name;
		return name ? FIELDS_E_RESERVED : r;
	}
	ext_fixed_fini(f);
	*f = fresh;
	return 0;
}

static bool is_taken(const void *ctx, const char *key)
{
	(void)ctx, (void)key;
	return false;
}

int fields_write(const struct ext_fixed *f, struct buf *out)
{
	return ext_fixed_write(f, SLICE_NULL, is_taken, NULL, out);
}
