/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"cpgverify - self-checking CPG traffic, and a check of virtual synchrony\n"
	"\n"
	"  cpgverify run --group NAME --log FILE [option]...   on each node: send, receive, write a log\n"
	"  cpgverify verify [--stock] LOG...                   with all nodes' logs in one place: the "
	"verdict\n"
	"  cpgverify dump LOG                                  one line for each record of a log\n"
	"\n"
	"On a cluster: start `run` with the same group on all nodes at about the same time, break what you "
	"like\n"
	"meanwhile, copy the logs to one machine, `verify` them.\n"
	"\n"
	"Options of run:\n"
	"  --group NAME       the process group; nothing else may use it\n"
	"  --log FILE         where to write; must not exist. With more processes: FILE.1, FILE.2 ...\n"
	"  --processes K      processes, each sends and receives (--senders is the same; default 1)\n"
	"  --members N        begin to send when the group has N members (default: at once)\n"
	"  --seconds S        send for S seconds (default 10)\n"
	"  --messages N       send N messages per process instead\n"
	"  --rate N           messages per second and process (default: as fast as it goes)\n"
	"  --size MIN-MAX     bytes of payload, random, small ones more often; a header of 64 bytes is "
	"added,\n"
	"                     of 16 where the payload is below 48\n"
	"                     (default: 16 to the largest message that stays atomic)\n"
	"  --large            let --size go beyond the largest atomic message\n"
	"  --window BYTES     bytes that a process has sent and not got back yet (default 8388608, 0: no "
	"limit)\n"
	"  --seed N           for the sizes (default 1)\n"
	"  --linger           after sending, stay and receive until all members have sent their last "
	"message,\n"
	"                     or SIGTERM, or the stop file is there\n"
	"  --stop-file FILE   when this file is there, stop sending and leave\n"
	"  --reconnect        wait for the daemon; when it dies, come back as a new process when it is there "
	"again\n"
	"  --wait S           longest time for each wait: daemon, members, own messages (default 60)\n"
	"  --progress         a line each second\n"
	"\n"
	"What verify checks, over all the logs:\n"
	"  corrupt    every message is delivered as it was sent (SHA-256)\n"
	"  content    one message is the same everywhere, and comes from its sender's address\n"
	"  fifo       a sender's messages come once, and in the order of sending\n"
	"  stranger   every sender is in the receiver's view at delivery\n"
	"  view       members = members before + joined - left; the receiver is one of them; no member is of "
	"a\n"
	"             node outside the ring\n"
	"  disagree   members of one view see the same view, with the same joined and left; who came through "
	"a\n"
	"             ring change together is the same for all\n"
	"  synchrony  who passes from one view to the same next view, together, delivers the same messages "
	"there\n"
	"  order      there is one order of all messages that fits what every process delivered\n"
	"  lost       what was accepted (CS_OK) is delivered to its sender, if that ended by itself\n"
	"  invented   what is delivered was sent\n"
	"A log that ends early (kill -9, power loss) is normal: what it holds is checked. Logs of all "
	"processes\n"
	"should be given; without one, less can be checked.\n"
	"--stock allows for a loss known of rings with stock's wire format: when nodes merge, those that "
	"were not\n"
	"in the sender's previous ring may miss the first messages that they would get from it.\n"
	"\n"
	"Exit code: 0 fine, 1 a violation (verify) or an error (run), 2 wrong usage, or a log that can't be "
	"read.\n";

void options_help(void)
{
	fputs(help, stdout);
}

/* A decimal number from min to max and nothing else; *end is where it stops when given. */
static int parse_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end = NULL;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value >= min && *value <= max)
		return 0;
	fprintf(stderr, "cpgverify: --%s wants a number from %llu to %llu, not '%s'\n", name,
		(unsigned long long)min, (unsigned long long)max, text);
	return -1;
}

static int parse_number32(const char *name, const char *text, uint32_t min, uint32_t max, uint32_t *value)
{
	uint64_t wide;

	if (parse_number(name, text, min, max, &wide) != 0)
		return -1;
	*value = (uint32_t)wide;
	return 0;
}

static int parse_size(const char *text, struct run_options *options)
{
	char first[16];
	const char *dash = strchr(text, '-');
	size_t length = dash == NULL ? strlen(text) : (size_t)(dash - text);

	snprintf(first, sizeof(first), "%.*s", (int)(length < 15 ? length : 15), text);
	if (parse_number32("size", first, 0, 1u << 30, &options->size_min) != 0)
		return -1;
	if (parse_number32("size", dash == NULL ? first : dash + 1, 1, 1u << 30, &options->size_max) != 0)
		return -1;
	if (options->size_min <= options->size_max)
		return 0;
	fprintf(stderr, "cpgverify: --size: %s is empty\n", text);
	return -1;
}

enum {
	OPT_GROUP = 1,
	OPT_LOG,
	OPT_PROCESSES,
	OPT_MEMBERS,
	OPT_SECONDS,
	OPT_MESSAGES,
	OPT_RATE,
	OPT_SIZE,
	OPT_LARGE,
	OPT_WINDOW,
	OPT_SEED,
	OPT_LINGER,
	OPT_STOP_FILE,
	OPT_RECONNECT,
	OPT_WAIT,
	OPT_PROGRESS,
	OPT_HELP,
};

static const struct option table[] = {
	{"group", required_argument, NULL, OPT_GROUP},
	{"log", required_argument, NULL, OPT_LOG},
	{"processes", required_argument, NULL, OPT_PROCESSES},
	{"senders", required_argument, NULL, OPT_PROCESSES},
	{"members", required_argument, NULL, OPT_MEMBERS},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"messages", required_argument, NULL, OPT_MESSAGES},
	{"rate", required_argument, NULL, OPT_RATE},
	{"size", required_argument, NULL, OPT_SIZE},
	{"large", no_argument, NULL, OPT_LARGE},
	{"window", required_argument, NULL, OPT_WINDOW},
	{"seed", required_argument, NULL, OPT_SEED},
	{"linger", no_argument, NULL, OPT_LINGER},
	{"stop-file", required_argument, NULL, OPT_STOP_FILE},
	{"reconnect", no_argument, NULL, OPT_RECONNECT},
	{"wait", required_argument, NULL, OPT_WAIT},
	{"progress", no_argument, NULL, OPT_PROGRESS},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static int take_flag(int option, struct run_options *options)
{
	switch (option) {
	case OPT_GROUP:
		options->group = optarg;
		return 0;
	case OPT_LOG:
		options->log = optarg;
		return 0;
	case OPT_STOP_FILE:
		options->stop_file = optarg;
		return 0;
	case OPT_LARGE:
		options->large = true;
		return 0;
	case OPT_LINGER:
		options->linger = true;
		return 0;
	case OPT_RECONNECT:
		options->reconnect = true;
		return 0;
	case OPT_PROGRESS:
		options->progress = true;
		return 0;
	default:
		return -1;
	}
}

static int take_option(int option, struct run_options *options)
{
	switch (option) {
	case OPT_PROCESSES:
		return parse_number32("processes", optarg, 1, 10000, &options->processes);
	case OPT_MEMBERS:
		return parse_number32("members", optarg, 1, 1000000, &options->members);
	case OPT_SECONDS:
		return parse_number32("seconds", optarg, 1, 10000000, &options->seconds);
	case OPT_MESSAGES:
		return parse_number("messages", optarg, 1, 1000000000, &options->messages);
	case OPT_RATE:
		return parse_number32("rate", optarg, 1, 10000000, &options->rate);
	case OPT_SIZE:
		return parse_size(optarg, options);
	case OPT_WINDOW:
		return parse_number32("window", optarg, 0, 1u << 30, &options->window);
	case OPT_SEED:
		return parse_number("seed", optarg, 0, UINT64_MAX, &options->seed);
	case OPT_WAIT:
		return parse_number32("wait", optarg, 1, 1000000, &options->wait);
	default:
		return take_flag(option, options);
	}
}

static int check_required(const struct run_options *options, int extra)
{
	if (options->group == NULL || options->log == NULL)
		fprintf(stderr, "cpgverify: run needs --group and --log (see --help)\n");
	else if (options->group[0] == '\0' || strlen(options->group) > 128)
		fprintf(stderr, "cpgverify: a group name has 1 to 128 bytes\n");
	else if (options->seconds != 0 && options->messages != 0)
		fprintf(stderr, "cpgverify: --seconds or --messages, not both\n");
	else if (extra)
		fprintf(stderr, "cpgverify: run takes options only (see --help)\n");
	else
		return 0;
	return -1;
}

int options_parse(int argc, char **argv, struct run_options *options)
{
	int option;

	memset(options, 0, sizeof(*options));
	options->processes = 1;
	options->members = 1;
	options->size_min = 16;
	options->window = 8388608;
	options->wait = 60;
	options->seed = 1;
	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (option == OPT_HELP) {
			options_help();
			return 1;
		}
		if (take_option(option, options) != 0)
			return -1;
	}
	if (check_required(options, optind < argc) != 0)
		return -1;
	if (options->seconds == 0 && options->messages == 0)
		options->seconds = 10;
	return 0;
}
