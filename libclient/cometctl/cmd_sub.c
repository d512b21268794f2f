/*
 * cometctl sub: prints messages as they come. Guarantees: lines leave before it
 * waits for more; a reader that does not read keeps no signal and no deadline from
 * it; what was lost or may have been missed is said on standard error (with --json
 * among the events). Must never know frames.
 */
#include "cometctl.h"
#include "outlet.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct pattern {
	struct sub *sub;
	const char *name;
};

struct sub {
	struct ctl *ctl;
	struct pattern *patterns;
	struct outlet out;
	unsigned long left;         /* messages to print; 0: no limit */
	int signals;                /* signalfd */
	int died_of;                /* signal, or 0 */
	bool troubled;              /* the server was told to be away */
	bool greeted;               /* its state was told, as the daemon found it */
	bool done;
	bool at_once;               /* and what is not written yet need not be */
	int code;
};

static void finish(struct sub *s, int code)
{
	if (!s->done)
		s->code = code;
	s->done = true;
}

static void finish_at_once(struct sub *s, int code)
{
	finish(s, code);
	s->at_once = true;
}

/* ---- events ------------------------------------------------------------ */

static bool concerns(const struct sub *s, const struct cometd_event *e)
{
	if (!e->server)
		return true;
	return s->ctl->server ? !strcmp(s->ctl->server, e->server)
			      : e->type != COMETD_EVENT_STATE || e->is_default;
}

static void print_message(struct sub *s, const struct cometd_event *e)
{
	if (s->ctl->json) {
		print_json(s->out.to, e->json, e->json_len);
	} else {
		print_name(s->out.to, e->channel);
		fputc('\t', s->out.to);
		print_data(s->out.to, e->data, e->data_len, e->binary, e->json, e->json_len);
	}
	fputc('\n', s->out.to);
	if (s->left > 0 && --s->left == 0)
		finish(s, EXIT_OK);
}

static void print_connection(const struct sub *s, const struct cometd_event *e)
{
	if (e->type == COMETD_EVENT_UP) {
		fprintf(s->out.to, "{\"op\":\"up\",\"gap\":%s}\n", e->gap ? "true" : "false");
		return;
	}
	fprintf(s->out.to, "{\"op\":\"down\",\"code\":\"%s\",\"message\":", cometd_error_name(e->error));
	print_json_string(s->out.to, e->text);
	fprintf(s->out.to, ",\"retry_in\":%lld}\n", (long long)e->retry_in);
}

/*
 * A session on its way is no news: what counts is whether messages flow, and, while they do, that
 * some may have been missed; but for what was missed before we came.
 */
static void say_state(struct sub *s, const struct cometd_event *e)
{
	bool away = e->state == COMETD_STATE_UNCONNECTED || e->state == COMETD_STATE_HALTED ||
		    e->state == COMETD_STATE_OFF;
	bool missed = e->gap && s->greeted;

	s->greeted = true;
	if (!away && !(e->state == COMETD_STATE_CONNECTED && (s->troubled || missed)))
		return;
	fputs("cometctl: ", stderr);
	print_name(stderr, e->server);
	fputs(": ", stderr);
	print_name(stderr, e->state_name);
	if (e->reason) {
		fputs(": ", stderr);
		print_name(stderr, e->reason);
	}
	if (away && e->retry_in >= 0)
		fprintf(stderr, ", next try in %.1f s", (double)e->retry_in / 1000);
	fputs(!away && e->gap ? ", messages may have been missed\n" : "\n", stderr);
	s->troubled = away;
}

static void say_lost(const struct cometd_event *e)
{
	fputs("cometctl: ", stderr);
	print_name(stderr, e->server);
	if (e->count == 1)
		fprintf(stderr, ": 1 message lost (%llu)", (unsigned long long)e->first);
	else
		fprintf(stderr, ": %llu messages lost (%llu to %llu)", (unsigned long long)e->count,
			(unsigned long long)e->first, (unsigned long long)e->last);
	if (e->channel) {
		fputs(" on ", stderr);
		print_name(stderr, e->channel);
	}
	fputs(": ", stderr);
	print_name(stderr, e->text ? e->text : "no reason given");
	fputc('\n', stderr);
}

static void say(struct sub *s, const struct cometd_event *e)
{
	switch (e->type) {
	case COMETD_EVENT_STATE:
		say_state(s, e);
		return;
	case COMETD_EVENT_LOST:
		say_lost(e);
		return;
	case COMETD_EVENT_SUBSCRIPTION:
		if (e->pending) {
			fputs("cometctl: ", stderr);
			print_name(stderr, e->channel);
			fputs(": not subscribed yet, and asked for again: ", stderr);
			print_name(stderr, e->text);
			fputc('\n', stderr);
		} else if (e->error)
			complain(e->channel, e->error,
				 &(struct cometd_result){.error = e->error, .text = e->text});
		return;
	case COMETD_EVENT_UP:
		if (e->gap)
			fputs("cometctl: the daemon is back, messages may have been missed\n",
			      stderr);
		return;
	case COMETD_EVENT_DOWN:
		s->greeted = false;
		fputs("cometctl: lost the daemon: ", stderr);
		print_name(stderr, e->text);
		fputs("; trying again\n", stderr);
		return;
	case COMETD_EVENT_MESSAGE:
		return;
	}
}

/* The daemon tries again what the server refuses for the moment; any other refusal is the end, as it
   is at the start. */
static void on_verdict(struct sub *s, const struct cometd_event *e)
{
	for (int i = 0; i < s->ctl->n_args; i++)
		if (!strcmp(s->ctl->args[i], e->channel))
			finish(s, exit_code_of(e->error));
}

static void on_event(struct cometd *c, const struct cometd_event *e, void *user)
{
	struct sub *s = user;

	(void)c;
	if (s->done || !concerns(s, e))
		return;
	if (e->type == COMETD_EVENT_MESSAGE) {
		print_message(s, e);
		return;
	}
	if (!s->ctl->json)
		say(s, e);
	else if (e->json)
		print_json(s->out.to, e->json, e->json_len), fputc('\n', s->out.to);
	else
		print_connection(s, e);
	if (e->type == COMETD_EVENT_SUBSCRIPTION && e->error && !e->pending)
		on_verdict(s, e);
}

static void on_subscribed(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct pattern *p = user;

	(void)c;
	if (result->error && !p->sub->done)
		finish(p->sub, complain_about(p->sub->ctl, p->name, result->error, result));
}

/* ---- the loop ---------------------------------------------------------- */

/* The library rests while the reader does: else what it brings would pile up here. */
static int wait_ms(const struct sub *s)
{
	int own = outlet_waits(&s->out) ? -1 : cometd_get_timeout(s->ctl->c);
	int left = ctl_left(s->ctl, 0);

	return left < 0 || (own >= 0 && own < left) ? own : left;
}

static void write_out(struct sub *s)
{
	int r = outlet_write(&s->out);

	if (r == -EPIPE)
		finish_at_once(s, EXIT_OK);
	else if (r) {
		fprintf(stderr, "cometctl: cannot write: %s\n", strerror(-r));
		finish_at_once(s, EXIT_OTHER);
	}
}

/* A reader that went away is noticed though nothing is written. */
static bool reader_gone(const struct pollfd *out)
{
	return out->revents & (POLLERR | POLLHUP | POLLNVAL);
}

static void turn(struct sub *s)
{
	bool stuck = outlet_waits(&s->out);
	struct pollfd p[] = {
		{.fd = stuck ? -1 : cometd_get_fd(s->ctl->c),
		 .events = (short)cometd_get_events(s->ctl->c)},
		{.fd = s->signals, .events = POLLIN},
		{.fd = STDOUT_FILENO, .events = stuck ? POLLOUT : 0},
	};
	struct signalfd_siginfo info;

	if (poll(p, 3, wait_ms(s)) < 0 && errno != EINTR) {
		finish_at_once(s, complain("cannot wait", COMETD_E_SYSTEM, NULL));
		return;
	}
	if (!stuck)
		cometd_process(s->ctl->c);
	write_out(s);
	if (reader_gone(&p[2]))
		finish_at_once(s, EXIT_OK);
	if (p[1].revents & POLLIN && read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		s->died_of = (int)info.ssi_signo;
		finish_at_once(s, EXIT_OTHER);
	}
	if (ctl_left(s->ctl, 0) == 0 && !(s->done && !outlet_waits(&s->out))) {
		fputs("cometctl: timed out\n", stderr);
		finish_at_once(s, EXIT_TIMEOUT);
	}
}

/* Signals are taken between two writes, so that no line is torn. */
static int take_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigprocmask(SIG_BLOCK, set, NULL);
	return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Ends as if the signal had not been taken: shells and supervisors look at that. */
static void die_of(int signo, const sigset_t *set)
{
	raise(signo);
	sigprocmask(SIG_UNBLOCK, set, NULL);
}

static int subscribe_all(struct sub *s)
{
	struct ctl *ctl = s->ctl;

	cometd_set_listener(ctl->c, on_event, s);
	for (int i = 0; i < ctl->n_args; i++) {
		struct pattern *p = &s->patterns[i];

		*p = (struct pattern){.sub = s, .name = ctl->args[i]};
		int error = cometd_subscribe_async(ctl->c, ctl->server, p->name, 0,
						   COMETD_TIMEOUT_DEFAULT, on_subscribed, p);
		if (error)
			return complain_about(ctl, p->name, error, NULL);
	}
	return EXIT_OK;
}

static int run(struct sub *s)
{
	sigset_t set;
	int code = ctl_connect(s->ctl);

	if (!code)
		code = subscribe_all(s);
	if (code)
		return code;
	s->signals = take_signals(&set);
	while (!s->done || (outlet_waits(&s->out) && !s->at_once))
		turn(s);
	close(s->signals);
	if (s->died_of)
		die_of(s->died_of, &set);
	return s->code;
}

int cmd_sub(struct ctl *ctl)
{
	struct sub s = {.ctl = ctl, .left = ctl->count};

	s.patterns = calloc((size_t)ctl->n_args, sizeof(*s.patterns));
	if (!s.patterns || outlet_init(&s.out)) {
		free(s.patterns);
		return complain("cannot start", COMETD_E_NOMEM, NULL);
	}
	int code = run(&s);
	/* the last callbacks must be quiet, and must not find the patterns gone */
	s.done = true;
	cometd_free(ctl->c);
	ctl->c = NULL;
	free(s.patterns);
	outlet_fini(&s.out);
	return code;
}
