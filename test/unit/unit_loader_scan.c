/* SPDX-License-Identifier: BSD-3-Clause */
/* service/loader_scan.c: service tables in programs that never were, and in this one. */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "run_suite.h"
#include "service/loader_scan.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#endif

#define DATA_PAGES 4
#define CODE_START 0x10000u /* never read: only its addresses matter */
#define CODE_END 0x20000u
#define LIB_COUNT 13
#define EXEC_COUNT 6
#define FOREIGN_ID 77

/* Where things lie in the program's data. */
#define NAME_AT 64
#define LIB_AT 512
#define EXEC_AT 1024
#define TABLE_AT 2048

static struct image image;
static char *data;
static size_t page;
static struct corosync_service_engine *table;
static struct corosync_lib_handler *lib;
static struct corosync_exec_handler *exec;

/* The n-th function of the program. */
static void *function(unsigned int n)
{
	return (void *)(uintptr_t)(CODE_START + 16 * n);
}

static void fill_handlers(void)
{
	unsigned int i;

	lib = (struct corosync_lib_handler *)(data + LIB_AT);
	for (i = 0; i < LIB_COUNT; i++) {
		lib[i].lib_handler_fn = function(i);
		lib[i].flow_control = (int)(i % 2) + 1;
	}
	exec = (struct corosync_exec_handler *)(data + EXEC_AT);
	for (i = 0; i < EXEC_COUNT; i++) {
		exec[i].exec_handler_fn = function(20 + i);
		exec[i].exec_endian_convert_fn = function(30 + i);
	}
}

static void fill_table(struct corosync_service_engine *engine)
{
	memset(engine, 0, sizeof(*engine));
	engine->name = data + NAME_AT;
	engine->id = SERVICE_ID_CPG;
	engine->priority = 1;
	engine->private_data_size = 312;
	engine->flow_control = SERVICE_FLOW_CONTROL_REQUIRED;
	engine->allow_inquorate = SERVICE_INQUORATE_ALLOW;
	engine->exec_init_fn = function(50);
	engine->lib_init_fn = function(51);
	engine->lib_exit_fn = function(52);
	engine->lib_engine = lib;
	engine->lib_engine_count = LIB_COUNT;
	engine->exec_engine = exec;
	engine->exec_engine_count = EXEC_COUNT;
	engine->sync_init = function(53);
	engine->sync_process = function(54);
	engine->sync_activate = function(55);
	engine->sync_abort = function(56);
}

static void add_range(uintptr_t start, size_t size, unsigned int flags)
{
	image.ranges[image.count++] = (struct image_range){start, start + size, flags};
}

static void setup(void)
{
	page = (size_t)sysconf(_SC_PAGESIZE);
	data = mmap(NULL, DATA_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(data, MAP_FAILED);
	image.count = 0;
	add_range(CODE_START, CODE_END - CODE_START, IMAGE_EXEC);
	add_range((uintptr_t)data, DATA_PAGES * page, IMAGE_READ | IMAGE_WRITE);
	strcpy(data + NAME_AT, "a process group service v1");
	fill_handlers();
	table = (struct corosync_service_engine *)(data + TABLE_AT);
	fill_table(table);
}

static void teardown(void)
{
	munmap(data, DATA_PAGES * page);
}

static size_t count(void)
{
	struct corosync_service_engine *found = NULL;

	return image_find_service(&image, SERVICE_ID_CPG, &found);
}

/* The table was damaged: it is not found, and repaired it is again. */
static void assert_lost(void)
{
	ck_assert_uint_eq(count(), 0);
	fill_handlers();
	fill_table(table);
	ck_assert_uint_eq(count(), 1);
}

START_TEST(one)
{
	struct corosync_service_engine *found = NULL;

	ck_assert_uint_eq(image_find_service(&image, SERVICE_ID_CPG, &found), 1);
	ck_assert_ptr_eq(found, table);
}
END_TEST

START_TEST(none)
{
	struct corosync_service_engine *found = NULL;

	ck_assert_uint_eq(image_find_service(&image, SERVICE_ID_CPG + 1, &found), 0);
	memset(data, 0, DATA_PAGES * page);
	ck_assert_uint_eq(count(), 0);
	memset(data, 0xff, DATA_PAGES * page);
	ck_assert_uint_eq(count(), 0);
	image.count = 0;
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(two)
{
	struct corosync_service_engine *found = NULL;

	fill_table((struct corosync_service_engine *)(data + 2 * page));
	ck_assert_uint_eq(image_find_service(&image, SERVICE_ID_CPG, &found), 2);
	ck_assert_ptr_eq(found, table);
}
END_TEST

START_TEST(unaligned)
{
	struct corosync_service_engine copy = *table;

	memset(table, 0, sizeof(*table));
	memcpy(data + TABLE_AT + 4, &copy, sizeof(copy));
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(at_the_end)
{
	memset(table, 0, sizeof(*table));
	fill_table((struct corosync_service_engine *)(data + DATA_PAGES * page - sizeof(*table)));
	ck_assert_uint_eq(count(), 1);
	image.ranges[1].end -= 8;
	ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(range_start_unaligned)
{
	image.ranges[1].start = (uintptr_t)table - 3;
	add_range((uintptr_t)data, TABLE_AT - 3, IMAGE_READ);
	ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(not_writable)
{
	image.ranges[1].flags = IMAGE_READ;
	ck_assert_uint_eq(count(), 0);
	image.ranges[1].flags = IMAGE_WRITE; /* and what can't be read is left alone */
	ck_assert_int_eq(mprotect(data, DATA_PAGES * page, PROT_NONE), 0);
	ck_assert_uint_eq(count(), 0);
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
}
END_TEST

START_TEST(enumerations)
{
	table->flow_control = 0;
	assert_lost();
	table->flow_control = 3;
	assert_lost();
	table->allow_inquorate = 2;
	assert_lost();
	table->private_data_size = SIZE_MAX;
	assert_lost();
	lib[LIB_COUNT - 1].flow_control = 0;
	assert_lost();
}
END_TEST

START_TEST(counts)
{
	static const int bad[] = {0, -1, 65, INT_MAX, INT_MIN};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		table->lib_engine_count = bad[i];
		assert_lost();
		table->exec_engine_count = bad[i];
		assert_lost();
	}
	table->lib_engine_count = 1;
	table->exec_engine_count = 1;
	ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(arrays)
{
	char *end = data + DATA_PAGES * page;

	table->lib_engine = NULL;
	assert_lost();
	table->exec_engine = NULL;
	assert_lost();
	table->lib_engine = (struct corosync_lib_handler *)((char *)lib + 1);
	assert_lost();
	table->lib_engine = (struct corosync_lib_handler *)(end - 16);
	assert_lost();
	table->exec_engine = (struct corosync_exec_handler *)(end - 16);
	assert_lost();
	table->exec_engine = (struct corosync_exec_handler *)(end + page);
	assert_lost();
	table->exec_engine = (struct corosync_exec_handler *)UINTPTR_MAX;
	assert_lost();
}
END_TEST

/* What would pass as handlers goes on behind the program's last byte, or behind what may be counted. */
START_TEST(arrays_too_long)
{
	struct corosync_lib_handler *long_lib = (struct corosync_lib_handler *)(data + 3 * page);
	unsigned int i;

	for (i = 0; i < 65; i++)
		long_lib[i] = lib[0];
	table->lib_engine = long_lib;
	table->lib_engine_count = 64;
	ck_assert_uint_eq(count(), 1);
	image.ranges[1].end = (uintptr_t)&long_lib[64];
	ck_assert_uint_eq(count(), 1);
	image.ranges[1].end = (uintptr_t)&long_lib[64] - 1;
	ck_assert_uint_eq(count(), 0);
	image.ranges[1].end = (uintptr_t)data + DATA_PAGES * page;
	table->lib_engine_count = 65;
	assert_lost();
}
END_TEST

START_TEST(array_unaligned)
{
	char *place = data + 3 * page + 4;

	memcpy(place, exec, EXEC_COUNT * sizeof(*exec));
	table->exec_engine = (struct corosync_exec_handler *)place;
	assert_lost();
}
END_TEST

START_TEST(name)
{
	char *end = data + DATA_PAGES * page;

	table->name = NULL;
	assert_lost();
	table->name = "outside of the program";
	assert_lost();
	table->name = (const char *)(uintptr_t)CODE_START;
	assert_lost();
	table->name = end - 1; /* empty */
	assert_lost();
	memcpy(end - 4, "end", 4);
	table->name = end - 4;
	ck_assert_uint_eq(count(), 1);
	image.ranges[1].end--; /* it goes on behind the program */
	ck_assert_uint_eq(count(), 0);
	image.ranges[1].end++;
	memcpy(data + 3 * page, "bell\a", 6);
	table->name = data + 3 * page;
	assert_lost();
	memcpy(data + 3 * page, "latin \xe9", 8);
	table->name = data + 3 * page;
	assert_lost();
	memset(data + 3 * page, 'x', 255);
	table->name = data + 3 * page;
	ck_assert_uint_eq(count(), 1);
	memset(data + 3 * page, 'x', 256);
	assert_lost();
}
END_TEST

START_TEST(handlers)
{
	lib[0].lib_handler_fn = NULL;
	assert_lost();
	lib[LIB_COUNT - 1].lib_handler_fn = (void (*)(void *, const void *))data;
	assert_lost();
	exec[EXEC_COUNT - 1].exec_handler_fn = NULL;
	assert_lost();
	exec[EXEC_COUNT - 1].exec_endian_convert_fn = NULL;
	assert_lost();
}
END_TEST

/* Each function pointer, set to something that is no code of this program. */
START_TEST(functions)
{
	static const size_t offsets[] = {
		offsetof(struct corosync_service_engine, exec_init_fn),
		offsetof(struct corosync_service_engine, exec_exit_fn),
		offsetof(struct corosync_service_engine, exec_dump_fn),
		offsetof(struct corosync_service_engine, lib_init_fn),
		offsetof(struct corosync_service_engine, lib_exit_fn),
		offsetof(struct corosync_service_engine, config_init_fn),
		offsetof(struct corosync_service_engine, confchg_fn),
		offsetof(struct corosync_service_engine, sync_init),
		offsetof(struct corosync_service_engine, sync_process),
		offsetof(struct corosync_service_engine, sync_activate),
		offsetof(struct corosync_service_engine, sync_abort),
	};
	const uintptr_t bad[] = {CODE_END, CODE_START - 1, (uintptr_t)data, 1};
	size_t i, j;

	for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
			memcpy((char *)table + offsets[i], &bad[j], sizeof(bad[j]));
			assert_lost();
		}
	}
	table->exec_init_fn = NULL;
	assert_lost();
	table->lib_init_fn = NULL;
	assert_lost();
	table->lib_exit_fn = NULL;
	assert_lost();
	table->sync_init = NULL;
	ck_assert_uint_eq(count(), 1);
}
END_TEST

/* The kernel tells without a crash: it refuses to read into protected memory. */
static bool is_writable(void *address)
{
	int ends[2];
	ssize_t bytes;

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], address, 1), 1);
	bytes = read(ends[0], address, 1);
	ck_assert(bytes == 1 || errno == EFAULT);
	close(ends[0]);
	close(ends[1]);
	return bytes == 1;
}

START_TEST(relro)
{
	struct corosync_service_engine other;

	fill_table(&other);
	other.id = FOREIGN_ID;
	add_range((uintptr_t)data, page, IMAGE_READ | IMAGE_RELRO);
	ck_assert_int_eq(mprotect(data, page, PROT_READ), 0);
	ck_assert_uint_eq(count(), 1);
	ck_assert_int_eq(image_patch(&image, table, &other, sizeof(other)), 0);
	ck_assert_mem_eq(table, &other, sizeof(other));
	ck_assert(!is_writable(data));
	ck_assert(is_writable(data + page));
}
END_TEST

/* Half in protected pages, half in others: each page keeps what it had. */
START_TEST(relro_ends_inside)
{
	struct corosync_service_engine other;
	char *target = data + 2 * page - 8;

	fill_table(&other);
	add_range((uintptr_t)data + page, page, IMAGE_READ | IMAGE_RELRO);
	ck_assert_int_eq(mprotect(data + page, page, PROT_READ), 0);
	ck_assert_int_eq(image_patch(&image, target, &other, sizeof(other)), 0);
	ck_assert_mem_eq(target, &other, sizeof(other));
	ck_assert(is_writable(data));
	ck_assert(!is_writable(data + page));
	ck_assert(is_writable(data + 2 * page));
}
END_TEST

START_TEST(relro_starts_inside)
{
	struct corosync_service_engine other;
	char *target = data + page - 8;

	fill_table(&other);
	add_range((uintptr_t)data + page, 2 * page, IMAGE_READ | IMAGE_RELRO);
	ck_assert_int_eq(mprotect(data + page, 2 * page, PROT_READ), 0);
	ck_assert_int_eq(image_patch(&image, target, &other, sizeof(other)), 0);
	ck_assert_mem_eq(target, &other, sizeof(other));
	ck_assert(is_writable(data));
	ck_assert(!is_writable(data + page));
	ck_assert(!is_writable(data + 2 * page));
}
END_TEST

START_TEST(patch_fails)
{
	struct corosync_service_engine other = *table;

	/* What is described as the program's is not even mapped. */
	add_range((uintptr_t)data, DATA_PAGES * page, IMAGE_READ | IMAGE_RELRO);
	ck_assert_int_eq(munmap(data, DATA_PAGES * page), 0);
	ck_assert_int_eq(image_patch(&image, table, &other, sizeof(other)), -1);
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

START_TEST(path)
{
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
	strcpy(data + page, "dir/x.conf");
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
	strcpy(data + page + 32, "/etc/x.conf more");
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
	strcpy(data + page + 64, "/etc/x.conf");
	ck_assert_str_eq(image_find_path(&image, "/x.conf"), "/etc/x.conf");
	strcpy(data + page + 96, "/etc/x.conf");
	ck_assert_str_eq(image_find_path(&image, "/x.conf"), "/etc/x.conf");
	strcpy(data + page + 128, "/opt/x.conf");
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
}
END_TEST

START_TEST(path_at_the_edges)
{
	memset(data, 0, DATA_PAGES * page);
	memcpy(data, "/x.conf", 8);
	ck_assert_str_eq(image_find_path(&image, "/x.conf"), "/x.conf");
	memset(data, 0, 8);
	memcpy(data + DATA_PAGES * page - 8, "/x.conf", 8);
	ck_assert_str_eq(image_find_path(&image, "/x.conf"), "/x.conf");
	image.ranges[1].end -= 1;
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
	image.ranges[1].end += 1;
	image.ranges[1].flags = IMAGE_READ;
	ck_assert_ptr_null(image_find_path(&image, "/x.conf"));
}
END_TEST

/* Now a real program: this one. AddressSanitizer objects to reading all of it, so not there. */
#ifndef ADDRESS_SANITIZER
static void lib_handler(void *conn, const void *msg)
{
	(void)conn, (void)msg;
}

static void exec_handler(const void *msg, unsigned int nodeid)
{
	(void)msg, (void)nodeid;
}

static void convert(void *msg)
{
	(void)msg;
}

static char *exec_init(struct corosync_api_v1 *api)
{
	(void)api;
	return NULL;
}

static int lib_fn(void *conn)
{
	(void)conn;
	return 0;
}

static const struct corosync_lib_handler own_lib[] = {{lib_handler, SERVICE_FLOW_CONTROL_REQUIRED}};
static const struct corosync_exec_handler own_exec[] = {{exec_handler, convert}};

#define OWN_ENGINE(service_id)                                                                               \
	{                                                                                                    \
		.name = "own", .id = service_id, .flow_control = SERVICE_FLOW_CONTROL_REQUIRED,              \
		.exec_init_fn = exec_init, .lib_init_fn = lib_fn, .lib_exit_fn = lib_fn,                     \
		.lib_engine = (struct corosync_lib_handler *)own_lib, .lib_engine_count = 1,                 \
		.exec_engine = (struct corosync_exec_handler *)own_exec, .exec_engine_count = 1,             \
	}

static struct corosync_service_engine own_engine = OWN_ENGINE(FOREIGN_ID);
static const struct corosync_service_engine relro_engine = OWN_ENGINE(FOREIGN_ID + 1);

START_TEST(own_program)
{
	struct corosync_service_engine *found = NULL;
	struct corosync_service_engine other;

	ck_assert(image_of_program(&image));
	ck_assert_uint_eq(image_find_service(&image, FOREIGN_ID, &found), 1);
	ck_assert_ptr_eq(found, &own_engine);
	ck_assert_uint_eq(image_find_service(&image, FOREIGN_ID + 1, &found), 1);
	ck_assert_ptr_eq(found, &relro_engine);
	ck_assert(!is_writable(found));
	other = *found;
	other.priority = 99;
	ck_assert_int_eq(image_patch(&image, found, &other, sizeof(other)), 0);
	ck_assert_int_eq(((volatile struct corosync_service_engine *)found)->priority, 99);
	ck_assert(!is_writable(found));
}
END_TEST
#endif

static TCase *tables_case(void)
{
	TCase *tcase = tcase_create("tables");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, one);
	tcase_add_test(tcase, none);
	tcase_add_test(tcase, two);
	tcase_add_test(tcase, unaligned);
	tcase_add_test(tcase, at_the_end);
	tcase_add_test(tcase, range_start_unaligned);
	tcase_add_test(tcase, not_writable);
	tcase_add_test(tcase, enumerations);
	tcase_add_test(tcase, counts);
	tcase_add_test(tcase, arrays);
	tcase_add_test(tcase, arrays_too_long);
	tcase_add_test(tcase, array_unaligned);
	tcase_add_test(tcase, name);
	tcase_add_test(tcase, handlers);
	tcase_add_test(tcase, functions);
#ifndef ADDRESS_SANITIZER
	tcase_add_test(tcase, own_program);
#endif
	return tcase;
}

static TCase *memory_case(void)
{
	TCase *tcase = tcase_create("memory");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, relro);
	tcase_add_test(tcase, relro_ends_inside);
	tcase_add_test(tcase, relro_starts_inside);
	tcase_add_test(tcase, patch_fails);
	tcase_add_test(tcase, path);
	tcase_add_test(tcase, path_at_the_edges);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("loader_scan");

	suite_add_tcase(suite, tables_case());
	suite_add_tcase(suite, memory_case());
	return run_suite(suite);
}
