/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's beginning and end, its clockwork, and what it tells of itself. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "engine_internal.h"

#define LOG_LINE_MAX 512

struct engine *engine_create(const struct engine_ops *ops, void *context, const struct engine_config *config)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL) {
		return NULL;
	}
	engine->ring = calloc(TOTEM_PROCESSORS_MAX, sizeof(uint32_t));
	if (engine->ring == NULL || !nodes_create(engine)) {
		nodes_destroy(engine);
		free(engine->ring);
		free(engine);
		return NULL;
	}
	engine->ops = *ops;
	engine->context = context;
	engine->config = *config;
	qb_list_init(&engine->clients);
	qb_list_init(&engine->slow);
	qb_list_init(&engine->assemblies);
	qb_list_init(&engine->awake);
	qb_list_init(&engine->unannounced);
	qb_list_init(&engine->news);
	outgoing_init(engine);
	return engine;
}

void engine_set_nodeid(struct engine *engine, uint32_t nodeid)
{
	engine->nodeid = nodeid;
}

void engine_destroy(struct engine *engine)
{
	/* Queues first: a client's end would multicast its leave. */
	engine->gate = GATE_CLOSED;
	while (!qb_list_empty(&engine->clients)) {
		struct engine_client *client =
			qb_list_first_entry(&engine->clients, struct engine_client, of_engine);

		if (client->ended) {
			client_forget(client);
		} else {
			engine_client_gone(engine, client);
		}
	}
	outgoing_destroy(engine);
	exchange_end(engine);
	news_clear(engine);
	own_joinlist_free(engine);
	groups_destroy(engine);
	nodes_destroy(engine);
	free(engine->ring);
	free(engine);
}

void engine_token(struct engine *engine)
{
	rings_arm(engine);
	deliveries_announce(engine);
	outgoing_token(engine);
}

void engine_tick(struct engine *engine)
{
	rings_arm(engine);
	deliveries_ring_again(engine);
	deliveries_announce(engine);
	if (engine->untold) {
		departing_tell(engine);
	}
	behind_tell_untold(engine);
	clients_flush(engine);
	outgoing_tick(engine);
}

#ifdef ENGINE_RULES
bool engine_rule_holds(const struct engine *engine, enum engine_rule rule)
{
	return !(engine->config.rules_off & 1u << rule);
}
#endif

bool engine_busy(const struct engine *engine)
{
	return outgoing_is_busy(engine) || engine->untold != 0;
}

void engine_log(struct engine *engine, int priority, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	engine->ops.log(engine->context, priority, line);
}

void engine_stats(const struct engine *engine, struct engine_stats *stats)
{
	*stats = engine->stats;
	stats->clients = engine->client_count;
	stats->groups = engine->group_count;
	stats->members = engine->member_count;
	stats->queued_bytes = engine->queued;
	stats->backlog_bytes = engine->backlog;
	stats->news = news_wait(engine);
	stats->inflight_bytes = engine->inflight;
	stats->large_bytes = engine->large + engine->assembled;
}

void engine_dump(struct engine *engine)
{
	const struct group *group;
	struct engine_stats stats;
	struct qb_list_head *at;
	char text[IPC_NAME_MAX + 1];

	engine_stats(engine, &stats);
	engine_log(engine, LOG_INFO,
		   "clients %" PRIu64 ", groups %" PRIu64 ", members %" PRIu64
		   "; waiting for clients %" PRIu64 " bytes, for totem %" PRIu64 " bytes, in totem %" PRIu64
		   " bytes; large messages %" PRIu64 " bytes",
		   stats.clients, stats.groups, stats.members, stats.queued_bytes, stats.backlog_bytes,
		   stats.inflight_bytes, stats.large_bytes);
	engine_log(engine, LOG_INFO,
		   "sent %" PRIu64 " messages (%" PRIu64 " bytes), delivered %" PRIu64 ", evicted %" PRIu64
		   " clients, refused %" PRIu64 " requests and %" PRIu64 " messages",
		   stats.sent, stats.sent_bytes, stats.delivered, stats.evicted, stats.bad_requests,
		   stats.bad_messages);
	engine_log(engine, LOG_INFO,
		   "wire: %" PRIu64 " batches sent, %" PRIu64 " dropped of older rings, %" PRIu64
		   " gaps, %" PRIu64 " messages lost",
		   stats.batches, stats.stale, stats.gaps, stats.lost);
	qb_list_for_each (at, &engine->slow) {
		const struct engine_client *client = qb_list_entry(at, struct engine_client, of_slow);

		engine_log(engine, LOG_INFO, "process %u has %zu bytes of events waiting", client->pid,
			   client->queued);
	}
	for (group = group_first(engine); group; group = group_next(engine, group)) {
		name_text(&group->name, text);
		engine_log(engine, LOG_INFO, "group %s: %zu members, %" PRIu64 " changes", text,
			   group->member_count, group->view);
	}
}
