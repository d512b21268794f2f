/*
 * The command line and exit codes of cometd-bridged, and process-wide settings:
 * signals, limits, umask. Everything else starts in daemon.c.
 */
#include "base/fault.h"
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

/* 78 is EX_CONFIG of sysexits(3), so that units and scripts can recognise a configuration error */
enum exit_code { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_BAD_USAGE = 2, EXIT_BAD_CONFIG = 78 };

/* the user of the installed unit */
#define SERVICE_USER "cometd-bridge"

struct arguments {
	const char *config;
	const char *user;       /* check files with the rights of this user; NULL: the current one */
	bool check, dump;       /* instead of serving */
	pid_t reload;           /* the daemon that must reload the configuration; 0: none */
};

static void usage(FILE *to)
{
	fputs("usage: cometd-bridged [--config FILE] [--check-config [--user NAME]]\n"
	      "                      [--dump-config] [--reload PID] [--version]\n"
	      "\n"
	      "Keeps one Bayeux session per configured server and shares it over a Unix socket.\n"
	      "\n"
	      "  -c, --config FILE   the configuration (" CONFIG_PATH ")\n"
	      "      --check-config  report errors and warnings of the configuration, and exit\n"
	      "      --user NAME     check that this user can read the files. For the installed\n"
	      "                      configuration, root checks as " SERVICE_USER "\n"
	      "      --dump-config   print the configuration in effect: each option with the file and\n"
	      "                      line where it is set, and all defaults\n"
	      "      --reload PID    check the configuration, and if it is valid, make the daemon with\n"
	      "                      this process id read it again\n"
	      "      --version       print the version, and exit\n"
	      "  -h, --help          print this text, and exit\n"
	      "\n"
	      "Exit status: 0 success; 1 failure; 2 wrong usage; 78 wrong configuration.\n"
	      "See cometd-bridged(8) and cometd-bridge.conf(5).\n",
	      to);
}

/* 0 if `text` is not a process id. */
static pid_t pid_of(const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	return *text && !*end && pid > 1 && pid <= INT_MAX ? (pid_t)pid : 0;
}

/* Returns an exit code if there is nothing more to do, otherwise -1. */
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
			fprintf(stderr, "cometd-bridged: --reload %s: this is not a process id\n", optarg);
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
 * Root may read any file, but the daemon does not run as root: check the files with the rights of its user. 0, or
 * an exit code.
 */
static int become_user(const struct arguments *a)
{
	bool installed = strcmp(a->config, CONFIG_PATH) == 0;
	const char *name = a->user ? a->user : geteuid() == 0 && installed ? SERVICE_USER : NULL;

	if (!name)
		return EXIT_OK;
	const struct passwd *user = getpwnam(name);
	if (!user && !a->user) {
		fprintf(stderr, "warning: the user %s does not exist yet (systemd-sysusers creates it); checking "
				"the files with the rights of root\n", name);
		return EXIT_OK;
	}
	if (!user) {
		fprintf(stderr, "error: --user %s: this user does not exist\n", name);
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

/* Returns an exit code. */
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

/* `check`: for --check-config, --dump-config and --reload, which do not notify the service manager. */
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

/* If the daemon is started without descriptors 0, 1 and 2, a socket could get one of these numbers, and the log would
   be written to it. */
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

/* Called before any secret is read. */
static void protect_secrets(void)
{
	/* a core file would contain every secret: this prevents one regardless of limits and core_pattern. It also
	   prevents other processes of the same user from reading our memory; root can still do so */
	prctl(PR_SET_DUMPABLE, 0);
	/* libcurl would write the keys of all TLS connections to this file */
	unsetenv("SSLKEYLOGFILE");
}

static void prepare_process(void)
{
	/* ignore signals that must not stop the daemon: systemd regards an end by SIGHUP or SIGALRM as clean
	   and does not restart the service */
	static const int ignored[] = {SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	umask(0077);
	/* many peers need many descriptors; the hard limit is set by the administrator */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Returns an exit code. */
static int reload(pid_t pid)
{
	if (kill(pid, SIGHUP) == 0)
		return EXIT_OK;
	fprintf(stderr, "error: cannot send SIGHUP to process %ld: %m\n", (long)pid);
	return EXIT_FAILED;
}

static int serve(struct config *config, const char *path)
{
	struct fault why;
	struct daemon *d;

	systemd_log_init();
	log_set_level(config->log_level);
	int r = daemon_new(config, path, &d, &why);
	if (r) {
		log_msg(LOG_L_ERROR, LOG_FIELDS({"reason", slice_of(why.text)}), "cannot start");
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
	protect_secrets();
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
		/* a failure is reported when the socket is made */
		if (user_socket_path(geteuid(), own_socket) &&
		    strcmp(config->listener.path, own_socket) == 0)
			user_socket_directory(own_socket);
		return serve(config, arguments.config);
	}
	config_free(config);
	return code;
}
