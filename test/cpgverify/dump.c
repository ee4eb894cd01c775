/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdio.h>

#include "check.h"
#include "log_read.h"

static void print_addresses(const char *name, const struct address *at, uint32_t count)
{
	static const char *const reasons[] = {"", "/join", "/leave", "/nodedown", "/nodeup", "/procdown"};
	uint32_t i;

	printf(" %s", name);
	for (i = 0; i < count; i++)
		printf(" %u:%u%s", at[i].nodeid, at[i].pid, at[i].reason < 6 ? reasons[at[i].reason] : "/?");
}

static void print_view(const struct log_record *record)
{
	const struct address *at = record->addresses;

	printf("view");
	print_addresses("members", at, record->members);
	print_addresses("left", at + record->members, record->left);
	print_addresses("joined", at + record->members + record->left, record->joined);
	printf("\n");
}

static void print_ring(const struct log_record *record)
{
	uint32_t i;

	printf("ring %u.%" PRIu64 " nodes", record->nodeid, record->seq);
	for (i = 0; i < record->node_count; i++)
		printf(" %u", record->nodes[i]);
	printf("\n");
}

static void print_start(const struct log_record *record)
{
	printf("start node %u pid %u incarnation %016" PRIx64 " at %" PRIu64 ".%09" PRIu64 " group %.*s\n",
	       record->nodeid, record->pid, record->incarnation, record->count / 1000000000,
	       record->count % 1000000000, (int)record->size, record->group);
}

static void print_message(const char *name, const struct log_record *record)
{
	printf("%s %" PRIu64 " size %u digest %08x\n", name, record->seq, record->size, record->digest);
}

static void print_short(const struct log_record *record)
{
	switch (record->type) {
	case LOG_CORRUPT:
		printf("corrupt from %u:%u size %u\n", record->nodeid, record->pid, record->size);
		break;
	case LOG_ERROR:
		printf("error %u of call %u\n", record->code, record->call);
		break;
	case LOG_RETRY:
		printf("retries %" PRIu64 "\n", record->count);
		break;
	case LOG_DEAD:
		printf("daemon died\n");
		break;
	case LOG_END:
		printf("end %u\n", record->code);
		break;
	default:
		printf("joined\n");
		break;
	}
}

static void print_record(const struct log_record *record)
{
	switch (record->type) {
	case LOG_START:
		print_start(record);
		break;
	case LOG_VIEW:
		print_view(record);
		break;
	case LOG_RING:
		print_ring(record);
		break;
	case LOG_SENDER:
		printf("sender %u is %u:%u %016" PRIx64 "\n", record->ref, record->nodeid, record->pid,
		       record->incarnation);
		break;
	case LOG_DELIVER:
		printf("deliver from %u ", record->ref);
		print_message("message", record);
		break;
	case LOG_SENT:
		print_message("sent", record);
		break;
	case LOG_UNSURE:
		print_message("unsure", record);
		break;
	default:
		print_short(record);
		break;
	}
}

int dump_log(int argc, char **argv)
{
	struct log_reader reader;
	struct log_record record;
	enum log_status status;
	unsigned long size;
	const void *data;

	if (argc != 1) {
		fprintf(stderr, "cpgverify: dump LOG (see --help)\n");
		return 2;
	}
	if (map_log(argv[0], &data, &size) != 0)
		return 2;
	log_reader_init(&reader, data, size);
	while ((status = log_next(&reader, &record)) == LOG_RECORD)
		print_record(&record);
	if (status == LOG_TRUNCATED)
		printf("truncated at byte %zu\n", reader.offset);
	if (status == LOG_DAMAGED)
		fprintf(stderr, "cpgverify: %s: can't be used from byte %zu on: %s\n", argv[0], reader.offset,
			reader.error);
	log_reader_clear(&reader);
	unmap_log(data, size);
	return status == LOG_DAMAGED ? 2 : 0;
}
