/*
 * cometctl help: the summary, and a page for each verb. cometctl(1) has the rest.
 */
#include "cometctl.h"

#include <string.h>

static const char summary[] =
	"usage: cometctl [OPTIONS] VERB ...\n"
	"  sub CHANNEL...       print each message of a channel or pattern, as it comes\n"
	"  history CHANNEL...   print the messages that the daemon's log has\n"
	"  pub CHANNEL JSON|-   publish a message, or each line of standard input\n"
	"  call CHANNEL JSON    ask a service channel and print the answer\n"
	"  consumers            list the durable consumers and what waits for them\n"
	"  forget NAME          remove a durable consumer\n"
	"  wait                 wait until the session with the server is connected\n"
	"  status               show servers, connected programs, and lost messages\n"
	"  reload               make the daemon read its configuration again\n"
	"  config               print the configuration in effect\n"
	"  help [VERB]          this help, or that of a verb\n"
	"options of all verbs, before or after the verb:\n"
	"  -s, --server NAME    a configured server (default: the default server)\n"
	"  --socket PATH        the daemon's socket (default: $COMETD_BRIDGE_SOCKET, or\n"
	"                       the socket of a daemon of your own, or\n"
	"                       " COMETD_SOCKET_DEFAULT ")\n"
	"  --timeout SEC        give up after this time\n"
	"  --json[=pretty]      print JSON objects, one per line, or indented\n"
	"  --name NAME          the name shown in status (cometctl)\n"
	"  -q, --quiet          no messages on standard error\n"
	"  -v, --verbose        more messages; status: also channels and subscribers\n"
	"  --color[=WHEN]       auto, always or never\n"
	"  -h, --help           print help; with a verb, its help\n"
	"  -V, --version        print the version\n"
	"exit status: 0 success, 1 failure, 2 usage, 3 no daemon, 4 denied, 5 refused by\n"
	"             the server, 6 timed out, 7 outcome unknown, 8 not sent, 9 wrong\n"
	"             configuration\n";

static const struct {
	const char *verb, *text;
} pages[] = {
	{"sub",
	 "usage: cometctl sub CHANNEL... [-s SERVER]... [-n COUNT] [--timeout SEC]\n"
	 "                    [--history N | --since WHEN]\n"
	 "                    [--durable NAME [--exec COMMAND]]\n"
	 "                    [--format FORMAT | --data-only | --json[=pretty]] [-v]\n"
	 "Prints each message of these channels as CHANNEL<TAB>DATA (with several -s:\n"
	 "SERVER<TAB>CHANNEL<TAB>DATA), until it is interrupted.\n"
	 "  /chat/*   one more segment      /chat/**   any number of them\n"
	 "  -n, --count COUNT    end after this many messages\n"
	 "  --timeout SEC        end after this time, with exit status 6\n"
	 "  --history N          begin with the last N messages that the daemon's log has\n"
	 "  --since WHEN         begin after this %{position} of an earlier run, or with\n"
	 "                       those since a time: 10m, 09:30, 2026-11-30T09:30\n"
	 "  --durable NAME       each message at least once: the daemon keeps those that\n"
	 "                       were not printed, also while nothing has this consumer\n"
	 "  --exec COMMAND       with --durable: run it for each message, with the data on\n"
	 "                       its standard input, again until its exit status is 0\n"
	 "  --format FORMAT      fields of each message: %{time} %{server} %{channel}\n"
	 "                       %{data} %{text} %{seq} %{id} %{position}; \\t is a tab,\n"
	 "                       \\n a new line\n"
	 "  --data-only          the same as --format '%{data}'\n"
	 "  --json               print each event of the daemon\n"
	 "  -v                   report when the subscription is established, and the\n"
	 "                       position at the end\n"
	 "example: cometctl sub '/chat/*' --format '%{time} %{channel} %{text}'\n"},
	{"history",
	 "usage: cometctl history CHANNEL... [-s SERVER]... [-n COUNT] [--since WHEN]\n"
	 "                    [--format FORMAT | --data-only | --json[=pretty]] [-v]\n"
	 "Prints the messages of these channels that the daemon's log has, and ends. The\n"
	 "server is asked nothing: the log has channels that programs were subscribed to.\n"
	 "  -n, --count COUNT    only the last ones; with --since, only the first ones\n"
	 "  --since WHEN         only what came after this %{position} of an earlier run,\n"
	 "                       or since a time: 10m, 09:30, 2026-11-30T09:30\n"
	 "  --timeout SEC        end after this time, with exit status 6\n"
	 "  --format FORMAT      as for sub\n"
	 "  --data-only          the same as --format '%{data}'\n"
	 "  --json               print each event of the daemon\n"
	 "  -v                   report the position at the end\n"
	 "examples: cometctl history '/chat/*' -n 10\n"
	 "          cometctl history '/chat/*' --since 10m\n"},
	{"pub",
	 "usage: cometctl pub CHANNEL JSON|- [--text] [OPTIONS]\n"
	 "       cometctl pub CHANNEL --file FILE|- [--text] [OPTIONS]\n"
	 "       cometctl pub CHANNEL --binary FILE|- [OPTIONS]\n"
	 "Publishes, and ends when the server has acknowledged it. With - each line of\n"
	 "standard input is one message; after the first failure no more is read.\n"
	 "  --text               publish plain text instead of JSON\n"
	 "  --file FILE          one message: the content of the file\n"
	 "  --binary FILE        the bytes of the file\n"
	 "  --ext OBJECT         the message's Bayeux ext, a JSON object\n"
	 "  --timeout SEC        deadline of each message (30)\n"
	 "  --json               print the outcome of each message\n"
	 "examples: cometctl pub /chat/room '{\"text\":\"hello\"}'\n"
	 "          uptime | cometctl pub /load --text -\n"},
	{"call",
	 "usage: cometctl call CHANNEL JSON [--text] [OPTIONS]\n"
	 "       cometctl call CHANNEL --file FILE|- [--text] [OPTIONS]\n"
	 "Asks a service channel and prints the data of the answer.\n"
	 "  --ext OBJECT         the message's Bayeux ext, a JSON object\n"
	 "  --json               print the whole answer\n"
	 "  --timeout SEC        time to wait for the answer (30)\n"
	 "example: cometctl call /service/time null\n"},
	{"wait",
	 "usage: cometctl wait [-s SERVER]... [--state STATE] [--timeout SEC] [-v]\n"
	 "Ends when the session with the server is in STATE (connected). The daemon may be\n"
	 "started later. States: off, handshaking, connecting, connected, unconnected,\n"
	 "halted, disconnecting.\n"
	 "example: cometctl wait --timeout 30 && cometctl pub /chat/room 1\n"},
	{"consumers",
	 "usage: cometctl consumers [-s SERVER]... [--json[=pretty]]\n"
	 "Prints the durable consumers, which cometctl sub or other programs created, and\n"
	 "the messages that wait for them.\n"
	 "  -s, --server NAME    only those of these servers\n"
	 "  --json               print one object for each\n"},
	{"forget",
	 "usage: cometctl forget NAME [-s SERVER]\n"
	 "Removes a durable consumer with all messages that wait for it. For its user and\n"
	 "root, while no program has it.\n"
	 "example: cometctl forget billing\n"},
	{"status",
	 "usage: cometctl status [-s SERVER]... [-v] [--json[=pretty]]\n"
	 "Prints the servers and the programs that are connected to the daemon.\n"
	 "  -s, --server NAME    only these servers\n"
	 "  -v                   also the channels and their subscribers\n"},
	{"reload",
	 "usage: cometctl reload [--json[=pretty]]\n"
	 "Makes the daemon read its configuration again, and prints what changed. If the\n"
	 "configuration has an error (exit status 9), the daemon keeps the previous one.\n"
	 "For root and the user of the daemon.\n"},
	{"config",
	 "usage: cometctl config [--json[=pretty]]\n"
	 "Prints the configuration in effect: each option with the file and the line where\n"
	 "it is set, and all defaults. For root and the user of the daemon.\n"},
	{"help", "usage: cometctl help [VERB]\n"},
};

int cmd_help(struct ctl *ctl)
{
	const char *verb = ctl->n_args > 0 ? ctl->args[0] : NULL;

	if (!verb) {
		fputs(summary, stdout);
		return EXIT_OK;
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (!strcmp(verb, pages[i].verb)) {
			fputs(pages[i].text, stdout);
			return EXIT_OK;
		}
	report("no such verb: ", verb, NULL);
	report("try cometctl --help", NULL);
	return EXIT_USAGE;
}
