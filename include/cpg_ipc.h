/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client IPC of the CPG service: what travels over the libqb connection "cpg".
 *
 * Part 1 is stock's and never changes: stock libraries speak it to us, we speak it to stock engines.
 * Part 2 is ours, used only after both sides said so (see HELLO).
 *
 * All integers are host-endian; fields are 8-byte aligned unless noted. A request's size field is the
 * client's claim: the engine bounds it by the connection's buffer and copies what it looks at.
 */
#ifndef CPG_IPC_H
#define CPG_IPC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define IPC_ALIGNED __attribute__((aligned(8)))

#define IPC_SERVER_NAME "cpg"
#define IPC_BUFFER_SIZE (8192u * 128u) /* request and event buffers of a stock library, bytes */

/*
 * Our engine gives every connection buffers of at least this size, and so tells a library of ours, which asks for less, whose engine it
 * is. It has to hold the largest answer but those of stock's requests, and events up to the beginning of the rings.
 */
#define IPC_SMALL_BUFFER_SIZE (24u * 1024u)

#define IPC_NAME_MAX 128u
#define IPC_OLD_MEMBERS_MAX 128u    /* entries in the arrays of a stock library's callbacks */
#define IPC_OLD_MEMBERSHIP_MAX 384u /* entries in a MEMBERSHIP response */

/* ---- Part 1: stock's ---- */

enum ipc_request_id {
	IPC_REQ_JOIN = 0,
	IPC_REQ_LEAVE = 1,
	IPC_REQ_MCAST = 2,
	IPC_REQ_MEMBERSHIP = 3,
	IPC_REQ_LOCAL_GET = 4,
	IPC_REQ_ITERATION_INITIALIZE = 5,
	IPC_REQ_ITERATION_NEXT = 6,
	IPC_REQ_ITERATION_FINALIZE = 7,
	IPC_REQ_FINALIZE = 8,
	IPC_REQ_ZC_ALLOC = 9,
	IPC_REQ_ZC_FREE = 10,
	IPC_REQ_ZC_EXECUTE = 11,
	IPC_REQ_PARTIAL_MCAST = 12,
	/* part 2 */
	IPC_REQ_SEGMENT_CREATE = 13,
	IPC_REQ_SEGMENT_DESTROY = 14,
	IPC_REQ_ZCB_MCAST = 15,
	IPC_REQ_MEMBERSHIP_PAGE = 16,
	IPC_REQ_DOORBELL = 17,
	IPC_REQ_PARTIAL_BLOCK = 18,
	IPC_REQ_COUNT
};

enum ipc_response_id {
	IPC_RES_JOIN = 0,
	IPC_RES_LEAVE = 1,
	IPC_RES_MCAST = 2,
	IPC_RES_MEMBERSHIP = 3,
	IPC_RES_CONFCHG = 4,
	IPC_RES_DELIVER = 5,
	IPC_RES_LOCAL_GET = 7,
	IPC_RES_ITERATION_INITIALIZE = 9,
	IPC_RES_ITERATION_NEXT = 10,
	IPC_RES_ITERATION_FINALIZE = 11,
	IPC_RES_FINALIZE = 12,
	IPC_RES_TOTEM_CONFCHG = 13,
	IPC_RES_ZC_ALLOC = 14,
	IPC_RES_ZC_FREE = 15,
	IPC_RES_ZC_EXECUTE = 16,
	IPC_RES_PARTIAL_DELIVER = 17,
	IPC_RES_PARTIAL_SEND = 18,
	/* part 2 */
	IPC_RES_SEGMENT_CREATE = 32,
	IPC_RES_SEGMENT_DESTROY = 33,
	IPC_RES_ZCB_MCAST = 34,
	IPC_RES_MEMBERSHIP_PAGE = 35,
	IPC_RES_EVENT_PART = 36,
	IPC_RES_DOORBELL = 37
};

/* Part of a PARTIAL_MCAST or PARTIAL_DELIVER. */
enum ipc_fragment { IPC_FRAGMENT_FIRST = 1, IPC_FRAGMENT_CONTINUED = 2, IPC_FRAGMENT_LAST = 3 };

/* Join flag, bit 0; other bits are ignored. */
#define IPC_JOIN_INITIAL_TOTEM_CONF 0x01u

/*
 * The padding of headers has names: members that an initializer leaves out are zero, but padding is whatever was on the stack,
 * and goes to another process.
 */
struct ipc_request {
	int32_t id IPC_ALIGNED;
	uint32_t unused_id;
	int32_t size IPC_ALIGNED;
	uint32_t unused_size;
} IPC_ALIGNED;
static_assert(sizeof(struct ipc_request) == 16, "request header");

struct ipc_response {
	int32_t id IPC_ALIGNED;
	uint32_t unused_id;
	int32_t size IPC_ALIGNED;
	uint32_t unused_size;
	int32_t error IPC_ALIGNED; /* cs_error_t */
	uint32_t unused_error;
} IPC_ALIGNED;
static_assert(sizeof(struct ipc_response) == 24, "response header");

struct ipc_name {
	uint32_t length IPC_ALIGNED;
	char value[IPC_NAME_MAX] IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_name) == 136, "mar_cpg_name_t");

struct ipc_address {
	uint32_t nodeid IPC_ALIGNED;
	uint32_t pid IPC_ALIGNED;
	uint32_t reason IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_address) == 24, "mar_cpg_address_t");

struct ipc_ring_id {
	uint32_t nodeid IPC_ALIGNED;
	uint64_t seq IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_ring_id) == 16, "mar_cpg_ring_id_t");

struct ipc_join {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t pid IPC_ALIGNED;
	uint32_t flags IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_join) == 168, "JOIN");
static_assert(offsetof(struct ipc_join, pid) == 152 && offsetof(struct ipc_join, flags) == 160, "JOIN");

struct ipc_leave {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t pid IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_leave) == 160, "LEAVE");

/* Fire and forget. Its header is response-shaped: 24 bytes. */
struct ipc_mcast {
	struct ipc_request header;
	uint32_t unused IPC_ALIGNED;
	uint32_t guarantee IPC_ALIGNED;
	uint32_t msglen IPC_ALIGNED;
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct ipc_mcast, guarantee) == 24, "MCAST");
static_assert(offsetof(struct ipc_mcast, msglen) == 32, "MCAST");
static_assert(sizeof(struct ipc_mcast) == 40, "MCAST");

struct ipc_partial_mcast {
	struct ipc_request header;
	uint32_t unused IPC_ALIGNED;
	uint32_t guarantee IPC_ALIGNED;
	uint32_t msglen IPC_ALIGNED;  /* of the whole message */
	uint32_t fraglen IPC_ALIGNED; /* of this fragment */
	uint32_t type IPC_ALIGNED;    /* enum ipc_fragment */
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct ipc_partial_mcast, type) == 48, "PARTIAL_MCAST");
static_assert(sizeof(struct ipc_partial_mcast) == 56, "PARTIAL_MCAST");

struct ipc_membership {
	struct ipc_request header;
	struct ipc_name group;
};
static_assert(sizeof(struct ipc_membership) == 152, "MEMBERSHIP");

struct ipc_membership_response {
	struct ipc_response header;
	uint32_t member_count IPC_ALIGNED;
	struct ipc_address member_list[IPC_OLD_MEMBERSHIP_MAX];
};
static_assert(sizeof(struct ipc_membership_response) == 9248, "MEMBERSHIP response");

struct ipc_local_get_response {
	struct ipc_response header;
	uint32_t local_nodeid IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_local_get_response) == 32, "LOCAL_GET response");

struct ipc_iteration_initialize {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t iteration_type IPC_ALIGNED; /* cpg_iteration_type_t */
};
static_assert(sizeof(struct ipc_iteration_initialize) == 160, "ITERATIONINITIALIZE");

struct ipc_iteration_initialize_response {
	struct ipc_response header;
	uint64_t iteration_handle IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_iteration_initialize_response) == 32, "ITERATIONINITIALIZE");

/* ITERATIONNEXT and ITERATIONFINALIZE */
struct ipc_iteration {
	struct ipc_request header;
	uint64_t iteration_handle IPC_ALIGNED;
};
static_assert(sizeof(struct ipc_iteration) == 24, "ITERATIONNEXT");

struct ipc_iteration_description {
	struct ipc_name group;
	uint32_t nodeid; /* 4-byte aligned */
	uint32_t pid;
};
static_assert(offsetof(struct ipc_iteration_description, pid) == 140, "description");
static_assert(sizeof(struct ipc_iteration_description) == 144, "description");

struct ipc_iteration_next_response {
	struct ipc_response header;
	struct ipc_iteration_description description;
};
static_assert(sizeof(struct ipc_iteration_next_response) == 168, "ITERATIONNEXT");

/* Events */

struct ipc_deliver {
	struct ipc_response header;
	struct ipc_name group;
	uint32_t msglen IPC_ALIGNED;
	uint32_t nodeid IPC_ALIGNED;
	uint32_t pid IPC_ALIGNED;
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct ipc_deliver, msglen) == 160, "DELIVER");
static_assert(sizeof(struct ipc_deliver) == 184, "DELIVER");

struct ipc_partial_deliver {
	struct ipc_response header;
	struct ipc_name group;
	uint32_t msglen IPC_ALIGNED;
	uint32_t fraglen IPC_ALIGNED;
	uint32_t nodeid IPC_ALIGNED;
	uint32_t pid IPC_ALIGNED;
	uint32_t type IPC_ALIGNED;
	uint8_t message[] IPC_ALIGNED;
};
static_assert(offsetof(struct ipc_partial_deliver, type) == 192, "PARTIAL_DELIVER");
static_assert(sizeof(struct ipc_partial_deliver) == 200, "PARTIAL_DELIVER");

struct ipc_confchg {
	struct ipc_response header;
	struct ipc_name group;
	uint32_t member_list_entries IPC_ALIGNED;
	uint32_t joined_list_entries IPC_ALIGNED;
	uint32_t left_list_entries IPC_ALIGNED;
	struct ipc_address list[]; /* members, left, joined: in that order */
};
static_assert(offsetof(struct ipc_confchg, joined_list_entries) == 168, "CONFCHG");
static_assert(sizeof(struct ipc_confchg) == 184, "CONFCHG");

struct ipc_totem_confchg {
	struct ipc_response header;
	struct ipc_ring_id ring_id;
	uint32_t member_list_entries; /* 4-byte aligned */
	uint32_t member_list[];
};
static_assert(offsetof(struct ipc_totem_confchg, member_list) == 44, "TOTEM_CONFCHG");

/* ---- Part 2: ours ---- */

/*
 * HELLO: a LOCAL_GET request longer than stock's. A stock engine ignores the tail and answers 32 bytes;
 * ours answers sizeof(struct ipc_hello_response). Later LOCAL_GETs report what became of a segment that the
 * engine offered: until then it has a name in the file system.
 */
#define IPC_HELLO_MAGIC 0x43504758u /* "CPGX" */
#define IPC_HELLO_VERSION 1u

enum ipc_hello_step {
	IPC_HELLO_START = 1,	/* the answer offers the control segment, or says there is none */
	IPC_HELLO_ATTACHED = 2, /* segment_id is mapped: unlink its name */
	IPC_HELLO_REFUSED = 3	/* segment_id can't be mapped: destroy it */
};

/* Feature bits: the client asks, the engine answers with those it grants. */
#define IPC_FEATURE_LARGE_GROUPS (1ull << 0) /* whole member lists: EVENT_PART, MEMBERSHIP_PAGE */
#define IPC_FEATURE_SEGMENTS (1ull << 1)     /* pool segments: SEGMENT_CREATE */
/*
 * The control segment and its rings (cpg_ring.h), from the moment that the library says IPC_HELLO_ATTACHED of it: no MCAST and
 * no ZCB_MCAST from there on, and of events DOORBELL alone, behind those
 * that were sent before (events_before).
 */
#define IPC_FEATURE_RINGS (1ull << 2)

struct ipc_hello {
	struct ipc_request header;
	uint32_t magic;
	uint32_t version;
	uint64_t features;
	uint32_t step; /* enum ipc_hello_step */
	uint32_t segment_id;
	uint64_t reserved; /* 0 */
};
static_assert(sizeof(struct ipc_hello) == 48, "HELLO");

#define IPC_SEGMENT_NAME_MAX 128u

/*
 * A segment as the engine offers it: the user data of a libqb ring, user_size bytes at user_offset of the file that is called name with
 * "-header" behind it. Not all of it may have memory (cpg_segment.h), and qb_rb_open() would have it allocated: it is for mmap(2).
 */
struct ipc_segment {
	uint32_t id; /* 0: none */
	uint32_t user_offset;
	uint64_t user_size;		 /* bytes of user data: what both sides use, see cpg_segment.h */
	char name[IPC_SEGMENT_NAME_MAX]; /* NUL-terminated absolute path */
};
static_assert(sizeof(struct ipc_segment) == 144, "segment");

struct ipc_hello_response {
	struct ipc_local_get_response local;
	uint32_t magic;
	uint32_t version; /* lower of both sides' */
	uint64_t features;
	struct ipc_segment control; /* answered to IPC_HELLO_START only */
};
static_assert(sizeof(struct ipc_hello_response) == 192, "HELLO response");

struct ipc_segment_create {
	struct ipc_request header;
	uint64_t user_size;
};
static_assert(sizeof(struct ipc_segment_create) == 24, "SEGMENT_CREATE");

struct ipc_segment_create_response {
	struct ipc_response header;
	struct ipc_segment segment;
};
static_assert(sizeof(struct ipc_segment_create_response) == 168, "SEGMENT_CREATE");

struct ipc_segment_destroy {
	struct ipc_request header;
	uint32_t segment_id;
	uint32_t reserved;
};
static_assert(sizeof(struct ipc_segment_destroy) == 24, "SEGMENT_DESTROY");

/* A message that lies in a segment: answered once it was copied out, so the buffer is the caller's again. */
struct ipc_zcb_mcast {
	struct ipc_request header;
	uint32_t segment_id;
	uint32_t guarantee;
	uint64_t offset; /* into the user data */
	uint64_t length;
};
static_assert(sizeof(struct ipc_zcb_mcast) == 40, "ZCB_MCAST");

/* PARTIAL_MCAST of a fragment that lies in a segment; answered as that is, and the room is the caller's again. */
struct ipc_partial_block {
	struct ipc_request header;
	uint32_t guarantee;
	uint32_t msglen;  /* of the whole message */
	uint32_t fraglen; /* of this fragment */
	uint32_t type;	  /* enum ipc_fragment */
	uint32_t segment_id;
	uint32_t reserved;
	uint64_t offset; /* into the user data */
};
static_assert(sizeof(struct ipc_partial_block) == 48, "PARTIAL_BLOCK");

/*
 * Members of a group from number `first` on, in order. `view` changes with every change of the group: a
 * caller that sees another one than on its first page starts again.
 */
struct ipc_membership_page {
	struct ipc_request header;
	struct ipc_name group;
	uint32_t first;
	uint32_t reserved;
};
static_assert(sizeof(struct ipc_membership_page) == 160, "MEMBERSHIP_PAGE");

#define IPC_MEMBERSHIP_PAGE_MAX 512u

struct ipc_membership_page_response {
	struct ipc_response header;
	uint32_t total;
	uint32_t count; /* entries in list, at most IPC_MEMBERSHIP_PAGE_MAX */
	uint64_t view;
	struct ipc_address list[];
};
static_assert(sizeof(struct ipc_membership_page_response) == 40, "MEMBERSHIP_PAGE");
static_assert(sizeof(struct ipc_membership_page_response) +
			      IPC_MEMBERSHIP_PAGE_MAX * sizeof(struct ipc_address) <
		      IPC_SMALL_BUFFER_SIZE,
	      "MEMBERSHIP_PAGE");

/*
 * A slice of an event that is larger than IPC_EVENT_MAX: slices come in order with nothing in between; the
 * event is whole when offset + length == total.
 */
#define IPC_EVENT_MAX (512u * 1024u)

struct ipc_event_part {
	struct ipc_response header;
	uint64_t total;
	uint64_t offset;
	uint64_t length;
	uint8_t data[];
};
static_assert(sizeof(struct ipc_event_part) == 48, "EVENT_PART");

/*
 * DOORBELL, both ways, is a header and nothing more, and is not answered. To the engine: look at the submission ring, and at what did
 * not fit the delivery ring. To the library: the delivery ring is not empty any more. See cpg_segment.h for when it is needed.
 */

#endif
