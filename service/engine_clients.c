/* SPDX-License-Identifier: BSD-3-Clause */
/* Local clients: their life, and their answers. What is sent to them without being asked for is in engine_events.c. */
#include <errno.h>
#include <stdlib.h>
#include <syslog.h>

#include "engine_internal.h"

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
	struct departing *departing = departing_new(group, client->pid);

	if (departing == NULL) {
		return false;
	}
	if (!send_join(client->engine, group, client->pid)) {
		departing_free(departing);
		return false;
	}
	client->departing = departing;
	client->group = group;
	client->state = CLIENT_JOIN_STARTED;
	client->interrupted = false;
	if (client->rings) {
		client->rings->group_told = false;
	}
	qb_list_add_tail(&client->of_group, &group->clients);
	client_update_behind(client);
	segment_receiver_behind(client);
	return true;
}

void client_leave_group(struct engine_client *client)
{
	struct group *group = client->group;

	partial_abandon(client);
	client_set_behind(client, false);
	qb_list_del(&client->of_group);
	if (client->departing) {
		departing_free(client->departing);
		client->departing = NULL;
	}
	client->group = NULL;
	client->state = CLIENT_UNJOINED;
	client->wants_totem_conf = false;
	segment_receiver_behind(client);
	group_release(client->engine, group);
}

/* Tells everybody of a death, later when there is no memory now. */
static void departing_try(struct engine *engine, const struct group *group, struct departing *departing)
{
	bool told =
		departing_may_leave(departing) && send_leave(engine, group, departing->pid, REASON_PROCDOWN);

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

void client_forget(struct engine_client *client)
{
	client->engine->ended_count--;
	partial_abandon(client);
	client_depart(client);
	rings_end(client);
	segments_free(client);
	qb_list_del(&client->of_engine);
	free(client);
}

/* What it has sent was accepted: it stays until that is taken, in its turns. */
void engine_client_gone(struct engine *engine, struct engine_client *client)
{
	client->evicted = true; /* it can't be any more */
	client->ended = true;
	client->conn = NULL;
	engine->client_count--;
	engine->ended_count++;
	client_events_clear(client);
	iterations_free(client);
	rings_arm(engine);
	if (client->rings) {
		submission_close(client);
	} else {
		client_forget(client);
	}
	outgoing_flush(engine, false);
}

static void disconnect(struct engine_client *client, int priority, const char *why)
{
	struct engine *engine = client->engine;

	engine_log(engine, priority, "disconnecting process %u: %s", client->pid, why);
	client->evicted = true;
	client_events_clear(client);
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

void group_evict(struct group *group, const char *why)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &group->clients) {
		client_evict(qb_list_entry(at, struct engine_client, of_group), why);
	}
}

void groups_evict(struct engine *engine, const char *why)
{
	struct group *group;

	for (group = group_first(engine); group; group = group_next(engine, group)) {
		group_evict(group, why);
	}
}

/* An event could not be sent. Most clients end without a word: that is nobody's fault. */
void client_connection_failed(struct engine_client *client, int error)
{
	switch (error) {
	case -EPIPE:
	case -ECONNRESET:
	case -ECONNREFUSED: /* libqb's sockets: of a killed client */
	case -ENOTCONN:
	case -ESHUTDOWN:
		disconnect(client, LOG_DEBUG, "its end of the connection is closed");
		break;
	case -EBADMSG:
		client_evict(client, "what its delivery ring says can't be");
		break;
	default:
		client_evict(client, "its connection is broken");
		break;
	}
}

void engine_client_stats(const struct engine_client *client, struct engine_client_stats *stats)
{
	*stats = (struct engine_client_stats){0};
	if (client->rings) {
		stats->messages = client->rings->messages;
		stats->events = client->rings->events;
		stats->refused = receiver_behind(client);
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
