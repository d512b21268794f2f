/*
 * The grammar of channel names and the matching of patterns. Refuses only names
 * that no server accepts or that make a server refuse the whole batch (an empty
 * segment, a wildcard in the middle). Which other characters a name may have
 * differs between servers, so the server decides.
 */
#include "bayeux/channel.h"

#include "protocol/protocol.h"
#include "protocol/utf8.h"

const char *channel_fault_text(int fault)
{
	switch ((enum channel_fault)fault) {
	case CHANNEL_E_SLASH:
		return "must begin with \"/\", not end in it, and have no empty segment";
	case CHANNEL_E_CHARACTER:
		return "has a control character, or is not UTF-8";
	case CHANNEL_E_FILTER:
		return "may have a filter (\"?\" and an expression) only at the end of the channel of a "
		       "subscription";
	case CHANNEL_E_WILDCARD:
		return "may have \"*\" or \"**\" only as the last segment of a subscription";
	case CHANNEL_E_LENGTH:
		return "is too long";
	case CHANNEL_E_META:
		return "belongs to the session, not to its users";
	}
	return "is no channel";
}

size_t channel_bad_character(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		/* C1, U+0080 to U+009F, is 0xc2 and one of these in UTF-8 */
		bool c1 = c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;
		if (c < ' ' || c == 0x7f || c1)
			return i;
	}
	return s.n;
}

static bool is_text(struct slice s)
{
	return channel_bad_character(s) == s.n && utf8_valid(s);
}

static bool is_star(struct slice segment)
{
	return slice_eq(segment, SLICE("*")) || slice_eq(segment, SLICE("**"));
}

struct slice channel_bare(struct slice s)
{
	const char *filter = s.n ? memchr(s.p, '?', s.n) : NULL;
	return filter ? slice_take(s, (size_t)(filter - s.p)) : s;
}

struct slice channel_segment(struct slice rest)
{
	rest = slice_drop(rest, 1);
	struct slice bare = channel_bare(rest);
	const char *end = bare.n ? memchr(bare.p, '/', bare.n) : NULL;
	return end ? slice_take(rest, (size_t)(end - rest.p)) : rest;
}

static int check_segment(struct slice segment, bool last, bool wild_allowed)
{
	if (segment.n == 0)
		return CHANNEL_E_SLASH;
	if (is_star(segment) && !(last && wild_allowed))
		return CHANNEL_E_WILDCARD;
	return 0;
}

/* a name without filter */
static int check(struct slice s, bool wild_allowed)
{
	if (s.n == 0 || s.p[0] != '/')
		return CHANNEL_E_SLASH;
	if (s.n > PROTOCOL_CHANNEL_MAX)
		return CHANNEL_E_LENGTH;
	if (!is_text(s))
		return CHANNEL_E_CHARACTER;
	if (channel_is_meta(s) || slice_eq(s, SLICE("/meta")))
		return CHANNEL_E_META;
	unsigned segments = 0;
	for (struct slice rest = s; rest.n;) {
		struct slice segment = channel_segment(rest);
		rest = slice_drop(rest, 1 + segment.n);
		int fault = check_segment(segment, rest.n == 0, wild_allowed);
		if (fault)
			return fault;
		if (++segments > PROTOCOL_SEGMENTS_MAX)
			return CHANNEL_E_LENGTH;
	}
	return 0;
}

/* what follows the "?"; its meaning is defined by the server */
static int check_filter(struct slice filter)
{
	if (filter.n == 0)
		return CHANNEL_E_FILTER;
	return is_text(filter) ? 0 : CHANNEL_E_CHARACTER;
}

int channel_check_pattern(struct slice s)
{
	struct slice bare = channel_bare(s);
	if (bare.n == s.n)
		return check(s, true);
	if (s.n > PROTOCOL_CHANNEL_MAX)
		return CHANNEL_E_LENGTH;
	if (channel_is_wild(bare))
		return CHANNEL_E_FILTER;
	int fault = check(bare, false);
	return fault ? fault : check_filter(slice_drop(s, bare.n + 1));
}

int channel_check_name(struct slice s)
{
	return channel_has_filter(s) ? CHANNEL_E_FILTER : check(s, false);
}

struct slice channel_parent(struct slice s)
{
	s = channel_bare(s);
	while (s.n && s.p[s.n - 1] != '/')
		s.n--;
	if (s.n)
		s.n--;
	return s;
}

/* 0 for an exact channel, 1 for a pattern that ends in "*", 2 for "**" */
static int stars(struct slice s)
{
	struct slice last = slice_drop(s, channel_parent(s).n);
	return slice_eq(last, SLICE("/*")) ? 1 : slice_eq(last, SLICE("/**")) ? 2 : 0;
}

bool channel_is_wild(struct slice s)
{
	return stars(s) != 0;
}

struct slice channel_normal(struct slice s)
{
	bool trailing = s.n > 1 && s.p[s.n - 1] == '/' && !channel_has_filter(s);
	return trailing ? slice_take(s, s.n - 1) : s;
}

/* whether `s` lies below `dir`, which is the parent of a pattern */
static bool below(struct slice dir, struct slice s)
{
	return slice_starts(s, dir) && s.n > dir.n + 1 && s.p[dir.n] == '/';
}

bool channel_matches(struct slice pattern, struct slice channel)
{
	switch (stars(pattern)) {
	case 1:
		return below(channel_parent(pattern), channel) &&
		       channel_parent(channel).n == channel_parent(pattern).n;
	case 2:
		return below(channel_parent(pattern), channel);
	default:
		return slice_eq(pattern, channel);
	}
}

bool channel_covers(struct slice outer, struct slice inner)
{
	if (slice_eq(outer, inner))
		return true;
	if (!channel_is_wild(inner))
		return channel_matches(outer, inner);
	/* "*" covers no other pattern; "**" covers each that hangs at or below its parent */
	struct slice top = channel_parent(outer), dir = channel_parent(inner);
	return stars(outer) == 2 && (slice_eq(top, dir) || below(top, dir));
}
