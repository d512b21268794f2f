/*
 * Everything that happened, in order. Tests count what was journaled and wait
 * for counts, so that none of them sleeps.
 */
#ifndef FAKE_JOURNAL_H
#define FAKE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "tests/fake/text.h"

enum transport {
	TRANSPORT_NONE,
	TRANSPORT_LP,
	TRANSPORT_WS,
};

const char *transport_name(enum transport t);

/* one entry; fields that do not apply stay zero */
struct note {
	const char *kind;
	const char *channel;
	enum transport transport;
	unsigned client;
	const char *id;
	unsigned batch;
	const char *text;
};

struct entry;

struct journal {
	struct entry *entries;
	size_t n;
	size_t mark;
	bool overflowed;
	/* the pending await, see journal_await */
	struct {
		char *kind;
		char *channel;
		unsigned long missing;
		void (*done)(void *arg);
		void *arg;
	} wait;
	/* called with each note, for the lines that the demo prints; may be NULL */
	void (*listener)(const struct note *note);
};

void journal_add(struct journal *j, const struct note *note);
/* from here on count and await begin at zero */
void journal_mark(struct journal *j);
/* notes of a kind since the mark; channel NULL counts all channels */
unsigned long journal_count(const struct journal *j, const char *kind, const char *channel);
/*
 * Calls done once when the count is reached, or at once when it has been. There is
 * at most one pending await; journal_cancel_await removes it.
 */
void journal_await(struct journal *j, const char *kind, const char *channel, unsigned long count,
		   void (*done)(void *arg), void *arg);
void journal_cancel_await(struct journal *j);
/* the lines of the journal since the start; returns how many */
size_t journal_write(const struct journal *j, struct text *ret);
void journal_fini(struct journal *j);

#endif
