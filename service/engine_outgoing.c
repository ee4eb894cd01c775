/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand-over to totem. What clients send waits with us, in one queue of batches, and goes to totem only while the gate is
 * open and only as much as the window allows: what totem holds at a ring change is out of our hands, what waits here is
 * not. It is kept until it comes back (engine_returned.c).
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
#include "engine_internal.h"

/*
 * Bytes handed over that have not come back: what came back between two visits of the token, twice; not less than the
 * first, not more than the second. Half of totem's queue, some 2 MiB, might be ours; but more than this is not sent any faster, and is
 * more memory in use than caches hold. In a ring with a stock node the least it is: what totem holds there in stock's
 * format is lost if a ring of ours follows that ends before all of it came out, and the less it is the sooner it is out.
 */
#define WINDOW_MIN ((size_t)128 * 1024)
#define WINDOW_MAX ((size_t)512 * 1024)

/*
 * ns, between ticks. Where the token comes it does their work, and they only watch over that: seldom, since corosync's loop does not sleep
 * in the last millisecond before a timer is due.
 */
#define WATCH_DELAY (200ull * 1000 * 1000)
#define RETRY_DELAY (5ull * 1000 * 1000)

/* Visits of the token and ticks while something is on its way and nothing comes back. */
#define SILENCE_MAX 100u

static bool window_allows(const struct engine *engine, size_t size)
{
	return engine->inflight == 0 || engine->inflight + size <= engine->window ||
	       !engine_rule_holds(engine, RULE_WINDOW);
}

/* ---- in our own format ---- */

static bool hand_over_batch(struct engine *engine, struct batch *batch)
{
	struct peer_bytes sender = batch_sender(batch, &batch->returned);
	size_t left = batch->size - batch->returned.at;
	struct peer_batch head = {.number = engine->next_number};
	struct peer_batch_end end = {.number = engine->next_number};
	struct iovec iov[4] = {{.iov_base = &head, .iov_len = sizeof(head)},
			       {.iov_base = (void *)(uintptr_t)sender.at, .iov_len = sender.size},
			       {.iov_base = batch->records + batch->returned.at, .iov_len = left},
			       {.iov_base = &end, .iov_len = sizeof(end)}};

	if (batch->returned.at == 0) {
		iov[1].iov_len = 0;
	}
	batch->wire_size = sizeof(head) + iov[1].iov_len + left + sizeof(end);
	peer_head_write(engine, &head.head, PEER_BATCH, sizeof(head), batch->wire_size);
	if (engine->ops.peer_mcast(engine->context, iov, 4) != 0) {
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

	while ((batch = batches_first(&engine->control)) != NULL && may_go_before_all(engine, batch)) {
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

	while ((batch = batches_first(&engine->waiting)) != NULL && batch->partial &&
	       batch->partial->abandoned) {
		waiting_remove(engine, batch);
		batch_drop(engine, batch);
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
			waiting_put_back(engine, batch);
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
	waiting_hand_over_to(engine, batch, &cursor);
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
			returned_whole(engine, batch);
		}
	}
}

static bool flush_repeat(struct engine *engine)
{
	struct batch *batch;

	while ((batch = batches_first(&engine->repeat)) != NULL) {
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

static void rewind_handed(struct engine *engine)
{
	if (!qb_list_empty(&engine->waiting)) {
		struct batch *first = batches_first(&engine->waiting);

		waiting_hand_over_to(engine, first, &first->returned);
	}
	if (engine_rule_holds(engine, RULE_SEND_AGAIN)) {
		waiting_rewind(engine, &engine->handed);
	}
	batches_clear(engine, &engine->handed);
	engine->inflight = 0;
}

void outgoing_settled(struct engine *engine)
{
	if (engine->gate != GATE_SETTLING) {
		return;
	}
	engine->gate = GATE_OPEN;
	engine->opened = true;
	engine->window = WINDOW_MIN;
	engine->dropped = 0;
	rewind_handed(engine);
	partials_restart(engine);
	waiting_rewind(engine, &engine->again);
	engine->silence = 0;
	engine->ops.wake(engine->context, 0);
}

void outgoing_ring_changes(struct engine *engine)
{
	struct batch *first = batches_first(&engine->handed);

	if (engine->ours && engine->opened && first) {
		engine->next_number = first->number;
		rewind_handed(engine);
	} /* else it is in stock's format, and may still come */
	engine->opened = false;
	batches_clear(engine, &engine->control);
	batches_clear(engine, &engine->repeat); /* sync says it */
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
	if (engine->window < WINDOW_MIN || engine->format == FORMAT_STOCK_NODES) {
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

static void take_and_flush(struct engine *engine)
{
	engine->retry_asked = false;
	look_for_silence(engine);
	submissions_take(engine);
	outgoing_flush(engine, true);
}

void outgoing_tick(struct engine *engine)
{
	engine->retry_delay = engine->token_came ? WATCH_DELAY : RETRY_DELAY;
	engine->token_came = false;
	take_and_flush(engine);
}

void outgoing_token(struct engine *engine)
{
	engine->token_came = true;
	window_adapt(engine);
	take_and_flush(engine);
}

static void flush_open(struct engine *engine, bool token)
{
	if (!engine->ours) {
		if (token) {
			news_flush(engine);
		}
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
		(engine->inflight || !qb_list_empty(&engine->awake) || !qb_list_empty(&engine->waiting) ||
		 !qb_list_empty(&engine->control) || !qb_list_empty(&engine->repeat) || news_wait(engine) ||
		 (engine->ours && exchange_holds(engine))));
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
		engine->ops.wake(engine->context, engine->retry_delay);
	}
	waiting_hold_or_resume(engine);
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
	return !qb_list_empty(&engine->awake) || !qb_list_empty(&engine->waiting) ||
	       !qb_list_empty(&engine->handed) || !qb_list_empty(&engine->again);
}

void outgoing_init(struct engine *engine)
{
	engine->gate = GATE_CLOSED;
	engine->window = WINDOW_MIN;
	engine->retry_delay = WATCH_DELAY;
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
	batches_clear(engine, &engine->again);
	batches_clear(engine, &engine->waiting);
	batches_clear(engine, &engine->handed);
	batches_clear(engine, &engine->control);
	batches_clear(engine, &engine->repeat);
	partials_destroy(engine);
}
