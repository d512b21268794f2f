/*
 * Logs slow and failed calls of extensions, with a limit per extension, and disables
 * an extension that fails too often in a row.
 */
#include "plugin/instance.h"

#include "base/clock.h"

#include <inttypes.h>

void plugin_report_time(struct plugin_instance *x, uint64_t since, const char *function)
{
	uint64_t ms = clock_boot_ms() - since;

	if (ms > COMETD_EXTENSION_SLOW_MS)
		LOG(&x->slow, LOG_L_WARNING, FIELDS(x),
		    "%s() of an extension took %" PRIu64 " ms and blocked the daemon", function, ms);
}

static void disable(struct plugin_instance *x)
{
	x->disabled = true;
	log_msg(LOG_L_ERROR, FIELDS(x), "an extension failed %u times in a row and is disabled",
		x->failures);
}

void plugin_report_failure(struct plugin_instance *x, const struct hook_message *m,
			    const char *reason)
{
	bool required = x->table->flags & COMETD_EXTENSION_REQUIRED;

	LOG(&x->failed, LOG_L_WARNING,
	    FIELDS(x, {"channel", m->channel}, {"reason", slice_of(reason)}),
	    required && m->may_delete ? "an extension failed to handle a message; the message is deleted"
				      : "an extension failed to handle a message; the message is passed on unchanged");
	if (!required && ++x->failures >= COMETD_EXTENSION_FAILURES_MAX)
		disable(x);
}
