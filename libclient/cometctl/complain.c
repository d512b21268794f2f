/*
 * Errors for people, and the exit code of each: what is wrong, why, and what to do.
 */
#include "cometctl.h"

#include <string.h>

int exit_code_of(int error)
{
	switch ((enum cometd_error)error) {
	case COMETD_OK:
		return EXIT_OK;
	case COMETD_E_INVALID:
	case COMETD_E_JSON:
	case COMETD_E_TOO_LARGE:
	case COMETD_E_BAD_CHANNEL:
	case COMETD_E_UNKNOWN_SERVER:
	case COMETD_E_UNKNOWN_CONSUMER:
		return EXIT_USAGE;
	case COMETD_E_NO_DAEMON:
	case COMETD_E_DISCONNECTED:
	case COMETD_E_SHUTDOWN:
		return EXIT_NO_DAEMON;
	case COMETD_E_NO_PERMISSION:
	case COMETD_E_DENIED:
		return EXIT_DENIED;
	case COMETD_E_REFUSED:
		return EXIT_REFUSED;
	case COMETD_E_TIMEOUT:
		return EXIT_TIMEOUT;
	case COMETD_E_UNKNOWN_OUTCOME:
		return EXIT_UNKNOWN_OUTCOME;
	case COMETD_E_NOT_SENT:
		return EXIT_NOT_SENT;
	case COMETD_E_BAD_CONFIG:
		return EXIT_BAD_CONFIG;
	case COMETD_E_NOMEM:
	case COMETD_E_IN_CALLBACK:
	case COMETD_E_BACKLOG:
	case COMETD_E_CLOSED:
	case COMETD_E_INTERRUPTED:
	case COMETD_E_CANCELLED:
	case COMETD_E_PROTOCOL:
	case COMETD_E_VERSION:
	case COMETD_E_SYSTEM:
	case COMETD_E_SLOW:
	case COMETD_E_BUSY:
	case COMETD_E_BAD_REQUEST:
	case COMETD_E_NOT_SUBSCRIBED:
	case COMETD_E_TOO_MANY:
	case COMETD_E_INTERNAL:
	case COMETD_E_UNREADABLE:
	case COMETD_E_EXPIRED:
	case COMETD_E_IN_USE:
		break;
	}
	return EXIT_OTHER;
}

/* What to do about it, or NULL. */
static const char *advice_for(int error)
{
	switch (error) {
	case COMETD_E_NO_DAEMON:
		return "start it (systemctl start cometd-bridge.socket), or name its socket with --socket";
	case COMETD_E_NO_PERMISSION:
		return "only the owner and the group of the socket may use it (ls -l shows both); "
			"after you were added to a group, log in again";
	case COMETD_E_VERSION:
		return "install cometctl and cometd-bridged from the same release";
	case COMETD_E_PROTOCOL:
		return "--socket must name the socket of cometd-bridged";
	case COMETD_E_IN_USE:
	case COMETD_E_UNKNOWN_CONSUMER:
		return "cometctl consumers lists the consumers";
	case COMETD_E_UNKNOWN_SERVER:
		return "cometctl status lists the servers";
	case COMETD_E_JSON:
		return "--text publishes plain text";
	}
	return NULL;
}

/* of a payload that is wrong, the beginning is enough */
#define WHAT_MAX 60

/* The daemon's text about a name names it, so that nothing needs to be put in front of it. */
static bool says_all(const char *what, int error, const char *text)
{
	return (error == COMETD_E_BAD_CHANNEL || error == COMETD_E_UNKNOWN_SERVER) &&
		strstr(text, what);
}

int complain(const char *what, int error, const struct cometd_result *result)
{
	char brief[WHAT_MAX + 4];
	int n = snprintf(brief, sizeof(brief), "%s", what);

	if (n >= (int)sizeof(brief)) {
		n = WHAT_MAX;
		while (n > 0 && (what[n] & 0xc0) == 0x80)
			n--;
		snprintf(brief + n, sizeof(brief) - (size_t)n, "...");
	}
	const char *words = cometd_strerror(error), *advice = advice_for(error);
	const char *text = result && strcmp(result->text, words) ? result->text : "";
	if (says_all(what, error, text))
		report(text, advice ? "; " : "", advice ? advice : "", NULL);
	else
		report(error == COMETD_E_JSON ? brief : what, ": ", words, *text ? ": " : "", text,
		       advice ? "; " : "", advice ? advice : "", NULL);
	return exit_code_of(error);
}

int complain_about(const struct ctl_server *server, const char *channel, int error,
		   const struct cometd_result *result)
{
	return complain(error == COMETD_E_UNKNOWN_SERVER && server->name ? server->name : channel,
			error, result);
}
