/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench_clients PROCESSES HANDLES: so many processes with so many handles each, which join a group for each handle, the same
 * ones in each process (a process can be in a group only once). Then they take what comes, until they are killed.
 *
 * Output, one line each; NS is the time of day:
 *	connecting NS		all processes are there
 *	joining NS		all handles are connected
 *	members N NS		of each process, when the last views of all its handles show N members
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define MEMBERS_MAX 1024u /* more is as many */

struct client {
	cpg_handle_t handle;
	size_t members;
};

static struct {
	struct client *clients;
	unsigned long handles;
	unsigned long seeing[MEMBERS_MAX + 1]; /* handles whose last view shows so many members */
} all;

/* A step that all processes take together: each says that it is ready, and waits for the end of `go`. */
struct step {
	int ready[2], go[2];
};

/* Of the day, as logs of nodes have it. */
static uint64_t time_of_day(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_REALTIME, &time);
	return (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_nsec;
}

static void on_view(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		    size_t member_count, const struct cpg_address *left, size_t left_count,
		    const struct cpg_address *joined, size_t joined_count)
{
	void *context;
	struct client *client;

	(void)group;
	(void)members;
	(void)left;
	(void)left_count;
	(void)joined;
	(void)joined_count;
	if (cpg_context_get(handle, &context) != CS_OK) {
		bench_die("a view of no client of ours, members", (long)member_count);
	}
	client = context;
	member_count = member_count < MEMBERS_MAX ? member_count : MEMBERS_MAX;
	all.seeing[client->members]--;
	client->members = member_count;
	if (++all.seeing[member_count] == all.handles) {
		dprintf(STDOUT_FILENO, "members %zu %lu\n", member_count, (unsigned long)time_of_day());
	}
}

static void step_make(struct step *step)
{
	if (pipe(step->ready) != 0 || pipe(step->go) != 0) {
		bench_die("no pipe", errno);
	}
}

static void step_take_part(struct step *step)
{
	char byte;

	if (write(step->ready[1], "", 1) != 1 || read(step->go[0], &byte, 1) != 0) {
		bench_die("a step was not taken together", errno);
	}
}

static void step_lead(struct step *step, unsigned long processes, const char *name)
{
	char byte;

	(void)close(step->ready[1]);
	while (processes--) {
		if (read(step->ready[0], &byte, 1) != 1) {
			bench_die("a step was not taken together", errno);
		}
	}
	dprintf(STDOUT_FILENO, "%s %lu\n", name, (unsigned long)time_of_day());
	(void)close(step->go[1]);
}

static void connect_all(int epoll)
{
	for (unsigned long i = 0; i < all.handles; i++) {
		struct client *client = &all.clients[i];
		struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
		int fd;

		client->handle = bench_connect(NULL, on_view, client);
		if (cpg_fd_get(client->handle, &fd) != CS_OK ||
		    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
			bench_die("no descriptor", errno);
		}
	}
}

static void join_all(void)
{
	char group[32];

	for (unsigned long i = 0; i < all.handles; i++) {
		(void)snprintf(group, sizeof(group), "clients-%lu", i);
		bench_join(all.clients[i].handle, group);
	}
}

static _Noreturn void take_for_ever(int epoll)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < count; i++) {
			struct client *client = events[i].data.ptr;
			cs_error_t error = cpg_dispatch(client->handle, CS_DISPATCH_ALL);

			if (error != CS_OK) {
				bench_die("corosync is gone, or ended a connection", error);
			}
		}
	}
}

static _Noreturn void be_clients(struct step *connecting, struct step *joining)
{
	int epoll = epoll_create1(0);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	all.clients = calloc(all.handles, sizeof(*all.clients));
	if (!all.clients || epoll < 0) {
		bench_die("no memory", errno);
	}
	all.seeing[0] = all.handles;
	(void)close(connecting->go[1]);
	(void)close(joining->go[1]);
	step_take_part(connecting);
	connect_all(epoll);
	step_take_part(joining);
	join_all();
	take_for_ever(epoll);
}

/* None ends but by an error: then it is over for all. */
static void child_ended(int signal)
{
	(void)signal;
	_exit(1);
}

static void descriptors_allow(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(int argc, char **argv)
{
	struct step connecting, joining;
	unsigned long processes;

	if (argc != 3) {
		fprintf(stderr, "usage: bench_clients PROCESSES HANDLES\n");
		return 2;
	}
	processes = bench_number(argv[1]);
	all.handles = bench_number(argv[2]);
	descriptors_allow();
	step_make(&connecting);
	step_make(&joining);
	(void)signal(SIGCHLD, child_ended);
	for (unsigned long i = 0; i < processes; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			be_clients(&connecting, &joining);
		} else if (pid < 0) {
			bench_die("no process", errno);
		}
	}
	step_lead(&connecting, processes, "connecting");
	step_lead(&joining, processes, "joining");
	for (;;) {
		(void)pause();
	}
}
