/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What totem brings back of what was handed over to it: it need not be kept any longer, and there is room for more. A batch comes
 * back by its number; in stock's format nothing tells one message from the next, but they come in the order in which they went.
 */
#include <inttypes.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/* Totem has brought all of it to everybody. */
void returned_whole(struct engine *engine, struct batch *batch)
{
	qb_list_del(&batch->of_list);
	if (batch->partial) {
		partial_returned(engine, batch);
	} else {
		batch_free(batch);
	}
}

/*
 * This is no context to send in, and a ring in which nothing is on its way brings no token: without a timer what
 * waits would wait for the next tick.
 */
static void flush_soon(struct engine *engine)
{
	if (!engine->flush_asked && engine->inflight == 0 && engine->gate == GATE_OPEN &&
	    !(qb_list_empty(&engine->waiting) && qb_list_empty(&engine->control))) {
		engine->flush_asked = true;
		engine->ops.wake(engine->context, 0);
	}
}

static void count_returned(struct engine *engine, size_t size)
{
	engine->inflight -= size < engine->inflight ? size : engine->inflight;
	engine->came_back += size;
	engine->silence = 0;
}

/* ---- in our own format ---- */

void outgoing_batch_returned(struct engine *engine, uint64_t number)
{
	struct batch *first;

	while ((first = batches_first(&engine->handed)) != NULL && first->number <= number) {
		if (first->number < number) {
			engine->stats.lost += first->count;
			engine_log(engine, LOG_ERR,
				   "gap: batch %" PRIu64
				   " of this node did not come back; it is not sent again",
				   first->number);
		}
		count_returned(engine, first->wire_size);
		returned_whole(engine, first);
	}
	flush_soon(engine);
}

/* ---- in stock's format ---- */

/* Totem has something of ours in stock's format: the batch that what comes back first is in. */
static struct batch *oldest_handed(const struct engine *engine)
{
	struct batch *batch = batches_first(&engine->handed);

	if (batch == NULL) {
		batch = batches_first(&engine->waiting);
		if (batch && batch->handed.at == batch->returned.at) {
			batch = NULL;
		}
	}
	return batch;
}

static bool record_returned(struct engine *engine, struct peer_item *item, struct batch **batch)
{
	*batch = oldest_handed(engine);
	return *batch && batch_step(*batch, &(*batch)->returned, item);
}

static void batch_finish(struct engine *engine, struct batch *batch)
{
	if (batch->handed.at == batch->size && batch_is_returned(batch) &&
	    batch != batches_first(&engine->waiting)) {
		returned_whole(engine, batch);
	}
}

static void forget_of(struct qb_list_head *list, struct peer_bytes sender)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, list) {
		struct batch *copy = qb_list_entry(at, struct batch, of_list);

		if (copy->size >= sender.size && memcmp(copy->records, sender.at, sender.size) == 0) {
			qb_list_del(at);
			batch_free(copy);
		}
	}
}

/* The batch's join or leave has come: copies of older ones of the same process would come behind it. */
static void forget_older(struct engine *engine, const struct batch *batch)
{
	struct peer_bytes sender = batch_sender(batch, &batch->returned);

	forget_of(&engine->again, sender);
	forget_of(&engine->repeat, sender);
}

/* What the process has had the memory for since it asked; it is used up where this was a copy already. */
static struct batch *batch_reserved(const struct engine *engine, const struct record *record)
{
	const struct group *group = group_find(engine, record->group);
	struct departing *departing = group ? departing_find(group, record->pid) : NULL;
	struct batch *batch = departing ? departing->again : NULL;

	if (batch == NULL || !batch_add(batch, record)) {
		return NULL;
	}
	departing->again = NULL;
	return batch;
}

/* The batch itself, which has come back and holds nothing else. NULL: it does. */
static struct batch *batch_reused(const struct engine *engine, struct batch *batch)
{
	if (batch->count > 1 || batch == batches_first(&engine->waiting)) {
		return NULL;
	}
	qb_list_del(&batch->of_list);
	batch_rewind(batch);
	return batch;
}

/* The batch's join or leave, in a batch of its own. */
static void copy_join(struct engine *engine, struct qb_list_head *list, struct batch *batch,
		      const struct peer_item *item)
{
	struct peer_bytes bytes = batch_sender(batch, &batch->returned);
	struct record record = {.kind = item->kind, .detail = item->detail};
	struct batch *copy = NULL;
	struct peer_item sender;
	struct name name;

	if (peer_record_next(&bytes, &sender) && peer_sender_read(&sender, &name, &record.pid)) {
		record.group = &name;
		copy = batch_of(&record, 0);
		copy = copy ? copy : batch_reserved(engine, &record);
	}
	if (copy == NULL) {
		copy = batch_reused(engine, batch);
	}
	if (copy) {
		qb_list_add_tail(&copy->of_list, list);
	} else {
		engine_log(engine, LOG_CRIT, "out of memory: a join or leave is lost");
	}
}

static bool is_join_or_leave(const struct peer_item *item)
{
	return item->kind == PEER_JOIN || item->kind == PEER_LEAVE;
}

static void tell_lost(struct engine *engine, size_t count)
{
	if (count) {
		engine->stats.lost += count;
		engine_log(engine, LOG_WARNING,
			   "%zu messages are lost between rings with and without a stock node", count);
	}
}

/*
 * A short-lived ring of ours lay between two with a stock node: some of what totem held in stock's format was dropped
 * there, and what followed it is taken here. Sent again it would come out of its order.
 */
static void give_up_dropped(struct engine *engine)
{
	struct peer_item item;
	struct batch *batch;
	size_t lost = 0;

	for (; engine->dropped && record_returned(engine, &item, &batch); engine->dropped--) {
		if (is_join_or_leave(&item)) {
			forget_older(engine, batch);
			copy_join(engine, &engine->again, batch, &item);
		} else if (batch->partial) {
			batch->partial->broken = true;
		} else {
			lost++;
		}
		batch_finish(engine, batch);
	}
	engine->dropped = 0;
	tell_lost(engine, lost);
}

/* Something came back of an older ring. */
static void unsettled_returned(struct engine *engine, struct batch *batch, const struct peer_item *item)
{
	tell_lost(engine, partials_overtaken(engine, batch));
	if (!engine->in_sync && is_join_or_leave(item)) {
		/* those who were not in that ring may have missed it, and no joinlist has it */
		copy_join(engine, &engine->repeat, batch, item);
	}
}

void outgoing_stock_returned(struct engine *engine, size_t size)
{
	struct peer_item item;
	struct batch *batch;

	if (engine->ours && engine_rule_holds(engine, RULE_DROP_STOCK)) {
		engine->dropped += oldest_handed(engine) != NULL;
		return;
	}
	give_up_dropped(engine);
	count_returned(engine, size);
	if (record_returned(engine, &item, &batch)) {
		if (is_join_or_leave(&item)) {
			forget_older(engine, batch);
		}
		if (engine->gate != GATE_OPEN) {
			unsettled_returned(engine, batch, &item);
		}
		batch_finish(engine, batch);
	}
	flush_soon(engine);
}
