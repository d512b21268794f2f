/* Finds the state directory, and words the log lines about the store. */
#include "state.h"

#include "base/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A disk that does not answer must not prevent the start: see TimeoutStartSec= of the unit. */
#define OPEN_MS 5000

/* The first of the directories; false if there is none. */
static bool find_directory(char ret[PATH_MAX])
{
	const char *list = getenv("STATE_DIRECTORY");
	size_t n = list ? strcspn(list, ":") : 0;

	if (n == 0 || n >= PATH_MAX)
		return false;
	memcpy(ret, list, n);
	ret[n] = '\0';
	return true;
}

int state_open(struct loop *loop, struct wake changed, struct store **ret)
{
	char directory[PATH_MAX];
	bool found = find_directory(directory);
	int r = store_new(loop, found ? directory : NULL, changed, ret);

	if (r)
		return r;
	if (!found)
		log_msg(LOG_L_NOTICE, LOG_NO_FIELDS,
			"there is no state directory ($STATE_DIRECTORY): a restart ends the sessions, and local programs "
			"cannot continue after their last message");
	store_flush(*ret, OPEN_MS);
	return 0;
}

void state_log_changes(struct state_log *log, const struct store *store)
{
	struct store_info info;

	store_info(store, &info);
	if (info.moves != log->moves)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"directory", slice_of(info.directory)}),
			"the state file cannot be used, and a new one was created: %s", info.moved);
	if (info.state == STORE_FAILING)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"directory", slice_of(info.directory)}),
			"the state cannot be written, it is tried again; a restart now would lose positions and sessions: %s",
			info.reason);
	else if (info.state == STORE_READY && log->state == STORE_FAILING)
		log_msg(LOG_L_NOTICE, LOG_FIELDS({"directory", slice_of(info.directory)}),
			"the state is written again");
	log->state = info.state;
	log->moves = info.moves;
}
