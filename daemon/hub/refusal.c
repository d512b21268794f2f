/* What the ops of members have in common: see refusal.h. */
#include "hub/refusal.h"

#include "bayeux/channel.h"
#include "hub/internal.h"
#include "protocol/utf8.h"

#include <stdarg.h>
#include <stdio.h>

/* bytes of a channel name that a refusal shows */
#define CHANNEL_SHOWN_MAX 200

int refusal_set(struct refusal *no, enum protocol_error code, const char *format, ...)
{
	va_list ap;

	no->code = code;
	va_start(ap, format);
	vsnprintf(no->text, sizeof(no->text), format, ap);
	va_end(ap);
	return OPS_E_REFUSED;
}

struct slice refusal_name(struct slice name)
{
	struct slice cut = slice_take(name, CHANNEL_SHOWN_MAX);

	return cut.n < name.n ? slice_take(cut, utf8_whole(cut)) : name;
}

int refusal_of_channel(struct refusal *no, struct slice channel, int fault)
{
	size_t at = channel_bad_character(channel);
	struct slice name = refusal_name(channel);
	const char *more = name.n < channel.n ? "…" : "";

	if (fault == CHANNEL_E_LENGTH)
		return refusal_set(no, PROTOCOL_E_BAD_CHANNEL,
				   "channel \"%.*s%s\" is too long: at most %d bytes in %d segments",
				   SLICE_ARG(name), more, PROTOCOL_CHANNEL_MAX, PROTOCOL_SEGMENTS_MAX);
	if (fault == CHANNEL_E_CHARACTER && at < channel.n) {
		unsigned char c = (unsigned char)channel.p[at];
		return refusal_set(no, PROTOCOL_E_BAD_CHANNEL,
				   "channel \"%.*s%s\" has a control character, U+%04X, after %zu bytes",
				   SLICE_ARG(name), more,
				   c == 0xc2 ? (unsigned char)channel.p[at + 1] : c, at);
	}
	return refusal_set(no, PROTOCOL_E_BAD_CHANNEL, "channel \"%.*s%s\" %s", SLICE_ARG(name), more,
		      channel_fault_text(fault));
}

int refusal_conclude(struct hub *h, struct member *member, const uint64_t *tag, int r,
		    const struct refusal *no)
{
	if (r && tag) {
		if (r == OPS_E_REFUSED)
			hub_refuse(h, member, *tag, no->code, slice_of(no->text));
		else
			hub_refuse(h, member, *tag, PROTOCOL_E_INTERNAL, SLICE("out of memory"));
	}
	return r == OPS_E_REFUSED ? 0 : r;
}

int refusal_check_request(struct hub *h, const struct member *member, const uint64_t *tag,
			 struct slice name, struct hub_server **ret, struct refusal *no)
{
	if (tag && hub_tag_in_use(member, *tag))
		return refusal_set(no, PROTOCOL_E_ID_IN_USE,
				   "a request with this id waits for its reply");
	*ret = hub_find_server(h, name);
	if (*ret)
		return 0;
	if (!name.p)
		return refusal_set(no, PROTOCOL_E_UNKNOWN_SERVER, "no server is the default");
	name = refusal_name(name);
	return refusal_set(no, PROTOCOL_E_UNKNOWN_SERVER, "no server \"%.*s\"", SLICE_ARG(name));
}

int refusal_check_room(const struct hub *h, const struct member *member, struct refusal *no)
{
	if (member->requests.n < h->options.requests_max)
		return 0;
	return refusal_set(no, PROTOCOL_E_TOO_MANY, "%zu requests wait for their replies",
		      member->requests.n);
}
