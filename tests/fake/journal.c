/*
 * The journal of the server, and the one pending `await`. A count is exact or
 * refused: at its ceiling the journal drops the oldest half, and from then on counts
 * that need it fail.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "tests/fake/journal.h"

#define CEILING 200000

struct entry {
	char *kind;
	char *channel;
	char *line;
};

const char *transport_name(enum transport t)
{
	return t == TRANSPORT_LP ? "lp" : t == TRANSPORT_WS ? "ws" : "-";
}

static void drop_entries(struct journal *j, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(j->entries[i].kind);
		free(j->entries[i].channel);
		free(j->entries[i].line);
	}
	if (n < j->n)
		memmove(j->entries, j->entries + n, (j->n - n) * sizeof(*j->entries));
	j->n -= n;
	j->overflowed = j->overflowed || n > j->mark;
	j->mark = j->mark > n ? j->mark - n : 0;
}

static char *line_of(const struct note *note)
{
	struct text t = {NULL, 0, 0};
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	text_printf(&t, "%5lld.%03ld %s %s", (long long)now.tv_sec % 100000, now.tv_nsec / 1000000,
		    note->kind, note->channel ? note->channel : "-");
	if (note->transport)
		text_printf(&t, " transport=%s", transport_name(note->transport));
	if (note->client)
		text_printf(&t, " client=%u", note->client);
	if (note->id)
		text_printf(&t, " id=%s", note->id);
	if (note->batch)
		text_printf(&t, " batch=%u", note->batch);
	if (note->text)
		text_printf(&t, " %.200s", note->text);
	/* an entry is one line, whatever the client sent */
	for (char *p = t.p; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	return t.p;
}

static bool same(const char *kind, const char *channel, const char *k, const char *c)
{
	return strcmp(kind, k) == 0 && (!channel || strcmp(channel, c ? c : "-") == 0);
}

void journal_add(struct journal *j, const struct note *note)
{
	if (j->n == CEILING)
		drop_entries(j, CEILING / 2);
	if (j->n % 1024 == 0)
		j->entries = xrealloc(j->entries, (j->n + 1024) * sizeof(*j->entries));
	j->entries[j->n++] = (struct entry){
		xstrdup(note->kind), xstrdup(note->channel ? note->channel : "-"), line_of(note),
	};
	if (j->listener)
		j->listener(note);
	if (j->wait.done && same(j->wait.kind, j->wait.channel, note->kind, note->channel) &&
	    --j->wait.missing == 0)
		j->wait.done(j->wait.arg);
}

void journal_mark(struct journal *j)
{
	j->mark = j->n;
	j->overflowed = false;
}

unsigned long journal_count(const struct journal *j, const char *kind, const char *channel)
{
	unsigned long n = 0;

	for (size_t i = j->mark; i < j->n; i++)
		n += same(kind, channel, j->entries[i].kind, j->entries[i].channel);
	return n;
}

void journal_await(struct journal *j, const char *kind, const char *channel, unsigned long count,
		   void (*done)(void *arg), void *arg)
{
	unsigned long have = journal_count(j, kind, channel);

	if (have >= count) {
		done(arg);
		return;
	}
	journal_cancel_await(j);
	j->wait.kind = xstrdup(kind);
	j->wait.channel = channel ? xstrdup(channel) : NULL;
	j->wait.missing = count - have;
	j->wait.done = done;
	j->wait.arg = arg;
}

void journal_cancel_await(struct journal *j)
{
	free(j->wait.kind);
	free(j->wait.channel);
	memset(&j->wait, 0, sizeof(j->wait));
}

size_t journal_write(const struct journal *j, struct text *ret)
{
	for (size_t i = 0; i < j->n; i++) {
		text_puts(ret, j->entries[i].line);
		text_puts(ret, "\n");
	}
	return j->n;
}

void journal_fini(struct journal *j)
{
	journal_cancel_await(j);
	drop_entries(j, j->n);
	free(j->entries);
	j->entries = NULL;
}
