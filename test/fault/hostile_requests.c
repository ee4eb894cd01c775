/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests at random. */
#include "hostile.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpg_segment.h"
#include "fault_ipc.h"

uint32_t random_next(struct hostile_random *random)
{
	random->state = random->state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(random->state >> 33);
}

uint32_t random_below(struct hostile_random *random, uint32_t limit)
{
	return random_next(random) % limit;
}

struct ipc_name hostile_group(struct hostile_random *random)
{
	struct ipc_name name = {.length = 9};

	(void)snprintf(name.value, sizeof(name.value), "hostile-%u", random_below(random, HOSTILE_GROUPS));
	return name;
}

/* ---- values ---- */

/* A number as requests have them, or one that is next to a limit of something. */
static uint64_t number(struct hostile_random *random)
{
	/* none up to SEGMENT_POOL_MAX: a few segments of that size take all of a node's /dev/shm, and then nothing else is tried */
	static const uint64_t numbers[] = {
		0,
		1,
		2,
		3,
		4,
		5,
		10,
		100,
		128,
		129,
		384,
		512,
		SEGMENT_START,
		4096,
		65536,
		IPC_BUFFER_SIZE,
		SEGMENT_POOL_MAX + 16,
		INT_MAX,
		1ull << 31,
		UINT_MAX,
		1ull << 32,
		1ull << 46,
		1ull << 63,
		UINT64_MAX - 4095,
		UINT64_MAX,
	};
	uint64_t value = numbers[random_below(random, sizeof(numbers) / sizeof(numbers[0]))];

	switch (random_below(random, 4)) {
	case 0:
		return value + random_below(random, 16);
	case 1:
		return value - random_below(random, 16);
	case 2:
		return random_below(random, 4096);
	default:
		return value;
	}
}

/* Length and bytes; mostly a group's, sometimes one that claims to be longer than it can be. */
static struct ipc_name group(struct hostile_random *random)
{
	struct ipc_name name = hostile_group(random);

	if (random_below(random, 8) == 0)
		name.length = (uint32_t)number(random);
	return name;
}

static uint32_t process(struct hostile_random *random)
{
	return random_below(random, 8) ? (uint32_t)getpid() : (uint32_t)number(random);
}

/* Paths that exist, that don't, and without an end: stock's zero copy would have them mapped and unlinked. */
static void path(struct hostile_random *random, char to[ZC_PATH_MAX])
{
	static const char *const paths[] = {"/etc/corosync/corosync.conf", "/dev/shm/hostile", "/dev/shm",
					    ""};

	memset(to, 'x', ZC_PATH_MAX);
	if (random_below(random, 8))
		(void)snprintf(to, ZC_PATH_MAX, "%s",
			       paths[random_below(random, sizeof(paths) / sizeof(paths[0]))]);
}

/* ---- requests ---- */

/* Where fields are 8 bytes wide, and narrower ones have a hole behind them, a number hits each of them whole. */
static void fill(struct hostile_random *random, uint8_t *request, size_t from, size_t to)
{
	for (size_t at = from; at + sizeof(uint64_t) <= to; at += sizeof(uint64_t)) {
		uint64_t value = number(random);

		memcpy(request + at, &value, sizeof(value));
	}
}

static size_t sound_size(uint32_t id)
{
	static const uint16_t sizes[IPC_REQ_COUNT] = {
		[IPC_REQ_JOIN] = sizeof(struct ipc_join),
		[IPC_REQ_LEAVE] = sizeof(struct ipc_leave),
		[IPC_REQ_MCAST] = sizeof(struct ipc_mcast) + 200,
		[IPC_REQ_MEMBERSHIP] = sizeof(struct ipc_membership),
		[IPC_REQ_LOCAL_GET] = sizeof(struct ipc_hello),
		[IPC_REQ_ITERATION_INITIALIZE] = sizeof(struct ipc_iteration_initialize),
		[IPC_REQ_ITERATION_NEXT] = sizeof(struct ipc_iteration),
		[IPC_REQ_ITERATION_FINALIZE] = sizeof(struct ipc_iteration),
		[IPC_REQ_FINALIZE] = sizeof(struct ipc_request),
		[IPC_REQ_ZC_ALLOC] = sizeof(struct zc_alloc),
		[IPC_REQ_ZC_FREE] = sizeof(struct zc_free),
		[IPC_REQ_ZC_EXECUTE] = sizeof(struct zc_execute),
		[IPC_REQ_PARTIAL_MCAST] = sizeof(struct ipc_partial_mcast) + 200,
		[IPC_REQ_SEGMENT_CREATE] = sizeof(struct ipc_segment_create),
		[IPC_REQ_SEGMENT_DESTROY] = sizeof(struct ipc_segment_destroy),
		[IPC_REQ_ZCB_MCAST] = sizeof(struct ipc_zcb_mcast),
		[IPC_REQ_MEMBERSHIP_PAGE] = sizeof(struct ipc_membership_page),
		[IPC_REQ_DOORBELL] = sizeof(struct ipc_request),
		[IPC_REQ_PARTIAL_BLOCK] = sizeof(struct ipc_partial_block),
	};

	return id < IPC_REQ_COUNT ? sizes[id] : 64;
}

/* The group is where requests with a group have it. */
static void fill_group(struct hostile_random *random, uint8_t *request)
{
	struct ipc_name name = group(random);

	memcpy(request + sizeof(struct ipc_request), &name, sizeof(name));
}

static void fill_sound_fields(struct hostile_random *random, uint32_t id, uint8_t *request, size_t size)
{
	struct ipc_join *join = (struct ipc_join *)request;
	struct ipc_mcast *mcast = (struct ipc_mcast *)request;
	struct ipc_partial_mcast *fragment = (struct ipc_partial_mcast *)request;
	struct ipc_partial_block *block = (struct ipc_partial_block *)request;
	struct ipc_zcb_mcast *zcb = (struct ipc_zcb_mcast *)request;
	struct ipc_hello *hello = (struct ipc_hello *)request;

	switch (id) {
	case IPC_REQ_JOIN:
	case IPC_REQ_LEAVE:
		fill_group(random, request);
		join->pid = process(random);
		break;
	case IPC_REQ_MEMBERSHIP:
	case IPC_REQ_ITERATION_INITIALIZE:
	case IPC_REQ_MEMBERSHIP_PAGE:
		fill_group(random, request);
		break;
	case IPC_REQ_LOCAL_GET:
		hello->magic = IPC_HELLO_MAGIC;
		hello->version = IPC_HELLO_VERSION;
		break;
	case IPC_REQ_MCAST:
		if (size >= sizeof(*mcast) && random_below(random, 64)) /* whoever lies here is thrown out */
			mcast->msglen = random_below(random, (uint32_t)(size - sizeof(*mcast)) + 1);
		break;
	case IPC_REQ_PARTIAL_MCAST:
		fragment->type = random_below(random, 5);
		if (random_below(random, 4) && size >= sizeof(*fragment))
			fragment->fraglen = (uint32_t)(size - sizeof(*fragment));
		break;
	case IPC_REQ_SEGMENT_DESTROY:
		if (random_below(random, 4) == 0) /* or few would be left to lie about */
			((struct ipc_segment_destroy *)request)->segment_id = random_below(random, 8);
		break;
	case IPC_REQ_ZCB_MCAST:
		zcb->segment_id = random_below(random, 8);
		if (random_below(random, 2))
			zcb->length = random_below(random, 200000);
		break;
	case IPC_REQ_PARTIAL_BLOCK:
		block->segment_id = random_below(random, 8);
		block->type = random_below(random, 5);
		if (random_below(random, 2))
			block->fraglen = block->msglen = random_below(random, 200000);
		break;
	case IPC_REQ_ZC_ALLOC:
		path(random, ((struct zc_alloc *)request)->path);
		break;
	case IPC_REQ_SEGMENT_CREATE:
		if (random_below(random, 16))
			((struct ipc_segment_create *)request)->user_size = random_below(random, 300000);
		break;
	default:
		break;
	}
}

/* Mostly the truth. */
static int32_t size_claim(struct hostile_random *random, size_t size)
{
	static const int32_t claims[] = {0, 1, 15, 16, -1, INT_MIN, INT_MAX, IPC_BUFFER_SIZE + 1, 16 << 20};

	return random_below(random, 64) ? (int32_t)size
					: claims[random_below(random, sizeof(claims) / sizeof(claims[0]))];
}

static size_t request_size(struct hostile_random *random, uint32_t id)
{
	switch (random_below(random, 8)) {
	case 0:
		return sizeof(struct ipc_request) + random_below(random, 200);
	case 1:
		return sizeof(struct ipc_request) +
		       random_below(random, HOSTILE_REQUEST_MAX - sizeof(struct ipc_request));
	default:
		return sound_size(id);
	}
}

size_t hostile_request(struct hostile_random *random, bool may_join, uint8_t request[HOSTILE_REQUEST_MAX])
{
	uint32_t id =
		random_below(random, 20) ? random_below(random, IPC_REQ_COUNT) : (uint32_t)number(random);
	struct ipc_request *header = (struct ipc_request *)request;
	size_t size;

	if (id == IPC_REQ_JOIN && !may_join)
		id = IPC_REQ_LEAVE;
	size = request_size(random, id);
	memset(request, 0, HOSTILE_REQUEST_MAX);
	fill(random, request, sizeof(*header), size);
	if (random_below(random, 16))
		fill_sound_fields(random, id, request, size);
	*header = (struct ipc_request){.id = (int32_t)id, .size = size_claim(random, size)};
	return size;
}
