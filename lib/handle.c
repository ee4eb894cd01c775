/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handles: a slot number in the lower half, a check value in the upper one. Check values go up by one with
 * every handle from a random start, so an old handle never fits the slot's next owner, nor another process's.
 */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib_internal.h"

struct slot {
	uint32_t check;
	struct handle_object *object; /* NULL: free */
};

/* The one table of the process: handles are numbers that come from anywhere. */
static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct slot *slots;
	uint32_t count;
	uint32_t next_check;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

static void table_lock(void)
{
	pthread_mutex_lock(&table.lock);
}

static void table_unlock(void)
{
	pthread_mutex_unlock(&table.lock);
}

unsigned int handle_forks;

static void child_begins(void)
{
	handle_forks++;
	table_unlock();
}

/* A child must not find the lock held by a thread that it does not have. */
static void table_init(void)
{
	pthread_atfork(table_lock, table_unlock, child_begins);
	if (getrandom(&table.next_check, sizeof(table.next_check), GRND_NONBLOCK) < 0)
		table.next_check = (uint32_t)time(NULL) ^ (uint32_t)getpid();
}

static struct slot *slot_find_free(void)
{
	struct slot *grown;
	uint32_t i, count;

	for (i = 0; i < table.count; i++) {
		if (!table.slots[i].object)
			return &table.slots[i];
	}
	count = table.count ? table.count * 2 : 16;
	grown = realloc(table.slots, count * sizeof(*grown));
	if (!grown)
		return NULL;
	for (i = table.count; i < count; i++)
		grown[i] = (struct slot){0};
	i = table.count;
	table.slots = grown;
	table.count = count;
	return &table.slots[i];
}

static struct slot *slot_of(uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	struct slot *slot;

	if (index >= table.count)
		return NULL;
	slot = &table.slots[index];
	return slot->object && slot->check == handle >> 32 ? slot : NULL;
}

cs_error_t handle_create(struct handle_object *object, uint64_t *handle)
{
	struct slot *slot;

	pthread_once(&table.once, table_init);
	table_lock();
	slot = slot_find_free();
	if (slot) {
		if (!++table.next_check)
			table.next_check = 1; /* 0 is never a handle */
		slot->check = table.next_check;
		slot->object = object;
		*handle = (uint64_t)slot->check << 32 | (uint64_t)(slot - table.slots);
	}
	table_unlock();
	return slot ? CS_OK : CS_ERR_NO_MEMORY;
}

struct handle_object *handle_get(uint64_t handle, enum handle_type type)
{
	struct handle_object *object = NULL;
	struct slot *slot;

	table_lock();
	slot = slot_of(handle);
	if (slot && slot->object->type == type) {
		object = slot->object;
		atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
	}
	table_unlock();
	return object;
}

void handle_put(struct handle_object *object)
{
	if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1)
		object->destroy(object);
}

bool handle_remove(uint64_t handle, struct handle_object *object)
{
	struct slot *slot;
	bool ours;

	table_lock();
	slot = slot_of(handle);
	ours = slot && slot->object == object;
	if (ours)
		slot->object = NULL;
	table_unlock();
	if (ours)
		handle_put(object);
	return ours;
}

static struct handle_object *take_owned(const struct handle_object *owner, uint32_t *from)
{
	struct handle_object *object = NULL;

	table_lock();
	for (; !object && *from < table.count; ++*from) {
		struct slot *slot = &table.slots[*from];

		if (slot->object && slot->object->owner == owner) {
			object = slot->object;
			slot->object = NULL;
		}
	}
	table_unlock();
	return object;
}

void handle_remove_owned(const struct handle_object *owner)
{
	struct handle_object *object;
	uint32_t from = 0;

	while ((object = take_owned(owner, &from)) != NULL)
		handle_put(object);
}
