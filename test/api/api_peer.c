/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other processes: each has one handle and does what it is told over a socket. It answers each command with
 * the error code, or with its trace.
 */
#define _GNU_SOURCE
#include "api.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEERS_MAX 300

enum command { COMMAND_JOIN, COMMAND_LEAVE, COMMAND_SEND, COMMAND_FINALIZE, COMMAND_TRACE, COMMAND_EXIT };

struct order {
	enum command command;
	struct cpg_name group;
	size_t length;
	uint32_t seed;
	unsigned int lines;
};

struct answer {
	cs_error_t error;
	char trace[16384];
};

static struct {
	pid_t pid;
	char name[16];
} names[PEERS_MAX];
static unsigned int name_count;
static pid_t main_process; /* in a peer; the main one is itself */

const char *peer_name(pid_t pid)
{
	/* From the newest on: the kernel may use a number again. */
	for (unsigned int i = name_count; i-- > 0;) {
		if (names[i].pid == pid)
			return names[i].name;
	}
	return pid == getpid() ? "self" : NULL;
}

unsigned int peer_age(pid_t pid)
{
	if (pid == (main_process ? main_process : getpid()))
		return 0;
	for (unsigned int i = name_count; i-- > 0;) {
		if (names[i].pid == pid)
			return i + 1;
	}
	return pid == getpid() ? name_count + 1 : UINT_MAX;
}

static void name_process(pid_t pid, const char *name)
{
	CHECK(name_count < PEERS_MAX);
	names[name_count].pid = pid;
	snprintf(names[name_count].name, sizeof(names[0].name), "%s", name);
	name_count++;
}

static cs_error_t obey_send(struct api_client *client, const struct order *order)
{
	char *message = malloc(order->length + 1);
	cs_error_t error;

	CHECK(message != NULL);
	api_fill(message, order->length, order->seed);
	error = client_send(client, message, order->length);
	free(message);
	return error;
}

static void obey_trace(struct api_client *client, const struct order *order, struct answer *answer)
{
	client_dispatch_until(client, order->lines);
	client_fence(client);
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	CHECK(client->used < sizeof(answer->trace));
	if (client->used)
		memcpy(answer->trace, client->trace, client->used);
	client_forget(client);
	answer->error = CS_OK;
}

static void obey(struct api_client *client, const struct order *order, struct answer *answer)
{
	switch (order->command) {
	case COMMAND_JOIN:
		answer->error = cpg_join(client->handle, &order->group);
		break;
	case COMMAND_LEAVE:
		answer->error = cpg_leave(client->handle, &order->group);
		break;
	case COMMAND_SEND:
		answer->error = obey_send(client, order);
		break;
	case COMMAND_FINALIZE:
		answer->error = cpg_finalize(client->handle);
		client->closed = true;
		break;
	case COMMAND_TRACE:
		obey_trace(client, order, answer);
		break;
	case COMMAND_EXIT:
		exit(0);
	}
}

static _Noreturn void peer_main(int channel, pid_t parent)
{
	static struct api_client client;
	static struct answer answer;
	struct order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	client_open(&client);
	while (read(channel, &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		memset(&answer, 0, sizeof(answer));
		obey(&client, &order, &answer);
		if (write(channel, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
			break;
	}
	_exit(0);
}

/* Its parent's connections are none of its business: an open copy would keep them alive. */
static void close_others(int channel)
{
	CHECK(dup2(channel, 3) == 3);
	CHECK(close_range(4, ~0u, 0) == 0);
}

void peer_start(struct api_peer *peer, const char *name)
{
	pid_t parent = getpid();
	int channel[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) == 0);
	peer->pid = fork();
	CHECK(peer->pid >= 0);
	if (peer->pid == 0) {
		main_process = parent;
		name_process(parent, "main");
		close_others(channel[1]);
		peer_main(3, parent);
	}
	close(channel[1]);
	peer->channel = channel[0];
	snprintf(peer->name, sizeof(peer->name), "%s", name);
	name_process(peer->pid, name);
}

static void ask(struct api_peer *peer, const struct order *order, struct answer *answer)
{
	CHECK(write(peer->channel, order, sizeof(*order)) == (ssize_t)sizeof(*order));
	if (read(peer->channel, answer, sizeof(*answer)) != (ssize_t)sizeof(*answer))
		api_fail(__FILE__, __LINE__, "process %s failed", peer->name);
}

static cs_error_t ask_error(struct api_peer *peer, struct order order)
{
	static _Thread_local struct answer answer;

	ask(peer, &order, &answer);
	return answer.error;
}

cs_error_t peer_join(struct api_peer *peer, const char *group)
{
	return ask_error(peer, (struct order){.command = COMMAND_JOIN, .group = api_name(group)});
}

cs_error_t peer_leave(struct api_peer *peer, const char *group)
{
	return ask_error(peer, (struct order){.command = COMMAND_LEAVE, .group = api_name(group)});
}

cs_error_t peer_send(struct api_peer *peer, size_t length, uint32_t seed)
{
	return ask_error(peer, (struct order){.command = COMMAND_SEND, .length = length, .seed = seed});
}

cs_error_t peer_finalize(struct api_peer *peer)
{
	return ask_error(peer, (struct order){.command = COMMAND_FINALIZE});
}

void peer_expect_at(const char *file, int line, struct api_peer *peer, const char *expected)
{
	struct order order = {.command = COMMAND_TRACE};
	static struct answer answer;

	for (const char *at = expected; (at = strchr(at, '\n')) != NULL; at++)
		order.lines++;
	ask(peer, &order, &answer);
	if (strcmp(answer.trace, expected) != 0)
		api_fail(file, line, "%s saw\n%sand not\n%s", peer->name, answer.trace, expected);
}

void peer_exit(struct api_peer *peer)
{
	struct order order = {.command = COMMAND_EXIT};

	CHECK(write(peer->channel, &order, sizeof(order)) == (ssize_t)sizeof(order));
	CHECK(waitpid(peer->pid, NULL, 0) == peer->pid);
	close(peer->channel);
}

void peer_kill(struct api_peer *peer)
{
	CHECK(kill(peer->pid, SIGKILL) == 0);
	CHECK(waitpid(peer->pid, NULL, 0) == peer->pid);
	close(peer->channel);
}
