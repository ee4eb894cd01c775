/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile clients: they speak the client IPC themselves, by libqb alone. After each of them the daemon must
 * be alive and a decent client, the witness, must get what it sends.
 */
#ifndef FAULT_IPC_H
#define FAULT_IPC_H

#include <qb/qbipcc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cpg_ipc.h"
#include "test/api/api.h"

/* What became of a request, besides an error code of the engine (1 and up). */
#define WIRE_GONE (-1)	  /* disconnected */
#define WIRE_REFUSED (-2) /* libqb on our own side would not send it */

#define WIRE_BODY_MAX 20000u

struct wire {
	qb_ipcc_connection_t *ipc;
	uint8_t answer[WIRE_BODY_MAX];
	size_t answer_size;
};

void wire_open(struct wire *wire);
bool wire_try_open(struct wire *wire, size_t buffer_size);
int wire_connect_raw(void); /* to the server, past libqb */
void wire_close(struct wire *wire);

/* Sends `size` bytes, whatever the header in them says, and waits for an answer. */
int wire_ask(struct wire *wire, const void *request, size_t size);

/* Sends without waiting; true if libqb took it. */
bool wire_tell(struct wire *wire, const void *request, size_t size);

/* True when the engine threw the client out: waits for it. */
bool wire_thrown_out(struct wire *wire);

/* Takes events until one of this response id came (its bytes are in wire->answer); false: none in time. */
bool wire_event(struct wire *wire, int32_t id);

/* Joins; its own confchg was seen. */
void wire_join(struct wire *wire, const char *group);
struct ipc_name wire_name(const char *text);

/* The answer our engine must give. Stock's engine only has to survive. */
void expect_answer(const char *file, int line, int got, int expected);
#define EXPECT_ANSWER(expected, got) expect_answer(__FILE__, __LINE__, (got), (expected))

struct fault_case {
	const char *name;
	void (*run)(void);
	bool stock_survives;
};

/* What only our engine knows: fault_ipc_segments.c, fault_ipc_rings.c */
extern const struct fault_case fault_segment_cases[], fault_ring_cases[];
extern const size_t fault_segment_case_count, fault_ring_case_count;

/* ---- stock's zero copy ---- */

#define ZC_PATH_MAX 128u

struct zc_alloc {
	struct ipc_request header;
	uint64_t map_size;
	char path[ZC_PATH_MAX] IPC_ALIGNED;
};

struct zc_free {
	struct ipc_request header;
	uint64_t map_size;
	uint64_t address;
};

struct zc_execute {
	struct ipc_request header;
	uint64_t address;
};

/* ---- segments ---- */

int hello_asking(struct wire *wire, uint64_t features, enum ipc_hello_step step, uint32_t segment_id,
		 struct ipc_hello_response *response);
int hello(struct wire *wire, enum ipc_hello_step step, uint32_t segment_id,
	  struct ipc_hello_response *response); /* for all features */
int segment_create(struct wire *wire, uint64_t user_size, struct ipc_segment *segment);
void segment_path(char *path, size_t capacity, const struct ipc_segment *segment); /* of its file */

/* ---- fault_ipc_ringed.c: a client with rings ---- */

struct ringed {
	struct wire wire;
	int fd; /* the segment's file */
	void *map;
	size_t map_size;
	uint8_t *base;
	struct segment_control *control; /* where it may write */
};

/* In a group, without waiting for its confchg: that is in the ring. */
void ringed_open(struct ringed *client);
/* The same by its wire, which is open. False: the engine has no segment for it, and it is closed. */
bool ringed_begin(struct ringed *client);
void ringed_close(struct ringed *client);
void ringed_doorbell(struct ringed *client);
void ringed_submit_garbage(struct ringed *client, uint32_t seed);

#endif
