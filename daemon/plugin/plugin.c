/*
 * Owns loaded shared objects. Does not use a table of another version of the
 * interface, and does not load a file that all users may write. The only user of
 * dlopen().
 */
#include "plugin/plugin.h"

#include "base/errors.h"
#include "base/fault.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRY "cometd_bridge_extension"

struct plugin {
	void *handle;
	struct cometd_extension table;
};

int plugin_check_file(const char *path, struct fault *why)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fault_fail(why, PLUGIN_E_UNFIT, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_fail(why, PLUGIN_E_UNFIT, "%s is not a regular file", path);
	if (st.st_mode & S_IWOTH)
		return fault_fail(why, PLUGIN_E_UNFIT, "%s is writable for all users; run chmod o-w", path);
	return 0;
}

/* Checks and copies the table. */
static int copy_table(struct plugin *p, const struct cometd_extension *theirs, struct fault *why)
{
	if (!theirs)
		return fault_fail(why, PLUGIN_E_UNFIT, ENTRY "() returned NULL");
	if (theirs->abi != COMETD_EXTENSION_ABI)
		return fault_fail(why, PLUGIN_E_UNFIT, "it was built for version %u of the interface, and "
				  "this daemon has version %d", theirs->abi, COMETD_EXTENSION_ABI);
	if (theirs->size < sizeof(p->table))
		return fault_fail(why, PLUGIN_E_UNFIT, "its table is too small");
	memcpy(&p->table, theirs, sizeof(p->table));
	if (!p->table.create || !p->table.destroy)
		return fault_fail(why, PLUGIN_E_UNFIT, "it has no create() or no destroy()");
	if (!p->table.outgoing && !p->table.incoming && !p->table.credential)
		return fault_fail(why, PLUGIN_E_UNFIT, "it has no outgoing(), incoming() or credential()");
	return 0;
}

static int open_object(struct plugin *p, const char *path, struct fault *why)
{
	const struct cometd_extension *(*entry)(void);
	void *symbol;

	p->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!p->handle)
		return fault_fail(why, PLUGIN_E_UNFIT, "%s", dlerror());
	symbol = dlsym(p->handle, ENTRY);
	if (!symbol)
		return fault_fail(why, PLUGIN_E_UNFIT, "it has no function " ENTRY "()");
	/* ISO C has no conversion from an object pointer to a function pointer */
	memcpy(&entry, &symbol, sizeof(entry));
	return copy_table(p, entry(), why);
}

DEFINE_FREEP(plugin, plugin_free)

int plugin_load(const char *path, struct fault *why, struct plugin **ret)
{
	CLEANUP(plugin_freep) struct plugin *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	r = plugin_check_file(path, why);
	if (r == 0)
		r = open_object(p, path, why);
	if (r)
		return r;
	*ret = TAKE(p);
	return 0;
}

void plugin_free(struct plugin *p)
{
	if (!p)
		return;
	if (p->handle)
		dlclose(p->handle);
	free(p);
}

const struct cometd_extension *plugin_table(const struct plugin *p)
{
	return &p->table;
}
