/*
 * Classifies a reply of a Bayeux server by its fields. Servers differ in error codes and texts; the rules
 * follow reference servers, which are named with each function.
 */
#ifndef BAYEUX_REPLY_H
#define BAYEUX_REPLY_H

#include "bayeux/advice.h"
#include "bayeux/envelope.h"

/* Whether it reports success. Some servers leave "successful" out; then an error is a failure. */
bool reply_is_ok(const struct envelope *e);

/*
 * Whether its error means that the server does not know the session: 402 of CometD, 401 of Faye
 * (whose 402 is a missing parameter), 403 of Salesforce, and the words of Lyrion, which has no codes.
 */
bool reply_is_session_unknown(const struct envelope *e);

/*
 * The reason that Salesforce puts into ext.sfdc.failureReason, as in "401::Authentication invalid";
 * empty when there is none. It points into the envelope. 0, -ENOMEM.
 */
int reply_failure_reason(const struct envelope *e, struct slice *ret);

/*
 * Whether a refused handshake or connect means that the credentials are not accepted. Two errors
 * look like it and are not: an unknown session, and a used up quota. `reason` as
 * reply_failure_reason() returns it.
 */
bool reply_rejects_credentials(const struct envelope *e, struct slice reason);

/* What follows a refused connect without advice: an error that may mean an unknown session asks for
   a handshake. */
enum advice_reconnect reply_reconnect(const struct envelope *e);

/*
 * The one rule for a refused subscribe (PROTOCOL.md, "Refusals"). It is temporary, and repeated after
 * growing pauses, when the code of the error or of `reason` is 408, 429 or 5xx, or when its text
 * names a limit or asks to come later; 400 and 404 are final whatever the text. All other refusals
 * are final: the subscribers lose the channel.
 */
bool reply_is_temporary(const struct envelope *e, struct slice reason);

#endif
