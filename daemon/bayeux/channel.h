/*
 * The grammar of channel names, and matching a pattern with a channel. Names come from
 * local peers, which get a description of the fault, and from servers, whose events are
 * normalised before matching.
 *
 * A name may end in a filter, "?" and what follows to the end (Salesforce:
 * "/topic/X?Status=Open"). It is part of the last segment: a "/" in it is no separator,
 * a "*" in it is no wildcard.
 */
#ifndef BAYEUX_CHANNEL_H
#define BAYEUX_CHANNEL_H

#include "protocol/slice.h"

#include <stdbool.h>

enum channel_fault {
	/* does not begin with "/", is "/" alone, has "//" or ends in "/" */
	CHANNEL_E_SLASH = 1,
	CHANNEL_E_CHARACTER,     /* a control character (C0, DEL, C1), or bytes that are not UTF-8 */
	CHANNEL_E_FILTER,        /* one that is empty, on a pattern, or not allowed here */
	/* "*" or "**" elsewhere than as the last segment, or not allowed here */
	CHANNEL_E_WILDCARD,
	/* longer than PROTOCOL_CHANNEL_MAX, more segments than PROTOCOL_SEGMENTS_MAX */
	CHANNEL_E_LENGTH,
	CHANNEL_E_META,          /* /meta/… belongs to the session */
};
/* for messages: "must begin with \"/\"" */
const char *channel_fault_text(int fault);

/* Where the first control character begins, in bytes from 0; s.n when there is none. */
size_t channel_bad_character(struct slice s);

/*
 * What a local peer may subscribe to: a channel, with or without a filter, or a
 * pattern, service channels included, /meta/… not. A CometD Java server refuses the whole batch because of
 * one name with an empty segment or a wildcard in the middle (bayeux.md 2.1), so those are never sent. Names
 * with characters that a server does not accept are refused by that server, one by one. 0 or a fault.
 */
int channel_check_pattern(struct slice s);
/* What a local peer may publish to: a channel without wildcard or filter, /meta/… not. 0 or a
   fault. */
int channel_check_name(struct slice s);

static inline bool channel_is_meta(struct slice s) { return slice_starts(s, SLICE("/meta/")); }
static inline bool channel_is_service(struct slice s)
{
	return slice_starts(s, SLICE("/service/"));
}
/* whether the last segment is "*" or "**" */
bool channel_is_wild(struct slice s);

/* The name without its filter: "/a" of "/a?b=c". */
struct slice channel_bare(struct slice s);
static inline bool channel_has_filter(struct slice s) { return channel_bare(s).n < s.n; }

/* The segment at the front of `rest`, which begins with "/". */
struct slice channel_segment(struct slice rest);

/* "/a/b" of "/a/b/c" and of "/a/b/" + "*"; "" of "/a": the part before the last "/" */
struct slice channel_parent(struct slice s);

/* Drops the one trailing "/" that CometD leaves on the channel of an event (bayeux.md 0, 19). */
struct slice channel_normal(struct slice s);

/* Whether `pattern` (exact, "/a/" + "*", "/a/" + "**") matches the concrete `channel`. */
bool channel_matches(struct slice pattern, struct slice channel);
/* Whether every channel that `inner` matches is matched by `outer` too; true for equal ones.
   Patterns form a laminar family: two are nested or disjoint (bayeux.md 2.6). */
bool channel_covers(struct slice outer, struct slice inner);

#endif
