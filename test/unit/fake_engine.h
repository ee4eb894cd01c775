/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An engine for the library's tests: a libqb server in a child process that knows the IPC and nothing behind
 * it. What a client multicasts comes back to it. A hook gets each request first and may answer anything it
 * likes.
 */
#ifndef FAKE_ENGINE_H
#define FAKE_ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <qb/qbipcs.h>

#include "corosync/cpg.h"
#include "cpg_ipc.h"
#include "cpg_ring.h"
#include "cpg_segment.h"

#define FAKE_NODEID 7u
#define FAKE_MEMBERS_MAX 20000u

/* Memory that the test and the engine share. */
struct fake_shared {
	atomic_uint requests[IPC_REQ_COUNT]; /* seen */
	atomic_int rate;	/* enum qb_ipcs_rate_limit to set; checked every few milliseconds */
	atomic_int rate_set;	/* the one in force */
	atomic_bool behind;	/* from the next request on, say that a receiver is behind */
	atomic_bool keep_taken; /* take nothing out of submission rings */
	atomic_bool sleepy;	/* take no request at all */
	atomic_bool sleeping;	/* it is: what is sent from here on stays in the channel */
	atomic_uint segments;	/* pool segments that exist */
	atomic_uint named;	/* segments whose name still exists */
	atomic_uint members;	/* in every group */
	atomic_uint value;	/* the test's own */
	atomic_uint last_mcast_size;
	char last_header[64]; /* of the last MCAST, PARTIAL_MCAST or ZCB_MCAST request */
	/* rings */
	atomic_uint ring_messages; /* taken */
	atomic_uint ring_blocks;
	atomic_bool awake;	/* look into the ring all the time, and never say that we sleep */
	atomic_uint take_limit; /* so many messages at once; 0: all */
	atomic_uint put_delay;	/* microseconds between putting something in and deciding to ring */
	atomic_uint bell_delay; /* ... and to the doorbell */
};

/* A control segment that the library must refuse. */
enum fake_control {
	CONTROL_GOOD,
	CONTROL_NOT_THERE,
	CONTROL_SMALL,
	CONTROL_OF_SOMETHING_ELSE,
	CONTROL_OLD,
	CONTROL_NEW
};

struct fake_options {
	uint64_t features;    /* 0: a stock engine. With rings it gives small connections their size. */
	bool refuse_segments; /* SEGMENT_CREATE fails */
	enum fake_control control;
	bool sockets; /* as with qb_ipc_type: socket; otherwise rings in shared memory */
	/*
	 * In the engine's process. True: it was answered, or shall not be. What comes by the submission ring it sees as a
	 * MCAST request, a fragment in a segment as a PARTIAL_MCAST.
	 */
	bool (*hook)(qb_ipcs_connection_t *conn, const struct ipc_request *request);
};

/* Granted besides what the options say: for tests that have to hold over the rings too. */
extern uint64_t fake_more_features;
#define FAKE_RINGS (IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS)

struct fake_engine {
	pid_t pid;
	struct fake_shared *shared;
};

/* Starts it and waits until it listens. */
void fake_engine_start(struct fake_engine *engine, const struct fake_options *options);
void fake_engine_stop(struct fake_engine *engine);
void fake_engine_kill(struct fake_engine *engine);

/* For hooks. */
extern struct fake_shared *fake_shared;
void fake_respond(qb_ipcs_connection_t *conn, int32_t id, int32_t error);
void fake_respond_raw(qb_ipcs_connection_t *conn, const void *data, size_t size);
void fake_event(qb_ipcs_connection_t *conn, const void *data, size_t size);
void fake_deliver(qb_ipcs_connection_t *conn, const void *message, size_t length);
/* With rings: any entry; and where they lie. */
void fake_ring_entry(qb_ipcs_connection_t *conn, enum ring_entry_kind kind, const void *body, size_t length);
struct segment_control *fake_control(qb_ipcs_connection_t *conn);
/* A run of messages of the same length, each filled with its number. */
void fake_run(qb_ipcs_connection_t *conn, uint32_t pid, unsigned int count, size_t length);
void fake_confchg(qb_ipcs_connection_t *conn, uint32_t members, uint32_t left, uint32_t joined, uint32_t pid);
void fake_fragment(qb_ipcs_connection_t *conn, uint32_t pid, enum ipc_fragment type, uint32_t msglen,
		   const void *data, uint32_t fraglen);

/* Waits up to ten seconds. */
#define fake_wait_until(condition)                                                                           \
	do {                                                                                                 \
		int fake_rounds_;                                                                            \
		for (fake_rounds_ = 0; !(condition) && fake_rounds_ < 2000; fake_rounds_++)                  \
			usleep(5000);                                                                        \
		ck_assert_msg(condition, "never came true: %s", #condition);                                 \
	} while (0)

/* A private /dev/shm where that is allowed, so that nothing is left behind whatever happens. */
void fake_private_shm(void);

/* Asks something and gets the answer: what was sent before was taken, and the events before it are there. */
void fake_ask(cpg_handle_t handle);

static inline struct cpg_name fake_name(const char *text)
{
	struct cpg_name name = {.length = 0};

	while (text[name.length]) {
		name.value[name.length] = text[name.length];
		name.length++;
	}
	return name;
}

#endif
