/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages into the submission ring (cpg_ring.h): small ones as they are, others as the place in a pool segment where the
 * engine finds them. All of this runs under channel_lock.
 */
#include <string.h>

#include "lib_internal.h"

/* How long an engine may take nothing before a sender asks libqb whether it is there. */
#define STILL_NS (100 * (int64_t)CS_TIME_NS_IN_MSEC)

void submission_init(struct instance *instance)
{
	struct submission *submission = &instance->submission;

	submission->ring = (struct ring_writer){
		.data = instance->control.base + SUBMISSION_RING_OFFSET,
		.size = SUBMISSION_RING_SIZE,
		.larger = {{{instance->control.base + SUBMISSION_LARGE_OFFSET, SUBMISSION_LARGE_SIZE}}}};
	submission->next = &submission->oldest;
}

static bool is_large(size_t size)
{
	return size >= SUBMISSION_LARGE_BLOCK;
}

/* Moves the handovers that the engine is past to those that were taken. */
static void handovers_pass(struct submission *submission)
{
	struct handover *handover;

	while ((handover = submission->oldest) && handover->end <= submission->ring.taken) {
		submission->oldest = handover->next;
		submission->waiting -= handover->length;
		submission->large -= is_large(handover->length);
		handover->next = submission->taken;
		submission->taken = handover;
	}
	if (!submission->oldest)
		submission->next = &submission->oldest;
}

/* How far the engine is. False: it says what can't be, and is as good as gone. */
static bool look(struct instance *instance)
{
	struct submission *submission = &instance->submission;

	if (!ring_writer_look(&submission->ring, &instance_control(instance)->submission_taken.end)) {
		atomic_store(&instance->gone, true);
		event_lost(instance);
		return false;
	}
	handovers_pass(submission);
	return true;
}

/* For a message of `size` bytes. */
static bool full(const struct submission *submission, size_t size)
{
	return ring_used(&submission->ring) > SUBMISSION_RING_LIMIT(submission->ring.size) ||
	       submission->waiting > SUBMISSION_BLOCKS_MAX || (submission->large && is_large(size));
}

/* There is more room once the engine has seen that it is wanted. */
static void move_if_full(struct instance *instance)
{
	struct ring_writer *ring = &instance->submission.ring;

	if (ring_used(ring) > SUBMISSION_RING_LIMIT(ring->size) &&
	    atomic_load_explicit(&instance_control(instance)->grown, memory_order_acquire))
		ring_move(ring);
}

cs_error_t submission_state(struct instance *instance, size_t size)
{
	struct submission *submission = &instance->submission;

	if (submission->draining)
		return CS_ERR_TRY_AGAIN;
	if (!full(submission, size))
		return CS_OK;
	if (!look(instance))
		return CS_ERR_LIBRARY;
	move_if_full(instance);
	return full(submission, size) ? CS_ERR_TRY_AGAIN : CS_OK;
}

/* There is room, however much the end must be skipped for it: the state said so. */
static void *entry_begin(struct submission *submission, enum ring_entry_kind kind, size_t length)
{
	size_t size = ring_entry_size(length);
	struct ring_entry *entry = ring_reserve(&submission->ring, size);

	memset((uint8_t *)entry + size - RING_ALIGN, 0, RING_ALIGN);
	*entry = (struct ring_entry){.kind = (uint8_t)kind, .length = (uint32_t)length};
	return entry + 1;
}

/*
 * An engine that was awake is not rung, so nothing shows that it is gone: whether it takes something does. Where it is was just loaded,
 * with `asleep`, of whose cache line it is; and the clock is only read while it stands still. That needs not be exact.
 */
static bool engine_there(struct instance *instance)
{
	struct submission *submission = &instance->submission;
	uint64_t taken =
		atomic_load_explicit(&instance_control(instance)->submission_taken.end, memory_order_relaxed);
	int64_t now, still;

	if (taken != submission->seen) {
		submission->seen = taken;
		submission->still_since = 0;
		return true;
	}
	now = now_coarse_ns();
	still = submission->still_since ? now - submission->still_since : 0;
	if (!still || still >= STILL_NS)
		submission->still_since = now;
	return still < STILL_NS || channel_connected(instance);
}

static cs_error_t entry_end(struct instance *instance, size_t length)
{
	struct segment_control *control = instance_control(instance);
	struct ring_writer *ring = &instance->submission.ring;

	ring_put(ring, ring_entry_size(length), &control->submitted.end);
	if (ring_must_wake(ring, &control->submitted.end, &control->submission_taken.asleep))
		return channel_doorbell_locked(instance);
	return engine_there(instance) ? CS_OK : CS_ERR_LIBRARY;
}

cs_error_t submission_put(struct instance *instance, const struct iovec *iov, unsigned int iov_len,
			  size_t size)
{
	gather_copy(entry_begin(&instance->submission, RING_MESSAGE, size), iov, iov_len, 0, size);
	return entry_end(instance, size);
}

cs_error_t submission_put_block(struct instance *instance, const struct ring_block *block,
				struct handover *handover)
{
	struct submission *submission = &instance->submission;
	cs_error_t error;

	memcpy(entry_begin(submission, RING_BLOCK, sizeof(*block)), block, sizeof(*block));
	error = entry_end(instance, sizeof(*block));
	*handover = (struct handover){
		.end = submission->ring.end, .length = (size_t)block->length, .buffer = handover->buffer};
	*submission->next = handover;
	submission->next = &handover->next;
	submission->waiting += handover->length;
	submission->large += is_large(handover->length);
	return error;
}

struct handover *submission_collect(struct instance *instance)
{
	struct submission *submission = &instance->submission;
	struct handover *taken;

	look(instance);
	taken = submission->taken;
	submission->taken = NULL;
	return taken;
}

static bool all_taken(struct instance *instance)
{
	return !look(instance) || ring_all_taken(&instance->submission.ring);
}

void submission_drain(struct instance *instance)
{
	unsigned int round = 0;

	if (!instance_has_rings(instance))
		return;
	instance->submission.draining++;
	while (!all_taken(instance) && !instance->ended && channel_connected(instance)) {
		channel_unlock(instance);
		channel_pause(round++);
		pthread_mutex_lock(&instance->channel_lock);
	}
	instance->submission.draining--;
}
