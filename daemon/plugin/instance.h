/*
 * One extension of one server, with its log limits, timers and credential. Private to
 * chain.c, instance.c, report.c and source.c.
 */
#ifndef PLUGIN_INSTANCE_H
#define PLUGIN_INSTANCE_H

#include "base/fault.h"
#include "base/log.h"
#include "plugin/chain.h"

struct plugin_source;

struct plugin_instance {
	struct cometd_extension_host host;      /* the functions that the extension calls */
	struct loop *loop;
	const char *server;             /* the chain's */
	char *name;
	struct plugin *plugin;
	const struct cometd_extension *table;
	void *self;
	bool made;                      /* create() succeeded */

	unsigned failures;              /* in a row */
	bool disabled;
	/* log limits per instance, so that one that logs too much does not affect others */
	struct log_site log, failed, slow;

	struct list later;              /* plugin_later::link */
	unsigned n_later;
	struct plugin_source *source;   /* NULL: its credentials are not used */
};

/* 0; PLUGIN_E_UNFIT with the reason in `why`; -ENOMEM. Takes ownership of `p`, also on failure. */
int plugin_instance_new(struct loop *loop, const char *server, struct plugin *p, const char *name,
			struct slice config, struct fault *why, struct plugin_instance **ret);
/* Accepts NULL. */
void plugin_instance_free(struct plugin_instance *x);

/* --- report.c: log lines about it --- */
#define FIELDS(x, ...)                                                                             \
	LOG_FIELDS({"server", slice_of((x)->server)}, {"extension", slice_of((x)->name)},          \
		   ##__VA_ARGS__)
/* logs with the limit of `site` instead of one per source line, as log_msg() does */
#define LOG(site, level, fields, ...)                                                              \
	do {                                                                                       \
		if (log_wants(level))                                                              \
			log_write(site, level, __FILE__, __LINE__, fields,         \
				  sizeof(fields) / sizeof((fields)[0]), __VA_ARGS__);              \
	} while (0)
/* Call it after every call into the extension; `since` is clock_boot_ms() before that call. */
void plugin_report_time(struct plugin_instance *x, uint64_t since, const char *function);
/* Logs that it failed to handle a message. Disables it after too many failures, unless it is required. */
void plugin_report_failure(struct plugin_instance *x, const struct hook_message *m,
			   const char *reason);

/* --- source.c: its credential --- */
int plugin_source_new(struct plugin_instance *x, uint64_t timeout, struct auth_source **ret);
/* functions that the extension calls */
int plugin_source_ready(const struct cometd_extension_host *host, const char *secret, size_t n,
			uint64_t lifetime_ms);
int plugin_source_failed(const struct cometd_extension_host *host, const char *why);

static inline struct plugin_instance *plugin_instance_of(const struct cometd_extension_host *host)
{
	return LIST_OF(host, struct plugin_instance, host);
}

#endif
