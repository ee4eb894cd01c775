/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing grows with what came and went: clients, joins, messages of all sizes, zcb buffers, iterations. After a warm-up
 * neither this process nor the daemon gets larger. Of stock's parts only the daemon of that name is let off.
 */
#include "api.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WARM_UP = 60, ROUNDS = 300, OWN_ALLOWED_KB = 512, DAEMON_ALLOWED_KB = 4096 };

static long resident_kb(pid_t pid)
{
	char path[64];
	long size, pages = 0;
	FILE *statm;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	statm = fopen(path, "r");
	CHECK(statm != NULL && fscanf(statm, "%ld %ld", &size, &pages) == 2);
	fclose(statm);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void iterate(struct api_client *client)
{
	cpg_iteration_handle_t iteration;

	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT(CS_OK, cpg_iteration_finalize(iteration));
	EXPECT(CS_OK, cpg_iteration_initialize(client->handle, CPG_ITERATION_ALL, NULL, &iteration));
}

static void come_and_go(char *message, unsigned int round)
{
	struct api_client client;
	void *buffer;

	client_open(&client);
	client_join(&client, "memory");
	client_dispatch_until(&client, 1);
	EXPECT(CS_OK, cpg_zcb_alloc(client.handle, 50000, &buffer));
	EXPECT(CS_OK, cpg_zcb_free(client.handle, buffer));
	EXPECT(CS_OK, cpg_zcb_alloc(client.handle, 50000, &buffer));
	EXPECT_IN_TIME(CS_OK, client_send(&client, message, 1000 * (round % 50)));
	if (round % 20 == 0)
		EXPECT_IN_TIME(CS_OK, client_send(&client, message, 2000000));
	client_dispatch_until(&client, 2 + (round % 20 == 0));
	iterate(&client);
	client_close(&client);
}

int main(void)
{
	char *message = calloc(1, 2000000);
	long own = 0, daemon = 0;

	api_begin();
	CHECK(message != NULL);
	/* What is freed goes back at once: glibc would come to keep up to twice the largest that ever was. */
	CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
	for (unsigned int round = 0; round < WARM_UP + ROUNDS; round++) {
		if (round == WARM_UP) {
			own = resident_kb(getpid());
			daemon = resident_kb(api_daemon());
		}
		come_and_go(message, round);
	}
	own = resident_kb(getpid()) - own;
	daemon = resident_kb(api_daemon()) - daemon;
	printf("grew by %ld KiB here, %ld KiB in the daemon\n", own, daemon);
	CHECK(!ours_library() || own < OWN_ALLOWED_KB);
	CHECK(!ours_engine() || daemon < DAEMON_ALLOWED_KB);
	free(message);
	return 0;
}
