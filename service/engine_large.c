/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages in fragments, coming in. They are kept until the last fragment is there, and go to the clients whole or not
 * at all: a ring change makes the sender start again, and who joined in the middle is a member when the message ends.
 *
 * Engines of ours keep to what the configuration allows. From a stock node more may come, or more fragments than anyone
 * needs: it goes to the clients fragment by fragment, as stock does it.
 */
#include <stdlib.h>
#include <string.h>

#include "engine_internal.h"

/* Libraries make fragments of all that a request can take, stock's one at least for each of 64 pieces. */
#define FRAGMENTS_MIN 2048u
#define FRAGMENT_SIZE_LEAST 512u /* bytes, on average, of those behind them */

struct assembly {
	struct qb_list_head of_engine;
	struct qb_list_head events;
	struct member *member;
	bool passing; /* fragments are not kept */
	uint32_t msglen, got, fragments;
};

uint32_t fragments_max(uint32_t msglen)
{
	return FRAGMENTS_MIN + msglen / FRAGMENT_SIZE_LEAST;
}

static void events_clear(struct assembly *assembly)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &assembly->events) {
		struct queued_event *queued = qb_list_entry(at, struct queued_event, of_client);

		event_release(queued->event);
		free(queued);
	}
	qb_list_init(&assembly->events);
}

/* What is kept of it is let go. */
static void assembly_clear(struct engine *engine, struct assembly *assembly)
{
	events_clear(assembly);
	if (!assembly->passing) {
		engine->assembled -= assembly->msglen;
	}
}

void assembly_free(struct engine *engine, struct member *member)
{
	struct assembly *assembly = member->assembly;

	if (assembly == NULL) {
		return;
	}
	member->assembly = NULL;
	assembly_clear(engine, assembly);
	qb_list_del(&assembly->of_engine);
	free(assembly);
}

void assemblies_forget(struct engine *engine)
{
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &engine->assemblies) {
		assembly_free(engine, qb_list_entry(at, struct assembly, of_engine)->member);
	}
}

static bool is_too_much(const struct engine *engine, uint32_t msglen)
{
	return msglen > engine->config.message_max ||
	       (engine->assembled && engine->assembled + msglen > engine->config.queue_total);
}

static bool assembly_begin(struct engine *engine, struct member *member, uint32_t msglen)
{
	struct assembly *assembly = calloc(1, sizeof(*assembly));

	assembly_free(engine, member);
	if (assembly == NULL) {
		return false;
	}
	qb_list_init(&assembly->events);
	assembly->member = member;
	assembly->msglen = msglen;
	assembly->passing =
		(!engine->ours && is_too_much(engine, msglen)) || !engine_rule_holds(engine, RULE_KEEP_LARGE);
	if (!assembly->passing) {
		engine->assembled += msglen;
	}
	member->assembly = assembly;
	qb_list_add_tail(&assembly->of_engine, &engine->assemblies);
	return true;
}

/* The event that clients get for it. NULL: out of memory. */
static struct event *fragment_event(const struct sender *sender, const struct fragment *fragment)
{
	struct ipc_partial_deliver event = {
		.header = {.id = IPC_RES_PARTIAL_DELIVER,
			   .size = (int32_t)(sizeof(event) + fragment->length),
			   .error = CS_OK},
		.msglen = fragment->msglen,
		.fraglen = (uint32_t)fragment->length,
		.nodeid = sender->nodeid,
		.pid = sender->pid,
		.type = fragment->type,
	};
	struct iovec iov[2] = {
		{.iov_base = &event, .iov_len = sizeof(event)},
		{.iov_base = (void *)(uintptr_t)fragment->payload, .iov_len = fragment->length}};

	name_write(&event.group, &sender->group);
	return event_copy(iov, 2);
}

static void event_deliver(struct engine *engine, const struct group *group, struct event *event)
{
	struct iovec iov = {.iov_base = event->data, .iov_len = event->size};

	deliver_event(engine, group, &event, &iov, 1);
}

static bool event_keep(struct assembly *assembly, struct event *event)
{
	struct queued_event *queued = malloc(sizeof(*queued));

	if (queued == NULL) {
		return false;
	}
	event->references++;
	queued->event = event;
	qb_list_add_tail(&queued->of_client, &assembly->events);
	return true;
}

static void deliver_kept(struct engine *engine, const struct group *group, const struct assembly *assembly)
{
	struct qb_list_head *at;

	qb_list_for_each (at, &assembly->events) {
		event_deliver(engine, group, qb_list_entry(at, struct queued_event, of_client)->event);
	}
}

/* The last one brings all the rest, or there is a hole before it (stock's nodes drop fragments). */
static bool continues(const struct assembly *assembly, const struct fragment *fragment)
{
	uint32_t rest = assembly->msglen - assembly->got;

	return fragment->msglen == assembly->msglen &&
	       (fragment->type == IPC_FRAGMENT_LAST ? fragment->length == rest : fragment->length <= rest);
}

static void assembly_pass(struct engine *engine, const struct group *group, struct assembly *assembly)
{
	deliver_kept(engine, group, assembly);
	assembly_clear(engine, assembly);
	assembly->passing = true;
}

/* False: out of memory. */
static bool assembly_add(struct engine *engine, const struct group *group, struct assembly *assembly,
			 const struct sender *sender, const struct fragment *fragment)
{
	struct event *event = fragment_event(sender, fragment);
	bool added = true;

	if (event == NULL) {
		return false;
	}
	assembly->got += (uint32_t)fragment->length;
	if (++assembly->fragments > fragments_max(assembly->msglen) && !assembly->passing) {
		assembly_pass(engine, group, assembly);
	}
	if (assembly->passing) {
		event_deliver(engine, group, event);
	} else {
		added = event_keep(assembly, event);
	}
	event_release(event);
	return added;
}

/* Its clients would miss a message that others get. */
static void give_up(struct group *group)
{
	group_evict(group, "out of memory for a large message");
}

void deliver_fragment(struct engine *engine, const struct sender *sender, const struct fragment *fragment)
{
	struct member *member;
	struct group *group = deliver_group(engine, sender, &member);

	if (group == NULL) {
		return;
	}
	if (fragment->type == IPC_FRAGMENT_FIRST && !assembly_begin(engine, member, fragment->msglen)) {
		give_up(group);
		return;
	}
	if (member->assembly == NULL || !continues(member->assembly, fragment)) {
		assembly_free(engine,
			      member); /* its beginning was in another ring, or is of another message */
		return;
	}
	if (!assembly_add(engine, group, member->assembly, sender, fragment)) {
		assembly_free(engine, member);
		give_up(group);
		return;
	}
	if (fragment->type == IPC_FRAGMENT_LAST) {
		deliver_kept(engine, group, member->assembly);
		assembly_free(engine, member);
	}
}
