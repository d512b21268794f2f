/*
 * cometd-bridge-extension: shared objects that see every Bayeux message between
 * cometd-bridged and a server, and may change or delete it, or that know where a
 * credential comes from. cometd-bridge.conf(5) tells how an administrator names
 * them (option "extension"), cometd-bridge-extension(3) is a tour. A whole
 * example, which adds a member to `ext`, rewrites data, deletes messages and
 * gives a token, is tenant.c among the examples.
 *
 * THE SMALLEST ONE
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
 * WHAT IS CALLED WHEN
 *
 * The daemon calls cometd_bridge_extension() once for each server that names the
 * extension, then create(); destroy() when the server goes, in the reverse order
 * of the configuration. Nothing is called for an instance behind its destroy().
 *
 * outgoing() sees each message when it is about to be sent, in the order of the
 * configuration, before the extensions built into the daemon ("ack", "replay" and
 * so on) add their members to `ext`. incoming() sees each message that came, in
 * the reverse order, after the built-in ones: an event that the server repeats
 * after a lost connection is seen once. What one extension changed, the next one
 * sees changed.
 *
 * The same outgoing message (the same id) may be seen again: when it did not fit
 * into its batch, when it certainly did not arrive and is sent again, or when
 * memory was short; an incoming one only when memory was short. Each time it is
 * as it was before any extension had changed it.
 *
 * WHAT MAY BE DONE WITH A MESSAGE
 *
 *                                   change ext   change data   delete
 *     outgoing publish, call            yes          yes         yes
 *     outgoing subscribe                yes          no          yes
 *     outgoing handshake, connect,
 *              disconnect, unsubscribe  yes          no          no
 *     incoming event, answer to a call  yes          yes         yes
 *     incoming reply of any kind        no           no          no
 *
 * Deleted means: a publish and a call end as refused, "404::message_deleted"; so
 * does a call whose answer is deleted; a subscribe is refused with these words to
 * all who wanted the channel, and not tried again before the next handshake; an
 * event is heard by nobody. It is counted ("deleted" of the server in the status)
 * and acknowledged to the server as any other: it does not come again.
 *
 * RULES
 *
 * Time: the daemon does nothing else while a function of an extension runs. It
 * must return within milliseconds and never wait: not for a network, a disk, a
 * lock or a child. One that takes longer than COMETD_EXTENSION_SLOW_MS is reported
 * in the log, by name. What takes time: credential() may answer later, and
 * call_later() calls back.
 *
 * Threads: all calls come from one thread, and functions of the host may be called
 * from that thread only, while a function of the extension runs. An extension
 * should start no thread; one that does joins it in destroy().
 *
 * Errors: functions return 0 or a negative errno unless they say otherwise. No
 * C++ exception and no longjmp may leave a function of an extension. It must not
 * exit, fork without exec, change signals, the locale, the working directory,
 * the environment, limits or descriptors that it did not open.
 *
 * Memory: what the host passes in belongs to the host and lives until the
 * function returns, `host` itself until destroy() returned. What is given to the
 * host is copied before its function returns. Nobody frees what the other one
 * allocated.
 *
 * Text: a cometd_extension_text is pointer and length, UTF-8, not ended by a NUL.
 * JSON is raw, byte for byte as it was written: 64-bit numbers keep their digits.
 * Binary payloads are seen as they travel, Z85 in the data and "binary" in `ext`.
 *
 * Trust: an extension runs inside the daemon, with all its rights, and sees every
 * secret: tokens in `ext`, the clientId, all data. What it puts into the log,
 * others read.
 *
 * WHEN IT FAILS
 *
 * A call fails when it returns anything but 0 or COMETD_EXTENSION_DELETE, deletes
 * or changes what it may not, or when set_ext() or set_data() refused what it was
 * given. Then all that this call changed is undone, the message goes on without
 * it, and the log says so, a limited number of lines a minute. After
 * COMETD_EXTENSION_FAILURES_MAX failures of one instance in a row, that instance
 * is disabled until the daemon starts again: its hooks are not called any more,
 * and the log says so, and the status ("disabled_extensions" of the server).
 *
 * Where a message must not pass without the extension (it encrypts, or filters),
 * COMETD_EXTENSION_REQUIRED turns this round: what it fails at is deleted where
 * the table above allows to delete, and it is never disabled.
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

/* Of this header. An extension built for another one is not loaded. Members that come later are
   added at the end of the structs, whose `size` tells whether they are there. */
#define COMETD_EXTENSION_ABI 1

/* a function that took longer is reported, milliseconds */
#define COMETD_EXTENSION_SLOW_MS 50
/* failures in a row after which an instance is disabled */
#define COMETD_EXTENSION_FAILURES_MAX 10
/* bytes that all extensions of a server together may add to the `ext` of one message */
#define COMETD_EXTENSION_EXT_MAX 65536
/* bytes of data set for one message */
#define COMETD_EXTENSION_DATA_MAX 4194304
/* bytes of the name of a member of `ext` */
#define COMETD_EXTENSION_NAME_MAX 255
/* bytes of a credential */
#define COMETD_EXTENSION_SECRET_MAX 12288
/* calls that one instance may have asked for by call_later() at a time */
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

/* One message, for the time of one call. The texts are decoded, and empty where there are none. */
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

/* of log(); what they mean to syslog(3) */
enum cometd_extension_level {
	COMETD_EXTENSION_ERROR = 3,
	COMETD_EXTENSION_WARNING = 4,
	COMETD_EXTENSION_NOTICE = 5,
	COMETD_EXTENSION_INFO = 6,
	COMETD_EXTENSION_DEBUG = 7
};

/* What the daemon does for an instance. Check `size` before using a member that a later version of
   this header added. */
struct cometd_extension_host {
	size_t size;                    /* of this struct, in the daemon */

	/*
	 * A field of the message by name, as raw JSON: "data", "ext", "advice", "successful",
	 * "clientId" … 1 and *ret, which lives until the hook returns or sets that field; 0 when
	 * there is none; -ENOMEM. The first field asked for beside data and ext makes the daemon
	 * read the message, so do not ask in vain.
	 */
	int (*field)(struct cometd_extension_message *m, const char *name,
		     struct cometd_extension_text *ret);
	/* The same for a member of `ext`. */
	int (*ext)(struct cometd_extension_message *m, const char *name,
		   struct cometd_extension_text *ret);
	/*
	 * Adds a member to `ext`, or replaces it; `json` is one JSON value. 0; -EPERM where the
	 * message may not be changed; -EEXIST when a built-in extension has that name; -EINVAL when
	 * it is no JSON, nests too deeply, or the name is empty, too long or no UTF-8; -EMSGSIZE;
	 * -ENOMEM.
	 */
	int (*set_ext)(struct cometd_extension_message *m, const char *name, const char *json,
		       size_t n);
	/* Replaces the data by one JSON value. The same errors. */
	int (*set_data)(struct cometd_extension_message *m, const char *json, size_t n);

	/* A line in the log of the daemon, which names the server and the extension; limited to 20
	   lines a minute, then 10. `text` ends with a NUL; control characters are escaped. */
	void (*log)(const struct cometd_extension_host *host, enum cometd_extension_level level,
		    const char *text);
	/* Calls fn(self, arg) once, `ms` milliseconds later, unless destroy() comes first. 0,
	   -ENOSPC beyond COMETD_EXTENSION_LATER_MAX, -ENOMEM. */
	int (*call_later)(const struct cometd_extension_host *host, uint32_t ms,
			  void (*fn)(void *self, void *arg), void *arg);

	/*
	 * The answer to credential(): n bytes of a secret that is good for `lifetime_ms` (0: until
	 * the server rejects it, or as the option credential-lifetime says), or why there is none.
	 * 0, also when the secret is no line of text and counts as none; -EALREADY when nobody waits
	 * for it (any more). `why` is shown to people: no secret in it.
	 */
	int (*credential_ready)(const struct cometd_extension_host *host, const char *secret,
				size_t n, uint64_t lifetime_ms);
	int (*credential_failed)(const struct cometd_extension_host *host, const char *why);
};

/* What an extension is. */
struct cometd_extension {
	unsigned abi;                   /* COMETD_EXTENSION_ABI */
	size_t size;                    /* sizeof(struct cometd_extension) */
	unsigned flags;                 /* COMETD_EXTENSION_REQUIRED, or 0 */

	/*
	 * A new instance for one server, given back to all other functions as `self` (NULL is
	 * fine). `config` is the text behind the extension's name in the configuration, or the
	 * content of the file that stands there; a NUL follows it. May log and call_later(). On
	 * failure, a negative errno, the daemon does not start, and tells what the extension wrote
	 * to `why`, a string of less than why_size bytes; destroy() is not called.
	 */
	int (*create)(const struct cometd_extension_host *host, const char *server,
		      const char *config, size_t config_len, void **ret_self, char *why,
		      size_t why_size);
	void (*destroy)(void *self);

	/* enum cometd_extension_verdict, or a failure; NULL: not interested */
	int (*outgoing)(void *self, struct cometd_extension_message *m);
	int (*incoming)(void *self, struct cometd_extension_message *m);

	/*
	 * A credential is needed, for the first time, before the old one ends, or because the
	 * server rejected it (option credential-extension). Returns 0 and calls credential_ready()
	 * or credential_failed(), before it returns or within the option credential-timeout; or
	 * returns a failure. Asked again after a failure, less and less often. NULL: gives none.
	 */
	int (*credential)(void *self);
};

/* of cometd_extension.flags: messages that it fails at must not pass */
#define COMETD_EXTENSION_REQUIRED 1u

/* The one name that a shared object must export; its table must stay as it is. */
COMETD_EXTENSION_EXPORT const struct cometd_extension *cometd_bridge_extension(void);

#ifdef __cplusplus
}
#endif

#endif
