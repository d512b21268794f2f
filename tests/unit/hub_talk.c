/*
 * Events of the first server, by one function each.
 */
#include "tests/unit/hub_talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world *world_new(void)
{
	struct world *w = malloc(sizeof(*w));

	assert_non_null(w);
	world_init(w);
	return w;
}

void world_drop(struct world *w)
{
	world_fini(w);
	free(w);
}

void refuse_a(struct world *w)
{
	say_channel(w, 0, "/a", SESSION_CHANNEL_REFUSED, "{'successful':false}", "403:/a:no");
}

void confirm(struct world *w, const char *channel)
{
	say_channel(w, 0, channel, SESSION_CHANNEL_ACTIVE, NULL, NULL);
}

void go(struct world *w, bool up)
{
	say_state(w, 0, up);
}

void talk(struct world *w, const char *channel, unsigned n)
{
	char text[200];

	snprintf(text, sizeof(text), "{'channel':'%s'}", channel);
	for (unsigned i = 0; i < n; i++)
		say_message(w, 0, channel, text);
}

void read_all(struct world *w, unsigned m)
{
	while (hub_can_read(&w->members[m]))
		hub_read(&w->members[m]);
}

void assert_heard_but_state(struct world *w, unsigned m, const char *expected)
{
	char text[4096] = "", *line, *rest = (char *)heard(w, m);

	while ((line = strsep(&rest, "\n")) && *line)
		if (strncmp(line, "{'op':'state'", 13) != 0)
			strcat(strcat(text, line), "\n");
	assert_string_equal(text, expected);
}
