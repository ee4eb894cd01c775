/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork() while callbacks run. A message may lie in a ring that the child shares with its parent and with the engine: it would change in
 * the child's hands, and what the child writes there would be in messages that its parent gets later. So the child finds copies of these pages in
 * their place. The parent, whose ring it is, goes on with what is shared.
 */
#define _GNU_SOURCE /* mremap */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_internal.h"

/* For longer than this a thread has event_lock only where the engine stands still. */
#define LOCK_NS 200000000

/* Of whole pages. */
struct copy {
	struct copy *next;
	void *original;
	void *pages;
	size_t size;
};

/* Of the process, as fork() is. */
static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	struct instance *instances; /* all there are */
	struct copy *copies;	    /* while it forks */
} forks = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* What there is no memory for stays shared: to fork is not ours to forbid. */
static void pages_copy(void *original, size_t size)
{
	struct copy *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	*copy = (struct copy){.next = forks.copies, .original = original, .size = size};
	copy->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy->pages == MAP_FAILED) {
		free(copy);
		return;
	}
	memcpy(copy->pages, original, size);
	forks.copies = copy;
}

/* With the byte behind it, which is the callback's too. */
static void event_copy(const struct event *event)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)event->data / page * page;
	uintptr_t end = (uintptr_t)event->data + event->size + 1;

	pages_copy((void *)start, (end - start + page - 1) / page * page);
}

static bool lies_in(const struct segment *segment, const uint8_t *data)
{
	const uint8_t *start = segment->map;

	return data >= start && data < start + segment->map_size;
}

/* A signal's handler may fork while its own thread is at the events: that lock is never to be had. */
static void events_copy(struct instance *instance)
{
	const struct event *event;

	if (!lock_within(&instance->event_lock, LOCK_NS))
		return;
	for (event = instance->delivery.oldest; event; event = event->newer) {
		if (lies_in(&instance->control, event->data))
			event_copy(event);
	}
	pthread_mutex_unlock(&instance->event_lock);
}

/*
 * Without rings there is nothing to copy, and event_lock may be held for as long as the engine takes to answer. A child that forks again has
 * what it found in its parent's callbacks to itself already, and locks that maybe nobody gives back.
 */
static void fork_begins(void)
{
	struct instance *instance;

	pthread_mutex_lock(&forks.lock);
	for (instance = forks.instances; instance; instance = instance->next) {
		if (!instance_forked(instance) && instance_has_rings(instance))
			events_copy(instance);
	}
}

static struct copy *copy_take(void)
{
	struct copy *copy = forks.copies;

	if (copy)
		forks.copies = copy->next;
	return copy;
}

static void parent_goes_on(void)
{
	struct copy *copy;

	while ((copy = copy_take())) {
		munmap(copy->pages, copy->size);
		free(copy);
	}
	pthread_mutex_unlock(&forks.lock);
}

/* The pages are moved: the child needs no memory for that. */
static void child_begins(void)
{
	struct copy *copy;

	while ((copy = copy_take())) {
		if (mremap(copy->pages, copy->size, copy->size, MREMAP_MAYMOVE | MREMAP_FIXED,
			   copy->original) == MAP_FAILED)
			munmap(copy->pages, copy->size);
		free(copy);
	}
	pthread_mutex_unlock(&forks.lock);
}

static void forks_init(void)
{
	pthread_atfork(fork_begins, parent_goes_on, child_begins);
}

void fork_watch(struct instance *instance)
{
	pthread_once(&forks.once, forks_init);
	pthread_mutex_lock(&forks.lock);
	instance->next = forks.instances;
	instance->link = &forks.instances;
	if (instance->next)
		instance->next->link = &instance->next;
	forks.instances = instance;
	pthread_mutex_unlock(&forks.lock);
}

void fork_forget(struct instance *instance)
{
	pthread_mutex_lock(&forks.lock);
	*instance->link = instance->next;
	if (instance->next)
		instance->next->link = instance->link;
	pthread_mutex_unlock(&forks.lock);
}
