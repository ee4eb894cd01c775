/* SPDX-License-Identifier: BSD-3-Clause */
/* service/segment.c: what a client may do to a segment, and that none of it hurts the engine. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <qb/qbrb.h>

#include "cpg_segment.h"
#include "run_suite.h"
#include "segment_fixture.h"
#include "service/segment_guard.h"

#define CYCLES 2000

static qb_ringbuffer_t *attach(const struct segment *segment)
{
	return qb_rb_open(segment_name(segment), SEGMENT_DATA_SIZE, QB_RB_FLAG_SHARED_PROCESS,
			  segment_size(segment));
}

/* Mappings of this process that overlap `size` bytes at `base`. */
static size_t mappings_at(const void *base, size_t size)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	size_t count = 0;

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from, to;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) == 2)
			count += from < (uintptr_t)base + size && to > (uintptr_t)base;
	}
	fclose(maps);
	return count;
}

static size_t address_space_pages(void)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	ck_assert_ptr_nonnull(statm);
	ck_assert_int_eq(fscanf(statm, "%zu", &pages), 1);
	fclose(statm);
	return pages;
}

static void without_core(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
}

/* In a child: attaches, checks what the engine wrote, answers with a pattern of its own. */
static void client_life(const struct segment *segment, uid_t id)
{
	qb_ringbuffer_t *ring;
	uint8_t *data;

	become(id);
	ring = attach(segment);
	if (ring == NULL)
		_exit(1);
	data = qb_rb_shared_user_data_get(ring);
	if (!filled(data, segment_size(segment), 1))
		_exit(2);
	fill(data, segment_size(segment), 2);
	qb_rb_close(ring);
	_exit(0);
}

START_TEST(test_client_attaches_reads_and_writes)
{
	uid_t id = getuid() == 0 ? OTHER_ID : getuid();
	struct segment *segment = NULL;
	struct stat st;
	pid_t pid;

	ck_assert_int_eq(
		segment_create(&segment, id, id == OTHER_ID ? OTHER_ID : getgid(), USER_SIZE, USER_SIZE), 0);
	ck_assert_uint_eq(segment_size(segment), USER_SIZE);
	ck_assert_uint_eq((uintptr_t)segment_base(segment) % SEGMENT_CACHE_LINE,
			  SEGMENT_CACHE_LINE - SEGMENT_START);
	ck_assert_int_eq(stat(file_of(segment, "header"), &st), 0);
	ck_assert_uint_eq(st.st_uid, id);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(file_of(segment, "data"), &st), 0);
	ck_assert_uint_eq(st.st_uid, id);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);

	fill(segment_base(segment), USER_SIZE, 1);
	pid = fork();
	if (pid == 0)
		client_life(segment, id);
	ck_child_exits_zero(pid);
	ck_assert(filled(segment_base(segment), USER_SIZE, 2));
	ck_assert(!segment_broken(segment));
	segment_destroy(segment);
}
END_TEST

START_TEST(test_begins_zeroed)
{
	struct segment *segment = create(USER_SIZE);
	const uint8_t *data = segment_base(segment);

	for (size_t i = 0; i < USER_SIZE; i++)
		ck_assert_uint_eq(data[i], 0);
	segment_destroy(segment);
}
END_TEST

START_TEST(test_strangers_are_kept_out)
{
	struct segment *segment;
	pid_t pid;

	if (getuid() != 0) {
		printf("SKIP test_strangers_are_kept_out: needs root to be two users\n");
		return;
	}
	ck_assert_int_eq(segment_create(&segment, OTHER_ID, OTHER_ID, USER_SIZE, USER_SIZE), 0);
	pid = fork();
	if (pid == 0) {
		become(OTHER_ID - 1);
		_exit(attach(segment) == NULL ? 0 : 1);
	}
	ck_child_exits_zero(pid);
	/* Nor can the client itself put something else where we will unlink. */
	pid = fork();
	if (pid == 0) {
		become(OTHER_ID);
		_exit(unlink(file_of(segment, "header")) == -1 &&
				      rename(file_of(segment, "data"), "/dev/shm/x") == -1
			      ? 0
			      : 1);
	}
	ck_child_exits_zero(pid);
	segment_destroy(segment);
}
END_TEST

START_TEST(test_unlink_takes_the_name_and_keeps_the_memory)
{
	struct segment *segment = create(USER_SIZE);
	qb_ringbuffer_t *ring = attach(segment);
	char directory[PATH_MAX];

	ck_assert_ptr_nonnull(ring);
	snprintf(directory, sizeof(directory), "%s", segment_name(segment));
	*strrchr(directory, '/') = '\0';
	ck_assert_int_eq(access(directory, F_OK), 0);
	segment_unlink(segment);
	ck_assert_int_eq(access(directory, F_OK), -1);
	segment_unlink(segment);
	fill(qb_rb_shared_user_data_get(ring), USER_SIZE, 3);
	ck_assert(filled(segment_base(segment), USER_SIZE, 3));
	qb_rb_close(ring);
	segment_destroy(segment);
}
END_TEST

START_TEST(test_destroy_leaves_no_name)
{
	struct segment *segment = create(USER_SIZE);
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%s", segment_name(segment));
	*strrchr(directory, '/') = '\0';
	segment_destroy(segment);
	ck_assert_int_eq(access(directory, F_OK), -1);
	segment_destroy(NULL);
}
END_TEST

START_TEST(test_bad_sizes_are_refused)
{
	struct segment *segment = NULL;

	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), 0, 0), -EINVAL);
	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), SEGMENT_POOL_MAX + 1, 1), -EINVAL);
	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), SIZE_MAX, 1), -EINVAL);
	ck_assert_int_eq(segment_create(&segment, getuid(), getgid(), 64, 65), -EINVAL);
	ck_assert_ptr_null(segment);
}
END_TEST

START_TEST(test_cut_short_reads_zeros_and_is_broken)
{
	struct segment *segment = create(USER_SIZE);
	struct segment *other = create(USER_SIZE);
	uint8_t *data = segment_base(segment);

	fill(data, USER_SIZE, 4);
	fill(segment_base(other), USER_SIZE, 5);
	ck_assert_int_eq(truncate(file_of(segment, "header"), 20000), 0);
	ck_assert(!segment_broken(segment));
	ck_assert_uint_eq(((volatile uint8_t *)data)[USER_SIZE - 1], 0);
	ck_assert(segment_broken(segment));
	ck_assert(!segment_broken(other));
	for (size_t i = 0; i < USER_SIZE; i++)
		ck_assert_uint_eq(data[i], 0);
	fill(data, USER_SIZE, 6); /* writing is harmless too */
	ck_assert(filled(segment_base(other), USER_SIZE, 5));
	ck_assert_uint_eq(mappings_at(data, USER_SIZE), 1);
	segment_destroy(segment);
	segment_destroy(other);
}
END_TEST

START_TEST(test_cut_short_by_the_client_while_we_write)
{
	struct segment *segment = create(USER_SIZE);
	pid_t pid = fork();

	if (pid == 0)
		_exit(truncate(file_of(segment, "header"), 0) == 0 ? 0 : 1);
	ck_child_exits_zero(pid);
	fill(segment_base(segment), USER_SIZE, 7);
	ck_assert(segment_broken(segment));
	segment_destroy(segment);
}
END_TEST

/* A slot of the guard is used again: it must not remember that its last range was broken. */
START_TEST(test_next_segment_is_whole_again)
{
	struct segment *segment = create(USER_SIZE);

	ck_assert_int_eq(truncate(file_of(segment, "header"), 0), 0);
	fill(segment_base(segment), 1, 8);
	ck_assert(segment_broken(segment));
	segment_destroy(segment);
	segment = create(USER_SIZE);
	ck_assert(!segment_broken(segment));
	segment_destroy(segment);
}
END_TEST

START_TEST(test_arm_after_a_handler_that_jumped_out)
{
	struct segment *segment = create(USER_SIZE);
	sigset_t set;
	pid_t pid;

	without_core();
	sigemptyset(&set);
	sigaddset(&set, SIGBUS);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(truncate(file_of(segment, "header"), 0), 0);
	pid = fork();
	if (pid == 0) {
		fill(segment_base(segment), 1, 9);
		_exit(0);
	}
	ck_assert_msg(WIFSIGNALED(child_status(pid)),
		      "a blocked SIGBUS does not kill here: is the test of any use?");
	segment_guard_disturbed();
	segment_guard_arm();
	fill(segment_base(segment), 1, 9);
	ck_assert(segment_broken(segment));
	segment_destroy(segment);
}
END_TEST

/* What qb_rb_close trusts: sizes, paths, the semaphore. Everything, that is. */
static void scribble(uint8_t *map, size_t size, const char *victim, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		map[i] = (uint8_t)(rand_r(&seed) >> 7);
	if (seed % 2 == 0)
		memset(map, 0xff, 12);				       /* write_pt, read_pt, word_size */
	snprintf((char *)map + 12, PATH_MAX, "%s", victim);	       /* hdr_path */
	snprintf((char *)map + 12 + PATH_MAX, PATH_MAX, "%s", victim); /* data_path */
}

static void scribble_all(const struct segment *segment, const char *victim, unsigned int seed)
{
	size_t header = (uintptr_t)segment_base(segment) % 4096 + 8192;
	uint8_t *map;
	int fd = open(file_of(segment, "header"), O_RDWR | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	map = mmap(NULL, header + segment_size(segment), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	/* That this is the layout that libqb trusts: the paths are where we are going to write. */
	ck_assert_str_eq((char *)map + 12, file_of(segment, "header"));
	ck_assert_str_eq((char *)map + 12 + PATH_MAX, file_of(segment, "data"));
	scribble(map, header + segment_size(segment), victim, seed);
	munmap(map, header + segment_size(segment));
	close(fd);
}

START_TEST(test_scribbled_header_hurts_nobody)
{
	char victim[] = "/dev/shm/qb-cpg-victim-XXXXXX";
	struct segment *segment;
	struct segment *neighbour = create(USER_SIZE);
	size_t maps;
	int fd = mkstemp(victim);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "safe", 4), 4);
	fill(segment_base(neighbour), USER_SIZE, 10);
	maps = shm_mappings();
	for (unsigned int seed = 0; seed < 64; seed++) {
		char directory[PATH_MAX];
		struct stat st;

		segment = create(8192);
		scribble_all(segment, victim, seed);
		snprintf(directory, sizeof(directory), "%s", segment_name(segment));
		*strrchr(directory, '/') = '\0';
		if (seed % 3 == 0)
			segment_unlink(segment);
		segment_destroy(segment);
		ck_assert_int_eq(access(directory, F_OK), -1);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_uint_eq(st.st_nlink, 1);
		ck_assert_int_eq(st.st_size, 4);
		ck_assert_uint_eq(shm_mappings(), maps);
	}
	ck_assert(filled(segment_base(neighbour), USER_SIZE, 10));
	segment_destroy(neighbour);
	unlink(victim);
	close(fd);
}
END_TEST

START_TEST(test_nothing_leaks)
{
	struct segment *warm = create(SEGMENT_CONTROL_SIZE);
	size_t maps = shm_mappings();
	size_t pages = address_space_pages();
	size_t files = open_files();

	for (int i = 0; i < CYCLES; i++) {
		struct segment *segment = create(i % 2 == 0 ? SEGMENT_CONTROL_SIZE : USER_SIZE);

		((uint8_t *)segment_base(segment))[0] = 1;
		if (i % 3 == 0)
			segment_unlink(segment);
		if (i % 5 == 0) {
			truncate(file_of(segment, "header"), 0);
			((volatile uint8_t *)segment_base(segment))[0] = 1;
		}
		segment_destroy(segment);
	}
	ck_assert_uint_eq(shm_mappings(), maps);
	ck_assert_uint_lt(address_space_pages(), pages + CYCLES); /* some is malloc's business */
	ck_assert_uint_eq(open_files(), files);
	segment_destroy(warm);
}
END_TEST

START_TEST(test_many_at_once)
{
	struct segment *segments[600];

	for (size_t i = 0; i < 600; i++) {
		segments[i] = create(64);
		((uint8_t *)segment_base(segments[i]))[0] = (uint8_t)i;
	}
	ck_assert_int_eq(truncate(file_of(segments[500], "header"), 0), 0);
	for (size_t i = 0; i < 600; i++) {
		ck_assert_uint_eq(((volatile uint8_t *)segment_base(segments[i]))[0],
				  i == 500 ? 0 : (uint8_t)i);
		ck_assert(segment_broken(segments[i]) == (i == 500));
		segment_destroy(segments[i]);
	}
}
END_TEST

/* More than the guard can hold at a time: a slot that ends serves again. */
START_TEST(test_guard_slots_serve_again)
{
	struct segment *segment = create(64);
	void *base = segment_base(segment);

	for (size_t i = 0; i < 70000; i++) {
		struct guard_range *range = guard_add(base, 64);

		ck_assert_ptr_nonnull(range);
		guard_remove(range);
	}
	segment_destroy(segment);
}
END_TEST

/* A file of our own that is cut short: none of the guard's business. */
static void foreign_fault(void)
{
	char path[] = "/dev/shm/qb-cpg-foreign-XXXXXX";
	int fd = mkstemp(path);
	size_t size = 2 * (size_t)sysconf(_SC_PAGESIZE);
	volatile char *map;

	unlink(path);
	if (fd < 0 || ftruncate(fd, (off_t)size) == -1)
		_exit(3);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || ftruncate(fd, 0) == -1)
		_exit(3);
	map[0] = 1;
	_exit(0);
}

static void exit_seven(int signal_number)
{
	(void)signal_number;
	_exit(7);
}

static void exit_by_info(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	_exit(info->si_code == BUS_ADRERR ? 8 : 3);
}

/* Runs foreign_fault() (or kill) in a child whose SIGBUS was `action` before the guard came. */
static int foreign_status(const struct sigaction *action, bool sent)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct segment *segment;

		without_core();
		sigaction(SIGBUS, action, NULL);
		if (segment_create(&segment, getuid(), getgid(), 64, 64) != 0)
			_exit(4);
		segment_unlink(segment);
		if (!sent)
			foreign_fault();
		kill(getpid(), SIGBUS);
		_exit(0);
	}
	return child_status(pid);
}

START_TEST(test_foreign_sigbus_goes_where_it_went)
{
	struct sigaction fatal = {.sa_handler = SIG_DFL};
	struct sigaction ignored = {.sa_handler = SIG_IGN};
	struct sigaction plain = {.sa_handler = exit_seven};
	struct sigaction detailed = {.sa_sigaction = exit_by_info, .sa_flags = SA_SIGINFO};
	int status = foreign_status(&fatal, false);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = foreign_status(&fatal, true);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = foreign_status(&ignored, false);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	status = foreign_status(&ignored, true);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = foreign_status(&plain, false);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = foreign_status(&detailed, false);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 8);
}
END_TEST

/* As libqb does over sockets, for the counters of a connection. */
static volatile uint32_t *counters_map(char *directory, int *fd)
{
	char path[100], renamed[100];
	void *map = MAP_FAILED;

	if (mkdtemp(directory) == NULL)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/qb-control-cpg", directory);
	*fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd >= 0 && ftruncate(*fd, 24) == 0)
		map = mmap(NULL, 24, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	(void)snprintf(renamed, sizeof(renamed), "%s/x", directory);
	(void)rename(path, renamed); /* the client may, and does so after it was mapped */
	(void)unlink(renamed);
	(void)rmdir(directory);
	return map == MAP_FAILED ? NULL : map;
}

/* No descriptor is left by then. */
static void counters_fault(void)
{
	struct rlimit none;
	char directory[] = "/dev/shm/qb-1-2-3-XXXXXX";
	volatile uint32_t *counters;
	int fd;

	counters = counters_map(directory, &fd);
	if (counters == NULL || ftruncate(fd, 0) == -1 || getrlimit(RLIMIT_NOFILE, &none) == -1)
		_exit(3);
	none.rlim_cur = 0; /* valgrind lets nobody read what lies above rlim_max */
	if (setrlimit(RLIMIT_NOFILE, &none) == -1)
		_exit(3);
	counters[2]++;
	_exit(counters[2] == 1 && counters[0] == 0 ? 0 : 5);
}

START_TEST(test_counters_of_libqb_cut_short)
{
	pid_t pid;
	int status;

	pid = fork();
	if (pid == 0) {
		without_core();
		if (!segment_guard_begin())
			_exit(4);
		counters_fault();
	}
	status = child_status(pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

static Suite *segment_suite(void)
{
	Suite *suite = suite_create("segment");
	TCase *use = tcase_create("use");
	TCase *hostile = tcase_create("hostile");
	TCase *limits = tcase_create("limits");

	tcase_add_test(use, test_client_attaches_reads_and_writes);
	tcase_add_test(use, test_begins_zeroed);
	tcase_add_test(use, test_unlink_takes_the_name_and_keeps_the_memory);
	tcase_add_test(use, test_destroy_leaves_no_name);
	tcase_add_test(use, test_many_at_once);
	suite_add_tcase(suite, use);
	tcase_add_test(hostile, test_strangers_are_kept_out);
	tcase_add_test(hostile, test_cut_short_reads_zeros_and_is_broken);
	tcase_add_test(hostile, test_cut_short_by_the_client_while_we_write);
	tcase_add_test(hostile, test_next_segment_is_whole_again);
	tcase_add_test(hostile, test_arm_after_a_handler_that_jumped_out);
	tcase_add_test(hostile, test_scribbled_header_hurts_nobody);
	tcase_add_test(hostile, test_foreign_sigbus_goes_where_it_went);
	tcase_add_test(hostile, test_counters_of_libqb_cut_short);
	suite_add_tcase(suite, hostile);
	tcase_add_test(limits, test_bad_sizes_are_refused);
	tcase_add_test(limits, test_nothing_leaks);
	tcase_add_test(limits, test_guard_slots_serve_again);
	tcase_set_timeout(limits, 120);
	suite_add_tcase(suite, limits);
	return suite;
}

int main(void)
{
	/* So that a test that fails leaves nothing behind. Without it the tests work as well. */
	private_shm(0);
	return run_suite(segment_suite());
}
