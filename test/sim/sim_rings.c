/* SPDX-License-Identifier: BSD-3-Clause */
/* How clients come to have rings: see sim_rings.h. */
#include <corosync/corotypes.h>
#include <stdlib.h>

#include "sim_rings.h"

/* ---- agreement ---- */

static struct sim_segment *segment_offered(struct sim_client *client, const struct ipc_segment *offer)
{
	struct sim_segment *segment = client->segments;

	while (segment && strncmp(segment->name, offer->name, sizeof(segment->name)) != 0) {
		segment = segment->next;
	}
	if (segment == NULL || segment->size != offer->user_size || offer->id == 0) {
		client_wrong_answer(client, "a segment", (int32_t)offer->id);
		return NULL;
	}
	segment->id = offer->id;
	return segment;
}

/* Some can't map what they were offered. */
static void attach(struct sim_client *client, const struct ipc_segment *offer)
{
	struct sim_segment *segment = segment_offered(client, offer);
	bool refused = sim_percent(&client->node->world->clock, 10);
	struct ipc_hello request = {.header = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)},
				    .magic = IPC_HELLO_MAGIC,
				    .version = IPC_HELLO_VERSION,
				    .step = refused ? IPC_HELLO_REFUSED : IPC_HELLO_ATTACHED,
				    .segment_id = offer->id};

	client->attaching = refused ? NULL : segment;
	client_ask(client, &request, sizeof(request), true);
}

/* Ring changes are told to everybody who is connected, up to here by events: they come first. */
static void hear_before(struct sim_client *client, uint32_t events)
{
	for (; client->events_read != events && client->inbox.first; client->events_read++) {
		struct sim_message *event = fifo_pop(&client->inbox);

		client_hear(client, event->data, event->size, event->told);
		free(event);
	}
	if (client->events_read != events || client->inbox.first) {
		client_bad_event(client, "more or fewer events before the rings than the engine says");
	}
}

static void rings_begin(struct sim_client *client, struct sim_segment *segment)
{
	struct sim_rings *rings = sim_alloc(sizeof(*rings));

	rings->control = (struct segment_control *)(segment->base + SEGMENT_START);
	rings->submission = (struct ring_writer){
		.data = segment->base + SUBMISSION_RING_OFFSET,
		.size = SUBMISSION_RING_SIZE,
		.larger = {{{segment->base + SUBMISSION_LARGE_OFFSET, SUBMISSION_LARGE_SIZE}}}};
	rings->delivery = (struct ring_reader){
		.data = segment->base + DELIVERY_RING_OFFSET,
		.size = DELIVERY_RING_SIZE,
		.spare = DELIVERY_SPARE,
		.larger = {{{segment->base + DELIVERY_LARGE_OFFSET, DELIVERY_LARGE_SIZE},
			    {segment->base + DELIVERY_HUGE_OFFSET, DELIVERY_HUGE_SIZE}}}};
	rings->bells = RING_BELLS_INITIAL;
	client->rings = rings;
	hear_before(client, rings->control->events_before);
	if (rings->control->magic != SEGMENT_CONTROL_MAGIC ||
	    rings->control->version != SEGMENT_CONTROL_VERSION) {
		client_wrong_answer(client, "a control segment", (int32_t)rings->control->version);
	}
}

void rings_hello_answered(struct sim_client *client, const struct ipc_hello_response *hello)
{
	struct sim_segment *segment = client->attaching;

	client->attaching = NULL;
	if (hello->local.header.error != CS_OK) {
		client_wrong_answer(client, "hello", hello->local.header.error);
	} else if (hello->control.id) {
		attach(client, &hello->control);
	} else if (segment && client->rings == NULL) {
		rings_begin(client, segment);
	} else if (segment) {
		client->rings->pool = segment;
	}
}

void rings_segment_answered(struct sim_client *client, const struct ipc_segment_create_response *answer)
{
	if (answer->header.error == CS_OK) {
		attach(client, &answer->segment);
	} else if (answer->header.error != CS_ERR_NO_RESOURCES) {
		client_wrong_answer(client, "segment_create", answer->header.error);
	}
}

void rings_ring(struct sim_client *client)
{
	struct ipc_request request = {.id = IPC_REQ_DOORBELL, .size = sizeof(request)};

	client_tell(client, &request, sizeof(request));
}

/* ---- at the end ---- */

bool rings_are_quiet(const struct sim_client *client)
{
	const struct sim_rings *rings = client->rings;
	const struct segment_control *control = rings->control;

	return atomic_load(&control->submission_taken.end) == rings->submission.put &&
	       atomic_load(&control->delivered.end) == rings->delivery.at && rings->bells.due == 0 &&
	       atomic_load(&control->receiver_behind) == 0;
}

void rings_dump(const struct sim_client *client)
{
	const struct sim_rings *rings = client->rings;
	const struct segment_control *control = rings->control;

	sim_trace(&client->node->world->clock,
		  "client %u: submitted %llu, taken %llu, %s; delivered %llu, read %llu, asleep at %lld, %u "
		  "doorbells due%s",
		  client->number, (unsigned long long)rings->submission.end,
		  (unsigned long long)atomic_load(&control->submission_taken.end),
		  atomic_load(&control->submission_taken.asleep) ? "asleep" : "awake",
		  (unsigned long long)atomic_load(&control->delivered.end),
		  (unsigned long long)rings->delivery.at,
		  (long long)atomic_load(&control->delivery_taken.asleep_at) - 1, rings->bells.due,
		  atomic_load(&control->receiver_behind) ? ", a receiver is behind" : "");
}

void rings_free(struct sim_client *client)
{
	if (client->rings) {
		client->node->world->stats.ring_moves += client->rings->delivery.size > DELIVERY_RING_SIZE;
	}
	free(client->rings);
	client->rings = NULL;
}
