/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile use of what only our engine has: HELLO, segments and messages in them. */
#define _GNU_SOURCE
#include "fault_ipc.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpg_segment.h"

#define NO_RINGS (~IPC_FEATURE_RINGS)

/* ---- requests ---- */

static int segment_destroy(struct wire *wire, uint32_t id)
{
	struct ipc_segment_destroy request = {
		.header = {.id = IPC_REQ_SEGMENT_DESTROY, .size = sizeof(request)}, .segment_id = id};

	return wire_ask(wire, &request, sizeof(request));
}

static int zcb_mcast(struct wire *wire, uint32_t id, uint64_t offset, uint64_t length)
{
	struct ipc_zcb_mcast request = {.header = {.id = IPC_REQ_ZCB_MCAST, .size = sizeof(request)},
					.segment_id = id,
					.offset = offset,
					.length = length};

	return wire_ask(wire, &request, sizeof(request));
}

/* Segments without rings: a pool, and no control segment. */
static void open_greeted(struct wire *wire)
{
	struct ipc_hello_response response;

	wire_open(wire);
	CHECK_NUMBER(hello_asking(wire, NO_RINGS, IPC_HELLO_START, 0, &response), CS_OK);
	CHECK(response.features & IPC_FEATURE_SEGMENTS);
	CHECK_NUMBER(response.control.id, 0);
}

/* With a control segment, which is not attached yet: rings begin when it is. */
static void open_offered(struct wire *wire, struct ipc_segment *control)
{
	struct ipc_hello_response response;

	wire_open(wire);
	CHECK_NUMBER(hello(wire, IPC_HELLO_START, 0, &response), CS_OK);
	CHECK(response.control.id != 0);
	*control = response.control;
}

/* ---- HELLO ---- */

static void hello_garbage(void)
{
	struct ipc_hello_response response;
	struct ipc_hello request = {
		.magic = IPC_HELLO_MAGIC, .version = IPC_HELLO_VERSION, .step = IPC_HELLO_START};
	struct wire wire;

	for (int32_t size = sizeof(struct ipc_request); size < (int32_t)sizeof(request); size++) {
		wire_open(&wire); /* cut off anywhere: a plain LOCAL_GET */
		request.header = (struct ipc_request){.id = IPC_REQ_LOCAL_GET, .size = size};
		CHECK_NUMBER(wire_ask(&wire, &request, (size_t)size), CS_OK);
		CHECK_NUMBER(wire.answer_size, sizeof(struct ipc_local_get_response));
		wire_close(&wire);
	}
	wire_open(&wire);
	for (uint32_t step = 0; step < 70;
	     step++) { /* not begun, unknown, or of segments that are not there */
		if (step == IPC_HELLO_START)
			continue;
		CHECK_NUMBER(hello(&wire, step, step % 5, &response), CS_ERR_INVALID_PARAM);
	}
	CHECK_NUMBER(hello(&wire, UINT32_MAX, UINT32_MAX, &response), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(hello(&wire, IPC_HELLO_START, 0, &response), CS_OK);
	CHECK(response.control.id != 0);
	CHECK_NUMBER(response.features &
			     ~(IPC_FEATURE_LARGE_GROUPS | IPC_FEATURE_SEGMENTS | IPC_FEATURE_RINGS),
		     0);
	wire_close(&wire);
}

/* One control segment for a connection, however often it asks, and none of it stays. */
static void hello_again_and_again(void)
{
	struct ipc_hello_response response;
	struct ipc_segment control;
	char path[200];
	struct wire wire;

	open_offered(&wire, &control);
	for (int i = 0; i < 50; i++) {
		CHECK(hello(&wire, IPC_HELLO_START, 0, &response) > 0);
		CHECK(response.control.id == 0 || response.control.id == control.id);
	}
	segment_path(path, sizeof(path), &control);
	CHECK(access(path, F_OK) == 0);
	CHECK_NUMBER(hello(&wire, IPC_HELLO_ATTACHED, control.id, &response), CS_OK);
	CHECK(access(path, F_OK) != 0);
	CHECK_NUMBER(hello(&wire, IPC_HELLO_ATTACHED, control.id, &response), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(hello(&wire, IPC_HELLO_REFUSED, control.id, &response), CS_ERR_INVALID_PARAM);
	wire_close(&wire);
}

/* The names of what was offered and never taken go with the connection. */
static void names_go_away(void)
{
	struct ipc_segment control, pool;
	char control_path[200], pool_path[200];
	uint64_t deadline = api_deadline();
	struct wire wire;

	open_offered(&wire, &control);
	CHECK_NUMBER(segment_create(&wire, 10000, &pool), CS_OK);
	segment_path(control_path, sizeof(control_path), &control);
	segment_path(pool_path, sizeof(pool_path), &pool);
	CHECK(access(control_path, F_OK) == 0 && access(pool_path, F_OK) == 0);
	wire_close(&wire);
	while ((access(control_path, F_OK) == 0 || access(pool_path, F_OK) == 0) && api_before(deadline))
		;
	CHECK(access(control_path, F_OK) != 0 && access(pool_path, F_OK) != 0);
}

/* ---- segments ---- */

static void segment_sizes(void)
{
	static const uint64_t bad[] = {0,	   1,	       SEGMENT_START, SEGMENT_POOL_MAX + 1ull,
				       1ull << 32, 1ull << 63, UINT64_MAX,    UINT64_MAX - 4095};
	struct ipc_segment segment;
	struct wire wire;

	wire_open(&wire); /* without HELLO there are none */
	CHECK_NUMBER(segment_create(&wire, 4096, &segment), CS_ERR_INVALID_PARAM);
	wire_close(&wire);
	open_greeted(&wire);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_NUMBER(segment_create(&wire, bad[i], &segment), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(segment_create(&wire, SEGMENT_START + 1, &segment), CS_OK);
	wire_close(&wire);
}

static void too_many_segments(void)
{
	struct ipc_segment segment;
	struct wire wire;
	int answer = CS_OK, made = 0;

	open_offered(&wire, &segment);
	while (made < 1000 && (answer = segment_create(&wire, 4096, &segment)) == CS_OK)
		made++;
	CHECK_NUMBER(answer, CS_ERR_NO_RESOURCES);
	CHECK(made >= 10 && made < (int)SEGMENTS_PER_CLIENT_MAX);
	CHECK_NUMBER(segment_destroy(&wire, segment.id ? segment.id : 2), CS_OK);
	CHECK_NUMBER(segment_create(&wire, 4096, &segment), CS_OK);
	wire_close(&wire);
}

static void segments_of_others(void)
{
	struct ipc_segment control, mine, theirs = {0};
	struct wire wire, other;

	open_greeted(&other);
	for (int i = 0; i < 5; i++)
		CHECK_NUMBER(segment_create(&other, 4096, &theirs), CS_OK);
	open_offered(&wire, &control);
	wire_join(&wire, "fault-segments");
	CHECK_NUMBER(segment_create(&wire, 4096, &mine), CS_OK);
	CHECK(theirs.id != mine.id);
	CHECK_NUMBER(segment_destroy(&wire, 0), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(segment_destroy(&wire, control.id), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(segment_destroy(&wire, theirs.id), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(segment_destroy(&wire, UINT32_MAX), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, theirs.id, SEGMENT_START, 10), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(segment_destroy(&wire, mine.id), CS_OK);
	CHECK_NUMBER(segment_destroy(&wire, mine.id), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, mine.id, SEGMENT_START, 10), CS_ERR_INVALID_PARAM);
	wire_close(&wire);
	wire_close(&other);
}

/* ---- messages in segments ---- */

static void outside_of_a_segment(void)
{
	enum { SIZE = 100000 };
	static const struct {
		uint64_t offset, length;
	} bad[] = {
		{0, 10}, /* before the start */
		{SEGMENT_START - 1, 10},
		{SEGMENT_START, SIZE}, /* behind the end by SEGMENT_START */
		{SIZE - 1, 2},
		{SIZE, 1},
		{SIZE + 1, 0},
		{UINT64_MAX, 2}, /* wraps around */
		{UINT64_MAX - 9, 10},
		{SEGMENT_START, UINT64_MAX},
		{SEGMENT_START, UINT64_MAX - SEGMENT_START + 1},
		{1ull << 63, 1ull << 63},
		{SEGMENT_START, 1ull << 32},
	};
	struct ipc_segment control, segment;
	struct wire wire;

	open_offered(&wire, &control);
	CHECK_NUMBER(segment_create(&wire, SIZE, &segment), CS_OK);
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SEGMENT_START, 10), CS_ERR_NOT_EXIST);
	wire_join(&wire, "fault-zcb");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_NUMBER(zcb_mcast(&wire, segment.id, bad[i].offset, bad[i].length),
			     CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, control.id, SEGMENT_START, 10), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, 0, SEGMENT_START, 10), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SEGMENT_START, SIZE - SEGMENT_START), CS_OK);
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SIZE, 0), CS_OK);
	wire_close(&wire);
}

/* More than a message may have, though the segment has it. */
static void larger_than_a_message(void)
{
	struct ipc_segment segment;
	struct wire wire;

	open_greeted(&wire);
	CHECK_NUMBER(segment_create(&wire, 3u << 20, &segment), CS_OK);
	wire_join(&wire, "fault-zcb");
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SEGMENT_START, 2u << 20), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SEGMENT_START, 1024 * 1024 - 1023), CS_ERR_INVALID_PARAM);
	CHECK_NUMBER(zcb_mcast(&wire, segment.id, SEGMENT_START, 1024 * 1024 - 1024), CS_OK);
	wire_close(&wire);
}

static void cut(const struct ipc_segment *segment, off_t length)
{
	char path[200];

	segment_path(path, sizeof(path), segment);
	CHECK(truncate(path, length) == 0);
}

/* The file behind a message is gone: nothing of it is sent, its owner is thrown out, the daemon goes on. */
static void truncated_segment(void)
{
	static const off_t lengths[] = {0, 4096, 50000};
	struct ipc_segment segment;
	struct wire wire;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		open_greeted(&wire);
		CHECK_NUMBER(segment_create(&wire, 200000, &segment), CS_OK);
		wire_join(&wire, "fault-cut");
		cut(&segment, lengths[i]);
		CHECK(zcb_mcast(&wire, segment.id, SEGMENT_START, 150000) != CS_OK);
		CHECK(wire_thrown_out(&wire));
		wire_close(&wire);
	}
}

/* Cuts libqb's rings with this process short, and not those that its parent has; over sockets there are none. */
static void cut_libqb(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], own[32], *path;

	if (maps == NULL)
		_exit(1);
	snprintf(own, sizeof(own), "-%d-", (int)getpid());
	while (fgets(line, sizeof(line), maps)) {
		line[strcspn(line, "\n")] = '\0';
		path = strchr(line, '/');
		if (path && strstr(path, own) && strstr(path, "-cpg-header"))
			CHECK(truncate(path, 0) == 0);
	}
	(void)fclose(maps);
}

/* libqb finds out when it closes the connection, and leaves SIGBUS blocked. */
static void truncated_after_libqb(void)
{
	struct wire watch, wire;
	pid_t pid;

	wire_open(&watch);
	wire_join(&watch, "fault-libqb");
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		wire_open(&wire);
		wire_join(&wire, "fault-libqb");
		cut_libqb();
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK(wire_event(&watch, IPC_RES_CONFCHG)); /* it came */
	CHECK(wire_event(&watch, IPC_RES_CONFCHG)); /* it is gone */
	truncated_segment();
	wire_close(&watch);
}

/* The engine writes to it before and when rings begin, and finds out at the next request at the latest. */
static void truncated_control(void)
{
	uint8_t request[sizeof(struct ipc_mcast) + 10] = {0};
	struct ipc_mcast *mcast = (struct ipc_mcast *)request;
	struct ipc_hello_response response;
	struct ipc_segment control;
	struct wire wire;

	mcast->header = (struct ipc_request){.id = IPC_REQ_MCAST, .size = sizeof(request)};
	mcast->msglen = 10;
	open_offered(&wire, &control);
	cut(&control, 0);
	wire_join(&wire, "fault-control");
	CHECK(wire_tell(&wire, request, sizeof(request)));
	CHECK_NUMBER(hello(&wire, IPC_HELLO_ATTACHED, control.id, &response), CS_OK);
	(void)wire_tell(&wire, request, sizeof(request));
	CHECK(wire_thrown_out(&wire));
	wire_close(&wire);
}

/* Anything may be written there, libqb's own fields included, before and after it is attached; but where rings would begin. */
static void scribbled_segments(void)
{
	struct ipc_hello_response response;
	struct ipc_segment segments[2];
	struct stat file;
	char path[200];
	struct wire wire;

	open_offered(&wire, &segments[0]);
	wire_join(&wire, "fault-scribble");
	CHECK_NUMBER(segment_create(&wire, 100000, &segments[1]), CS_OK);
	for (uint32_t i = 0; i < 2; i++) {
		uint8_t *bytes;
		int fd;

		segment_path(path, sizeof(path), &segments[i]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		CHECK(fd >= 0 && fstat(fd, &file) == 0);
		bytes = mmap(NULL, (size_t)file.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		CHECK(bytes != MAP_FAILED);
		api_fill(bytes, (size_t)file.st_size, i);
		CHECK_NUMBER(zcb_mcast(&wire, segments[1].id, SEGMENT_START, 1000), CS_OK);
		CHECK_NUMBER(
			hello(&wire, i ? IPC_HELLO_ATTACHED : IPC_HELLO_REFUSED, segments[i].id, &response),
			CS_OK);
		api_fill(bytes, (size_t)file.st_size, 100 + i);
		CHECK_NUMBER(zcb_mcast(&wire, segments[1].id, SEGMENT_START, 90000), CS_OK);
		munmap(bytes, (size_t)file.st_size);
		close(fd);
	}
	CHECK_NUMBER(segment_destroy(&wire, segments[1].id), CS_OK);
	wire_close(&wire);
}

/* ---- pages of members ---- */

static void membership_pages(void)
{
	struct ipc_membership_page request = {
		.header = {.id = IPC_REQ_MEMBERSHIP_PAGE, .size = sizeof(request)},
		.group = wire_name("witness")};
	struct ipc_membership_page_response page;
	struct wire wire;

	wire_open(&wire); /* not agreed on */
	CHECK_NUMBER(wire_ask(&wire, &request, sizeof(request)), CS_ERR_INVALID_PARAM);
	wire_close(&wire);
	open_greeted(&wire);
	for (uint64_t first = 0; first <= UINT32_MAX; first = first * 16 + 1) {
		request.first = (uint32_t)first;
		CHECK_NUMBER(wire_ask(&wire, &request, sizeof(request)), CS_OK);
		memcpy(&page, wire.answer, sizeof(page));
		CHECK_NUMBER(page.total, 1);
		CHECK_NUMBER(page.count, first == 0);
	}
	request.group.length = 129;
	CHECK_NUMBER(wire_ask(&wire, &request, sizeof(request)), CS_ERR_INVALID_PARAM);
	wire_close(&wire);
}

const struct fault_case fault_segment_cases[] = {
	{"hello: garbage", hello_garbage, false},
	{"hello: again and again", hello_again_and_again, false},
	{"segments: names go away", names_go_away, false},
	{"segments: sizes", segment_sizes, false},
	{"segments: too many", too_many_segments, false},
	{"segments: of others", segments_of_others, false},
	{"zcb: outside of a segment", outside_of_a_segment, false},
	{"zcb: larger than a message", larger_than_a_message, false},
	{"zcb: a segment that was cut short", truncated_segment, false},
	{"zcb: the same, after libqb's rings", truncated_after_libqb, false},
	{"control segment cut short", truncated_control, false},
	{"scribbled segments", scribbled_segments, false},
	{"pages of members", membership_pages, false},
};
const size_t fault_segment_case_count = sizeof(fault_segment_cases) / sizeof(fault_segment_cases[0]);
