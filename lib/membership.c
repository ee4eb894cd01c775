/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_membership_get */
#include <stdlib.h>
#include <string.h>

#include "lib_internal.h"

/* A group that changes faster than it can be read: how often reading starts again. */
#define PAGE_RESTARTS_MAX 16u

/* What the caller gave. `total` counts what there is, which may be more than fits. */
struct member_array {
	struct cpg_address *list;
	size_t capacity;
	size_t total;
};

static void members_put(struct member_array *members, size_t first, const struct ipc_address *list,
			size_t count)
{
	size_t i;

	for (i = 0; i < count && first + i < members->capacity; i++)
		members->list[first + i] = (struct cpg_address){
			.nodeid = list[i].nodeid, .pid = list[i].pid, .reason = list[i].reason};
}

static cs_error_t read_old(struct instance *instance, const struct ipc_name *group,
			   struct member_array *members)
{
	struct ipc_membership request = {.header = {.id = IPC_REQ_MEMBERSHIP, .size = sizeof(request)},
					 .group = *group};
	struct ipc_membership_response *response = malloc(sizeof(*response));
	cs_error_t error;

	if (!response)
		return CS_ERR_NO_MEMORY;
	error = channel_ask(instance, &request, sizeof(request), response, sizeof(*response));
	if (error == CS_OK && response->member_count > IPC_OLD_MEMBERSHIP_MAX)
		error = CS_ERR_LIBRARY;
	if (error == CS_OK) {
		members->total = response->member_count;
		members_put(members, 0, response->member_list, response->member_count);
	}
	free(response);
	return error;
}

static cs_error_t read_page(struct instance *instance, struct ipc_membership_page *request,
			    struct ipc_membership_page_response *page, size_t capacity)
{
	struct iovec iov = {.iov_base = request, .iov_len = sizeof(*request)};
	size_t received;
	cs_error_t error;

	error = channel_call(instance, CHANNEL_PLAIN, &iov, 1, page, capacity, sizeof(*page), &received);
	if (error == CS_OK && page->count > (received - sizeof(*page)) / sizeof(page->list[0]))
		error = CS_ERR_LIBRARY;
	return error;
}

/* Within a view a page brings us forward, unless there is nothing to bring. */
static bool page_follows(const struct ipc_membership_page_response *page, uint32_t first)
{
	return first <= page->total && page->count <= page->total - first &&
	       (page->count || first == page->total);
}

/* All pages of one view. CS_ERR_TRY_AGAIN: the view changed on the way. */
static cs_error_t read_view(struct instance *instance, const struct ipc_name *group,
			    struct ipc_membership_page_response *page, size_t capacity,
			    struct member_array *members)
{
	struct ipc_membership_page request = {
		.header = {.id = IPC_REQ_MEMBERSHIP_PAGE, .size = sizeof(request)}, .group = *group};
	uint64_t view = 0;
	cs_error_t error;

	do {
		error = read_page(instance, &request, page, capacity);
		if (error != CS_OK)
			return error;
		if (request.first && page->view != view)
			return CS_ERR_TRY_AGAIN;
		if (!page_follows(page, request.first))
			return CS_ERR_LIBRARY;
		view = page->view;
		members_put(members, request.first, page->list, page->count);
		request.first += page->count;
	} while (request.first < page->total);
	members->total = page->total;
	return CS_OK;
}

static cs_error_t read_paged(struct instance *instance, const struct ipc_name *group,
			     struct member_array *members)
{
	/* How much an engine puts into a page is its own business. */
	size_t capacity = instance->buffer_size;
	struct ipc_membership_page_response *page = malloc(capacity);
	unsigned int round;
	cs_error_t error = CS_ERR_TRY_AGAIN;

	if (!page)
		return CS_ERR_NO_MEMORY;
	for (round = 0; round < PAGE_RESTARTS_MAX && error == CS_ERR_TRY_AGAIN; round++)
		error = read_view(instance, group, page, capacity, members);
	free(page);
	return error;
}

static cs_error_t membership_get(struct instance *instance, const struct cpg_name *group,
				 struct member_array *members)
{
	struct ipc_name packed;
	cs_error_t error = group_name_pack(&packed, group);

	if (error == CS_OK)
		error = hello(instance);
	if (error != CS_OK)
		return error;
	if (instance->features & IPC_FEATURE_LARGE_GROUPS)
		return read_paged(instance, &packed, members);
	return read_old(instance, &packed, members);
}

/*
 * Callers written for the stock library never set the size of their array: it did not look. What they pass is
 * 0 or whatever was on their stack. Nothing can be known about the latter; a size that no array has means
 * CPG_MEMBERS_MAX, the size that the header names.
 */
static size_t array_capacity(int entries)
{
	return entries > 0 ? (size_t)entries : CPG_MEMBERS_MAX;
}

CPG_PUBLIC cs_error_t cpg_membership_get(cpg_handle_t handle, struct cpg_name *group_name,
					 struct cpg_address *member_list, int *member_list_entries)
{
	struct instance *instance = instance_get(handle);
	struct member_array members = {.list = member_list};
	cs_error_t error = CS_ERR_INVALID_PARAM;

	if (!instance)
		return CS_ERR_BAD_HANDLE;
	if (member_list && member_list_entries) {
		members.capacity = array_capacity(*member_list_entries);
		error = membership_get(instance, group_name, &members);
	}
	instance_put(instance);
	if (error != CS_OK)
		return error;
	*member_list_entries = (int)members.total;
	return members.total > members.capacity ? CS_ERR_NO_SPACE : CS_OK;
}
