/* SPDX-License-Identifier: BSD-3-Clause */
/* cpghostile: what its parts share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpg_ipc.h"

#define HOSTILE_REQUEST_MAX 4096u
#define HOSTILE_GROUPS 8u

struct hostile_random {
	uint64_t state;
};

uint32_t random_next(struct hostile_random *random);
uint32_t random_below(struct hostile_random *random, uint32_t limit);

/* A group that only hostile clients are in. */
struct ipc_name hostile_group(struct hostile_random *random);

/*
 * Makes a request of any id, whose fields are anything from sound to absurd, and whose header may lie; its bytes are in `request`, how many
 * of them to send is the result. `may_join`: it may be a join that the engine grants.
 */
size_t hostile_request(struct hostile_random *random, bool may_join, uint8_t request[HOSTILE_REQUEST_MAX]);

#endif
