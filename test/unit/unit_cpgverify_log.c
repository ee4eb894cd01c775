/* SPDX-License-Identifier: BSD-3-Clause */
/* test/cpgverify/log_*.c and message.c: what was written is read, what was changed is noticed. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test/cpgverify/bytes.h"
#include "test/cpgverify/digest.h"
#include "test/cpgverify/log_read.h"
#include "test/cpgverify/log_write.h"
#include "test/cpgverify/message.h"
#include "test/cpgverify/verify.h"

#define LOG_ROOM 4096

static const struct address addresses[] = {{1, 101, 0}, {2, 102, 0}, {3, 103, 3}, {2, 102, 1}};
static const uint32_t nodes[] = {1, 2, 4000000000u};

static const struct log_record records[] = {
	{.type = LOG_START,
	 .nodeid = 2,
	 .pid = 102,
	 .incarnation = UINT64_MAX,
	 .count = 5,
	 .group = "gr",
	 .size = 2},
	{.type = LOG_JOINED},
	{.type = LOG_VIEW, .addresses = addresses, .members = 2, .left = 1, .joined = 1},
	{.type = LOG_RING, .nodeid = 1, .seq = 1ull << 40, .nodes = nodes, .node_count = 3},
	{.type = LOG_SENDER, .ref = 0, .nodeid = 1, .pid = 101, .incarnation = 7},
	{.type = LOG_DELIVER, .ref = 0, .seq = 1ull << 33, .digest = 0xfedcba98, .size = 77},
	{.type = LOG_CORRUPT, .nodeid = 9, .pid = 8, .size = 7},
	{.type = LOG_SENT, .seq = 3, .digest = 4, .size = 5},
	{.type = LOG_UNSURE, .seq = 6, .digest = 7, .size = 8},
	{.type = LOG_ERROR, .call = LOG_CALL_MCAST, .code = 12},
	{.type = LOG_RETRY, .count = 1000},
	{.type = LOG_DEAD, .code = 2},
	{.type = LOG_START, .nodeid = 2, .pid = 103, .incarnation = 1, .count = 6, .group = "gr", .size = 2},
	{.type = LOG_END, .code = LOG_END_UNDRAINED},
};

#define RECORD_COUNT (sizeof(records) / sizeof(records[0]))

/* Writes a log with all kinds of records and returns its bytes. */
static size_t make_log(uint8_t *bytes)
{
	const char *directory = getenv("TMPDIR");
	struct log_writer *writer = NULL;
	char name[256];
	size_t i;
	ssize_t size;
	int fd;

	snprintf(name, sizeof(name), "%s/cpgverify-log-%d", directory == NULL ? "/tmp" : directory, getpid());
	ck_assert_int_eq(log_create(name), 0);
	ck_assert_int_eq(log_create(name), -EEXIST);
	ck_assert_int_eq(log_open(name, &writer), 0);
	for (i = 0; i < RECORD_COUNT; i++)
		log_append(writer, &records[i]);
	ck_assert_int_eq(log_close(writer), 0);
	fd = open(name, O_RDONLY);
	size = read(fd, bytes, LOG_ROOM);
	close(fd);
	unlink(name);
	ck_assert_int_gt(size, 0);
	ck_assert_int_lt(size, LOG_ROOM);
	return (size_t)size;
}

static void compare_lists(const struct log_record *got, const struct log_record *want)
{
	uint32_t count = want->members + want->left + want->joined;

	ck_assert_uint_eq(got->members, want->members);
	ck_assert_uint_eq(got->left, want->left);
	ck_assert_uint_eq(got->joined, want->joined);
	ck_assert_uint_eq(got->node_count, want->node_count);
	if (count > 0)
		ck_assert_mem_eq(got->addresses, want->addresses, count * sizeof(struct address));
	if (want->node_count > 0)
		ck_assert_mem_eq(got->nodes, want->nodes, want->node_count * sizeof(uint32_t));
	if (want->group != NULL)
		ck_assert_mem_eq(got->group, want->group, want->size);
}

static void compare_record(const struct log_record *got, const struct log_record *want)
{
	ck_assert_int_eq(got->type, want->type);
	ck_assert_uint_eq(got->nodeid, want->nodeid);
	ck_assert_uint_eq(got->pid, want->pid);
	ck_assert_uint_eq(got->incarnation, want->incarnation);
	ck_assert_uint_eq(got->seq, want->seq);
	ck_assert_uint_eq(got->ref, want->ref);
	ck_assert_uint_eq(got->digest, want->digest);
	ck_assert_uint_eq(got->size, want->size);
	ck_assert_uint_eq(got->call, want->call);
	ck_assert_uint_eq(got->code, want->code);
	ck_assert_uint_eq(got->count, want->count);
	compare_lists(got, want);
}

/* Reads to the end in a copy of exactly this size, so that a sanitizer sees one byte too many. */
static enum log_status read_all(const uint8_t *bytes, size_t size, size_t *count)
{
	struct log_reader reader;
	struct log_record record;
	enum log_status status;
	uint8_t *copy = malloc(size == 0 ? 1 : size);

	memcpy(copy, bytes, size);
	log_reader_init(&reader, copy, size);
	for (*count = 0; (status = log_next(&reader, &record)) == LOG_RECORD; ++*count)
		;
	ck_assert_int_eq(reader.error != NULL, status == LOG_DAMAGED);
	log_reader_clear(&reader);
	free(copy);
	return status;
}

START_TEST(written_is_read)
{
	uint8_t bytes[LOG_ROOM];
	size_t i, size = make_log(bytes);
	struct log_reader reader;
	struct log_record record;

	log_reader_init(&reader, bytes, size);
	for (i = 0; i < RECORD_COUNT; i++) {
		ck_assert_int_eq(log_next(&reader, &record), LOG_RECORD);
		compare_record(&record, &records[i]);
	}
	ck_assert_int_eq(log_next(&reader, &record), LOG_DONE);
	log_reader_clear(&reader);
}
END_TEST

/* Cut anywhere: never damaged, and never a record that was not there. */
START_TEST(truncated_is_normal)
{
	uint8_t bytes[LOG_ROOM];
	size_t cut, count, whole = 0, size = make_log(bytes);
	enum log_status status;

	for (cut = 0; cut < size; cut++) {
		status = read_all(bytes, cut, &count);
		ck_assert(status == LOG_TRUNCATED || (status == LOG_DONE && cut >= LOG_MAGIC_SIZE));
		ck_assert_uint_lt(count, RECORD_COUNT);
		whole += status == LOG_DONE;
	}
	ck_assert_uint_eq(whole, RECORD_COUNT);
}
END_TEST

START_TEST(zeroes_at_the_end_are_normal)
{
	uint8_t bytes[LOG_ROOM] = {0};
	size_t count, size = make_log(bytes);

	memset(bytes + size, 0, LOG_ROOM - size);
	ck_assert_int_eq(read_all(bytes, size + 3, &count), LOG_TRUNCATED);
	ck_assert_int_eq(read_all(bytes, LOG_ROOM, &count), LOG_TRUNCATED);
	ck_assert_uint_eq(count, RECORD_COUNT);
	bytes[LOG_ROOM - 1] = 1;
	ck_assert_int_eq(read_all(bytes, LOG_ROOM, &count), LOG_DAMAGED);
}
END_TEST

/* Any changed byte is noticed. */
START_TEST(changed_is_damaged)
{
	uint8_t bytes[LOG_ROOM];
	size_t at, count, size = make_log(bytes);
	unsigned int bit;

	for (at = 0; at < size; at++)
		for (bit = 0; bit < 8; bit++) {
			bytes[at] ^= (uint8_t)(1u << bit);
			ck_assert_int_eq(read_all(bytes, size, &count), LOG_DAMAGED);
			bytes[at] ^= (uint8_t)(1u << bit);
		}
}
END_TEST

static size_t seal(uint8_t *at, uint32_t type, const uint8_t *body, uint32_t length)
{
	memmove(at + LOG_HEADER, body, length);
	put32(at + 4, length | type << 24);
	put32(at, log_check(at + 4, 4));
	put32(at + 8, log_check(at + LOG_HEADER, length));
	return LOG_HEADER + length;
}

/* Garbage with right checksums, as somebody could make it: read and verified without harm. */
START_TEST(sealed_garbage)
{
	uint8_t bytes[LOG_ROOM], body[64];
	struct verify_options options = {.stock = true};
	struct verify_result result;
	struct report report = {0};
	struct history history;
	struct log_reader reader;
	struct log_record record;
	uint32_t round, state = 7, i;
	size_t size;

	make_log(bytes);
	for (round = 0; round < 20000; round++) {
		size = LOG_MAGIC_SIZE + LOG_HEADER + 30; /* magic and START of a good log */
		while (size < LOG_ROOM - 128) {
			for (i = 0; i < sizeof(body); i++) {
				state = state * 1664525u + 1013904223u;
				body[i] = i % 4 == 0 ? (uint8_t)(state >> 24) % 4 : state >> 30 == 0 ? 1 : 0;
			}
			state = state * 1664525u + 1013904223u;
			size += seal(bytes + size, (state >> 10) % 16, body, (state >> 16) % 9 * 4);
		}
		history_init(&history, &report);
		log_reader_init(&reader, bytes, size);
		while (log_next(&reader, &record) == LOG_RECORD)
			if (history_record(&history, 0, &record) != NULL)
				break;
		history_verify(&history, &options, &result);
		history_clear(&history);
		log_reader_clear(&reader);
	}
}
END_TEST

/* Builds it, in exactly this size, and reads it back. */
static void round_trip(const struct message *message, uint32_t size)
{
	struct message sent = *message, got;
	uint8_t *buffer = malloc(size);

	ck_assert_uint_eq(message_size(&sent), size);
	message_build(buffer, &sent);
	ck_assert_int_eq(message_check(buffer, size, &got), 0);
	ck_assert_uint_eq(got.incarnation, sent.incarnation);
	ck_assert_uint_eq(got.seq, sent.seq);
	ck_assert_uint_eq(got.payload, sent.payload);
	ck_assert_uint_eq(got.flags, sent.flags);
	ck_assert_uint_eq(got.digest, sent.digest);
	free(buffer);
}

START_TEST(message_round_trip)
{
	struct message message = {.incarnation = INCARNATION_LIMIT - 3, .seq = 6, .payload = 1001};

	ck_assert_int_eq(digest_open(), 0);
	for (message.flags = 0; message.flags <= MESSAGE_LAST; message.flags++) {
		message.seq = 6;
		message.payload = 1001;
		round_trip(&message, MESSAGE_HEADER + 1001);
		message.payload = 48;
		round_trip(&message, MESSAGE_HEADER + 48);
		message.payload = 47;
		round_trip(&message, MESSAGE_SMALL_HEADER + 47);
		message.payload = 0;
		round_trip(&message, MESSAGE_SMALL_HEADER);
		message.seq = UINT32_MAX / 2;
		round_trip(&message, MESSAGE_SMALL_HEADER);
		message.seq++;
		round_trip(&message, MESSAGE_HEADER);
	}
	digest_close();
}
END_TEST

/* In memory of exactly this size, so that a sanitizer sees one byte too many. */
static int check_copy(const uint8_t *bytes, size_t size)
{
	struct message got;
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	int result;

	memcpy(copy, bytes, size);
	result = message_check(copy, size, &got);
	free(copy);
	return result;
}

static void change_all(uint32_t payload)
{
	struct message sent = {.incarnation = 5, .seq = 6, .payload = payload};
	uint8_t buffer[MESSAGE_HEADER + 100];
	size_t i, size = message_size(&sent);

	message_build(buffer, &sent);
	for (i = 0; i < size; i++) {
		ck_assert_int_eq(check_copy(buffer, i), -1);
		buffer[i] ^= 1;
		ck_assert_int_eq(check_copy(buffer, size), -1);
		buffer[i] ^= 1;
	}
	ck_assert_int_eq(check_copy(buffer, size), 0);
}

START_TEST(message_changed)
{
	ck_assert_int_eq(digest_open(), 0);
	change_all(100);
	change_all(30);
	change_all(0);
	digest_close();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cpgverify_log");
	TCase *log = tcase_create("log"), *message = tcase_create("message");
	SRunner *runner;
	int failed;

	tcase_add_test(log, written_is_read);
	tcase_add_test(log, truncated_is_normal);
	tcase_add_test(log, zeroes_at_the_end_are_normal);
	tcase_add_test(log, changed_is_damaged);
	tcase_add_test(log, sealed_garbage);
	tcase_set_timeout(log, 120);
	suite_add_tcase(suite, log);
	tcase_add_test(message, message_round_trip);
	tcase_add_test(message, message_changed);
	suite_add_tcase(suite, message);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
