/* SPDX-License-Identifier: BSD-3-Clause */
/* What simulated clients send each other: who sent it, in which session, with which number, and a checksum. */
#ifndef SIM_PAYLOAD_H
#define SIM_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The smallest payload, bytes. */
#define PAYLOAD_MIN 32u

void payload_fill(uint8_t *at, size_t size, uint32_t session, uint64_t number, uint64_t filler);
/* False: this is not what was sent. */
bool payload_check(const uint8_t *data, size_t size, uint32_t *session, uint64_t *number);

#endif
