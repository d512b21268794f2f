/*
 * Copies of outcomes, for what is answered later. All texts of a copy are in one block, which `text` begins.
 */
#include "hub/encoder.h"

#include <stdlib.h>
#include <string.h>

static struct slice append(char **at, struct slice text)
{
	struct slice copy = slice_make(*at, text.n);

	if (text.n)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return copy;
}

bool outcome_keep(const struct hub_outcome *from, size_t max, struct hub_outcome *ret)
{
	size_t n = from->text.n + from->bayeux[0].n + from->bayeux[1].n;
	char *at = n > 0 && n <= max ? malloc(n) : NULL;

	*ret = (struct hub_outcome){.result = from->result, .code = from->code, .seq = from->seq};
	if (!at)
		return n == 0;
	ret->text = append(&at, from->text);
	ret->bayeux[0] = append(&at, from->bayeux[0]);
	ret->bayeux[1] = append(&at, from->bayeux[1]);
	return true;
}

void outcome_forget(struct hub_outcome *kept)
{
	free((char *)kept->text.p);
	*kept = (struct hub_outcome){0};
}
