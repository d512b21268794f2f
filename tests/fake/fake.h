/*
 * A fake Bayeux server for a test: starting it, sending it commands, waiting for
 * entries of its journal, stopping it. README.md in this directory describes the
 * commands, the rules and the journal.
 *
 *     static const char *const options[] = {"--timeout", "2000", NULL};
 *     struct fake *f = fake_start(options);
 *
 *     fake_command(f, "rule type=handshake status 503");
 *     … point a client at fake_port(f) …
 *     fake_await(f, "held", NULL, 1);
 *     fake_command(f, "publish /a/b {\"k\":1}");
 *     fake_await(f, "event", "/a/b", 1);
 *     fake_stop(f);
 *
 * A failure fails the running cmocka test and prints the journal, so no function
 * returns an error. No function waits longer than a minute.
 */
#ifndef TESTS_FAKE_H
#define TESTS_FAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fake;

/* how long fake_await waits, in ms */
#define FAKE_DEADLINE 60000

/*
 * Runs fake-bayeux with these options (NULL-terminated, or NULL for none) until
 * it listens. The program is $FAKE_BAYEUX or the one in $top_builddir; with
 * $FAKE_WRAPPER, words split at blanks, it is run by that, for valgrind's sake.
 */
struct fake *fake_start(const char *const *options);
uint16_t fake_port(const struct fake *f);
pid_t fake_pid(const struct fake *f);

/*
 * Sends one command. Returns what follows the word `ok` in the answer, valid until
 * the next call. An `error` fails the test.
 */
const char *fake_command(struct fake *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* the same for an answer that is a number */
unsigned long fake_number(struct fake *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* the whole line of the answer, `error …` included, for who expects one */
const char *fake_try(struct fake *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Waits until the journal holds `count` notes of that kind (and channel, unless
 * NULL) since the start or the last `mark`.
 */
void fake_await(struct fake *f, const char *kind, const char *channel, unsigned long count);
/* how many there are now */
unsigned long fake_count(struct fake *f, const char *kind, const char *channel);
/* whether a line of the journal contains this, for example text that a client sent */
bool fake_log_has(struct fake *f, const char *part);
/* the journal to stderr */
void fake_print_log(struct fake *f);

/*
 * Ends the server in peace and frees f: it closes all connections, and the test
 * fails when it does not exit 0, which it does not when a sanitizer complains.
 * NULL is fine.
 */
void fake_stop(struct fake *f);
/* SIGKILL: its connections are reset, nothing else works on f but fake_restart and fake_stop */
void fake_kill(struct fake *f);
/* starts it again with the same options and port, without sessions; kills it first if it still runs */
void fake_restart(struct fake *f);
/*
 * Makes DIR/cert.pem and DIR/key.pem, self-signed for that host name (or IP
 * address), for --tls. False when there is no openssl program: skip the test.
 */
bool fake_make_certificate(const char *dir, const char *host);
/* SIGSTOP and SIGCONT: the kernel accepts connections, but the server does not answer */
void fake_pause(struct fake *f);
void fake_resume(struct fake *f);

#endif
