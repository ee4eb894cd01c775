/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the api_ tests share. Each is a plain program that runs inside a one-node ring; run-api boots that ring,
 * once with stock's engine and once with ours, and runs the same binary with stock's library and with ours.
 *
 * A test tells what it saw as text, one line for each event, and compares that with what it should have seen:
 *
 *	confchg GROUP members self,b left c:procdown joined -
 *	message GROUP b "hello"
 *	message GROUP b 70000#89abcdef         longer or unprintable: length and hash
 *	ring 1                                 totem_confchg
 *
 * Processes appear by name: "self", the names that peers were started with, or their number when they have
 * none. Members come in ascending order of node and process; that is checked, and they are written down as
 * they were started: the kernel's numbers begin anew now and then.
 */
#ifndef API_H
#define API_H

#include <corosync/corotypes.h>
#include <corosync/cpg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>

#define API_DEADLINE_MS 20000 /* for anything that must happen */
#define API_RETRY_MS 5
#define API_BAD_HANDLE 77ull /* never given out */
#define API_NODEID 1u	     /* run-api's node */

/* Which of the two this run has. Where stock is known to be wrong, the test says what each does. */
bool ours_library(void);
bool ours_engine(void);

/* The node says `qb_ipc_type: socket`: then the fd is a datagram socket that knows no peer and no hangup. */
bool socket_ipc(void);

/* The daemon's process, as run-api knows it. */
pid_t api_daemon(void);

/* First call of every test: checks that the library in this process is the one that run-api named. */
void api_begin(void);

/* ---- checks: a failed one says where and ends the test with 1 ---- */

_Noreturn void api_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define CHECK(condition)                                                                                     \
	do {                                                                                                 \
		if (!(condition))                                                                            \
			api_fail(__FILE__, __LINE__, "%s", #condition);                                      \
	} while (0)

#define CHECK_NUMBER(got, expected)                                                                          \
	do {                                                                                                 \
		long long got_ = (long long)(got), expected_ = (long long)(expected);                        \
		if (got_ != expected_)                                                                       \
			api_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, expected_);         \
	} while (0)

/* The call must return this error code, at once. */
#define EXPECT(code, call)                                                                                   \
	do {                                                                                                 \
		cs_error_t code_ = (call);                                                                   \
		if (code_ != (code))                                                                         \
			api_fail(__FILE__, __LINE__, "%s returned %d, not %s", #call, (int)code_, #code);    \
	} while (0)

/* The same for what may say CS_ERR_TRY_AGAIN for a while. */
#define EXPECT_IN_TIME(code, call)                                                                           \
	do {                                                                                                 \
		uint64_t deadline_ = api_deadline();                                                         \
		cs_error_t code_;                                                                            \
		while ((code_ = (call)) == CS_ERR_TRY_AGAIN && api_before(deadline_))                        \
			;                                                                                    \
		if (code_ != (code))                                                                         \
			api_fail(__FILE__, __LINE__, "%s returned %d, not %s", #call, (int)code_, #code);    \
	} while (0)

uint64_t api_deadline(void);
bool api_before(uint64_t deadline); /* false when it passed; else waits API_RETRY_MS */
uint64_t api_now_ms(void);

/* ---- names and content ---- */

struct cpg_name api_name(const char *text);
struct cpg_name api_name_of(char filler, uint32_t length);

/* Bytes that depend on the seed; the text that a trace shows for a message. */
void api_fill(void *buffer, size_t length, uint32_t seed);
const char *api_text(const void *message, size_t length); /* valid until the next call but three */

/* ---- clients ---- */

struct api_client {
	cpg_handle_t handle;
	char *trace;
	size_t used, capacity;
	unsigned int lines;
	unsigned int messages, confchgs, rings;
	void (*hook)(struct api_client *client); /* called inside each callback, after it was written down */
	bool closed;				 /* finalized by its hook */
};

extern cpg_model_v1_data_t api_model; /* the callbacks that write traces */

void client_open(struct api_client *client);
void client_open_flags(struct api_client *client, unsigned int flags);
void client_close(struct api_client *client); /* finalizes, forgets its trace */
void client_join(struct api_client *client, const char *group);
cs_error_t client_send(struct api_client *client, const void *message, size_t length);
void client_send_text(struct api_client *client, const char *text);

/* Dispatches whatever is there; waits until `lines` lines were written in all. */
void client_dispatch_until(struct api_client *client, unsigned int lines);
bool client_readable(struct api_client *client, int timeout_ms);

/* Asks something of the engine and waits for the answer. */
void client_ask(struct api_client *client);

/*
 * All that was asked for so far, by this client, and all that totem ordered before, has become events. Then
 * nothing of it is missing, and what is not there now will not come.
 */
void client_fence(struct api_client *client);

/* The trace is exactly this, and nothing more comes; then it starts anew. */
void client_expect_at(const char *file, int line, struct api_client *client, const char *expected);
#define EXPECT_TRACE(client, expected) client_expect_at(__FILE__, __LINE__, client, expected)
void client_forget(struct api_client *client);

/* ---- other processes ---- */

struct api_peer {
	pid_t pid;
	int channel;
	char name[16];
};

void peer_start(struct api_peer *peer, const char *name); /* has a handle, is in no group */
cs_error_t peer_join(struct api_peer *peer, const char *group);
cs_error_t peer_leave(struct api_peer *peer, const char *group);
cs_error_t peer_send(struct api_peer *peer, size_t length, uint32_t seed);
cs_error_t peer_finalize(struct api_peer *peer);
void peer_expect_at(const char *file, int line, struct api_peer *peer, const char *expected);
#define EXPECT_PEER_TRACE(peer, expected) peer_expect_at(__FILE__, __LINE__, peer, expected)
void peer_exit(struct api_peer *peer); /* exit(), without finalize */
void peer_kill(struct api_peer *peer); /* kill -9 */
const char *peer_name(pid_t pid);
unsigned int peer_age(pid_t pid); /* 0: the main one; then as they were started */

#endif
