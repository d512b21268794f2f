/*
 * A token server for scenarios: it issues tokens "PREFIX-1", "PREFIX-2", …, or
 * misbehaves on command. It serves one connection at a time in a process of its own,
 * on a free port of 127.0.0.1 that it keeps when it is started again.
 */
#ifndef TESTS_SCENARIO_TOKENS_H
#define TESTS_SCENARIO_TOKENS_H

struct tokens;

enum tokens_action {
	TOKENS_GIVE,            /* `text`: further members of the answer: ",\"expires_in\":1" */
	TOKENS_GIVE_ONCE,       /* the same; all further ones without these members */
	TOKENS_REPLY,             /* `text` is the whole answer with its status line */
	TOKENS_ECHO,            /* an error that repeats the request, in its text */
	TOKENS_HANG,            /* reads, and never answers */
	TOKENS_FLOOD,           /* megabytes */
};

struct tokens *tokens_new(const char *prefix);
void tokens_free(struct tokens *t);
const char *tokens_url(const struct tokens *t);

/* From the next request on. */
void tokens_do(struct tokens *t, enum tokens_action manner, const char *text);
/* Stops listening; and listens again. */
void tokens_down(struct tokens *t);
void tokens_up(struct tokens *t);

/* Waits for the next request that was not returned yet; it is valid until the next call. */
const char *tokens_await(struct tokens *t);
/* how many requests came so far, awaited or not */
unsigned tokens_count(const struct tokens *t);

#endif
