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

/* Its check value is there before its object is. */
struct slot {
	uint32_t check;
	_Atomic(struct handle_object *) object; /* NULL: free */
};

struct slots {
	uint32_t count;
	struct slot list[];
};

/*
 * The one table of the process: handles are numbers that come from anywhere.
 *
 * Nothing is held over fork(): a program may hold a lock of its own there that another thread has around its calls, or fork in a
 * signal's handler that interrupted one of them. So a child may find the table as it was at any instant, and at each it is whole: each
 * change is one store, behind all that it stands for.
 */
static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	_Atomic(struct slots *) slots; /* NULL: none yet */
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

/*
 * A child has one thread, and the lock maybe from one that it does not have. Or from this one, if a signal's handler forked: when that
 * returns, the lock is given back once more than it was taken, which is nothing to a plain lock of the C libraries that there are.
 */
static void child_begins(void)
{
	handle_forks++;
	pthread_mutex_init(&table.lock, NULL);
}

static void table_init(void)
{
	pthread_atfork(NULL, NULL, child_begins);
	if (getrandom(&table.next_check, sizeof(table.next_check), GRND_NONBLOCK) < 0)
		table.next_check = (uint32_t)time(NULL) ^ (uint32_t)getpid();
}

/* Under the lock. */
static struct slots *slots_now(void)
{
	return atomic_load_explicit(&table.slots, memory_order_relaxed);
}

static struct handle_object *object_of(const struct slot *slot)
{
	return atomic_load_explicit(&slot->object, memory_order_relaxed);
}

/* Release: what it stands for is there before it is. */
static void object_set(struct slot *slot, struct handle_object *object)
{
	atomic_store_explicit(&slot->object, object, memory_order_release);
}

/* The old ones go when the new ones are in their place. NULL: out of memory. */
static struct slots *slots_grow(struct slots *old)
{
	uint32_t i, count = old ? old->count * 2 : 16;
	struct slots *grown = calloc(1, sizeof(*grown) + count * sizeof(grown->list[0]));

	if (!grown)
		return NULL;
	grown->count = count;
	for (i = 0; old && i < old->count; i++) {
		grown->list[i].check = old->list[i].check;
		object_set(&grown->list[i], object_of(&old->list[i]));
	}
	atomic_store_explicit(&table.slots, grown, memory_order_release);
	free(old);
	return grown;
}

/* Its index. False: out of memory. */
static bool slot_find_free(uint32_t *index)
{
	struct slots *slots = slots_now();
	uint32_t count = slots ? slots->count : 0;

	for (*index = 0; *index < count; ++*index) {
		if (!object_of(&slots->list[*index]))
			return true;
	}
	return slots_grow(slots) != NULL;
}

static void slot_fill(uint32_t index, struct handle_object *object, uint64_t *handle)
{
	struct slot *slot = &slots_now()->list[index];

	if (!++table.next_check)
		table.next_check = 1; /* 0 is never a handle */
	slot->check = table.next_check;
	object_set(slot, object);
	*handle = (uint64_t)slot->check << 32 | index;
}

static struct slot *slot_of(uint64_t handle)
{
	uint32_t index = (uint32_t)handle;
	struct slots *slots = slots_now();
	struct slot *slot;

	if (!slots || index >= slots->count)
		return NULL;
	slot = &slots->list[index];
	return object_of(slot) && slot->check == handle >> 32 ? slot : NULL;
}

cs_error_t handle_create(struct handle_object *object, uint64_t *handle)
{
	uint32_t index;
	bool found;

	pthread_once(&table.once, table_init);
	table_lock();
	found = slot_find_free(&index);
	if (found) {
		atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
		slot_fill(index, object, handle);
	}
	table_unlock();
	return found ? CS_OK : CS_ERR_NO_MEMORY;
}

struct handle_object *handle_get(uint64_t handle, enum handle_type type)
{
	struct handle_object *object = NULL;
	struct slot *slot;

	table_lock();
	slot = slot_of(handle);
	if (slot && object_of(slot)->type == type) {
		object = object_of(slot);
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
	ours = slot && object_of(slot) == object;
	if (ours)
		object_set(slot, NULL);
	table_unlock();
	if (ours)
		handle_put(object);
	return ours;
}

/* The next object of this owner in these slots, which is in none any more. NULL: there is none behind *from. */
static struct handle_object *take_owned_from(struct slots *slots, const struct handle_object *owner,
					     uint32_t *from)
{
	struct handle_object *object;

	for (; slots && *from < slots->count; ++*from) {
		object = object_of(&slots->list[*from]);
		if (object && object->owner == owner) {
			object_set(&slots->list[*from], NULL);
			return object;
		}
	}
	return NULL;
}

static struct handle_object *take_owned(const struct handle_object *owner, uint32_t *from)
{
	struct handle_object *object;

	table_lock();
	object = take_owned_from(slots_now(), owner, from);
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
