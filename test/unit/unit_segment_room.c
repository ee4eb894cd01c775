/* SPDX-License-Identifier: BSD-3-Clause */
/* service/segment.c: segments that grow, and what becomes of them where there is no room, no descriptor or no right. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "run_suite.h"
#include "segment_fixture.h"

#define SMALL_SIZE (64u * 1024u)
#define LARGER_SIZE (USER_SIZE / 2)

/* ---- segments that grow ---- */

static size_t file_pages(const struct segment *segment)
{
	struct stat st;

	ck_assert_int_eq(stat(file_of(segment, "header"), &st), 0);
	return (size_t)st.st_blocks * 512 / 4096;
}

static struct segment *create_small(void)
{
	struct segment *segment = NULL;

	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), USER_SIZE, SMALL_SIZE), 0);
	ck_assert_uint_eq(segment_size(segment), SMALL_SIZE);
	return segment;
}

/* All of it, as a client maps it. */
static uint8_t *map_all(const struct segment *segment)
{
	int fd = open(file_of(segment, "header"), O_RDWR | O_CLOEXEC);
	void *map = mmap(NULL, segment_user_offset(segment) + USER_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);

	ck_assert_ptr_ne(map, MAP_FAILED);
	close(fd);
	return map;
}

static void check_growth(struct segment *segment, size_t size, size_t pages)
{
	size_t before = segment_size(segment);

	fill(segment_base(segment), before, 3);
	ck_assert_int_eq(segment_grow(segment, size), 0);
	ck_assert_uint_eq(segment_size(segment), size);
	ck_assert_uint_eq(file_pages(segment), pages);
	ck_assert(filled(segment_base(segment), before, 3));
	ck_assert(!segment_broken(segment));
}

/* The client maps all of it from the beginning, and sees what is put in behind. */
START_TEST(test_grows)
{
	struct segment *segment = create_small();
	size_t pages = file_pages(segment), maps = shm_mappings();
	uint8_t *map = map_all(segment);

	ck_assert_uint_lt(pages, SMALL_SIZE / 4096 + 8);
	ck_assert_int_eq(segment_grow(segment, SMALL_SIZE - 1), -EINVAL);
	ck_assert_int_eq(segment_grow(segment, USER_SIZE + 1), -EINVAL);
	check_growth(segment, SMALL_SIZE, pages);
	check_growth(segment, LARGER_SIZE, pages + (LARGER_SIZE - SMALL_SIZE) / 4096);
	check_growth(segment, USER_SIZE, pages + (USER_SIZE - SMALL_SIZE) / 4096);
	fill(segment_base(segment), USER_SIZE, 4);
	ck_assert(filled(map + segment_user_offset(segment), USER_SIZE, 4));
	munmap(map, segment_user_offset(segment) + USER_SIZE);
	/* it is guarded where it is now */
	ck_assert_int_eq(truncate(file_of(segment, "header"), 0), 0);
	fill(segment_base(segment), USER_SIZE, 5);
	ck_assert(segment_broken(segment));
	segment_destroy(segment);
	ck_assert_uint_le(shm_mappings(), maps);
}
END_TEST

START_TEST(test_broken_ones_do_not_grow)
{
	struct segment *segment = create_small();

	ck_assert_int_eq(truncate(file_of(segment, "header"), 0), 0);
	fill(segment_base(segment), SMALL_SIZE, 5);
	ck_assert_int_eq(segment_grow(segment, USER_SIZE), -EIO);
	segment_destroy(segment);
	/* cut, and nobody knows yet: it stays as it is */
	segment = create_small();
	ck_assert_int_eq(truncate(file_of(segment, "header"), 0), 0);
	ck_assert_int_eq(segment_grow(segment, USER_SIZE), -EIO);
	ck_assert_uint_eq(segment_size(segment), SMALL_SIZE);
	fill(segment_base(segment), SMALL_SIZE, 5);
	ck_assert(segment_broken(segment));
	segment_destroy(segment);
	/* cut where nothing was yet */
	segment = create_small();
	ck_assert_int_eq(truncate(file_of(segment, "header"), SMALL_SIZE + 65536), 0);
	ck_assert_int_eq(segment_grow(segment, USER_SIZE), -EIO);
	fill(segment_base(segment), SMALL_SIZE, 5);
	ck_assert(!segment_broken(segment));
	segment_destroy(segment);
}
END_TEST

/* Locked: as all memory of a corosync that may do that. */
static void no_room_to_grow(bool locked)
{
	struct segment *segment = NULL;
	struct statvfs before, after;

	if (!private_shm(SMALL_SIZE / 4096 + 20) || (locked && mlockall(MCL_FUTURE) != 0))
		_exit(77);
	if (segment_create(&segment, getuid(), getgid(), USER_SIZE, SMALL_SIZE) != 0)
		_exit(1);
	statvfs("/dev/shm", &before);
	fill(segment_base(segment), SMALL_SIZE, 6);
	if (segment_grow(segment, USER_SIZE) != -ENOSPC || segment_size(segment) != SMALL_SIZE)
		_exit(2);
	statvfs("/dev/shm", &after);
	if (before.f_bfree != after.f_bfree || !filled(segment_base(segment), SMALL_SIZE, 6))
		_exit(3);
	segment_destroy(segment);
	_exit(0);
}

START_TEST(test_no_room_to_grow_is_an_error)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		no_room_to_grow(_i == 1);
	status = child_status(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("SKIP test_no_room_to_grow_is_an_error: needs a mount namespace, and to lock "
		       "memory\n");
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x", status);
}
END_TEST

/* ---- no room ---- */

/* In a child: every creation fails alike, and takes nothing with it. */
static void full_shm(unsigned int pages)
{
	size_t maps, files;
	struct statvfs before, after;
	struct segment *segment = NULL;

	if (!private_shm(pages))
		_exit(77);
	/* libqb and malloc keep something from the first one */
	if (segment_create(&segment, getuid(), getgid(), USER_SIZE, USER_SIZE) != -ENOSPC || segment != NULL)
		_exit(1);
	maps = shm_mappings();
	files = open_files();
	statvfs("/dev/shm", &before);
	for (int i = 0; i < 100; i++) {
		if (segment_create(&segment, getuid(), getgid(), USER_SIZE, USER_SIZE) != -ENOSPC)
			_exit(2);
	}
	statvfs("/dev/shm", &after);
	if (shm_mappings() != maps || open_files() != files)
		_exit(3);
	if (after.f_bfree != before.f_bfree || after.f_ffree != before.f_ffree || before.f_bfree != pages)
		_exit(4);
	_exit(0);
}

/* 1 page, 3: libqb's files do not fit; 20: our user data does not. */
static const unsigned int full_pages[] = {1, 3, 20};

START_TEST(test_full_shm_is_an_error)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		full_shm(full_pages[_i]);
	status = child_status(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("SKIP test_full_shm_is_an_error: needs a mount namespace\n");
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%u pages: status %#x", full_pages[_i],
		      status);
}
END_TEST

/* The directory takes the one descriptor there is, and libqb finds none. */
START_TEST(test_no_descriptor_is_an_error)
{
	struct segment *segment = NULL;
	pid_t pid = fork();

	if (pid == 0) {
		int next = dup(STDOUT_FILENO);
		struct rlimit limit;
		size_t files;

		close(next);
		files = open_files();
		if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
			_exit(2);
		limit.rlim_cur = (rlim_t)next + 1; /* valgrind allows no other maximum */
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			_exit(2);
		if (segment_create(&segment, getuid(), getgid(), USER_SIZE, USER_SIZE) != -EMFILE ||
		    segment != NULL)
			_exit(1);
		_exit(open_files() == files ? 0 : 3);
	}
	ck_child_exits_zero(pid);
}
END_TEST

START_TEST(test_giving_away_needs_the_right_to)
{
	struct segment *segment = NULL;
	pid_t pid = fork();

	if (pid == 0) {
		if (getuid() == 0)
			become(OTHER_ID);
		_exit(segment_create(&segment, 1, 1, 64, 64) == -EPERM ? 0 : 1);
	}
	ck_child_exits_zero(pid);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("room");

	/* So that a test that fails leaves nothing behind. Without it the tests work as well. */
	private_shm(0);
	tcase_add_test(tcase, test_grows);
	tcase_add_test(tcase, test_broken_ones_do_not_grow);
	tcase_add_loop_test(tcase, test_no_room_to_grow_is_an_error, 0, 2);
	tcase_add_loop_test(tcase, test_full_shm_is_an_error, 0, sizeof(full_pages) / sizeof(full_pages[0]));
	tcase_add_test(tcase, test_no_descriptor_is_an_error);
	tcase_add_test(tcase, test_giving_away_needs_the_right_to);
	tcase_set_timeout(tcase, 120);
	return run_case("segment: room", tcase);
}
