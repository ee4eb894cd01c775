/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Shared-memory segments that the engine makes for its clients (layout: include/cpg_segment.h).
 *
 * A segment is the user data of a libqb ring: a client may attach to it with
 * qb_rb_open(segment_name(), SEGMENT_DATA_SIZE, QB_RB_FLAG_SHARED_PROCESS, user_size), which gives memory to all of it, or map it.
 * The client owns the files and can write, cut short or remove them at any time. Nothing here ever reads what
 * a client can write: addresses, lengths and paths are those of the creation, kept in memory of our own.
 *
 * One thread makes, reads and destroys segments.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct segment;

/*
 * The ring of a segment is never used: the smallest there is.
 */
#define SEGMENT_DATA_SIZE 1024u

/*
 * Makes a segment with `user_size` zeroed bytes of user data, readable and writable by `uid` alone. The first `present` of them are
 * there; for the others there is only space in the file, until segment_grow. 0, or a
 * negative errno and nothing left behind: -ENOSPC when /dev/shm is full, -EPERM when we may not give files
 * away.
 */
int segment_create(struct segment **segment, uid_t uid, gid_t gid, size_t user_size, size_t present);

/*
 * The first `present` bytes of it are there. 0, or a negative errno, and there are as many as before: -ENOSPC when /dev/shm is full,
 * -ENOTSUP when this kernel (before Linux 5.14) can't say that, -EIO when the client cut the file short, -EINVAL when that is more
 * than all, or less than before. Either way it may lie somewhere else for us now.
 */
int segment_grow(struct segment *segment, size_t present);

/* User data that is there. Valid until segment_grow or segment_destroy, whatever the client does to the file. */
void *segment_base(const struct segment *segment);
size_t segment_size(const struct segment *segment);

/* The ring's name; valid until segment_destroy. Its user data lies in the file of that name and "-header". */
const char *segment_name(const struct segment *segment);
size_t segment_user_offset(const struct segment *segment);

/* Takes the name out of the file system: the client has attached, or never will. May be called again. */
void segment_unlink(struct segment *segment);

/* Unlinks and unmaps. NULL is allowed. */
void segment_destroy(struct segment *segment);

/*
 * True once an access found the file cut short. Since then the segment is private zero pages: what was read
 * may be zeros, what is written reaches nobody, and the client has to go.
 */
bool segment_broken(const struct segment *segment);

/* Over sockets there may be clients that cut a page of libqb's short before there is any segment. False: nothing is guarded yet. */
bool segment_guard_begin(void);

/*
 * Call it before a batch of accesses to segments (a request, a token). libqb leaves its own SIGBUS handler by
 * longjmp when a client cut libqb's rings short, which leaves the signal blocked; a fault would then kill the
 * process.
 */
void segment_guard_arm(void);

/* Somebody changed what happens on SIGBUS, or is about to, as libqb does before that and after: it may be blocked. In any thread. */
void segment_guard_disturbed(void);

#endif
