/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs random schedules (sim_schedule.h) by their seeds, and tells what became of them. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim_schedule.h"

struct options {
	uint64_t first, last;
	struct schedule_options schedule;
	bool quiet;
};

struct totals {
	struct oracle_totals oracle;
	struct sim_counts counts;
	uint64_t seeds, failed, rings, behind_gap, late, aborted, evictions, accepted, chain_drops, injected;
	uint64_t ring_messages, ring_blocks, ring_refusals, ring_moves, ring_heard, scribbles;
	uint64_t stock_seeds, weak[ORACLE_KINDS];
};

static void totals_add(struct totals *totals, const struct sim_world *world)
{
	struct sim_counts counts = world_counts(world);
	struct oracle_totals oracle;
	int kind;

	oracle_totals(world->oracle, &oracle);
	totals->oracle.sessions += oracle.sessions;
	totals->oracle.views += oracle.views;
	totals->oracle.messages += oracle.messages;
	totals->oracle.compared += oracle.compared;
	totals->rings += world->totem.stats.rings;
	totals->behind_gap += world->totem.stats.behind_gap;
	totals->late += world->totem.stats.late_activations;
	totals->aborted += world->totem.stats.aborted_syncs;
	totals->chain_drops += world->totem.stats.chain_drops;
	totals->evictions += world->stats.evictions;
	totals->accepted += world->stats.accepted;
	totals->injected += world->stats.injected;
	totals->ring_messages += world->stats.ring_messages;
	totals->ring_blocks += world->stats.ring_blocks;
	totals->ring_refusals += world->stats.ring_refusals;
	totals->ring_moves += world->stats.ring_moves;
	totals->ring_heard += world->stats.ring_heard;
	totals->scribbles += world->stats.scribbles;
	totals->counts.gaps += counts.gaps;
	totals->counts.lost += counts.lost;
	totals->stock_seeds += world->any_stock;
	for (kind = 0; kind < ORACLE_KINDS; kind++) {
		totals->weak[kind] += oracle_weak(world->oracle, (enum oracle_kind)kind);
	}
	totals->seeds++;
}

static void run_seed(uint64_t seed, const struct options *options, struct totals *totals)
{
	struct sim_world world;

	schedule_run(&world, seed, &options->schedule);
	if (oracle_violations(world.oracle)) {
		totals->failed++;
		printf("seed %llu: %llu violations, first: %s\n", (unsigned long long)seed,
		       (unsigned long long)oracle_violations(world.oracle), oracle_first(world.oracle));
	}
	totals_add(totals, &world);
	world_free(&world);
}

static void tell_rings(const struct totals *totals)
{
	printf("; through rings %llu sent, %llu in blocks, %llu refused, %llu moved, %llu heard, %llu "
	       "scribbles",
	       (unsigned long long)totals->ring_messages + (unsigned long long)totals->ring_blocks,
	       (unsigned long long)totals->ring_blocks, (unsigned long long)totals->ring_refusals,
	       (unsigned long long)totals->ring_moves, (unsigned long long)totals->ring_heard,
	       (unsigned long long)totals->scribbles);
}

/* What is not promised where stock has its hands in. */
static void tell_weak(const struct totals *totals)
{
	int kind;

	printf("; in %llu seeds with stock's format", (unsigned long long)totals->stock_seeds);
	for (kind = 0; kind < ORACLE_KINDS; kind++) {
		if (totals->weak[kind]) {
			printf(" %llu %s,", (unsigned long long)totals->weak[kind],
			       oracle_kind_name((enum oracle_kind)kind));
		}
	}
	printf(" %llu given up\n", (unsigned long long)totals->counts.lost);
}

static void tell(const struct totals *totals)
{
	printf("%llu seeds, %llu failed: %llu rings (%llu syncs aborted, %llu late activations, %llu "
	       "messages behind gaps), %llu sessions, %llu sent, %llu heard, %llu views, %llu histories "
	       "compared, %llu evictions, %llu chain drops, %llu batches lost, %llu gaps",
	       (unsigned long long)totals->seeds, (unsigned long long)totals->failed,
	       (unsigned long long)totals->rings, (unsigned long long)totals->aborted,
	       (unsigned long long)totals->late, (unsigned long long)totals->behind_gap,
	       (unsigned long long)totals->oracle.sessions, (unsigned long long)totals->accepted,
	       (unsigned long long)totals->oracle.messages, (unsigned long long)totals->oracle.views,
	       (unsigned long long)totals->oracle.compared, (unsigned long long)totals->evictions,
	       (unsigned long long)totals->chain_drops, (unsigned long long)totals->injected,
	       (unsigned long long)totals->counts.gaps);
	tell_rings(totals);
	tell_weak(totals);
}

/* For who watches. */
static void tell_progress(const struct totals *totals, const struct options *options)
{
	static time_t told;
	uint64_t all = options->last - options->first + 1;
	time_t now = time(NULL);

	if (!options->quiet && now != told && isatty(STDERR_FILENO)) {
		told = now;
		fprintf(stderr, "\r%llu of %llu seeds, %llu failed", (unsigned long long)totals->seeds,
			(unsigned long long)all, (unsigned long long)totals->failed);
	}
}

static void end_progress(const struct options *options)
{
	if (!options->quiet && isatty(STDERR_FILENO)) {
		fputs("\r\33[K", stderr);
	}
}

static int run_seeds(const struct options *options)
{
	struct totals totals = {0};
	uint64_t seed;

	for (seed = options->first; seed <= options->last; seed++) {
		run_seed(seed, options, &totals);
		tell_progress(&totals, options);
	}
	end_progress(options);
	tell(&totals);
	return totals.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- the command line ---- */

static void usage(FILE *out)
{
	fputs("usage: sim_run [--seeds A-B] [--nodes N] [--steps N] [--stock N|all] [--models] [--strict]\n"
	      "               [--inject] [--replay SEED] [--trace] [--quiet]\n"
	      "  --seeds A-B    run these schedules (default 1-100)\n"
	      "  --nodes N      nodes in each (default: the seed says)\n"
	      "  --steps N      things that happen in each (default: the seed says)\n"
	      "  --stock N|all  so many nodes run a model of stock's engine (default: the seed says)\n"
	      "  --models       nodes that speak stock's format by the seed may run that model\n"
	      "  --strict       hold what stock does against the whole contract\n"
	      "  --inject       nodes lose batches, as the real totem never does; no node speaks stock's "
	      "format\n"
	      "  --replay SEED  run this one\n"
	      "  --trace        tell what happens, step by step\n"
	      "  --quiet        no progress (there is none where nobody watches)\n",
	      out);
}

static bool parse_seeds(const char *text, struct options *options)
{
	char *end;

	errno = 0;
	options->first = options->last = strtoull(text, &end, 10);
	if (*end == '-') {
		options->last = strtoull(end + 1, &end, 10);
	}
	return errno == 0 && *end == '\0' && end != text && options->first <= options->last;
}

/* Up to as many nodes as there can be. */
static bool parse_nodes(const char *text, unsigned int *nodes)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	*nodes = (unsigned int)number;
	return *end == '\0' && number > 0 && number <= SIM_NODES_MAX;
}

static bool parse_option(int option, struct options *options)
{
	struct schedule_options *schedule = &options->schedule;

	switch (option) {
	case 's':
		return parse_seeds(optarg, options);
	case 'n':
		return parse_nodes(optarg, &schedule->nodes);
	case 'p':
		schedule->steps = (unsigned int)strtoul(optarg, NULL, 10);
		return true;
	case 'k':
		schedule->stock = SIM_NODES_MAX;
		return strcmp(optarg, "all") == 0 || parse_nodes(optarg, &schedule->stock);
	case 'm':
		return schedule->models = true;
	case 'x':
		return schedule->strict = true;
	case 'i':
		return schedule->inject = true;
	case 't':
		schedule->trace = stdout;
		return true;
	case 'q':
		return options->quiet = true;
	default:
		return false;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{"seeds", required_argument, NULL, 's'}, {"replay", required_argument, NULL, 's'},
		{"nodes", required_argument, NULL, 'n'}, {"steps", required_argument, NULL, 'p'},
		{"stock", required_argument, NULL, 'k'}, {"models", no_argument, NULL, 'm'},
		{"strict", no_argument, NULL, 'x'},	 {"inject", no_argument, NULL, 'i'},
		{"trace", no_argument, NULL, 't'},	 {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},	 {NULL, 0, NULL, 0}};
	struct options options = {.first = 1, .last = 100};
	bool good = true;
	int option;

	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (option == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		good &= parse_option(option, &options);
	}
	if (!good || optind != argc) {
		usage(stderr);
		return 2;
	}
	return run_seeds(&options);
}
