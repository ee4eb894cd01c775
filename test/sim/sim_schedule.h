/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random schedules: nodes crash, restart, pause, part and meet again while their clients join, leave, send, stall
 * and die. At the end everything is healed, has to come to rest, and the oracle judges.
 */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include "sim_world.h"

enum schedule_load {
	LOAD_BY_SEED,
	LOAD_FLOOD, /* more waits than totem's queue takes */
	LOAD_SLOW,  /* a slow totem: its queue is never empty */
	LOAD_LARGE, /* large messages all the time */
	LOADS
};

/* What is special about a schedule. */
enum schedule_kind {
	KIND_STORM,  /* nothing */
	KIND_MODELS, /* nodes that speak stock's format may run the model of its engine */
	KIND_STOCK,  /* some nodes always do */
	KIND_LOSSES, /* nodes lose batches */
	KIND_MEMORY, /* engines get no memory */
	KINDS
};

/* What is not left to the seed; 0: it is. */
struct schedule_options {
	unsigned int nodes, steps;
	unsigned int stock; /* so many nodes run the model of stock's engine, all others ours */
	bool models;	    /* those that speak stock's format may run that model, too */
	bool strict;	    /* see struct sim_world_config */
	enum schedule_load load;
	bool inject;	    /* nodes lose batches, as the real totem does at times */
	bool memory;	    /* allocations of engines fail */
	uint64_t memory_at; /* this one does, counted from 1; 0: none */
	enum schedule_kind kind;
	bool until_violation; /* there is no more to know: ends there */
	uint32_t rules_off;   /* of engine_config, where the engine has it */
	FILE *trace;	      /* NULL: none */
};

/* Lets the seed choose the kind, and what goes with it. */
void schedule_choose(uint64_t seed, struct schedule_options *options);

/* The world of a seed, and of the dice that it begins with. */
void schedule_config(struct sim_clock *dice, const struct schedule_options *options,
		     struct sim_world_config *config);

/* Makes the world of this seed and runs it to its end. world_free() is the caller's to call. */
void schedule_run(struct sim_world *world, uint64_t seed, const struct schedule_options *options);

#endif
