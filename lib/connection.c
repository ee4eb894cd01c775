/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting. What libqb keeps for a connection is three times the size of its buffers, and who waits for events all day should not
 * hold 3 MiB for it. Our engine lends large messages other memory, but nobody knows whose engine it is before there is
 * a connection: so the first one is small. Our engine raises its size to one that no other gives, and is asked for rings at once. With
 * any other engine, and where there are no rings to be had, a large one follows.
 */
#include <errno.h>
#include <stdlib.h>

#include "lib_internal.h"

/* Less than our engine gives. */
#define SMALL_SIZE (IPC_SMALL_BUFFER_SIZE - 4096u)

/* Room for the largest request behind others that the engine has not taken yet. */
#define LARGE_SIZE (IPC_BUFFER_SIZE + 384u * 1024u)

/* Only as much of the buffer is touched as answers reach. */
static cs_error_t open_with(struct instance *instance, size_t asked)
{
	int32_t size;

	instance->ipc = qb_ipcc_connect(server_name(), asked);
	if (!instance->ipc)
		return errno ? qb_to_cs_error(-errno) : CS_ERR_LIBRARY;
	size = qb_ipcc_get_buffer_size(instance->ipc);
	if (size < (int32_t)asked)
		return CS_ERR_LIBRARY;
	instance->buffer_size = (size_t)size;
	channel_socket_look(instance);
	instance->response = malloc(instance->buffer_size);
	return instance->response ? CS_OK : CS_ERR_NO_MEMORY;
}

/* Whether all that is large goes through rings. An engine that can't say so now is not asked again. */
static bool small_is_enough(struct instance *instance)
{
	return instance->buffer_size == IPC_SMALL_BUFFER_SIZE && hello(instance) == CS_OK &&
	       instance_has_rings(instance);
}

/* There were no rings. Whose engine the next connection finds is open again. */
static void forget(struct instance *instance)
{
	qb_ipcc_disconnect(instance->ipc);
	instance->ipc = NULL;
	free(instance->response);
	instance->response = NULL;
	instance->greeted = false;
	instance->features = 0;
	atomic_store(&instance->nodeid, 0);
	atomic_store(&instance->gone, false);
}

cs_error_t connection_open(struct instance *instance)
{
	cs_error_t error = open_with(instance, SMALL_SIZE);

	if (error != CS_OK || small_is_enough(instance) || instance->buffer_size >= LARGE_SIZE)
		return error;
	forget(instance);
	return open_with(instance, LARGE_SIZE);
}
