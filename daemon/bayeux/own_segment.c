/*
 * Replaces one first segment by another in the channel names of a JSON text. Nothing
 * else of the text changes.
 */
#include "bayeux/own_segment.h"

#include "bayeux/channel.h"
#include "protocol/protocol.h"

/* the bytes at the front of `s` that are a slash in a JSON text: 1, 2 (escaped) or 0 */
static size_t slash(struct slice s)
{
	if (slice_starts(s, SLICE("\\/")))
		return 2;
	return slice_starts(s, SLICE("/")) ? 1 : 0;
}

/* It is searched for in raw JSON, so it may have only bytes that no server escapes. */
bool own_segment_possible(struct slice client_id)
{
	if (client_id.n == 0 || client_id.n >= PROTOCOL_CHANNEL_MAX ||
	    slice_eq(client_id, SLICE("*")) || slice_eq(client_id, SLICE("**")))
		return false;
	for (size_t i = 0; i < client_id.n; i++) {
		char c = client_id.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("\"\\/?&'<>", c))
			return false;
	}
	return true;
}

/* The length of the segment at the start of the string after the quotation mark at `at`; 0: it does
   not begin with it. */
static size_t segment_at(struct slice json, size_t at, struct slice segment)
{
	/* an escaped mark does not begin a string, nor does one after an escaped backslash */
	if (at > 0 && json.p[at - 1] == '\\')
		return 0;
	struct slice rest = slice_drop(json, at + 1);
	size_t n = slash(rest);
	rest = slice_drop(rest, n);
	if (n == 0 || !slice_starts(rest, segment) || !slash(slice_drop(rest, segment.n)))
		return 0;
	return at + 1 + n;
}

/* the next place of the segment from `from` on; json.n: there is none */
static size_t next_place(struct slice json, size_t from, struct slice segment)
{
	while (from < json.n) {
		const char *mark = memchr(json.p + from, '"', json.n - from);
		if (!mark)
			break;
		size_t at = (size_t)(mark - json.p), place = segment_at(json, at, segment);
		if (place)
			return place;
		from = at + 1;
	}
	return json.n;
}

bool own_segment_found(struct slice json, struct slice segment)
{
	return next_place(json, 0, segment) < json.n;
}

int own_segment_replace(struct slice json, struct slice from, struct slice to, struct buf *out)
{
	size_t start = buf_len(out), done = 0;
	int r = 0;
	while (done < json.n && r == 0) {
		size_t place = next_place(json, done, from);
		r = buf_put(out, slice_take(slice_drop(json, done), place - done));
		done = place;
		if (r == 0 && done < json.n) {
			r = buf_put(out, to);
			done += from.n;
		}
	}
	if (r)
		buf_truncate(out, start);
	return r;
}
