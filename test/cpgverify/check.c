/* SPDX-License-Identifier: BSD-3-Clause */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_read.h"
#include "verify.h"

int map_log(const char *name, const void **data, unsigned long *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat status;

	*data = "";
	*size = 0;
	if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
		*size = (unsigned long)status.st_size;
		*data = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (fd < 0 || *data == MAP_FAILED) {
		fprintf(stderr, "cpgverify: %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

void unmap_log(const void *data, unsigned long size)
{
	if (size > 0)
		munmap((void *)(uintptr_t)data, size);
}

/* Reads one log into the history. Returns 0, or -1 after a message. */
static int load(struct history *history, uint32_t file, const char *name)
{
	struct log_reader reader;
	struct log_record record;
	enum log_status status;
	const char *error = NULL;
	unsigned long size;
	const void *data;

	if (map_log(name, &data, &size) != 0)
		return -1;
	log_reader_init(&reader, data, size);
	while ((status = log_next(&reader, &record)) == LOG_RECORD && error == NULL)
		error = history_record(history, file, &record);
	if (status == LOG_DAMAGED)
		error = reader.error;
	if (error != NULL)
		fprintf(stderr, "cpgverify: %s: can't be used from byte %zu on: %s\n", name, reader.offset,
			error);
	log_reader_clear(&reader);
	unmap_log(data, size);
	return error == NULL ? 0 : -1;
}

static const char *end_name(const struct session *session)
{
	if (session->end == SESSION_ENDED)
		return session->joined ? "ended" : "no join";
	return session->end == SESSION_DEAD ? "daemon died" : "killed";
}

static void print_table(const struct history *history)
{
	const struct session *at = history->sessions;
	size_t i;

	printf("%6s %9s %10s %10s %10s %6s %6s %8s %7s  %s\n", "node", "pid", "sent", "delivered", "verified",
	       "views", "rings", "retries", "errors", "end");
	for (i = 0; i < history->session_count; i++, at++)
		printf("%6u %9u %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %6zu %6zu %8" PRIu64 " %7" PRIu64
		       "  %s\n",
		       at->nodeid, at->pid, at->sent, at->delivered + at->corrupt, at->delivered,
		       at->view_count, at->ring_count, at->retries, at->errors, end_name(at));
}

static void print_violations(const struct report *report)
{
	unsigned int i;
	int kind;

	for (i = 0; i < report->line_count; i++)
		printf("  %s\n", report->lines[i]);
	printf("cpgverify: VIOLATION: %" PRIu64 " (", report->total);
	for (i = 0, kind = 0; kind < VIOLATION_KINDS; kind++)
		if (report->counts[kind] > 0)
			printf("%s%s %" PRIu64, i++ > 0 ? ", " : "", violation_name(kind),
			       report->counts[kind]);
	printf(")");
}

static int print_verdict(const struct report *report, const struct verify_result *result)
{
	if (report->total == 0 && result->deliveries == 0) {
		printf("cpgverify: NOTHING: no delivery in these logs\n");
		return 2;
	}
	if (result->absent > 0)
		printf("note: the logs of %" PRIu64 " senders were not given\n", result->absent);
	if (result->changes > 0)
		printf("note: %" PRIu64 " changes of the ring, at %" PRIu64
		       " of them messages were on their way\n",
		       result->changes, result->in_flight);
	if (report->total > 0)
		print_violations(report);
	else
		printf("cpgverify: OK");
	printf(": %" PRIu64 " messages, %" PRIu64 " deliveries, %" PRIu64 " views, %" PRIu64 " violations",
	       result->messages, result->deliveries, result->views, report->total);
	if (result->allowed > 0)
		printf(", %" PRIu64 " losses allowed by --stock", result->allowed);
	printf("\n");
	return report->total > 0 ? 1 : 0;
}

int check_logs(int argc, char **argv)
{
	struct verify_options options = {.stock = argc > 0 && strcmp(argv[0], "--stock") == 0};
	struct verify_result result;
	struct report report = {0};
	struct history history;
	int i, code = 0;

	i = options.stock ? 1 : 0;
	if (i == argc || argv[i][0] == '-') {
		fprintf(stderr, "cpgverify: verify [--stock] LOG... (see --help)\n");
		return 2;
	}
	history_init(&history, &report);
	for (; i < argc && code == 0; i++)
		code = load(&history, (uint32_t)i, argv[i]) == 0 ? 0 : 2;
	if (code == 0) {
		print_table(&history);
		history_verify(&history, &options, &result);
		code = print_verdict(&report, &result);
	}
	history_clear(&history);
	return code;
}
