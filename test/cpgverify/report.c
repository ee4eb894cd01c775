/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[VIOLATION_KINDS] = {
	[VIOLATION_CORRUPT] = "corrupt",     [VIOLATION_CONTENT] = "content",
	[VIOLATION_FIFO] = "fifo",	     [VIOLATION_STRANGER] = "stranger",
	[VIOLATION_VIEW] = "view",	     [VIOLATION_DISAGREE] = "disagree",
	[VIOLATION_SYNCHRONY] = "synchrony", [VIOLATION_ORDER] = "order",
	[VIOLATION_LOST] = "lost",	     [VIOLATION_INVENTED] = "invented",
};

const char *violation_name(enum violation kind)
{
	return names[kind];
}

void report_add(struct report *report, enum violation kind, const char *format, ...)
{
	va_list arguments;

	report->total++;
	if (report->counts[kind]++ >= REPORT_LINES_PER_KIND || report->line_count == REPORT_LINES)
		return;
	va_start(arguments, format);
	/* clang-tidy 14 forgets va_start when it is given several files at once */
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
	vsnprintf(report->lines[report->line_count++], REPORT_LINE_SIZE, format, arguments);
	va_end(arguments);
}
