/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hostile clients of the engine. run-api runs this on our engine; on stock's only what that survives (the table at
 * the end says so: the rest kills it, leaves ghosts in its groups or hangs it).
 */
#define _GNU_SOURCE
#include "fault_ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOCK_REQUESTS (IPC_REQ_PARTIAL_MCAST + 1)

static struct api_client witness;

static void witness_works(void)
{
	client_send_text(&witness, "still here");
	EXPECT_TRACE(&witness, "message witness self \"still here\"\n");
}

/* A connection of its own, so that nothing is left of the last attempt. */
static int ask_once(const void *request, size_t size)
{
	struct wire wire;
	int answer;

	wire_open(&wire);
	answer = wire_ask(&wire, request, size);
	wire_close(&wire);
	return answer;
}

/* ---- sizes and numbers ---- */

/* Only a header: too short for all but those that need no more. */
static void short_requests(void)
{
	int count = ours_engine() ? IPC_REQ_COUNT : STOCK_REQUESTS;

	for (int id = 0; id < count; id++) {
		struct ipc_request request = {.id = id, .size = sizeof(request)};
		int expected = CS_ERR_INVALID_PARAM;

		if (id == IPC_REQ_MCAST || id == IPC_REQ_DOORBELL) /* nobody waits for an answer */
			continue;
		if (!ours_engine() && id >= IPC_REQ_ZC_ALLOC && id <= IPC_REQ_ZC_EXECUTE) /* aborts stock's */
			continue;
		if (id == IPC_REQ_LOCAL_GET || id == IPC_REQ_FINALIZE)
			expected = CS_OK;
		else if (id >= IPC_REQ_ZC_ALLOC && id <= IPC_REQ_ZC_EXECUTE)
			expected = CS_ERR_NOT_SUPPORTED;
		EXPECT_ANSWER(expected, ask_once(&request, sizeof(request)));
	}
}

static void unknown_numbers(void)
{
	static const int32_t ids[] = {IPC_REQ_COUNT, 100, 255, 256, 65536 + 2, INT_MAX, -2, -5, INT_MIN};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct ipc_request request[20] = {{.id = ids[i], .size = sizeof(request)}};
		int answer = ask_once(request, sizeof(request));

		CHECK(answer == CS_ERR_INVALID_PARAM || answer == WIRE_GONE);
	}
}

/*
 * The header claims another size than what was sent. libqb throws out some of them, the engine refuses others. Over
 * sockets libqb would read 16 MiB of a request into a buffer of 1 MiB, if only the sender could send so much: that is for
 * the kernel's net.core.wmem_max, so no more than a few bytes are sent here.
 */
static void size_claims(void)
{
	static const int32_t claims[] = {0, 1, 15, -1, INT_MIN, INT_MAX, IPC_BUFFER_SIZE + 1, 16 << 20};

	for (int id = 0; id < STOCK_REQUESTS; id++) {
		for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
			struct ipc_request request[12] = {{.id = id, .size = claims[i]}};
			struct wire wire;

			wire_open(&wire);
			if (id == IPC_REQ_MCAST)
				(void)wire_tell(&wire, request, sizeof(request));
			else
				CHECK(wire_ask(&wire, request, sizeof(request)) != CS_OK);
			wire_close(&wire);
		}
	}
}

static void long_names(void)
{
	static const uint32_t lengths[] = {129, 136, 65536, INT_MAX, UINT_MAX};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct ipc_join join = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(join)},
					.pid = (uint32_t)getpid()};
		struct ipc_leave leave = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(leave)},
					  .pid = (uint32_t)getpid()};
		struct ipc_membership members = {
			.header = {.id = IPC_REQ_MEMBERSHIP, .size = sizeof(members)}};
		struct ipc_iteration_initialize iteration = {
			.header = {.id = IPC_REQ_ITERATION_INITIALIZE, .size = sizeof(iteration)},
			.iteration_type = CPG_ITERATION_ONE_GROUP};

		join.group.length = leave.group.length = members.group.length = iteration.group.length =
			lengths[i];
		EXPECT_ANSWER(CS_ERR_NAME_TOO_LONG, ask_once(&join, sizeof(join)));
		EXPECT_ANSWER(CS_ERR_NAME_TOO_LONG, ask_once(&leave, sizeof(leave)));
		EXPECT_ANSWER(CS_ERR_INVALID_PARAM, ask_once(&members, sizeof(members)));
		EXPECT_ANSWER(CS_ERR_INVALID_PARAM, ask_once(&iteration, sizeof(iteration)));
	}
}

/* ---- multicasts ---- */

static void lying_mcast(void)
{
	static const uint32_t lengths[] = {61, 1000, 1u << 20, INT_MAX, UINT_MAX - 40, UINT_MAX};
	uint8_t request[sizeof(struct ipc_mcast) + 60] = {0};
	struct ipc_mcast *mcast = (struct ipc_mcast *)request;
	struct wire wire;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		wire_open(&wire);
		wire_join(&wire, "fault-mcast");
		mcast->header = (struct ipc_request){.id = IPC_REQ_MCAST, .size = sizeof(request)};
		mcast->msglen = lengths[i];
		CHECK(wire_tell(&wire, request, sizeof(request)));
		CHECK(wire_thrown_out(&wire));
		wire_close(&wire);
	}
}

/* The request itself is too short for its kind: thrown out as well, without a word. */
static void short_mcast(void)
{
	struct ipc_request request = {.id = IPC_REQ_MCAST, .size = sizeof(request)};
	struct wire wire;

	wire_open(&wire);
	wire_join(&wire, "fault-mcast");
	CHECK(wire_tell(&wire, &request, sizeof(request)));
	CHECK(wire_thrown_out(&wire));
	wire_close(&wire);
}

/* Not in a group: dropped, and the client is none the worse. */
static void unjoined_mcast(void)
{
	struct ipc_mcast mcast = {.header = {.id = IPC_REQ_MCAST, .size = sizeof(mcast)}};
	struct ipc_request local = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(local)};
	struct wire wire;

	wire_open(&wire);
	for (int i = 0; i < 20; i++)
		CHECK(wire_tell(&wire, &mcast, sizeof(mcast)));
	EXPECT_ANSWER(CS_OK, wire_ask(&wire, &local, sizeof(local)));
	wire_close(&wire);
}

/* ---- fragments ---- */

struct fragment {
	uint32_t msglen, fraglen, type;
	int expected;
};

enum { FRAGMENT_BYTES = 100 };

static int send_fragment(struct wire *wire, const struct fragment *fragment)
{
	uint8_t request[sizeof(struct ipc_partial_mcast) + FRAGMENT_BYTES] = {0};
	struct ipc_partial_mcast *mcast = (struct ipc_partial_mcast *)request;

	mcast->header = (struct ipc_request){.id = IPC_REQ_PARTIAL_MCAST, .size = sizeof(request)};
	mcast->msglen = fragment->msglen;
	mcast->fraglen = fragment->fraglen;
	mcast->type = fragment->type;
	return wire_ask(wire, request, sizeof(request));
}

/* Every list starts with a fresh connection; the last answer in it must not be CS_OK. */
static void lying_fragments(void)
{
	enum {
		FIRST = IPC_FRAGMENT_FIRST,
		MORE = IPC_FRAGMENT_CONTINUED,
		LAST = IPC_FRAGMENT_LAST,
		BAD = CS_ERR_INVALID_PARAM
	};
	static const struct fragment lists[][3] = {
		{{200, 101, FIRST, BAD}},
		{{UINT_MAX, UINT_MAX, FIRST, BAD}},
		{{UINT_MAX, UINT_MAX - 55, FIRST, BAD}},
		{{50, 100, FIRST, BAD}},
		{{200, 100, 0, BAD}},
		{{200, 100, 4, BAD}},
		{{200, 100, UINT_MAX, BAD}},
		{{200, 100, MORE, BAD}},
		{{100, 100, LAST, BAD}},
		{{200, 100, FIRST, CS_OK}, {200, 50, LAST, BAD}},
		{{150, 100, FIRST, CS_OK}, {150, 100, LAST, BAD}},
		{{200, 100, FIRST, CS_OK}, {300, 100, LAST, BAD}},
		{{200, 100, FIRST, CS_OK}, {200, 100, MORE, CS_OK}, {200, 1, MORE, BAD}},
		{{200, 100, FIRST, CS_OK}, {200, UINT_MAX, MORE, BAD}},
		{{1000000000, 100, FIRST, CS_ERR_TOO_BIG}},
	};
	struct wire wire;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		wire_open(&wire);
		wire_join(&wire, "fault-fragments");
		for (size_t j = 0; j < 3 && lists[i][j].expected; j++)
			EXPECT_ANSWER(lists[i][j].expected, send_fragment(&wire, &lists[i][j]));
		wire_close(&wire);
	}
}

/* What was begun and never ended must not hold up the others, nor show. */
static void unfinished_fragments(void)
{
	static const struct fragment first = {60000000, 100, IPC_FRAGMENT_FIRST, CS_OK};
	struct wire wires[5];
	struct api_client reader;

	client_open(&reader);
	client_join(&reader, "fault-unfinished");
	client_dispatch_until(&reader, 1);
	for (int i = 0; i < 5; i++) {
		wire_open(&wires[i]);
		EXPECT_ANSWER(CS_ERR_NOT_EXIST, send_fragment(&wires[i], &first));
	}
	for (int i = 0; i < 5; i++)
		wire_close(&wires[i]);
	wire_open(&wires[0]);
	wire_join(&wires[0], "fault-unfinished-2");
	for (int i = 0; i < 5; i++) /* each starts again */
		EXPECT_ANSWER(CS_OK, send_fragment(&wires[0], &first));
	wire_close(&wires[0]);
	client_forget(&reader);
	EXPECT_TRACE(&reader, "");
	client_close(&reader);
}

/* ---- answers ---- */

/* A client that asks and asks and takes no answer is thrown out when no more can be kept for it. */
static void answers_not_taken(void)
{
	struct ipc_request local = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(local)};
	struct wire wire;
	int asked = 0;

	wire_open(&wire);
	while (asked < 200000 && wire_tell(&wire, &local, sizeof(local)))
		asked++;
	CHECK(asked < 200000);
	wire_close(&wire);
}

enum { FDS_MAX = 1024 };

static void note_open_fds(bool open[FDS_MAX])
{
	for (int fd = 0; fd < FDS_MAX; fd++)
		open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* The one that is not among the `known`: a connection's answers come in there. */
static int new_response_socket(const bool known[FDS_MAX])
{
	static const char end[] = "-response";
	struct sockaddr_un own;

	for (int fd = 0; fd < FDS_MAX; fd++) {
		socklen_t size = sizeof(own);

		memset(&own, 0, sizeof(own));
		if (!known[fd] && getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
		    own.sun_family == AF_UNIX && memmem(own.sun_path, sizeof(own.sun_path), end, sizeof(end)))
			return fd;
	}
	return -1;
}

/* Requests go where they went; nobody has the name any more that answers are sent to. */
static void drop_response_name(int fd)
{
	struct sockaddr_un server;
	socklen_t size = sizeof(server);
	int nameless = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	CHECK(getpeername(fd, (struct sockaddr *)&server, &size) == 0);
	CHECK(nameless >= 0 && connect(nameless, (struct sockaddr *)&server, size) == 0);
	CHECK(dup2(nameless, fd) == fd);
	close(nameless);
}

/*
 * libqb 2.0.6 looks for that name ten times and sleeps for 100 ms after each, in the daemon's main loop
 * (_finish_connecting() in its ipc_socket.c), for every answer until one arrives. Nobody above libqb can prevent the
 * first second; stock's engine stands still for one with each request of such a client. It must end with the first.
 */
static void answers_to_nowhere(void)
{
	bool known[FDS_MAX];
	struct wire wire;
	int fd;

	if (!socket_ipc())
		return;
	note_open_fds(known);
	wire_open(&wire);
	fd = new_response_socket(known);
	CHECK(fd >= 0);
	drop_response_name(fd);
	CHECK(wire_thrown_out(&wire));
	wire_close(&wire);
}

/* ---- who asks ---- */

static void other_pid(void)
{
	struct ipc_join join = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(join)},
				.group = wire_name("fault-pid"),
				.pid = (uint32_t)getppid()};
	struct ipc_leave leave = {.header = {.id = IPC_REQ_LEAVE, .size = sizeof(leave)},
				  .group = wire_name("fault-pid"),
				  .pid = (uint32_t)getppid()};
	struct wire wire;

	EXPECT_ANSWER(CS_ERR_INVALID_PARAM, ask_once(&join, sizeof(join)));
	join.pid = 0;
	EXPECT_ANSWER(CS_ERR_INVALID_PARAM, ask_once(&join, sizeof(join)));
	join.pid = UINT_MAX;
	EXPECT_ANSWER(CS_ERR_INVALID_PARAM, ask_once(&join, sizeof(join)));
	wire_open(&wire);
	wire_join(&wire, "fault-pid");
	EXPECT_ANSWER(CS_ERR_INVALID_PARAM, wire_ask(&wire, &leave, sizeof(leave)));
	leave.pid = (uint32_t)getpid();
	EXPECT_ANSWER(CS_OK, wire_ask(&wire, &leave, sizeof(leave)));
	wire_close(&wire);
}

static int iterate(struct wire *wire, enum ipc_request_id id, uint64_t handle)
{
	struct ipc_iteration request = {.header = {.id = (int32_t)id, .size = sizeof(request)},
					.iteration_handle = handle};

	return wire_ask(wire, &request, sizeof(request));
}

static int iteration_begin(struct wire *wire, uint32_t type, uint64_t *handle)
{
	struct ipc_iteration_initialize request = {
		.header = {.id = IPC_REQ_ITERATION_INITIALIZE, .size = sizeof(request)},
		.iteration_type = type};
	struct ipc_iteration_initialize_response response;
	int answer = wire_ask(wire, &request, sizeof(request));

	if (answer == CS_OK) {
		CHECK_NUMBER(wire->answer_size, sizeof(response));
		memcpy(&response, wire->answer, sizeof(response));
		*handle = response.iteration_handle;
	}
	return answer;
}

static void iteration_handles(void)
{
	uint64_t own, others, garbage[] = {0, 1, 2, 1ull << 32, UINT64_MAX, (uintptr_t)&own};
	struct wire one, two;

	wire_open(&one);
	wire_open(&two);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		CHECK(iterate(&one, IPC_REQ_ITERATION_NEXT, garbage[i]) != CS_OK);
		CHECK(iterate(&one, IPC_REQ_ITERATION_FINALIZE, garbage[i]) != CS_OK);
	}
	CHECK_NUMBER(iteration_begin(&one, CPG_ITERATION_ALL, &own), CS_OK);
	CHECK_NUMBER(iteration_begin(&two, CPG_ITERATION_ALL, &others), CS_OK);
	if (ours_engine() &&
	    own != others) { /* numbers count for each client: a second one is nobody's there */
		CHECK(iterate(&one, IPC_REQ_ITERATION_NEXT, others) != CS_OK);
		CHECK(iterate(&one, IPC_REQ_ITERATION_FINALIZE, others) != CS_OK);
	}
	CHECK_NUMBER(iterate(&two, IPC_REQ_ITERATION_NEXT, others), CS_OK);
	CHECK_NUMBER(iterate(&one, IPC_REQ_ITERATION_FINALIZE, own), CS_OK);
	CHECK(iterate(&one, IPC_REQ_ITERATION_NEXT, own) != CS_OK);
	CHECK(iterate(&one, IPC_REQ_ITERATION_FINALIZE, own) != CS_OK);
	wire_close(&one);
	wire_close(&two);
}

/* A client's iterations end somewhere; another client begins its own all the same. */
static void too_many_iterations(void)
{
	struct wire greedy, other;
	uint64_t handle;
	int answer = CS_OK;

	wire_open(&greedy);
	for (int i = 0; i < 20000 && answer == CS_OK; i++)
		answer = iteration_begin(&greedy, CPG_ITERATION_ALL, &handle);
	CHECK(answer != CS_OK && answer != WIRE_GONE);
	wire_open(&other);
	CHECK_NUMBER(iteration_begin(&other, CPG_ITERATION_ALL, &handle), CS_OK);
	wire_close(&other);
	wire_close(&greedy);
}

/* ---- stock's zero copy ---- */

/* The daemon's root could open or unlink any path, and read any address: ours looks at neither. */
static void bogus_zero_copy(void)
{
	struct zc_alloc alloc = {.header = {.id = IPC_REQ_ZC_ALLOC, .size = sizeof(alloc)}, .map_size = 4096};
	struct zc_free release = {.header = {.id = IPC_REQ_ZC_FREE, .size = sizeof(release)},
				  .map_size = UINT64_MAX};
	struct zc_execute execute = {.header = {.id = IPC_REQ_ZC_EXECUTE, .size = sizeof(execute)}};
	char path[] = "/dev/shm/fault_ipc-XXXXXX";
	struct stat before, after;
	int fd = mkstemp(path);

	CHECK(fd >= 0 && write(fd, "precious", 8) == 8 && fstat(fd, &before) == 0);
	snprintf(alloc.path, sizeof(alloc.path), "%s", path);
	EXPECT_ANSWER(CS_ERR_NOT_SUPPORTED, ask_once(&alloc, sizeof(alloc)));
	memset(alloc.path, 'x', sizeof(alloc.path)); /* no end */
	EXPECT_ANSWER(CS_ERR_NOT_SUPPORTED, ask_once(&alloc, sizeof(alloc)));
	for (uint64_t address = 0; address <= 1ull << 46; address = address * 8 + 1) {
		release.address = execute.address = address;
		EXPECT_ANSWER(CS_ERR_NOT_SUPPORTED, ask_once(&release, sizeof(release)));
		EXPECT_ANSWER(CS_ERR_NOT_SUPPORTED, ask_once(&execute, sizeof(execute)));
	}
	CHECK(stat(path, &after) == 0);
	CHECK(after.st_ino == before.st_ino && after.st_size == 8 && after.st_mtime == before.st_mtime);
	unlink(path);
	close(fd);
}

/* ---- connections ---- */

/* Connected and silent, or silent in the middle of a word. */
static void half_open(void)
{
	enum { CONNECTIONS = 40 };
	static const uint8_t words[24] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 24};
	int fds[CONNECTIONS];

	for (int i = 0; i < CONNECTIONS; i++) {
		fds[i] = wire_connect_raw();
		CHECK(send(fds[i], words, (size_t)i % sizeof(words), MSG_NOSIGNAL) == i % (int)sizeof(words));
	}
	witness_works();
	for (int i = 0; i < CONNECTIONS; i++)
		close(fds[i]);
}

static void babble(void)
{
	uint8_t bytes[500];

	for (uint32_t i = 0; i < 30; i++) {
		int fd = wire_connect_raw();

		api_fill(bytes, sizeof(bytes), i);
		(void)send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
		close(fd);
	}
}

static void many_connections(void)
{
	enum { CONNECTIONS = 60 };
	static struct wire wires[CONNECTIONS];
	struct ipc_request local = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(local)};

	for (int i = 0; i < CONNECTIONS; i++)
		wire_open(&wires[i]);
	for (int i = 0; i < CONNECTIONS; i++)
		EXPECT_ANSWER(CS_OK, wire_ask(&wires[i], &local, sizeof(local)));
	witness_works();
	for (int i = 0; i < CONNECTIONS; i++)
		wire_close(&wires[i]);
}

/* Killed at any moment: with an answer on its way, joined, in the middle of a large message. */
static void sudden_ends(void)
{
	static const struct fragment first = {1000000, 100, IPC_FRAGMENT_FIRST, CS_OK};
	struct ipc_membership members = {.header = {.id = IPC_REQ_MEMBERSHIP, .size = sizeof(members)}};

	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();
		struct wire wire;

		CHECK(pid >= 0);
		if (pid == 0) {
			wire_open(&wire);
			if (i % 3)
				wire_join(&wire, "fault-sudden");
			if (i % 3 == 1)
				(void)wire_tell(&wire, &members, sizeof(members));
			if (i % 3 == 2)
				(void)send_fragment(&wire, &first);
			_exit(0);
		}
		CHECK(waitpid(pid, NULL, 0) == pid);
	}
}

/* Its channel is too small for what it asks for, and for what its group gets. */
static void tiny_buffers(void)
{
	struct ipc_membership members = {.header = {.id = IPC_REQ_MEMBERSHIP, .size = sizeof(members)}};
	struct api_peer peer;
	struct wire wire;
	int answer;

	peer_start(&peer, "peer");
	CHECK(wire_try_open(&wire, 1));
	answer = wire_ask(&wire, &members, sizeof(members));
	CHECK(answer == CS_OK || answer == WIRE_GONE);
	if (answer == CS_OK) {
		wire_join(&wire, "fault-tiny");
		EXPECT_IN_TIME(CS_OK, peer_join(&peer, "fault-tiny"));
		for (uint32_t i = 0; i < 5; i++)
			EXPECT_IN_TIME(CS_OK, peer_send(&peer, 1000000, i));
		witness_works();
	}
	wire_close(&wire);
	peer_exit(&peer);
}

static const struct fault_case cases[] = {
	{"short requests", short_requests, true},
	{"unknown numbers", unknown_numbers, true},
	{"size claims", size_claims, false},
	{"names that are too long", long_names, true},
	{"multicasts that lie about their length", lying_mcast, false},
	{"a multicast that is too short", short_mcast, false},
	{"multicasts of a stranger", unjoined_mcast, true},
	{"fragments that lie", lying_fragments, false},
	{"fragments without an end", unfinished_fragments, true},
	{"answers that nobody takes", answers_not_taken, false},
	{"answers to nowhere", answers_to_nowhere, false},
	{"another process id", other_pid, false},
	{"iteration handles", iteration_handles, true},
	{"too many iterations", too_many_iterations, false},
	{"stock's zero copy with bogus paths and addresses", bogus_zero_copy, false},
	{"half-open connections", half_open, true},
	{"babble", babble, true},
	{"many connections", many_connections, true},
	{"sudden ends", sudden_ends, true},
	{"tiny buffers", tiny_buffers, true},
};

static void run_case(const struct fault_case *fault)
{
	const char *only = getenv("FAULT_CASE");

	if (only && !strstr(fault->name, only))
		return;
	if (!only && !ours_engine() && !fault->stock_survives) {
		printf("%s: not for stock's engine\n", fault->name);
		return;
	}
	printf("%s\n", fault->name);
	fault->run();
	witness_works();
}

int main(void)
{
	api_begin();
	api_model.cpg_totem_confchg_fn = NULL; /* a daemon that stood still for a second makes a new ring */
	client_open(&witness);
	client_join(&witness, "witness");
	EXPECT_TRACE(&witness, "confchg witness members self left - joined self:join\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		run_case(&cases[i]);
	for (size_t i = 0; i < fault_segment_case_count; i++)
		run_case(&fault_segment_cases[i]);
	for (size_t i = 0; i < fault_ring_case_count; i++)
		run_case(&fault_ring_cases[i]);
	client_close(&witness);
	return 0;
}
