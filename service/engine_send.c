/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients have to say, as records. */
#include "engine_internal.h"

bool send_message(struct engine_client *client, const void *message, size_t length)
{
	struct record record = {
		.kind = PEER_MESSAGE,
		.pid = client->pid,
		.group = &client->group->name,
		.body = {{.iov_base = (void *)(uintptr_t)message, .iov_len = length}},
	};

	return outgoing_record(client->engine, &record);
}

bool send_fragment(struct engine_client *client, const struct fragment *fragment)
{
	struct peer_fragment head = {.msglen = fragment->msglen, .type = fragment->type};
	struct record record = {
		.kind = PEER_FRAGMENT,
		.pid = client->pid,
		.group = &client->group->name,
		.body = {{.iov_base = &head, .iov_len = sizeof(head)},
			 {.iov_base = (void *)(uintptr_t)fragment->payload, .iov_len = fragment->length}},
	};

	return partial_add(client, &record, fragment->type == IPC_FRAGMENT_LAST);
}

bool send_join(struct engine *engine, const struct group *group, uint32_t pid)
{
	const struct record record = {.kind = PEER_JOIN, .pid = pid, .group = &group->name};

	return outgoing_record(engine, &record);
}

bool send_leave(struct engine *engine, const struct group *group, uint32_t pid, enum reason reason)
{
	const struct record record = {
		.kind = PEER_LEAVE, .detail = (uint8_t)reason, .pid = pid, .group = &group->name};

	return outgoing_record(engine, &record);
}

bool send_fragments_end(struct engine_client *client)
{
	struct peer_fragment head = {.msglen = PEER_MSGLEN_NONE, .type = IPC_FRAGMENT_LAST};
	struct record record = {
		.kind = PEER_FRAGMENT,
		.detail = PEER_FRAGMENT_END,
		.pid = client->pid,
		.group = &client->group->name,
		.body = {{.iov_base = &head, .iov_len = sizeof(head)}},
	};

	return outgoing_record(client->engine, &record);
}
