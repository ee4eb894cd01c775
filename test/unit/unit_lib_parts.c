/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parts of the library that need no engine: handles, pieces of messages, fragments, the division of segments, what lies in
 * which buffer.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/lib_internal.h"
#include "run_suite.h"

const char *server_name(void)
{
	return "nobody";
}

static unsigned int destroyed;

static void count_destroyed(struct handle_object *object)
{
	(void)object;
	destroyed++;
}

static struct handle_object object_of(enum handle_type type)
{
	return (struct handle_object){.type = type, .references = 1, .destroy = count_destroyed};
}

START_TEST(handle_lives_until_last_reference)
{
	struct handle_object object = object_of(HANDLE_INSTANCE);
	uint64_t handle;

	ck_assert_int_eq(handle_create(&object, &handle), CS_OK);
	ck_assert_uint_ne(handle, 0);
	ck_assert_ptr_eq(handle_get(handle, HANDLE_INSTANCE), &object);
	ck_assert(handle_remove(handle, &object));
	ck_assert_uint_eq(destroyed, 0);
	ck_assert_ptr_null(handle_get(handle, HANDLE_INSTANCE));
	ck_assert(!handle_remove(handle, &object));
	handle_put(&object);
	ck_assert_uint_eq(destroyed, 0);
	handle_put(&object); /* who made it */
	ck_assert_uint_eq(destroyed, 1);
}
END_TEST

START_TEST(handle_of_another_kind_or_time_is_bad)
{
	struct handle_object first = object_of(HANDLE_ITERATION), second = object_of(HANDLE_INSTANCE);
	uint64_t handle, next;

	ck_assert_ptr_null(handle_get(0, HANDLE_INSTANCE));
	ck_assert_ptr_null(handle_get(UINT64_MAX, HANDLE_INSTANCE));
	ck_assert_int_eq(handle_create(&first, &handle), CS_OK);
	ck_assert_ptr_null(handle_get(handle, HANDLE_INSTANCE));
	ck_assert_ptr_null(handle_get(handle + (1ull << 32), HANDLE_ITERATION));
	ck_assert(handle_remove(handle, &first));
	ck_assert_int_eq(handle_create(&second, &next), CS_OK);
	ck_assert_uint_eq((uint32_t)next, (uint32_t)handle); /* the slot is used again, the handle is not */
	ck_assert_ptr_null(handle_get(handle, HANDLE_INSTANCE));
	ck_assert_ptr_null(handle_get(handle, HANDLE_ITERATION));
	ck_assert(handle_remove(next, &second));
}
END_TEST

START_TEST(handles_are_many)
{
	enum { COUNT = 500 };
	struct handle_object *objects = calloc(COUNT, sizeof(*objects));
	uint64_t handles[COUNT];
	unsigned int i;

	for (i = 0; i < COUNT; i++) {
		objects[i] = object_of(HANDLE_INSTANCE);
		ck_assert_int_eq(handle_create(&objects[i], &handles[i]), CS_OK);
		handle_put(&objects[i]);
	}
	for (i = 0; i < COUNT; i++) {
		ck_assert_ptr_eq(handle_get(handles[i], HANDLE_INSTANCE), &objects[i]);
		handle_put(&objects[i]);
		ck_assert(handle_remove(handles[i], &objects[i]));
	}
	ck_assert_uint_eq(destroyed, COUNT);
	free(objects);
}
END_TEST

static struct iovec piece(const char *text, size_t length)
{
	return (struct iovec){.iov_base = (void *)text, .iov_len = length};
}

START_TEST(gather_reads_across_pieces)
{
	struct iovec pieces[] = {piece("abc", 3), piece(NULL, 0), piece("defg", 4), piece("h", 1)};
	char text[9] = {0};
	size_t size;

	ck_assert_int_eq(gather_size(pieces, 4, &size), CS_OK);
	ck_assert_uint_eq(size, 8);
	gather_copy(text, pieces, 4, 0, 8);
	ck_assert_str_eq(text, "abcdefgh");
	memset(text, 0, sizeof(text));
	gather_copy(text, pieces, 4, 2, 5);
	ck_assert_str_eq(text, "cdefg");
}
END_TEST

START_TEST(gather_refuses_nonsense)
{
	struct iovec hole = piece(NULL, 1);
	struct iovec huge[2] = {piece("x", UINT32_MAX), piece("x", 1)};
	struct iovec wrap[2] = {piece("x", SIZE_MAX), piece("x", 2)};
	size_t size;

	ck_assert_int_eq(gather_size(NULL, 1, &size), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(gather_size(&hole, 1, &size), CS_ERR_INVALID_PARAM);
	ck_assert_int_eq(gather_size(huge, 2, &size), CS_ERR_TOO_BIG);
	ck_assert_int_eq(gather_size(wrap, 2, &size), CS_ERR_TOO_BIG);
	ck_assert_int_eq(gather_size(NULL, 0, &size), CS_OK);
}
END_TEST

static struct assembly *assemblies;

static struct assembly *add(uint32_t pid, enum ipc_fragment type, uint32_t msglen, const char *text)
{
	size_t length = strlen(text);
	struct ipc_partial_deliver *fragment = calloc(1, sizeof(*fragment) + length);
	struct assembly *whole;

	fragment->msglen = msglen;
	fragment->fraglen = (uint32_t)length;
	fragment->nodeid = 1;
	fragment->pid = pid;
	fragment->type = type;
	memcpy(fragment->message, text, length);
	ck_assert_int_eq(assembly_add(&assemblies, fragment, sizeof(*fragment) + length, &whole), CS_OK);
	free(fragment);
	return whole;
}

static void check_whole(struct assembly *whole, const char *text)
{
	ck_assert_ptr_nonnull(whole);
	ck_assert_uint_eq(whole->total, strlen(text));
	ck_assert_mem_eq(whole->data, text, whole->total);
	assembly_free(whole);
}

START_TEST(assembly_joins_fragments_by_sender)
{
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 6, "ab"));
	ck_assert_ptr_null(add(2, IPC_FRAGMENT_FIRST, 4, "AB"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_CONTINUED, 6, "cd"));
	check_whole(add(2, IPC_FRAGMENT_LAST, 4, "CD"), "ABCD");
	check_whole(add(1, IPC_FRAGMENT_LAST, 6, "ef"), "abcdef");
	ck_assert_ptr_null(assemblies);
}
END_TEST

START_TEST(assembly_starts_anew_at_first)
{
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 6, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "AB"));
	check_whole(add(1, IPC_FRAGMENT_LAST, 4, "CD"), "ABCD");
}
END_TEST

START_TEST(assembly_drops_what_does_not_fit)
{
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_CONTINUED, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 4, "cd"));
	/* too long, too short, last although more is missing, another total, too long and not the last */
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 4, "cdef"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 4, "c"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_CONTINUED, 4, "cd"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 4, ""));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 5, "cde"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_CONTINUED, 4, "cdef"));
	ck_assert_ptr_null(assemblies);
}
END_TEST

START_TEST(assembly_believes_no_length)
{
	struct ipc_partial_deliver fragment = {
		.msglen = UINT32_MAX, .fraglen = 100, .pid = 1, .type = IPC_FRAGMENT_FIRST};
	struct assembly *whole;

	ck_assert_int_eq(assembly_add(&assemblies, &fragment, sizeof(fragment) + 99, &whole), CS_OK);
	ck_assert_ptr_null(assemblies);
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, UINT32_MAX, "small"));
	ck_assert_uint_lt(assemblies->capacity, 1024);
	assembly_free_all(&assemblies);
}
END_TEST

START_TEST(assembly_forgets_who_left)
{
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_FIRST, 4, "ab"));
	ck_assert_ptr_null(add(2, IPC_FRAGMENT_FIRST, 4, "AB"));
	assembly_drop(&assemblies, 1, 1);
	assembly_drop(&assemblies, 1, 1);
	ck_assert_ptr_null(add(1, IPC_FRAGMENT_LAST, 4, "cd"));
	check_whole(add(2, IPC_FRAGMENT_LAST, 4, "CD"), "ABCD");
}
END_TEST

static struct zcb_segment *pool_new(size_t size)
{
	struct segment segment = {.size = size};

	return zcb_segment_new(&segment);
}

START_TEST(pool_takes_the_largest_message)
{
	struct zcb_segment *pool = pool_new(1024 * 1024);

	ck_assert_uint_eq(zcb_segment_alloc(pool, ATOMIC_MESSAGE_MAX), SEGMENT_START);
	ck_assert_uint_eq(zcb_segment_alloc(pool, 1024), ZCB_NO_ROOM);
	zcb_segment_release(pool, SEGMENT_START);
	ck_assert_uint_eq(pool->live, 0);
	ck_assert_uint_ne(zcb_segment_alloc(pool, ATOMIC_MESSAGE_MAX), ZCB_NO_ROOM);
	zcb_segment_free(pool);
}
END_TEST

/* Random sizes freed in random order, against a map of bytes. */
START_TEST(pool_never_overlaps)
{
	enum { SLOTS = 100, ROUNDS = 20000, SIZE = 256 * 1024 };
	struct zcb_segment *pool = pool_new(SIZE);
	uint8_t *map = calloc(1, SIZE);
	size_t offsets[SLOTS] = {0}, sizes[SLOTS] = {0};
	unsigned int i, slot, refused = 0;
	size_t j, used;

	srand(1);
	for (i = 0; i < ROUNDS; i++) {
		slot = (unsigned int)rand() % SLOTS;
		if (sizes[slot]) {
			memset(map + offsets[slot], 0, sizes[slot]);
			zcb_segment_release(pool, offsets[slot]);
			sizes[slot] = 0;
			continue;
		}
		sizes[slot] = (size_t)rand() % 8000 + 1;
		offsets[slot] = zcb_segment_alloc(pool, sizes[slot]);
		if (offsets[slot] == ZCB_NO_ROOM) {
			sizes[slot] = 0;
			refused++;
			continue;
		}
		ck_assert_uint_eq((offsets[slot] - SEGMENT_START) % SEGMENT_CACHE_LINE, 0);
		ck_assert_uint_le(offsets[slot] + sizes[slot], SIZE);
		for (j = 0, used = 0; j < sizes[slot]; j++)
			used += map[offsets[slot] + j]++;
		ck_assert_uint_eq(used, 0);
	}
	ck_assert_uint_gt(refused, 0);
	for (slot = 0; slot < SLOTS; slot++) {
		if (sizes[slot])
			zcb_segment_release(pool, offsets[slot]);
	}
	ck_assert_uint_eq(pool->live, 0);
	/* Everything joins again. */
	ck_assert_uint_ne(zcb_segment_alloc(pool, SIZE - SEGMENT_CACHE_LINE), ZCB_NO_ROOM);
	zcb_segment_free(pool);
	free(map);
}
END_TEST

/* Each test begins with nothing seen, whether it has a process of its own or not. */
static void forget(void)
{
	destroyed = 0;
	assemblies = NULL;
}

/* ---- addresses in buffers, asked for twice: the first time may leave something behind for the second ---- */

#define LINE 64u
#define LINES 64u

static uint8_t ground[(LINES + 1) * LINE] __attribute__((aligned(LINE)));

static struct zcb_buffer ground_buffer(size_t line, size_t size)
{
	return (struct zcb_buffer){.start = ground + line * LINE, .size = size};
}

static bool is_in(struct zcb_pool *pool, void *address, size_t size)
{
	bool first = zcb_is_in_buffer(pool, address, size);

	ck_assert(zcb_is_in_buffer(pool, address, size) == first);
	return first;
}

static void lookup_begin(struct zcb_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
	zcb_pool_init(pool);
}

static void leave_alone(void *buffer)
{
	(void)buffer;
}

static void lookup_end(struct zcb_pool *pool)
{
	zcb_buffers_destroy(pool, leave_alone);
	pthread_mutex_destroy(&pool->lock);
}

START_TEST(lookup_knows_where_a_buffer_ends)
{
	struct zcb_buffer buffer = ground_buffer(1, 100), next = ground_buffer(3, 100);
	struct zcb_pool pool;

	lookup_begin(&pool);
	ck_assert(zcb_buffer_add(&pool, &buffer));
	ck_assert(zcb_buffer_add(&pool, &next));
	ck_assert(is_in(&pool, buffer.start, 100));
	ck_assert(!is_in(&pool, buffer.start, 101));
	ck_assert(!is_in(&pool, buffer.start, SIZE_MAX));
	ck_assert(is_in(&pool, buffer.start, 0));
	ck_assert(is_in(&pool, buffer.start + 50, 50));
	ck_assert(!is_in(&pool, buffer.start + 50, 51));
	ck_assert(is_in(&pool, buffer.start + 99, 1));
	ck_assert(!is_in(&pool, buffer.start + 100, 1));
	ck_assert(!is_in(&pool, buffer.start + 100, 0));
	ck_assert(!is_in(&pool, buffer.start - 1, 2));
	ck_assert(!is_in(&pool, NULL, 0));
	ck_assert(!is_in(&pool, (void *)UINTPTR_MAX, SIZE_MAX));
	lookup_end(&pool);
}
END_TEST

START_TEST(lookup_forgets_what_was_freed)
{
	struct zcb_buffer buffer = ground_buffer(1, 1000), other = ground_buffer(1, 10);
	struct zcb_pool pool;
	size_t i;

	lookup_begin(&pool);
	ck_assert(zcb_buffer_add(&pool, &buffer));
	for (i = 0; i < 1000; i++) /* it is known at many an address */
		ck_assert(is_in(&pool, buffer.start + i, 1000 - i));
	zcb_buffer_remove(&pool, &buffer);
	for (i = 0; i < 1000; i++)
		ck_assert(!is_in(&pool, buffer.start + i, 1));
	ck_assert(zcb_buffer_add(&pool, &other)); /* smaller, at the same place */
	ck_assert(is_in(&pool, other.start, 10));
	ck_assert(!is_in(&pool, other.start, 11));
	lookup_end(&pool);
}
END_TEST

START_TEST(lookup_tells_many_apart)
{
	static struct zcb_buffer buffers[LINES];
	struct zcb_pool pool;
	size_t i, round;

	lookup_begin(&pool);
	for (i = 0; i < LINES; i++) {
		buffers[i] = ground_buffer(i, i + 1);
		ck_assert(zcb_buffer_add(&pool, &buffers[i]));
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < LINES; i++) {
			ck_assert(is_in(&pool, buffers[i].start, i + 1));
			ck_assert(!is_in(&pool, buffers[i].start, i + 2));
		}
	}
	for (i = 0; i < LINES; i += 2)
		zcb_buffer_remove(&pool, &buffers[i]);
	for (i = 0; i < LINES; i++)
		ck_assert(is_in(&pool, buffers[i].start, 1) == (i % 2 == 1));
	lookup_end(&pool);
}
END_TEST

/* Where no program of today gets memory, and where no buffer begins. */
START_TEST(lookup_finds_buffers_at_odd_places)
{
	struct zcb_buffer odd = {.start = ground + 1, .size = 100};
	struct zcb_buffer high = {.start = (uint8_t *)(UINTPTR_MAX / LINE * LINE - ATOMIC_MESSAGE_MAX),
				  .size = ATOMIC_MESSAGE_MAX};
	uint8_t *elsewhere = (uint8_t *)((uintptr_t)high.start & 0xffffffffffff);
	struct zcb_pool pool;
	size_t i;

	lookup_begin(&pool);
	ck_assert(zcb_buffer_add(&pool, &odd));
	ck_assert(zcb_buffer_add(&pool, &high));
	ck_assert(is_in(&pool, odd.start, 100));
	ck_assert(!is_in(&pool, ground, 100));
	ck_assert(is_in(&pool, high.start, ATOMIC_MESSAGE_MAX));
	ck_assert(!is_in(&pool, high.start, ATOMIC_MESSAGE_MAX + 1));
	for (i = 0; i < 100 * LINE; i += LINE)
		ck_assert(is_in(&pool, high.start + i, 1));
	for (i = 0; i < 100 * LINE; i += LINE)
		ck_assert(!is_in(&pool, elsewhere + i, 1));
	zcb_buffer_remove(&pool, &odd);
	zcb_buffer_remove(&pool, &high);
	ck_assert(!is_in(&pool, odd.start, 100));
	ck_assert(!is_in(&pool, high.start, 1));
	lookup_end(&pool);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("parts");

	tcase_add_checked_fixture(tcase, forget, NULL);
	tcase_add_test(tcase, handle_lives_until_last_reference);
	tcase_add_test(tcase, handle_of_another_kind_or_time_is_bad);
	tcase_add_test(tcase, handles_are_many);
	tcase_add_test(tcase, gather_reads_across_pieces);
	tcase_add_test(tcase, gather_refuses_nonsense);
	tcase_add_test(tcase, assembly_joins_fragments_by_sender);
	tcase_add_test(tcase, assembly_starts_anew_at_first);
	tcase_add_test(tcase, assembly_drops_what_does_not_fit);
	tcase_add_test(tcase, assembly_believes_no_length);
	tcase_add_test(tcase, assembly_forgets_who_left);
	tcase_add_test(tcase, pool_takes_the_largest_message);
	tcase_add_test(tcase, pool_never_overlaps);
	tcase_add_test(tcase, lookup_knows_where_a_buffer_ends);
	tcase_add_test(tcase, lookup_forgets_what_was_freed);
	tcase_add_test(tcase, lookup_tells_many_apart);
	tcase_add_test(tcase, lookup_finds_buffers_at_odd_places);
	tcase_set_timeout(tcase, 60);
	return run_case("lib_parts", tcase);
}
