/* SPDX-License-Identifier: BSD-3-Clause */
/* In a file of its own: the unit tests link the library with a server of theirs. */
#include "lib_internal.h"

const char *server_name(void)
{
	return IPC_SERVER_NAME;
}
