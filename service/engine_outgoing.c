/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hand-over to totem. What clients send waits here, in one queue, and goes to totem only while the gate is
 * open (from the end of one sync to the beginning of the next ring change) and only as much as the window
 * allows: what totem holds at a ring change is out of our hands, what waits here is not.
 *
 * Multicasts happen in request, tick and token context alone.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

/* Bytes handed over that have not come back: what two token visits send, at most half of totem's queue. */
#define WINDOW ((size_t)2 * 1024 * 1024)

/* The request channel is off while more than the first waits, until less than the second does. */
#define BACKLOG_HOLD ((size_t)4 * 1024 * 1024)
#define BACKLOG_RESUME ((size_t)1024 * 1024)

#define RETRY_DELAY (5ull * 1000 * 1000) /* ns, should no token come before */

static bool window_allows(const struct engine *engine, size_t size)
{
	return engine->gate == GATE_OPEN && (engine->inflight == 0 || engine->inflight + size <= WINDOW);
}

static size_t iov_size(const struct iovec *iov, unsigned int iov_len)
{
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	return size;
}

static bool hand_over(struct engine *engine, const struct iovec *iov, unsigned int iov_len, size_t size)
{
	if (engine->ops.mcast(engine->context, iov, iov_len) != 0) {
		return false;
	}
	engine->inflight += size;
	engine->stats.sent++;
	engine->stats.sent_bytes += size;
	return true;
}

static void hold_or_resume(struct engine *engine)
{
	bool hold = engine->backlog > (engine->holding ? BACKLOG_RESUME : BACKLOG_HOLD);

	if (hold != engine->holding) {
		engine->holding = hold;
		engine->ops.hold_requests(engine->context, hold);
	}
}

void partial_release(struct partial *partial)
{
	if (partial && --partial->references == 0) {
		free(partial);
	}
}

void partial_abandon(struct engine_client *client)
{
	if (client->partial) {
		client->partial->interrupted = true;
		partial_release(client->partial);
		client->partial = NULL;
	}
}

static struct outgoing *queue_add(struct engine *engine, const struct iovec *iov, unsigned int iov_len,
				  size_t size)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing) + size);
	size_t at = 0;
	unsigned int i;

	if (outgoing == NULL) {
		return NULL;
	}
	outgoing->answer = NULL;
	outgoing->partial = NULL;
	outgoing->size = size;
	for (i = 0; i < iov_len; i++) {
		memcpy(outgoing->data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	qb_list_add_tail(&outgoing->of_engine, &engine->outgoing);
	engine->backlog += size;
	hold_or_resume(engine);
	return outgoing;
}

static void queue_remove(struct engine *engine, struct outgoing *outgoing)
{
	qb_list_del(&outgoing->of_engine);
	engine->backlog -= outgoing->size;
	partial_release(outgoing->partial);
	free(outgoing);
}

/* True when it went straight to totem. */
static bool hand_over_now(struct engine *engine, const struct iovec *iov, unsigned int iov_len, size_t size)
{
	return qb_list_empty(&engine->outgoing) && window_allows(engine, size) &&
	       hand_over(engine, iov, iov_len, size);
}

bool outgoing_send(struct engine *engine, const struct iovec *iov, unsigned int iov_len)
{
	size_t size = iov_size(iov, iov_len);

	if (hand_over_now(engine, iov, iov_len, size)) {
		return true;
	}
	if (queue_add(engine, iov, iov_len, size) == NULL) {
		return false;
	}
	outgoing_flush(engine);
	return true;
}

/* Answers the request that brought the last fragment, if its client is still there. */
static void answer(struct outgoing *outgoing, cs_error_t error)
{
	struct engine_client *client = outgoing->answer;

	if (client) {
		outgoing->answer = NULL;
		client->awaited--;
		client_respond(client, IPC_RES_PARTIAL_SEND, error);
	}
}

bool outgoing_send_fragment(struct engine_client *client, const struct iovec *iov, unsigned int iov_len,
			    bool last)
{
	struct engine *engine = client->engine;
	struct partial *partial = client->partial;
	size_t size = iov_size(iov, iov_len);
	struct outgoing *outgoing;

	if (hand_over_now(engine, iov, iov_len, size)) {
		partial->handed = true;
		if (last) {
			partial->whole = true;
			client_respond(client, IPC_RES_PARTIAL_SEND, CS_OK);
		}
		return true;
	}
	outgoing = queue_add(engine, iov, iov_len, size);
	if (outgoing == NULL) {
		return false;
	}
	partial->references++;
	outgoing->partial = partial;
	if (last) {
		outgoing->answer = client;
		client->awaited++;
	}
	outgoing_flush(engine);
	return true;
}

/* False: totem has no room. */
static bool flush_one(struct engine *engine, struct outgoing *outgoing)
{
	struct iovec iov = {.iov_base = outgoing->data, .iov_len = outgoing->size};
	struct partial *partial = outgoing->partial;

	if (!hand_over(engine, &iov, 1, outgoing->size)) {
		return false;
	}
	if (partial) {
		const struct wire_partial_mcast *fragment = (const void *)outgoing->data;

		partial->handed = true;
		if (fragment->type == IPC_FRAGMENT_LAST) {
			partial->whole = true;
			answer(outgoing, CS_OK);
		}
	}
	queue_remove(engine, outgoing);
	return true;
}

void outgoing_flush(struct engine *engine)
{
	engine->flush_asked = false;
	while (!qb_list_empty(&engine->outgoing)) {
		struct outgoing *outgoing =
			qb_list_first_entry(&engine->outgoing, struct outgoing, of_engine);

		if (outgoing->partial && outgoing->partial->interrupted) {
			queue_remove(engine, outgoing);
			continue;
		}
		if (!window_allows(engine, outgoing->size) || !flush_one(engine, outgoing)) {
			break;
		}
	}
	if (engine->gate == GATE_OPEN && !qb_list_empty(&engine->outgoing)) {
		engine->ops.wake(engine->context, RETRY_DELAY); /* an idle ring brings no token */
	}
	hold_or_resume(engine);
}

/*
 * This is no context to send in, and a ring in which nothing is on its way brings no token: without a timer what
 * waits would wait for RETRY_DELAY.
 */
static void flush_soon(struct engine *engine)
{
	const struct outgoing *first;

	if (engine->flush_asked || qb_list_empty(&engine->outgoing)) {
		return;
	}
	first = qb_list_first_entry(&engine->outgoing, struct outgoing, of_engine);
	if (window_allows(engine, first->size)) {
		engine->flush_asked = true;
		engine->ops.wake(engine->context, 0);
	}
}

void outgoing_returned(struct engine *engine, unsigned int function, size_t size)
{
	size_t *inflight = function == WIRE_DOWNLIST || function == WIRE_JOINLIST ? &engine->sync_inflight
										  : &engine->inflight;

	*inflight -= size < *inflight ? size : *inflight;
	flush_soon(engine);
}

static void partial_interrupt(struct partial *partial)
{
	if (partial && partial->handed && !partial->whole) {
		partial->interrupted = true;
	}
}

void outgoing_interrupt(struct engine *engine)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->clients) {
		partial_interrupt(qb_list_entry(at, struct engine_client, of_engine)->partial);
	}
	qb_list_for_each (at, &engine->outgoing) {
		struct outgoing *outgoing = qb_list_entry(at, struct outgoing, of_engine);

		partial_interrupt(outgoing->partial);
		if (outgoing->partial && outgoing->partial->interrupted) {
			answer(outgoing, CS_ERR_INTERRUPT);
		}
	}
}

void outgoing_forget_client(struct engine_client *client)
{
	struct qb_list_head *at;

	if (client->awaited) {
		qb_list_for_each (at, &client->engine->outgoing) {
			struct outgoing *outgoing = qb_list_entry(at, struct outgoing, of_engine);

			if (outgoing->answer == client) {
				outgoing->answer = NULL;
			}
		}
	}
	partial_abandon(client);
}

void outgoing_destroy(struct engine *engine)
{
	while (!qb_list_empty(&engine->outgoing)) {
		queue_remove(engine, qb_list_first_entry(&engine->outgoing, struct outgoing, of_engine));
	}
}

/* ---- the messages ---- */

bool outgoing_mcast(struct engine_client *client, const void *message, uint32_t length)
{
	struct wire_mcast mcast = {
		.header = {.id = WIRE_ID(WIRE_MCAST), .size = (int32_t)(sizeof(mcast) + length)},
		.msglen = length,
		.pid = client->pid,
		.source = {.nodeid = client->engine->nodeid, .conn = 0},
	};
	struct iovec iov[2] = {{.iov_base = &mcast, .iov_len = sizeof(mcast)},
			       {.iov_base = (void *)(uintptr_t)message, .iov_len = length}};

	name_write(&mcast.group, &client->group->name);
	return outgoing_send(client->engine, iov, length ? 2 : 1);
}

static bool send_joinleave(struct engine *engine, enum wire_function function, const struct group *group,
			   uint32_t pid, enum reason reason)
{
	struct wire_procjoin message = {
		.header = {.id = WIRE_ID(function), .size = sizeof(message)},
		.pid = pid,
		.reason = reason,
	};
	struct iovec iov = {.iov_base = &message, .iov_len = sizeof(message)};

	name_write(&message.group, &group->name);
	return outgoing_send(engine, &iov, 1);
}

bool outgoing_procjoin(struct engine *engine, const struct group *group, uint32_t pid)
{
	return send_joinleave(engine, WIRE_PROCJOIN, group, pid, REASON_JOIN);
}

bool outgoing_procleave(struct engine *engine, const struct group *group, uint32_t pid, enum reason reason)
{
	return send_joinleave(engine, WIRE_PROCLEAVE, group, pid, reason);
}
