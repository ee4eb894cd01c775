/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs random schedules (sim_schedule.h) by their seeds, and tells what became of them. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "sim_jobs.h"

struct options {
	struct sim_jobs jobs;
	struct schedule_options schedule;
	bool any_kind;		/* by the seed */
	bool each_allocation;	/* of each seed, fails in turn */
	uint64_t allocation_of; /* the seed whose turn it is */
	char given[200];	/* of the command line, what says how schedules are made */
};

/* ---- seeds ---- */

static void tell_again(uint64_t seed, const void *context)
{
	const struct options *options = context;

	printf("  again: ./sim_run%s --replay %llu --trace\n", options->given, (unsigned long long)seed);
}

static void tell_broken(const char *what, uint64_t number, const struct sim_world *world)
{
	printf("%s %llu: %llu violations, first: %s\n", what, (unsigned long long)number,
	       (unsigned long long)oracle_violations(world->oracle), oracle_first(world->oracle));
}

static void run_seed(uint64_t seed, const void *context, struct sim_totals *totals)
{
	const struct options *options = context;
	struct schedule_options schedule = options->schedule;
	struct sim_world world;

	if (options->any_kind) {
		schedule_choose(seed, &schedule);
	}
	schedule_run(&world, seed, &schedule);
	if (oracle_violations(world.oracle)) {
		tell_broken("seed", seed, &world);
		tell_again(seed, options);
	}
	totals_add(totals, &world, schedule.kind);
	world_free(&world);
}

/* ---- allocations of one seed ---- */

static void tell_allocation_again(uint64_t number, const void *context)
{
	const struct options *options = context;

	printf("  again: ./sim_run%s --replay %llu --memory-at %llu --trace\n", options->given,
	       (unsigned long long)options->allocation_of, (unsigned long long)number);
}

static void run_allocation(uint64_t number, const void *context, struct sim_totals *totals)
{
	const struct options *options = context;
	struct schedule_options schedule = options->schedule;
	struct sim_world world;

	schedule.memory_at = number;
	schedule_run(&world, options->allocation_of, &schedule);
	if (oracle_violations(world.oracle)) {
		tell_broken("allocation", number, &world);
		tell_allocation_again(number, options);
	}
	totals_add(totals, &world, KIND_MEMORY);
	world_free(&world);
}

/* As many as there are when none fails. */
static uint64_t count_allocations(const struct options *options)
{
	struct sim_totals totals = {0};

	run_allocation(UINT64_MAX, options, &totals);
	return totals.memory.allocations;
}

static void run_allocations(struct options *options, struct sim_totals *totals)
{
	const struct sim_jobs seeds = options->jobs;
	struct sim_totals of_seed;

	options->jobs.first = 1;
	options->jobs.run = run_allocation;
	options->jobs.tell_again = tell_allocation_again;
	for (options->allocation_of = seeds.first; options->allocation_of <= seeds.last;
	     options->allocation_of++) {
		memset(&of_seed, 0, sizeof(of_seed));
		options->jobs.last = count_allocations(options);
		jobs_run(&options->jobs, &of_seed);
		totals_merge(totals, &of_seed);
	}
}

/* ---- the command line ---- */

static void usage(FILE *out)
{
	fputs("usage: sim_run [--seeds A-B] [--any] [--jobs N] [--until-failure] [--nodes N] [--steps N] "
	      "[--load KIND]\n"
	      "               [--stock N|all] [--models] [--strict] [--inject] [--memory] [--memory-at N]\n"
	      "               [--each-allocation] [--replay SEED] [--trace] [--quiet]\n"
	      "  --seeds A-B    run these schedules (default 1-100)\n"
	      "  --any          the seed says all that the options from --stock to --memory say, too\n"
	      "  --jobs N       so many at once, each in a process of its own\n"
	      "  --until-failure  begin no more when one failed\n"
	      "  --nodes N      nodes in each (default: the seed says)\n"
	      "  --steps N      things that happen in each (default: the seed says)\n"
	      "  --load KIND    flood, slow or large (default: the seed says)\n"
	      "  --stock N|all  so many nodes run a model of stock's engine (default: the seed says)\n"
	      "  --models       nodes that speak stock's format by the seed may run that model\n"
	      "  --strict       hold what stock does against the whole contract\n"
	      "  --inject       nodes lose batches, as the real totem does at times; no node speaks stock's "
	      "format\n"
	      "  --memory       allocations of engines fail, by the seed\n"
	      "  --memory-at N  one does, the Nth\n"
	      "  --each-allocation  run each schedule as often as engines allocate in it: each fails in "
	      "turn\n"

	      "  --replay SEED  run this one\n"
	      "  --trace        tell what happens, step by step\n"
	      "  --quiet        do not tell how far it is\n",
	      out);
}

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && end != text && *number > 0;
}

static bool parse_seeds(const char *text, struct sim_jobs *jobs)
{
	char *end;

	errno = 0;
	jobs->first = jobs->last = strtoull(text, &end, 10);
	if (*end == '-') {
		jobs->last = strtoull(end + 1, &end, 10);
	}
	return errno == 0 && *end == '\0' && end != text && jobs->first <= jobs->last;
}

/* Up to `most`. */
static bool parse_count(const char *text, unsigned int most, unsigned int *count)
{
	uint64_t number;
	bool good = parse_number(text, &number) && number <= most;

	*count = (unsigned int)number;
	return good;
}

static bool parse_load(const char *text, enum schedule_load *load)
{
	static const char *const names[LOADS] = {
		[LOAD_FLOOD] = "flood", [LOAD_SLOW] = "slow", [LOAD_LARGE] = "large"};
	int i;

	for (i = 0; i < LOADS; i++) {
		if (names[i] && strcmp(text, names[i]) == 0) {
			*load = (enum schedule_load)i;
			return true;
		}
	}
	return false;
}

/* What makes schedules other ones. */
static bool parse_schedule_option(int option, struct schedule_options *schedule)
{
	switch (option) {
	case 'n':
		return parse_count(optarg, SIM_NODES_MAX, &schedule->nodes);
	case 'p':
		return parse_count(optarg, UINT32_MAX, &schedule->steps);
	case 'l':
		return parse_load(optarg, &schedule->load);
	case 'k':
		schedule->stock = SIM_NODES_MAX;
		return strcmp(optarg, "all") == 0 || parse_count(optarg, SIM_NODES_MAX, &schedule->stock);
	case 'm':
		return schedule->models = true;
	case 'x':
		return schedule->strict = true;
	case 'i':
		return schedule->inject = true;
	case 'o':
		return schedule->memory = true;
	default:
		return false;
	}
}

static bool parse_option(int option, struct options *options)
{
	switch (option) {
	case 's':
		return parse_seeds(optarg, &options->jobs);
	case 'j':
		return parse_count(optarg, JOBS_MAX, &options->jobs.count);
	case 'u':
		return options->jobs.until_failure = true;
	case 'q':
		return options->jobs.quiet = true;
	case 'e':
		return options->each_allocation = true;
	case 'f':
		return parse_number(optarg, &options->schedule.memory_at);
	case 't':
		options->schedule.trace = stdout;
		return true;
	case 'a':
		return options->any_kind = true;
	default:
		return parse_schedule_option(option, &options->schedule);
	}
}

static bool makes_schedules(int option)
{
	return strchr("ankplmxio", option) != NULL;
}

static void remember_given(struct options *options, const char *name)
{
	size_t length = strlen(options->given);

	snprintf(options->given + length, sizeof(options->given) - length, " --%s%s%s", name,
		 optarg ? " " : "", optarg ? optarg : "");
}

static int run(struct options *options)
{
	struct sim_totals totals = {0};

	options->jobs.context = options;
	options->jobs.run = run_seed;
	options->jobs.tell_again = tell_again;
	if (options->each_allocation) {
		run_allocations(options, &totals);
	} else {
		jobs_run(&options->jobs, &totals);
	}
	totals_tell(&totals);
	return totals.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option names[] = {{"seeds", required_argument, NULL, 's'},
					      {"replay", required_argument, NULL, 's'},
					      {"any", no_argument, NULL, 'a'},
					      {"jobs", required_argument, NULL, 'j'},
					      {"until-failure", no_argument, NULL, 'u'},
					      {"nodes", required_argument, NULL, 'n'},
					      {"steps", required_argument, NULL, 'p'},
					      {"load", required_argument, NULL, 'l'},
					      {"stock", required_argument, NULL, 'k'},
					      {"models", no_argument, NULL, 'm'},
					      {"strict", no_argument, NULL, 'x'},
					      {"inject", no_argument, NULL, 'i'},
					      {"memory", no_argument, NULL, 'o'},
					      {"memory-at", required_argument, NULL, 'f'},
					      {"each-allocation", no_argument, NULL, 'e'},
					      {"trace", no_argument, NULL, 't'},
					      {"quiet", no_argument, NULL, 'q'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	struct options options = {.jobs = {.first = 1, .last = 100}};
	bool good = true;
	int option, at = 0;

	while ((option = getopt_long(argc, argv, "", names, &at)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		good &= parse_option(option, &options);
		if (good && makes_schedules(option)) {
			remember_given(&options, names[at].name);
		}
	}
	if (!good || optind != argc) {
		usage(stderr);
		return 2;
	}
	return run(&options);
}
