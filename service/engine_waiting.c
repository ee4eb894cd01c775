/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What clients send, from the moment that it is accepted: one queue of batches that wait for totem, and lists of those that
 * do not wait. See engine_outgoing.c for what is where, and when it moves.
 */
#include "engine_internal.h"

/* The request channel is off while more than the first waits, until less than the second does. */
#define BACKLOG_HOLD ((size_t)4 * 1024 * 1024)
#define BACKLOG_RESUME ((size_t)1024 * 1024)

/* And so it is with clients that have ended with something in their rings: new ones might do so faster than it is taken. */
#define ENDED_HOLD 64u
#define ENDED_RESUME 32u

/* ---- lists of batches ---- */

struct batch *batches_first(const struct qb_list_head *list)
{
	return qb_list_empty(list) ? NULL : qb_list_first_entry(list, struct batch, of_list);
}

void batch_drop(struct engine *engine, struct batch *batch)
{
	partial_release(engine, batch->partial);
	batch_free(batch);
}

void batches_clear(struct engine *engine, struct qb_list_head *list)
{
	struct batch *batch;

	while ((batch = batches_first(list)) != NULL) {
		qb_list_del(&batch->of_list);
		batch_drop(engine, batch);
	}
}

/* ---- the queue ---- */

void waiting_hold_or_resume(struct engine *engine)
{
	bool held = engine->backlog_holds || engine->ended_hold;

	engine->backlog_holds = engine->backlog > (engine->backlog_holds ? BACKLOG_RESUME : BACKLOG_HOLD);
	engine->ended_hold = engine->ended_count > (engine->ended_hold ? ENDED_RESUME : ENDED_HOLD);
	if (held != (engine->backlog_holds || engine->ended_hold)) {
		engine->ops.hold_requests(engine->context, !held);
	}
}

static size_t waiting_size(const struct batch *batch)
{
	return batch->size - batch->handed.at;
}

void waiting_add(struct engine *engine, struct batch *batch)
{
	qb_list_add_tail(&batch->of_list, &engine->waiting);
	engine->backlog += waiting_size(batch);
}

void waiting_remove(struct engine *engine, struct batch *batch)
{
	qb_list_del(&batch->of_list);
	engine->backlog -= waiting_size(batch);
}

void waiting_put_back(struct engine *engine, struct batch *batch)
{
	qb_list_add(&batch->of_list, &engine->waiting);
	engine->backlog += waiting_size(batch);
}

void waiting_hand_over_to(struct engine *engine, struct batch *batch, const struct cursor *cursor)
{
	engine->backlog -= waiting_size(batch);
	batch->handed = *cursor;
	engine->backlog += waiting_size(batch);
}

void waiting_rewind(struct engine *engine, struct qb_list_head *list)
{
	struct batch *batch;

	while (!qb_list_empty(list)) {
		batch = qb_list_entry(list->prev, struct batch, of_list);
		qb_list_del(&batch->of_list);
		if (batch->control) {
			batch_free(batch);
			continue;
		}
		batch->handed = batch->returned;
		if (engine_rule_holds(engine, RULE_IN_ORDER)) {
			waiting_put_back(engine, batch);
		} else {
			waiting_add(engine, batch);
		}
	}
}

/* ---- what is accepted ---- */

/* The batch that takes more: the last one, unless it is a fragment. */
static struct batch *open_batch(const struct engine *engine)
{
	struct batch *last;

	if (qb_list_empty(&engine->waiting)) {
		return NULL;
	}
	last = qb_list_entry(engine->waiting.prev, struct batch, of_list);
	return last->partial ? NULL : last;
}

/* What a new one takes before it has to grow: nothing waits behind one that goes at once. */
static size_t batch_room(const struct engine *engine)
{
	return engine->inflight ? BATCH_SIZE_MAX : BATCH_ROOM;
}

struct batch *outgoing_batch(struct engine *engine, const struct record *sender, size_t room)
{
	struct batch *batch = open_batch(engine);
	size_t before = batch ? batch->size : 0;

	if (batch == NULL || !batch_begin_messages(batch, sender, room)) {
		before = 0;
		batch = batch_of(NULL, batch_room(engine));
		if (batch && !batch_begin_messages(batch, sender, room)) {
			batch_free(batch);
			batch = NULL;
		}
		if (batch) {
			qb_list_add_tail(&batch->of_list, &engine->waiting);
		}
	}
	if (batch) {
		outgoing_grew(engine, batch, before);
	}
	return batch;
}

void outgoing_grew(struct engine *engine, const struct batch *batch, size_t before)
{
	engine->backlog += batch->size - before;
}

bool outgoing_record(struct engine *engine, const struct record *record)
{
	struct batch *batch = open_batch(engine);
	size_t before = batch ? batch->size : 0;

	if (batch && batch_add(batch, record)) {
		outgoing_grew(engine, batch, before);
	} else {
		batch = batch_of(record, batch_room(engine));
		if (batch == NULL) {
			return false;
		}
		waiting_add(engine, batch);
	}
	waiting_hold_or_resume(engine);
	return true;
}

bool outgoing_control(struct engine *engine, const struct record *record)
{
	struct batch *batch = batch_of(record, 0);

	if (batch == NULL) {
		return false;
	}
	batch->control = record ? record->kind : PEER_SENDER; /* an empty one is of no kind */
	qb_list_add_tail(&batch->of_list, &engine->control);
	return true;
}

void outgoing_control_clear(struct engine *engine, uint8_t kind)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &engine->control) {
		struct batch *batch = qb_list_entry(at, struct batch, of_list);

		if (batch->control == kind) {
			qb_list_del(at);
			batch_drop(engine, batch);
		}
	}
}
