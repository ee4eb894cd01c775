/* SPDX-License-Identifier: BSD-3-Clause */
#include "traffic.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "digest.h"
#include "memory.h"
#include "session.h"

#define SECOND INT64_C(1000000000)
#define MILLISECOND INT64_C(1000000)
#define SEND_AT_ONCE 64
#define BACKOFF_MAX 64 /* ms */
#define IDLE 100       /* ms: how often the stop flag and deadlines are looked at */

enum phase {
	PHASE_JOIN,
	PHASE_MEMBERS,
	PHASE_SEND,
	PHASE_LAST,
	PHASE_DRAIN,
	PHASE_LINGER,
	PHASE_LEAVE,
	PHASE_GONE,
	PHASE_DONE
};

struct traffic {
	const struct run_options *options;
	struct shared *shared;
	struct connection connection;
	enum phase phase;
	int64_t deadline; /* of the wait that this phase is */
	enum log_end end;
	uint8_t *buffer; /* the next message, built when it is due and kept until it is taken */
	bool built;
	struct message next;
	uint32_t size_max;
	uint64_t random;
	uint64_t seq;
	uint64_t sent, sent_bytes; /* accepted */
	uint64_t quota;		   /* --messages: still to send */
	int64_t due;		   /* --rate: when the next message may go */
	int backoff;		   /* ms; 0: the last try was taken */
	uint64_t retries;
};

int64_t traffic_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND + now.tv_nsec;
}

static uint64_t random_next(struct traffic *traffic)
{
	uint64_t mixed = traffic->random += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

/* Each order of magnitude is as likely as the other; now and then the largest. */
static uint32_t random_size(struct traffic *traffic)
{
	uint64_t span = (uint64_t)traffic->size_max - traffic->options->size_min + 1;
	unsigned int bits = 64 - (unsigned int)__builtin_clzll(span);
	uint64_t random = random_next(traffic), size;

	if (random % 128 == 0)
		return traffic->size_max;
	size = (random >> 16) & ((UINT64_C(1) << ((random >> 8 & 0xff) % (bits + 1))) - 1);
	return traffic->options->size_min + (uint32_t)(size % span);
}

static bool stop_wanted(const struct traffic *traffic)
{
	const char *file = traffic->options->stop_file;

	return atomic_load(&traffic->shared->stop) != 0 || (file != NULL && access(file, F_OK) == 0);
}

static void enter(struct traffic *traffic, enum phase phase)
{
	traffic->phase = phase;
	traffic->deadline = traffic_now() + traffic->options->wait * SECOND;
	traffic->backoff = 0;
}

static void back_off(struct traffic *traffic)
{
	traffic->backoff = traffic->backoff == 0 ? 1 : traffic->backoff * 2;
	if (traffic->backoff > BACKOFF_MAX)
		traffic->backoff = BACKOFF_MAX;
	traffic->retries++;
	traffic->connection.progress->retries++;
}

static bool no_room(cs_error_t error)
{
	return error == CS_ERR_TRY_AGAIN || error == CS_ERR_QUEUE_FULL;
}

static void build_next(struct traffic *traffic, uint32_t flags)
{
	if (traffic->built)
		return;
	traffic->next.incarnation = traffic->connection.incarnation;
	traffic->next.seq = traffic->seq;
	traffic->next.flags = flags;
	traffic->next.payload = flags == MESSAGE_LAST ? 0 : random_size(traffic);
	message_build(traffic->buffer, &traffic->next);
	traffic->built = true;
}

static void log_message(struct traffic *traffic, enum log_type type)
{
	struct log_record record = {.type = type,
				    .seq = traffic->next.seq,
				    .digest = traffic->next.digest,
				    .size = message_size(&traffic->next)};

	log_append(traffic->connection.log, &record);
	traffic->built = false;
	traffic->seq++;
}

/* Sends the message that was built; true when it was taken. */
static bool send_next(struct traffic *traffic)
{
	struct connection *connection = &traffic->connection;
	struct iovec iov = {.iov_base = traffic->buffer, .iov_len = message_size(&traffic->next)};
	cs_error_t error = cpg_mcast_joined(connection->handle, CPG_TYPE_AGREED, &iov, 1);

	if (no_room(error)) {
		back_off(traffic);
		return false;
	}
	if (error != CS_OK) {
		log_message(traffic, LOG_UNSURE);
		if (error != CS_ERR_INTERRUPT)
			connection_error(connection, LOG_CALL_MCAST, error);
		return false;
	}
	log_message(traffic, LOG_SENT);
	traffic->backoff = 0;
	traffic->sent++;
	traffic->sent_bytes += iov.iov_len;
	connection->progress->sent++;
	return true;
}

static void phase_join(struct traffic *traffic)
{
	struct connection *connection = &traffic->connection;
	cs_error_t error = cpg_join(connection->handle, &connection->group);

	if (no_room(error) && traffic_now() < traffic->deadline) {
		back_off(traffic);
		return;
	}
	if (error != CS_OK) {
		traffic->end = LOG_END_NEVER_JOINED;
		connection_error(connection, LOG_CALL_JOIN, error);
		enter(traffic, PHASE_DONE);
		return;
	}
	connection_note(connection, LOG_JOINED, 0);
	enter(traffic, PHASE_MEMBERS);
}

static void phase_members(struct traffic *traffic)
{
	const struct connection *connection = &traffic->connection;

	if (connection->member && connection->member_count >= traffic->options->members) {
		traffic->due = traffic_now();
		enter(traffic, PHASE_SEND);
	} else if (stop_wanted(traffic)) {
		enter(traffic, PHASE_LEAVE);
	} else if (traffic_now() > traffic->deadline) {
		fprintf(stderr, "cpgverify: node %u: %zu of %u members came in %u s\n", connection->nodeid,
			connection->member_count, traffic->options->members, traffic->options->wait);
		traffic->connection.failed = true;
		enter(traffic, PHASE_LEAVE);
	}
}

static bool sending_over(const struct traffic *traffic)
{
	if (stop_wanted(traffic))
		return true;
	if (traffic->shared->end != 0)
		return traffic_now() >= traffic->shared->end;
	return traffic->quota == 0;
}

/* Room in the window; without a message on its way there always is. */
static bool window_open(const struct traffic *traffic)
{
	const struct connection *connection = &traffic->connection;

	if (traffic->options->window == 0 || traffic->sent_bytes <= connection->returned_bytes)
		return true;
	return traffic->sent_bytes - connection->returned_bytes + message_size(&traffic->next) <=
	       traffic->options->window;
}

static bool may_send(struct traffic *traffic)
{
	if (traffic->options->rate != 0 && traffic_now() < traffic->due)
		return false;
	build_next(traffic, 0);
	return window_open(traffic);
}

/* Who was held up does not catch up for more than a second. */
static void set_due(struct traffic *traffic)
{
	int64_t now = traffic_now();

	if (traffic->options->rate == 0)
		return;
	traffic->due += SECOND / traffic->options->rate;
	if (traffic->due < now - SECOND)
		traffic->due = now - SECOND;
}

static void phase_send(struct traffic *traffic)
{
	int i;

	if (sending_over(traffic)) {
		traffic->built = false;
		enter(traffic, PHASE_LAST);
		return;
	}
	for (i = 0; i < SEND_AT_ONCE && may_send(traffic); i++) {
		if (traffic->shared->end == 0 && traffic->quota == 0)
			return;
		if (!send_next(traffic))
			return;
		set_due(traffic);
		traffic->quota -= traffic->quota > 0;
	}
}

static void phase_last(struct traffic *traffic)
{
	build_next(traffic, MESSAGE_LAST);
	if (send_next(traffic) || traffic_now() > traffic->deadline)
		enter(traffic, PHASE_DRAIN);
}

static void phase_drain(struct traffic *traffic)
{
	if (traffic->connection.returned >= traffic->sent) {
		enter(traffic, traffic->options->linger ? PHASE_LINGER : PHASE_LEAVE);
	} else if (traffic_now() > traffic->deadline) {
		traffic->end = LOG_END_UNDRAINED;
		traffic->connection.failed = true;
		enter(traffic, PHASE_LEAVE);
	}
}

static void phase_linger(struct traffic *traffic)
{
	if (connection_all_ended(&traffic->connection) || stop_wanted(traffic))
		enter(traffic, PHASE_LEAVE);
}

static void phase_leave(struct traffic *traffic)
{
	cs_error_t error = cpg_leave(traffic->connection.handle, &traffic->connection.group);

	if (no_room(error) && traffic_now() < traffic->deadline) {
		back_off(traffic);
		return;
	}
	if (error != CS_OK)
		connection_error(&traffic->connection, LOG_CALL_LEAVE, error);
	enter(traffic, error == CS_OK ? PHASE_GONE : PHASE_DONE);
}

static void phase_gone(struct traffic *traffic)
{
	if (traffic_now() > traffic->deadline)
		traffic->connection.failed = true;
	if (traffic->connection.gone || traffic->connection.failed)
		enter(traffic, PHASE_DONE);
}

static void step(struct traffic *traffic)
{
	static void (*const phases[])(struct traffic *) = {
		[PHASE_JOIN] = phase_join,   [PHASE_MEMBERS] = phase_members, [PHASE_SEND] = phase_send,
		[PHASE_LAST] = phase_last,   [PHASE_DRAIN] = phase_drain,     [PHASE_LINGER] = phase_linger,
		[PHASE_LEAVE] = phase_leave, [PHASE_GONE] = phase_gone,
	};

	phases[traffic->phase](traffic);
}

/* How long there is nothing to do but to receive. */
static int pause_length(const struct traffic *traffic)
{
	int64_t left;

	if (traffic->backoff > 0)
		return traffic->backoff;
	if (traffic->phase == PHASE_JOIN || traffic->phase == PHASE_LAST || traffic->phase == PHASE_LEAVE)
		return 0;
	if (traffic->phase != PHASE_SEND || (traffic->built && !window_open(traffic)))
		return IDLE;
	left = traffic->options->rate == 0 ? 0 : traffic->due - traffic_now();
	if (left <= 0)
		return 0;
	return left > IDLE * MILLISECOND ? IDLE : (int)(left / MILLISECOND) + 1;
}

/* Before a pause the log goes to the kernel: then kill -9 costs nothing that others could have waited for. */
static void wait_for_events(struct traffic *traffic)
{
	struct pollfd poll_fd = {.fd = traffic->connection.fd, .events = POLLIN};

	if (poll(&poll_fd, 1, 0) > 0)
		return;
	if (log_flush(traffic->connection.log) != 0)
		traffic->connection.failed = true;
	if (poll(&poll_fd, 1, pause_length(traffic)) < 0 && errno != EINTR)
		traffic->connection.failed = true;
}

static void loop(struct traffic *traffic)
{
	struct connection *connection = &traffic->connection;

	while (traffic->phase != PHASE_DONE && !connection->dead) {
		connection_dispatch(connection);
		if (!connection->dead)
			step(traffic);
		if (connection->failed && traffic->phase < PHASE_LEAVE)
			enter(traffic, PHASE_LEAVE);
		if (!connection->dead)
			wait_for_events(traffic);
	}
}

/* There is no daemon, or it ended in the middle of connecting and took the files away. */
static bool no_daemon(cs_error_t error)
{
	return error == CS_ERR_LIBRARY || error == CS_ERR_NOT_EXIST;
}

/* With --reconnect a daemon that is not there yet is waited for. */
static cs_error_t open_connection(struct traffic *traffic)
{
	int64_t deadline = traffic_now() + traffic->options->wait * SECOND;
	cs_error_t error = connection_open(&traffic->connection, traffic->options->group);

	while ((no_room(error) || (traffic->options->reconnect && no_daemon(error))) &&
	       traffic_now() < deadline && !stop_wanted(traffic)) {
		poll(NULL, 0, IDLE);
		error = connection_open(&traffic->connection, traffic->options->group);
	}
	return error;
}

static int prepare(struct traffic *traffic, uint32_t number)
{
	const struct run_options *options = traffic->options;
	uint32_t limit = traffic->connection.max_payload;

	traffic->size_max = options->size_max == 0 ? limit : options->size_max;
	if ((traffic->size_max > limit && !options->large) || options->size_min > traffic->size_max) {
		fprintf(stderr,
			"cpgverify: --size: messages stay atomic up to %u bytes of payload (see --large)\n",
			limit);
		return -1;
	}
	traffic->buffer = memory_new(1, (size_t)traffic->size_max + MESSAGE_HEADER);
	traffic->random = options->seed + number * UINT64_C(0x632be59bd9b4e019);
	return 0;
}

static enum traffic_exit finish(struct traffic *traffic)
{
	struct connection *connection = &traffic->connection;

	connection_note(connection, LOG_RETRY, (uint32_t)traffic->retries);
	if (connection->dead)
		connection_note(connection, LOG_DEAD, CS_ERR_LIBRARY);
	else
		connection_note(connection, LOG_END, traffic->end);
	free(traffic->buffer);
	connection_close(connection);
	if (connection->dead)
		return TRAFFIC_DEAD;
	return connection->failed ? TRAFFIC_ERROR : TRAFFIC_OK;
}

enum traffic_exit traffic_run(const struct run_options *options, const char *log, struct shared *shared,
			      uint32_t number)
{
	struct traffic traffic = {.options = options, .shared = shared};
	struct connection *connection = &traffic.connection;
	enum traffic_exit result = TRAFFIC_USAGE;
	cs_error_t error;
	int failed;

	connection->progress = &shared->processes[number];
	traffic.quota = options->messages > connection->progress->sent
				? options->messages - connection->progress->sent
				: 0;
	error = open_connection(&traffic);
	if (error != CS_OK) {
		fprintf(stderr, "cpgverify: can't connect to CPG: error %d%s\n", error,
			error == CS_ERR_LIBRARY ? " (is corosync running?)" : "");
		return TRAFFIC_ERROR;
	}
	if (digest_open() != 0 || log_open(log, &connection->log) != 0) {
		fprintf(stderr, "cpgverify: can't open %s, or NSS\n", log);
		return TRAFFIC_ERROR;
	}
	if (prepare(&traffic, number) == 0) {
		connection_begin(connection);
		enter(&traffic, PHASE_JOIN);
		loop(&traffic);
		result = finish(&traffic);
	}
	failed = log_close(connection->log);
	digest_close();
	if (failed != 0)
		fprintf(stderr, "cpgverify: %s: %s\n", log, strerror(-failed));
	return failed != 0 ? TRAFFIC_ERROR : result;
}
