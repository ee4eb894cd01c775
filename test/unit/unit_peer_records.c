/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of our own wire format are read in both byte orders, and lengths that lie are found out. */
#include <stdlib.h>

#include "test/unit/peer_golden.h"

static void check_head(const struct peer_head *head, uint8_t kind, size_t head_size, size_t size)
{
	ck_assert_uint_eq(head->magic, PEER_MAGIC);
	ck_assert_uint_eq(head->kind, kind);
	ck_assert_uint_eq(head->version, kind == PEER_BATCH ? 2 : 1);
	ck_assert_uint_eq(head->head_size, head_size);
	ck_assert_uint_eq(head->size, size);
	ck_assert_uint_eq(head->ring_nodeid, GOLDEN_RING_NODEID);
	ck_assert_uint_eq(head->ring_seq, GOLDEN_RING_SEQ);
}

/* A record of this kind and length comes next. */
static struct peer_bytes next_item(struct peer_bytes *bytes, uint8_t kind, uint8_t detail, size_t length)
{
	struct peer_item item;

	ck_assert(peer_record_next(bytes, &item));
	ck_assert_uint_eq(item.kind, kind);
	ck_assert_uint_eq(item.detail, detail);
	ck_assert_uint_eq(item.body.size, length);
	ck_assert(item.body.swapped == bytes->swapped);
	return item.body;
}

static void next_sender(struct peer_bytes *bytes, uint32_t pid)
{
	struct peer_bytes body = next_item(bytes, PEER_SENDER, 0, 9);

	ck_assert_uint_eq(peer_u32(&body, 0), pid);
	ck_assert_mem_eq(body.at + 4, "group", 5);
}

static void check_heard(const struct peer_bytes *body)
{
	size_t at = sizeof(struct peer_heard_ring);

	ck_assert_uint_eq(body->size, sizeof(struct peer_heard_ring) + sizeof(struct peer_heard));
	ck_assert_uint_eq(peer_u64(body, offsetof(struct peer_heard_ring, seq)), GOLDEN_RING_SEQ);
	ck_assert_uint_eq(peer_u32(body, offsetof(struct peer_heard_ring, nodeid)), GOLDEN_RING_NODEID);
	ck_assert_uint_eq(peer_u64(body, at + offsetof(struct peer_heard, next_number)), 5);
	ck_assert_uint_eq(peer_u32(body, at + offsetof(struct peer_heard, nodeid)), 2);
}

/* What it says of others is in its body. */
static void check_announce(const struct golden *golden, bool swapped, uint64_t next, uint32_t flags)
{
	struct block block = block_of(golden, swapped, golden->size);
	struct peer_head head;
	struct peer_bytes body;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_ANNOUNCE, 40, (uint32_t)golden->size);
	ck_assert_uint_eq(peer_u64(&block.bytes, offsetof(struct peer_announce, next_number)), next);
	ck_assert_uint_eq(block.bytes.at[offsetof(struct peer_announce, version_min)], 2);
	ck_assert_uint_eq(block.bytes.at[offsetof(struct peer_announce, version_max)], 2);
	ck_assert_uint_eq(peer_u32(&block.bytes, offsetof(struct peer_announce, flags)), flags);
	body = peer_body(&head, &block.bytes);
	if (golden == &golden_gone) {
		check_heard(&body);
	} else {
		ck_assert_uint_eq(body.size, 0);
	}
	free(block.memory);
}

/* Its records. The caller frees the block. */
static struct peer_bytes check_batch(struct block *block, const struct golden *golden, bool swapped,
				     uint64_t number)
{
	struct peer_bytes records;
	struct peer_head head;

	*block = block_of(golden, swapped, golden->size);
	ck_assert(peer_head_read(&head, &block->bytes));
	check_head(&head, PEER_BATCH, 32, golden->size);
	ck_assert_uint_eq(peer_u64(&block->bytes, offsetof(struct peer_batch, number)), number);
	records = peer_body(&head, &block->bytes);
	ck_assert(peer_batch_end_read(&records, number));
	return records;
}

static void check_no_more(struct block *block, struct peer_bytes *records)
{
	struct peer_item item;

	ck_assert(!peer_record_next(records, &item));
	ck_assert_uint_eq(records->size, 0);
	free(block->memory);
}

static void check_messages(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &golden_messages, swapped, 2);
	next_sender(&records, GOLDEN_PID);
	body = next_item(&records, PEER_MESSAGE, 0, 5);
	ck_assert_mem_eq(body.at, "hello", 5);
	(void)next_item(&records, PEER_MESSAGE, 0, 0);
	body = next_item(&records, PEER_MESSAGE, 0, 8);
	ck_assert_mem_eq(body.at, "12345678", 8);
	(void)next_item(&records, PEER_LEAVE, 2, 0);
	check_no_more(&block, &records);
}

static void check_fragment(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &golden_fragment, swapped, 4);
	next_sender(&records, GOLDEN_PID);
	body = next_item(&records, PEER_FRAGMENT, 0, 11);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_fragment, msglen)), 6);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_fragment, type)), IPC_FRAGMENT_FIRST);
	ck_assert_mem_eq(body.at + 8, "abc", 3);
	check_no_more(&block, &records);
}

static void check_present(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &golden_present, swapped, 7);
	body = next_item(&records, PEER_PRESENT, 0, 32);
	ck_assert_uint_eq(peer_u64(&body, offsetof(struct peer_present, number)), 6);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_present, nodeid)), 1);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_present, last)), 1);
	ck_assert_uint_eq(peer_u32(&body, 16), GOLDEN_PID);
	ck_assert_uint_eq(peer_u32(&body, 20), 5);
	ck_assert_mem_eq(body.at + 24, "group", 5);
	check_no_more(&block, &records);
}

/* Those whose records say all by their kind. */
static void check_short_batches(bool swapped)
{
	struct peer_bytes records;
	struct block block;

	records = check_batch(&block, &golden_join, swapped, 1);
	next_sender(&records, GOLDEN_PID);
	(void)next_item(&records, PEER_JOIN, 0, 0);
	check_no_more(&block, &records);
	records = check_batch(&block, &golden_behind, swapped, 5);
	next_sender(&records, 0);
	(void)next_item(&records, PEER_BEHIND, 1, 0);
	check_no_more(&block, &records);
	records = check_batch(&block, &golden_missed, swapped, 6);
	(void)next_item(&records, PEER_MISSED, 0, 0);
	check_no_more(&block, &records);
}

static void check_repeat(bool swapped)
{
	struct block block = block_of(&golden_repeat, swapped, golden_repeat.size);
	struct peer_bytes records;
	struct peer_head head;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_REPEAT, 24, 56);
	records = peer_body(&head, &block.bytes);
	next_sender(&records, GOLDEN_PID);
	(void)next_item(&records, PEER_LEAVE, 5, 0);
	check_no_more(&block, &records);
}

static void check_news(bool swapped)
{
	struct block block = block_of(&golden_news, swapped, golden_news.size);
	struct peer_bytes records, body;
	struct peer_head head;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_NEWS, 32, 80);
	ck_assert_uint_eq(peer_u32(&block.bytes, offsetof(struct peer_news, stage)), PEER_NEWS_LAST);
	ck_assert_uint_eq(peer_u32(&block.bytes, offsetof(struct peer_news, round)), 1);
	records = peer_body(&head, &block.bytes);
	body = next_item(&records, PEER_NODE, 0, 4);
	ck_assert_uint_eq(peer_u32(&body, 0), 3);
	next_sender(&records, GOLDEN_PID);
	(void)next_item(&records, PEER_LEAVE, 5, 0);
	check_no_more(&block, &records);
}

static void check_reading(bool swapped)
{
	struct block block = block_of(&golden_mark, swapped, golden_mark.size);
	struct peer_head head;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_MARK, 24, 24);
	free(block.memory);
	check_announce(&golden_announce, swapped, 1, 0);
	check_announce(&golden_gone, swapped, 8, PEER_ANNOUNCE_MISSED);
	check_messages(swapped);
	check_fragment(swapped);
	check_present(swapped);
	check_short_batches(swapped);
	check_repeat(swapped);
	check_news(swapped);
}

START_TEST(what_is_read_in_both_byte_orders)
{
	check_reading(false);
	check_reading(true);
}
END_TEST

/* ---- lengths that lie ---- */

/* A batch of 64 bytes with one field changed. */
START_TEST(heads_are_checked)
{
	static const struct {
		size_t offset, width;
		uint64_t value;
		bool good;
	} cases[] = {
		{0, 4, 0x43504758, false},
		{0, 4, 0, false},
		{0, 4, 0x57475043, false},
		{4, 1, 0, false},
		{4, 1, 6, false},
		{4, 1, 255, false},
		{4, 1, PEER_REPEAT, false}, /* in a version that it never has, */
		{4, 1, PEER_MARK, false},   /* as here */
		{4, 1, PEER_ANNOUNCE, false},
		{4, 1, PEER_NEWS, false},
		{5, 1, 0, false},
		{5, 1, 1, false},
		{5, 1, 3, false},
		{5, 1, 255, false},
		{6, 2, 0, false},
		{6, 2, 24, false},
		{6, 2, 31, false},
		{6, 2, 32, true},
		{6, 2, 33, false},
		{6, 2, 36, false},
		{6, 2, 40, true},
		{6, 2, 72, true},
		{6, 2, 80, false},
		{6, 2, 0xfff8, false},
		{6, 2, 0x2000, false},
		{8, 4, 0, false},
		{8, 4, 24, false},
		{8, 4, 31, false},
		{8, 4, 32, false},
		{8, 4, 71, false},
		{8, 4, 72, true},
		{8, 4, 73, false},
		{8, 4, 0x40000000, false},
		{8, 4, 0xffffffff, false},
	};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&golden_join, swapped, golden_join.size);
			struct peer_head head;

			put_field(&block, cases[i].offset, cases[i].width, cases[i].value);
			ck_assert_msg(peer_head_read(&head, &block.bytes) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			free(block.memory);
		}
	}
}
END_TEST

START_TEST(what_did_not_all_arrive_is_none)
{
	static const struct golden *const all[] = {&golden_announce, &golden_mark,     &golden_join,
						   &golden_messages, &golden_fragment, &golden_behind,
						   &golden_missed,   &golden_present,  &golden_repeat,
						   &golden_news,     &golden_gone};
	struct peer_head head;
	size_t i, size;
	int swapped;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size = 0; size < 2 * all[i]->size; size++) {
			swapped = (int)(size / all[i]->size);
			struct block block = block_of(all[i], swapped, size % all[i]->size);

			ck_assert(!peer_head_read(&head, &block.bytes));
			free(block.memory);
		}
	}
}
END_TEST

/* What a later version adds to a head is skipped. */
START_TEST(longer_heads)
{
	struct block block = block_of(&golden_messages, false, golden_messages.size);
	struct peer_bytes records;
	struct peer_head head;

	put_field(&block, 6, 2, 96); /* without its SENDER and messages */
	ck_assert(peer_head_read(&head, &block.bytes));
	records = peer_body(&head, &block.bytes);
	ck_assert(peer_batch_end_read(&records, 2));
	(void)next_item(&records, PEER_LEAVE, 2, 0);
	check_no_more(&block, &records);
	block = block_of(&golden_repeat, false, golden_repeat.size);
	put_field(&block, 6, 2, 48);
	ck_assert(peer_head_read(&head, &block.bytes));
	records = peer_body(&head, &block.bytes);
	(void)next_item(&records, PEER_LEAVE, 5, 0);
	check_no_more(&block, &records);
	block = block_of(&golden_announce, false, golden_announce.size);
	put_field(&block, 6, 2, 32);
	ck_assert(!peer_head_read(&head, &block.bytes)); /* one that is shorter */
	free(block.memory);
}
END_TEST

START_TEST(ends_are_checked)
{
	static const struct {
		size_t size;
		uint64_t number;
		bool good;
	} cases[] = {{8, 7, true},	     {24, 7, true}, {8, 8, false},
		     {8, 7ull << 32, false}, {7, 7, false}, {0, 7, false}};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&golden_mark, swapped, cases[i].size);

			if (cases[i].size >= 8) {
				put_field(&block, cases[i].size - 8, 8, cases[i].number);
			}
			ck_assert_msg(peer_batch_end_read(&block.bytes, 7) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			ck_assert(!cases[i].good || block.bytes.size == cases[i].size - 8);
			free(block.memory);
		}
	}
}
END_TEST

START_TEST(records_are_checked)
{
	static const struct {
		size_t arrived;
		uint32_t length;
		bool good;
	} cases[] = {
		{0, 0, false},		 {7, 0, false},		  {8, 0, true},
		{15, 0, true},		 {8, 1, false},		  {15, 1, false},
		{16, 1, true},		 {16, 7, true},		  {15, 7, false},
		{16, 8, true},		 {16, 9, false},	  {23, 9, false},
		{24, 9, true},		 {24, 16, true},	  {24, 17, false},
		{24, 0x01000000, false}, {24, 0x7fffffff, false}, {24, 0x80000000, false},
		{24, 0xfffffff0, false}, {24, 0xfffffff8, false}, {24, 0xfffffff9, false},
		{24, 0xffffffff, false},
	};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&golden_mark, swapped, cases[i].arrived);
			struct peer_item item;

			if (cases[i].arrived >= 8) {
				put_field(&block, 4, 4, cases[i].length);
			}
			ck_assert_msg(peer_record_next(&block.bytes, &item) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			ck_assert(!cases[i].good || item.body.size == cases[i].length);
			free(block.memory);
		}
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_read_in_both_byte_orders,
		heads_are_checked,
		what_did_not_all_arrive_is_none,
		longer_heads,
		ends_are_checked,
		records_are_checked,
	};

	return RUN_TESTS("peer records", tests);
}
