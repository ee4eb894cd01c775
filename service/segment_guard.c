/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "service/segment_guard.h"
#include "service/segment_libqb.h"

/* Linux maps at most 65530 areas by default, so more ranges than this could not exist. */
#define CHUNK_RANGES 256u
#define CHUNKS_MAX 256u

struct guard_range {
	_Atomic uintptr_t base; /* 0: not in use. Stored last when a range begins, first when it ends. */
	_Atomic size_t size;
	atomic_bool tripped;
	struct guard_range *next_free;
};

/*
 * What the signal handler may look at. Chunks are added and never freed, so the handler can walk them at any
 * moment, in any thread.
 */
static struct {
	_Atomic(struct guard_range *) chunks[CHUNKS_MAX];
	struct guard_range *free; /* not for the handler */
	struct sigaction previous;
	bool installed;
	atomic_bool disturbed; /* SIGBUS may be blocked */
} guard = {.disturbed = true};

static bool range_covers(struct guard_range *range, uintptr_t address)
{
	uintptr_t base = atomic_load_explicit(&range->base, memory_order_acquire);
	size_t size = atomic_load_explicit(&range->size, memory_order_acquire);

	return base != 0 && address >= base && address - base < size &&
	       atomic_load_explicit(&range->base, memory_order_relaxed) == base;
}

static struct guard_range *range_find(uintptr_t address)
{
	for (size_t i = 0; i < CHUNKS_MAX; i++) {
		struct guard_range *chunk = atomic_load_explicit(&guard.chunks[i], memory_order_acquire);

		if (chunk == NULL)
			return NULL;
		for (size_t k = 0; k < CHUNK_RANGES; k++) {
			if (range_covers(&chunk[k], address))
				return &chunk[k];
		}
	}
	return NULL;
}

/*
 * The whole range, not only the missing pages: it stays one mapping (a hostile client must not be able to use
 * up the number of mappings we may have), and the client can't cut the rest away later.
 */
static bool range_cover(uintptr_t address)
{
	struct guard_range *range = range_find(address);
	void *base;

	if (range == NULL)
		return false;
	base = (void *)atomic_load_explicit(&range->base, memory_order_relaxed);
	if (mmap(base, atomic_load_explicit(&range->size, memory_order_relaxed), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return false;
	atomic_store(&range->tripped, true);
	return true;
}

/* Nobody needs what is counted there. */
static bool libqb_cover(uintptr_t address)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	return libqb_counters_at(address) &&
	       mmap((void *)(address / page * page), page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* Neither ours nor libqb's: as if we had never been installed. */
static void pass_on(int signal_number, siginfo_t *info, void *context)
{
	struct sigaction fatal = {.sa_handler = SIG_DFL};

	if (guard.previous.sa_flags & SA_SIGINFO) {
		guard.previous.sa_sigaction(signal_number, info, context);
		return;
	}
	if (guard.previous.sa_handler == SIG_IGN && info->si_code <= 0)
		return; /* sent by somebody: to ignore it is possible */
	if (guard.previous.sa_handler != SIG_DFL && guard.previous.sa_handler != SIG_IGN) {
		guard.previous.sa_handler(signal_number);
		return;
	}
	/* Blocked until we return; then it ends the process with the right signal. */
	sigaction(signal_number, &fatal, NULL);
	raise(signal_number);
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int saved_errno = errno;
	uintptr_t address = (uintptr_t)info->si_addr;

	/* BUS_ADRERR alone means a hole in a mapped file; broken hardware for one is not ours to hide. */
	if (info->si_code != BUS_ADRERR || (!range_cover(address) && !libqb_cover(address)))
		pass_on(signal_number, info, context);
	errno = saved_errno;
}

bool guard_install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

	(void)libqb_counters_watch(); /* without it all else is guarded */
	if (guard.installed)
		return true;
	if (sigaction(SIGBUS, NULL, &guard.previous) == -1 || sigaction(SIGBUS, &action, NULL) == -1)
		return false;
	guard.installed = true;
	return true;
}

static bool chunk_add(void)
{
	struct guard_range *chunk;
	size_t i = 0;

	while (i < CHUNKS_MAX && atomic_load_explicit(&guard.chunks[i], memory_order_relaxed) != NULL)
		i++;
	if (i == CHUNKS_MAX)
		return false;
	chunk = calloc(CHUNK_RANGES, sizeof(*chunk));
	if (chunk == NULL)
		return false;
	for (size_t k = 0; k < CHUNK_RANGES; k++) {
		chunk[k].next_free = guard.free;
		guard.free = &chunk[k];
	}
	atomic_store_explicit(&guard.chunks[i], chunk, memory_order_release);
	return true;
}

struct guard_range *guard_add(void *base, size_t size)
{
	struct guard_range *range;

	if (!guard_install() || (guard.free == NULL && !chunk_add()))
		return NULL;
	range = guard.free;
	guard.free = range->next_free;
	atomic_store_explicit(&range->tripped, false, memory_order_relaxed);
	atomic_store_explicit(&range->size, size, memory_order_relaxed);
	atomic_store_explicit(&range->base, (uintptr_t)base, memory_order_release);
	guard_arm();
	return range;
}

void guard_remove(struct guard_range *range)
{
	atomic_store_explicit(&range->base, 0, memory_order_release);
	range->next_free = guard.free;
	guard.free = range;
}

bool guard_tripped(const struct guard_range *range)
{
	return atomic_load(&range->tripped);
}

void guard_disturbed(void)
{
	atomic_store(&guard.disturbed, true);
}

void guard_arm(void)
{
	sigset_t set;

	if (!atomic_load_explicit(&guard.disturbed, memory_order_relaxed))
		return;
	atomic_store(&guard.disturbed, false);
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}
