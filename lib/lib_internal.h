/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of libcpg share.
 *
 * Locks, in the order in which they may be taken: instance.fragments_lock, instance.pool.lock,
 * instance.channel_lock, instance.event_lock. The last one is never held during a callback, nor while a thread sleeps until
 * there is an event.
 *
 * fork() takes the lock of fork.c, then under it the event_lock of one instance after the other, each for a time that is limited, and has none
 * any more when the process forks. Under that lock, and under that of handle.c, nobody else asks for any.
 */
#ifndef LIB_INTERNAL_H
#define LIB_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <corosync/corotypes.h>
#include <qb/qbipcc.h>

#include "corosync/cpg.h"
#include "cpg_copy.h"
#include "cpg_ipc.h"
#include "cpg_ring.h"
#include "cpg_segment.h"

/* The only symbols that leave the library. */
#define CPG_PUBLIC __attribute__((visibility("default")))

/* Largest message that is multicast as one, bytes. Part of the ABI: cpg_max_atomic_msgsize_get() tells it. */
#define ATOMIC_MESSAGE_MAX ((1024u * 1024u) - 1024u)

/* ---- clock.c ---- */

/* CLOCK_MONOTONIC, nanoseconds. */
int64_t now_ns(void);
/* The same as of the last tick, some milliseconds old: without a look at the hardware. */
int64_t now_coarse_ns(void);

/* Takes the lock. False: it was not to be had for so many nanoseconds. */
bool lock_within(pthread_mutex_t *lock, int64_t ns);

/* ---- handle.c: numbers that callers hold, and what they stand for ---- */

enum handle_type { HANDLE_INSTANCE, HANDLE_ITERATION };

/* First member of whatever has a handle. Lives until the last reference is put. */
struct handle_object {
	enum handle_type type;
	atomic_uint references;
	void (*destroy)(struct handle_object *object);
	const struct handle_object *owner; /* its handle ends with this one's; NULL: none */
};

/* Gives `object` a handle. The table has a reference of its own. */
cs_error_t handle_create(struct handle_object *object, uint64_t *handle);

/* A new reference, or NULL: no such handle, or one of another type. */
struct handle_object *handle_get(uint64_t handle, enum handle_type type);
void handle_put(struct handle_object *object);

/* Ends the handle and the table's reference. False: another thread was faster. */
bool handle_remove(uint64_t handle, struct handle_object *object);

/* How many forks lie between the first process of this line and this one. */
extern unsigned int handle_forks;

/* Ends all handles that belong to `owner`, and the table's references to them. */
void handle_remove_owned(const struct handle_object *owner);

/* ---- segment.c: shared memory that the engine made ---- */

struct segment {
	void *map; /* NULL: not attached */
	size_t map_size;
	uint8_t *base; /* user data */
	size_t size;   /* of the user data, bytes */
	uint32_t id;
};

/* Maps what the engine offered. False: it can't be mapped or makes no sense. */
bool segment_attach(struct segment *segment, const struct ipc_segment *offer);
void segment_detach(struct segment *segment);

/* ---- the state of one cpg_handle_t ---- */

struct assembly; /* assembly.c: a message in fragments, so far */

/* event.c: an event in slices, so far. */
struct event_parts {
	uint8_t *data; /* NULL: none is under way */
	size_t capacity;
	size_t received;
	size_t total;
};

#define ZCB_WORDS_BITS 4u

/* zcb.c and zcb_*.c: buffers handed out by cpg_zcb_alloc(). */
struct zcb_pool {
	pthread_mutex_t lock;
	void *buffers; /* tsearch(3) tree of struct zcb_buffer by address range */
	_Atomic uint64_t words[1u << ZCB_WORDS_BITS]; /* see zcb_lookup.c; read without the lock */
	struct zcb_segment *segments[SEGMENTS_PER_CLIENT_MAX];
	size_t segment_count;
	int64_t none_before; /* by now_ns(): there is no other segment to be had */
};

/* submission.c: what goes into the submission ring. */
struct submission {
	struct ring_writer ring;
	unsigned int draining;	 /* threads that wait until all was taken: nobody may put more behind it */
	struct handover *oldest; /* messages in blocks that were not taken yet, as last seen ... */
	struct handover **next;	 /* where the next one goes */
	size_t waiting;		 /* ... their bytes ... */
	unsigned int large;	 /* ... and how many are of SUBMISSION_LARGE_BLOCK or more */
	struct handover *taken;	 /* those that were, until somebody collects them */
	uint64_t seen;		 /* how far the engine was behind the last message ... */
	int64_t still_since;	 /* ... and since when it is there, by now_coarse_ns(); 0: it has moved */
};

/* delivery.c: what comes out of the delivery ring. */
struct delivery {
	struct ring_reader ring;
	uint64_t given; /* back to the engine: all before it */
	struct ring_bells bells;
	uint32_t events_before; /* that came over the connection */
	uint64_t run_end;	/* the cursor is in a run as long as it is before this */
	struct ring_run run;
	bool ahead;		/* at the next message of a run, whose head is ... */
	struct ring_entry next; /* ... this, whatever a callback wrote there since */
	struct cpg_name group;	/* of runs */
	bool grouped;		/* there was one */
	struct event *oldest;	/* events in use */
	struct event *newest;
};

struct instance {
	struct handle_object object;
	_Atomic(struct instance *) next; /* in fork.c's list of all ... */
	uint64_t watched;		 /* ... where it has this number */
	cpg_handle_t handle;
	pid_t pid;	    /* of the process that initialised it: no other may use it */
	unsigned int forks; /* handle_forks of that process */
	qb_ipcc_connection_t *ipc;
	size_t buffer_size; /* of every libqb buffer of this connection */
	cpg_model_v1_data_t model;
	_Atomic(void *) context;
	atomic_bool finalized;
	atomic_uint nodeid; /* known once the engine was greeted */

	/* Request and response channel. */
	pthread_mutex_t channel_lock;
	uint8_t *response;	/* buffer_size bytes */
	bool greeted;		/* the engine has said what it is */
	bool joined;		/* the last successful request of the two was a join, not a leave */
	bool ended;		/* FINALIZE went out: nothing may follow */
	uint64_t features;	/* what it granted */
	struct segment control; /* mapped only where there are rings */
	atomic_bool rings;	/* everything goes through the rings of the control segment */
	bool datagrams;		/* libqb's transport is sockets */
	int socket_room;  /* else: SO_SNDBUF of the one with which libqb rings; 0: not known, or little */
	int socket_sure;  /* requests that are sure to find room there */
	atomic_bool gone; /* the engine */
	atomic_bool doorbell_due; /* the engine is to be rung as soon as the channel is free */
	bool settling;		  /* a large request was answered just now */
	bool refused;		  /* libqb had no room for a MCAST */
	struct submission submission;

	pthread_mutex_t fragments_lock; /* one fragmented message at a time */

	/* Event channel. */
	pthread_mutex_t event_lock;
	atomic_uint waiting; /* threads that sleep until there is an event, or are about to */
	uint8_t *spare;	     /* a receive buffer that nobody uses now */
	uint32_t received;   /* events over the connection, doorbells aside; wrapping */
	atomic_bool broken;  /* an event made no sense or was lost: nothing that follows can be trusted */
	struct event_parts parts;
	struct assembly *assemblies;
	struct delivery delivery;

	struct zcb_pool pool;
};

/* With a control segment. */
static inline struct segment_control *instance_control(const struct instance *instance)
{
	return (struct segment_control *)(instance->control.base + SEGMENT_START);
}

/* Acquire: what they need is set up. Once the handle is in a group the answer is final. */
static inline bool instance_has_rings(const struct instance *instance)
{
	return atomic_load_explicit(&instance->rings, memory_order_acquire);
}

/* This is a child of the process that initialised it. */
static inline bool instance_forked(const struct instance *instance)
{
	return instance->forks != handle_forks;
}

/* ---- instance.c ---- */

/* A reference to the instance behind a handle of this process, or NULL. instance_put() ends it. */
struct instance *instance_get(cpg_handle_t handle);
void instance_put(struct instance *instance);

/* Marshals a group's name. CS_ERR_INVALID_PARAM: NULL, CS_ERR_NAME_TOO_LONG: its length is a lie. */
cs_error_t group_name_pack(struct ipc_name *packed, const struct cpg_name *group);
/* False: the name from the engine is longer than names are. */
bool group_name_unpack(struct cpg_name *group, const struct ipc_name *packed);

/* ---- fork.c: what callbacks have in their hands when somebody forks ---- */

/* From here on a child gets a copy of it, as far as there is memory ... */
void fork_watch(struct instance *instance);
/* ... and up to here. */
void fork_forget(struct instance *instance);

/* ---- channel.c: requests and their answers ---- */

const char *server_name(void); /* server_name.c */

/* What a request is for libqb's flow control: multicasts are refused earlier, doorbells never. */
enum channel_kind { CHANNEL_PLAIN, CHANNEL_MCAST, CHANNEL_DOORBELL };

/* Frees channel_lock, and rings the engine if that fell due meanwhile. */
void channel_unlock(struct instance *instance);

/*
 * One request and its answer, with the channel locked here. The result is the engine's, or why it could not
 * be asked; CS_ERR_BAD_HANDLE: the handle was finalized. On CS_OK `response` holds at least `least` bytes of the answer and at most `capacity`,
 * `*received` says how many.
 */
cs_error_t channel_call(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			unsigned int iov_len, void *response, size_t capacity, size_t least,
			size_t *received);

/* The same behind every message that was accepted: waits until the engine has taken those. */
cs_error_t channel_call_behind(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			       unsigned int iov_len, void *response, size_t capacity, size_t least,
			       size_t *received);

/* The same for a caller that holds channel_lock already. */
cs_error_t channel_call_locked(struct instance *instance, enum channel_kind kind, const struct iovec *iov,
			       unsigned int iov_len, void *response, size_t capacity, size_t least,
			       size_t *received);

/* The common case: a request in one piece, an answer of known size. */
cs_error_t channel_ask(struct instance *instance, const void *request, size_t size, void *response,
		       size_t response_size);

/* The same with an answer that is only a header. */
cs_error_t channel_tell(struct instance *instance, const void *request, size_t size);

/*
 * Whether a multicast of whatever kind, of `size` bytes, may start: what channel_mcast() would say to it before it sends anything. Waits for a
 * join that another thread is in the middle of.
 */
cs_error_t channel_ready(struct instance *instance, size_t size);

/* The same for a caller that holds channel_lock. */
cs_error_t channel_ready_locked(struct instance *instance, size_t size);

/* Tells the engine that the connection ends, behind everything that was accepted. Nothing goes out after that. */
cs_error_t channel_end(struct instance *instance);

/* Sends a MCAST request: fire and forget. CS_ERR_NOT_EXIST: the handle is in no group. */
cs_error_t channel_mcast(struct instance *instance, const struct iovec *iov, unsigned int iov_len);

/* Looks at the socket of a new connection: what kind it is, and how much it holds. */
void channel_socket_look(struct instance *instance);

/* Whether a multicast of some size would be answered CS_ERR_TRY_AGAIN now. */
bool channel_congested(struct instance *instance);

/*
 * Sends a doorbell, now or when the thread that has the channel gives it back. One that libqb has no room for is tried again
 * whenever the channel is given back, and while somebody waits for events.
 */
void channel_doorbell(struct instance *instance);
cs_error_t channel_doorbell_locked(struct instance *instance);
/* Those that are due. */
void channel_doorbells_ring(struct instance *instance);

/* Asks libqb whether the engine is there. Once it was gone it stays so. */
bool channel_connected(struct instance *instance);

/* Waits a little before a request is repeated: longer with each round. */
void channel_pause(unsigned int round);

/* ---- connection.c ---- */

/* Connects to the engine, whatever it is. What is left when it fails, instance_put() ends. */
cs_error_t connection_open(struct instance *instance);

/* ---- hello.c ---- */

/* Asks the engine, once, whether it is ours and what it grants. */
cs_error_t hello(struct instance *instance);

/*
 * Maps a segment that the engine offered, if it is usable, and tells it what became of that. The caller holds channel_lock.
 */
bool hello_attach(struct instance *instance, struct segment *segment, const struct ipc_segment *offer,
		  bool (*usable)(const struct segment *segment));

/* ---- submission.c: the submission ring; channel_lock is held ---- */

/* A message in a pool segment, which the engine reads there. */
struct handover {
	struct handover *next;
	uint64_t end; /* it was taken when the engine is here */
	size_t length;
	struct zcb_buffer *buffer;
};

void submission_init(struct instance *instance);

/* Whether a message may be put in now: CS_OK, CS_ERR_TRY_AGAIN, or CS_ERR_LIBRARY: the engine says what can't be. */
cs_error_t submission_state(struct instance *instance, size_t size);

/* Puts in a message of at most SUBMISSION_MESSAGE_MAX bytes. The state is CS_OK. */
cs_error_t submission_put(struct instance *instance, const struct iovec *iov, unsigned int iov_len,
			  size_t size);

/* Hands over a message in a pool segment. The state is CS_OK. `handover` comes back by submission_collect(). */
cs_error_t submission_put_block(struct instance *instance, const struct ring_block *block,
				struct handover *handover);

/* The messages in blocks that the engine has taken since the last call: a list, now the caller's. */
struct handover *submission_collect(struct instance *instance);

/* Waits until the engine took all, gone or finalized meanwhile aside. Lets go of the channel while it waits. */
void submission_drain(struct instance *instance);

/* ---- event.c ---- */

enum event_kind {
	EVENT_NONE,    /* a fragment of a message that is not whole yet */
	EVENT_SLICE,   /* of an event: the engine has all of it, and sends the rest at once */
	EVENT_MESSAGE, /* a message out of a run */
	EVENT_DELIVER,
	EVENT_CONFCHG,
	EVENT_TOTEM_CONFCHG
};

/* What one step brought, ready for its callback. It is in the hands of one thread, but for the list. */
struct event {
	enum event_kind kind;
	uint8_t *data; /* the event, or the message of EVENT_MESSAGE; the receiver's to change */
	size_t size;
	uint8_t *buffer;	   /* where libqb put it */
	uint8_t *whole;		   /* it came in slices, and was put together here */
	struct assembly *assembly; /* the message, when it came in fragments */

	/* EVENT_MESSAGE */
	uint32_t nodeid;
	uint32_t pid;
	struct cpg_name group;

	/* In the delivery ring, where it stays until it is released. */
	bool held;
	uint64_t start;
	struct event *older, *newer; /* under event_lock */
};

/*
 * Releases what the event was and takes the next one. CS_ERR_TRY_AGAIN: nothing there, and `wait` is false. In the end the event
 * must be released.
 */
cs_error_t event_next(struct instance *instance, bool wait, struct event *event);
void event_release(struct instance *instance, struct event *event);
/* An event could not be handed over: the caller's view has a hole, so nothing more is delivered. */
void event_lost(struct instance *instance);
void event_parts_free(struct event_parts *parts);

/* Takes in the event at event->data; event_lock is held. */
cs_error_t event_take(struct instance *instance, struct event *event);
/* As large as events get; under event_lock. NULL: out of memory. */
uint8_t *event_buffer_take(struct instance *instance);

/* ---- delivery.c: the delivery ring; event_lock is held ---- */

void delivery_init(struct instance *instance);

/* The next event, which it holds until it is released. CS_ERR_TRY_AGAIN: there is none. */
cs_error_t delivery_take(struct instance *instance, struct event *event);
void delivery_release(struct instance *instance, struct event *event);

/* Behind an event: takes the doorbells if nothing is left. */
void delivery_settle(struct instance *instance);

/* Gives the engine what nobody uses any more. True: it waits for that, and is to be rung. */
bool delivery_give_back(struct instance *instance);

/* ---- callback.c ---- */

/* Whether every length and count in a whole event fits its size. */
bool event_valid(const struct ipc_response *header, size_t size);

/* Calls back for it. */
cs_error_t event_deliver(struct instance *instance, const struct event *event);

/* ---- assembly.c ---- */

struct assembly {
	struct assembly *next;
	uint32_t nodeid;
	uint32_t pid;
	struct ipc_name group;
	uint8_t *data;
	size_t capacity;
	size_t received;
	size_t total;
};

/*
 * Takes a fragment; `size` is what arrived of it, header included. CS_OK with `*whole` set: the message is
 * complete and the caller's to free. CS_ERR_NO_MEMORY: the message is lost.
 */
cs_error_t assembly_add(struct assembly **list, const struct ipc_partial_deliver *fragment, size_t size,
			struct assembly **whole);

/* A process left: what it did not finish never will be. */
void assembly_drop(struct assembly **list, uint32_t nodeid, uint32_t pid);
void assembly_free(struct assembly *assembly);
void assembly_free_all(struct assembly **list);

/* Makes room for `needed` of `total` bytes, growing with what arrives: `total` is only a claim. */
bool buffer_grow(uint8_t **data, size_t *capacity, size_t needed, size_t total);

/* ---- gather.c: iovecs ---- */

/*
 * Bytes in all. CS_ERR_INVALID_PARAM: a NULL where bytes should be, CS_ERR_TOO_BIG: no message can be so
 * long.
 */
cs_error_t gather_size(const struct iovec *iov, unsigned int iov_len, size_t *size);

/* Copies `length` bytes from `offset` on to `destination`. */
void gather_copy(void *destination, const struct iovec *iov, unsigned int iov_len, size_t offset,
		 size_t length);

/* ---- fragments.c ---- */

/*
 * Sends a message that is larger than what is multicast as one, or for which no block is to be had. Fragments of two messages of one process
 * must not mix: receivers tell messages apart by their sender alone. A second sender is sent away and not queued: it may be the
 * dispatching thread, on which the first one's progress depends.
 */
cs_error_t fragments_send(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
			  unsigned int iov_len, size_t size);

/* ---- mcast.c ---- */

cs_error_t mcast_send(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
		      unsigned int iov_len);
/* The same for a message of `size` bytes, ATOMIC_MESSAGE_MAX at most, when there are rings. */
cs_error_t mcast_send_by_rings(struct instance *instance, cpg_guarantee_t guarantee, const struct iovec *iov,
			       unsigned int iov_len, size_t size);

/* ---- zcb_segments.c: segments for the pool; pool.lock is held ---- */

struct zcb_buffer {
	uint8_t *start;
	size_t size;		     /* as asked for, at least 1: no two share an address */
	struct zcb_segment *segment; /* NULL: in the heap */
	size_t unread;		     /* messages in it that the engine was handed over and has not taken */
	bool freed; /* nobody writes to it any more: its room is free when nothing is unread */
};

/* Places the buffer in a segment. False: there is none to be had. */
bool zcb_place(struct instance *instance, struct zcb_buffer *buffer);
/* Gives segments back of which nothing is used. */
void zcb_shrink(struct instance *instance);

/* ---- zcb_blocks.c: messages that the engine reads out of the pool ---- */

/* A block that nobody has to free when it was handed over: it is free when the engine has taken it. NULL: there is none to be had. */
struct zcb_buffer *zcb_block_new(struct instance *instance, size_t size);
/* One that was not. */
void zcb_block_drop(struct instance *instance, struct zcb_buffer *buffer);
/*
 * Hands over a message in a buffer of the pool that counts it as unread already. False: it was not accepted, `*error` says why, and
 * it does not count. True: it does until it was taken, whatever `*error` says.
 */
bool zcb_hand_over(struct instance *instance, struct zcb_buffer *buffer, const void *message, size_t length,
		   cs_error_t *error);
/* Sends a copy. CS_ERR_NO_RESOURCES: there is no room for it to be had. */
cs_error_t zcb_send_copy(struct instance *instance, const struct iovec *iov, unsigned int iov_len,
			 size_t size);
/* Frees what is not needed any more, now that the engine has taken it. pool.lock is held. */
void zcb_collect(struct instance *instance);
/* The same for a caller that holds channel_lock, when there are rings. */
void zcb_collect_locked(struct instance *instance);
/* Frees the memory of messages that the engine has not taken; their segments go next. */
void zcb_blocks_free(struct submission *submission);

/* ---- zcb_pool.c: dividing a segment into buffers ---- */

struct zcb_segment {
	struct segment segment;
	size_t live;	/* buffers handed out */
	uint32_t units; /* cache lines that it is divided into */
	uint32_t rover; /* where the last search ended */
	/* Of each unit: length of the extent that begins there * 2 + used; 0: none begins there. */
	uint32_t *extent;
};

#define ZCB_NO_ROOM SIZE_MAX

/* Takes over an attached segment. NULL: out of memory. */
struct zcb_segment *zcb_segment_new(const struct segment *segment);
void zcb_segment_free(struct zcb_segment *segment);
/* Offset into the user data, on a cache line of its own; or ZCB_NO_ROOM. */
size_t zcb_segment_alloc(struct zcb_segment *segment, size_t size);
void zcb_segment_release(struct zcb_segment *segment, size_t offset);

/* ---- zcb_lookup.c: pool.lock is held, but for the last ---- */

/* False: out of memory. */
bool zcb_buffer_add(struct zcb_pool *pool, struct zcb_buffer *buffer);
void zcb_buffer_remove(struct zcb_pool *pool, struct zcb_buffer *buffer);
/* The buffer that these bytes are inside of, or NULL. */
struct zcb_buffer *zcb_buffer_find(struct zcb_pool *pool, void *address, size_t size);
void zcb_buffers_destroy(struct zcb_pool *pool, void (*destroy)(void *buffer));
/* There is such a buffer. */
bool zcb_is_in_buffer(struct zcb_pool *pool, void *address, size_t size);

/* ---- zcb.c ---- */

void zcb_pool_init(struct zcb_pool *pool);
/* Its room is free again. pool.lock is held. */
void zcb_buffer_release(struct zcb_buffer *buffer);
/* Sends bytes of a buffer, which is the caller's again on return. */
cs_error_t zcb_mcast(struct instance *instance, cpg_guarantee_t guarantee, void *message, size_t length);
void zcb_pool_destroy(struct zcb_pool *pool);

#endif
