/*
 * How the text of an option becomes the member of a struct: a row of the
 * table names one of these setters. Shared by the files of the configuration,
 * and by nobody else.
 */
#ifndef CONFIG_SETTER_H
#define CONFIG_SETTER_H

#include "config/config.h"

/* where to say what is wrong with a value */
struct config_why {
	char text[256];
};

/* Writes it there; returns CONFIG_E_INVALID. */
int config_wrong(struct config_why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct config_row;
/*
 * Sets the member at `to` to what `text`, which is not empty, says. 0; CONFIG_E_INVALID with
 * *why, and the member as it was; -ENOMEM.
 */
typedef int config_setter(const struct config_row *row, void *to, const char *text,
			  struct config_why *why);

struct config_row {
	struct config_option option;
	config_setter *set;
	size_t offset;          /* of the member */
	/* of option.word; of a choice, what its first word means, from which the others count */
	uint64_t word_value;
};

/* a number with a unit, or the row's word, within the row's range */
config_setter config_set_size;          /* a size_t */
config_setter config_set_number;        /* a size_t, without unit */
config_setter config_set_duration;      /* a uint64_t, in ms */
config_setter config_set_mode;
config_setter config_set_yes_no;        /* a bool */
/* an enum whose values follow each other as the words in the option's type do */
config_setter config_set_choice;
config_setter config_set_group;         /* a gid_t, by name or number */
/* a char *, which the tree owns */
config_setter config_set_text;          /* any */
config_setter config_set_path;          /* absolute */
config_setter config_set_socket_path;   /* the same for the path of a listening socket */
config_setter config_set_file_name;     /* what systemd allows as the name of a credential */
config_setter config_set_command;       /* begins with an absolute path, no quoting */
config_setter config_set_ext;           /* a JSON object */
config_setter config_set_fields;        /* one without reserved names */
config_setter config_set_endpoint;      /* a URL, or what url_resolve() takes */
config_setter config_set_token_url;     /* https, or of this machine */
config_setter config_set_subprotocol;   /* ws_subprotocol_valid() */
config_setter config_set_extension_name;
config_setter config_set_pin;
config_setter config_set_proxy;
config_setter config_set_no_proxy;
config_setter config_set_service;       /* a char[PROTOCOL_CHANNEL_MAX + 1]: a service channel */
/* a struct config_strings */
config_setter config_set_url;
config_setter config_set_header;
config_setter config_set_parameter;     /* "name=value" of a form */
config_setter config_set_cookie;
config_setter config_set_extension;
config_setter config_set_transports;    /* a struct session_options */
config_setter config_set_credential;    /* a struct config_credential */

void config_strings_fini(struct config_strings *s);

#endif
