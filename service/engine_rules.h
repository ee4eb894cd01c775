/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules that virtual synchrony rests on, by name, so that test/sim/sim_rules.c can show what breaks without
 * them: built with ENGINE_RULES, an engine can be made without some. Otherwise all of them hold and cost nothing.
 */
#ifndef ENGINE_RULES_H
#define ENGINE_RULES_H

#include <stdbool.h>

#include "service/engine.h"

enum engine_rule {
	RULE_DROP_OLD_RING,    /* a batch is taken in the ring that it is for alone */
	RULE_DROP_STOCK,       /* in a ring of ours, messages in stock's format are dropped */
	RULE_SEND_AGAIN,       /* what did not come back is sent again */
	RULE_IN_ORDER,	       /* and before anything newer */
	RULE_SETTLE,	       /* nothing is sent in a ring before a mark of ours came back */
	RULE_CLOSE_GATE,       /* nothing is sent from a transitional configuration to the end of sync */
	RULE_JOINLIST_ORDERED, /* a joinlist says what the ordered stream says, not what clients asked for */
	RULE_ACCUMULATE_LEFT,  /* who left is remembered until an activation */
	RULE_RESTART_LARGE,    /* a message in fragments starts again from its first */
	RULE_KEEP_LARGE,       /* clients get a message in fragments only when it is whole */
	RULE_WINDOW,	       /* totem's queue is kept short */
	RULE_NUMBERS,	       /* numbers of batches are compared with those expected */
	RULE_COME_BACK,	       /* who missed a batch is seen as gone and back */
	RULE_COUNT
};

#ifdef ENGINE_RULES
bool engine_rule_holds(const struct engine *engine, enum engine_rule rule);
#else
static inline bool engine_rule_holds(const struct engine *engine, enum engine_rule rule)
{
	(void)engine;
	(void)rule;
	return true;
}
#endif

#endif
