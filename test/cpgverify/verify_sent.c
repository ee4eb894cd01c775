/* SPDX-License-Identifier: BSD-3-Clause */
/* What was accepted comes back to its sender, and nothing is delivered that nobody sent. */
#include <inttypes.h>

#include "verify.h"

void verify_sent(struct history *history)
{
	size_t i, count = history_messages(history);

	for (i = 0; i < count; i++) {
		const struct sender *sender = &history->senders[message_sender(history, (uint32_t)i)];
		uint8_t flags = history->flags[i];
		enum session_end end;

		if (flags == 0 || sender->session == NONE)
			continue;
		end = history->sessions[sender->session].end;
		if (end == SESSION_ENDED && (flags & MESSAGE_ACCEPTED) != 0 &&
		    (flags & MESSAGE_RETURNED) == 0)
			report_add(history->report, VIOLATION_LOST,
				   "message %" PRIu64
				   " of node %u pid %u was accepted and never delivered to "
				   "its sender",
				   message_seq(history, (uint32_t)i), sender->nodeid, sender->pid);
		if (end != SESSION_KILLED && (flags & (MESSAGE_ACCEPTED | MESSAGE_UNSURE)) == 0)
			report_add(history->report, VIOLATION_INVENTED,
				   "message %" PRIu64 " of node %u pid %u was delivered and never sent",
				   message_seq(history, (uint32_t)i), sender->nodeid, sender->pid);
	}
}
