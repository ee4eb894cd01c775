/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpgclient GROUP: a client that does what its standard input says and prints what it sees, one line for
 * each event, for cluster tests to compare. It uses only the API that every libcpg.so.4 has.
 *
 * Input:	send TEXT	leave	quit (end of input is the same)
 * Output:	up NODEID PID
 *		confchg GROUP members N:PID ... joined N:PID:REASON ... left N:PID:REASON ...
 *		ring NODEID.SEQ members N ...
 *		message GROUP N:PID TEXT
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 20

static const char *const reasons[] = {"none", "join", "leave", "nodedown", "nodeup", "procdown"};

struct input {
	char text[4096];
	size_t used;
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

static int check(const char *call, cs_error_t error)
{
	if (error == CS_OK)
		return 0;
	printf("error %s %d\n", call, error);
	return -1;
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

/* 0: go on, 1: no more, -1: failed */
static int obey(cpg_handle_t handle, const struct cpg_name *group, char *line)
{
	if (strncmp(line, "send ", 5) == 0)
		return check("mcast", send_text(handle, line + 5));
	if (strcmp(line, "leave") == 0)
		return check("leave", leave(handle, group));
	if (strcmp(line, "quit") == 0)
		return 1;
	printf("error command %s\n", line);
	return -1;
}

/* As obey(). */
static int read_input(cpg_handle_t handle, const struct cpg_name *group, struct input *input)
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
		result = obey(handle, group, input->text);
		if (result != 0)
			return result;
		input->used -= line;
		memmove(input->text, input->text + line, input->used);
	}
	return input->used < sizeof(input->text) ? 0 : -1;
}

static int run(cpg_handle_t handle, const struct cpg_name *group, int fd)
{
	struct input input = {.used = 0};
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	int got = 0;

	while (got == 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (fds[0].revents != 0 && cpg_dispatch(handle, CS_DISPATCH_ALL) != CS_OK) {
			printf("disconnected\n");
			return 3;
		}
		if (fds[1].revents != 0)
			got = read_input(handle, group, &input);
	}
	return got < 0 || check("finalize", cpg_finalize(handle)) != 0;
}

static int client(const char *name)
{
	struct cpg_name group = {.length = (uint32_t)strlen(name)};
	cpg_handle_t handle;
	unsigned int nodeid;
	int fd;

	if (group.length > CPG_MAX_NAME_LENGTH || check("initialize", initialize(&handle)) != 0)
		return 1;
	memcpy(group.value, name, group.length);
	if (check("local_get", cpg_local_get(handle, &nodeid)) != 0 ||
	    check("fd_get", cpg_fd_get(handle, &fd)) != 0)
		return 1;
	printf("up %u %d\n", nodeid, (int)getpid());
	if (check("join", join(handle, &group)) != 0)
		return 1;
	return run(handle, &group, fd);
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
		return client(argv[1]);
	error = initialize(&handle);
	printf("initialize %d\n", error);
	if (error == CS_OK)
		cpg_finalize(handle);
	return (int)error;
}
