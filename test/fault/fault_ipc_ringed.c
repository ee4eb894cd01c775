/* SPDX-License-Identifier: BSD-3-Clause */
#include "fault_ipc.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cpg_ring.h"
#include "cpg_segment.h"

bool ringed_begin(struct ringed *client)
{
	struct ipc_join join = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(join)},
				.group = wire_name("fault-rings"),
				.pid = (uint32_t)getpid()};
	struct ipc_hello_response response;
	uint64_t deadline = api_deadline();
	char path[200];
	int answer;

	CHECK_NUMBER(hello(&client->wire, IPC_HELLO_START, 0, &response), CS_OK);
	if (!response.control.id) {
		wire_close(&client->wire);
		return false;
	}
	segment_path(path, sizeof(path), &response.control);
	client->fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(client->fd >= 0);
	client->map_size = response.control.user_offset + (size_t)response.control.user_size;
	client->map = mmap(NULL, client->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, client->fd, 0);
	CHECK(client->map != MAP_FAILED);
	client->base = (uint8_t *)client->map + response.control.user_offset;
	client->control = (struct segment_control *)(client->base + SEGMENT_START);
	CHECK_NUMBER(hello(&client->wire, IPC_HELLO_ATTACHED, response.control.id, &response), CS_OK);
	do
		answer = wire_ask(&client->wire, &join, sizeof(join));
	while (answer == CS_ERR_TRY_AGAIN && api_before(deadline)); /* the one before it is leaving */
	CHECK_NUMBER(answer, CS_OK);
	return true;
}

void ringed_open(struct ringed *client)
{
	wire_open(&client->wire);
	CHECK(ringed_begin(client));
}

void ringed_close(struct ringed *client)
{
	(void)close(client->fd);
	(void)munmap(client->map, client->map_size);
	wire_close(&client->wire);
}

void ringed_doorbell(struct ringed *client)
{
	struct ipc_request request = {.id = IPC_REQ_DOORBELL, .size = sizeof(request)};

	(void)wire_tell(&client->wire, &request, sizeof(request));
}

/* Entries of all kinds, with lengths that nearly fit, in positions that do. */
void ringed_submit_garbage(struct ringed *client, uint32_t seed)
{
	static const uint8_t kinds[] = {
		RING_MESSAGE, RING_MESSAGE, RING_MESSAGE, RING_BLOCK, RING_SKIP, RING_MOVED, 0, 255};
	uint64_t at = atomic_load(&client->control->submission_taken.end);
	uint8_t *data = client->base + SUBMISSION_RING_OFFSET;
	uint32_t random[4];

	for (int i = 0; i < 20; i++) {
		struct ring_entry *entry = (struct ring_entry *)(data + (at & (SUBMISSION_RING_SIZE - 1)));

		api_fill(random, sizeof(random), seed * 100 + (uint32_t)i);
		entry->kind = kinds[random[0] % sizeof(kinds)];
		entry->length = random[1] % 64 ? random[2] % 3000 : random[2];
		at += random[3] % 16 ? ring_entry_size(entry->length % 3000) : random[3] % 5000 / 8 * 8;
	}
	atomic_store(&client->control->submitted.end, at);
}
