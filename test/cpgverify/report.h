/* SPDX-License-Identifier: BSD-3-Clause */
/* Counts violations and keeps words about the first few of each kind. */
#ifndef CPGVERIFY_REPORT_H
#define CPGVERIFY_REPORT_H

#include <stdint.h>

enum violation {
	VIOLATION_CORRUPT,   /* a message that is not what a sender built */
	VIOLATION_CONTENT,   /* one message with two contents, or from two addresses */
	VIOLATION_FIFO,	     /* delivered twice, or behind a later one of its sender */
	VIOLATION_STRANGER,  /* sender not in the receiver's view */
	VIOLATION_VIEW,	     /* a view that does not follow from the one before */
	VIOLATION_DISAGREE,  /* processes see different views where they must be equal */
	VIOLATION_SYNCHRONY, /* same view, same next view, other messages */
	VIOLATION_ORDER,     /* two processes, two orders */
	VIOLATION_LOST,	     /* accepted, never delivered to its sender */
	VIOLATION_INVENTED,  /* delivered, never sent */
	VIOLATION_KINDS
};

#define REPORT_LINES 12
#define REPORT_LINES_PER_KIND 3
#define REPORT_LINE_SIZE 320

struct report {
	uint64_t total;
	uint64_t counts[VIOLATION_KINDS];
	char lines[REPORT_LINES][REPORT_LINE_SIZE];
	unsigned int line_count;
};

/* One more violation of this kind, and the words for it. */
void report_add(struct report *report, enum violation kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One word. */
const char *violation_name(enum violation kind);

#endif
