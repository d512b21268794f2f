/*
 * Names a local process as an administrator knows it, and logs what it missed.
 */
#include "local/peer_log.h"

#include "base/clock.h"
#include "base/log.h"
#include "protocol/message.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* ---- who it is ---- */

struct words {
	char uid[16], pid[16], user[64], *unit;
};

static void look_up_user(uid_t uid, char *ret, size_t size)
{
	FILE *f = fopen("/etc/passwd", "re");
	char space[1024];
	struct passwd entry, *found;

	ret[0] = '\0';
	if (!f)
		return;
	while (fgetpwent_r(f, &entry, space, sizeof(space), &found) == 0)
		if (entry.pw_uid == uid) {
			snprintf(ret, size, "%s", entry.pw_name);
			break;
		}
	fclose(f);
}

/* Asks only files, for a directory service may take its time and the daemon waits for nothing. */
static void look_up(const struct identity *who, struct words *ret)
{
	snprintf(ret->uid, sizeof(ret->uid), "%u", (unsigned)who->uid);
	snprintf(ret->pid, sizeof(ret->pid), "%d", who->pid);
	look_up_user(who->uid, ret->user, sizeof(ret->user));
	ret->unit = who->unit;
}

#define FIELDS(words, name)                                                                        \
	{"uid", slice_of((words).uid)}, {(words).user[0] ? "user" : NULL, slice_of((words).user)}, \
		{"pid", slice_of((words).pid)},                                                    \
		{(words).unit ? "unit" : NULL, slice_of((words).unit)}, {"peer", name}

void peer_log_loss(struct peer *p)
{
	struct words words;

	look_up(peer_identity(p), &words);
	log_msg(LOG_L_WARNING, LOG_FIELDS(FIELDS(words, peer_name(p))),
		"a local process reads too slowly: messages for it are dropped");
}

/* ---- the ring ---- */

const struct departed *departures_get(const struct departures *d, size_t i)
{
	return i < d->n ? &d->ring[(d->begin + d->n - 1 - i) % DEPARTED_MAX] : NULL;
}

static void add(struct departures *d, struct peer *p, uint64_t now, uint64_t unix_ms)
{
	const struct member *m = peer_member(p);
	struct departed *to = &d->ring[(d->begin + d->n) % DEPARTED_MAX];

	if (d->n < DEPARTED_MAX)
		d->n++;
	else
		d->begin = (d->begin + 1) % DEPARTED_MAX;
	*to = (struct departed){
		.peer = m->id,
		.uid = m->identity.uid,
		.pid = m->identity.pid,
		.since = clock_before(unix_ms, now - peer_since(p)),
		.until = unix_ms,
		.delivered = m->outbox.delivered,
		.lost = m->outbox.lost,
	};
	snprintf(to->name, sizeof(to->name), "%.*s", SLICE_ARG(peer_name(p)));
	snprintf(to->unit, sizeof(to->unit), "%s", m->identity.unit ? m->identity.unit : "");
}

/* ---- the end ---- */

static void log_missed(const struct outbox *o, const struct words *words, struct slice name,
		       struct slice code)
{
	log_msg(LOG_L_WARNING, LOG_FIELDS(FIELDS(*words, name), {code.n ? "code" : NULL, code}),
		"a local process that read too slowly %s: %" PRIu64 " messages for it were dropped, %"
		PRIu64 " delivered", code.n ? "was disconnected" : "has disconnected", o->lost,
		o->delivered);
}

void peer_log_end(struct departures *d, struct peer *p, uint64_t now, uint64_t unix_ms)
{
	enum protocol_error error = peer_close_code(p);
	bool closed = error != PROTOCOL_ERRORS_END && error != PROTOCOL_E_SHUTDOWN;
	const struct outbox *outbox = &peer_member(p)->outbox;
	struct slice code = closed ? slice_of(protocol_error_code(error)) : SLICE_NULL;
	struct words words;

	if (!closed && !outbox->lost)
		return;
	look_up(peer_identity(p), &words);
	if (outbox->lost) {
		log_missed(outbox, &words, peer_name(p), code);
		add(d, p, now, unix_ms);
	} else {
		log_msg(LOG_L_NOTICE, LOG_FIELDS(FIELDS(words, peer_name(p)), {"code", code}),
			"connection closed");
	}
}
