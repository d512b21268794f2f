/*
 * Texts for errors and states, and their conversion from the wire and from errno.
 * Every number has a text: the switches have no default, so the compiler warns
 * when a new code has none.
 */
#include "libclient/error.h"

#include <cometd-bridge.h>

#include <errno.h>
#include <string.h>

#define ERRORS(X)                                                                                  \
	X(COMETD_OK, "ok", "no error")                                                             \
	X(COMETD_E_NOMEM, "no-memory", "out of memory")                                            \
	X(COMETD_E_INVALID, "invalid", "invalid argument")                                        \
	X(COMETD_E_JSON, "json", "not valid JSON, not UTF-8, or nested too deeply")             \
	X(COMETD_E_IN_CALLBACK, "in-callback", "not allowed inside a callback")                    \
	X(COMETD_E_BACKLOG, "backlog", "too many events are waiting for this program")                    \
	X(COMETD_E_CLOSED, "closed", "the handle was freed")                                       \
	X(COMETD_E_INTERRUPTED, "interrupted", "interrupted by a signal")                          \
	X(COMETD_E_CANCELLED, "cancelled", "unsubscribed before the answer came")                  \
	X(COMETD_E_NO_DAEMON, "no-daemon", "cometd-bridged is not running there")                    \
	X(COMETD_E_NO_PERMISSION, "no-permission", "no permission to use the daemon's socket")     \
	X(COMETD_E_DISCONNECTED, "disconnected", "the daemon closed the connection")               \
	X(COMETD_E_PROTOCOL, "protocol", "not the socket of cometd-bridged, or not its protocol")   \
	X(COMETD_E_VERSION, "version", "the daemon uses another version of the protocol")          \
	X(COMETD_E_SYSTEM, "system", "a system call failed")                                       \
	X(COMETD_E_SHUTDOWN, "shutdown", "the daemon is stopping")                                       \
	X(COMETD_E_SLOW, "slow", "this process reads too slowly")                                  \
	X(COMETD_E_BUSY, "busy", "the daemon accepts no more connections for the moment")          \
	X(COMETD_E_BAD_REQUEST, "bad-request", "the daemon rejected the request as invalid")       \
	X(COMETD_E_TOO_LARGE, "too-large", "larger than the limit")                                \
	X(COMETD_E_BAD_CHANNEL, "bad-channel", "the channel is not valid for this request")                         \
	X(COMETD_E_UNKNOWN_SERVER, "unknown-server", "no such server")                             \
	X(COMETD_E_NOT_SUBSCRIBED, "not-subscribed", "no such subscription")                       \
	X(COMETD_E_DENIED, "denied", "the daemon's access rules forbid it")                        \
	X(COMETD_E_TOO_MANY, "too-many", "a limit is reached")                                     \
	X(COMETD_E_UNREADABLE, "unreadable", "the server sent a message that cannot be read")      \
	X(COMETD_E_INTERNAL, "internal", "the daemon failed")                                      \
	X(COMETD_E_EXPIRED, "expired", "the daemon no longer has them")                      \
	X(COMETD_E_BAD_CONFIG, "bad-config", "the configuration has an error and is not used")          \
	X(COMETD_E_IN_USE, "in-use", "another connection has this consumer")                       \
	X(COMETD_E_UNKNOWN_CONSUMER, "unknown-consumer", "no such consumer")                       \
	X(COMETD_E_REFUSED, "refused", "refused by the server")                                    \
	X(COMETD_E_NOT_SENT, "not-sent", "not sent to the server")                                 \
	X(COMETD_E_UNKNOWN_OUTCOME, "unknown-outcome", "sent, but not answered")                   \
	X(COMETD_E_TIMEOUT, "timeout", "no answer in time")

#define ERROR_NAME(symbol, name, words) case symbol: return name;
#define ERROR_WORDS(symbol, name, words) case symbol: return words;

const char *cometd_strerror(int error)
{
	switch ((enum cometd_error)error) {
	ERRORS(ERROR_WORDS)
	}
	return "unknown error";
}

const char *cometd_error_name(int error)
{
	switch ((enum cometd_error)error) {
	ERRORS(ERROR_NAME)
	}
	return "unknown";
}

const char *cometd_state_name(enum cometd_state state)
{
	switch (state) {
	case COMETD_STATE_OFF: return "off";
	case COMETD_STATE_HANDSHAKING: return "handshaking";
	case COMETD_STATE_CONNECTING: return "connecting";
	case COMETD_STATE_CONNECTED: return "connected";
	case COMETD_STATE_UNCONNECTED: return "unconnected";
	case COMETD_STATE_HALTED: return "halted";
	case COMETD_STATE_DISCONNECTING: return "disconnecting";
	case COMETD_STATE_UNKNOWN: return "unknown";
	}
	return "unknown";
}

enum cometd_state cometd_state_of(const char *name)
{
	for (int s = COMETD_STATE_OFF; s <= COMETD_STATE_DISCONNECTING; s++)
		if (name && !strcmp(name, cometd_state_name(s)))
			return s;
	return COMETD_STATE_UNKNOWN;
}

const char *cometd_version(void)
{
	return PACKAGE_VERSION;
}

int error_of_protocol(enum protocol_error e)
{
	switch (e) {
	case PROTOCOL_E_BAD_FRAME: return COMETD_E_PROTOCOL;
	case PROTOCOL_E_TOO_LARGE: return COMETD_E_TOO_LARGE;
	case PROTOCOL_E_HELLO_REQUIRED: return COMETD_E_PROTOCOL;
	case PROTOCOL_E_HELLO_TWICE: return COMETD_E_PROTOCOL;
	case PROTOCOL_E_BAD_VERSION: return COMETD_E_VERSION;
	case PROTOCOL_E_UNKNOWN_OP: return COMETD_E_BAD_REQUEST;
	case PROTOCOL_E_BAD_REQUEST: return COMETD_E_BAD_REQUEST;
	case PROTOCOL_E_ID_IN_USE: return COMETD_E_PROTOCOL;
	case PROTOCOL_E_BAD_CHANNEL: return COMETD_E_BAD_CHANNEL;
	case PROTOCOL_E_UNKNOWN_SERVER: return COMETD_E_UNKNOWN_SERVER;
	case PROTOCOL_E_NOT_SUBSCRIBED: return COMETD_E_NOT_SUBSCRIBED;
	case PROTOCOL_E_DENIED: return COMETD_E_DENIED;
	case PROTOCOL_E_TOO_MANY: return COMETD_E_TOO_MANY;
	case PROTOCOL_E_REFUSED: return COMETD_E_REFUSED;
	case PROTOCOL_E_NOT_SENT: return COMETD_E_NOT_SENT;
	case PROTOCOL_E_UNKNOWN_OUTCOME: return COMETD_E_UNKNOWN_OUTCOME;
	case PROTOCOL_E_TIMEOUT: return COMETD_E_TIMEOUT;
	case PROTOCOL_E_OVERFLOW: return COMETD_E_SLOW;
	case PROTOCOL_E_EXPIRED: return COMETD_E_EXPIRED;
	case PROTOCOL_E_UNREADABLE: return COMETD_E_UNREADABLE;
	case PROTOCOL_E_BAD_CONFIG: return COMETD_E_BAD_CONFIG;
	case PROTOCOL_E_IN_USE: return COMETD_E_IN_USE;
	case PROTOCOL_E_UNKNOWN_CONSUMER: return COMETD_E_UNKNOWN_CONSUMER;
	case PROTOCOL_E_SHUTDOWN: return COMETD_E_SHUTDOWN;
	case PROTOCOL_E_INTERNAL: return COMETD_E_INTERNAL;
	case PROTOCOL_ERRORS_END: break;
	}
	return COMETD_E_INTERNAL;
}

int error_of_errno(int r)
{
	switch (-r) {
	case 0:
		return 0;
	case ENOMEM:
		return COMETD_E_NOMEM;
	case EINTR:
		return COMETD_E_INTERRUPTED;
	case EMSGSIZE:
		return COMETD_E_TOO_LARGE;
	case EINVAL:
	case ENAMETOOLONG: /* for the path of a socket */
		return COMETD_E_INVALID;
	/* a file that is no socket, or a socket of another kind, is no daemon either */
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
	case ENOTSOCK:
	case EPROTOTYPE:
		return COMETD_E_NO_DAEMON;
	case EACCES:
	case EPERM:
		return COMETD_E_NO_PERMISSION;
	case EPIPE:
	case ECONNRESET:
		return COMETD_E_DISCONNECTED;
	case EAGAIN: /* its queue of new connections is full */
		return COMETD_E_BUSY;
	}
	return COMETD_E_SYSTEM;
}
