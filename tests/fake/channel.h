/* Names of channels as CometD Java reads them; Faye is stricter. */
#ifndef FAKE_CHANNEL_H
#define FAKE_CHANNEL_H

#include <stdbool.h>

/*
 * CometD's validator of characters: a name that fails it is refused in the
 * reply (405::channel_invalid, 403::subscription_invalid).
 */
bool channel_chars_ok(const char *name);
/*
 * The structure: no empty segment, wildcards only last. A name that passes the
 * characters and fails here makes CometD throw, which is HTTP 500 for all.
 */
bool channel_structure_ok(const char *name);
/* Faye's grammar: the specification's characters, wildcards only last */
bool channel_faye_ok(const char *name, bool pattern_allowed);

bool channel_is_meta(const char *name);
bool channel_is_service(const char *name);
/* does the pattern (or plain name) cover the channel; one trailing slash is ignored */
bool channel_matches(const char *pattern, const char *channel);

#endif
