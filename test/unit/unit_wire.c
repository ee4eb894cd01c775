/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Golden vectors of stock's wire format: what each message looks like byte by byte in both byte orders, that
 * conversion turns one into the other and touches no payload, and that malformed ones hurt nobody.
 */
#include <byteswap.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/engine_fixture.h"

#define MESSAGE_MAX 4096

/* A message under construction: every byte is 0 unless put. */
struct vector {
	uint8_t bytes[MESSAGE_MAX] IPC_ALIGNED;
	bool other; /* in the other byte order */
};

static void put_u32(struct vector *vector, size_t offset, uint32_t value)
{
	value = vector->other ? bswap_32(value) : value;
	memcpy(vector->bytes + offset, &value, sizeof(value));
}

static void put_u64(struct vector *vector, size_t offset, uint64_t value)
{
	value = vector->other ? bswap_64(value) : value;
	memcpy(vector->bytes + offset, &value, sizeof(value));
}

static void put_text(struct vector *vector, size_t offset, const char *text)
{
	memcpy(vector->bytes + offset, text, strlen(text));
}

static void put_header(struct vector *vector, uint32_t function, uint32_t size)
{
	put_u32(vector, 0, 2u << 16 | function);
	put_u32(vector, 8, size);
}

/* Offsets here are the contract, written down once more on purpose. */

static size_t vector_procjoin(struct vector *vector)
{
	put_header(vector, 0, 168);
	put_u32(vector, 16, 5);
	put_text(vector, 24, "group");
	put_u32(vector, 152, 0x01020304);
	put_u32(vector, 160, 1);
	return 168;
}

static size_t vector_procleave(struct vector *vector)
{
	put_header(vector, 1, 168);
	put_u32(vector, 16, 5);
	put_text(vector, 24, "group");
	put_u32(vector, 152, 0x01020304);
	put_u32(vector, 160, 2);
	return 168;
}

static size_t vector_joinlist(struct vector *vector)
{
	put_header(vector, 2, 24 + 2 * 144);
	put_u32(vector, 16, 1);
	put_u32(vector, 24, 0x01020304);
	put_u32(vector, 32, 3);
	put_text(vector, 40, "one");
	put_u32(vector, 168, 0x05060708);
	put_u32(vector, 176, 3);
	put_text(vector, 184, "two");
	return 24 + 2 * 144;
}

static size_t vector_mcast(struct vector *vector)
{
	put_header(vector, 3, 184 + 8);
	put_u32(vector, 16, 5);
	put_text(vector, 24, "group");
	put_u32(vector, 152, 8);
	put_u32(vector, 160, 0x01020304);
	put_u32(vector, 168, 7);
	put_u64(vector, 176, 0x1122334455667788);
	put_text(vector, 184, "\1\2\3\4\5\6\7\10");
	return 184 + 8;
}

static size_t vector_downlist_old(struct vector *vector)
{
	put_header(vector, 4, 16 + 8);
	put_text(vector, 16, "whatever");
	return 16 + 8;
}

static size_t vector_downlist(struct vector *vector)
{
	put_header(vector, 5, 1568);
	put_u32(vector, 16, 3);
	put_u32(vector, 24, 2);
	put_u32(vector, 32, 0x01020304);
	put_u32(vector, 36, 0x05060708);
	put_u32(vector, 32 + 383 * 4, 0x090a0b0c);
	return 1568;
}

static size_t vector_partial(struct vector *vector)
{
	put_header(vector, 6, 200 + 3);
	put_u32(vector, 16, 5);
	put_text(vector, 24, "group");
	put_u32(vector, 152, 100);
	put_u32(vector, 160, 3);
	put_u32(vector, 168, 0x01020304);
	put_u32(vector, 176, 2);
	put_u32(vector, 184, 7);
	put_u64(vector, 192, 0x1122334455667788);
	put_text(vector, 200, "abc");
	return 200 + 3;
}

static size_t (*const vectors[WIRE_FUNCTION_COUNT])(struct vector *) = {
	vector_procjoin,     vector_procleave, vector_joinlist, vector_mcast,
	vector_downlist_old, vector_downlist,  vector_partial,
};

START_TEST(conversion_makes_one_order_of_the_other)
{
	unsigned int function;

	for (function = 0; function < WIRE_FUNCTION_COUNT; function++) {
		struct vector host = {.other = false}, other = {.other = true};
		size_t size = vectors[function](&host);

		(void)vectors[function](&other);
		ck_assert_mem_ne(host.bytes, other.bytes, size);
		engine_convert(function, other.bytes);
		ck_assert_mem_eq(host.bytes, other.bytes, MESSAGE_MAX);
	}
}
END_TEST

START_TEST(conversion_needs_no_alignment)
{
	unsigned int function;

	for (function = 0; function < WIRE_FUNCTION_COUNT; function++) {
		struct vector host = {.other = false}, other = {.other = true};
		uint8_t odd[MESSAGE_MAX + 1];
		size_t size = vectors[function](&host);

		(void)vectors[function](&other);
		memcpy(odd + 1, other.bytes, MESSAGE_MAX);
		engine_convert(function, odd + 1);
		ck_assert_mem_eq(host.bytes, odd + 1, size);
	}
}
END_TEST

/* A heap block of exactly `size` bytes, so that a sanitizer sees the first byte too many. */
static uint8_t *exactly(const struct vector *vector, size_t size)
{
	uint8_t *bytes = malloc(size);

	ck_assert_ptr_nonnull(bytes);
	memcpy(bytes, vector->bytes, size);
	return bytes;
}

START_TEST(delivery_needs_no_alignment)
{
	struct fixture *fixture = fixture_new(NULL);
	struct engine_stats stats;
	unsigned int function;

	transitional(fixture, (const uint32_t[]){0});
	sync_begin(fixture, (const uint32_t[]){SELF, 0}, (const uint32_t[]){SELF, 2, 0});
	for (function = 0; function < WIRE_FUNCTION_COUNT; function++) {
		struct vector vector = {.other = false};
		uint8_t odd[MESSAGE_MAX + 1];

		(void)vectors[function](&vector);
		memcpy(odd + 1, vector.bytes, MESSAGE_MAX);
		engine_message(fixture->engine, function, odd + 1, 2);
	}
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 0);
	fixture_free(fixture);
}
END_TEST

START_TEST(conversion_believes_no_size)
{
	static const uint32_t sizes[] = {0, 15, 16, 23, 24, 25, UINT32_MAX, 0x80000000};
	unsigned int function;
	size_t i;

	for (function = 0; function < WIRE_FUNCTION_COUNT; function++) {
		for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct vector vector = {.other = true};
			uint8_t *bytes;

			put_header(&vector, function, sizes[i]);
			bytes = exactly(&vector, sizes[i] > 16 && sizes[i] <= 25 ? sizes[i] : 16);
			engine_convert(function, bytes);
			free(bytes);
		}
	}
}
END_TEST

START_TEST(what_we_send_is_what_stock_sends)
{
	struct fixture *fixture = fixture_new(NULL);
	struct peer *peer = peer_new(fixture, 0x01020304);
	struct vector vector = {.other = false};
	struct packet *packet;

	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_OK);
	packet = take(&fixture->multicasts);
	ck_assert_uint_eq(packet->size, vector_procjoin(&vector));
	ck_assert_mem_eq(packet->data, vector.bytes, packet->size);
	engine_message(fixture->engine, WIRE_PROCJOIN, packet->data, SELF);
	free(packet);

	memset(&vector, 0, sizeof(vector));
	request_mcast(fixture, peer, "\1\2\3\4\5\6\7\10");
	packet = take(&fixture->multicasts);
	ck_assert_uint_eq(packet->size, vector_mcast(&vector));
	put_u32(&vector, 168, SELF);
	put_u64(&vector, 176, 0);
	ck_assert_mem_eq(packet->data, vector.bytes, packet->size);
	free(packet);

	memset(&vector, 0, sizeof(vector));
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_OK);
	packet = take(&fixture->multicasts);
	ck_assert_uint_eq(packet->size, vector_procleave(&vector));
	ck_assert_mem_eq(packet->data, vector.bytes, packet->size);
	free(packet);
	fixture_free(fixture);
}
END_TEST

START_TEST(malformed_messages_are_dropped)
{
	struct fixture *fixture = fixture_new(NULL);
	struct engine_stats before, after;
	unsigned int function;
	uint32_t size;

	engine_stats(fixture->engine, &before);
	for (function = 0; function < WIRE_FUNCTION_COUNT; function++) {
		size_t least = function == WIRE_DOWNLIST_OLD	? 0
			       : function == WIRE_JOINLIST	? 24
			       : function == WIRE_MCAST		? 184
			       : function == WIRE_DOWNLIST	? 1568
			       : function == WIRE_PARTIAL_MCAST ? 200
								: 168;

		for (size = 16; size < least; size += 8) {
			struct vector vector = {.other = false};
			uint8_t *bytes;

			put_header(&vector, function, size);
			bytes = exactly(&vector, size);
			engine_message(fixture->engine, function, bytes, 2);
			free(bytes);
			before.bad_messages++;
		}
	}
	engine_stats(fixture->engine, &after);
	ck_assert_uint_eq(after.bad_messages, before.bad_messages);
	ck_assert_uint_eq(after.members, 0);
	ck_assert_uint_eq(fixture->log_lines, 1); /* said once per node */
	fixture_free(fixture);
}
END_TEST

/* One field of a good message made bad: dropped. */
static void check_bad_field(size_t (*make)(struct vector *), unsigned int function, size_t offset,
			    uint32_t value)
{
	struct fixture *fixture = fixture_new(NULL);
	struct vector vector = {.other = false};
	struct engine_stats stats;
	size_t size = make(&vector);
	uint8_t *bytes;

	put_u32(&vector, offset, value);
	bytes = exactly(&vector, size);
	engine_message(fixture->engine, function, bytes, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 1);
	free(bytes);
	fixture_free(fixture);
}

START_TEST(lengths_that_lie_are_dropped)
{
	check_bad_field(vector_procjoin, WIRE_PROCJOIN, 16, 129);
	check_bad_field(vector_procleave, WIRE_PROCLEAVE, 16, UINT32_MAX);
	check_bad_field(vector_mcast, WIRE_MCAST, 16, 129);
	check_bad_field(vector_mcast, WIRE_MCAST, 152, 9);
	check_bad_field(vector_mcast, WIRE_MCAST, 152, UINT32_MAX);
	check_bad_field(vector_partial, WIRE_PARTIAL_MCAST, 16, 129);
	check_bad_field(vector_partial, WIRE_PARTIAL_MCAST, 160, 4);
	check_bad_field(vector_partial, WIRE_PARTIAL_MCAST, 152, 2);
	check_bad_field(vector_partial, WIRE_PARTIAL_MCAST, 176, 0);
	check_bad_field(vector_partial, WIRE_PARTIAL_MCAST, 176, 4);
	check_bad_field(vector_joinlist, WIRE_JOINLIST, 8, 24 + 143);
	check_bad_field(vector_mcast, WIRE_MCAST, 8, TOTEM_MESSAGE_SIZE_MAX + 1);
}
END_TEST

START_TEST(a_bad_entry_spoils_no_joinlist)
{
	struct fixture *fixture = fixture_new(NULL);
	struct vector vector = {.other = false};
	struct engine_stats stats;

	(void)vector_joinlist(&vector);
	put_u32(&vector, 32, 129);
	transitional(fixture, (const uint32_t[]){0});
	sync_begin(fixture, (const uint32_t[]){SELF, 0}, (const uint32_t[]){SELF, 2, 0});
	engine_message(fixture->engine, WIRE_JOINLIST, vector.bytes, 2);
	sync_own(fixture);
	sync_end(fixture);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, 1);
	ck_assert_uint_eq(stats.groups, 1);
	ck_assert_uint_eq(stats.bad_messages, 1);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		conversion_makes_one_order_of_the_other,
		conversion_needs_no_alignment,
		delivery_needs_no_alignment,
		conversion_believes_no_size,
		what_we_send_is_what_stock_sends,
		malformed_messages_are_dropped,
		lengths_that_lie_are_dropped,
		a_bad_entry_spoils_no_joinlist,
	};

	return RUN_TESTS("wire", tests);
}
