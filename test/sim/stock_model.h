/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A model of stock's engine as PROTOCOL tells of it, weaknesses included: it sends at once, whatever the moment; who left
 * is what the last transitional configuration says; joinlists of a sync that was aborted while others were waited for
 * count in the next one, and so make ghosts. It knows nothing of what our engines say to each other.
 *
 * Like ours it is fed events and acts through a table. It trusts everybody.
 */
#ifndef STOCK_MODEL_H
#define STOCK_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "service_abi.h"

struct stock_model;
struct stock_client;

/* Every op gets `context` as its first argument. */
struct stock_ops {
	/* 0, or -1: no room. */
	int (*mcast)(void *context, const struct iovec *iov, unsigned int iov_len);
	void (*respond)(void *context, void *conn, const struct iovec *iov, unsigned int iov_len);
	/* An event for `conn`: queued without bound. */
	void (*dispatch)(void *context, void *conn, const struct iovec *iov, unsigned int iov_len);
};

struct stock_model *stock_create(const struct stock_ops *ops, void *context, uint32_t nodeid);
void stock_destroy(struct stock_model *model);

struct stock_client *stock_client_new(struct stock_model *model, void *conn, uint32_t pid);
void stock_client_gone(struct stock_model *model, struct stock_client *client);
void stock_request(struct stock_model *model, struct stock_client *client, const void *message);

void stock_message(struct stock_model *model, unsigned int function, const void *message, uint32_t nodeid);
void stock_sync_init(struct stock_model *model, const uint32_t *trans, size_t trans_count,
		     const uint32_t *members, size_t count, const struct memb_ring_id *ring_id);
int stock_sync_process(struct stock_model *model); /* 0: done, -1: call again */
void stock_sync_activate(struct stock_model *model);
void stock_sync_abort(struct stock_model *model);

#endif
