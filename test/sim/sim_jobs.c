/* SPDX-License-Identifier: BSD-3-Clause */
/* Schedules in several processes: see sim_jobs.h. */
#include "sim_jobs.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_AGAIN (200 * SIM_MS)
#define LINE_EVERY 60 /* seconds, where no one watches */

/* A job's own part of what all share; others only read it. */
struct slot {
	pid_t pid;
	uint64_t running; /* seed, 0: none */
	struct sim_totals totals;
};

struct shared {
	atomic_uint_fast64_t next; /* seed */
	atomic_bool failed;
	struct slot slots[JOBS_MAX];
};

/* ---- how far it is ---- */

static void tell_line(const struct sim_jobs *jobs, const struct sim_totals *totals, bool watched)
{
	uint64_t all = jobs->last - jobs->first + 1;

	fprintf(stderr, "%s%llu of %llu seeds, %llu failed%s", watched ? "\r" : "",
		(unsigned long long)totals->seeds, (unsigned long long)all,
		(unsigned long long)totals->failed, watched ? "" : "\n");
}

static void tell_progress(const struct sim_jobs *jobs, const struct sim_totals *totals)
{
	static time_t told;
	bool watched = isatty(STDERR_FILENO);
	time_t now = time(NULL);

	if (told == 0) {
		told = now;
	}
	if (!jobs->quiet && now - told >= (watched ? 1 : LINE_EVERY)) {
		told = now;
		tell_line(jobs, totals, watched);
	}
}

static void end_progress(const struct sim_jobs *jobs)
{
	if (!jobs->quiet && isatty(STDERR_FILENO)) {
		fputs("\r\33[K", stderr);
	}
}

/* ---- in this process ---- */

static void run_here(const struct sim_jobs *jobs, struct sim_totals *totals)
{
	uint64_t seed;

	for (seed = jobs->first; seed <= jobs->last && !(jobs->until_failure && totals->failed); seed++) {
		jobs->run(seed, jobs->context, totals);
		tell_progress(jobs, totals);
	}
}

/* ---- in others ---- */

static void job(const struct sim_jobs *jobs, struct shared *shared, struct slot *slot)
{
	uint64_t seed;

	while ((seed = atomic_fetch_add(&shared->next, 1)) <= jobs->last &&
	       !(jobs->until_failure && shared->failed)) {
		slot->running = seed;
		jobs->run(seed, jobs->context, &slot->totals);
		shared->failed |= slot->totals.failed != 0;
		fflush(stdout);
	}
	slot->running = 0;
}

static void job_start(const struct sim_jobs *jobs, struct shared *shared, struct slot *slot)
{
	pid_t pid;

	fflush(stdout);
	slot->running = 0;
	pid = fork();
	if (pid < 0) {
		perror("fork");
		abort();
	}
	if (pid == 0) {
		job(jobs, shared, slot);
		exit(EXIT_SUCCESS);
	}
	slot->pid = pid; /* the parent's to write */
}

/* It ended in the middle of a seed: that is a failure like any other, and the next seeds are run all the same. */
static void job_died(const struct sim_jobs *jobs, struct shared *shared, struct slot *slot, int status)
{
	printf("seed %llu: the program ended %s %d\n", (unsigned long long)slot->running,
	       WIFSIGNALED(status) ? "by signal" : "with status",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	jobs->tell_again(slot->running, jobs->context);
	slot->totals.seeds++;
	slot->totals.failed++;
	shared->failed = true;
	job_start(jobs, shared, slot);
}

/* True: one ended. */
static bool job_wait(const struct sim_jobs *jobs, struct shared *shared, unsigned int *left)
{
	unsigned int i;
	int status;
	pid_t pid = waitpid(-1, &status, WNOHANG);

	for (i = 0; pid > 0 && i < jobs->count; i++) {
		struct slot *slot = &shared->slots[i];

		if (slot->pid != pid) {
			continue;
		}
		if (slot->running || status != 0) {
			job_died(jobs, shared, slot, status);
		} else {
			--*left;
		}
	}
	return pid > 0;
}

static void add_up(const struct sim_jobs *jobs, const struct shared *shared, struct sim_totals *totals)
{
	unsigned int i;

	memset(totals, 0, sizeof(*totals));
	for (i = 0; i < jobs->count; i++) {
		totals_merge(totals, &shared->slots[i].totals);
	}
}

static void run_in_others(const struct sim_jobs *jobs, struct sim_totals *totals)
{
	struct timespec delay = {.tv_nsec = LOOK_AGAIN};
	struct shared *shared =
		mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int left = jobs->count, i;

	if (shared == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	shared->next = jobs->first;
	for (i = 0; i < jobs->count; i++) {
		job_start(jobs, shared, &shared->slots[i]);
	}
	while (left) {
		if (!job_wait(jobs, shared, &left)) {
			nanosleep(&delay, NULL);
		}
		add_up(jobs, shared, totals);
		tell_progress(jobs, totals);
	}
	munmap(shared, sizeof(*shared));
}

void jobs_run(const struct sim_jobs *jobs, struct sim_totals *totals)
{
	if (jobs->count) {
		run_in_others(jobs, totals);
	} else {
		run_here(jobs, totals);
	}
	end_progress(jobs);
}
