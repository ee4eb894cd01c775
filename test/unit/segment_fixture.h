/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of service/segment.c share. */
#ifndef SEGMENT_FIXTURE_H
#define SEGMENT_FIXTURE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "service/segment.h"

#define OTHER_ID 65534
#define USER_SIZE (256u * 1024u)

struct segment *create(size_t user_size);
/* Path of a segment's file; `file` is "header" or "data". */
const char *file_of(const struct segment *segment, const char *file);
/* Mappings of files in /dev/shm, removed ones too. */
size_t shm_mappings(void);
size_t open_files(void);
int child_status(pid_t pid);
/*
 * A /dev/shm for this process and its children alone, of `pages` pages (0: no limit). False: not allowed
 * here.
 */
bool private_shm(unsigned int pages);
void become(uid_t id);
void fill(uint8_t *at, size_t size, unsigned int seed);
bool filled(const uint8_t *at, size_t size, unsigned int seed);

#define ck_child_exits_zero(pid)                                                                             \
	do {                                                                                                 \
		int status_ = child_status(pid);                                                             \
		ck_assert_msg(WIFEXITED(status_) && WEXITSTATUS(status_) == 0, "child: status %#x",          \
			      status_);                                                                      \
	} while (0)

#endif
