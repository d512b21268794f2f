/*
 * cometd-bridge-extension: an extension is a shared object that receives every
 * Bayeux message between cometd-bridged and a server, and may change or delete
 * it. It may also supply the credential for the server. The option "extension" of
 * cometd-bridge.conf(5) loads it; cometd-bridge-extension(3) is an introduction.
 * The example tenant.c is complete: it adds a member to `ext`, changes data,
 * deletes messages and supplies a token.
 *
 * THE SMALLEST EXTENSION
 *
 *     #include <cometd-bridge-extension.h>
 *
 *     static const struct cometd_extension_host *host;
 *
 *     static int create(const struct cometd_extension_host *h, const char *server,
 *                       const char *config, size_t config_len, void **ret_self,
 *                       char *why, size_t why_size)
 *     {
 *             host = h;   // one server only; better keep it in what *ret_self points to
 *             return 0;
 *     }
 *
 *     static void destroy(void *self) {}
 *
 *     static int outgoing(void *self, struct cometd_extension_message *m)
 *     {
 *             if (m->kind == COMETD_EXTENSION_PUBLISH)
 *                     host->set_ext(m, "tenant", "\"north\"", 7);
 *             return COMETD_EXTENSION_PASS;
 *     }
 *
 *     COMETD_EXTENSION_EXPORT const struct cometd_extension *cometd_bridge_extension(void)
 *     {
 *             static const struct cometd_extension table = {
 *                     COMETD_EXTENSION_ABI, sizeof(table), 0, create, destroy, outgoing, 0, 0};
 *             return &table;
 *     }
 *
 *     cc -shared -fPIC -o north.so north.c
 *
 * WHEN FUNCTIONS ARE CALLED
 *
 * The daemon calls cometd_bridge_extension() once for each server that uses the
 * extension, then create(). It calls destroy() when the server is removed, in the
 * reverse order of the configuration. After destroy() it calls no function of the
 * instance.
 *
 * outgoing() is called for each message that is about to be sent, in the order of
 * the configuration, before the built-in extensions ("ack", "replay" and so on)
 * add their members to `ext`. incoming() is called for each received message, in
 * the reverse order, after the built-in extensions: it is called once for an
 * event that the server repeats after a lost connection. An extension receives
 * the message with the changes of the previous extensions.
 *
 * outgoing() may be called again for the same message (the same id): when it did
 * not fit into its batch, when it certainly did not arrive and is sent again, or
 * when memory was short. incoming() may be called again only when memory was
 * short. Each time the message is in its original state.
 *
 * WHAT AN EXTENSION MAY DO WITH A MESSAGE
 *
 *                                   change ext   change data   delete
 *     outgoing publish, call            yes          yes         yes
 *     outgoing subscribe                yes          no          yes
 *     outgoing handshake, connect,
 *              disconnect, unsubscribe  yes          no          no
 *     incoming event, answer to a call  yes          yes         yes
 *     incoming reply of any kind        no           no          no
 *
 * If a publish or call is deleted, it ends as refused with
 * "404::message_deleted"; so does a call whose answer is deleted. If a subscribe
 * is deleted, it is refused with the same text for all subscribers of the channel,
 * and not sent again before the next handshake. A deleted event is not delivered;
 * it is counted ("deleted" of the server in the status) and acknowledged to the
 * server, which does not send it again.
 *
 * RULES
 *
 * Time: the daemon does nothing else while a function of an extension runs. It
 * must return within milliseconds and never wait for a network, a disk, a lock or
 * a child process. A function that takes longer than COMETD_EXTENSION_SLOW_MS is
 * reported in the log. To do something later, use call_later(); credential() may
 * answer later, too.
 *
 * Threads: all calls come from one thread, and functions of the host may be called
 * from that thread only, while a function of the extension runs. An extension
 * should start no thread; one that does joins it in destroy().
 *
 * Errors: functions return 0 or a negative errno unless documented otherwise. No
 * C++ exception and no longjmp may leave a function of an extension. It must not
 * exit, fork without exec, change signals, the locale, the working directory,
 * the environment, limits or descriptors that it did not open.
 *
 * Memory: arguments belong to the host and are valid until the function returns,
 * `host` itself until destroy() has returned. The host copies what it is given.
 * Neither side frees memory that the other side allocated.
 *
 * Text: a cometd_extension_text is pointer and length, UTF-8, not ended by a NUL.
 * JSON is raw, exactly as it was received: 64-bit numbers keep all digits. Binary
 * payloads are in their transport form, Z85 in the data and "binary" in `ext`.
 *
 * Trust: an extension runs inside the daemon with all its rights, and can read
 * every secret: tokens in `ext`, the clientId, all data. It must not log secrets:
 * other users may read the log.
 *
 * WHEN IT FAILS
 *
 * A call of outgoing() or incoming() fails if it returns anything but 0 or
 * COMETD_EXTENSION_DELETE, if it deletes or changes a message where this is not
 * allowed, or if set_ext() or set_data() refused a value. Then all changes of this
 * call are undone, the message continues without them, and the failure is logged,
 * with a limited number of lines per minute. After COMETD_EXTENSION_FAILURES_MAX
 * failures in a row, the instance is disabled until the daemon starts again: its
 * hooks are not called any more. The log and the status ("disabled_extensions" of
 * the server) report this.
 *
 * If a message must not pass without the extension, because it encrypts or
 * filters, set COMETD_EXTENSION_REQUIRED: then a message for which it fails is
 * deleted where the table above allows it, and the extension is never disabled.
 */
#ifndef COMETD_BRIDGE_EXTENSION_H
#define COMETD_BRIDGE_EXTENSION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define COMETD_EXTENSION_EXPORT __attribute__((visibility("default")))
#else
#define COMETD_EXTENSION_EXPORT
#endif

/* The version of this interface. An extension built for another version is not loaded. New members are
   added at the end of the structs; `size` shows whether they exist. */
#define COMETD_EXTENSION_ABI 1

/* a function that takes longer, in milliseconds, is reported in the log */
#define COMETD_EXTENSION_SLOW_MS 50
/* failures in a row after which an instance is disabled */
#define COMETD_EXTENSION_FAILURES_MAX 10
/* bytes that all extensions of a server together may add to the `ext` of one message */
#define COMETD_EXTENSION_EXT_MAX 65536
/* bytes of data that may be set for one message */
#define COMETD_EXTENSION_DATA_MAX 4194304
/* bytes of the name of a member of `ext` */
#define COMETD_EXTENSION_NAME_MAX 255
/* bytes of a credential */
#define COMETD_EXTENSION_SECRET_MAX 12288
/* pending call_later() calls of one instance */
#define COMETD_EXTENSION_LATER_MAX 16

struct cometd_extension_text {
	const char *p;
	size_t n;
};

enum cometd_extension_kind {
	COMETD_EXTENSION_HANDSHAKE = 1,
	COMETD_EXTENSION_CONNECT = 2,
	COMETD_EXTENSION_DISCONNECT = 3,
	COMETD_EXTENSION_SUBSCRIBE = 4,
	COMETD_EXTENSION_UNSUBSCRIBE = 5,
	COMETD_EXTENSION_PUBLISH = 6,   /* outgoing: a publish or a call; incoming: its reply */
	COMETD_EXTENSION_EVENT = 7      /* incoming only: an event, or the answer to a call */
};

/* One message, valid during one call. The texts are decoded; a missing one is empty. */
struct cometd_extension_message {
	size_t size;                    /* of this struct, in the daemon */
	enum cometd_extension_kind kind;
	int incoming;                   /* 1: from the server, 0: to it */
	struct cometd_extension_text channel;
	struct cometd_extension_text subscription;      /* of subscribe and unsubscribe */
	struct cometd_extension_text id;
};

/* what outgoing() and incoming() return; anything else is a failure */
enum cometd_extension_verdict {
	COMETD_EXTENSION_PASS = 0,
	COMETD_EXTENSION_DELETE = 1
};

/* for log(); the levels of syslog(3) */
enum cometd_extension_level {
	COMETD_EXTENSION_ERROR = 3,
	COMETD_EXTENSION_WARNING = 4,
	COMETD_EXTENSION_NOTICE = 5,
	COMETD_EXTENSION_INFO = 6,
	COMETD_EXTENSION_DEBUG = 7
};

/* The functions that an instance may call. Check `size` before using a member that a later version of this
   header added. */
struct cometd_extension_host {
	size_t size;                    /* of this struct, in the daemon */

	/*
	 * Gets a field of the message by name, as raw JSON: "data", "ext", "advice", "successful",
	 * "clientId" and so on. 1 and *ret, which is valid until the hook returns or sets that
	 * field; 0 if there is none; -ENOMEM. Getting any field other than data and ext makes the
	 * daemon parse the message.
	 */
	int (*field)(struct cometd_extension_message *m, const char *name,
		     struct cometd_extension_text *ret);
	/* The same for a member of `ext`. */
	int (*ext)(struct cometd_extension_message *m, const char *name,
		   struct cometd_extension_text *ret);
	/*
	 * Adds a member to `ext`, or replaces it; `json` is one JSON value. 0; -EPERM if the
	 * message must not be changed; -EEXIST if a built-in extension uses that name; -EINVAL if
	 * the value is not valid JSON or nested too deeply, or the name is empty, too long or not
	 * UTF-8; -EMSGSIZE; -ENOMEM.
	 */
	int (*set_ext)(struct cometd_extension_message *m, const char *name, const char *json,
		       size_t n);
	/* Replaces the data by one JSON value. The same errors. */
	int (*set_data)(struct cometd_extension_message *m, const char *json, size_t n);

	/* Logs a line, with the names of the server and the extension; limited to 20 lines per
	   minute, then 10. `text` ends with a NUL; control characters are escaped. */
	void (*log)(const struct cometd_extension_host *host, enum cometd_extension_level level,
		    const char *text);
	/* Calls fn(self, arg) once, after `ms` milliseconds, unless destroy() is called first. 0,
	   -ENOSPC if COMETD_EXTENSION_LATER_MAX calls are pending, -ENOMEM. */
	int (*call_later)(const struct cometd_extension_host *host, uint32_t ms,
			  void (*fn)(void *self, void *arg), void *arg);

	/*
	 * Answer credential(): with n bytes of a secret that is valid for `lifetime_ms` (0: for the
	 * option credential-lifetime, or until the server rejects it), or with the reason why there
	 * is none. 0, also if the secret is not a line of text, which counts as a failure; -EALREADY
	 * if no credential is requested (any more). `why` is logged: it must not contain a secret.
	 */
	int (*credential_ready)(const struct cometd_extension_host *host, const char *secret,
				size_t n, uint64_t lifetime_ms);
	int (*credential_failed)(const struct cometd_extension_host *host, const char *why);
};

/* The table that an extension exports. */
struct cometd_extension {
	unsigned abi;                   /* COMETD_EXTENSION_ABI */
	size_t size;                    /* sizeof(struct cometd_extension) */
	unsigned flags;                 /* COMETD_EXTENSION_REQUIRED, or 0 */

	/*
	 * Creates an instance for one server; *ret_self (which may be NULL) is passed to all other
	 * functions as `self`. `config` is the text after the extension's name in the configuration,
	 * or the content of the file named there; a NUL follows it. It may call log() and
	 * call_later(). On failure it returns a negative errno and may write the reason to `why`, a
	 * string of less than why_size bytes: the daemon logs it and does not start; destroy() is
	 * not called.
	 */
	int (*create)(const struct cometd_extension_host *host, const char *server,
		      const char *config, size_t config_len, void **ret_self, char *why,
		      size_t why_size);
	void (*destroy)(void *self);

	/* Return an enum cometd_extension_verdict, or a negative errno on failure. NULL: not called. */
	int (*outgoing)(void *self, struct cometd_extension_message *m);
	int (*incoming)(void *self, struct cometd_extension_message *m);

	/*
	 * Called when a credential is needed: at the start, before the old one expires, and after the
	 * server rejected it (option credential-extension). Returns 0 and calls credential_ready() or
	 * credential_failed(), before it returns or later, within the option credential-timeout; or
	 * returns a negative errno. After a failure it is called again after a growing pause. NULL:
	 * the extension supplies no credential.
	 */
	int (*credential)(void *self);
};

/* flag of cometd_extension: a message for which it fails must not pass */
#define COMETD_EXTENSION_REQUIRED 1u

/* The function that the shared object must export. The table must remain valid and unchanged. */
COMETD_EXTENSION_EXPORT const struct cometd_extension *cometd_bridge_extension(void);

#ifdef __cplusplus
}
#endif

#endif
