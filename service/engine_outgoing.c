/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand-over to totem. What clients send waits here, in one queue of batches, and goes to totem only while the gate is
 * open and only as much as the window allows: what totem holds at a ring change is out of our hands, what waits here is
 * not. It is kept until it comes back.
 *
 *   again     joins and leaves that come before everything else
 *   waiting   not handed over; in stock's format the first batch may be handed over in part
 *   handed    totem has it, and it has not come back
 *   control   of the exchange (engine_exchange.c): goes before what waits, and means nothing in another ring
 *   repeat    joins and leaves of an older ring that came back in one with a stock node, where totem may have lost them for
 *             those who were not in the older one: said again, to engines of ours alone
 *
 * Between two rings (GATE_SETTLING) a mark is sent and nothing else. When it is back, all that totem held of older
 * rings has come out before it: what did not come back by then never will, and is sent again. And the packet that ends
 * a chain of older ones is out: those who miss the beginning of that chain don't miss anything newer.
 *
 * Multicasts happen in request, tick and token context alone.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/*
 * Bytes handed over that have not come back: what came back between two visits of the token, twice; not less than the
 * first, not more than half of totem's queue.
 */
#define WINDOW_MIN ((size_t)128 * 1024)
#define WINDOW_MAX ((size_t)2 * 1024 * 1024)

/* The request channel is off while more than the first waits, until less than the second does. */
#define BACKLOG_HOLD ((size_t)4 * 1024 * 1024)
#define BACKLOG_RESUME ((size_t)1024 * 1024)

#define BATCH_ROOM ((size_t)1024) /* of one that goes at once */

#define RETRY_DELAY (5ull * 1000 * 1000) /* ns, between ticks */

#define SILENCE_MAX                                                                                          \
	100u /* visits of the token and ticks, while something is on its way and nothing comes back */

/* ---- the queue ---- */

static bool window_allows(const struct engine *engine, size_t size)
{
	return engine->inflight == 0 || engine->inflight + size <= engine->window ||
	       !engine_rule_holds(engine, RULE_WINDOW);
}

static void hold_or_resume(struct engine *engine)
{
	bool hold = engine->backlog > (engine->holding ? BACKLOG_RESUME : BACKLOG_HOLD);

	if (hold != engine->holding) {
		engine->holding = hold;
		engine->ops.hold_requests(engine->context, hold);
	}
}

static struct batch *first_of(const struct qb_list_head *list)
{
	return qb_list_empty(list) ? NULL : qb_list_first_entry(list, struct batch, of_list);
}

static size_t waiting_size(const struct batch *batch)
{
	return batch->size - batch->handed.at;
}

static void waiting_add(struct engine *engine, struct batch *batch)
{
	qb_list_add_tail(&batch->of_list, &engine->waiting);
	engine->backlog += waiting_size(batch);
}

static void waiting_remove(struct engine *engine, struct batch *batch)
{
	qb_list_del(&batch->of_list);
	engine->backlog -= waiting_size(batch);
}

void outgoing_drop(struct engine *engine, struct batch *batch)
{
	partial_release(engine, batch->partial);
	batch_free(batch);
}

static void list_clear(struct engine *engine, struct qb_list_head *list)
{
	struct batch *batch;

	while ((batch = first_of(list)) != NULL) {
		qb_list_del(&batch->of_list);
		outgoing_drop(engine, batch);
	}
}

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

bool outgoing_record(struct engine *engine, const struct record *record)
{
	struct batch *batch = open_batch(engine);
	size_t before = batch ? batch->size : 0;

	if (batch && batch_add(batch, record)) {
		engine->backlog += batch->size - before;
	} else {
		batch = batch_of(record, engine->inflight ? BATCH_SIZE_MAX : BATCH_ROOM);
		if (batch == NULL) {
			return false;
		}
		waiting_add(engine, batch);
	}
	hold_or_resume(engine);
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
			outgoing_drop(engine, batch);
		}
	}
}

/* ---- messages in fragments ---- */

struct partial *partial_new(struct engine *engine, uint32_t msglen)
{
	struct partial *partial = calloc(1, sizeof(*partial));

	if (partial) {
		partial->references = 1;
		partial->msglen = msglen;
		qb_list_init(&partial->returned);
		qb_list_add_tail(&partial->of_engine, &engine->partials);
		engine->large += msglen;
	}
	return partial;
}

void partial_release(struct engine *engine, struct partial *partial)
{
	if (partial && --partial->references == 0) {
		qb_list_del(&partial->of_engine);
		engine->large -= partial->msglen;
		free(partial);
	}
}

/* What came back of it is not needed any more: it has been heard, or never will be. */
static void partial_forget_returned(struct engine *engine, struct partial *partial)
{
	partial->references++;
	list_clear(engine, &partial->returned);
	partial_release(engine, partial);
}

void partial_abandon(struct engine_client *client)
{
	struct partial *partial = client->partial;

	if (partial) {
		client->partial = NULL;
		partial->abandoned = true;
		list_clear(client->engine, &partial->returned);
		partial_release(client->engine, partial);
	}
}

static void fragment_returned(struct engine *engine, struct batch *batch)
{
	struct partial *partial = batch->partial;

	if (partial->abandoned) {
		outgoing_drop(engine, batch);
		return;
	}
	batch_rewind(batch);
	qb_list_add_tail(&batch->of_list, &partial->returned);
	if (batch->last_fragment && !partial->broken) {
		partial_forget_returned(engine, partial);
	}
}

/* Totem has brought all of it to everybody. */
static void batch_returned(struct engine *engine, struct batch *batch)
{
	qb_list_del(&batch->of_list);
	if (batch->partial) {
		fragment_returned(engine, batch);
	} else {
		batch_free(batch);
	}
}

bool outgoing_fragment(struct engine_client *client, const struct record *record, bool last)
{
	struct batch *batch = batch_of(record, 0);

	if (batch == NULL) {
		return false;
	}
	batch->partial = client->partial;
	batch->last_fragment = last;
	client->partial->references++;
	waiting_add(client->engine, batch);
	hold_or_resume(client->engine);
	return true;
}

/* ---- in our own format ---- */

static bool hand_over_batch(struct engine *engine, struct batch *batch)
{
	struct peer_bytes sender = batch_sender(batch, &batch->returned);
	size_t left = batch->size - batch->returned.at;
	struct peer_batch head = {.number = engine->next_number};
	struct iovec iov[3] = {{.iov_base = &head, .iov_len = sizeof(head)},
			       {.iov_base = (void *)(uintptr_t)sender.at, .iov_len = sender.size},
			       {.iov_base = batch->records + batch->returned.at, .iov_len = left}};

	if (batch->returned.at == 0) {
		iov[1].iov_len = 0;
	}
	batch->wire_size = sizeof(head) + iov[1].iov_len + left;
	peer_head_write(engine, &head.head, PEER_BATCH, sizeof(head), batch->wire_size);
	if (engine->ops.peer_mcast(engine->context, iov, 3) != 0) {
		return false;
	}
	batch->number = engine->next_number++;
	engine->inflight += batch->wire_size;
	engine->stats.batches++;
	engine->stats.sent += batch->count;
	engine->stats.sent_bytes += batch->wire_size;
	qb_list_add_tail(&batch->of_list, &engine->handed);
	return true;
}

/* What is small must go even if something of what is on its way got lost: it is how that is found out. */
static bool may_go_before_all(const struct engine *engine, const struct batch *batch)
{
	return batch->size <= BATCH_ROOM || window_allows(engine, batch->size);
}

static bool flush_control(struct engine *engine)
{
	struct batch *batch;

	while ((batch = first_of(&engine->control)) != NULL && may_go_before_all(engine, batch)) {
		qb_list_del(&batch->of_list);
		if (!hand_over_batch(engine, batch)) {
			qb_list_add(&batch->of_list, &engine->control);
			break;
		}
	}
	return batch == NULL;
}

/* The next one that is worth sending. */
static struct batch *next_waiting(struct engine *engine)
{
	struct batch *batch;

	while ((batch = first_of(&engine->waiting)) != NULL && batch->partial && batch->partial->abandoned) {
		waiting_remove(engine, batch);
		outgoing_drop(engine, batch);
	}
	return batch;
}

/* What comes while something is on its way waits for the token, and others join it. */
static void flush_batches(struct engine *engine, bool token)
{
	struct batch *batch;

	while ((batch = next_waiting(engine)) != NULL && (token || engine->inflight == 0) &&
	       window_allows(engine, batch->size)) {
		waiting_remove(engine, batch);
		if (!hand_over_batch(engine, batch)) {
			qb_list_add(&batch->of_list, &engine->waiting);
			engine->backlog += waiting_size(batch);
			break;
		}
	}
}

/* An empty batch behind what is on its way shows whether that got lost. */
static void show_gap(struct engine *engine)
{
	(void)outgoing_control(engine, NULL);
}

/* ---- in stock's format ---- */

/* The batch's next record. False: totem or the window has no room. */
static bool hand_over_record(struct engine *engine, struct batch *batch)
{
	struct cursor cursor = batch->handed;
	struct stock_message message;
	struct peer_item item;
	size_t before = waiting_size(batch);

	if (batch_step(batch, &cursor, &item)) {
		stock_message_make(engine, &message, batch, &cursor, &item);
		if (!window_allows(engine, message.size) ||
		    engine->ops.mcast(engine->context, message.iov, message.iov_len) != 0) {
			return false;
		}
		engine->inflight += message.size;
		engine->stats.sent++;
		engine->stats.sent_bytes += message.size;
	}
	batch->handed = cursor;
	engine->backlog -= before - waiting_size(batch);
	return true;
}

static void flush_records(struct engine *engine)
{
	struct batch *batch;

	while ((batch = next_waiting(engine)) != NULL) {
		while (batch->handed.at < batch->size) {
			if (!hand_over_record(engine, batch)) {
				return;
			}
		}
		waiting_remove(engine, batch);
		qb_list_add_tail(&batch->of_list, &engine->handed);
		if (batch_is_returned(batch)) {
			batch_returned(engine, batch);
		}
	}
}

static bool flush_repeat(struct engine *engine)
{
	struct batch *batch;

	while ((batch = first_of(&engine->repeat)) != NULL) {
		struct peer_repeat head;
		struct iovec iov[2] = {{.iov_base = &head, .iov_len = sizeof(head)},
				       {.iov_base = batch->records, .iov_len = batch->size}};

		peer_head_write(engine, &head.head, PEER_REPEAT, sizeof(head), sizeof(head) + batch->size);
		if (engine->ops.peer_mcast(engine->context, iov, 2) != 0) {
			return false;
		}
		qb_list_del(&batch->of_list);
		batch_free(batch);
	}
	return true;
}

/* ---- settling in a ring ---- */

static void send_mark(struct engine *engine)
{
	struct peer_mark mark;
	struct iovec iov = {.iov_base = &mark, .iov_len = sizeof(mark)};

	peer_head_write(engine, &mark.head, PEER_MARK, sizeof(mark), sizeof(mark));
	engine->mark_sent = engine->ops.peer_mcast(engine->context, &iov, 1) == 0;
}

/* Nothing of it is with totem any more: it waits again, before all that does. */
static void rewind_batches(struct engine *engine, struct qb_list_head *list)
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
			qb_list_add(&batch->of_list, &engine->waiting);
		} else {
			qb_list_add_tail(&batch->of_list, &engine->waiting);
		}
		engine->backlog += waiting_size(batch);
	}
}

static void rewind_handed(struct engine *engine)
{
	if (!qb_list_empty(&engine->waiting)) {
		struct batch *first = first_of(&engine->waiting);

		engine->backlog += first->handed.at - first->returned.at;
		first->handed = first->returned;
	}
	if (engine_rule_holds(engine, RULE_SEND_AGAIN)) {
		rewind_batches(engine, &engine->handed);
	}
	list_clear(engine, &engine->handed);
	engine->inflight = 0;
}

/* Receivers have forgotten what came back of messages that are not whole. */
static void rewind_partials(struct engine *engine)
{
	struct qb_list_head *at, *previous;

	for (at = engine->partials.prev; at != &engine->partials; at = previous) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		previous = at->prev;
		partial->broken = false;
		rewind_batches(engine, &partial->returned);
	}
}

void outgoing_break_partials(struct engine *engine)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->partials) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		partial->broken |= !qb_list_empty(&partial->returned);
	}
}

void outgoing_restart_partials(struct engine *engine)
{
	if (engine_rule_holds(engine, RULE_RESTART_LARGE)) {
		rewind_partials(engine);
	}
}

void outgoing_settled(struct engine *engine)
{
	if (engine->gate != GATE_SETTLING) {
		return;
	}
	engine->gate = GATE_OPEN;
	engine->opened = true;
	engine->dropped = 0;
	rewind_handed(engine);
	outgoing_restart_partials(engine);
	rewind_batches(engine, &engine->again);
	engine->silence = 0;
	engine->ops.wake(engine->context, 0);
}

void outgoing_ring_changes(struct engine *engine)
{
	struct batch *first = first_of(&engine->handed);

	if (engine->ours && engine->opened && first) {
		engine->next_number = first->number;
		rewind_handed(engine);
	} /* else it is in stock's format, and may still come */
	engine->opened = false;
	list_clear(engine, &engine->control);
	list_clear(engine, &engine->repeat); /* sync says it */
}

/* ---- what comes back ---- */

/*
 * This is no context to send in, and a ring in which nothing is on its way brings no token: without a timer what
 * waits would wait for RETRY_DELAY.
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

void outgoing_batch_returned(struct engine *engine, uint64_t number)
{
	struct batch *first;

	while ((first = first_of(&engine->handed)) != NULL && first->number <= number) {
		if (first->number < number) {
			engine->stats.lost += first->count;
			engine_log(engine, LOG_ERR,
				   "gap: batch %" PRIu64
				   " of this node did not come back; it is not sent again",
				   first->number);
		}
		count_returned(engine, first->wire_size);
		batch_returned(engine, first);
	}
	flush_soon(engine);
}

/* Totem has something of ours in stock's format: the batch that what comes back first is in. */
static struct batch *oldest_handed(const struct engine *engine)
{
	struct batch *batch = first_of(&engine->handed);

	if (batch == NULL) {
		batch = first_of(&engine->waiting);
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
	    batch != first_of(&engine->waiting)) {
		batch_returned(engine, batch);
	}
}

/* The batch's join or leave, in a batch of its own, behind an older one of the same process, which goes. */
static void copy_join(struct engine *engine, struct qb_list_head *list, const struct batch *batch,
		      const struct peer_item *item)
{
	struct peer_bytes bytes = batch_sender(batch, &batch->returned);
	struct record record = {.kind = item->kind, .detail = item->detail};
	struct qb_list_head *at, *next;
	struct batch *copy = NULL;
	struct peer_item sender;
	struct name name;

	qb_list_for_each_safe (at, next, list) {
		struct batch *older = qb_list_entry(at, struct batch, of_list);

		if (older->size >= bytes.size && memcmp(older->records, bytes.at, bytes.size) == 0) {
			qb_list_del(at);
			batch_free(older);
		}
	}
	if (peer_record_next(&bytes, &sender) && peer_sender_read(&sender, &name, &record.pid)) {
		record.group = &name;
		copy = batch_of(&record, 0);
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
			copy_join(engine, &engine->again, batch, &item);
		} else if (batch->partial) {
			batch->partial->broken = true;
		} else {
			lost++;
		}
		batch_finish(engine, batch);
	}
	engine->dropped = 0;
	if (lost) {
		engine->stats.lost += lost;
		engine_log(engine, LOG_WARNING,
			   "%zu messages are lost between rings with and without a stock node", lost);
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
		if (engine->gate != GATE_OPEN && !engine->in_sync && is_join_or_leave(&item)) {
			/* of an older ring: those who were not in it may have missed it, and no joinlist has it */
			copy_join(engine, &engine->repeat, batch, &item);
		}
		batch_finish(engine, batch);
	}
	flush_soon(engine);
}

/* ---- clockwork ---- */

/* Before more is handed over: what came back since the last visit is what a visit can send. */
static void window_adapt(struct engine *engine)
{
	size_t most =
		engine->came_back > engine->came_back_before ? engine->came_back : engine->came_back_before;

	if (engine->came_back == 0) {
		return;
	}
	engine->window = 2 * most;
	if (engine->window < WINDOW_MIN) {
		engine->window = WINDOW_MIN;
	} else if (engine->window > WINDOW_MAX) {
		engine->window = WINDOW_MAX;
	}
	engine->came_back_before = engine->came_back;
	engine->came_back = 0;
}

/* Nothing came back for long: what is on its way may have got lost. */
static void look_for_silence(struct engine *engine)
{
	if (engine->gate == GATE_CLOSED || (engine->inflight == 0 && engine->gate == GATE_OPEN)) {
		engine->silence = 0;
	} else if (++engine->silence > SILENCE_MAX) {
		engine->silence = 0;
		if (engine->gate == GATE_SETTLING) {
			send_mark(engine);
		} else if (engine->ours) {
			show_gap(engine);
		}
	}
}

void outgoing_tick(struct engine *engine)
{
	engine->retry_asked = false;
	look_for_silence(engine);
	outgoing_flush(engine, true);
}

void outgoing_token(struct engine *engine)
{
	window_adapt(engine);
	outgoing_tick(engine);
}

static void flush_open(struct engine *engine, bool token)
{
	if (!engine->ours) {
		if (flush_repeat(engine)) {
			flush_records(engine);
		}
		return;
	}
	exchange_flush(engine);
	if (flush_control(engine) && !exchange_holds(engine)) {
		flush_batches(engine, token);
	}
}

/* Something has to happen, and an idle ring brings no token: neither what waits here nor what got lost moves it. */
static bool needs_ticks(const struct engine *engine)
{
	return engine->gate == GATE_SETTLING ||
	       (engine->gate == GATE_OPEN &&
		(engine->inflight || !qb_list_empty(&engine->waiting) || !qb_list_empty(&engine->control) ||
		 !qb_list_empty(&engine->repeat) || (engine->ours && exchange_holds(engine))));
}

void outgoing_flush(struct engine *engine, bool token)
{
	engine->flush_asked = false;
	if (engine->gate == GATE_SETTLING && !engine->mark_sent) {
		send_mark(engine);
	} else if (engine->gate == GATE_OPEN) {
		flush_open(engine, token);
	}
	if (!engine->retry_asked && needs_ticks(engine)) {
		engine->retry_asked = true; /* not at each request: it costs a look at the clock */
		engine->ops.wake(engine->context, RETRY_DELAY);
	}
	hold_or_resume(engine);
}

void outgoing_sync_over(struct engine *engine)
{
	engine->gate = GATE_SETTLING;
	engine->mark_sent = false;
	engine->silence = 0;
	engine->ops.wake(engine->context, 0);
	if (!engine_rule_holds(engine, RULE_SETTLE)) {
		outgoing_settled(engine);
	}
}

void outgoing_settle_again(struct engine *engine)
{
	engine->opened = false;
	if (engine->gate == GATE_OPEN) {
		outgoing_sync_over(engine);
	}
}

bool outgoing_is_busy(const struct engine *engine)
{
	return !qb_list_empty(&engine->waiting) || !qb_list_empty(&engine->handed) ||
	       !qb_list_empty(&engine->again);
}

void outgoing_init(struct engine *engine)
{
	engine->gate = GATE_CLOSED;
	engine->window = WINDOW_MIN;
	engine->next_number = 1;
	qb_list_init(&engine->again);
	qb_list_init(&engine->waiting);
	qb_list_init(&engine->handed);
	qb_list_init(&engine->control);
	qb_list_init(&engine->repeat);
	qb_list_init(&engine->partials);
}

void outgoing_destroy(struct engine *engine)
{
	struct qb_list_head *at, *next;

	list_clear(engine, &engine->again);
	list_clear(engine, &engine->waiting);
	list_clear(engine, &engine->handed);
	list_clear(engine, &engine->control);
	list_clear(engine, &engine->repeat);
	qb_list_for_each_safe (at, next, &engine->partials) {
		partial_forget_returned(engine, qb_list_entry(at, struct partial, of_engine));
	}
}
