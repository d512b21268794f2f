/*
 * One extension of one server, and what the daemon does for it: its log, its
 * timers, its credential. Shared by the files of chain.h, and by nobody
 * else.
 */
#ifndef PLUGIN_INSTANCE_H
#define PLUGIN_INSTANCE_H

#include "base/log.h"
#include "plugin/chain.h"

struct plugin_source;

struct plugin_instance {
	struct cometd_extension_host host;      /* what the extension has of us */
	struct loop *loop;
	const char *server;             /* the chain's */
	char *name;
	struct plugin *plugin;
	const struct cometd_extension *table;
	void *self;
	bool made;                      /* create() succeeded */

	unsigned failures;              /* in a row */
	bool disabled;
	/* limits of its own: one that floods does not silence the others */
	struct log_site said, failed, slow;

	struct list later;              /* plugin_later::link */
	unsigned n_later;
	struct plugin_source *source;   /* NULL: nobody wants its credentials */
};

/* 0; PLUGIN_E_UNFIT with words in `why`; -ENOMEM. Takes `p` over, also on failure. */
int plugin_instance_new(struct loop *loop, const char *server, struct plugin *p, const char *name,
			struct slice config, char *why, struct plugin_instance **ret);
/* NULL is fine. */
void plugin_instance_free(struct plugin_instance *x);

/* --- plugin_report.c: what is said of it --- */
#define FIELDS(x, ...)                                                                             \
	LOG_FIELDS({"server", slice_of((x)->server)}, {"extension", slice_of((x)->name)},          \
		   ##__VA_ARGS__)
/* a line with a limit of its own, unlike log_msg() */
#define LOG(site, level, fields, ...)                                                              \
	do {                                                                                       \
		if (log_wants(level))                                                              \
			log_write(site, level, __FILE__, __LINE__, fields,         \
				  sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__);              \
	} while (0)
/* For every call into the extension: `since` is clock_boot_ms() before it. */
void plugin_report_time(struct plugin_instance *x, uint64_t since, const char *function);
/* It failed at a message. One that is not required is disabled in the end. */
void plugin_report_failure(struct plugin_instance *x, const struct hook_message *m,
			   const char *reason);

/* --- plugin_source.c: its credential --- */
int plugin_source_new(struct plugin_instance *x, uint64_t timeout, struct auth_source **ret);
/* what the extension calls */
int plugin_source_ready(const struct cometd_extension_host *host, const char *secret, size_t n,
			uint64_t lifetime_ms);
int plugin_source_failed(const struct cometd_extension_host *host, const char *why);

static inline struct plugin_instance *plugin_instance_of(const struct cometd_extension_host *host)
{
	return LIST_OF(host, struct plugin_instance, host);
}

#endif
