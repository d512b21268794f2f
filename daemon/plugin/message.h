/*
 * A message as extensions see it: its fields, read on demand, and their changes. The
 * changes of an extension are a draft until they are kept, so that they can be undone
 * if the extension fails.
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
	struct buf text;                /* contains the value if it was changed */
};

struct plugin_message {
	struct cometd_extension_message shown;  /* what an extension gets */
	const struct hook_message *m;   /* NULL: no hook is running */
	struct plugin_part data, ext;           /* the state after the previous extensions */
	struct plugin_part new_data, new_ext;   /* the draft of the current extension */
	size_t added, new_added;                /* bytes added to ext */
	const char *fault;              /* what the current extension did wrong, or NULL */
	bool short_of_memory;           /* a call failed because the daemon had no memory */
	struct buf check, scratch;
};

void plugin_message_init(struct plugin_message *pm);
void plugin_message_fini(struct plugin_message *pm);

/* Starts with the original message `m`. */
void plugin_message_begin(struct plugin_message *pm, const struct hook_message *m);
/* Prepares `shown` and a draft for the next extension. */
void plugin_message_show(struct plugin_message *pm);
/* Keeps the draft of this extension. */
void plugin_message_keep(struct plugin_message *pm);
/* Ends the hooks of this message. 0, or HOOK_CHANGED and *ret, valid until the next begin. */
int plugin_message_end(struct plugin_message *pm, struct hook_change *ret);

/* --- functions that extensions call (cometd-bridge-extension.h) --- */
int plugin_message_field(struct cometd_extension_message *m, const char *name,
			 struct cometd_extension_text *ret);
int plugin_message_ext(struct cometd_extension_message *m, const char *name,
		       struct cometd_extension_text *ret);
int plugin_message_set_ext(struct cometd_extension_message *m, const char *name, const char *json,
			   size_t n);
int plugin_message_set_data(struct cometd_extension_message *m, const char *json, size_t n);

#endif
