/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpgwrongpid GROUP PID: asks the daemon, past any library, to join GROUP as process PID. Prints "refused
 * CODE" or "disconnected" and exits 0 when the engine won't have it; prints "accepted" and exits 1 when it
 * does, and then stays until its standard input ends, so that the lie can be seen in the cluster.
 */
#include <corosync/corotypes.h>
#include <qb/qbipcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "cpg_ipc.h"

#define ANSWER_MS 10000

static ssize_t ask(qb_ipcc_connection_t *connection, const char *group, uint32_t pid,
		   struct ipc_response *answer)
{
	struct ipc_join join = {
		.header = {.id = IPC_REQ_JOIN, .size = sizeof(join)},
		.group = {.length = (uint32_t)strlen(group)},
		.pid = pid,
	};
	struct iovec iov = {.iov_base = &join, .iov_len = sizeof(join)};

	memcpy(join.group.value, group, join.group.length);
	return qb_ipcc_sendv_recv(connection, &iov, 1, answer, sizeof(*answer), ANSWER_MS);
}

int main(int argc, char **argv)
{
	struct ipc_response answer = {.error = 0};
	qb_ipcc_connection_t *connection;

	if (argc != 3 || strlen(argv[1]) > IPC_NAME_MAX) {
		fprintf(stderr, "usage: cpgwrongpid GROUP PID\n");
		return 2;
	}
	connection = qb_ipcc_connect(IPC_SERVER_NAME, IPC_BUFFER_SIZE);
	if (connection == NULL) {
		perror("connect");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (ask(connection, argv[1], (uint32_t)strtoul(argv[2], NULL, 10), &answer) < 0) {
		printf("disconnected\n");
		return 0;
	}
	if (answer.error != CS_OK) {
		printf("refused %d\n", answer.error);
		qb_ipcc_disconnect(connection);
		return 0;
	}
	printf("accepted\n");
	while (getchar() != EOF)
		continue;
	qb_ipcc_disconnect(connection);
	return 1;
}
