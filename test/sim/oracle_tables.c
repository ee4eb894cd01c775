/* SPDX-License-Identifier: BSD-3-Clause */
/* Hash tables of the oracle. */
#include <stdlib.h>

#include "oracle_internal.h"

/* ---- what a process ever did ---- */

static struct deeds *deeds_slot(struct deeds *table, size_t capacity, uint64_t address, unsigned int group)
{
	size_t at = oracle_mix(address * 31 + group) & (capacity - 1);

	while (table[at].used && (table[at].address != address || table[at].group != group)) {
		at = (at + 1) & (capacity - 1);
	}
	return &table[at];
}

struct deeds *deeds_of(struct oracle *oracle, uint64_t address, unsigned int group)
{
	struct deeds *deeds;
	size_t i;

	if (oracle->deeds_count * 2 >= oracle->deeds_capacity) {
		size_t capacity = oracle->deeds_capacity ? 2 * oracle->deeds_capacity : 64;
		struct deeds *larger = sim_alloc(capacity * sizeof(*larger));

		for (i = 0; i < oracle->deeds_capacity; i++) {
			if (oracle->deeds[i].used) {
				*deeds_slot(larger, capacity, oracle->deeds[i].address,
					    oracle->deeds[i].group) = oracle->deeds[i];
			}
		}
		free(oracle->deeds);
		oracle->deeds = larger;
		oracle->deeds_capacity = capacity;
	}
	deeds = deeds_slot(oracle->deeds, oracle->deeds_capacity, address, group);
	if (!deeds->used) {
		deeds->used = true;
		deeds->address = address;
		deeds->group = group;
		deeds->number = (uint32_t)oracle->deeds_count++;
	}
	return deeds;
}

/* ---- the last message of each sender that each receiver heard ---- */

static struct last_heard *last_slot(struct last_heard *table, size_t capacity, uint64_t key)
{
	size_t at = oracle_mix(key) & (capacity - 1);

	while (table[at].key && table[at].key != key) {
		at = (at + 1) & (capacity - 1);
	}
	return &table[at];
}

struct last_heard *last_of(struct oracle *oracle, uint32_t receiver, uint32_t sender)
{
	uint64_t key = address_of(receiver, sender);
	struct last_heard *last;
	size_t i;

	if (oracle->last_count * 2 >= oracle->last_capacity) {
		size_t capacity = oracle->last_capacity ? 2 * oracle->last_capacity : 256;
		struct last_heard *larger = sim_alloc(capacity * sizeof(*larger));

		for (i = 0; i < oracle->last_capacity; i++) {
			if (oracle->last[i].key) {
				*last_slot(larger, capacity, oracle->last[i].key) = oracle->last[i];
			}
		}
		free(oracle->last);
		oracle->last = larger;
		oracle->last_capacity = capacity;
	}
	last = last_slot(oracle->last, oracle->last_capacity, key);
	if (last->key == 0) {
		last->key = key;
		oracle->last_count++;
	}
	return last;
}

/* In the same table: no session has such a number. */
uint64_t *told_of(struct oracle *oracle, uint32_t receiver, const struct deeds *deeds, bool joined)
{
	return &last_of(oracle, receiver, 1u << 31 | deeds->number << 1 | joined)->last;
}
