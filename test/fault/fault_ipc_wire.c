/* SPDX-License-Identifier: BSD-3-Clause */
#include "fault_ipc.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS API_DEADLINE_MS
#define HANGUP_MS 20

bool wire_try_open(struct wire *wire, size_t buffer_size)
{
	uint64_t deadline = api_deadline();

	memset(wire, 0, sizeof(*wire));
	do
		wire->ipc = qb_ipcc_connect(IPC_SERVER_NAME, buffer_size);
	while (wire->ipc == NULL && errno == EAGAIN && api_before(deadline));
	return wire->ipc != NULL;
}

void wire_open(struct wire *wire)
{
	CHECK(wire_try_open(wire, IPC_BUFFER_SIZE));
}

void wire_close(struct wire *wire)
{
	if (wire->ipc)
		qb_ipcc_disconnect(wire->ipc);
	wire->ipc = NULL;
}

bool wire_tell(struct wire *wire, const void *request, size_t size)
{
	uint64_t deadline = api_deadline();
	ssize_t result;

	do
		result = qb_ipcc_send(wire->ipc, request, size);
	while (result == -EAGAIN && api_before(deadline));
	return result == (ssize_t)size;
}

/*
 * libqb looks for a hangup only when a wait is over, and a datagram socket does not end it: over sockets each of the
 * waits would last to its end although the daemon has long thrown the client out. Hence short ones.
 */
static ssize_t receive_answer(struct wire *wire)
{
	uint64_t deadline = api_now_ms() + ANSWER_MS;
	ssize_t result;

	do
		result = qb_ipcc_recv(wire->ipc, wire->answer, sizeof(wire->answer), HANGUP_MS);
	while ((result == -ETIMEDOUT || result == -EAGAIN) && api_now_ms() < deadline);
	return result;
}

int wire_ask(struct wire *wire, const void *request, size_t size)
{
	struct ipc_response header;
	ssize_t result;

	if (!wire_tell(wire, request, size))
		return qb_ipcc_is_connected(wire->ipc) ? WIRE_REFUSED : WIRE_GONE;
	result = receive_answer(wire);
	if (result < (ssize_t)sizeof(header)) {
		CHECK(result != -ETIMEDOUT && result != -EAGAIN); /* neither answered nor thrown out */
		return WIRE_GONE;
	}
	wire->answer_size = (size_t)result;
	memcpy(&header, wire->answer, sizeof(header));
	return header.error;
}

bool wire_thrown_out(struct wire *wire)
{
	struct ipc_request probe = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(probe)};
	struct pollfd end = {.events = POLLIN};
	uint64_t deadline = api_deadline();

	CHECK(qb_ipcc_fd_get(wire->ipc, &end.fd) == 0);
	do {
		if (poll(&end, 1, API_RETRY_MS) == 1 && (end.revents & POLLHUP))
			return true;
		if (!wire_tell(wire, &probe, sizeof(probe)))
			return true;
		(void)qb_ipcc_recv(wire->ipc, wire->answer, sizeof(wire->answer), 0);
		(void)qb_ipcc_event_recv(wire->ipc, wire->answer, sizeof(wire->answer), 0);
	} while (api_before(deadline));
	return false;
}

bool wire_event(struct wire *wire, int32_t id)
{
	struct ipc_response header;
	uint64_t deadline = api_deadline();
	ssize_t result;

	do {
		result = qb_ipcc_event_recv(wire->ipc, wire->answer, sizeof(wire->answer), 100);
		if (result < (ssize_t)sizeof(header))
			continue;
		wire->answer_size = (size_t)result;
		memcpy(&header, wire->answer, sizeof(header));
		if (header.id == id)
			return true;
	} while (api_before(deadline));
	return false;
}

struct ipc_name wire_name(const char *text)
{
	struct ipc_name name = {.length = (uint32_t)strlen(text)};

	memcpy(name.value, text, name.length);
	return name;
}

void wire_join(struct wire *wire, const char *group)
{
	struct ipc_join join = {.header = {.id = IPC_REQ_JOIN, .size = sizeof(join)},
				.group = wire_name(group),
				.pid = (uint32_t)getpid()};
	uint64_t deadline = api_deadline();
	int answer;

	do
		answer = wire_ask(wire, &join, sizeof(join));
	while (answer == CS_ERR_TRY_AGAIN && api_before(deadline));
	CHECK_NUMBER(answer, CS_OK);
	CHECK(wire_event(wire, IPC_RES_CONFCHG));
}

/* ---- without libqb ---- */

int wire_connect_raw(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* libqb's servers listen in the abstract name space; the name fills the address. */
	memcpy(address.sun_path + 1, IPC_SERVER_NAME, strlen(IPC_SERVER_NAME));
	CHECK(fd >= 0);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* ---- segments ---- */

int hello_asking(struct wire *wire, uint64_t features, enum ipc_hello_step step, uint32_t segment_id,
		 struct ipc_hello_response *response)
{
	struct ipc_hello request = {
		.header = {.id = IPC_REQ_LOCAL_GET, .size = sizeof(request)},
		.magic = IPC_HELLO_MAGIC,
		.version = IPC_HELLO_VERSION,
		.features = features,
		.step = step,
		.segment_id = segment_id,
	};
	int answer = wire_ask(wire, &request, sizeof(request));

	memset(response, 0, sizeof(*response));
	if (answer > 0)
		memcpy(response, wire->answer,
		       wire->answer_size < sizeof(*response) ? wire->answer_size : sizeof(*response));
	return answer;
}

int hello(struct wire *wire, enum ipc_hello_step step, uint32_t segment_id,
	  struct ipc_hello_response *response)
{
	return hello_asking(wire, UINT64_MAX, step, segment_id, response);
}

int segment_create(struct wire *wire, uint64_t user_size, struct ipc_segment *segment)
{
	struct ipc_segment_create request = {
		.header = {.id = IPC_REQ_SEGMENT_CREATE, .size = sizeof(request)}, .user_size = user_size};
	struct ipc_segment_create_response response;
	int answer = wire_ask(wire, &request, sizeof(request));

	memset(segment, 0, sizeof(*segment));
	if (answer == CS_OK) {
		CHECK_NUMBER(wire->answer_size, sizeof(response));
		memcpy(&response, wire->answer, sizeof(response));
		*segment = response.segment;
	}
	return answer;
}

void segment_path(char *path, size_t capacity, const struct ipc_segment *segment)
{
	snprintf(path, capacity, "%s-header", segment->name);
}

/* ---- answers ---- */

void expect_answer(const char *file, int line, int got, int expected)
{
	if (ours_engine() && got != expected)
		api_fail(file, line, "answer %d, not %d", got, expected);
}
