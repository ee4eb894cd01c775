/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which views of different sessions are the same one.
 *
 * A *passage* is the stay of a session in one ring: from the ring's totem_confchg (anchored), or from its own
 * join, to the next totem_confchg or its end. Its *steps* are the views it had there. All members see the
 * same row of views in a ring, so steps are compared and numbered along one row; who is anchored starts at
 * its begin, others at their own join. A row that nobody anchored has seen the begin of is a row of its own.
 *
 * The confchgs with NODEDOWN and NODEUP that come directly before a totem_confchg are the way into the new
 * ring: they differ between those that come from different rings, only the members at its end must be equal.
 */
#ifndef CPGVERIFY_VERIFY_VIEW_H
#define CPGVERIFY_VERIFY_VIEW_H

#include "verify.h"

struct step {
	size_t event;	       /* of the session: what is delivered behind it is delivered in this view */
	uint32_t members;      /* list */
	uint32_t left, joined; /* lists; NONE at the begin of an anchored passage */
	uint32_t view;	       /* number of the view over all sessions; NONE after a disagreement */
};

struct passage {
	uint32_t session;
	uint32_t ring; /* number of rings: unknown */
	bool anchored;
	uint32_t survivors; /* anchored: those who came along from the ring before, a list; else NONE */
	size_t first_step, step_count;
	uint32_t next; /* passage in the same ring */
};

struct views {
	struct passage *passages;
	size_t passage_count, passage_capacity;
	struct step *steps;
	size_t step_count, step_capacity;
	uint32_t view_count;
};

/* Cuts all sessions into passages and steps. */
void views_split(struct history *history, struct views *views);
/* Numbers the views, reports where processes disagree. */
void views_align(struct history *history, struct views *views);
/* Compares what was delivered between equal views. */
void views_compare(struct history *history, struct views *views, const struct verify_options *options,
		   struct verify_result *result);

#endif
