/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon dies under its clients: the fd says EPOLLHUP (sheepdog waits for that), a thread that is blocked in dispatch
 * comes back (with an error), and so does every other call. Nothing crashes, hangs or leaks an fd.
 */
#include "api.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

static void *dispatch_blocking(void *data)
{
	static cs_error_t error;

	error = cpg_dispatch(((struct api_client *)data)->handle, CS_DISPATCH_BLOCKING);
	return &error;
}

static void wait_for_hangup(struct api_client *client)
{
	struct epoll_event event = {.events = EPOLLIN};
	uint64_t deadline = api_deadline();
	int fd, epoll = epoll_create1(EPOLL_CLOEXEC);

	EXPECT(CS_OK, cpg_fd_get(client->handle, &fd));
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
	do
		CHECK(epoll_wait(epoll, &event, 1, API_DEADLINE_MS) == 1);
	while (!(event.events & EPOLLHUP) && api_before(deadline));
	CHECK(event.events & EPOLLHUP);
	close(epoll);
}

/* Some error, and never TRY_AGAIN for ever. */
#define EXPECT_FAILURE(call)                                                                                 \
	do {                                                                                                 \
		uint64_t deadline_ = api_deadline();                                                         \
		cs_error_t error_;                                                                           \
		while ((error_ = (call)) == CS_ERR_TRY_AGAIN && api_before(deadline_))                       \
			;                                                                                    \
		CHECK(error_ != CS_OK && error_ != CS_ERR_TRY_AGAIN);                                        \
	} while (0)

static void every_call_fails(struct api_client *client)
{
	struct cpg_name name = api_name("daemon");
	struct cpg_address members[CPG_MEMBERS_MAX];
	cpg_iteration_handle_t iteration;
	unsigned int nodeid;
	int count = CPG_MEMBERS_MAX;

	EXPECT_FAILURE(cpg_local_get(client->handle, &nodeid));
	EXPECT_FAILURE(cpg_membership_get(client->handle, &name, members, &count));
	EXPECT_FAILURE(cpg_iteration_initialize(client->handle, CPG_ITERATION_ALL, NULL, &iteration));
	EXPECT_FAILURE(client_send(client, "x", 1));
	EXPECT_FAILURE(cpg_leave(client->handle, &name));
	EXPECT_FAILURE(cpg_dispatch(client->handle, CS_DISPATCH_ONE));
	EXPECT_FAILURE(cpg_dispatch(client->handle, CS_DISPATCH_ONE_NONBLOCKING));
	EXPECT_FAILURE(cpg_dispatch(client->handle, CS_DISPATCH_BLOCKING));
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

int main(void)
{
	struct api_client watching, blocked;
	unsigned int fds = open_fds();
	cpg_handle_t handle;
	pthread_t thread;
	void *result;

	api_begin();
	client_open(&watching);
	client_open(&blocked);
	client_join(&watching, "daemon");
	client_join(&blocked, "daemon-blocked");
	client_dispatch_until(&watching, 1);
	CHECK(pthread_create(&thread, NULL, dispatch_blocking, &blocked) == 0);
	CHECK(kill(api_daemon(), SIGKILL) == 0);
	if (!socket_ipc())
		wait_for_hangup(&watching);
	CHECK(pthread_join(thread, &result) == 0);
	CHECK_NUMBER(*(cs_error_t *)result, CS_ERR_LIBRARY);
	every_call_fails(&watching);
	EXPECT(CS_ERR_LIBRARY, cpg_finalize(watching.handle));
	EXPECT(CS_ERR_LIBRARY, cpg_finalize(blocked.handle));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_finalize(watching.handle));
	watching.closed = blocked.closed = true;
	client_close(&watching);
	client_close(&blocked);
	CHECK_NUMBER(open_fds(), fds);
	EXPECT_FAILURE(cpg_initialize(&handle, NULL));
	return 0;
}
