/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client reads: events in stock's format and in ours, checked byte by byte and passed on to the oracle. */
#include <stdlib.h>
#include <string.h>

#include "oracle_internal.h"
#include "sim_payload.h"
#include "sim_world.h"

#define READ_BATCH 16

static bool is_group(const struct ipc_name *name, unsigned int group)
{
	struct ipc_name expected;

	group_name(&expected, group);
	return name->length == expected.length && memcmp(name->value, expected.value, expected.length) == 0;
}

void client_bad_event(struct sim_client *client, const char *what)
{
	oracle_fail(client->node->world->oracle, ORACLE_PAYLOAD, "client %u of node %u: %s", client->number,
		    client->node->totem->nodeid, what);
}

static void hear_payload(struct sim_client *client, const uint8_t *data, size_t size, uint32_t nodeid,
			 uint32_t pid)
{
	uint32_t sender, session = client->reading[0].id;
	uint64_t number;

	if (!payload_check(data, size, &sender, &number)) {
		client_bad_event(client, "message is damaged");
		return;
	}
	sim_trace(&client->node->world->clock, "node %u: session %u hears message %llu of session %u",
		  client->node->totem->nodeid, session, (unsigned long long)number, sender);
	oracle_hears_message(client->node->world->oracle, session, sender, nodeid, pid, number);
}

void client_hear_message(struct sim_client *client, const struct ipc_name *group, uint32_t nodeid,
			 uint32_t pid, const uint8_t *data, size_t size)
{
	if (client->reading_count == 0 || !is_group(group, client->reading[0].group)) {
		client_bad_event(client, "message of another group");
	} else {
		hear_payload(client, data, size, nodeid, pid);
	}
}

static void hear_deliver(struct sim_client *client, const struct ipc_deliver *event, size_t size)
{
	if (size < sizeof(*event) || size - sizeof(*event) != event->msglen) {
		client_bad_event(client, "DELIVER with a wrong length");
	} else {
		client_hear_message(client, &event->group, event->nodeid, event->pid, event->message,
				    event->msglen);
	}
}

static struct sim_assembly *assembly_of(struct sim_client *client, uint32_t nodeid, uint32_t pid)
{
	size_t i;

	for (i = 0; i < client->assembly_count; i++) {
		if (client->assemblies[i].nodeid == nodeid && client->assemblies[i].pid == pid) {
			return &client->assemblies[i];
		}
	}
	client->assemblies = sim_grow(client->assemblies, &client->assembly_capacity,
				      client->assembly_count + 1, sizeof(struct sim_assembly));
	client->assemblies[client->assembly_count] = (struct sim_assembly){.nodeid = nodeid, .pid = pid};
	return &client->assemblies[client->assembly_count++];
}

/* Stock's engine forgets who left where the next ring came before its sync was over: so what a sender began before goes on with a hole. */
static void bad_fragments(struct sim_client *client, const char *what)
{
	oracle_judge(client->node->world->oracle, client->node->kind->is_stock, ORACLE_PAYLOAD,
		     "client %u of node %u: %s", client->number, client->node->totem->nodeid, what);
}

static void hear_partial(struct sim_client *client, const struct ipc_partial_deliver *event, size_t size)
{
	struct sim_assembly *assembly;

	if (size < sizeof(*event) || size - sizeof(*event) != event->fraglen ||
	    event->fraglen > event->msglen) {
		client_bad_event(client, "PARTIAL_DELIVER with a wrong length");
		return;
	}
	if (client->reading_count == 0 || !is_group(&event->group, client->reading[0].group)) {
		client_bad_event(client, "PARTIAL_DELIVER of another group");
		return;
	}
	assembly = assembly_of(client, event->nodeid, event->pid);
	if (event->type == IPC_FRAGMENT_FIRST) {
		free(assembly->data);
		assembly->data = sim_alloc(event->msglen);
		assembly->size = event->msglen;
		assembly->got = 0;
	}
	if (assembly->data == NULL) {
		return; /* it came in the middle of this one */
	}
	if (event->msglen != assembly->size || event->fraglen > assembly->size - assembly->got) {
		bad_fragments(client, "fragments that do not fit each other");
		return;
	}
	memcpy(assembly->data + assembly->got, event->message, event->fraglen);
	assembly->got += event->fraglen;
	if (event->type == IPC_FRAGMENT_LAST) {
		uint8_t *data = assembly->data;

		assembly->data = NULL;
		if (assembly->got == assembly->size) {
			hear_payload(client, data, assembly->size, event->nodeid, event->pid);
		} else {
			bad_fragments(client, "last fragment of a message with a hole");
		}
		free(data);
	}
}

static void copy_addresses(struct oracle_address *to, const struct ipc_address *from, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		to[i] = (struct oracle_address){
			.nodeid = from[i].nodeid, .pid = from[i].pid, .reason = from[i].reason};
	}
}

/* A sender that leaves takes its unfinished message with it. */
static void forget_assemblies(struct sim_client *client, const struct oracle_view *view)
{
	size_t i;

	for (i = 0; i < view->left_count; i++) {
		struct sim_assembly *assembly = assembly_of(client, view->left[i].nodeid, view->left[i].pid);

		free(assembly->data);
		assembly->data = NULL;
	}
}

static void session_read(struct sim_client *client)
{
	size_t i;

	/* what began before is not continued in a later session */
	for (i = 0; i < client->assembly_count; i++) {
		free(client->assemblies[i].data);
		client->assemblies[i].data = NULL;
	}
	client->reading_count--;
	memmove(client->reading, client->reading + 1, client->reading_count * sizeof(struct sim_session));
	if (client->reading_count == 0) {
		client->joined = client->leaving = false;
		client->session.id = 0;
	}
}

static void trace_view(const struct sim_client *client, const struct oracle_view *view)
{
	sim_trace(&client->node->world->clock,
		  "node %u: session %u hears a view: %zu members, %zu left, %zu joined; %s %u of node %u, "
		  "reason %u",
		  client->node->totem->nodeid, client->reading[0].id, view->member_count, view->left_count,
		  view->joined_count, view->joined_count ? "joined" : "left",
		  view->joined_count ? view->joined[0].pid
		  : view->left_count ? view->left[0].pid
				     : 0,
		  view->joined_count ? view->joined[0].nodeid
		  : view->left_count ? view->left[0].nodeid
				     : 0,
		  view->joined_count ? view->joined[0].reason
		  : view->left_count ? view->left[0].reason
				     : 0);
}

static void hear_confchg(struct sim_client *client, const struct ipc_confchg *event, size_t size)
{
	size_t members = event->member_list_entries, left = event->left_list_entries;
	size_t joined = event->joined_list_entries, total = members + left + joined;
	struct oracle_address *lists;
	struct oracle_view view;

	if (size != sizeof(*event) + total * sizeof(struct ipc_address)) {
		client_bad_event(client, "CONFCHG with a wrong length");
		return;
	}
	if (client->reading_count == 0 || !is_group(&event->group, client->reading[0].group)) {
		client_bad_event(client, "CONFCHG of another group");
		return;
	}
	lists = sim_alloc(total * sizeof(*lists));
	copy_addresses(lists, event->list, total);
	view = (struct oracle_view){.members = lists,
				    .member_count = members,
				    .left = lists + members,
				    .left_count = left,
				    .joined = lists + members + left,
				    .joined_count = joined};
	trace_view(client, &view);
	forget_assemblies(client, &view);
	if (oracle_hears_view(client->node->world->oracle, client->reading[0].id, &view)) {
		session_read(client);
	}
	free(lists);
}

static void hear_totem(struct sim_client *client, const struct ipc_totem_confchg *event, size_t size,
		       size_t told)
{
	size_t head = offsetof(struct ipc_totem_confchg, member_list);

	if (size != head + event->member_list_entries * sizeof(uint32_t)) {
		client_bad_event(client, "TOTEM_CONFCHG with a wrong length");
	} else if (client->reading_count) {
		sim_trace(&client->node->world->clock, "node %u: session %u hears of ring %llu",
			  client->node->totem->nodeid, client->reading[0].id,
			  (unsigned long long)event->ring_id.seq);
		oracle_hears_totem(client->node->world->oracle, client->reading[0].id, told,
				   event->ring_id.seq, event->member_list, event->member_list_entries);
	}
}

static void hear_slice(struct sim_client *client, const struct ipc_event_part *part, size_t size, size_t told)
{
	if (!client->greeted || size < sizeof(*part) || size - sizeof(*part) != part->length ||
	    part->offset != client->slices_got || part->length > part->total - part->offset) {
		client_bad_event(client, "EVENT_PART out of place");
		return;
	}
	if (part->offset == 0) {
		client->slices = sim_alloc(part->total);
		client->slices_size = part->total;
	}
	memcpy(client->slices + part->offset, part->data, part->length);
	client->slices_got += part->length;
	if (client->slices_got == client->slices_size) {
		uint8_t *whole = client->slices;

		client->slices = NULL;
		client->slices_got = 0;
		if (((const struct ipc_response *)whole)->id == IPC_RES_EVENT_PART) {
			client_bad_event(client, "a slice of slices");
		} else {
			client_hear(client, whole, client->slices_size, told);
		}
		free(whole);
	}
}

void client_hear(struct sim_client *client, const uint8_t *event, size_t size, size_t told)
{
	const struct ipc_response *header = (const struct ipc_response *)event;

	if (size < sizeof(*header) || header->size != (int32_t)size) {
		client_bad_event(client, "event with a wrong header");
		return;
	}
	switch (header->id) {
	case IPC_RES_DELIVER:
		hear_deliver(client, (const void *)event, size);
		break;
	case IPC_RES_PARTIAL_DELIVER:
		hear_partial(client, (const void *)event, size);
		break;
	case IPC_RES_CONFCHG:
		hear_confchg(client, (const void *)event, size);
		break;
	case IPC_RES_TOTEM_CONFCHG:
		hear_totem(client, (const void *)event, size, told);
		break;
	case IPC_RES_EVENT_PART:
		hear_slice(client, (const void *)event, size, told);
		break;
	default:
		client_bad_event(client, "event of an unknown kind");
	}
}

/* Up to `most` events from the connection. True: there is more. */
static bool read_connection(struct sim_client *client, unsigned int most)
{
	struct sim_message *event;

	for (; most > 0 && !client->dead && (event = fifo_pop(&client->inbox)) != NULL; most--) {
		if (!client->rogue) {
			client_hear(client, event->data, event->size, event->told);
		}
		client->events_read++;
		free(event);
	}
	return client->inbox.first != NULL;
}

static void read_due(void *context, uint64_t unused)
{
	struct sim_client *client = context;
	bool more = true;

	(void)unused;
	client->read_due = false;
	if (client->dead) {
		return;
	}
	if (!client->stuck || client->node->world->healing) {
		more = client->rings ? rings_read(client, READ_BATCH) : read_connection(client, READ_BATCH);
	}
	if (more) {
		client_read_later(client);
	}
}

void client_read_later(struct sim_client *client)
{
	struct sim_world *world = client->node->world;
	uint64_t pace = world->healing ? 50 * SIM_US : client->read_pace;

	if (!client->read_due && !client->dead) {
		client->read_due = true;
		sim_after(&world->clock, sim_between(&world->clock, pace / 2, pace + 1), read_due, client, 0);
	}
}
