/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local clients: their life, what is sent to them, and what becomes of one that does not read.
 *
 * An event goes straight to the connection when nothing waits before it; otherwise it joins the client's
 * queue (one copy in memory, however many clients wait for it). Queues are tried again from ticks.
 *
 * A client with more than client_queue waiting is behind: the senders of its group on this node wait for it (ours;
 * stock's library can't be told). One that also took nothing for client_stall is evicted; so is, over
 * queue_total, the one that holds most.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

#define SLOW_DELAY_MIN (1000ull * 1000)	     /* ns */
#define SLOW_DELAY_MAX (20ull * 1000 * 1000) /* ns */

/* More than this between two tries does not count as stalling: we did not run, and maybe the clients neither. */
#define SLOW_PAUSE (100ull * 1000 * 1000) /* ns */

/* ---- being behind ---- */

static void set_behind(struct engine_client *client, bool behind)
{
	struct group *group = client->group;
	bool before = group->behind != 0;

	if (behind == client->behind) {
		return;
	}
	client->behind = behind;
	if (behind) {
		group->behind++;
	} else {
		group->behind--;
	}
	if (before != (group->behind != 0)) {
		behind_changed(client->engine, group);
	}
}

/* The client's queue grew or shrank: the senders of its group wait while it is long. */
static void update_behind(struct engine_client *client)
{
	size_t limit = client->engine->config.client_queue;

	if (client->group) {
		set_behind(client, client->queued > (client->behind ? limit / 2 : limit));
	}
}

/* ---- life ---- */

struct engine_client *engine_client_new(struct engine *engine, void *conn, uint32_t pid)
{
	struct engine_client *client = calloc(1, sizeof(*client));

	if (client == NULL) {
		return NULL;
	}
	client->engine = engine;
	client->conn = conn;
	client->pid = pid;
	qb_list_init(&client->events);
	qb_list_init(&client->iterations);
	qb_list_add_tail(&client->of_engine, &engine->clients);
	engine->client_count++;
	return client;
}

bool client_join_group(struct engine_client *client, struct group *group)
{
	struct departing *departing = calloc(1, sizeof(*departing));

	if (departing == NULL || !send_join(client->engine, group, client->pid)) {
		free(departing);
		return false;
	}
	departing->pid = client->pid;
	client->departing = departing;
	client->group = group;
	client->state = CLIENT_JOIN_STARTED;
	qb_list_add_tail(&client->of_group, &group->clients);
	update_behind(client);
	segment_receiver_behind(client);
	return true;
}

void client_leave_group(struct engine_client *client)
{
	struct group *group = client->group;

	partial_abandon(client);
	set_behind(client, false);
	qb_list_del(&client->of_group);
	free(client->departing);
	client->departing = NULL;
	client->group = NULL;
	client->state = CLIENT_UNJOINED;
	client->wants_totem_conf = false;
	segment_receiver_behind(client);
	group_release(client->engine, group);
}

/* Tells everybody of a death, later when there is no memory now. */
static void departing_try(struct engine *engine, const struct group *group, struct departing *departing)
{
	bool told = send_leave(engine, group, departing->pid, REASON_PROCDOWN);

	if (departing->untold) {
		engine->untold--;
	}
	departing->untold = !told;
	if (!told) {
		engine->untold++;
		engine->ops.wake(engine->context, MEMORY_DELAY);
	}
}

/* The client goes without having left: everybody hears PROCDOWN, once, behind all that it sent. */
void client_depart(struct engine_client *client)
{
	struct departing *departing = client->departing;
	struct group *group = client->group;

	if (group == NULL) {
		return;
	}
	client->departing = NULL;
	qb_list_add_tail(&departing->of_group, &group->departing);
	if (client->state != CLIENT_LEAVE_STARTED) {
		departing_try(client->engine, group, departing);
	}
	client_leave_group(client);
}

void departing_tell(struct engine *engine)
{
	const struct group *group;
	struct qb_list_head *at;

	for (group = group_first(engine); engine->untold && group; group = group_next(engine, group)) {
		qb_list_for_each (at, &group->departing) {
			struct departing *departing = qb_list_entry(at, struct departing, of_group);

			if (departing->untold) {
				departing_try(engine, group, departing);
			}
		}
	}
}

static void queue_clear(struct engine_client *client)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &client->events) {
		struct queued_event *queued = qb_list_entry(at, struct queued_event, of_client);

		event_release(queued->event);
		free(queued);
	}
	if (client->queued) {
		qb_list_del(&client->of_slow);
	}
	qb_list_init(&client->events);
	client->engine->queued -= client->queued;
	client->queued = 0;
	update_behind(client);
}

void engine_client_gone(struct engine *engine, struct engine_client *client)
{
	partial_abandon(client);
	client_depart(client);
	queue_clear(client);
	iterations_free(client);
	segments_free(client);
	qb_list_del(&client->of_engine);
	engine->client_count--;
	free(client);
	outgoing_flush(engine, false);
}

static void disconnect(struct engine_client *client, int priority, const char *why)
{
	struct engine *engine = client->engine;

	engine_log(engine, priority, "disconnecting process %u: %s", client->pid, why);
	client->evicted = true;
	queue_clear(client);
	/* Its group learns of it when the connection is closed: this may be in the middle of a walk over it. */
	engine->ops.evict(engine->context, client->conn);
}

void client_evict(struct engine_client *client, const char *why)
{
	if (!client->evicted) {
		client->engine->stats.evicted++;
		disconnect(client, LOG_ERR, why);
	}
}

/* An event could not be sent. Most clients end without a word: that is nobody's fault. */
static void connection_failed(struct engine_client *client, int error)
{
	switch (error) {
	case -EPIPE:
	case -ECONNRESET:
	case -ECONNREFUSED: /* libqb's sockets: of a killed client */
	case -ENOTCONN:
	case -ESHUTDOWN:
		disconnect(client, LOG_DEBUG, "its end of the connection is closed");
		break;
	default:
		client_evict(client, "its connection is broken");
		break;
	}
}

/* ---- answers ---- */

void client_respond(struct engine_client *client, int id, cs_error_t error)
{
	struct ipc_response response = {.id = id, .size = sizeof(response), .error = (int32_t)error};
	struct iovec iov = {.iov_base = &response, .iov_len = sizeof(response)};

	client->engine->ops.respond(client->engine->context, client->conn, &iov, 1);
}

void client_complain(struct engine_client *client, const char *what)
{
	client->engine->stats.bad_requests++;
	if (!client->complained) {
		client->complained = true;
		engine_log(client->engine, LOG_WARNING,
			   "process %u sent a bad request: %s (said once per client)", client->pid, what);
	}
}

/* ---- events ---- */

void event_release(struct event *event)
{
	if (event && --event->references == 0) {
		free(event);
	}
}

struct event *event_copy(const struct iovec *iov, unsigned int iov_len)
{
	struct event *event;
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	event = malloc(sizeof(*event) + size);
	if (event == NULL) {
		return NULL;
	}
	event->references = 1;
	event->size = 0;
	for (i = 0; i < iov_len; i++) {
		if (iov[i].iov_len) {
			memcpy(event->data + event->size, iov[i].iov_base, iov[i].iov_len);
		}
		event->size += iov[i].iov_len;
	}
	return event;
}

static struct engine_client *largest_queue(struct engine *engine)
{
	struct engine_client *largest = NULL;
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->slow) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_slow);

		if (largest == NULL || client->queued > largest->queued) {
			largest = client;
		}
	}
	return largest;
}

static void enforce_queue_total(struct engine *engine)
{
	while (engine->queued > engine->config.queue_total) {
		client_evict(largest_queue(engine),
			     "it held the most when the queues of all clients together "
			     "reached queue_total");
	}
}

/* Puts `event` behind what waits already. */
static void queue_add(struct engine_client *client, struct event *event)
{
	struct engine *engine = client->engine;
	struct queued_event *queued = malloc(sizeof(*queued));

	if (queued == NULL) {
		client_evict(client, "out of memory for its events");
		return;
	}
	if (qb_list_empty(&engine->slow)) {
		engine->slow_tried = engine->ops.now(engine->context);
	}
	if (client->queued == 0) {
		client->stalled = 0;
		qb_list_add_tail(&client->of_slow, &engine->slow);
		engine->slow_delay = SLOW_DELAY_MIN;
		engine->ops.wake(engine->context, engine->slow_delay);
	}
	event->references++;
	queued->event = event;
	qb_list_add_tail(&queued->of_client, &client->events);
	client->queued += event->size + sizeof(*queued);
	engine->queued += event->size + sizeof(*queued);
	update_behind(client);
	enforce_queue_total(engine);
}

/* Sends one piece that fits the connection's buffer, or queues it. */
static void send_piece(struct engine_client *client, struct event **shared, const struct iovec *iov,
		       unsigned int iov_len)
{
	struct engine *engine = client->engine;

	if (client->evicted) {
		return;
	}
	if (client->queued == 0) {
		int result = engine->ops.event(engine->context, client->conn, iov, iov_len);

		if (result == 0) {
			return;
		}
		if (result != -EAGAIN) {
			connection_failed(client, result);
			return;
		}
	}
	if (*shared == NULL) {
		*shared = event_copy(iov, iov_len);
	}
	if (*shared == NULL) {
		client_evict(client, "out of memory for its events");
		return;
	}
	queue_add(client, *shared);
}

/* An event that no connection's buffer could take travels in slices. */
static void send_in_parts(struct engine_client *client, const struct iovec *iov, unsigned int iov_len)
{
	struct event *whole = event_copy(iov, iov_len);
	size_t offset;

	if (whole == NULL) {
		client_evict(client, "out of memory for its events");
		return;
	}
	for (offset = 0; offset < whole->size; offset += IPC_EVENT_MAX) {
		size_t length = whole->size - offset < IPC_EVENT_MAX ? whole->size - offset : IPC_EVENT_MAX;
		struct ipc_event_part part = {
			.header = {.id = IPC_RES_EVENT_PART,
				   .size = (int32_t)(sizeof(part) + length),
				   .error = CS_OK},
			.total = whole->size,
			.offset = offset,
			.length = length,
		};
		struct iovec slice[2] = {{.iov_base = &part, .iov_len = sizeof(part)},
					 {.iov_base = whole->data + offset, .iov_len = length}};
		struct event *shared = NULL;

		send_piece(client, &shared, slice, 2);
		event_release(shared);
	}
	event_release(whole);
}

void client_event(struct engine_client *client, struct event **shared, const struct iovec *iov,
		  unsigned int iov_len)
{
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	if (size > IPC_BUFFER_SIZE && (client->features & IPC_FEATURE_LARGE_GROUPS)) {
		send_in_parts(client, iov, iov_len);
	} else {
		send_piece(client, shared, iov, iov_len);
	}
}

/* True when it took something. */
static bool client_flush(struct engine_client *client)
{
	struct engine *engine = client->engine;
	bool progress = false;

	while (client->queued) {
		struct queued_event *queued =
			qb_list_first_entry(&client->events, struct queued_event, of_client);
		struct iovec iov = {.iov_base = queued->event->data, .iov_len = queued->event->size};
		int result = engine->ops.event(engine->context, client->conn, &iov, 1);
		size_t size = queued->event->size + sizeof(*queued);

		if (result == -EAGAIN) {
			break;
		}
		if (result != 0) {
			connection_failed(client, result);
			return true;
		}
		progress = true;
		qb_list_del(&queued->of_client);
		event_release(queued->event);
		free(queued);
		client->queued -= size;
		engine->queued -= size;
	}
	if (client->queued == 0) {
		qb_list_del(&client->of_slow);
	}
	update_behind(client);
	return progress;
}

/* It was tried in vain, and again `elapsed` ns after. */
static void count_stall(struct engine_client *client, uint64_t elapsed)
{
	const struct engine_config *config = &client->engine->config;

	client->stalled += elapsed;
	if (client->queued > config->client_queue && client->stalled > config->client_stall) {
		client_evict(client, "its queue is over client_queue and it took nothing for client_stall");
	}
}

/* Since the last try. */
static uint64_t slow_elapsed(struct engine *engine)
{
	uint64_t now = engine->ops.now(engine->context);
	uint64_t elapsed = now - engine->slow_tried;

	engine->slow_tried = now;
	return elapsed < SLOW_PAUSE ? elapsed : SLOW_PAUSE;
}

void clients_flush(struct engine *engine)
{
	struct qb_list_head *at, *next;
	uint64_t elapsed;
	bool progress = false;

	if (qb_list_empty(&engine->slow)) {
		return;
	}
	elapsed = slow_elapsed(engine);
	qb_list_for_each_safe (at, next, &engine->slow) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_slow);

		if (client_flush(client)) {
			client->stalled = 0;
			progress = true;
		} else {
			count_stall(client, elapsed);
		}
	}
	if (qb_list_empty(&engine->slow)) {
		return;
	}
	if (progress) {
		engine->slow_delay = SLOW_DELAY_MIN;
	} else if (engine->slow_delay < SLOW_DELAY_MAX) {
		engine->slow_delay *= 2;
	}
	engine->ops.wake(engine->context, engine->slow_delay);
}
