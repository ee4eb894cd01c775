/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages in fragments, going out. Their fragments are batches of their own, which are kept when they come back, until the
 * last one does: a ring change makes receivers forget what is not whole, and it starts again from its first.
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/* In how many steps, at most, it has to get on that keeps the room for it from others. */
#define STEPS 64u

/* Who has stood still has so long to go on from when it is asked for the room: maybe we did. */
#define GRACE (100ull * 1000 * 1000) /* ns */

static void partial_moved(const struct engine *engine, struct partial *partial)
{
	partial->moved = engine->ops.now(engine->context);
	partial->wanted = 0;
}

static bool is_step(const struct partial *partial)
{
	return partial->done - partial->counted >= (partial->msglen + STEPS - 1) / STEPS;
}

/* One that begins again and again does not get on by that. */
bool partial_begin(struct engine_client *client, uint32_t msglen)
{
	struct engine *engine = client->engine;
	struct partial *partial = calloc(1, sizeof(*partial)), *before = client->partial;

	if (partial == NULL) {
		return false;
	}
	partial->references = 1;
	partial->msglen = msglen;
	partial->client = client;
	qb_list_init(&partial->returned);
	qb_list_add_tail(&partial->of_engine, &engine->partials);
	engine->large += msglen;
	if (before) {
		partial->moved = before->moved;
		partial->wanted = before->wanted;
		partial_abandon(client);
		client->partial = partial;
	} else {
		client->partial = partial;
		partial_moved(engine, partial);
	}
	return true;
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
	batches_clear(engine, &partial->returned);
	partial_release(engine, partial);
}

void partial_end(struct engine_client *client)
{
	struct partial *partial = client->partial;

	client->partial = NULL;
	partial->client = NULL;
	partial_release(client->engine, partial);
}

void partial_abandon(struct engine_client *client)
{
	struct partial *partial = client->partial;

	if (partial) {
		partial->abandoned = true;
		batches_clear(client->engine, &partial->returned);
		partial_end(client);
	}
}

bool partial_add(struct engine_client *client, const struct record *record, bool last)
{
	struct batch *batch = batch_of(record, 0);

	if (batch == NULL) {
		return false;
	}
	batch->partial = client->partial;
	batch->last_fragment = last;
	client->partial->references++;
	if (is_step(client->partial)) {
		client->partial->counted = client->partial->done;
		client->partial->steps++;
		batch->step = true;
		partial_moved(client->engine, client->partial);
	}
	waiting_add(client->engine, batch);
	waiting_hold_or_resume(client->engine);
	return true;
}

void partial_give_up(struct engine_client *client)
{
	bool begun = client->partial != NULL;

	partial_abandon(client);
	if (begun && client_may_send(client) && !send_fragments_end(client)) {
		client_evict(client, "out of memory for its messages");
	}
}

/* Who has stood still for longest. While a step is on its way that is not for its client to change. */
static struct partial *oldest_partial(const struct engine *engine)
{
	struct partial *oldest = NULL;
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->partials) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		if (partial->client && partial->steps == 0 &&
		    (oldest == NULL || partial->moved < oldest->moved)) {
			oldest = partial;
		}
	}
	return oldest;
}

void partials_no_room(struct engine *engine)
{
	struct partial *partial = oldest_partial(engine);
	uint64_t now = engine->ops.now(engine->context);

	if (partial == NULL || now - partial->moved <= engine->config.client_stall) {
		return;
	}
	if (partial->wanted == 0) {
		partial->wanted = now;
	} else if (now - partial->wanted > GRACE) {
		engine_log(
			engine, LOG_WARNING,
			"process %u does not go on with a large message, and others find no room for theirs: "
			"it is given up",
			partial->client->pid);
		partial->client->interrupted = true;
		partial_give_up(partial->client);
	}
}

void partial_returned(struct engine *engine, struct batch *batch)
{
	struct partial *partial = batch->partial;

	if (batch->step) {
		batch->step = false;
		partial->steps--;
		partial_moved(engine, partial);
	}
	if (partial->abandoned) {
		batch_drop(engine, batch);
		return;
	}
	batch_rewind(batch);
	qb_list_add_tail(&batch->of_list, &partial->returned);
	if (batch->last_fragment && !partial->broken) {
		partial_forget_returned(engine, partial);
	}
}

/* Receivers have forgotten what came back of messages that are not whole. */
static void rewind_partials(struct engine *engine)
{
	struct qb_list_head *at, *previous;

	for (at = engine->partials.prev; at != &engine->partials; at = previous) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		previous = at->prev;
		partial->broken = false;
		waiting_rewind(engine, &partial->returned);
	}
}

void partials_break(struct engine *engine)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->partials) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		partial->broken |= !qb_list_empty(&partial->returned);
	}
}

/* All of it is back, and it would start again. */
static bool waits_for_restart(const struct partial *partial)
{
	return partial->broken && !qb_list_empty(&partial->returned) &&
	       qb_list_entry(partial->returned.prev, struct batch, of_list)->last_fragment;
}

static bool is_of_sender(const struct partial *partial, struct peer_bytes sender)
{
	const struct batch *first = batches_first(&partial->returned);

	return first->size >= sender.size && memcmp(first->records, sender.at, sender.size) == 0;
}

size_t partials_overtaken(struct engine *engine, const struct batch *batch)
{
	struct peer_bytes sender = batch_sender(batch, &batch->returned);
	struct qb_list_head *at, *next;
	size_t count = 0;

	if (batch->partial && batch->partial->broken) {
		return 0; /* nobody can use this fragment */
	}
	qb_list_for_each_safe (at, next, &engine->partials) {
		struct partial *partial = qb_list_entry(at, struct partial, of_engine);

		if (waits_for_restart(partial) && is_of_sender(partial, sender)) {
			partial_forget_returned(engine, partial);
			count++;
		}
	}
	return count;
}

void partials_restart(struct engine *engine)
{
	if (engine_rule_holds(engine, RULE_RESTART_LARGE)) {
		rewind_partials(engine);
	}
}

void partials_destroy(struct engine *engine)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &engine->partials) {
		partial_forget_returned(engine, qb_list_entry(at, struct partial, of_engine));
	}
}
