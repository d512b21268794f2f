/*
 * cometctl sub: prints messages as they come, and cometctl history: those that the
 * daemon's log has. Lines are written before it waits
 * for more; a reader that does not read keeps no signal and no deadline from it;
 * what was lost or may have been missed is reported on standard error (with --json
 * among the events).
 */
#include "acks.h"
#include "cometctl.h"
#include "outlet.h"
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* how long the last acknowledgement may take at the end, and after a signal */
#define FINISH_MS 10000
#define FINISH_SOON_MS 1000

/* One pattern at one server. */
struct wanted {
	struct sub *sub;
	const struct ctl_server *server;
	const char *channel;
};

struct sub {
	struct ctl *ctl;
	struct wanted *wanted;
	int n_wanted;
	const char *format;
	struct outlet out;
	struct acks acks;
	struct worker worker;       /* of --exec */
	unsigned long left;         /* messages to print; 0: no limit */
	int signals;                /* signalfd */
	int died_of;                /* signal, or 0 */
	bool only_past;             /* history: ends where the past does */
	int n_answered;             /* of the wanted */
	bool connected;             /* once: a failure is no longer one to start */
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

/* ---- printing and reporting events -------------------------------------- */

static void note_position(struct ctl_server *server, const char *epoch, unsigned long long seq)
{
	if (!server || !epoch)
		return;
	snprintf(server->position.epoch, sizeof(server->position.epoch), "%s", epoch);
	server->position.seq = seq;
}

/* One more message is printed, or its command has succeeded. */
static void count(struct sub *s)
{
	if (s->left > 0 && --s->left == 0)
		finish(s, EXIT_OK);
}

static void start_command(struct sub *s, const struct cometd_event *e)
{
	int r = worker_begin(&s->worker, ctl_server_of(s->ctl, e), s->ctl->json ? NULL : s->format, e);

	if (!r)
		return;
	report("cannot start the command: ", strerror(-r), NULL);
	finish(s, EXIT_OTHER);
}

static void print_message(struct sub *s, const struct cometd_event *e)
{
	if (s->worker.command) {
		start_command(s, e);
		return;
	}
	note_position(ctl_server_of(s->ctl, e), e->epoch, e->seq);
	acks_note(&s->acks, ctl_server_of(s->ctl, e), e->epoch, e->seq);
	if (s->ctl->json)
		print_event_json(s->out.to, e);
	else
		format_print(s->out.to, s->format, e);
	fputc('\n', s->out.to);
	count(s);
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

static bool is_away(enum cometd_state state)
{
	return state == COMETD_STATE_UNCONNECTED || state == COMETD_STATE_HALTED ||
		state == COMETD_STATE_OFF;
}

/*
 * States on the way to a session are reported with -v only: what matters is whether messages flow,
 * and, while they do, that some may have been missed since this program subscribed.
 */
static void report_state(struct sub *s, const struct cometd_event *e)
{
	struct ctl_server *server = ctl_server_of(s->ctl, e);
	bool missed = e->gap && server->known;
	bool back = server->known && is_away(server->state);

	ctl_note_event(s->ctl->c, e, s->ctl);
	if (!*server->position.epoch)
		note_position(server, e->epoch, e->seq);
	/* with -v it is reported there */
	if (!s->ctl->verbose && is_away(e->state))
		ctl_report_state(server, NULL);
	else if (e->state == COMETD_STATE_CONNECTED && (missed || (back && !s->ctl->verbose)))
		ctl_report_state(server, missed ? ", messages may have been missed" : NULL);
}

static void report_lost(struct sub *s, const struct cometd_event *e)
{
	/* what is no longer in the log is counted for all channels of the server together */
	const char *most = e->error == COMETD_E_EXPIRED ? "up to " : "";
	char what[128];

	if (e->gap) {
		report(e->server, ": messages may have been missed", NULL);
		return;
	}
	note_position(ctl_server_of(s->ctl, e), e->epoch, e->last);
	acks_note(&s->acks, ctl_server_of(s->ctl, e), e->epoch, e->last);
	if (e->count == 1)
		snprintf(what, sizeof(what), ": 1 message lost (%llu)", (unsigned long long)e->first);
	else
		snprintf(what, sizeof(what), ": %s%llu messages lost (%llu to %llu)", most,
			 (unsigned long long)e->count, (unsigned long long)e->first,
			 (unsigned long long)e->last);
	report(e->server, what, e->channel ? " on " : "", e->channel ? e->channel : "", ": ",
	       e->text ? e->text : "no reason given", NULL);
}

/* ---- subscriptions ------------------------------------------------------ */

static void report_with_server(const struct wanted *w, const char *words, const char *more)
{
	const char *server = w->server->name ? w->server->name : w->server->real_name;

	report(w->channel, words, *server ? " at " : "", server, more, NULL);
}

static void report_established(const struct wanted *w)
{
	if (w->sub->ctl->verbose)
		report_with_server(w, ": subscribed", "");
}

/* What the reply to subscribe means, in the form in which the daemon reports it later. */
static void print_subscription(const struct wanted *w, bool pending)
{
	const char *server = w->server->name ? w->server->name : w->server->real_name;
	FILE *to = w->sub->out.to;

	fputs("{\"op\":\"subscription\"", to);
	if (*server) {
		fputs(",\"server\":", to);
		print_json_string(to, server);
	}
	fputs(",\"channel\":", to);
	print_json_string(to, w->channel);
	fprintf(to, ",\"ok\":true%s}\n", pending ? ",\"pending\":true" : "");
}

/* The past of one pattern is printed. */
static void end_of_past(struct sub *s)
{
	if (++s->n_answered == s->n_wanted)
		finish(s, EXIT_OK);
}

static void on_subscribed(struct cometd *c, const struct cometd_result *result, void *user)
{
	struct wanted *w = user;

	(void)c;
	if (w->sub->done)
		return;
	if (result->error == COMETD_E_IN_USE) {
		finish(w->sub, complain(w->sub->ctl->durable, result->error, result));
		return;
	}
	if (result->error) {
		finish(w->sub, complain_about(w->server, w->channel, result->error, result));
		ctl_explain(w->server, result->error);
		return;
	}
	if (w->sub->only_past) {
		/* where standard output was blocked for long, an event reports the end */
		if (!result->pending)
			end_of_past(w->sub);
		return;
	}
	if (w->sub->ctl->json && !w->sub->worker.command)
		print_subscription(w, result->pending);
	if (!result->pending)
		report_established(w);
	else if (w->sub->ctl->verbose)
		report_with_server(w, ": not subscribed yet", "; waiting for the server");
}

static bool concerns(const struct wanted *w, const struct cometd_event *e)
{
	const struct ctl_server *server = ctl_server_of(w->sub->ctl, e);

	return !strcmp(w->channel, e->channel) && (!server || server == w->server || !e->server);
}

/* The daemon tries again what the server refuses for the moment; any other refusal is the end, as it
   is at the start. */
static void handle_subscription(struct sub *s, const struct cometd_event *e)
{
	if (e->pending)
		report(e->channel, ": not subscribed yet", e->server ? " at " : "",
		       e->server ? e->server : "", ", trying again: ", e->text, NULL);
	else if (e->error)
		complain(e->channel, e->error,
			 &(struct cometd_result){.error = e->error, .text = e->text});
	for (int i = 0; i < s->n_wanted && !e->pending; i++) {
		if (!concerns(&s->wanted[i], e))
			continue;
		if (e->error)
			finish(s, exit_code_of(e->error));
		else if (s->only_past)
			end_of_past(s);
		else
			report_established(&s->wanted[i]);
	}
}

/* ---- events ------------------------------------------------------------- */

static void report_down(struct sub *s, const struct cometd_event *e)
{
	for (int i = 0; i < s->ctl->n_servers; i++)
		s->ctl->servers[i].known = false;
	report("lost the daemon: ", e->text, "; trying again", NULL);
}

static void report_event(struct sub *s, const struct cometd_event *e)
{
	switch (e->type) {
	case COMETD_EVENT_STATE:
		report_state(s, e);
		return;
	case COMETD_EVENT_LOST:
		report_lost(s, e);
		return;
	case COMETD_EVENT_SUBSCRIPTION:
		handle_subscription(s, e);
		return;
	case COMETD_EVENT_UP:
		if (e->gap || s->connected)
			report("the daemon is back", e->gap ? ", messages may have been missed" : "", NULL);
		return;
	case COMETD_EVENT_DOWN:
		report_down(s, e);
		return;
	case COMETD_EVENT_MESSAGE:
		return;
	}
}

static void print_event(struct sub *s, const struct cometd_event *e)
{
	if (e->json)
		print_event_json(s->out.to, e), fputc('\n', s->out.to);
	else
		print_connection(s, e);
}

/* Without -s only the default server is subscribed; only state events mark which one that is. */
static bool is_foreign(const struct sub *s, const struct cometd_event *e)
{
	if (!e->server || (!s->ctl->server_given && e->type != COMETD_EVENT_STATE))
		return false;
	return !ctl_server_of(s->ctl, e);
}

static void on_event(struct cometd *c, const struct cometd_event *e, void *user)
{
	struct sub *s = user;

	(void)c;
	if (s->done || is_foreign(s, e))
		return;
	if (e->type == COMETD_EVENT_MESSAGE) {
		print_message(s, e);
	} else if (e->type == COMETD_EVENT_DOWN && !s->connected) {
		ctl_note_event(c, e, s->ctl);
	} else {
		/* with --exec, standard output is that of the commands */
		if (s->ctl->json && !s->worker.command)
			print_event(s, e);
		report_event(s, e);
	}
}

/* ---- waiting and writing ------------------------------------------------ */

/* While standard output is blocked the library does not run, so events do not accumulate here. */
static int wait_ms(const struct sub *s)
{
	int own = outlet_waits(&s->out) ? -1 : cometd_get_timeout(s->ctl->c);
	int left = s->at_once ? -1 : ctl_left(s->ctl, 0);
	long long due = s->worker.due < 0 ? -1 : s->worker.due - ctl_now();

	if (due >= -1 && s->worker.due >= 0)
		left = left < 0 || due < left ? (int)(due > 0 ? due : 0) : left;
	return left < 0 || (own >= 0 && own < left) ? own : left;
}

/* What has left this process is acknowledged. */
static void write_out(struct sub *s)
{
	int r = outlet_write(&s->out);

	if (r == 0 && !outlet_waits(&s->out) && !s->worker.command)
		acks_commit(&s->acks);
	else if (r == -EPIPE)
		finish_at_once(s, EXIT_OK);
	else if (r && r != -EPIPE) {
		report("cannot write to standard output: ", strerror(-r), NULL);
		finish_at_once(s, EXIT_OTHER);
		/* the last message was counted before it was written */
		s->code = EXIT_OTHER;
	}
}

/* A reader that went away is noticed though nothing is written. */
static bool reader_gone(const struct pollfd *out)
{
	return out->revents & (POLLERR | POLLHUP | POLLNVAL);
}

/* ---- commands ----------------------------------------------------------- */

/* Without a message to work on, the events are handled up to the next message. */
static void work(struct sub *s)
{
	const struct cometd_event *e;

	if (worker_run(&s->worker)) {
		note_position(s->worker.server, s->worker.at.epoch, s->worker.at.seq);
		acks_note(&s->acks, s->worker.server, s->worker.at.epoch, s->worker.at.seq);
		acks_commit(&s->acks);
		count(s);
	}
	while (!s->done && !worker_is_busy(&s->worker) && cometd_next(s->ctl->c, 0, &e) == 0)
		on_event(s->ctl->c, e, s);
	/* a loss that was reported */
	if (!worker_is_busy(&s->worker))
		acks_commit(&s->acks);
}

static void handle_signals(struct sub *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		s->died_of = (int)info.ssi_signo;
		finish_at_once(s, EXIT_OTHER);
		worker_stop(&s->worker, s->died_of);
	}
}

/* ---- the loop ---------------------------------------------------------- */

static void turn(struct sub *s)
{
	bool stuck = outlet_waits(&s->out);
	struct pollfd p[] = {
		{.fd = stuck ? -1 : cometd_get_fd(s->ctl->c),
		 .events = (short)cometd_get_events(s->ctl->c)},
		{.fd = s->signals, .events = POLLIN},
		{.fd = s->worker.command ? -1 : STDOUT_FILENO, .events = stuck ? POLLOUT : 0},
	};

	if (poll(p, 3, wait_ms(s)) < 0 && errno != EINTR) {
		finish_at_once(s, complain("cannot wait", COMETD_E_SYSTEM, NULL));
		return;
	}
	if (!stuck)
		cometd_process(s->ctl->c);
	write_out(s);
	if (reader_gone(&p[2]))
		finish_at_once(s, EXIT_OK);
	if (p[1].revents & POLLIN)
		handle_signals(s);
	if (s->worker.command)
		work(s);
	if (ctl_left(s->ctl, 0) == 0 && !s->at_once && !(s->done && !outlet_waits(&s->out))) {
		report("timed out", NULL);
		finish_at_once(s, EXIT_TIMEOUT);
		worker_stop(&s->worker, SIGTERM);
	}
}

/*
 * Signals are taken between two writes, so that no line is torn. One that is ignored, as SIGINT is in
 * what a shell runs in the background, stays ignored: blocked, it would arrive here.
 */
static int take_signals(sigset_t *set, struct worker *worker)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		struct sigaction action;

		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
	}
	/* ignored, it would not be known how a command ended */
	if (worker->command) {
		signal(SIGCHLD, SIG_DFL);
		sigaddset(set, SIGCHLD);
	}
	sigprocmask(SIG_BLOCK, set, &worker->mask);
	return signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Ends as if the signal had not been taken: shells and supervisors look at that. */
static void die_of(int signo, const sigset_t *set)
{
	raise(signo);
	sigprocmask(SIG_UNBLOCK, set, NULL);
}

static int subscribe(struct wanted *w)
{
	const struct ctl *ctl = w->sub->ctl;
	struct cometd_subscription s = {.size = sizeof(s), .history = ctl->history, .since = ctl->since_ms,
					.durable = ctl->durable};

	if (*ctl->since.epoch)
		s.epoch = ctl->since.epoch, s.seq = ctl->since.seq;
	if (w->sub->only_past) {
		s.flags = COMETD_LISTEN_ONLY;
		if (!s.epoch && !s.since)
			s.history = ctl->count ? ctl->count : COMETD_HISTORY_ALL;
	}
	int error = cometd_subscribe_with_async(ctl->c, w->server->name, w->channel, &s,
						COMETD_TIMEOUT_DEFAULT, on_subscribed, w);

	return error ? complain_about(w->server, w->channel, error, NULL) : EXIT_OK;
}

/* Each pattern at each server. */
static int subscribe_all(struct sub *s)
{
	const struct ctl *ctl = s->ctl;
	int code = EXIT_OK;

	for (int i = 0; !code && i < ctl->n_servers; i++)
		for (int j = 0; !code && j < ctl->n_args; j++) {
			struct wanted *w = &s->wanted[s->n_wanted++];

			*w = (struct wanted){s, &ctl->servers[i], ctl->args[j]};
			code = subscribe(w);
		}
	return code;
}

/* Where a later run can continue after what was printed. */
static void report_positions(const struct ctl *ctl)
{
	char position[96];

	for (int i = 0; i < ctl->n_servers; i++) {
		const struct ctl_server *server = &ctl->servers[i];

		snprintf(position, sizeof(position), "%s:%llu", server->position.epoch, server->position.seq);
		if (*server->position.epoch)
			report(server->real_name, ": position ", position, NULL);
	}
}

static int run(struct sub *s)
{
	sigset_t set;

	cometd_set_listener(s->ctl->c, on_event, s);
	int code = ctl_connect(s->ctl);
	s->connected = true;
	if (!code)
		code = subscribe_all(s);
	if (code)
		return code;
	/* messages wait for cometd_next() while a command runs */
	if (s->worker.command)
		cometd_set_listener(s->ctl->c, NULL, NULL);
	s->signals = take_signals(&set, &s->worker);
	while (!s->done || (outlet_waits(&s->out) && !s->at_once) || s->worker.pid)
		turn(s);
	close(s->signals);
	/* all events are left out from here on */
	cometd_set_listener(s->ctl->c, on_event, s);
	code = acks_finish(&s->acks, s->died_of ? FINISH_SOON_MS : FINISH_MS);
	if (!s->code)
		s->code = code;
	if (s->ctl->verbose)
		report_positions(s->ctl);
	if (s->died_of)
		die_of(s->died_of, &set);
	return s->code;
}

static int print_all(struct sub *s)
{
	struct ctl *ctl = s->ctl;

	s->format = ctl->format;
	if (*ctl->since.epoch)
		ctl->servers[0].position = ctl->since;
	worker_init(&s->worker, ctl->exec);
	if (!s->format)
		s->format = ctl->exec ? "%{data}" : ctl->n_servers > 1 ? "%{server}\\t%{channel}\\t%{data}" :
						"%{channel}\\t%{data}";
	s->wanted = calloc((size_t)ctl->n_args * (size_t)ctl->n_servers, sizeof(*s->wanted));
	if (!s->wanted || acks_init(&s->acks, ctl) || outlet_init(&s->out)) {
		acks_fini(&s->acks);
		free(s->wanted);
		return complain("cannot start", COMETD_E_NOMEM, NULL);
	}
	int code = run(s);
	/* cometd_free() runs callbacks, which must print nothing and still need s->wanted */
	s->done = true;
	cometd_free(ctl->c);
	ctl->c = NULL;
	free(s->wanted);
	acks_fini(&s->acks);
	worker_fini(&s->worker);
	outlet_fini(&s->out);
	return code;
}

int cmd_sub(struct ctl *ctl)
{
	struct sub s = {.ctl = ctl, .left = ctl->count};

	return print_all(&s);
}

int cmd_history(struct ctl *ctl)
{
	/* without --since, the count is that of the last messages */
	bool since = *ctl->since.epoch || ctl->since_ms;
	struct sub s = {.ctl = ctl, .only_past = true, .left = since ? ctl->count : 0};

	return print_all(&s);
}
