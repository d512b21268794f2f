/*
 * Plays a server, a driver and a clock around a session, from a script of lines. Lines
 * that begin with ">" act; each resulting line of the session, an event or a batch, must
 * match the next "<" line, and none may be left over. A "'" in a line means a quotation
 * mark; "%" in a "<" line matches any text.
 *
 *     > start | stop [WHY] | probe | authorized | not-yet WHY
 *     > want CHANNEL | unwant CHANNEL | again CHANNEL
 *     > succeed CHANNEL [N]      another session that wants this channel, at URL N alone, takes its place
 *     > publish COOKIE CHANNEL MS DATA [EXT]  | call …     (MS until its deadline)
 *     > peer N                   the peer that publishes from now on (0)
 *     > left N                   that peer has disconnected
 *     > reply LANE TEXT          the whole HTTP response to the batch last taken on
 *                                that lane: "connect", "commands", "call1" to "call4", or
 *                                "command" for the last batch that was no connect
 *     > late LANE TEXT           the same without its end
 *     > end LANE                 the end of a response
 *     > heard LANE|websocket     bytes arrived for that batch, or on the WebSocket
 *     > part TEXT                a piece of a message over the WebSocket; what follows may be
 *                                another, or a frame, or a close
 *     > frame TEXT               one message over the WebSocket
 *     > fail LANE KIND …         KIND: not-sent, broken, too-large; then any of:
 *     > closed KIND …            unsupported, status=N, retry=MS
 *     > wait MS                  lets MS pass
 *     > sleep MS                 lets time pass until something comes out, MS at most
 *     > restart MS               another session goes on with what this one saved, MS later; "not
 *                                resumable" or "nothing to go on with" if it cannot
 *     > killed MS                the same, and the first one may have gone on after that
 *     > hold                   what is delivered after this is not in safe hands, until the next hold, or
 *     > release                release; see session_hold_ack()
 *     > leave                    ends for another session, without a disconnect
 *     > clock MS                 sets the time of day to MS since 1970
 *     > period                   since when it is connected, lost or stopped, as a line below
 *
 *     < +A..B                    this many milliseconds passed (first line after a sleep)
 *     < state NAME[ gap][: REASON]
 *     < message CHANNEL DATA
 *     < outcome COOKIE NAME[: TEXT]
 *     < channel CHANNEL STATUS[: TEXT]
 *     < abort all|connect|command
 *     < note TEXT
 *     < lost CODE[ CHANNEL]: TEXT
 *     < unauthorized[: WHY]
 *     < period STATE of MS ms, tries N, losses N
 *     < KIND TRANSPORT[@N] TEXT  a batch: handshake, connect, commands, disconnect; N: the
 *                                number of its URL but for the first, 0
 *
 * After every step, the session is also saved and restored into others beside it (session_restart.h).
 *
 * The test fails when a batch breaks an invariant: two connects at once, a second command
 * batch at once on long-polling, a batch whose content does not match its kind, or a
 * deadline that does not advance.
 */
#ifndef TESTS_SESSION_PLAY_H
#define TESTS_SESSION_PLAY_H

#include "bayeux/session.h"

/* long-polling only, with a fixed seed; no extension unless set */
void play_options(struct session_options *o);
/* Plays the script, ended by NULL, to a new session. */
void play(const struct session_options *o, const char *const *script);

#define PLAY(options, ...)                                                                         \
	do {                                                                                       \
		static const char *const script_[] = {__VA_ARGS__, NULL};                          \
		play(options, script_);                                                            \
	} while (0)

#endif
