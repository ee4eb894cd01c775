/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cpghostile --seed N --requests N [--processes N] [--sockets]: hostile clients, as many as they like to be, until they have sent so many
 * requests; some processes at a time, each lives one life of a kind that the seed draws. Prints how far it is, and exits with 0 if corosync
 * took it all. With --sockets (`qb_ipc_type: socket`) nobody goes before it has heard something: libqb has corosync stand still for a second
 * when it can't find its client, whatever the service does.
 *
 * cpghostile --hold: opens connections until there are no more to be had, prints "held N", and ends with its input.
 */
#define _GNU_SOURCE
#include "fault_ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpg_ring.h"
#include "cpg_segment.h"
#include "hostile.h"

#define REQUESTS_OF_A_LIFE 400u
#define SILENCE_MS 2000u

static struct {
	uint64_t seed, requests;
	uint32_t processes;
	bool sockets, hold;
} options = {.seed = 1, .requests = 20000, .processes = 3};

/* In memory that all lives share. */
static atomic_ullong *sent, *roomless; /* requests, and lives that ended for want of room */

/* ---- requests ---- */

#define HANGUP_MS 20 /* see receive_answer() of fault_ipc_wire.c */

/*
 * Takes an answer if there is one, all events, too: that nobody takes them is a case of fault_ipc. False: the connection is gone. Over sockets
 * libqb writes what comes to the buffer, whatever size it was told.
 */
static bool take(struct wire *wire, uint32_t *due, int timeout_ms)
{
	static uint8_t any[2 * IPC_BUFFER_SIZE];
	ssize_t result = qb_ipcc_recv(wire->ipc, any, sizeof(any), timeout_ms);

	*due -= result > 0;
	while (qb_ipcc_event_recv(wire->ipc, any, sizeof(any), 0) > 0)
		continue;
	return result > 0 || result == -ETIMEDOUT || result == -EAGAIN;
}

/* Each request but two is answered, whatever is in it, or its client is thrown out. */
static bool take_answers(struct wire *wire, uint32_t *due)
{
	uint64_t deadline = api_deadline();

	while (*due > 0) {
		CHECK(api_now_ms() < deadline);
		if (!take(wire, due, HANGUP_MS))
			return false;
	}
	return true;
}

/* False: thrown out. */
static bool send_request(struct wire *wire, const uint8_t *request, size_t size, uint32_t *due)
{
	const struct ipc_request *header = (const struct ipc_request *)request;
	bool answered = header->id != IPC_REQ_MCAST && header->id != IPC_REQ_DOORBELL;
	uint64_t deadline = api_deadline();
	ssize_t result;

	while ((result = qb_ipcc_send(wire->ipc, request, size)) == -EAGAIN && api_now_ms() < deadline) {
		if (!take(wire, due, 1))
			return false;
	}
	*due += result == (ssize_t)size && answered;
	return result == (ssize_t)size ||
	       result == -EMSGSIZE; /* of what is larger than the channel nothing is sent */
}

#define REQUESTS_AT_ONCE 8u

/* Those count of which an answer to the last says that the engine had them. */
static bool flood(struct wire *wire, struct hostile_random *random, uint32_t count)
{
	_Alignas(8) uint8_t request[HOSTILE_REQUEST_MAX];
	uint32_t i, due = 0;

	for (; count >= REQUESTS_AT_ONCE; count -= REQUESTS_AT_ONCE) {
		for (i = 0; i < REQUESTS_AT_ONCE; i++) {
			size_t size = hostile_request(random, !options.sockets, request);

			if (!send_request(wire, request, size, &due))
				return false;
		}
		if (!take_answers(wire, &due))
			return false;
		atomic_fetch_add(sent, REQUESTS_AT_ONCE);
	}
	return true;
}

/* False: one of them, maybe this one, fills /dev/shm, by segments or by a garbled connection of any size. Who finds no room ends. */
static bool open_wire(struct wire *wire, size_t buffer_size)
{
	if (wire_try_open(wire, buffer_size))
		return true;
	CHECK_NUMBER(errno, ENOSPC);
	atomic_fetch_add(roomless, 1);
	return false;
}

/* In a group, or not, by a channel of any size. */
static bool open_somehow(struct wire *wire, struct hostile_random *random)
{
	static const size_t sizes[] = {1, IPC_SMALL_BUFFER_SIZE, IPC_BUFFER_SIZE, 2 * IPC_BUFFER_SIZE};
	char group[IPC_NAME_MAX + 1];

	if (!open_wire(wire, sizes[random_below(random, 4)]))
		return false;
	(void)snprintf(group, sizeof(group), "%s", hostile_group(random).value);
	if (options.sockets || random_below(random, 2))
		wire_join(wire, group);
	return true;
}

/* ---- lives ---- */

/* Whoever is thrown out comes back. */
static void live_flooding(struct hostile_random *random)
{
	struct wire wire;

	for (uint32_t i = 0; i < 4; i++) {
		if (!open_somehow(&wire, random))
			return;
		(void)flood(&wire, random, REQUESTS_OF_A_LIFE / 4);
		if (options.sockets || i < 3 || random_below(random, 2)) /* or it just ends */
			wire_close(&wire);
	}
}

static void live_connecting(struct hostile_random *random)
{
	struct ipc_request local = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(local)};
	struct wire wire;

	for (uint32_t i = 10 + random_below(random, 40); i > 0; i--) {
		if (!open_wire(&wire, IPC_SMALL_BUFFER_SIZE))
			return;
		if (options.sockets || random_below(random, 2)) {
			CHECK_NUMBER(wire_ask(&wire, &local, sizeof(local)), CS_OK);
			atomic_fetch_add(sent, 1);
		}
		wire_close(&wire);
	}
}

/* Connected and silent, or silent in the middle of a word, or with words that mean nothing, while it floods elsewhere. */
static void live_half_open(struct hostile_random *random)
{
	uint32_t words[8] = {UINT32_MAX, 0, 24, 0, random_next(random), random_next(random), 0, 0};
	int fds[30];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		fds[i] = wire_connect_raw();
		(void)send(fds[i], words, random_below(random, sizeof(words) + 1), MSG_NOSIGNAL);
	}
	live_flooding(random);
}

/* Until others have sent something, should they do so. */
static void be_silent(void)
{
	uint64_t deadline = api_now_ms() + SILENCE_MS, others = atomic_load(sent) + 5ull * REQUESTS_OF_A_LIFE;

	while (atomic_load(sent) < others && atomic_load(sent) < options.requests && api_before(deadline))
		continue;
}

/* It is in a group that others send to, and reads nothing meanwhile. */
static void live_silent(struct hostile_random *random)
{
	struct wire wire;

	if (!open_wire(&wire, IPC_SMALL_BUFFER_SIZE))
		return;
	wire_join(&wire, "hostile-0");
	be_silent();
	(void)flood(&wire, random, REQUESTS_OF_A_LIFE);
	wire_close(&wire);
}

/* The file of the counters that libqb shares with it over sockets. */
static void counters_path(char *path, size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	const char *found = NULL;
	char line[600];

	CHECK(maps != NULL);
	while (found == NULL && fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, "/qb-control-") != NULL)
			found = strchr(line, '/');
	}
	(void)fclose(maps);
	CHECK(found != NULL);
	(void)snprintf(path, size, "%.*s", (int)strcspn(found, "\n"), found);
}

/* Events come for it, which the daemon would count where there is no file any more. It calls libqb no more, which counts there, too. */
static void live_cutting(struct hostile_random *random)
{
	char path[500];
	struct wire wire;

	if (!options.sockets) {
		live_flooding(random);
		return;
	}
	if (!open_wire(&wire, IPC_SMALL_BUFFER_SIZE))
		return;
	wire_join(&wire, "hostile-0");
	counters_path(path, sizeof(path));
	if (truncate(path, 0) == 0)
		be_silent();
}

/* Words at random, and the file cut short. */
static void scribble(struct hostile_random *random, int fd)
{
	struct stat file;

	CHECK(fstat(fd, &file) == 0);
	for (uint32_t i = random_below(random, 100); i > 0 && file.st_size > 0; i--) {
		uint32_t word = random_next(random);

		(void)pwrite(fd, &word, sizeof(word), (off_t)random_below(random, (uint32_t)file.st_size));
	}
	if (random_below(random, 4) == 0 && file.st_size > 0)
		(void)ftruncate(fd, (off_t)random_below(random, (uint32_t)file.st_size));
}

static int open_segment(const struct ipc_segment *segment)
{
	char path[200];

	segment_path(path, sizeof(path), segment);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Segments without rings: messages are asked for by requests. */
static void live_with_segments(struct hostile_random *random)
{
	struct ipc_hello_response response;
	struct ipc_segment segment;
	struct wire wire;
	int fds[4] = {-1, -1, -1, -1};

	if (!open_somehow(&wire, random) ||
	    hello_asking(&wire, ~IPC_FEATURE_RINGS, IPC_HELLO_START, 0, &response) != CS_OK)
		return;
	for (int i = 0; i < 4; i++) {
		if (segment_create(&wire, 5000 + random_below(random, 200000), &segment) == CS_OK)
			fds[i] = open_segment(&segment);
	}
	for (uint32_t i = 0; i < 8 && flood(&wire, random, REQUESTS_OF_A_LIFE / 8); i++) {
		if (fds[i % 4] >= 0)
			scribble(random, fds[i % 4]);
	}
	wire_close(&wire);
}

/* What it wrote may well hit itself: it ends by a signal then. */
static void live_with_rings(struct hostile_random *random)
{
	struct ringed client;

	if (!open_wire(&client.wire, IPC_BUFFER_SIZE))
		return;
	if (!ringed_begin(&client)) {
		atomic_fetch_add(roomless, 1);
		return;
	}
	if (options.sockets)
		(void)wire_event(&client.wire, IPC_RES_DOORBELL);
	for (uint32_t i = 0; i < 8; i++) {
		ringed_submit_garbage(&client, random_next(random));
		ringed_doorbell(&client);
		atomic_fetch_add(sent, 1);
		if (!flood(&client.wire, random, random_below(random, REQUESTS_OF_A_LIFE / 4)))
			break;
		if (random_below(random, 2))
			scribble(random, client.fd);
	}
	if (options.sockets || random_below(random, 2))
		ringed_close(&client);
}

static void (*const lives[])(struct hostile_random *random) = {
	live_flooding,	    live_flooding,   live_flooding,   live_flooding,
	live_connecting,    live_half_open,  live_silent,     live_with_segments,
	live_with_segments, live_with_rings, live_with_rings, live_cutting,
};

/* ---- all of them ---- */

static pid_t begin_life(uint64_t number)
{
	struct hostile_random random = {.state = options.seed * 0x9e3779b97f4a7c15ull + number};
	uint32_t kind = random_below(&random, sizeof(lives) / sizeof(lives[0]));
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		lives[kind](&random);
		_exit(0);
	}
	return pid;
}

/* A check that failed ends a life with 1; one that hit the end of its own file is nobody's fault. */
static bool end_life(void)
{
	int status = 0;
	pid_t pid = wait(&status);

	CHECK(pid > 0);
	if (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS))
		return true;
	printf("process %d ended with status %#x\n", (int)pid, (unsigned int)status);
	return false;
}

static int live_all(void)
{
	uint64_t begun = 0, ended = 0, told = api_now_ms();
	bool good = true;

	while (good && (atomic_load(sent) < options.requests || ended < begun)) {
		if (atomic_load(sent) < options.requests && begun - ended < options.processes) {
			(void)begin_life(begun++);
			continue;
		}
		good = end_life();
		ended++;
		if (api_now_ms() > told + 5000) {
			told = api_now_ms();
			printf("%llu requests, %llu lives\n", atomic_load(sent), (unsigned long long)ended);
		}
	}
	good &= atomic_load(roomless) * 10 <= ended; /* else hardly any of what it is for was done */
	printf("%s: %llu requests, %llu lives, %llu without room\n", good ? "done" : "failed",
	       atomic_load(sent), (unsigned long long)ended, atomic_load(roomless));
	return !good;
}

static int hold_connections(void)
{
	unsigned int held = 0;

	while (qb_ipcc_connect(IPC_SERVER_NAME, IPC_SMALL_BUFFER_SIZE) != NULL)
		held++;
	printf("held %u: %s\n", held, strerror(errno));
	while (getchar() != EOF)
		continue;
	return 0;
}

/* ---- options ---- */

static uint64_t option_number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "cpghostile: '%s' is no number\n", text);
		exit(2);
	}
	return value;
}

static void options_read(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool last = i + 1 == argc;

		if (strcmp(argv[i], "--sockets") == 0)
			options.sockets = true;
		else if (strcmp(argv[i], "--hold") == 0)
			options.hold = true;
		else if (strcmp(argv[i], "--seed") == 0 && !last)
			options.seed = option_number(argv[++i]);
		else if (strcmp(argv[i], "--requests") == 0 && !last)
			options.requests = option_number(argv[++i]);
		else if (strcmp(argv[i], "--processes") == 0 && !last)
			options.processes = (uint32_t)option_number(argv[++i]);
		else {
			fprintf(stderr, "usage: cpghostile --seed N --requests N [--processes N] [--sockets] "
					"| --hold\n");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	options_read(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (options.hold)
		return hold_connections();
	sent = mmap(NULL, 2 * sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(sent != MAP_FAILED);
	roomless = sent + 1;
	return live_all();
}
