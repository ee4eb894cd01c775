/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages that arrive in fragments, one at a time per sending process. A receiver that joined in the middle
 * sees the end of a message without its beginning, and a sender can vanish in the middle: both are dropped
 * without a word.
 */
#include <stdlib.h>

#include "lib_internal.h"

bool buffer_grow(uint8_t **data, size_t *capacity, size_t needed, size_t total)
{
	size_t wanted = *capacity;
	uint8_t *grown;

	if (needed <= *capacity)
		return true;
	if (wanted < needed / 2)
		wanted = needed / 2;
	wanted = wanted > total / 2 ? total : wanted * 2;
	if (wanted < needed)
		wanted = needed;
	grown = realloc(*data, wanted + 1); /* a callback may end its message with a zero */
	if (!grown)
		return false;
	*data = grown;
	*capacity = wanted;
	return true;
}

void assembly_free(struct assembly *assembly)
{
	if (!assembly)
		return;
	free(assembly->data);
	free(assembly);
}

void assembly_free_all(struct assembly **list)
{
	struct assembly *assembly;

	while ((assembly = *list)) {
		*list = assembly->next;
		assembly_free(assembly);
	}
}

/* Takes it out of the list. */
static struct assembly *assembly_take(struct assembly **list, uint32_t nodeid, uint32_t pid)
{
	struct assembly *assembly;

	for (; (assembly = *list); list = &assembly->next) {
		if (assembly->nodeid == nodeid && assembly->pid == pid) {
			*list = assembly->next;
			assembly->next = NULL;
			return assembly;
		}
	}
	return NULL;
}

void assembly_drop(struct assembly **list, uint32_t nodeid, uint32_t pid)
{
	assembly_free(assembly_take(list, nodeid, pid));
}

static struct assembly *assembly_new(const struct ipc_partial_deliver *fragment)
{
	struct assembly *assembly = calloc(1, sizeof(*assembly));

	if (!assembly)
		return NULL;
	assembly->nodeid = fragment->nodeid;
	assembly->pid = fragment->pid;
	assembly->group = fragment->group;
	assembly->total = fragment->msglen;
	return assembly;
}

static bool fragment_fits(const struct assembly *assembly, const struct ipc_partial_deliver *fragment)
{
	bool last = fragment->type == IPC_FRAGMENT_LAST;
	size_t left = assembly->total - assembly->received;

	if (fragment->msglen != assembly->total || fragment->fraglen > left)
		return false;
	return last == (fragment->fraglen == left);
}

cs_error_t assembly_add(struct assembly **list, const struct ipc_partial_deliver *fragment, size_t size,
			struct assembly **whole)
{
	struct assembly *assembly = assembly_take(list, fragment->nodeid, fragment->pid);

	*whole = NULL;
	if (fragment->type == IPC_FRAGMENT_FIRST) {
		assembly_free(assembly);
		assembly = assembly_new(fragment);
		if (!assembly)
			return CS_ERR_NO_MEMORY;
	}
	if (!assembly)
		return CS_OK;
	if (fragment->fraglen > size - sizeof(*fragment) || !fragment_fits(assembly, fragment)) {
		assembly_free(assembly);
		return CS_OK;
	}
	if (!buffer_grow(&assembly->data, &assembly->capacity, assembly->received + fragment->fraglen,
			 assembly->total)) {
		assembly_free(assembly);
		return CS_ERR_NO_MEMORY;
	}
	if (fragment->fraglen) /* of nothing at all there is no buffer */
		copy_bytes(assembly->data + assembly->received, fragment->message, fragment->fraglen);
	assembly->received += fragment->fraglen;
	if (fragment->type == IPC_FRAGMENT_LAST) {
		*whole = assembly;
		return CS_OK;
	}
	assembly->next = *list;
	*list = assembly;
	return CS_OK;
}
