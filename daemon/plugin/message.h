/*
 * A message as extensions see it: its fields on demand, and what they changed,
 * one extension after the other. What one of them changes is a draft until it is
 * kept, so that an extension which fails leaves no trace.
 */
#ifndef PLUGIN_MESSAGE_H
#define PLUGIN_MESSAGE_H

#include "bayeux/hooks.h"
#include "cometd-bridge-extension.h"
#include "protocol/buf.h"

#include <stdbool.h>

struct plugin_part {
	struct slice value;             /* SLICE_NULL: there is none */
	bool changed;
	struct buf text;                /* where the value lies when it was changed */
};

struct plugin_message {
	struct cometd_extension_message shown;  /* what an extension gets */
	const struct hook_message *m;   /* NULL: nobody is to look now */
	struct plugin_part data, ext;           /* as those before left it */
	struct plugin_part new_data, new_ext;   /* as the one that looks now has it */
	size_t added, new_added;                /* bytes of ext */
	const char *fault;              /* what the one that looks now did wrong, or NULL */
	bool short_of_memory;           /* … and this was ours */
	struct buf check, scratch;
};

void plugin_message_init(struct plugin_message *pm);
void plugin_message_fini(struct plugin_message *pm);

/* From now on it is about `m`, as it came. */
void plugin_message_begin(struct plugin_message *pm, const struct hook_message *m);
/* The next extension looks at it: `shown` is for it. */
void plugin_message_show(struct plugin_message *pm);
/* What it changed holds. */
void plugin_message_keep(struct plugin_message *pm);
/* Nobody looks any more. 0, or HOOK_CHANGED and *ret, valid until the next begin. */
int plugin_message_end(struct plugin_message *pm, struct hook_change *ret);

/* --- what extensions call (cometd-bridge-extension.h) --- */
int plugin_message_field(struct cometd_extension_message *m, const char *name,
			 struct cometd_extension_text *ret);
int plugin_message_ext(struct cometd_extension_message *m, const char *name,
		       struct cometd_extension_text *ret);
int plugin_message_set_ext(struct cometd_extension_message *m, const char *name, const char *json,
			   size_t n);
int plugin_message_set_data(struct cometd_extension_message *m, const char *json, size_t n);

#endif
