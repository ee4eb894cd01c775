/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an engine could tell the library, over the connection and then by the delivery ring: events, slices and fragments of them, and runs of
 * messages, that make sense or not. The connection's functions are ours here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "fuzz.h"
#include "lib/lib_internal.h"

#define EVENT_MAX 2048u
#define BUFFER_SIZE 4096u

static size_t heard;

static void on_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
		       void *msg, size_t length)
{
	const uint8_t *bytes = msg;
	size_t i;

	(void)handle;
	heard += group->length + nodeid + pid;
	for (i = 0; i < length; i++)
		heard += bytes[i];
}

static size_t sum(const struct cpg_address *list, size_t count)
{
	size_t total = 0, i;

	for (i = 0; i < count; i++)
		total += list[i].nodeid + list[i].pid + list[i].reason;
	return total;
}

static void on_confchg(cpg_handle_t handle, const struct cpg_name *group, const struct cpg_address *members,
		       size_t member_count, const struct cpg_address *left, size_t left_count,
		       const struct cpg_address *joined, size_t joined_count)
{
	(void)handle;
	heard += group->length + sum(members, member_count) + sum(left, left_count) +
		 sum(joined, joined_count);
}

static void on_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t count,
			     const uint32_t *members)
{
	uint32_t i;

	(void)handle;
	heard += ring_id.nodeid;
	for (i = 0; i < count; i++)
		heard += members[i];
}

/* ---- events ---- */

static uint32_t small(struct story *story)
{
	uint8_t number = story_byte(story);

	return number < 0xf8 ? number % 8u : story_word(story);
}

/* The lengths that decide whether it is right. All else is what the story gave. */
static void shape(void *event, size_t size, struct story *story)
{
	struct ipc_deliver *deliver = event;
	struct ipc_partial_deliver *partial = event;
	struct ipc_confchg *confchg = event;
	struct ipc_totem_confchg *totem = event;
	struct ipc_event_part *part = event;

	switch (((struct ipc_response *)event)->id) {
	case IPC_RES_DELIVER:
		deliver->group = (struct ipc_name){.length = small(story)};
		deliver->msglen = small(story);
		break;
	case IPC_RES_PARTIAL_DELIVER:
		partial->group = (struct ipc_name){.length = small(story) % 2};
		partial->msglen = story_byte(story) % 4 ? 9 : small(story);
		partial->fraglen = small(story);
		partial->nodeid = 1;
		partial->pid = small(story) % 2;
		partial->type = story_byte(story) % 5;
		break;
	case IPC_RES_CONFCHG:
		confchg->group = (struct ipc_name){.length = small(story)};
		confchg->member_list_entries = small(story);
		confchg->left_list_entries = small(story);
		confchg->joined_list_entries = small(story);
		break;
	case IPC_RES_TOTEM_CONFCHG:
		totem->member_list_entries = small(story);
		break;
	case IPC_RES_EVENT_PART:
		part->total = size < sizeof(struct ipc_confchg) ? small(story) : sizeof(struct ipc_confchg);
		part->offset = small(story) % 3 * 92;
		part->length = story_byte(story) % 4 ? 92 : small(story);
		break;
	default:
		break;
	}
}

/* Returns its size. Slices carry the beginning of a confchg. */
static size_t event_write(uint8_t *to, size_t room, struct story *story)
{
	static const int32_t ids[] = {IPC_RES_DELIVER, IPC_RES_CONFCHG, IPC_RES_TOTEM_CONFCHG,
				      IPC_RES_PARTIAL_DELIVER, IPC_RES_EVENT_PART};
	uint8_t how = story_byte(story);
	size_t size = how & 0x80 ? story_less_than(story, room) : sizeof(struct ipc_confchg) + 256;
	struct ipc_response header = {.id = how % 16 < 15 ? ids[how % 5] : how, .size = (int32_t)size};
	uint8_t event[EVENT_MAX];

	story_read(story, event, how & 0x40 ? sizeof(event) : 0);
	memcpy(event, &header, sizeof(header));
	if (how & 0x20 || size > sizeof(struct ipc_confchg))
		shape(event, size, story);
	memcpy(to, event, size);
	if (header.id == IPC_RES_EVENT_PART && size >= sizeof(struct ipc_event_part) + sizeof(header))
		((struct ipc_response *)(to + sizeof(struct ipc_event_part)))->id = IPC_RES_CONFCHG;
	return size;
}

/* ---- the connection ---- */

static struct engine {
	struct story *story;
	struct instance *instance;
	struct ring_writer writer;
	bool gone;
} engine;

ssize_t qb_ipcc_event_recv(qb_ipcc_connection_t *conn, void *buffer, size_t size, int32_t timeout)
{
	struct ipc_response bell = {.id = IPC_RES_DOORBELL, .size = sizeof(bell)};

	(void)conn;
	(void)timeout;
	if (engine.gone)
		return -ENOTCONN;
	if (!story_goes_on(engine.story))
		return -ETIMEDOUT;
	if (!instance_has_rings(engine.instance) ||
	    engine.instance->received != engine.instance->delivery.events_before)
		return (ssize_t)event_write(buffer, size < EVENT_MAX ? size : EVENT_MAX, engine.story);
	bell.id += story_byte(engine.story) == 0xff;
	memcpy(buffer, &bell, sizeof(bell));
	return story_byte(engine.story) % 8 ? (ssize_t)sizeof(bell) : -ETIMEDOUT;
}

/* Whoever waits finds something readable, or, in the end, that the handle is finalized. */
int32_t qb_ipcc_fd_get(qb_ipcc_connection_t *conn, int32_t *fd)
{
	static int zeros = -1;

	(void)conn;
	if (zeros < 0)
		zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	*fd = zeros;
	if (!story_goes_on(engine.story) || story_byte(engine.story) == 0xff)
		atomic_store(&engine.instance->finalized, true);
	return 0;
}

int32_t qb_ipcc_is_connected(qb_ipcc_connection_t *conn)
{
	(void)conn;
	return !engine.gone;
}

ssize_t qb_ipcc_send(qb_ipcc_connection_t *conn, const void *message, size_t size)
{
	(void)conn;
	(void)message;
	return story_byte(engine.story) % 4 ? (ssize_t)size : -EAGAIN;
}

ssize_t qb_ipcc_sendv(qb_ipcc_connection_t *conn, const struct iovec *iov, size_t iov_len)
{
	return qb_ipcc_send(conn, iov, iov_len ? iov->iov_len : 0);
}

int32_t qb_ipcc_fc_enable_max_set(qb_ipcc_connection_t *conn, uint32_t max)
{
	(void)conn;
	(void)max;
	return 0;
}

/* ---- the ring ---- */

static uint8_t *memory; /* of the control segment: as much of it as there is at first */

/* As it lies behind what libqb writes. */
static uint8_t *memory_new(void)
{
	uint8_t *cache_lines = aligned_alloc(64, (SEGMENT_CONTROL_SIZE + 48 + 63) / 64 * 64);

	if (!cache_lines)
		abort();
	return cache_lines + 48;
}

static struct segment_control *control(void)
{
	return (struct segment_control *)(memory + SEGMENT_START);
}

static void rings_open(struct instance *instance, uint32_t events_before)
{
	memset(memory, 0, DELIVERY_RING_OFFSET + 2 * EVENT_MAX);
	control()->events_before = events_before;
	instance->control = (struct segment){.base = memory, .size = SEGMENT_CONTROL_SIZE};
	delivery_init(instance);
	engine.writer = (struct ring_writer){
		.data = instance->delivery.ring.data,
		.size = instance->delivery.ring.size,
		.larger = instance->delivery.ring.larger,
	};
	atomic_store(&instance->rings, true);
}

static void entry_put(uint8_t kind, uint32_t length, const void *body, size_t size)
{
	struct ring_entry *entry;

	if (!ring_writer_look(&engine.writer, &control()->delivery_taken.end))
		abort(); /* the library never says what can't be */
	entry = ring_reserve(&engine.writer, ring_entry_size(size) + DELIVERY_SPARE);
	if (!entry) {
		(void)ring_must_wait(&engine.writer, &control()->delivery_taken.end,
				     &control()->delivered.more);
		return;
	}
	*entry = (struct ring_entry){.kind = kind, .length = length};
	memcpy(entry + 1, body, size);
	ring_put(&engine.writer, ring_entry_size(size) + DELIVERY_SPARE, &control()->delivered.end);
	(void)ring_must_ring(&engine.writer, &control()->delivered.end, &control()->delivery_taken.asleep_at);
}

/* Messages in a row; what they say of their lengths may be wrong. */
static void run_put(struct story *story)
{
	uint8_t run[sizeof(struct ring_run) + 8 * (sizeof(struct ring_entry) + 64)];
	struct ring_run head = {.nodeid = 1, .pid = story_byte(story)};
	unsigned int count = story_byte(story) % 8;
	size_t size = sizeof(head);

	memset(run, 'x', sizeof(run));
	memcpy(run, &head, sizeof(head));
	while (count--) {
		uint8_t length = story_byte(story) % 65, how = story_byte(story);
		struct ring_entry entry = {.kind = how < 0xf8 ? RING_MESSAGE : how,
					   .length = how % 32 ? length : story_word(story)};

		memcpy(run + size, &entry, sizeof(entry));
		size += ring_entry_size(length);
	}
	entry_put(RING_RUN, (uint32_t)size, run, size);
}

static void ring_put_something(struct story *story)
{
	uint8_t event[EVENT_MAX], how = story_byte(story);
	struct ipc_name group = {.length = story_byte(story) % (IPC_NAME_MAX + 2u)};
	size_t size;

	switch (how % 8) {
	case 0:
		entry_put(RING_GROUP, how & 0x80 ? how : sizeof(group), &group, sizeof(group));
		break;
	case 1:
		size = event_write(event, sizeof(event), story);
		entry_put(RING_EVENT, (uint32_t)size, event, size);
		break;
	case 2:
		entry_put(story_byte(story), story_word(story), event, 0);
		break;
	case 3:
		ring_move(&engine.writer);
		break;
	case 4:
		atomic_fetch_add(&control()->delivered.end, how & 0x80 ? story_word(story) : 0);
		break;
	default:
		run_put(story);
		break;
	}
}

/* ---- the story ---- */

#define HELD_MAX 3u /* callbacks that have not returned */

static void play(struct instance *instance, struct story *story)
{
	struct event events[HELD_MAX] = {0};
	cs_error_t error = CS_OK;
	unsigned int i;

	while (story_goes_on(story) && (error == CS_OK || error == CS_ERR_TRY_AGAIN)) {
		uint8_t how = story_byte(story);

		if (how % 4 == 3)
			fuzz_allocations(how / 4 % 8);
		if (how == 0xff)
			engine.gone = true;
		if (instance_has_rings(instance) && how % 2)
			ring_put_something(story);
		error = event_next(instance, how & 0x40, &events[how % HELD_MAX]);
		if (error == CS_OK)
			error = event_deliver(instance, &events[how % HELD_MAX]);
	}
	fuzz_allocations(SIZE_MAX);
	for (i = 0; i < HELD_MAX; i++)
		event_release(instance, &events[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story story = {.at = data, .left = size};
	struct instance instance = {.features = IPC_FEATURE_LARGE_GROUPS,
				    .buffer_size = BUFFER_SIZE,
				    .channel_lock = PTHREAD_MUTEX_INITIALIZER,
				    .event_lock = PTHREAD_MUTEX_INITIALIZER};
	uint8_t how = story_byte(&story);

	if (how & 1)
		instance.model = (cpg_model_v1_data_t){.cpg_deliver_fn = on_deliver,
						       .cpg_confchg_fn = on_confchg,
						       .cpg_totem_confchg_fn = on_totem_confchg};
	if (!memory)
		memory = memory_new();
	engine.story = &story;
	engine.instance = &instance;
	engine.gone = false;
	if (how & 2)
		rings_open(&instance, how / 4 % 4);
	play(&instance, &story);
	assembly_free_all(&instance.assemblies);
	event_parts_free(&instance.parts);
	free(instance.spare);
	return 0;
}
