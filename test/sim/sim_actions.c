/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients choose to do, when nobody tells them. */
#include "sim_world.h"

#define SIZE_SMALL 300
#define SIZE_LARGE 60000
#define SIZE_HUGE 400000 /* does not fit a large ring in one piece */

static void send_some(struct sim_client *client)
{
	struct sim_world *world = client->node->world;
	uint64_t count = sim_between(&world->clock, 1, world->config.burst), i;

	for (i = 0; i < count; i++) {
		bool large = sim_percent(&world->clock, world->config.large);
		bool huge = large && sim_percent(&world->clock, world->config.huge);

		client_send(client, sim_between(&world->clock, 32,
						huge	? SIZE_HUGE
						: large ? SIZE_LARGE
							: SIZE_SMALL));
	}
}

static void ask_membership(struct sim_client *client)
{
	struct ipc_membership request = {.header = {.id = IPC_REQ_MEMBERSHIP, .size = sizeof(request)}};

	group_name(&request.group,
		   (unsigned int)sim_below(&client->node->world->clock, client->node->world->config.groups));
	client_ask(client, &request, sizeof(request), true);
}

static void ask_membership_page(struct sim_client *client)
{
	struct ipc_membership_page request = {
		.header = {.id = IPC_REQ_MEMBERSHIP_PAGE, .size = sizeof(request)}};

	if (!client->greeted) {
		return;
	}
	group_name(&request.group,
		   (unsigned int)sim_below(&client->node->world->clock, client->node->world->config.groups));
	client_ask(client, &request, sizeof(request), true);
}

/* Begins an iteration, or goes on with it, or ends it early. */
static void iterate(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;

	if (client->iteration == 0) {
		struct ipc_iteration_initialize request = {
			.header = {.id = IPC_REQ_ITERATION_INITIALIZE, .size = sizeof(request)},
			.iteration_type = (uint32_t)sim_between(clock, 1, 3)};

		group_name(&request.group, 0);
		client_ask(client, &request, sizeof(request), true);
	} else {
		struct ipc_iteration request = {.header = {.id = sim_percent(clock, 70)
									 ? IPC_REQ_ITERATION_NEXT
									 : IPC_REQ_ITERATION_FINALIZE,
							   .size = sizeof(request)},
						.iteration_handle = client->iteration};

		client_ask(client, &request, sizeof(request), true);
	}
}

void client_greet(struct sim_client *client)
{
	uint64_t rings = client->wants_rings ? IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS : 0;
	/* rings are agreed on once, before the first join */
	bool hello = client->ours && !(client->wants_rings && client->greeted);
	struct ipc_hello request = {
		.header = {.id = IPC_REQ_LOCAL_GET,
			   .size = hello ? (int32_t)sizeof(request) : (int32_t)sizeof(request.header)},
		.magic = IPC_HELLO_MAGIC,
		.version = IPC_HELLO_VERSION,
		.features = IPC_FEATURE_LARGE_GROUPS | rings,
		.step = IPC_HELLO_START};

	client_ask(client, &request, (size_t)request.header.size, true);
}

static void join_any(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;
	unsigned int group = (unsigned int)sim_below(clock, client->node->world->config.groups);

	client_join(client, group, sim_percent(clock, 30));
}

/* As much as its ring takes, and a little more. */
static void send_burst(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;
	uint64_t left = sim_between(clock, 10, 60);

	for (; left > 0; left--) {
		client_send(client, sim_between(clock, 4000, 8000));
	}
}

static void act_joined(struct sim_client *client, uint64_t dice)
{
	struct sim_world *world = client->node->world;

	if (dice < world->config.fragmented) {
		client_send_fragmented(client,
				       sim_between(&world->clock, 100, world->config.fragmented_size));
	} else if (client->rings && dice < world->config.fragmented + 4) {
		send_burst(client);
	} else if (dice < 70) {
		send_some(client);
	} else if (dice < 74) {
		client_leave(client, client->session.group);
	} else if (dice < 75) {
		client_leave(client, client->session.group + 1);
	} else if (dice < 77) {
		join_any(client);
	} else if (dice < 78) {
		node_kill_client(client);
	} else if (dice < 79 && !client->node->kind->is_stock) {
		client_finalize(client);
	}
}

static void act(struct sim_client *client)
{
	struct sim_clock *clock = &client->node->world->clock;
	uint64_t dice = sim_below(clock, 100);

	if (client->rogue) {
		client_act_rogue(client);
	} else if (client->ours && !client->greeted) {
		client_greet(client);
	} else if (dice >= 95) {
		client_greet(client);
	} else if (dice >= 90) {
		ask_membership(client);
	} else if (dice >= 88) {
		ask_membership_page(client);
	} else if (dice >= 80) {
		iterate(client);
	} else if (client->joined && !client->leaving) {
		act_joined(client, dice);
	} else if (dice < 60) {
		join_any(client);
	} else if (dice < 62 && !client->joined) {
		client_leave(client, 0);
	}
}

static void act_due(void *context, uint64_t unused)
{
	struct sim_client *client = context;
	struct sim_world *world = client->node->world;

	(void)unused;
	if (client->dead || world->healing) {
		return;
	}
	if (!client->waiting && client->requests.bytes < world->config.backlog) {
		act(client);
	}
	if (sim_percent(&world->clock, 1) && sim_percent(&world->clock, 20)) {
		client->stuck = !client->stuck;
		world->stats.stuck += client->stuck;
	}
	sim_after(&world->clock, sim_between(&world->clock, client->act_pace / 2, client->act_pace * 2),
		  act_due, client, 0);
}

void client_live(struct sim_client *client)
{
	struct sim_world *world = client->node->world;
	bool slow = sim_percent(&world->clock, world->config.slow);

	world->stats.slow += slow;

	/* stock believes what it is told */
	client->rogue = !client->node->kind->is_stock && sim_percent(&world->clock, world->config.rogues);
	client->wants_rings =
		(client->ours || client->rogue) && sim_percent(&world->clock, world->config.rings);
	client->read_pace = slow ? sim_between(&world->clock, 1 * SIM_MS, 80 * SIM_MS) : 100 * SIM_US;
	client->act_pace = sim_between(&world->clock, 1 * SIM_MS, 30 * SIM_MS);
	sim_after(&world->clock, sim_between(&world->clock, 1, client->act_pace), act_due, client, 0);
}
