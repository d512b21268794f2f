/*
 * The kinds of values that options have. Shared by the files of the configuration.
 */
#ifndef CONFIG_KINDS_H
#define CONFIG_KINDS_H

#include "base/fault.h"
#include "config/config.h"

/* where systemd has the credentials of the service; only it is started with their directory in the environment */
#define CONFIG_CREDENTIALS "/run/credentials/cometd-bridge.service"

/* Writes why a value is rejected. */
#define config_wrong(why, ...) fault_fail(why, CONFIG_E_INVALID, __VA_ARGS__)

struct config_row;

/* How the text of an option becomes a member of a struct, and what the member owns. */
struct config_kind {
	/* Sets the member at `to` from `text`, which is not empty. 0; CONFIG_E_INVALID with *why, and the
	   member as it was; -ENOMEM. */
	int (*set)(const struct config_row *row, void *to, const char *text, struct fault *why);
	/* Frees what the member owns and empties it; NULL: it owns nothing. */
	void (*fini)(void *to);
	/* of a member whose bytes are its value; 0: it is compared by its texts */
	size_t size;
	/* of a number */
	bool (*parse)(const char *text, uint64_t *ret);
};

/* what a change of an option in the files of a running daemon needs */
enum config_change {
	CONFIG_NEW_SESSION,     /* of its server */
	CONFIG_LIVE,            /* nothing: it is used at once */
	CONFIG_RESTART,         /* of the daemon */
	/* of the server as a whole */
	CONFIG_ADDED,
	CONFIG_REMOVED,
	CONFIG_FAILED,          /* it cannot be made or changed */
};

struct config_row {
	struct config_option option;
	const struct config_kind *kind;
	size_t offset;          /* of the member */
	/* of option.word; of a choice, what its first word means, from which the others count */
	uint64_t word_value;
	enum config_change change;
};

/* a number with a unit, or the row's word, within the row's range */
extern const struct config_kind config_kind_size;          /* a size_t */
extern const struct config_kind config_kind_number;        /* a size_t, without unit */
extern const struct config_kind config_kind_duration;      /* a uint64_t, in ms */
extern const struct config_kind config_kind_mode;
extern const struct config_kind config_kind_yes_no;        /* a bool */
/* an enum whose values follow each other as the words in the option's type do */
extern const struct config_kind config_kind_choice;
extern const struct config_kind config_kind_group;         /* a gid_t, by name or number */
/* a const char * */
extern const struct config_kind config_kind_text;          /* any */
extern const struct config_kind config_kind_path;          /* absolute, or systemd:NAME */
extern const struct config_kind config_kind_socket_path;   /* the same for the path of a listening socket */
extern const struct config_kind config_kind_command;       /* begins with an absolute path, no quoting */
extern const struct config_kind config_kind_token_url;     /* https, or of this machine */
extern const struct config_kind config_kind_subprotocol;   /* ws_subprotocol_valid() */
extern const struct config_kind config_kind_extension_name;
extern const struct config_kind config_kind_pin;
extern const struct config_kind config_kind_proxy;
extern const struct config_kind config_kind_no_proxy;
/* a struct strings */
extern const struct config_kind config_kind_url;
extern const struct config_kind config_kind_parameter;     /* "name=value" of a form */
extern const struct config_kind config_kind_extension;
extern const struct config_kind config_kind_subscribe;     /* channels and patterns */
/* a struct endpoint_options: "KIND URL" */
extern const struct config_kind config_kind_endpoint;
extern const char *const config_endpoint_names[ENDPOINTS];
/* a struct upstream_options: "KIND OBJECT" or "KIND @FILE", and "KIND OBJECT" without reserved names */
extern const struct config_kind config_kind_ext;
extern const struct config_kind config_kind_fields;
extern const struct config_kind config_kind_header;        /* a struct http_options; or "@FILE" */
extern const struct config_kind config_kind_cookie;        /* a struct cookie_jar_options; or "@FILE" */
/* a struct session_options */
extern const struct config_kind config_kind_transports;
extern const struct config_kind config_kind_url_return;
extern const struct config_kind config_kind_backoff;
extern const struct config_kind config_kind_credential;    /* a struct auth_options: kind and header */

#endif
