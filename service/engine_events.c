/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is sent to local clients, and what becomes of one that does not read.
 *
 * An event goes straight to the connection, or into the delivery ring of a client that has one, when nothing waits before it;
 * otherwise it joins the client's queue (one copy in memory, however many clients wait for it). Queues are tried again from
 * ticks, and when the client says that there is room.
 *
 * A client with more than client_queue waiting is behind: libraries of ours refuse to send to its group meanwhile, on other nodes too
 * (engine_behind.c; stock's library can't be told). One that also took nothing for client_stall is evicted; so is, over
 * queue_total, the one that holds most for itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include "engine_internal.h"

/* Of an event that is too large for a delivery ring. */
#define DELIVERY_SLICE                                                                                       \
	(DELIVERY_ENTRY_MAX(DELIVERY_RING_SIZE) - ring_entry_size(sizeof(struct ipc_event_part)))

#define SLOW_DELAY_MIN (1000ull * 1000)	     /* ns */
#define SLOW_DELAY_MAX (20ull * 1000 * 1000) /* ns */

/* Bytes that are copied for slow clients at a time: they may make room while that is done, and it is totem's time. */
#define FLUSH_MAX ((size_t)8 * 1024 * 1024)

/* More than this between two tries does not count as stalling: we did not run, and maybe the clients neither. */
#define SLOW_PAUSE (100ull * 1000 * 1000) /* ns */

/* ---- being behind ---- */

void client_set_behind(struct engine_client *client, bool behind)
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
void client_update_behind(struct engine_client *client)
{
	size_t limit = client->engine->config.client_queue;

	if (client->group) {
		client_set_behind(client, client->queued > (client->behind ? limit / 2 : limit));
	}
}

/* What it takes of client_queue. */
static size_t queued_size(const struct queued_event *queued)
{
	return queued->event->size + sizeof(*queued);
}

/* It waits no more. */
static void queue_remove(struct engine_client *client, struct queued_event *queued)
{
	struct engine *engine = client->engine;

	client->queued -= queued_size(queued);
	engine->queued -= sizeof(*queued);
	if (--queued->event->waiting == 0) {
		engine->queued -= queued->event->size;
	}
	qb_list_del(&queued->of_client);
	event_release(queued->event);
	free(queued);
}

void client_events_clear(struct engine_client *client)
{
	struct qb_list_head *at, *next;

	if (client->queued) {
		qb_list_del(&client->of_slow);
	}
	qb_list_for_each_safe (at, next, &client->events) {
		queue_remove(client, qb_list_entry(at, struct queued_event, of_client));
	}
	client_update_behind(client);
}

/* ---- events ---- */

void event_release(struct event *event)
{
	if (event && --event->references == 0) {
		free(event);
	}
}

size_t pieces_size(const struct iovec *iov, unsigned int iov_len)
{
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	return size;
}

struct event *event_copy(const struct iovec *iov, unsigned int iov_len)
{
	struct event *event = malloc(sizeof(*event) + pieces_size(iov, iov_len));
	unsigned int i;

	if (event == NULL) {
		return NULL;
	}
	event->references = 1;
	event->waiting = 0;
	event->size = 0;
	for (i = 0; i < iov_len; i++) {
		copy_bytes(event->data + event->size, iov[i].iov_base, iov[i].iov_len);
		event->size += iov[i].iov_len;
	}
	return event;
}

/* Of its queue, what is its own: with the others of its group that are slow it shares what waits. */
static size_t queue_share(const struct engine_client *client)
{
	return client->group ? client->queued / client->group->slow : client->queued;
}

static void count_slow(const struct engine *engine)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &engine->slow) {
		struct group *group = qb_list_entry(at, struct engine_client, of_slow)->group;

		if (group) {
			group->slow = 0;
		}
	}
	qb_list_for_each (at, &engine->slow) {
		struct group *group = qb_list_entry(at, struct engine_client, of_slow)->group;

		if (group) {
			group->slow++;
		}
	}
}

/* Whose end frees most, about. */
static struct engine_client *largest_queue(const struct engine *engine)
{
	struct engine_client *largest = NULL;
	struct qb_list_head *at;

	count_slow(engine);
	qb_list_for_each (at, &engine->slow) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_slow);

		if (largest == NULL || queue_share(client) > queue_share(largest)) {
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
static void queue_add(struct engine_client *client, struct event *event, uint8_t kind)
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
		client->moved = engine->slow_clock;
		qb_list_add_tail(&client->of_slow, &engine->slow);
		engine->slow_delay = SLOW_DELAY_MIN;
		engine->ops.wake(engine->context, engine->slow_delay);
	}
	event->references++;
	queued->event = event;
	queued->kind = kind;
	qb_list_add_tail(&queued->of_client, &client->events);
	client->queued += queued_size(queued);
	engine->queued += sizeof(*queued);
	if (event->waiting++ == 0) {
		engine->queued += event->size;
	}
	client_update_behind(client);
	enforce_queue_total(engine);
}

static int send_now(struct engine_client *client, uint8_t kind, const struct iovec *iov, unsigned int iov_len)
{
	struct engine *engine = client->engine;
	int result;

	if (client->rings) {
		return delivery_put(client, kind, iov, iov_len);
	}
	result = engine->ops.event(engine->context, client->conn, iov, iov_len);
	client->events_sent += result == 0;
	return result;
}

/* Sends one piece that fits the connection's buffer or the ring, or queues it. */
static void send_piece(struct engine_client *client, struct event **shared, uint8_t kind,
		       const struct iovec *iov, unsigned int iov_len)
{
	if (client->evicted) {
		return;
	}
	if (client->queued == 0) {
		int result = send_now(client, kind, iov, iov_len);

		if (result == 0) {
			return;
		}
		if (result != -EAGAIN) {
			client_connection_failed(client, result);
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
	queue_add(client, *shared, kind);
}

#define PIECES_MAX 4 /* of an event */

/* Those bytes of an event: returns how many pieces they are in. */
static unsigned int slice(struct iovec *to, const struct iovec *iov, unsigned int iov_len, size_t offset,
			  size_t length)
{
	unsigned int i, count = 0;

	for (i = 0; i < iov_len && length; i++) {
		size_t skip = offset < iov[i].iov_len ? offset : iov[i].iov_len;
		size_t part = iov[i].iov_len - skip < length ? iov[i].iov_len - skip : length;

		offset -= skip;
		length -= part;
		if (part) {
			to[count++] = (struct iovec){.iov_base = (uint8_t *)iov[i].iov_base + skip,
						     .iov_len = part};
		}
	}
	return count;
}

/* An event that no connection's buffer could take travels in slices of so many bytes. */
static void send_in_parts(struct engine_client *client, size_t step, const struct iovec *iov,
			  unsigned int iov_len, size_t size)
{
	size_t offset;

	for (offset = 0; offset < size; offset += step) {
		size_t length = size - offset < step ? size - offset : step;
		struct ipc_event_part part = {
			.header = {.id = IPC_RES_EVENT_PART,
				   .size = (int32_t)(sizeof(part) + length),
				   .error = CS_OK},
			.total = size,
			.offset = offset,
			.length = length,
		};
		struct iovec pieces[PIECES_MAX + 1] = {{.iov_base = &part, .iov_len = sizeof(part)}};
		struct event *shared = NULL;

		send_piece(client, &shared, RING_EVENT, pieces,
			   1 + slice(pieces + 1, iov, iov_len, offset, length));
		event_release(shared);
	}
}

void client_event(struct engine_client *client, struct event **shared, const struct iovec *iov,
		  unsigned int iov_len)
{
	size_t size = pieces_size(iov, iov_len);

	if (client->rings) {
		client->rings->events++;
	}
	if (client->rings && !delivery_fits(client, size)) {
		send_in_parts(client, DELIVERY_SLICE, iov, iov_len, size);
	} else if (size > IPC_BUFFER_SIZE && (client->features & IPC_FEATURE_LARGE_GROUPS)) {
		send_in_parts(client, IPC_EVENT_MAX, iov, iov_len, size);
	} else {
		send_piece(client, shared, RING_EVENT, iov, iov_len);
	}
}

/* What runs do not say each time. */
static void tell_group(struct engine_client *client)
{
	struct ipc_name name = {0};
	struct iovec iov = {.iov_base = &name, .iov_len = sizeof(name)};
	struct event *shared = NULL;

	name_write(&name, &client->group->name);
	send_piece(client, &shared, RING_GROUP, &iov, 1);
	event_release(shared);
	client->rings->group_told = true;
}

void client_run(struct engine_client *client, struct event **shared, const struct iovec *iov,
		unsigned int iov_len, size_t count)
{
	client->rings->events += count;
	if (!client->rings->group_told) {
		tell_group(client);
	}
	send_piece(client, shared, RING_RUN, iov, iov_len);
}

/* Of what waits, as long as there is something left of `budget`, bytes. True when the client took something. */
static bool client_flush(struct engine_client *client, size_t *budget)
{
	uint64_t taken = client->rings ? client->rings->delivery.taken : 0;
	bool progress = false;

	while (client->queued && *budget) {
		struct queued_event *queued =
			qb_list_first_entry(&client->events, struct queued_event, of_client);
		struct iovec iov = {.iov_base = queued->event->data, .iov_len = queued->event->size};
		int result = send_now(client, queued->kind, &iov, 1);

		if (result == -EAGAIN) {
			break;
		}
		if (result != 0) {
			client_connection_failed(client, result);
			return true;
		}
		progress = true;
		*budget -= iov.iov_len < *budget ? iov.iov_len : *budget;
		queue_remove(client, queued);
	}
	if (client->queued == 0) {
		qb_list_del(&client->of_slow);
	}
	client_update_behind(client);
	/* What waits is a run of messages: it may take some of those that are there before there is room for it. */
	return progress || (client->rings && client->rings->delivery.taken != taken);
}

static void slow_clock_advance(struct engine *engine)
{
	uint64_t now = engine->ops.now(engine->context);
	uint64_t elapsed = now - engine->slow_tried;

	engine->slow_tried = now;
	engine->slow_clock += elapsed < SLOW_PAUSE ? elapsed : SLOW_PAUSE;
}

/* It was tried, and `took` something. Until somebody is come to, its time goes on all the same. */
static void check_stall(struct engine_client *client, bool took)
{
	const struct engine_config *config = &client->engine->config;
	uint64_t clock = client->engine->slow_clock;

	if (took) {
		client->moved = clock;
	} else if (client->queued > config->client_queue && clock - client->moved > config->client_stall) {
		client_evict(client, "its queue is over client_queue and it took nothing for client_stall");
	}
}

void client_has_room(struct engine_client *client)
{
	size_t budget = FLUSH_MAX;

	if (client->queued && client_flush(client, &budget)) {
		check_stall(client, true);
	}
}

void clients_flush(struct engine *engine)
{
	struct qb_list_head *at, *next;
	size_t budget = FLUSH_MAX;
	bool progress = false;

	if (qb_list_empty(&engine->slow)) {
		return;
	}
	slow_clock_advance(engine);
	qb_list_for_each_safe (at, next, &engine->slow) {
		struct engine_client *client = qb_list_entry(at, struct engine_client, of_slow);
		bool took;

		if (budget == 0) {
			/* it comes first next time */
			qb_list_del(&engine->slow);
			qb_list_add_tail(&engine->slow, at);
			break;
		}
		took = client_flush(client, &budget);
		check_stall(client, took);
		progress |= took;
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
