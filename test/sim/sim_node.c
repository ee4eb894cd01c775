/* SPDX-License-Identifier: BSD-3-Clause */
/* An engine in its simulated executive: see sim_world.h. */
#include <stdlib.h>
#include <string.h>

#include "oracle_internal.h"
#include "sim_world.h"

#define PUMP_DELAY (20 * SIM_US)
#define PUMP_CLOSED_DELAY (1 * SIM_MS)
#define PUMP_BATCH 8
#define CHANNEL_LOOK_AGAIN (1 * SIM_MS)
#define GONE_DELAY (50 * SIM_US)
#define GONE_LOOK_AGAIN (5 * SIM_MS)
#define REST_MAX (120 * SIM_S) /* virtual time that a healed cluster may take to come to rest */
#define EVENTS_MAX 50000000ull
#define STOCK_CHANGES_MAX 5u

/* ---- clients and time ---- */

size_t iov_size(const struct iovec *iov, unsigned int iov_len)
{
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		size += iov[i].iov_len;
	}
	return size;
}

void node_answer(struct sim_client *client, const struct iovec *iov, unsigned int iov_len)
{
	uint8_t *answer = sim_alloc(iov_size(iov, iov_len));
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_len; i++) {
		memcpy(answer + size, iov[i].iov_base, iov[i].iov_len);
		size += iov[i].iov_len;
	}
	client_answered(client, answer, size);
	free(answer);
}

void node_event(struct sim_client *client, const struct iovec *iov, unsigned int iov_len)
{
	const struct sim_node *node = client->node;

	fifo_push(&client->inbox, iov, iov_len)->told =
		oracle_activations(node->world->oracle, node->oracle_node);
	client_read_later(client);
}

static void node_disconnect(struct sim_client *client)
{
	struct sim_node *node = client->node;
	void *peer = client->peer;

	sim_trace(&node->world->clock, "node %u: client %u (process %u) is gone", node->totem->nodeid,
		  client->number, client->pid);
	client_dies(client);
	client->peer = NULL;
	node->context = CONTEXT_GONE;
	node->kind->client_gone(node->engine, peer);
	node->context = CONTEXT_QUIET;
}

static void gone_later(void *context, uint64_t unused)
{
	struct sim_client *client = context;

	(void)unused;
	if (client->peer && client->node->totem->paused) {
		sim_after(&client->node->world->clock, GONE_LOOK_AGAIN, gone_later, client, 0);
	} else if (client->peer) {
		node_disconnect(client);
	}
}

void node_end_connection(struct sim_client *client)
{
	sim_after(&client->node->world->clock, GONE_DELAY, gone_later, client, 0);
}

void node_kill_client(struct sim_client *client)
{
	client->node->world->stats.deaths_with_unread +=
		!client->dead && (client->inbox.first || (client->rings && !rings_are_quiet(client)));
	client_dies(client);
	node_end_connection(client);
}

static void tick(void *context, uint64_t incarnation)
{
	struct sim_node *node = context;

	if (node->engine == NULL || node->incarnation != incarnation || node->tick_at == 0 ||
	    node->world->clock.now < node->tick_at) {
		return;
	}
	node->tick_at = 0;
	if (node->totem->paused) {
		node->tick_missed = true;
		return;
	}
	node->context = CONTEXT_TICK;
	node->kind->tick(node->engine);
	node->context = CONTEXT_QUIET;
}

void node_wake(struct sim_node *node, uint64_t delay)
{
	uint64_t at = node->world->clock.now + delay + 1;

	if (node->tick_at && node->tick_at <= at) {
		return;
	}
	node->tick_at = at;
	sim_after(&node->world->clock, delay + 1, tick, node, node->incarnation);
}

static void pump(void *context, uint64_t incarnation);

static void node_pump_later(struct sim_node *node, uint64_t delay)
{
	if (node->engine && !node->pump_due && !node->totem->paused) {
		node->pump_due = true;
		sim_after(&node->world->clock, delay, pump, node, node->incarnation);
	}
}

/* ---- what the executive tells the engine ---- */

/* Totem packs messages back to back: one in some is handed over at an odd address, in a block that ends with it. */
static void *moved_by_one(struct sim_node *node, const void **message, size_t size)
{
	uint8_t *odd = NULL;

	if (sim_percent(&node->world->clock, 10)) {
		odd = sim_alloc(size + 1);
		memcpy(odd + 1, *message, size);
		*message = odd + 1;
	}
	return odd;
}

static void service_message(void *context, unsigned int function, const void *message, size_t size,
			    uint32_t nodeid)
{
	struct sim_node *node = context;
	void *moved = moved_by_one(node, &message, size);

	if (function >= WIRE_FUNCTION_COUNT) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT,
			    "node %u hears function %u of node %u: stock logs that", node->totem->nodeid,
			    function, nodeid);
	}
	node->kind->message(node->engine, function, message, nodeid);
	free(moved);
}

static void service_peer_message(void *context, const void *message, size_t size, uint32_t nodeid)
{
	struct sim_node *node = context;
	void *moved;

	if (node->kind->peer_message == NULL) {
		return; /* not in that group */
	}
	if (!inject_peer_message(node, message, nodeid)) {
		return;
	}
	moved = moved_by_one(node, &message, size);
	node->kind->peer_message(node->engine, message, size, nodeid);
	inject_taken(node);
	free(moved);
}

void remember_left(struct sim_node *node, const uint32_t *left, size_t count)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		for (j = 0; j < node->left_count && node->left[j] != left[i]; j++) {
		}
		if (j == node->left_count) {
			node->left[node->left_count++] = left[i];
		}
	}
}

static void service_transitional(void *context, const uint32_t *members, size_t count, const uint32_t *left,
				 size_t left_count)
{
	struct sim_node *node = context;
	size_t i;

	remember_left(node, left, left_count);
	for (i = 0; i < count && node->ring_seq; i++) {
		node->path = oracle_mix(node->path ^ members[i]);
	}
	if (node->kind->transitional) {
		node->kind->transitional(node->engine, left, left_count);
	}
}

/* A node of its ring speaks stock's format: as it was started when the ring formed. */
static bool is_mixed(const struct sim_node *node)
{
	const struct ring *ring = node->totem->ring;
	size_t i;

	for (i = 0; i < ring->count; i++) {
		if (node->world->speaks_stock[ring->members[i].incarnation]) {
			return true;
		}
	}
	return false;
}

static void service_regular(void *context, const uint32_t *members, size_t count,
			    const struct memb_ring_id *ring_id)
{
	struct sim_node *node = context;

	memcpy(node->members, members, count * sizeof(*members));
	node->member_count = count;
	node->ring_seq = ring_id->seq;
	node->path = oracle_mix(node->path ^ ring_id->seq);
	node->world->stats.nested += node->unactivated > 0;
	node->world->stats.nested_twice += node->unactivated > 1;
	node->unactivated++;
	oracle_ring(node->world->oracle, node->oracle_node, is_mixed(node) && !node->world->config.strict);
	if (node->kind->regular) {
		node->kind->regular(node->engine, ring_id);
	}
}

static void service_sync_init(void *context, const uint32_t *trans, size_t trans_count,
			      const uint32_t *members, size_t count, const struct memb_ring_id *ring_id)
{
	struct sim_node *node = context;

	node->kind->sync_init(node->engine, trans, trans_count, members, count, ring_id);
}

static int service_sync_process(void *context)
{
	struct sim_node *node = context;
	int result;

	node->context = CONTEXT_SYNC;
	result = node->kind->sync_process(node->engine);
	node->context = CONTEXT_QUIET;
	return result;
}

static void service_sync_activate(void *context)
{
	struct sim_node *node = context;

	inject_activation(node);
	oracle_activation(node->world->oracle, node->oracle_node, node->ring_seq, node->path, node->members,
			  node->member_count, node->left, node->left_count);
	node->path = oracle_mix(node->ring_seq);
	node->left_count = 0;
	node->unactivated = 0;
	node->activating = true;
	node->kind->sync_activate(node->engine);
	node->activating = false;
}

static void service_sync_abort(void *context)
{
	struct sim_node *node = context;

	if (node->kind->sync_abort) {
		node->kind->sync_abort(node->engine);
	}
}

static void service_sync_over(void *context)
{
	struct sim_node *node = context;

	if (node->kind->sync_over) {
		node->kind->sync_over(node->engine);
	}
	inject_sync_over(node);
	node_pump_later(node, PUMP_DELAY);
}

static void service_token(void *context)
{
	struct sim_node *node = context;

	if (node->kind->token) {
		node->context = CONTEXT_TOKEN;
		node->kind->token(node->engine);
		node->context = CONTEXT_QUIET;
	}
}

static const struct sim_service node_service = {
	.message = service_message,
	.peer_message = service_peer_message,
	.transitional = service_transitional,
	.regular = service_regular,
	.sync_init = service_sync_init,
	.sync_process = service_sync_process,
	.sync_activate = service_sync_activate,
	.sync_abort = service_sync_abort,
	.sync_over = service_sync_over,
	.token = service_token,
};

/* ---- the request channel ---- */

/* The executive looks at totem's queue once in a while only: what is asked meanwhile gets through. */
static bool channel_open(struct sim_node *node)
{
	if (node->world->clock.now >= node->look_at) {
		node->look_at = node->world->clock.now + CHANNEL_LOOK_AGAIN;
		node->critical = totem_is_critical(node->totem);
	}
	/* Our module leaves it open in sync, and when totem's queue is long. */
	return node->kind->is_stock ? !node->totem->sync_in_process && !node->critical : !node->held;
}

static bool pump_one(struct sim_node *node, struct sim_client *client)
{
	struct sim_message *request = client->peer && !client->evicted ? fifo_pop(&client->requests) : NULL;

	if (request == NULL) {
		return false;
	}
	node->context = CONTEXT_REQUEST;
	node->kind->request(node->engine, client, request->data, request->size);
	node->context = CONTEXT_QUIET;
	free(request);
	return true;
}

static void asking_add(struct sim_client *client)
{
	struct sim_node *node = client->node;

	if (client->asking || client->requests.first == NULL || client->peer == NULL) {
		return;
	}
	if (node->first_asking == NULL) {
		node->last_asking = &node->first_asking;
	}
	client->asking = true;
	client->next_asking = NULL;
	*node->last_asking = client;
	node->last_asking = &client->next_asking;
}

/*
 * Lets every client that asks have its turn. When the channel is switched off, it may have been a moment too late for
 * some of them.
 */
static void pump_all(struct sim_node *node)
{
	struct sim_client *client = node->first_asking, *next;
	int i;

	node->first_asking = NULL;
	for (; client; client = next) {
		next = client->next_asking;
		client->asking = false;
		if (!node->kind->is_stock && !channel_open(node) &&
		    sim_percent(&node->world->clock, node->world->config.slip)) {
			pump_one(node, client);
		}
		for (i = 0; i < PUMP_BATCH && channel_open(node) && pump_one(node, client); i++) {
		}
		asking_add(client);
	}
}

static void pump(void *context, uint64_t incarnation)
{
	struct sim_node *node = context;

	if (node->engine == NULL || node->incarnation != incarnation) {
		return;
	}
	node->pump_due = false;
	if (node->totem->paused) {
		return;
	}
	pump_all(node);
	if (node->first_asking) {
		node_pump_later(node, channel_open(node) ? PUMP_DELAY : PUMP_CLOSED_DELAY);
	}
}

void node_request(struct sim_client *client)
{
	asking_add(client);
	node_pump_later(client->node, PUMP_DELAY);
}

/* ---- life ---- */

static void remember_format(struct sim_node *node, bool stock)
{
	struct sim_world *world = node->world;

	world->speaks_stock = sim_grow(world->speaks_stock, &world->speaks_stock_capacity,
				       node->incarnation + 1, sizeof(bool));
	world->speaks_stock[node->incarnation] = stock;
	world->any_stock |= stock;
}

static void count_boot(const struct sim_node *node, bool speaks_stock)
{
	struct sim_stats *stats = &node->world->stats;

	stats->boots++;
	stats->boots_with_stock_format += speaks_stock;
	stats->boots_with_stock_engine += node->kind->is_stock;
}

void node_boot(struct sim_node *node)
{
	struct sim_world *world = node->world;
	struct engine_config config = world->config.engine;

	config.wire_stock = node->totem->index < world->config.stock_nodes &&
			    sim_percent(&world->clock, world->config.stock_boots);
	node->kind = config.wire_stock && world->config.stock_engines &&
				     sim_percent(&world->clock, world->config.stock_engines)
			     ? &sim_stock
			     : &sim_ours;
	memory_hold(true);
	node->engine = node->kind->create(node, &config);
	memory_hold(false);
	if (node->engine == NULL) {
		oracle_fail(world->oracle, ORACLE_CONTEXT, "no engine");
		return;
	}
	node->oracle_node = oracle_node(world->oracle, node->totem->nodeid,
					node->kind->is_stock && !world->config.strict);
	node->held = node->pump_due = node->tick_missed = node->critical = false;
	node->look_at = 0;
	node->tick_at = 0;
	node->first_asking = NULL;
	node->left_count = node->member_count = 0;
	node->ring_seq = 0;
	node->unactivated = 0;
	count_boot(node, config.wire_stock);
	sim_trace(&world->clock, "node %u: starts%s", node->totem->nodeid,
		  node->kind->is_stock ? ", with stock's engine"
		  : config.wire_stock  ? ", speaks stock's wire format"
				       : "");
	totem_start(node->totem, &node_service, node);
	node->incarnation = node->totem->incarnation;
	remember_format(node, config.wire_stock);
	node->path = oracle_mix(node->incarnation << 32 | node->totem->nodeid);
	inject_boot(node);
}

static void add_counts(struct sim_counts *counts, const struct sim_node *node)
{
	struct engine_stats stats = {0};

	if (node->kind->stats) {
		node->kind->stats(node->engine, &stats);
	}
	counts->gaps += stats.gaps;
	counts->lost += stats.lost;
}

static void engine_end(struct sim_node *node)
{
	if (node->engine) {
		add_counts(&node->world->ended, node);
		node->kind->destroy(node->engine);
		node->engine = NULL;
	}
}

static void clients_free(struct sim_node *node)
{
	size_t i;

	for (i = 0; i < node->client_count; i++) {
		client_dies(node->clients[i]);
		node->clients[i]->peer = NULL;
	}
}

void node_crash(struct sim_node *node)
{
	sim_trace(&node->world->clock, "node %u: crashes", node->totem->nodeid);
	node->world->stats.crashes++;
	clients_free(node);
	oracle_node_gone(node->world->oracle, node->oracle_node);
	engine_end(node);
	totem_crash(node->totem);
}

void node_pause(struct sim_node *node)
{
	sim_trace(&node->world->clock, "node %u: paused", node->totem->nodeid);
	node->world->stats.pauses++;
	totem_pause(node->totem);
}

void node_resume(struct sim_node *node)
{
	sim_trace(&node->world->clock, "node %u: resumed", node->totem->nodeid);
	totem_resume(node->totem);
	node_pump_later(node, PUMP_DELAY);
	if (node->tick_missed) {
		node->tick_missed = false;
		node_wake(node, 0);
	}
}

void node_administer(struct sim_node *node)
{
	node->world->stats.administered++;
	if (totem_cfg(node->totem)) {
		return;
	}
	if (!node->kind->is_stock) {
		oracle_fail(node->world->oracle, ORACLE_CONTEXT, "node %u: cfg aborts, totem's queue is full",
			    node->totem->nodeid);
	}
	node_crash(node);
}

struct sim_client *node_connect(struct sim_node *node, uint32_t pid, bool ours)
{
	struct sim_client *client = sim_alloc(sizeof(*client));

	client->node = node;
	client->number = ++node->world->next_client;
	client->pid = pid;
	client->ours = ours;
	client->asked = -1;
	client->peer = node->kind->client_new(node->engine, client);
	if (client->peer == NULL) {
		free(client);
		return NULL;
	}
	node->clients = sim_grow(node->clients, &node->client_capacity, node->client_count + 1,
				 sizeof(struct sim_client *));
	node->clients[node->client_count++] = client;
	return client;
}

/* ---- the world ---- */

void world_init(struct sim_world *world, uint64_t seed, const struct sim_world_config *config, FILE *trace)
{
	unsigned int i;

	memset(world, 0, sizeof(*world));
	sim_clock_init(&world->clock, seed);
	world->clock.trace = trace;
	world->config = *config;
	world->oracle = oracle_new(trace);
	if (config->event_room != SIZE_MAX) {
		oracle_tells_late(world->oracle);
	}
	totem_init(&world->totem, &world->clock, &config->totem);
	memory_begin(world);
	world->nodes = sim_alloc(config->totem.nodes * sizeof(*world->nodes));
	for (i = 0; i < config->totem.nodes; i++) {
		world->nodes[i].world = world;
		world->nodes[i].totem = &world->totem.nodes[i];
	}
}

void world_free(struct sim_world *world)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < world->config.totem.nodes; i++) {
		struct sim_node *node = &world->nodes[i];

		clients_free(node);
		engine_end(node);
		for (j = 0; j < node->client_count; j++) {
			client_free(node->clients[j]);
		}
		free(node->clients);
	}
	memory_end(world);
	free(world->nodes);
	free(world->speaks_stock);
	totem_free(&world->totem);
	oracle_free(world->oracle);
	sim_clock_free(&world->clock);
}

struct sim_counts world_counts(const struct sim_world *world)
{
	struct sim_counts counts = world->ended;
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		if (world->nodes[i].engine) {
			add_counts(&counts, &world->nodes[i]);
		}
	}
	return counts;
}

static bool is_quiet(const struct sim_node *node)
{
	size_t i;

	if (node->engine == NULL) {
		return true;
	}
	for (i = 0; i < node->client_count; i++) {
		const struct sim_client *client = node->clients[i];

		if (client->peer && (client->requests.first || client->inbox.first || client->waiting ||
				     client->sending || client->evicted)) {
			return false;
		}
		if (client->rings && !client->dead && !rings_are_quiet(client)) {
			return false;
		}
	}
	return node->kind->is_idle(node->engine);
}

void world_dump(const struct sim_world *world)
{
	unsigned int i;
	size_t j;

	for (i = 0; i < world->config.totem.nodes; i++) {
		struct sim_node *node = &world->nodes[i];

		if (node->engine) {
			sim_trace(&world->clock, "node %u: %s%s, main queue %zu, sync's queue %zu, %s", i + 1,
				  node->held ? "holds requests" : "takes requests",
				  node->totem->sync_in_process ? ", in sync" : "",
				  node->totem->queue[0].count, node->totem->queue[1].count,
				  node->tick_at ? "tick due" : "no tick due");
			if (node->kind->dump) {
				node->kind->dump(node->engine);
			}
		}
		for (j = 0; j < node->client_count; j++) {
			const struct sim_client *client = node->clients[j];

			if (client->peer &&
			    (client->requests.first || client->inbox.first || client->waiting)) {
				sim_trace(&world->clock, "client %u: %zu bytes asked, %zu bytes to read%s%s",
					  client->number, client->requests.bytes, client->inbox.bytes,
					  client->waiting ? ", waits for an answer" : "",
					  client->evicted ? ", evicted" : "");
			}
			if (client->rings && !client->dead) {
				rings_dump(client);
			}
		}
	}
}

bool world_is_quiet(const struct sim_world *world)
{
	unsigned int i;

	if (!totem_is_idle(&world->totem)) {
		return false;
	}
	for (i = 0; i < world->config.totem.nodes; i++) {
		if (!is_quiet(&world->nodes[i])) {
			return false;
		}
	}
	return true;
}

bool world_run(struct sim_world *world, uint64_t until)
{
	while (world->clock.now < until && sim_step(&world->clock)) {
		if (world->config.until_violation && oracle_first(world->oracle)) {
			return false;
		}
		if (++world->events > EVENTS_MAX) {
			oracle_fail(world->oracle, ORACLE_LIVENESS, "%llu events, and no end",
				    (unsigned long long)world->events);
			return false;
		}
	}
	return true;
}

/* Until it rests, or for long enough. */
static void run_to_rest(struct sim_world *world)
{
	uint64_t deadline = world->clock.now + REST_MAX;

	do {
		if (!world_run(world, world->clock.now + 100 * SIM_MS)) {
			return;
		}
		/* an idle cluster has no events left: then time stands still */
		if (world->clock.count == 0) {
			break;
		}
	} while (world->clock.now < deadline && !(totem_is_whole(&world->totem) && world_is_quiet(world)));
}

static const struct sim_node *node_with_stock(const struct sim_world *world)
{
	unsigned int i;

	for (i = 0; i < world->config.totem.nodes; i++) {
		if (world->nodes[i].engine && world->nodes[i].kind->is_stock) {
			return &world->nodes[i];
		}
	}
	return NULL;
}

/* Where stock sends at the wrong moment sync hangs until the next change: it gets some. */
static void change_rings_of_stock(struct sim_world *world)
{
	const struct sim_node *node = node_with_stock(world);
	unsigned int tries = 0;

	for (; node && !totem_is_whole(&world->totem) && tries < STOCK_CHANGES_MAX; tries++) {
		oracle_judge(world->oracle, !world->config.strict, ORACLE_LIVENESS,
			     "a sync with stock's engine hangs");
		totem_set_label(node->totem, 1);
		world_run(world, world->clock.now + 10 * world->config.totem.token_timeout);
		totem_set_label(node->totem, 0);
		run_to_rest(world);
	}
}

void world_rest(struct sim_world *world)
{
	run_to_rest(world);
	change_rings_of_stock(world);
	world_dump(world);
	if (!totem_is_whole(&world->totem)) {
		oracle_fail(world->oracle, ORACLE_LIVENESS, "the ring never became whole, or its sync hangs");
	} else if (!world_is_quiet(world)) {
		oracle_fail(world->oracle, ORACLE_LIVENESS, "an engine or a client never comes to rest");
	}
}
