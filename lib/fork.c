/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fork() while callbacks run. A message may lie in a ring that the child shares with its parent and with the engine: it would change in
 * the child's hands, and what the child writes there would be in messages that its parent gets later. So the child finds copies of these pages in
 * their place. The parent, whose ring it is, goes on with what is shared.
 *
 * Nothing is held while the process forks, for which see handle.c: the copies are the forking thread's own, and a child finds the list of instances
 * as it was at any instant. A signal's handler may fork inside of all that, but not in the middle of what is done here.
 */
#define _GNU_SOURCE /* mremap */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib_internal.h"

/* For longer than this a thread has one of the locks only where the engine stands still. */
#define LOCK_NS 200000000

/*
 * Of whole pages, which lie behind this one's: all of it is one mapping. From malloc() nothing may come: it may be what the handler of a signal
 * interrupted.
 */
struct copy {
	struct copy *next;
	unsigned int depth; /* of the fork that it is for */
	uint64_t instance;  /* its `watched` */
	void *original;
	size_t size;
};

/* Of the process. */
static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	_Atomic(struct instance *)
		instances; /* all there are; whole at every instant, for a child to look at */
	uint64_t watched;  /* how many there were so far */
} forks = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* Of each thread, while it forks. Volatile: so that fork_watch() can touch it. */
static _Thread_local volatile struct {
	struct copy *copies;
	unsigned int depth; /* forks that it is in: more than one where a signal's handler forks */
} forking;

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void *copy_pages(struct copy *copy)
{
	return (uint8_t *)copy + page_size();
}

/* What there is no memory for stays shared: to fork is not ours to forbid. */
static void pages_copy(const struct instance *instance, void *original, size_t size)
{
	struct copy *copy =
		mmap(NULL, page_size() + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return;
	*copy = (struct copy){.next = forking.copies,
			      .depth = forking.depth,
			      .instance = instance->watched,
			      .original = original,
			      .size = size};
	memcpy(copy_pages(copy), original, size);
	forking.copies = copy;
}

/* With the byte behind it, which is the callback's too. */
static void event_copy(const struct instance *instance, const struct event *event)
{
	uintptr_t page = page_size();
	uintptr_t start = (uintptr_t)event->data / page * page;
	uintptr_t end = (uintptr_t)event->data + event->size + 1;

	pages_copy(instance, (void *)start, (end - start + page - 1) / page * page);
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
			event_copy(instance, event);
	}
	pthread_mutex_unlock(&instance->event_lock);
}

static struct instance *instances(void)
{
	return atomic_load_explicit(&forks.instances, memory_order_acquire);
}

static struct instance *next_of(const struct instance *instance)
{
	return atomic_load_explicit(&instance->next, memory_order_acquire);
}

/*
 * Without rings there is nothing to copy, and event_lock may be held for as long as the engine takes to answer. What a child has from
 * its parent it has to itself already; one that a handler made in the middle of fork_watch() may have an instance of its parent's in its list.
 */
static void copies_make(void)
{
	struct instance *instance;

	if (!lock_within(&forks.lock, LOCK_NS))
		return;
	for (instance = instances(); instance; instance = next_of(instance)) {
		if (!instance_forked(instance) && instance_has_rings(instance))
			events_copy(instance);
	}
	pthread_mutex_unlock(&forks.lock);
}

static sigset_t signals_block(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	return before;
}

static void signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void fork_begins(void)
{
	sigset_t before = signals_block();

	forking.depth++;
	copies_make();
	signals_restore(&before);
}

/* The next copy that is for the innermost fork. NULL: there is none any more. */
static struct copy *copy_take(void)
{
	struct copy *copy = forking.copies;

	if (!copy || copy->depth != forking.depth)
		return NULL;
	forking.copies = copy->next;
	return copy;
}

static void parent_goes_on(void)
{
	sigset_t before = signals_block();
	struct copy *copy;

	while ((copy = copy_take()))
		munmap(copy, page_size() + copy->size);
	forking.depth--;
	signals_restore(&before);
}

/* Another thread may have ended the handle since, and something else may be mapped there. */
static bool still_mapped(const struct copy *copy)
{
	const struct instance *instance = instances();

	while (instance && instance->watched != copy->instance)
		instance = next_of(instance);
	return instance != NULL;
}

/* The pages are moved: the child needs no memory for that. */
static void copy_put(struct copy *copy)
{
	size_t size = copy->size;

	if (still_mapped(copy) &&
	    mremap(copy_pages(copy), size, size, MREMAP_MAYMOVE | MREMAP_FIXED, copy->original) != MAP_FAILED)
		size = 0;
	munmap(copy, page_size() + size);
}

/* Of its parent's instances none is watched. The lock: as in handle.c. */
static void child_begins(void)
{
	sigset_t before = signals_block();
	struct copy *copy;

	while ((copy = copy_take()))
		copy_put(copy);
	forking.depth--;
	atomic_store_explicit(&forks.instances, NULL, memory_order_relaxed);
	pthread_mutex_init(&forks.lock, NULL);
	signals_restore(&before);
}

static void forks_init(void)
{
	pthread_atfork(fork_begins, parent_goes_on, child_begins);
}

/*
 * In a library that was loaded late a thread's own variables come from malloc() when they are first used. A process of more than one thread can't
 * fork in a handler that interrupted malloc(), for fork() takes the locks of that; and one of a single thread has been here.
 */
static void thread_prepare(void)
{
	(void)forking.depth;
}

void fork_watch(struct instance *instance)
{
	thread_prepare();
	pthread_once(&forks.once, forks_init);
	pthread_mutex_lock(&forks.lock);
	instance->watched = ++forks.watched;
	atomic_store_explicit(&instance->next, instances(), memory_order_relaxed);
	atomic_store_explicit(&forks.instances, instance, memory_order_release);
	pthread_mutex_unlock(&forks.lock);
}

/* One that a child has from its parent is not found. */
void fork_forget(struct instance *instance)
{
	_Atomic(struct instance *) *link = &forks.instances;
	struct instance *at;

	pthread_mutex_lock(&forks.lock);
	while ((at = atomic_load_explicit(link, memory_order_relaxed)) && at != instance)
		link = &at->next;
	if (at)
		atomic_store_explicit(link, next_of(at), memory_order_release);
	pthread_mutex_unlock(&forks.lock);
}
