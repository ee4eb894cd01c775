/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stories for the oracle, in few words. Nodes 1 and 2 in ring 4, group 0; pids 10 to 19 are node 1's, 20 to 29 node 2's. `a` is the session
 * of process 10 and `b` that of 20, once they joined.
 */
#ifndef ORACLE_FIXTURE_H
#define ORACLE_FIXTURE_H

#include <check.h>

#include "oracle_internal.h"

extern struct oracle *oracle;
extern uint32_t node[3], a, b;
extern const uint32_t both[2], only_1[1], only_2[1]; /* nodes */

struct oracle_address address(uint32_t pid, uint32_t reason);
bool hears_change(uint32_t session, const uint32_t *members, uint32_t pid, uint32_t reason);
void hears(uint32_t session, uint32_t sender, uint64_t number);
void hears_totem(uint32_t session, uint64_t ring, const uint32_t *members, size_t count);
void sends(uint32_t session, int count);
void a_joins(void);
void both_join(void);
void part(void);
void hear_part(void);
void merge(void);
void hear_merge(void);
void expect(enum oracle_kind kind);
void expect_only(enum oracle_kind kind);
void expect_none(void);

/* Pids, for hears_change(). */
#define MEMBERS(...) ((const uint32_t[]){__VA_ARGS__, 0})

/* The program's main: each test is a story of its own. */
int run_stories(const TTest *const *tests, size_t count);
#define RUN_STORIES(tests) run_stories(tests, sizeof(tests) / sizeof((tests)[0]))

#endif
