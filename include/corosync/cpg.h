/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Closed process groups (CPG): processes on the nodes of a corosync cluster join named groups and multicast
 * to them.
 *
 * GUARANTEES
 *   Order      Within a group every member is told of the same messages and of the same changes of
 *              membership, in the same order, its own messages included. That order, "agreed", comes from
 *              totem, corosync's group communication.
 *   Views      A message is delivered only to those that were members when it came up in the order, and only
 *              if its sender was one too. Members that go through a change of membership together were told
 *              of the same messages before it.
 *   Delivery   CS_OK from cpg_mcast_joined() means accepted, not delivered: the sender knows that a message
 *              was delivered when it is delivered to itself. A message that was accepted is lost only with
 *              the sender's node, or with corosync there; or with its process, where it does not go through shared memory.
 *   Limits     With a stock node in the ring, engines speak the wire format of stock corosync. It can lose
 *              messages for nodes that come together under load: see "Limits of this version" in
 *              cpg_overview(8).
 *
 * HANDLES
 *   A cpg_handle_t is one connection to corosync and a member of at most one group at a time. A process may
 *   have any number of them. A handle number is never valid again after its end.
 *
 * THREADS
 *   All calls are safe from any thread.
 *   - On one handle, calls that wait for an answer from corosync exclude each other and cpg_mcast_joined();
 *     cpg_dispatch() runs beside all of them.
 *   - When two threads dispatch one handle, each event goes to one of them and the order between their
 *     callbacks is lost.
 *   - Inside a callback every call is allowed, cpg_finalize() and cpg_dispatch() included.
 *   - While a callback runs, corosync keeps what comes more than 64 KiB behind its event, or 1 or 4 MiB where
 *     the handle got more memory: other threads, and a cpg_dispatch() inside of it, get that only afterwards.
 *   - cpg_finalize() may be called while other threads use the handle: a call that corosync is answering is
 *     finished first; those that wait for their turn, or to try again, get CS_ERR_BAD_HANDLE; a thread that
 *     sleeps in cpg_dispatch() is woken.
 *   - A callback must return. What happens after it was left by longjmp(), by an exception or by the end of its thread is undefined: its
 *     event stays in use for ever.
 *   - A thread must not be cancelled (pthread_cancel) while it is in a call.
 *
 * FORK
 *   - A child has no use for handles from before fork(): every call answers CS_ERR_BAD_HANDLE, and
 *     cpg_finalize() (which answers CS_OK) frees the child's memory for it and unmaps what is shared with corosync, without any
 *     effect on the parent. What libqb keeps for the connection, some 200 KiB with our engine, stays until the child ends or calls
 *     exec. So does the rest where another thread of the parent was in a call on the handle at the fork.
 *   - A child that neither finalizes nor calls exec keeps the parent's connection open: corosync sees the
 *     parent's end only when the child is gone too. With `qb_ipc_type: socket` so does one that finalizes:
 *     libqb has more descriptors there than it tells.
 *   - A child that is made while callbacks run has what they were called with to itself: it stays as it was until the callback returns
 *     there, and what the child writes to a message its parent does not see. Where there is no memory for the copy that this takes, or a
 *     signal's handler forks in the middle of cpg_dispatch(), cpg_initialize() or cpg_finalize(), it is shared with the parent and with corosync, who
 *     writes other messages there when the parent's callback is over.
 *   - For that copy fork() may wait up to a fifth of a second for each handle whose events another thread is just taking, or the one that
 *     a signal interrupted. It holds no lock of the library's when the process forks: handlers of pthread_atfork() may do what they like.
 *   - Buffers of cpg_zcb_alloc() stay shared with the parent: what a child writes there, its parent sends.
 *   - Handles that the child makes are like any other.
 *
 * ERRORS
 *   Each call lists what it returns besides CS_OK. These three can come from any call that needs corosync,
 *   and are listed again only where they mean more:
 *   CS_ERR_BAD_HANDLE  no such handle: never made, finalized, made before a fork, or of the other kind.
 *                      Looked at first, also by the calls that do not need corosync.
 *   CS_ERR_LIBRARY     corosync is not there any more, it disconnected this client, or what it says makes no
 *                      sense. Finalize the handle, initialise a new one and join again.
 *   CS_ERR_TRY_AGAIN   corosync can't take the request now: its queues are full, or, stock's engine, it is forming a
 *                      new membership. Nothing was done. Repeat the call after a pause of some milliseconds.
 *   With our engine calls that corosync answers wait instead while it takes no requests: until a new membership is formed, or an overload is
 *   over. It does so while more than 4 MiB have to be sent first, which takes programs that send otherwise than by shared memory, or while
 *   more than 64 programs ended with something still to be sent.
 */
#ifndef COROSYNC_CPG_H_DEFINED
#define COROSYNC_CPG_H_DEFINED

#include <corosync/corotypes.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t cpg_handle_t;
typedef uint64_t cpg_iteration_handle_t;

/*
 * How a message is ordered and when it is delivered. All of them, and any other value, mean CPG_TYPE_AGREED
 * so far.
 */
typedef enum {
	CPG_TYPE_UNORDERED, /* no order asked for */
	CPG_TYPE_FIFO,	    /* the messages of one sender in the order in which it sent them */
	CPG_TYPE_AGREED,    /* all messages in one order for all */
	CPG_TYPE_SAFE	    /* AGREED, and only once every node has it */
} cpg_guarantee_t;

typedef enum {
	CPG_FLOW_CONTROL_DISABLED, /* a message would be accepted now */
	CPG_FLOW_CONTROL_ENABLED   /* one, at least a large one, would be refused with CS_ERR_TRY_AGAIN now */
} cpg_flow_control_state_t;

/* Why a process is in the joined or left list of a configuration change. */
typedef enum {
	CPG_REASON_UNDEFINED = 0, /* no reason: in lists of members */
	CPG_REASON_JOIN = 1,	  /* joined: cpg_join() */
	CPG_REASON_LEAVE = 2,	  /* left: cpg_leave() */
	CPG_REASON_NODEDOWN = 3,  /* left: its node did */
	CPG_REASON_NODEUP = 4,	  /* joined: its node did, and it was a member there */
	CPG_REASON_PROCDOWN = 5	  /* left: its process ended, finalized its handle, or was disconnected */
} cpg_reason_t;

/* What an iteration goes through. */
typedef enum {
	CPG_ITERATION_NAME_ONLY = 1, /* each group once; nodeid and pid are 0 */
	CPG_ITERATION_ONE_GROUP = 2, /* the members of one group */
	CPG_ITERATION_ALL = 3,	     /* the members of all groups */
} cpg_iteration_type_t;

typedef enum {
	CPG_MODEL_V1 = 1,
} cpg_model_t;

/* A member: a process (pid) on a node. */
struct cpg_address {
	uint32_t nodeid;
	uint32_t pid;
	uint32_t reason; /* cpg_reason_t */
};

#define CPG_MAX_NAME_LENGTH 128

/* A group's name: any bytes, NUL among them. Two names are the same if length and bytes are. */
struct cpg_name {
	uint32_t length; /* bytes of value that count, 0 to CPG_MAX_NAME_LENGTH */
	char value[CPG_MAX_NAME_LENGTH];
};

/* Entries in the arrays of stock libraries, and of programs for those. Groups of ours have no limit. */
#define CPG_MEMBERS_MAX 128

struct cpg_iteration_description_t {
	struct cpg_name group;
	uint32_t nodeid;
	uint32_t pid;
};

/* Identity of a ring, totem's word for one membership of nodes. */
struct cpg_ring_id {
	uint32_t nodeid; /* of the ring's representative */
	uint64_t seq;	 /* larger than that of any ring before */
};

/*
 * A message was delivered.
 *   nodeid, pid  its sender, which may be this process
 *   msg          `msg_len` bytes, aligned to 8; the callback's to change until it returns, and the byte behind them; gone after that
 *   msg_len      bytes, 0 and up; not limited to the atomic size
 */
typedef void (*cpg_deliver_fn_t)(cpg_handle_t handle, const struct cpg_name *group_name, uint32_t nodeid,
				 uint32_t pid, void *msg, size_t msg_len);

/*
 * The membership of the group changed. joined_list and left_list are never both filled. The arrays are gone
 * when the callback returns. There may be any number of entries: a group on our engine has no limit.
 *   member_list  who is a member from here on, this process among them unless it left
 *   left_list    who left just now: not in member_list; `reason` says why
 *   joined_list  who joined just now: in member_list too; `reason` says why
 */
typedef void (*cpg_confchg_fn_t)(cpg_handle_t handle, const struct cpg_name *group_name,
				 const struct cpg_address *member_list, size_t member_list_entries,
				 const struct cpg_address *left_list, size_t left_list_entries,
				 const struct cpg_address *joined_list, size_t joined_list_entries);

/*
 * The nodes of the ring changed. Comes after the configuration changes that this caused in the group.
 *   member_list  ids of the nodes
 */
typedef void (*cpg_totem_confchg_fn_t)(cpg_handle_t handle, struct cpg_ring_id ring_id,
				       uint32_t member_list_entries, const uint32_t *member_list);

/* Any of them may be NULL: nobody is called then. */
typedef struct {
	cpg_deliver_fn_t cpg_deliver_fn;
	cpg_confchg_fn_t cpg_confchg_fn;
} cpg_callbacks_t;

typedef struct {
	cpg_model_t model;
} cpg_model_data_t;

/* Flag: call cpg_totem_confchg_fn for the present ring when the group was joined, not only at changes. */
#define CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF 0x01

/* Any callback may be NULL. */
typedef struct {
	cpg_model_t model;
	cpg_deliver_fn_t cpg_deliver_fn;
	cpg_confchg_fn_t cpg_confchg_fn;
	cpg_totem_confchg_fn_t cpg_totem_confchg_fn;
	unsigned int flags;
} cpg_model_v1_data_t;

/*
 * Connects to corosync. Waits, as all calls that are answered, while our engine takes no requests, but for no membership that is being formed.
 *   handle     out: the new handle
 *   callbacks  copied; NULL: none
 *
 * CS_ERR_INVALID_PARAM  handle is NULL
 * CS_ERR_LIBRARY        corosync does not run, or has not got that far; no file descriptor is left; or /dev/shm is read-only
 * CS_ERR_ACCESS         this user may not (corosync's uidgid)
 * CS_ERR_NO_MEMORY      here or in corosync
 * CS_ERR_NOT_EXIST      the process has another /dev/shm than corosync (a container), or corosync ended in the middle of connecting
 * CS_ERR_NO_SPACE       /dev/shm is full
 * CS_ERR_TRY_AGAIN      corosync has no resources for another connection now
 */
cs_error_t cpg_initialize(cpg_handle_t *handle, cpg_callbacks_t *callbacks);

/*
 * The same, with more callbacks and a context.
 *   model       CPG_MODEL_V1
 *   model_data  a cpg_model_v1_data_t, copied; its own `model` is not looked at; NULL: no callbacks, no flags
 *   context     kept for cpg_context_get()
 *
 * Errors as cpg_initialize(), and
 * CS_ERR_INVALID_PARAM  also: another model, or a flag that does not exist
 */
cs_error_t cpg_model_initialize(cpg_handle_t *handle, cpg_model_t model, cpg_model_data_t *model_data,
				void *context);

/*
 * Ends the handle, and what was made with it: iterations, zcb buffers, the descriptor. If it was a member the
 * others see it leave (CPG_REASON_PROCDOWN, or only CPG_REASON_LEAVE when cpg_leave() came first). Events
 * that were not dispatched are dropped. What was accepted from it is still multicast: this waits until corosync
 * has all of it.
 *
 * The handle is gone whatever the result is, unless that is CS_ERR_BAD_HANDLE.
 *
 * CS_ERR_LIBRARY  corosync is gone already
 */
cs_error_t cpg_finalize(cpg_handle_t handle);

/*
 * A descriptor for poll(2): readable while at least one event waits to be dispatched, and when corosync went
 * away. Do nothing else with it. It is a connected unix socket and stays the same until cpg_finalize(), which
 * closes it. SO_PEERCRED tells corosync's pid.
 *
 * With `qb_ipc_type: socket`, and any library and engine, libqb's sockets know no such peer: SO_PEERCRED tells
 * no pid, and that corosync went away only calls show, by CS_ERR_LIBRARY.
 *   fd  out: the descriptor
 *
 * CS_ERR_INVALID_PARAM  fd is NULL
 */
cs_error_t cpg_fd_get(cpg_handle_t handle, int *fd);

/*
 * Largest message that is sent as one. See cpg_mcast_joined() for larger ones.
 *   size  out: bytes, 1 MiB - 1024 = 1047552
 *
 * CS_ERR_INVALID_PARAM  size is NULL
 */
cs_error_t cpg_max_atomic_msgsize_get(cpg_handle_t handle, uint32_t *size);

/*
 * A pointer of the caller's that belongs to the handle; NULL at first, or what cpg_model_initialize() was
 * given.
 *
 * CS_ERR_INVALID_PARAM  context is NULL (cpg_context_get)
 */
cs_error_t cpg_context_get(cpg_handle_t handle, void **context);
cs_error_t cpg_context_set(cpg_handle_t handle, void *context);

/*
 * Takes events and calls back for them, in this thread. One event is one callback or, of a message that is
 * larger than the atomic size, one part: only the last one has a callback. Signals do not end the waiting.
 *   CS_DISPATCH_ONE              one event; waits until there is one
 *   CS_DISPATCH_ALL              those that are there; CS_OK also if none is
 *   CS_DISPATCH_BLOCKING         waits for events until the handle ends or an error comes
 *   CS_DISPATCH_ONE_NONBLOCKING  one event; CS_ERR_TRY_AGAIN if none is there, or another thread is taking it
 *
 * With our engine a very long list, and a message of more than 16 KiB as long as the handle has little memory, comes in slices, of which
 * corosync sends the rest as fast as there is room. The descriptor is readable while there are any, but only with the last one there is an
 * event: until then CS_DISPATCH_ONE waits, and CS_DISPATCH_ONE_NONBLOCKING answers CS_ERR_TRY_AGAIN.
 *
 * CS_ERR_BAD_HANDLE     also: the handle was finalized meanwhile, in a callback or by another thread. That is
 *                       how CS_DISPATCH_BLOCKING ends.
 * CS_ERR_INVALID_PARAM  none of these four
 * CS_ERR_LIBRARY        also: an event made no sense, or one was lost before. The handle delivers nothing any
 *                       more.
 * CS_ERR_NO_MEMORY      for an event. If it was lost by that, calls answer CS_ERR_LIBRARY from then on.
 * CS_ERR_TRY_AGAIN      only with CS_DISPATCH_ONE_NONBLOCKING
 */
cs_error_t cpg_dispatch(cpg_handle_t handle, cs_dispatch_flags_t dispatch_types);

/*
 * Joins a group, which exists from its first member to its last. CS_OK: on its way; the handle is a member
 * when its configuration change was dispatched, and may multicast at once. Waits while an earlier leave of the
 * handle is on its way, which is not delivered while corosync forms a membership.
 *   group  copied
 *
 * CS_ERR_INVALID_PARAM  group is NULL; or corosync finds that the request does not come from this process, which has another pid there if
 *                       it is in a pid namespace of its own (a container)
 * CS_ERR_NAME_TOO_LONG  group->length is larger than CPG_MAX_NAME_LENGTH
 * CS_ERR_EXIST          the handle is in a group, or another handle of this process is in this one
 * CS_ERR_TRY_AGAIN      also: an earlier leave of this process from this group was not delivered yet; or corosync does not
 *                       know all members for want of memory
 * CS_ERR_NO_MEMORY      in corosync
 */
cs_error_t cpg_join(cpg_handle_t handle, const struct cpg_name *group);

/*
 * Leaves the group. CS_OK: on its way; messages are delivered until its configuration change is. Waits while
 * the join is on its way, which is not delivered while corosync forms a membership, and until corosync has taken what was sent before; sends of other
 * threads are refused meanwhile.
 *   group  the one that the handle is in
 *
 * CS_ERR_INVALID_PARAM  group is NULL
 * CS_ERR_NAME_TOO_LONG  group->length is larger than CPG_MAX_NAME_LENGTH
 * CS_ERR_NOT_EXIST      the handle is in no group or in another one, or is leaving it already
 * CS_ERR_NO_MEMORY      in corosync
 */
cs_error_t cpg_leave(cpg_handle_t handle, const struct cpg_name *group);

/*
 * Multicasts the concatenation of `iov_len` pieces to the group. The memory is the caller's again on return.
 * Does not wait, except behind a call of another thread on this handle, and for memory that the first messages of more than
 * 8 KiB may need of our engine.
 *   guarantee  see cpg_guarantee_t
 *   iovec      may be NULL if iov_len is 0
 *   iov_len    any number of pieces, empty ones too
 *
 * A message larger than the atomic size goes in fragments, behind everything that was accepted before. Each of them is answered
 * by corosync, so this waits; and all are delivered as one message or none is. While one such message is under way on a handle
 * another one is refused.
 *
 * With our engine a message is refused also while a member of the group has more than client_queue
 * (corosync_cpg(8)) waiting, and then until half of that is left: a receiver that is behind slows its senders.
 * That member may be the caller: dispatch before trying again. In a ring with a stock node, members on other
 * nodes don't count.
 *
 * When corosync is gone the first two messages, and what follows them within a tenth of a second, may still be answered CS_OK: with our
 * engine they lie in shared memory then, and are lost. All others are answered CS_ERR_LIBRARY.
 *
 * CS_ERR_INVALID_PARAM  iovec or an iov_base is NULL where there should be bytes
 * CS_ERR_NOT_EXIST      the handle is in no group: it did not join, or it left
 * CS_ERR_TRY_AGAIN      nothing was sent. cpg_flow_control_state_get() tells when it is worth trying
 * CS_ERR_TOO_BIG        more than message_max (corosync_cpg(8)); stock's engine: 4 GiB and more. With
 *                       `qb_ipc_type: socket` also what does not go through a socket in one piece, or in
 *                       pieces of the atomic size: see corosync_cpg(8)
 * CS_ERR_NO_MEMORY      to gather more than 31 pieces; for fragments, here or in corosync
 * CS_ERR_INTERRUPT      large messages: nobody gets it; send it again. Stock's engine: something changed in the middle. Ours: this
 *                       process stood still in the middle for client_stall (corosync_cpg(8)), and others wanted the room
 * CS_ERR_LIBRARY        also: this message may have been sent all the same, once, if the connection ended just then
 */
cs_error_t cpg_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee, const struct iovec *iovec,
			    unsigned int iov_len);

/*
 * The members of any group as this node knows them now, which need not be what was dispatched last. A group
 * that does not exist has none. `reason` is 0.
 *   groupName            any group
 *   member_list          array of the caller's
 *   member_list_entries  in: entries that member_list has room for. To be set before each call: what an earlier one stored
 *                        is a number of members, and no size. Stock libraries never looked at this, and
 *                        many programs leave it unset: 0 and less mean CPG_MEMBERS_MAX.
 *                        out: members in the group, also when there was no room for all of them; unchanged
 *                        after other errors
 *
 * CS_ERR_INVALID_PARAM  a pointer is NULL
 * CS_ERR_NAME_TOO_LONG  groupName->length is larger than CPG_MAX_NAME_LENGTH
 * CS_ERR_NO_SPACE       the group has more: the array holds the first ones, *member_list_entries says how
 *                       large it has to be
 * CS_ERR_NO_MEMORY      here or in corosync
 * CS_ERR_TRY_AGAIN      also: the group changed faster than it could be read; or corosync does not know all members for
 *                       want of memory
 */
cs_error_t cpg_membership_get(cpg_handle_t handle, struct cpg_name *groupName,
			      struct cpg_address *member_list, int *member_list_entries);

/*
 * This node's id.
 *   local_nodeid  out
 *
 * CS_ERR_INVALID_PARAM  local_nodeid is NULL
 */
cs_error_t cpg_local_get(cpg_handle_t handle, unsigned int *local_nodeid);

/*
 * Whether cpg_mcast_joined() of a message up to the atomic size would answer CS_ERR_TRY_AGAIN at this moment, if
 * the handle were in a group, a receiver that is behind included. While a message of 256 KiB or more waits for corosync
 * it would to another one of that size, and so this says it, though smaller ones are taken.
 *   flow_control_enabled  out
 *
 * Does not wait with our engine, except behind a call of another thread on this handle. With a stock engine, after a refusal for want of room, it asks corosync a
 * question whose answer shows that there is room again, and waits for it.
 *
 * CS_ERR_INVALID_PARAM  flow_control_enabled is NULL
 */
cs_error_t cpg_flow_control_state_get(cpg_handle_t handle, cpg_flow_control_state_t *flow_control_enabled);

/*
 * A buffer for cpg_zcb_mcast_joined() and cpg_zcb_mcast_async(). With our engine it lies in memory that is shared
 * with corosync, on cache lines of its own, so the latter can send from it without a copy; elsewhere, or when there
 * is no more of that, in the heap. Its content is undefined. It lives until cpg_zcb_free() or cpg_finalize().
 *   size    bytes, 0 to the atomic size
 *   buffer  out
 *
 * CS_ERR_INVALID_PARAM  buffer is NULL
 * CS_ERR_TOO_BIG        larger than the atomic size
 * CS_ERR_NO_MEMORY      none
 */
cs_error_t cpg_zcb_alloc(cpg_handle_t handle, size_t size, void **buffer);

/*
 * Gives a buffer back, in any order; also one that corosync still reads from: its memory is used for something else
 * only afterwards.
 *   buffer  what cpg_zcb_alloc() gave
 *
 * CS_ERR_INVALID_PARAM  not the start of a buffer of this handle, or freed already
 */
cs_error_t cpg_zcb_free(cpg_handle_t handle, void *buffer);

/*
 * Multicasts `msg_len` bytes at `msg`, as cpg_mcast_joined() does. On return the buffer is the caller's
 * again, to fill and send as often as wanted.
 *   guarantee  see cpg_guarantee_t
 *   msg        a buffer from cpg_zcb_alloc(), or bytes inside one
 *   msg_len    bytes, 0 to the atomic size
 *
 * CS_ERR_INVALID_PARAM  these bytes are not all inside one buffer of this handle
 * CS_ERR_TOO_BIG        msg_len is larger than the atomic size
 * CS_ERR_NOT_EXIST      the handle is in no group
 * CS_ERR_TRY_AGAIN      nothing was sent
 * CS_ERR_NO_MEMORY      in corosync
 */
cs_error_t cpg_zcb_mcast_joined(cpg_handle_t handle, cpg_guarantee_t guarantee, void *msg, size_t msg_len);

/*
 * The same without a copy where the buffer is shared with corosync: CS_OK hands these bytes over. They must not be written to
 * until cpg_zcb_wait() says that they were taken, or what is multicast is anything. Other bytes of the buffer may be; and the same
 * ones may be sent again. Up to 2 MiB of such messages, and one more, may wait for corosync, but one
 * of 256 KiB or more is refused while another one waits. Messages of 8192 bytes or less, and buffers in the heap: a copy, taken
 * at once. Does not wait, except behind a call of another thread on this handle that corosync is answering.
 *
 * Not in stock's library.
 *   guarantee  see cpg_guarantee_t
 *   msg        a buffer from cpg_zcb_alloc(), or bytes inside one
 *   msg_len    bytes, 0 to the atomic size
 *
 * Errors as cpg_zcb_mcast_joined(), and
 * CS_ERR_NO_MEMORY  also: here
 */
cs_error_t cpg_zcb_mcast_async(cpg_handle_t handle, cpg_guarantee_t guarantee, void *msg, size_t msg_len);

/*
 * Waits until corosync has taken all that was sent from a buffer with cpg_zcb_mcast_async(). CS_OK: all of the buffer is the
 * caller's again. Messages are taken in the order in which they were sent, none while corosync forms a membership, and to dispatch meanwhile is not needed for it.
 *
 * Not in stock's library.
 *   buffer   what cpg_zcb_alloc() gave, or an address inside
 *   timeout  milliseconds, and some more; 0: only looks; less: waits as long as it takes
 *
 * CS_ERR_INVALID_PARAM  no buffer of this handle
 * CS_ERR_TRY_AGAIN      the time is over, and not all was taken, or it can't be known: corosync is answering another thread's call on
 *                       this handle
 * CS_ERR_BAD_HANDLE     also: it was finalized meanwhile
 * CS_ERR_LIBRARY        also: so nobody reads the buffer any more, and what was not taken is lost
 */
cs_error_t cpg_zcb_wait(cpg_handle_t handle, void *buffer, int timeout);

/*
 * Starts going through groups or members, as this node knows them at this moment.
 *   group                 the group for CPG_ITERATION_ONE_GROUP, NULL for the others
 *   cpg_iteration_handle  out: to be finalized; ends with `handle` at the latest
 *
 * CS_ERR_INVALID_PARAM  no such type, a group where there should be none or the reverse, or
 *                       cpg_iteration_handle is NULL
 * CS_ERR_NAME_TOO_LONG  group->length is larger than CPG_MAX_NAME_LENGTH
 * CS_ERR_NO_RESOURCES   the handle has 64 iterations, or several that hold more than 64 MiB in our engine
 * CS_ERR_TRY_AGAIN      also: corosync does not know all members for want of memory
 * CS_ERR_NO_MEMORY      here or in corosync
 */
cs_error_t cpg_iteration_initialize(cpg_handle_t handle, cpg_iteration_type_t iteration_type,
				    const struct cpg_name *group,
				    cpg_iteration_handle_t *cpg_iteration_handle);

/*
 * The next one.
 *   description  out
 *
 * CS_ERR_INVALID_PARAM  description is NULL
 * CS_ERR_NO_SECTIONS    there are no more
 * CS_ERR_BAD_HANDLE     also: the cpg_handle_t was finalized
 */
cs_error_t cpg_iteration_next(cpg_iteration_handle_t handle, struct cpg_iteration_description_t *description);

/*
 * Ends the iteration. Only CS_ERR_TRY_AGAIN leaves it as it was.
 *
 * CS_ERR_BAD_HANDLE  also: the cpg_handle_t was finalized
 */
cs_error_t cpg_iteration_finalize(cpg_iteration_handle_t handle);

#ifdef __cplusplus
}
#endif

#endif /* COROSYNC_CPG_H_DEFINED */
