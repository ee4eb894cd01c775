/* SPDX-License-Identifier: BSD-3-Clause */
#define _GNU_SOURCE
#include "api.h"

#include <ctype.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SHOWN_TEXT_MAX 32u

static bool variable_is(const char *variable, const char *expected)
{
	const char *value = getenv(variable);

	return value && strcmp(value, expected) == 0;
}

bool ours_library(void)
{
	return variable_is("API_LIBRARY", "ours");
}

bool ours_engine(void)
{
	return variable_is("API_ENGINE", "ours");
}

bool socket_ipc(void)
{
	return variable_is("API_IPC", "socket");
}

pid_t api_daemon(void)
{
	const char *value = getenv("API_DAEMON");
	int pid = value ? atoi(value) : 0;

	CHECK(pid > 1);
	return pid;
}

void api_begin(void)
{
	const char *expected = getenv("API_LIBRARY_DIR");
	Dl_info info;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(120); /* a call that never returns ends the test too */
	if (expected == NULL)
		return;
	CHECK(dladdr((void *)(uintptr_t)cpg_dispatch, &info) != 0);
	if (strncmp(info.dli_fname, expected, strlen(expected)) != 0)
		api_fail(__FILE__, __LINE__, "the library is %s, not one of %s", info.dli_fname, expected);
}

_Noreturn void api_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fflush(stdout);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	_exit(1);
}

uint64_t api_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint64_t api_deadline(void)
{
	return api_now_ms() + API_DEADLINE_MS;
}

bool api_before(uint64_t deadline)
{
	if (api_now_ms() >= deadline)
		return false;
	usleep(API_RETRY_MS * 1000);
	return true;
}

struct cpg_name api_name(const char *text)
{
	struct cpg_name name = {.length = (uint32_t)strlen(text)};

	memcpy(name.value, text, name.length);
	return name;
}

struct cpg_name api_name_of(char filler, uint32_t length)
{
	struct cpg_name name = {.length = length};

	memset(name.value, filler, sizeof(name.value));
	return name;
}

void api_fill(void *buffer, size_t length, uint32_t seed)
{
	uint8_t *bytes = buffer;

	for (size_t i = 0; i < length; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

static uint32_t hash(const uint8_t *bytes, size_t length)
{
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < length; i++)
		value = (value ^ bytes[i]) * 16777619u;
	return value;
}

const char *api_text(const void *message, size_t length)
{
	static _Thread_local char texts[4][SHOWN_TEXT_MAX + 16];
	static _Thread_local unsigned int next;
	char *text = texts[next++ % 4];
	const char *bytes = message;
	bool printable = length <= SHOWN_TEXT_MAX;

	for (size_t i = 0; printable && i < length; i++)
		printable = isprint((unsigned char)bytes[i]) && bytes[i] != '"';
	if (printable)
		snprintf(text, sizeof(texts[0]), "\"%.*s\"", (int)length, length ? bytes : "");
	else
		snprintf(text, sizeof(texts[0]), "%zu#%08" PRIx32, length, hash(message, length));
	return text;
}

/* ---- traces ---- */

__attribute__((format(printf, 2, 3))) static void trace(struct api_client *client, const char *format, ...)
{
	va_list arguments;
	int length;

	if (client->capacity - client->used < 4096) {
		client->capacity = client->capacity * 2 + 8192;
		client->trace = realloc(client->trace, client->capacity);
		CHECK(client->trace != NULL);
	}
	va_start(arguments, format);
	length = vsnprintf(client->trace + client->used, client->capacity - client->used, format, arguments);
	va_end(arguments);
	CHECK(length >= 0 && (size_t)length < client->capacity - client->used);
	client->used += (size_t)length;
}

static void trace_line_ends(struct api_client *client)
{
	trace(client, "\n");
	client->lines++;
	if (client->hook)
		client->hook(client);
}

static const char *reason_text(uint32_t reason)
{
	static const char *const texts[] = {"none", "join", "leave", "nodedown", "nodeup", "procdown"};

	return reason < sizeof(texts) / sizeof(texts[0]) ? texts[reason] : "garbage";
}

static void trace_address(struct api_client *client, const struct cpg_address *address, bool with_reason)
{
	if (address->nodeid != API_NODEID)
		trace(client, "node%" PRIu32 "/", address->nodeid);
	if (peer_name((pid_t)address->pid))
		trace(client, "%s", peer_name((pid_t)address->pid));
	else
		trace(client, "%" PRIu32, address->pid);
	if (with_reason || address->reason != CPG_REASON_UNDEFINED)
		trace(client, ":%s", reason_text(address->reason));
}

static void trace_list(struct api_client *client, const char *title, const struct cpg_address *list,
		       size_t count, bool with_reason)
{
	trace(client, " %s ", title);
	for (size_t i = 0; i < count; i++) {
		trace(client, "%s", i ? "," : "");
		trace_address(client, &list[i], with_reason);
	}
	if (count == 0)
		trace(client, "-");
}

static int address_order(const struct cpg_address *a, const struct cpg_address *b)
{
	if (a->nodeid != b->nodeid)
		return a->nodeid < b->nodeid ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

static int age_order(const void *one, const void *other)
{
	const struct cpg_address *a = one, *b = other;
	unsigned int age_a = peer_age((pid_t)a->pid), age_b = peer_age((pid_t)b->pid);

	if (a->nodeid != b->nodeid || age_a == age_b)
		return address_order(a, b);
	return age_a < age_b ? -1 : 1;
}

static void trace_members(struct api_client *client, const struct cpg_address *members, size_t count)
{
	struct cpg_address *by_age = calloc(count + 1, sizeof(*by_age));

	CHECK(by_age != NULL);
	for (size_t i = 0; i < count; i++) {
		CHECK(i == 0 || address_order(&members[i - 1], &members[i]) < 0);
		by_age[i] = members[i];
	}
	qsort(by_age, count, sizeof(*by_age), age_order);
	trace_list(client, "members", by_age, count, false);
	free(by_age);
}

/* A handle without a context belongs to nobody: there is nothing to write it down for. */
static struct api_client *client_of(cpg_handle_t handle)
{
	void *context = NULL;

	EXPECT(CS_OK, cpg_context_get(handle, &context));
	CHECK(context != NULL);
	return context;
}

static void trace_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid, uint32_t pid,
			  void *message, size_t length)
{
	struct api_client *client = client_of(handle);
	struct cpg_address sender = {.nodeid = nodeid, .pid = pid};

	CHECK(((uintptr_t)message & 7) == 0);
	client->messages++;
	trace(client, "message %.*s ", (int)group->length, group->value);
	trace_address(client, &sender, false);
	trace(client, " %s", api_text(message, length));
	trace_line_ends(client);
}

static void trace_confchg(cpg_handle_t handle, const struct cpg_name *group,
			  const struct cpg_address *members, size_t member_count,
			  const struct cpg_address *left, size_t left_count, const struct cpg_address *joined,
			  size_t joined_count)
{
	struct api_client *client = client_of(handle);

	client->confchgs++;
	trace(client, "confchg %.*s", (int)group->length, group->value);
	trace_members(client, members, member_count);
	trace_list(client, "left", left, left_count, true);
	trace_list(client, "joined", joined, joined_count, true);
	trace_line_ends(client);
}

static void trace_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t count,
				const uint32_t *members)
{
	struct api_client *client = client_of(handle);

	CHECK(ring_id.nodeid == API_NODEID && ring_id.seq != 0);
	client->rings++;
	trace(client, "ring");
	for (uint32_t i = 0; i < count; i++)
		trace(client, " %" PRIu32, members[i]);
	trace_line_ends(client);
}

cpg_model_v1_data_t api_model = {
	.model = CPG_MODEL_V1,
	.cpg_deliver_fn = trace_deliver,
	.cpg_confchg_fn = trace_confchg,
	.cpg_totem_confchg_fn = trace_totem_confchg,
};

/* ---- clients ---- */

void client_open_flags(struct api_client *client, unsigned int flags)
{
	cpg_model_v1_data_t model = api_model;

	*client = (struct api_client){0};
	model.flags = flags;
	EXPECT_IN_TIME(CS_OK, cpg_model_initialize(&client->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model,
						   client));
}

void client_open(struct api_client *client)
{
	client_open_flags(client, 0);
}

void client_close(struct api_client *client)
{
	if (!client->closed)
		EXPECT(CS_OK, cpg_finalize(client->handle));
	free(client->trace);
	*client = (struct api_client){0};
}

void client_join(struct api_client *client, const char *group)
{
	struct cpg_name name = api_name(group);

	EXPECT_IN_TIME(CS_OK, cpg_join(client->handle, &name));
}

cs_error_t client_send(struct api_client *client, const void *message, size_t length)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = length};

	return cpg_mcast_joined(client->handle, CPG_TYPE_AGREED, &iov, 1);
}

void client_send_text(struct api_client *client, const char *text)
{
	EXPECT_IN_TIME(CS_OK, client_send(client, text, strlen(text)));
}

bool client_readable(struct api_client *client, int timeout_ms)
{
	struct pollfd readable = {.events = POLLIN};

	EXPECT(CS_OK, cpg_fd_get(client->handle, &readable.fd));
	return poll(&readable, 1, timeout_ms) == 1 && (readable.revents & POLLIN);
}

static void dispatch_all(struct api_client *client)
{
	EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
}

void client_dispatch_until(struct api_client *client, unsigned int lines)
{
	uint64_t deadline = api_deadline();

	while (!client->closed && client->lines < lines && api_now_ms() < deadline) {
		if (client_readable(client, 100))
			dispatch_all(client);
	}
}

/* The handle that fences are sent on; a forked process needs its own. */
static struct api_client *fence_client(void)
{
	static struct api_client fence;
	static pid_t owner;
	char group[32];

	if (owner != getpid()) {
		owner = getpid();
		snprintf(group, sizeof(group), "fence-%d", (int)owner);
		client_open(&fence);
		client_join(&fence, group);
		client_dispatch_until(&fence, 1);
	}
	client_forget(&fence);
	return &fence;
}

void client_ask(struct api_client *client)
{
	struct cpg_name group = api_name("nobody is in it");
	struct cpg_address members[CPG_MEMBERS_MAX];
	int count = CPG_MEMBERS_MAX;

	EXPECT_IN_TIME(CS_OK, cpg_membership_get(client->handle, &group, members, &count));
}

void client_fence(struct api_client *client)
{
	struct api_client *fence = fence_client();
	uint64_t deadline = api_deadline();

	if (!client->closed) /* its own requests are behind us now */
		client_ask(client);
	client_send_text(fence, "fence");
	while (fence->messages == 0 && api_now_ms() < deadline) { /* a new ring may show before it */
		if (client_readable(fence, 100))
			dispatch_all(fence);
	}
	CHECK_NUMBER(fence->messages, 1);
}

static unsigned int count_lines(const char *text)
{
	unsigned int lines = 0;

	while ((text = strchr(text, '\n')) != NULL) {
		lines++;
		text++;
	}
	return lines;
}

void client_expect_at(const char *file, int line, struct api_client *client, const char *expected)
{
	const char *got;

	client_dispatch_until(client, count_lines(expected));
	client_fence(client);
	if (!client->closed)
		dispatch_all(client);
	got = client->used ? client->trace : "";
	if (strcmp(got, expected) != 0)
		api_fail(file, line, "saw\n%sand not\n%s", got, expected);
	client_forget(client);
}

void client_forget(struct api_client *client)
{
	client->used = 0;
	client->lines = 0;
	client->messages = client->confchgs = client->rings = 0;
}
