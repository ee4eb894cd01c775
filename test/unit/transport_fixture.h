/* SPDX-License-Identifier: BSD-3-Clause */
/* A client with rings: the library's side of them, by hand. */
#ifndef TRANSPORT_FIXTURE_H
#define TRANSPORT_FIXTURE_H

#include "cpg_ring.h"
#include "test/unit/peer_fixture.h"

#define MS (1000ull * 1000) /* ns */

struct ringed {
	struct fixture *fixture;
	struct peer *peer;
	struct segment_control *control;
	struct ring_writer submission;
	struct ring_reader delivery;
	struct ring_bells bells;
	struct ipc_name group; /* of the runs */
	struct peer heard;     /* its events are what came out of the delivery ring */
};

/* In rings of ours. */
struct fixture *ours(void);
/* Some time passes. */
void tick(struct fixture *fixture);
/* Until the engine has seen that there is nothing more. */
void settle(struct fixture *fixture);

/* Gives a client rings. False: the engine has none for it. */
bool ringed_attach(struct ringed *client, struct fixture *fixture, struct peer *peer);
/* In no group. ringed_free() frees what it heard; the rest is the fixture's. */
struct ringed ringed_new(struct fixture *fixture, uint32_t pid);
void ringed_free(struct ringed *client);
/* In a group; what it heard of that is forgotten. */
struct ringed ringed_joined(struct fixture *fixture, uint32_t pid, const char *group);

/* Puts an entry into the submission ring. Whether the engine wants to be woken is left to submitted(). */
void submit(struct ringed *client, uint8_t kind, const void *body, size_t length);
void submit_text(struct ringed *client, const char *text);
/* Rings if the engine sleeps. True: it did. */
bool submitted(struct ringed *client);
void doorbell(struct ringed *client);
/* The engine does not look by itself. */
bool asleep(const struct ringed *client);

/* Takes what is in the delivery ring. Returns the number of entries. */
size_t deliveries(struct ringed *client);
/* The next event that was in there or is, as text: see next_event(). */
const char *heard(struct ringed *client);
/* Takes doorbells as a library does that found the ring empty. Returns how many. */
size_t bells(struct ringed *client);

/* A pool segment of the client's. */
uint8_t *pool(struct ringed *client, size_t size, uint32_t *id);

#endif
