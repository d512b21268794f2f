/*
 * Owns the command line of cometd-bridged, its exit codes, and what a process
 * settles once: signals, limits, the file mode of what it makes. The rest is daemon.c.
 */
#include "base/log.h"
#include "config/config.h"
#include "config/dump.h"
#include "config/user_paths.h"
#include "daemon.h"
#include "servers/extensions.h"
#include "systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* sysexits(3) where it has a number, so that units and scripts can tell */
enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_USAGE = 2, EXIT_BAD_CONFIG = 78 };

/* of the installed unit */
#define SERVICE_USER "cometd-bridge"

struct arguments {
	const char *config;
	const char *user;       /* whose view of files is checked; NULL: our own */
	bool check, dump;       /* instead of serving */
	pid_t reload;           /* the daemon that is to read it again; 0: none */
};

static void usage(FILE *to)
{
	fputs("usage: cometd-bridged [--config FILE] [--check-config [--user NAME]]\n"
	      "                      [--dump-config] [--reload PID] [--version]\n"
	      "\n"
	      "Keeps one Bayeux session per configured server and shares it over a Unix socket.\n"
	      "\n"
	      "  -c, --config FILE   the configuration (" CONFIG_PATH ")\n"
	      "      --check-config  report what is wrong with it, and exit\n"
	      "      --user NAME     check files as this user may read them. For the installed\n"
	      "                      configuration, root uses " SERVICE_USER "\n"
	      "      --dump-config   print the configuration in effect: each option with the file and\n"
	      "                      line where it is set, and all defaults\n"
	      "      --reload PID    check the configuration, and if it is valid, have the daemon with\n"
	      "                      this process id read it again\n"
	      "      --version       print the version, and exit\n"
	      "  -h, --help          this text\n"
	      "\n"
	      "Exit status: 0 done; 1 failed; 2 wrong usage; 78 wrong configuration.\n"
	      "See cometd-bridged(8) and cometd-bridge.conf(5).\n",
	      to);
}

/* 0 for what is none. */
static pid_t pid_of(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	return *text && !*end && pid > 1 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* Returns an exit code when there is nothing more to do, else -1. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'C'},
		{"user", required_argument, NULL, 'U'},   {"dump-config", no_argument, NULL, 'D'},
		{"reload", required_argument, NULL, 'R'},
		{"version", no_argument, NULL, 'V'},      {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) >= 0)
		switch (c) {
		case 'c':
			ret->config = optarg;
			break;
		case 'C':
			ret->check = true;
			break;
		case 'D':
			ret->dump = true;
			break;
		case 'R':
			ret->reload = pid_of(optarg);
			if (ret->reload)
				break;
			fprintf(stderr, "cometd-bridged: --reload %s: this is no process id\n", optarg);
			return EXIT_BAD_USAGE;
		case 'U':
			ret->user = optarg;
			break;
		case 'V':
			puts("cometd-bridged " PACKAGE_VERSION);
			return EXIT_OK;
		case 'h':
			usage(stdout);
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_BAD_USAGE;
		}
	if (optind < argc) {
		fprintf(stderr, "cometd-bridged: unexpected argument \"%s\"\n", argv[optind]);
		usage(stderr);
		return EXIT_BAD_USAGE;
	}
	return -1;
}

static void print_report(const struct config_report *report)
{
	for (size_t i = 0; i < report->n_warnings; i++)
		fprintf(stderr, "warning: %s\n", report->warnings[i]);
	for (size_t i = 0; i < report->n_errors; i++)
		fprintf(stderr, "error: %s\n", report->errors[i]);
	if (report->n_errors_more)
		fprintf(stderr, "error: … and %zu more\n", report->n_errors_more);
}

/* systemd keeps the status line of a service that failed: `systemctl status` shows the reason. */
static void show_in_status(const char *error)
{
	char status[512];

	snprintf(status, sizeof(status), "wrong configuration: %s", error);
	systemd_status(status);
}

/*
 * The daemon does not run as root, who may read any file: so the files are checked as its user would
 * see them. 0, or an exit code.
 */
static int become_user(const struct arguments *a)
{
	bool installed = strcmp(a->config, CONFIG_PATH) == 0;
	const char *name = a->user ? a->user : geteuid() == 0 && installed ? SERVICE_USER : NULL;

	if (!name)
		return EXIT_OK;
	const struct passwd *user = getpwnam(name);
	if (!user && !a->user) {
		fprintf(stderr, "warning: there is no user %s yet, which systemd-sysusers creates: files are "
				"checked as root may read them\n", name);
		return EXIT_OK;
	}
	if (!user) {
		fprintf(stderr, "error: there is no user %s\n", name);
		return EXIT_BAD_USAGE;
	}
	if (user->pw_uid != geteuid() && (initgroups(name, user->pw_gid) || setgid(user->pw_gid) ||
					  setuid(user->pw_uid))) {
		fprintf(stderr, "error: cannot check as user %s: %m\n", name);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void print_valid(const char *path, const struct config *config)
{
	size_t n = 0;

	LIST_EACH(s, &config->servers, struct config_server, link)
		n++;
	printf("%s: the configuration is valid, with %zu server%s:", path, n, n == 1 ? "" : "s");
	LIST_EACH(s, &config->servers, struct config_server, link)
		printf(" %s%s", s->name, s->upstream.is_default && n > 1 ? " (default)" : "");
	putchar('\n');
}

/* An exit code. */
static int print_config(const struct config *config)
{
	struct buf text;

	buf_init_secret(&text, SIZE_MAX);
	int r = config_dump(config, &text);
	if (r == 0 && (fwrite(buf_slice(&text).p, 1, buf_len(&text), stdout) != buf_len(&text) || fflush(stdout)))
		r = -errno;
	buf_fini(&text);
	if (r)
		fprintf(stderr, "error: the configuration cannot be printed: %s\n", strerror(-r));
	return r ? EXIT_FAILED : EXIT_OK;
}

/* `check`: for --check-config and --dump-config, which do not notify the service manager. */
static int load(const char *path, bool check, struct config **ret)
{
	struct config_report report;

	config_report_init(&report);
	int r = config_load(path, &report, ret);
	if (r == 0)
		extensions_check(*ret, &report);
	if (r == 0 && config_report_has_errors(&report)) {
		config_free(*ret);
		r = CONFIG_E_INVALID;
	}
	print_report(&report);
	if (!check && report.n_errors)
		show_in_status(report.errors[0]);
	config_report_fini(&report);
	if (r < 0)
		fprintf(stderr, "error: %s: %s\n", path, strerror(-r));
	return r == 0 ? EXIT_OK : r > 0 ? EXIT_BAD_CONFIG : EXIT_FAILED;
}

/* Whoever started us without them would have the log written into the socket that got the number. */
static int open_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Before any secret is read. */
static void keep_secrets(void)
{
	/* a core file would hold every secret. This forbids it whatever limits and core_pattern say,
	   and also that a process of the same user reads our memory; root still can */
	prctl(PR_SET_DUMPABLE, 0);
	/* libcurl would write the keys of all TLS connections there */
	unsetenv("SSLKEYLOGFILE");
}

static void prepare_process(void)
{
	/* signals that are not meant to stop the daemon are ignored: systemd regards an end by SIGHUP or
	   SIGALRM as clean and does not restart the service */
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	umask(0077);
	/* many peers need many descriptors; the hard limit is the administrator's word */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* An exit code. */
static int reload(pid_t pid)
{
	if (kill(pid, SIGHUP) == 0)
		return EXIT_OK;
	fprintf(stderr, "error: process %ld cannot be told to read the configuration again: %m\n", (long)pid);
	return EXIT_FAILED;
}

static int serve(struct config *config, const char *path)
{
	char why[1024];
	struct daemon *d;

	systemd_log_init();
	log_set_level(config->log_level);
	int r = daemon_new(config, path, &d, why, sizeof(why));
	if (r) {
		log_msg(LOG_L_ERROR, LOG_FIELDS({"reason", slice_of(why)}), "cannot start");
		return EXIT_FAILED;
	}
	r = daemon_run(d);
	daemon_free(d);
	if (r)
		log_msg(LOG_L_ERROR, LOG_FIELDS({"reason", slice_of(strerror(-r))}),
			"the event loop failed");
	return r ? EXIT_FAILED : EXIT_OK;
}

int main(int argc, char **argv)
{
	struct arguments arguments = {.config = CONFIG_PATH};
	char own_config[PATH_MAX], own_socket[PATH_MAX];
	struct config *config;

	if (user_config_path(geteuid(), own_config))
		arguments.config = own_config;
	int code = parse_arguments(argc, argv, &arguments);

	if (code >= 0)
		return code;
	if (open_standard_fds() < 0)
		return EXIT_FAILED;
	keep_secrets();
	if (arguments.check)
		code = become_user(&arguments);
	if (code > 0)
		return code;
	code = load(arguments.config, arguments.check || arguments.dump || arguments.reload, &config);
	if (code != EXIT_OK)
		return code;
	if (arguments.check) {
		print_valid(arguments.config, config);
	} else if (arguments.dump) {
		code = print_config(config);
	} else if (arguments.reload) {
		code = reload(arguments.reload);
	} else {
		prepare_process();
		/* a failure shows when the socket is made */
		if (user_socket_path(geteuid(), own_socket) &&
		    strcmp(config->listener.path, own_socket) == 0)
			user_socket_directory(own_socket);
		return serve(config, arguments.config);
	}
	config_free(config);
	return code;
}
