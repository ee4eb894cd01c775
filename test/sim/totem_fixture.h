/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Services on a simulated totem, as simple as can be; they write down what happens to them:
 *
 *   T(1 2/3)  transitional, 1 and 2 come along, 3 left     R(1 2)  regular        I(1 2)  sync_init, with this trans_list
 *   P  sync_process    A  sync_activate    X  sync_abort    O  told that sync is over     a..z  a message of this name
 */
#ifndef TOTEM_FIXTURE_H
#define TOTEM_FIXTURE_H

#include <check.h>

#include "sim_totem.h"

#define NODES 4
#define PACKET 1000
#define QUEUE 40
#define FILLING 700 /* messages of this size fill the queue to the last packet, and the packing buffer */

struct witness {
	struct totem_node *node;
	char story[4000];
	size_t length;
	unsigned int tokens;
	bool busy;		 /* sync_process is never done */
	size_t answers;		 /* bytes that it multicasts when it hears `g`, from delivery */
	bool fills_at_regular;	 /* multicasts in the configuration handler until there is no room */
	size_t queue_at_over;	 /* packets in the main queue when it was told that sync is over */
	bool recovering_at[128]; /* by event: it happened in the next ring's recovery */
};

extern struct sim_clock sim;
extern struct sim_totem totem;
extern struct witness witness[NODES + 1]; /* by node id */
extern const struct sim_service service;

/* Lets the clock run until the condition holds. */
#define RUN_UNTIL(condition)                                                                                 \
	do {                                                                                                 \
		while (!(condition)) {                                                                       \
			ck_assert_msg(sim_step(&sim), "nothing happens any more: " #condition);              \
			ck_assert_msg(sim.now < 100 * SIM_S, "never: " #condition);                          \
		}                                                                                            \
	} while (0)

int says(unsigned int nodeid, char name, size_t size);
void world_begin(uint64_t seed);
void world_end(void);
void setup(void);
void run(uint64_t duration);
void start(unsigned int nodes);
void begin_story(void);
void cut(unsigned int nodeid);
void mend(unsigned int nodeid);
void lose_token(unsigned int nodeid);
struct ring *ring_of(unsigned int nodeid);
unsigned int count_of(unsigned int nodeid, char what);
void expect_story(unsigned int nodeid, const char *story);
void install_only(void);

#endif
