/*
 * The hand of the tests: lines of commands in, one line of answer each. The
 * commands are listed in README.md.
 */
#ifndef FAKE_CONTROL_H
#define FAKE_CONTROL_H

#include "tests/fake/server.h"

struct control;

/* Serves the commands that come on fd; when it ends, so does the event loop. */
struct control *control_new(struct server *s, int fd);
void control_free(struct control *ctl);

#endif
