/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpgclient GROUP: a client that does what its standard input says and prints what it sees, one line for
 * each event, for cluster tests to compare. It uses only the API that every libcpg.so.4 has.
 *
 * Input:	send TEXT	leave	quit (end of input is the same)
 *		fill COUNT SIZE	sends messages "number N", N from 1 on over all fills and tries, each until it is taken;
 *				meanwhile it dispatches and obeys
 *		try COUNT SIZE	the same without a pause or a second try for any of them
 *		die	kills itself, at once
 *		status
 *		members			asks for the members of its group, and for its node
 * Output:	up NODEID PID
 *		confchg GROUP members N:PID ... joined N:PID:REASON ... left N:PID:REASON ...
 *		ring NODEID.SEQ members N ...
 *		message GROUP N:PID TEXT		up to its first NUL
 *		filled N			up to number N
 *		tried COUNT sent SENT refused REFUSED
 *		status N sent SENT refused REFUSED flow enabled|disabled	N-th status; what counts is since the start
 *		asked NODEID members N:PID ...
 *		error CALL CODE
 *		disconnected
 * Exit: 0, or 1 after an error, or 3 when the daemon went away.
 *
 * cpgclient --initialize: prints "initialize CODE" and exits with the code.
 */
#include <corosync/corotypes.h>
#include <corosync/cpg.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 20
#define FILL_AT_ONCE 16u /* messages, between two looks at what else there is to do */

static const char *const reasons[] = {"none", "join", "leave", "nodedown", "nodeup", "procdown"};

struct input {
	char text[4096];
	size_t used;
};

struct client {
	cpg_handle_t handle;
	struct cpg_name group;
	uint64_t numbered; /* messages with a number, and the number of the last one */
	uint64_t refused;
	uint64_t fill_left; /* messages still to be sent */
	size_t fill_size;
	bool waits; /* the last one was refused */
	unsigned int statuses;
};

static const char *reason_name(uint32_t reason)
{
	return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] : "garbage";
}

static void print_members(const struct cpg_address *list, size_t count)
{
	printf(" members");
	for (size_t i = 0; i < count; i++)
		printf(" %" PRIu32 ":%" PRIu32, list[i].nodeid, list[i].pid);
}

static void print_changed(const char *what, const struct cpg_address *list, size_t count)
{
	printf(" %s", what);
	for (size_t i = 0; i < count; i++)
		printf(" %" PRIu32 ":%" PRIu32 ":%s", list[i].nodeid, list[i].pid,
		       reason_name(list[i].reason));
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	printf("confchg %.*s", (int)group->length, group->value);
	print_members(members, member_count);
	print_changed("joined", joined, joined_count);
	print_changed("left", left, left_count);
	printf("\n");
}

static void on_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t count,
			     const uint32_t *members)
{
	(void)handle;
	printf("ring %" PRIu32 ".%" PRIu64 " members", ring.nodeid, ring.seq);
	for (uint32_t i = 0; i < count; i++)
		printf(" %" PRIu32, members[i]);
	printf("\n");
}

static void on_message(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *message, size_t length)
{
	(void)handle;
	printf("message %.*s %" PRIu32 ":%" PRIu32 " %.*s\n", (int)group->length, group->value, nodeid, pid,
	       (int)length, (const char *)message);
}

static cs_error_t initialize(cpg_handle_t *handle)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_message,
		.cpg_confchg_fn = on_confchg,
		.cpg_totem_confchg_fn = on_totem_confchg,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};

	return cpg_model_initialize(handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, NULL);
}

#define LOST (-2) /* failed, maybe as the daemon went away */

static int check(const char *call, cs_error_t error)
{
	if (error == CS_OK)
		return 0;
	printf("error %s %d\n", call, error);
	return error == CS_ERR_LIBRARY ? LOST : -1;
}

static cs_error_t join(cpg_handle_t handle, const struct cpg_name *group)
{
	cs_error_t error;

	while ((error = cpg_join(handle, group)) == CS_ERR_TRY_AGAIN)
		poll(NULL, 0, RETRY_MS);
	return error;
}

static cs_error_t leave(cpg_handle_t handle, const struct cpg_name *group)
{
	cs_error_t error;

	while ((error = cpg_leave(handle, group)) == CS_ERR_TRY_AGAIN)
		poll(NULL, 0, RETRY_MS);
	return error;
}

static cs_error_t send_text(cpg_handle_t handle, char *text)
{
	struct iovec iov = {.iov_base = text, .iov_len = strlen(text)};
	cs_error_t error;

	while ((error = cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1)) == CS_ERR_TRY_AGAIN)
		poll(NULL, 0, RETRY_MS);
	return error;
}

/* The next one, once. Its text ends with a NUL, zeros follow. */
static cs_error_t send_numbered(struct client *client, size_t size)
{
	char *message = calloc(1, size);
	struct iovec iov = {.iov_base = message, .iov_len = size};
	cs_error_t error;

	if (!message)
		return CS_ERR_NO_MEMORY;
	snprintf(message, size, "number %" PRIu64, client->numbered + 1);
	error = cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, &iov, 1);
	free(message);
	if (error == CS_OK)
		client->numbered++;
	client->waits = error == CS_ERR_TRY_AGAIN;
	client->refused += client->waits;
	return client->waits ? CS_OK : error;
}

static int fill_on(struct client *client)
{
	unsigned int i;
	int result;

	client->waits = false;
	for (i = 0; i < FILL_AT_ONCE && client->fill_left && !client->waits; i++) {
		result = check("mcast", send_numbered(client, client->fill_size));
		if (result != 0)
			return result;
		client->fill_left -= !client->waits;
		if (client->fill_left == 0)
			printf("filled %" PRIu64 "\n", client->numbered);
	}
	return 0;
}

static int fill(struct client *client, const char *line)
{
	if (client->fill_left ||
	    sscanf(line, "fill %" SCNu64 " %zu", &client->fill_left, &client->fill_size) != 2) {
		printf("error fill %s\n", line);
		return -1;
	}
	return 0;
}

static int try(struct client *client, const char *line)
{
	uint64_t count, i, numbered = client->numbered, refused = client->refused;
	size_t size;
	int result = 0;

	if (sscanf(line, "try %" SCNu64 " %zu", &count, &size) != 2) {
		printf("error try %s\n", line);
		return -1;
	}
	for (i = 0; i < count && result == 0; i++)
		result = check("mcast", send_numbered(client, size));
	printf("tried %" PRIu64 " sent %" PRIu64 " refused %" PRIu64 "\n", count, client->numbered - numbered,
	       client->refused - refused);
	return result;
}

static int status(struct client *client)
{
	cpg_flow_control_state_t state;

	if (check("flow_control_state_get", cpg_flow_control_state_get(client->handle, &state)) != 0)
		return -1;
	printf("status %u sent %" PRIu64 " refused %" PRIu64 " flow %s\n", ++client->statuses,
	       client->numbered, client->refused, state == CPG_FLOW_CONTROL_ENABLED ? "enabled" : "disabled");
	return 0;
}

static int members(struct client *client)
{
	struct cpg_address list[CPG_MEMBERS_MAX];
	int entries = CPG_MEMBERS_MAX, i;
	unsigned int nodeid;
	cs_error_t error = cpg_local_get(client->handle, &nodeid);

	if (error != CS_OK)
		return check("local_get", error);
	error = cpg_membership_get(client->handle, &client->group, list, &entries);
	if (error != CS_OK)
		return check("membership_get", error);
	printf("asked %u members", nodeid);
	for (i = 0; i < entries; i++)
		printf(" %u:%u", list[i].nodeid, list[i].pid);
	printf("\n");
	return 0;
}

/* 0: go on, 1: no more, -1 or LOST: failed */
static int obey(struct client *client, char *line)
{
	if (strncmp(line, "send ", 5) == 0)
		return check("mcast", send_text(client->handle, line + 5));
	if (strncmp(line, "fill ", 5) == 0)
		return fill(client, line);
	if (strncmp(line, "try ", 4) == 0)
		return try(client, line);
	if (strcmp(line, "status") == 0)
		return status(client);
	if (strcmp(line, "members") == 0)
		return members(client);
	if (strcmp(line, "leave") == 0)
		return check("leave", leave(client->handle, &client->group));
	if (strcmp(line, "quit") == 0)
		return 1;
	if (strcmp(line, "die") == 0)
		return raise(SIGKILL);
	printf("error command %s\n", line);
	return -1;
}

/* As obey(). */
static int read_input(struct client *client, struct input *input)
{
	ssize_t got = read(STDIN_FILENO, input->text + input->used, sizeof(input->text) - input->used);
	char *end;

	if (got <= 0)
		return got == 0 ? 1 : -1;
	input->used += (size_t)got;
	while ((end = memchr(input->text, '\n', input->used)) != NULL) {
		size_t line = (size_t)(end - input->text) + 1;
		int result;

		*end = '\0';
		result = obey(client, input->text);
		if (result != 0)
			return result;
		input->used -= line;
		memmove(input->text, input->text + line, input->used);
	}
	return input->used < sizeof(input->text) ? 0 : -1;
}

static int patience(const struct client *client)
{
	if (client->fill_left == 0)
		return -1;
	return client->waits ? RETRY_MS : 0;
}

/* False: the daemon went away. */
static bool dispatch(const struct client *client)
{
	if (cpg_dispatch(client->handle, CS_DISPATCH_ALL) == CS_OK)
		return true;
	printf("disconnected\n");
	return false;
}

static int run(struct client *client, int fd)
{
	struct input input = {.used = 0};
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	int got = 0;

	while (got == 0) {
		if (poll(fds, 2, patience(client)) < 0 && errno != EINTR)
			return 1;
		if (fds[0].revents != 0 && !dispatch(client))
			return 3;
		if (fds[1].revents != 0)
			got = read_input(client, &input);
		if (got == 0)
			got = fill_on(client);
	}
	if (got == LOST && !dispatch(client))
		return 3;
	return got < 0 || check("finalize", cpg_finalize(client->handle)) != 0;
}

static int client_main(const char *name)
{
	struct client client = {.group = {.length = (uint32_t)strlen(name)}};
	unsigned int nodeid;
	int fd;

	if (client.group.length > CPG_MAX_NAME_LENGTH || check("initialize", initialize(&client.handle)) != 0)
		return 1;
	memcpy(client.group.value, name, client.group.length);
	if (check("local_get", cpg_local_get(client.handle, &nodeid)) != 0 ||
	    check("fd_get", cpg_fd_get(client.handle, &fd)) != 0)
		return 1;
	printf("up %u %d\n", nodeid, (int)getpid());
	if (check("join", join(client.handle, &client.group)) != 0)
		return 1;
	return run(&client, fd);
}

int main(int argc, char **argv)
{
	cpg_handle_t handle;
	cs_error_t error;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2) {
		fprintf(stderr, "usage: cpgclient GROUP | --initialize\n");
		return 2;
	}
	if (strcmp(argv[1], "--initialize") != 0)
		return client_main(argv[1]);
	error = initialize(&handle);
	printf("initialize %d\n", error);
	if (error == CS_OK)
		cpg_finalize(handle);
	return (int)error;
}
