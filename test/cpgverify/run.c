/* SPDX-License-Identifier: BSD-3-Clause */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log_write.h"
#include "memory.h"
#include "traffic.h"

struct run {
	const struct run_options *options;
	struct shared *shared;
	pid_t *pids; /* 0: ended */
	uint32_t running;
	uint32_t killed, failed, died, back;
	bool usage;
	int64_t begin, shown;
	sigset_t signals;
};

/* The one thing that a signal handler can reach. */
static struct shared *signal_target;

static void on_stop(int number)
{
	(void)number;
	atomic_store(&signal_target->stop, 1);
}

static void log_name(const struct run_options *options, uint32_t number, char *name, size_t room)
{
	if (options->processes == 1)
		snprintf(name, room, "%s", options->log);
	else
		snprintf(name, room, "%s.%u", options->log, number + 1);
}

static int create_logs(const struct run_options *options)
{
	char name[4096];
	uint32_t i;
	int error;

	for (i = 0; i < options->processes; i++) {
		log_name(options, i, name, sizeof(name));
		error = log_create(name);
		if (error != 0) {
			fprintf(stderr, "cpgverify: %s: %s\n", name, strerror(-error));
			return -1;
		}
	}
	return 0;
}

/* A log without a session would only be in the way of the next try. */
static void remove_empty_logs(const struct run_options *options)
{
	char name[4096];
	struct stat status;
	uint32_t i;

	for (i = 0; i < options->processes; i++) {
		log_name(options, i, name, sizeof(name));
		if (stat(name, &status) == 0 && status.st_size == LOG_MAGIC_SIZE)
			unlink(name);
	}
}

/* In the new process: a signal asks it to stop; it does not outlive its parent for long. */
static void child(struct run *run, uint32_t number)
{
	struct sigaction stop = {.sa_handler = on_stop};
	char name[4096];

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &run->signals, NULL);
	log_name(run->options, number, name, sizeof(name));
	exit(traffic_run(run->options, name, run->shared, number));
}

static int start_process(struct run *run, uint32_t number)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(run, number);
	if (pid < 0) {
		fprintf(stderr, "cpgverify: fork: %s\n", strerror(errno));
		run->failed++;
		return -1;
	}
	run->pids[number] = pid;
	run->running++;
	return 0;
}

static void show_progress(struct run *run)
{
	const struct progress *at = run->shared->processes;
	uint64_t sent = 0, delivered = 0, corrupt = 0, views = 0, retries = 0, errors = 0;
	uint32_t i;

	for (i = 0; i < run->options->processes; i++, at++) {
		sent += at->sent;
		delivered += at->delivered;
		corrupt += at->corrupt;
		views += at->views;
		retries += at->retries;
		errors += at->errors;
	}
	run->shown = traffic_now();
	fprintf(stderr,
		"%scpgverify: %3" PRId64 " s, %u running: sent %" PRIu64 ", delivered and verified %" PRIu64
		", corrupt %" PRIu64 ", views %" PRIu64 ", retries %" PRIu64 ", errors %" PRIu64 "%s",
		isatty(2) ? "\r" : "", (run->shown - run->begin) / 1000000000, run->running, sent, delivered,
		corrupt, views, retries, errors, isatty(2) && run->running > 0 ? "\033[K" : "\n");
}

static void note_end(struct run *run, uint32_t number, int status)
{
	bool died = WIFEXITED(status) && WEXITSTATUS(status) == TRAFFIC_DEAD;

	run->pids[number] = 0;
	run->running--;
	if (died && run->options->reconnect && atomic_load(&run->shared->stop) == 0) {
		run->back++;
		start_process(run, number);
	} else if (died) {
		run->died++;
	} else if (WIFSIGNALED(status)) {
		run->killed++;
	} else if (WEXITSTATUS(status) == TRAFFIC_USAGE) {
		run->usage = true;
	} else if (WEXITSTATUS(status) != TRAFFIC_OK) {
		run->failed++;
	}
}

static void reap(struct run *run)
{
	int status;
	pid_t pid;
	uint32_t i;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (i = 0; i < run->options->processes; i++)
			if (run->pids[i] == pid) {
				note_end(run, i, status);
				break;
			}
}

static void wait_for_all(struct run *run)
{
	struct timespec second = {.tv_sec = 1};
	int number;

	while (run->running > 0) {
		number = sigtimedwait(&run->signals, NULL, &second);
		if (number == SIGTERM || number == SIGINT)
			atomic_store(&run->shared->stop, 1);
		reap(run);
		if (run->options->progress && traffic_now() - run->shown >= 1000000000)
			show_progress(run);
	}
}

static int verdict(struct run *run)
{
	show_progress(run);
	if (run->back > 0)
		fprintf(stderr, "cpgverify: %u times a process came back after the daemon died\n", run->back);
	if (run->died + run->killed + run->failed > 0)
		fprintf(stderr,
			"cpgverify: of %u processes %u lost the daemon, %u were killed, %u ended with an "
			"error\n",
			run->options->processes, run->died, run->killed, run->failed);
	if (run->usage)
		return 2;
	return run->died + run->killed + run->failed > 0 ? 1 : 0;
}

static struct shared *share(const struct run_options *options)
{
	size_t size = sizeof(struct shared) + options->processes * sizeof(struct progress);
	struct shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED) {
		fprintf(stderr, "cpgverify: mmap: %s\n", strerror(errno));
		return NULL;
	}
	if (options->seconds != 0)
		shared->end = traffic_now() + options->seconds * INT64_C(1000000000);
	return shared;
}

int run(const struct run_options *options)
{
	struct run state = {.options = options};
	uint32_t i;
	int result;

	state.shared = share(options);
	if (state.shared == NULL || create_logs(options) != 0)
		return 2;
	signal_target = state.shared;
	sigemptyset(&state.signals);
	sigaddset(&state.signals, SIGTERM);
	sigaddset(&state.signals, SIGINT);
	sigaddset(&state.signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &state.signals, NULL);
	state.begin = state.shown = traffic_now();
	state.pids = memory_new(options->processes, sizeof(*state.pids));
	for (i = 0; i < options->processes; i++)
		if (start_process(&state, i) != 0)
			break;
	wait_for_all(&state);
	result = verdict(&state);
	remove_empty_logs(options);
	free(state.pids);
	return result;
}
