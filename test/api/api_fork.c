/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A child has no use for its parent's handles: with our library every call but finalize says CS_ERR_BAD_HANDLE, nothing that it does
 * disturbs the parent, and it can have handles of its own. Stock's library knows nothing of fork, so there only the
 * child that leaves them alone is tried.
 */
#include "api.h"

#include <sys/wait.h>
#include <unistd.h>

static void use_handle_of_parent(cpg_handle_t handle)
{
	struct cpg_name name = api_name("fork");
	struct iovec iov = {.iov_base = (char[]){"child"}, .iov_len = 5};
	unsigned int nodeid;
	void *buffer;
	int fd;

	EXPECT(CS_ERR_BAD_HANDLE, cpg_local_get(handle, &nodeid));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_fd_get(handle, &fd));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_dispatch(handle, CS_DISPATCH_ALL));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_mcast_joined(handle, CPG_TYPE_AGREED, &iov, 1));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_zcb_alloc(handle, 10, &buffer));
	EXPECT(CS_ERR_BAD_HANDLE, cpg_leave(handle, &name));
	EXPECT(CS_OK, cpg_finalize(handle)); /* frees the copy */
	EXPECT(CS_ERR_BAD_HANDLE, cpg_finalize(handle));
}

static void have_own_handle(void)
{
	struct api_client client;

	client_open(&client);
	client_join(&client, "fork-child");
	client_dispatch_until(&client, 1);
	CHECK_NUMBER(client.confchgs, 1);
	client_close(&client);
}

static void in_child(void (*run)(cpg_handle_t handle), cpg_handle_t handle)
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (pid == 0) {
		if (ours_library())
			run(handle);
		have_own_handle();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	struct api_client client;

	api_begin();
	client_open(&client);
	client_join(&client, "fork");
	client_send_text(&client, "before");
	in_child(use_handle_of_parent, client.handle);
	client_send_text(&client, "after");
	EXPECT_TRACE(&client, "confchg fork members self left - joined self:join\n"
			      "message fork self \"before\"\n"
			      "message fork self \"after\"\n");
	client_close(&client);
	return 0;
}
