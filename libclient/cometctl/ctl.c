/*
 * What all verbs share: connecting, the last known state of the daemon and its
 * servers, and the deadline.
 */
#include "cometctl.h"

#include <string.h>
#include <time.h>

/* how long the daemon may take to greet: it may be starting */
#define GREETING_MS 15000

long long ctl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

int ctl_left(const struct ctl *ctl, int least)
{
	if (ctl->deadline < 0)
		return -1;
	long long left = ctl->deadline - ctl_now();
	return left > least ? (int)left : least;
}

/* ---- what the daemon reports --------------------------------------------- */

struct ctl_server *ctl_server_of(struct ctl *ctl, const struct cometd_event *event)
{
	for (int i = 0; event->server && i < ctl->n_servers; i++) {
		struct ctl_server *s = &ctl->servers[i];

		if (s->name ? !strcmp(s->name, event->server) :
		    event->is_default || !strcmp(s->real_name, event->server))
			return s;
	}
	return NULL;
}

static void note_state(struct ctl_server *s, const struct cometd_event *e)
{
	snprintf(s->real_name, sizeof(s->real_name), "%s", e->server);
	snprintf(s->reason, sizeof(s->reason), "%s", e->reason ? e->reason : "");
	s->known = true;
	s->state = e->state;
	s->retry_at = e->retry_in >= 0 ? ctl_now() + e->retry_in : -1;
}

void ctl_note_event(struct cometd *c, const struct cometd_event *event, void *user)
{
	struct ctl *ctl = user;

	(void)c;
	if (event->type == COMETD_EVENT_DOWN)
		snprintf(ctl->down, sizeof(ctl->down), "%s", event->text);
	if (event->type == COMETD_EVENT_STATE)
		/* -s may name one server twice */
		for (int i = 0; i < ctl->n_servers; i++) {
			struct ctl_server *s = &ctl->servers[i];

			if (s->name ? !strcmp(s->name, event->server) : event->is_default) {
				note_state(s, event);
				if (ctl->verbose)
					ctl_report_state(s, NULL);
			}
		}
}

void ctl_report_state(const struct ctl_server *s, const char *more)
{
	long long left = s->retry_at - ctl_now();
	char next[64] = "";

	if (s->retry_at >= 0)
		snprintf(next, sizeof(next), ", next try in %.1f s", left > 0 ? (double)left / 1000 : 0);
	report(s->real_name, ": ", cometd_state_name(s->state), *s->reason ? ": " : "", s->reason,
	       next, more ? more : "", NULL);
}

void ctl_explain(const struct ctl_server *s, int error)
{
	bool waits = error == COMETD_E_NOT_SENT || error == COMETD_E_UNKNOWN_OUTCOME ||
		error == COMETD_E_TIMEOUT;

	if (waits && *s->real_name && s->state != COMETD_STATE_CONNECTED)
		ctl_report_state(s, NULL);
}

/* ---- the connection -------------------------------------------------------- */

int ctl_try_connect(struct ctl *ctl)
{
	int left = ctl_left(ctl, 1);

	*ctl->down = '\0';
	return cometd_connect(ctl->c, left < 0 || left > GREETING_MS ? GREETING_MS : left);
}

int ctl_connect(struct ctl *ctl)
{
	int error = ctl_try_connect(ctl);

	return error ? complain(cometd_get_socket(ctl->c), error,
				&(struct cometd_result){.text = ctl->down}) : EXIT_OK;
}

struct cometd_message ctl_message(const struct ctl *ctl, const char *data, size_t len)
{
	return (struct cometd_message){.size = sizeof(struct cometd_message), .data = data,
				       .data_len = len, .ext = ctl->ext,
				       .ext_len = ctl->ext ? strlen(ctl->ext) : 0};
}
