/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Events out of the delivery ring (cpg_ring.h), where they lie. All of this runs under event_lock; only a callback uses its
 * event without it. What a callback uses is not given back to the engine, nor is anything behind it.
 *
 * A callback may write to its message, so nothing of an entry is looked at again once it was taken. When the last event was
 * taken the doorbells are too: the descriptor shows what is left, to callbacks as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib_internal.h"

/* A doorbell that must be just on its way is waited for this long. */
#define DOORBELL_WAIT_NS (100 * (int64_t)CS_TIME_NS_IN_MSEC)

/* Room is given back in steps of such a part, and when nothing is left: the engine's and our core pass a cache line each time. */
#define GIVE_BACK_PART 16

void delivery_init(struct instance *instance)
{
	struct delivery *delivery = &instance->delivery;

	delivery->ring = (struct ring_reader){
		.data = instance->control.base + DELIVERY_RING_OFFSET,
		.size = DELIVERY_RING_SIZE,
		.spare = DELIVERY_SPARE,
		.larger = {{{instance->control.base + DELIVERY_LARGE_OFFSET, DELIVERY_LARGE_SIZE},
			    {instance->control.base + DELIVERY_HUGE_OFFSET, DELIVERY_HUGE_SIZE}}}};
	delivery->bells = RING_BELLS_INITIAL;
	delivery->events_before = instance_control(instance)->events_before;
}

/* ---- the cursor ---- */

static bool run_enter(struct delivery *delivery, const struct ring_entry *entry)
{
	size_t length = entry->length;

	if (!delivery->grouped || length <= sizeof(delivery->run) || length % RING_ALIGN)
		return false;
	memcpy(&delivery->run, ring_body(&delivery->ring), sizeof(delivery->run));
	delivery->run_end = delivery->ring.at + ring_entry_size(length);
	delivery->ring.at += ring_entry_size(sizeof(delivery->run));
	return true;
}

static bool group_enter(struct delivery *delivery, const struct ring_entry *entry)
{
	if (entry->length != sizeof(struct ipc_name) ||
	    !group_name_unpack(&delivery->group, ring_body(&delivery->ring)))
		return false;
	delivery->grouped = true;
	ring_next(&delivery->ring, entry);
	return true;
}

static bool in_run(const struct delivery *delivery)
{
	return delivery->ring.at < delivery->run_end;
}

/* Whether what lies here is an event; in a run there is nothing else. */
static bool is_event(const struct delivery *delivery, const struct ring_entry *entry)
{
	return in_run(delivery) || entry->kind == RING_EVENT;
}

/* Past what is no event. False: it makes no sense here. */
static bool entry_pass(struct delivery *delivery, const struct ring_entry *entry)
{
	if (entry->kind == RING_RUN)
		return run_enter(delivery, entry);
	return entry->kind == RING_GROUP && group_enter(delivery, entry);
}

/* The engine says what can't be. */
static cs_error_t nonsense(struct instance *instance)
{
	event_lost(instance);
	return CS_ERR_LIBRARY;
}

/* To the next message of the run, whose head is read before a callback can write there, or behind the run. */
static void run_step(struct delivery *delivery, const struct ring_entry *entry)
{
	delivery->ring.at += ring_entry_size(entry->length);
	delivery->ahead = in_run(delivery) && ring_peek(&delivery->ring, &delivery->next) == RING_FOUND_ENTRY;
	if (!in_run(delivery))
		delivery->ring.at += delivery->ring.spare;
}

/* Goes to the next event. CS_ERR_TRY_AGAIN: there is none before the end that we know of. */
static cs_error_t cursor_advance(struct instance *instance, struct ring_entry *entry)
{
	struct delivery *delivery = &instance->delivery;
	enum ring_found found;

	if (delivery->ahead) {
		*entry = delivery->next;
		return CS_OK;
	}
	while ((found = ring_peek(&delivery->ring, entry)) == RING_FOUND_ENTRY) {
		if (is_event(delivery, entry))
			return CS_OK;
		if (!entry_pass(delivery, entry))
			return nonsense(instance);
	}
	return found == RING_FOUND_NOTHING ? CS_ERR_TRY_AGAIN : nonsense(instance);
}

/* The same, before the end that the engine says now if need be. */
static cs_error_t event_find(struct instance *instance, struct ring_entry *entry)
{
	struct segment_control *control = instance_control(instance);
	struct delivery *delivery = &instance->delivery;
	cs_error_t error = cursor_advance(instance, entry);

	if (error != CS_ERR_TRY_AGAIN)
		return error;
	if (!ring_look(&delivery->ring, &control->delivered.end, &control->delivery_taken.asleep_at,
		       &delivery->bells))
		return nonsense(instance);
	return cursor_advance(instance, entry);
}

/* ---- doorbells ---- */

static bool came_nothing(ssize_t result)
{
	return result == -EAGAIN || result == -ETIMEDOUT || result == -EINTR;
}

/* A signal ends libqb's waiting early, and that looks as if the time were over. */
static ssize_t doorbell_receive(struct instance *instance)
{
	int64_t left = DOORBELL_WAIT_NS, end = now_ns() + left;
	ssize_t result;

	do {
		int32_t ms = (int32_t)((left + CS_TIME_NS_IN_MSEC - 1) / CS_TIME_NS_IN_MSEC);

		result = qb_ipcc_event_recv(instance->ipc, instance->spare, instance->buffer_size, ms);
	} while (came_nothing(result) && (left = end - now_ns()) > 0);
	return result;
}

static cs_error_t doorbell_take(struct instance *instance)
{
	const struct ipc_response *bell;
	ssize_t result;

	instance->spare = event_buffer_take(instance);
	if (!instance->spare)
		return CS_ERR_NO_MEMORY;
	result = doorbell_receive(instance);
	if (result < 0)
		return qb_to_cs_error((int)result);
	bell = (const struct ipc_response *)instance->spare;
	if ((size_t)result < sizeof(*bell) || bell->id != IPC_RES_DOORBELL)
		return nonsense(instance);
	instance->delivery.bells.due--;
	return CS_OK;
}

/* Nothing was found. One that does not come is taken when it does. */
static void doorbells_answer(struct instance *instance)
{
	struct segment_control *control = instance_control(instance);
	struct delivery *delivery = &instance->delivery;
	uint32_t count = ring_answer(&delivery->ring, &control->delivered.end,
				     &control->delivery_taken.asleep_at, &delivery->bells);

	while (count && doorbell_take(instance) == CS_OK)
		count--;
}

void delivery_settle(struct instance *instance)
{
	struct ring_entry entry;

	if (event_find(instance, &entry) == CS_ERR_TRY_AGAIN)
		doorbells_answer(instance);
}

/* From an engine that is gone: what it had put in, whether it came to ring for that or not. */
static cs_error_t remainder_find(struct instance *instance, struct ring_entry *entry)
{
	cs_error_t error;

	if (!ring_reader_look(&instance->delivery.ring, &instance_control(instance)->delivered.end))
		return nonsense(instance);
	error = cursor_advance(instance, entry);
	return error == CS_ERR_TRY_AGAIN ? CS_ERR_LIBRARY : error;
}

/* ---- events ---- */

/* Keeps the room of what lies here, and of all behind it, until delivery_release(). */
static void entry_hold(struct delivery *delivery, struct event *event)
{
	event->start = delivery->ring.at;
	event->held = true;
	event->newer = NULL;
	event->older = delivery->newest;
	if (event->older)
		event->older->newer = event;
	else
		delivery->oldest = event;
	delivery->newest = event;
}

static cs_error_t message_take(struct instance *instance, struct event *event, const struct ring_entry *entry)
{
	struct delivery *delivery = &instance->delivery;

	if (entry->kind != RING_MESSAGE ||
	    ring_entry_size(entry->length) > delivery->run_end - delivery->ring.at || instance->parts.data)
		return nonsense(instance);
	event->kind = EVENT_MESSAGE;
	event->data = ring_body(&delivery->ring);
	event->size = entry->length;
	event->group = delivery->group;
	event->nodeid = delivery->run.nodeid;
	event->pid = delivery->run.pid;
	entry_hold(delivery, event);
	run_step(delivery, entry);
	return CS_OK;
}

static cs_error_t event_entry_take(struct instance *instance, struct event *event,
				   const struct ring_entry *entry)
{
	struct delivery *delivery = &instance->delivery;

	event->data = ring_body(&delivery->ring);
	event->size = entry->length;
	entry_hold(delivery, event);
	ring_next(&delivery->ring, entry);
	return event_take(instance, event);
}

cs_error_t delivery_take(struct instance *instance, struct event *event)
{
	struct ring_entry entry;
	cs_error_t error = event_find(instance, &entry);

	if (error == CS_ERR_TRY_AGAIN) {
		doorbells_answer(instance);
		error = event_find(instance, &entry);
	}
	if (error == CS_ERR_TRY_AGAIN && !channel_connected(instance))
		error = remainder_find(instance, &entry);
	if (error != CS_OK)
		return error;
	if (in_run(&instance->delivery))
		return message_take(instance, event, &entry);
	return event_entry_take(instance, event, &entry);
}

void delivery_release(struct instance *instance, struct event *event)
{
	struct delivery *delivery = &instance->delivery;

	if (event->older)
		event->older->newer = event->newer;
	else
		delivery->oldest = event->newer;
	if (event->newer)
		event->newer->older = event->older;
	else
		delivery->newest = event->older;
	event->held = false;
}

bool delivery_give_back(struct instance *instance)
{
	struct segment_control *control = instance_control(instance);
	struct delivery *delivery = &instance->delivery;
	struct ring_reader given = delivery->ring;

	if (delivery->oldest)
		given.at = delivery->oldest->start;
	if (given.at - delivery->given < given.size / GIVE_BACK_PART && given.at != given.end)
		return false;
	delivery->given = given.at;
	return ring_take_waking(&given, &control->delivery_taken.end, &control->delivered.more);
}
