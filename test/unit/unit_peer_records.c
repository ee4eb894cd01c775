/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Golden vectors of our own wire format, written out byte by byte in both byte orders: what the engine sends is this,
 * and what it reads is this, whichever way round. And lengths that lie.
 */
#include <stdlib.h>
#include <string.h>

#include "service/peer_records.h"
#include "test/unit/peer_fixture.h"

/*
 * All of them are for ring 0x1112131415161718 of node 0x01020304, from node 1, in the order in which the engine below
 * sends them. Its process is 0x0a0b0c0d.
 */

static const uint8_t announce_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x01, 0x01, 0x28, 0x00, 0x28, 0x00, 0x00, 0x00, 0x04, 0x03,
	0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t announce_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x01, 0x01, 0x00, 0x28, 0x00, 0x00, 0x00, 0x28, 0x01, 0x02,
	0x03, 0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static const uint8_t mark_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x02, 0x01, 0x18, 0x00, 0x18, 0x00, 0x00, 0x00,
	0x04, 0x03, 0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
};
static const uint8_t mark_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x02, 0x01, 0x00, 0x18, 0x00, 0x00, 0x00, 0x18,
	0x01, 0x02, 0x03, 0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18,
};

/* batch 1: SENDER of "group", JOIN */
static const uint8_t join_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x48, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02,
	0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x0d, 0x0c, 0x0b, 0x0a, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t join_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x48, 0x01, 0x02, 0x03,
	0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
};

/* batch 2: SENDER, MESSAGE "hello", an empty MESSAGE, MESSAGE of 8 bytes, LEAVE by its own will */
static const uint8_t messages_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x70, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02, 0x01,
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x0d, 0x0c, 0x0b, 0x0a, 'g',  'r',  'o',  'u',
	'p',  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00,
	'h',  'e',  'l',  'l',	'o',  0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, '1',  '2',  '3',  '4',	'5',  '6',  '7',  '8',
	0x05, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t messages_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x70, 0x01, 0x02, 0x03, 0x04,
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
	0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 'g',  'r',  'o',  'u',
	'p',  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05,
	'h',  'e',  'l',  'l',	'o',  0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x08, '1',  '2',  '3',  '4',	'5',  '6',  '7',  '8',
	0x05, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
};

/* batch 4: SENDER, FRAGMENT "abc", the first of 6 bytes */
static const uint8_t fragment_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x58, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02,
	0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x0d, 0x0c, 0x0b, 0x0a, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x0b, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 'a',  'b',  'c',
	0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t fragment_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x58, 0x01, 0x02, 0x03,
	0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 'a',  'b',  'c',
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04,
};

/* batch 5: SENDER of no process, BEHIND */
static const uint8_t behind_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x48, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02,
	0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t behind_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x48, 0x01, 0x02, 0x03,
	0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 'g',
	'r',  'o',  'u',  'p',	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x01, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05,
};

/* batch 6: MISSED */
static const uint8_t missed_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x30, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02, 0x01,
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t missed_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x30, 0x01, 0x02, 0x03, 0x04,
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
	0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
};

/* batch 7: PRESENT for batch 6 of node 1, the last, one process */
static const uint8_t present_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x03, 0x02, 0x20, 0x00, 0x50, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02, 0x01,
	0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x08, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x0d, 0x0c, 0x0b, 0x0a, 0x05, 0x00, 0x00, 0x00,
	'g',  'r',  'o',  'u',	'p',  0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t present_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x03, 0x02, 0x00, 0x20, 0x00, 0x00, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04,
	0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
	0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06,
	0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x0a, 0x0b, 0x0c, 0x0d, 0x00, 0x00, 0x00, 0x05,
	'g',  'r',  'o',  'u',	'p',  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x07,
};

/* ANNOUNCE by one that missed something; its next batch is 8, and in the golden ring it got node 2's up to 4. */
static const uint8_t gone_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x01, 0x01, 0x28, 0x00, 0x48, 0x00, 0x00, 0x00, 0x04, 0x03, 0x02,
	0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x18, 0x17, 0x16, 0x15, 0x14,
	0x13, 0x12, 0x11, 0x04, 0x03, 0x02, 0x01, 0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t gone_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x01, 0x01, 0x00, 0x28, 0x00, 0x00, 0x00, 0x48, 0x01, 0x02, 0x03,
	0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x08, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x11, 0x12, 0x13, 0x14, 0x15,
	0x16, 0x17, 0x18, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00,
};

/* REPEAT: SENDER, LEAVE by death */
static const uint8_t repeat_little[] = {
	0x57, 0x47, 0x50, 0x43, 0x04, 0x01, 0x18, 0x00, 0x38, 0x00, 0x00, 0x00, 0x04, 0x03,
	0x02, 0x01, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x01, 0x00, 0x00, 0x00,
	0x09, 0x00, 0x00, 0x00, 0x0d, 0x0c, 0x0b, 0x0a, 'g',  'r',  'o',  'u',	'p',  0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const uint8_t repeat_big[] = {
	0x43, 0x50, 0x47, 0x57, 0x04, 0x01, 0x00, 0x18, 0x00, 0x00, 0x00, 0x38, 0x01, 0x02,
	0x03, 0x04, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x01, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 'g',  'r',  'o',  'u',	'p',  0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

struct golden {
	const uint8_t *native, *swapped;
	size_t size;
};
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define GOLDEN(name)                                                                                         \
	{                                                                                                    \
		name##_little, name##_big, sizeof(name##_little)                                             \
	}
#else
#define GOLDEN(name)                                                                                         \
	{                                                                                                    \
		name##_big, name##_little, sizeof(name##_little)                                             \
	}
#endif

static const struct golden announce = GOLDEN(announce), mark = GOLDEN(mark), join = GOLDEN(join),
			   messages = GOLDEN(messages), fragment = GOLDEN(fragment), behind = GOLDEN(behind),
			   missed = GOLDEN(missed), present = GOLDEN(present), gone = GOLDEN(gone),
			   repeat = GOLDEN(repeat);

#define RING_NODEID 0x01020304u
#define RING_SEQ 0x1112131415161718u
#define PID 0x0a0b0c0du

/* ---- writing ---- */

/* The next one that the engine sent is this; it comes back. */
static void check_sent(struct fixture *fixture, const struct golden *golden)
{
	const struct packet *packet = fixture->peer_multicasts.first;

	ck_assert_ptr_nonnull(packet);
	ck_assert_uint_eq(packet->size, golden->size);
	ck_assert_mem_eq(packet->data, golden->native, golden->size);
	(void)batch_returns(fixture);
	engine_token(fixture->engine);
}

/* The golden ring begins, of nodes 1 and 2. */
static void ring_begins(struct fixture *fixture)
{
	fixture->ring_id = (struct memb_ring_id){.nodeid = RING_NODEID, .seq = RING_SEQ};
	transitional(fixture, NOBODY);
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, NODES(1), 1, NODES(1, 2), 2, &fixture->ring_id);
	deliver_announce(fixture, 2, (struct versions)VERSION_NOW, 0);
	ck_assert_int_eq(engine_sync_process(fixture->engine), -1);
	drop_all(&fixture->multicasts);
}

static void ring_is_synchronised(struct fixture *fixture)
{
	engine_sync_activate(fixture->engine);
	engine_sync_over(fixture->engine);
	engine_tick(fixture->engine);
}

static void send_messages(struct fixture *fixture, struct peer *peer)
{
	fixture->totem_full = true;
	request_mcast(fixture, peer, "hello");
	request_mcast(fixture, peer, "");
	request_mcast(fixture, peer, "12345678");
	ck_assert_int_eq(request_leave(fixture, peer, "group"), CS_OK);
	fixture->totem_full = false;
	engine_token(fixture->engine);
}

static void fall_behind(struct fixture *fixture, struct peer *peer)
{
	peer->room = 0;
	deliver_batch(fixture, 2, BY(1, "group"), JOINS, SAYS("more than its queue may hold"));
	peer->room = ROOM_ENDLESS;
}

START_TEST(what_the_engine_sends)
{
	struct engine_config config = fixture_own_format;
	struct fixture *fixture;
	struct peer *peer;

	config.client_queue = 200;
	fixture = fixture_new(&config);
	peer = peer_new(fixture, PID);
	ring_begins(fixture);
	check_sent(fixture, &announce);
	ring_is_synchronised(fixture);
	check_sent(fixture, &mark);
	ck_assert_int_eq(request_join(fixture, peer, "group"), CS_OK);
	check_sent(fixture, &join);
	send_messages(fixture, peer);
	check_sent(fixture, &messages);
	joined(fixture, peer, "group");
	ck_assert_int_eq(request_fragment(fixture, peer, IPC_FRAGMENT_FIRST, 6, "abc"), CS_OK);
	check_sent(fixture, &fragment);
	fall_behind(fixture, peer);
	engine_token(fixture->engine);
	check_sent(fixture, &behind);
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(1, "group"), SAYS("behind a gap"));
	engine_token(fixture->engine);
	check_sent(fixture, &missed);
	check_sent(fixture, &present);
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(1, "group"), SAYS("behind another"));
	ring_begins(fixture);
	check_sent(fixture, &gone);
	fixture_free(fixture);
}
END_TEST

/* A death that is on its way when one mixed ring follows another, the golden one. */
START_TEST(what_the_engine_repeats)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);
	struct peer *peer = peer_new(fixture, PID);
	struct packets held;

	joined(fixture, peer, "group");
	ring_change(fixture, RING(.members = NODES(1, 3), .trans = NODES(1), .stock = NODES(3)));
	peer_gone(fixture, peer);
	held = packets_held(&fixture->multicasts);
	transitional(fixture, NODES(3));
	fixture->ring_id = (struct memb_ring_id){.nodeid = RING_NODEID, .seq = RING_SEQ};
	engine_regular(fixture->engine, &fixture->ring_id);
	engine_sync_init(fixture->engine, NODES(1), 1, NODES(1, 3), 2, &fixture->ring_id);
	sync_own(fixture);
	ring_is_synchronised(fixture);
	comes_out(fixture, &held);
	check_sent(fixture, &mark);
	check_sent(fixture, &repeat);
	fixture_free(fixture);
}
END_TEST

/* ---- reading ---- */

/* One of both orders, at an odd address in a block that ends with it. */
struct block {
	uint8_t *memory;
	struct peer_bytes bytes;
};

static struct block block_of(const struct golden *golden, bool swapped, size_t size)
{
	struct block block = {.memory = malloc(size + 1)};

	ck_assert_ptr_nonnull(block.memory);
	ck_assert_uint_le(size, golden->size);
	memcpy(block.memory + 1, swapped ? golden->swapped : golden->native, size);
	block.bytes = (struct peer_bytes){.at = block.memory + 1, .size = size, .swapped = swapped};
	return block;
}

static void check_head(const struct peer_head *head, uint8_t kind, size_t head_size, size_t size)
{
	ck_assert_uint_eq(head->magic, PEER_MAGIC);
	ck_assert_uint_eq(head->kind, kind);
	ck_assert_uint_eq(head->version, kind == PEER_BATCH ? 2 : 1);
	ck_assert_uint_eq(head->head_size, head_size);
	ck_assert_uint_eq(head->size, size);
	ck_assert_uint_eq(head->ring_nodeid, RING_NODEID);
	ck_assert_uint_eq(head->ring_seq, RING_SEQ);
}

/* A record of this kind and length comes next. */
static struct peer_bytes next_item(struct peer_bytes *bytes, uint8_t kind, uint8_t detail, size_t length)
{
	struct peer_item item;

	ck_assert(peer_record_next(bytes, &item));
	ck_assert_uint_eq(item.kind, kind);
	ck_assert_uint_eq(item.detail, detail);
	ck_assert_uint_eq(item.body.size, length);
	ck_assert(item.body.swapped == bytes->swapped);
	return item.body;
}

static void next_sender(struct peer_bytes *bytes, uint32_t pid)
{
	struct peer_bytes body = next_item(bytes, PEER_SENDER, 0, 9);

	ck_assert_uint_eq(peer_u32(&body, 0), pid);
	ck_assert_mem_eq(body.at + 4, "group", 5);
}

static void check_heard(const struct peer_bytes *body)
{
	size_t at = sizeof(struct peer_heard_ring);

	ck_assert_uint_eq(body->size, sizeof(struct peer_heard_ring) + sizeof(struct peer_heard));
	ck_assert_uint_eq(peer_u64(body, offsetof(struct peer_heard_ring, seq)), RING_SEQ);
	ck_assert_uint_eq(peer_u32(body, offsetof(struct peer_heard_ring, nodeid)), RING_NODEID);
	ck_assert_uint_eq(peer_u64(body, at + offsetof(struct peer_heard, next_number)), 5);
	ck_assert_uint_eq(peer_u32(body, at + offsetof(struct peer_heard, nodeid)), 2);
}

/* What it says of others is in its body. */
static void check_announce(const struct golden *golden, bool swapped, uint64_t next, uint32_t flags)
{
	struct block block = block_of(golden, swapped, golden->size);
	struct peer_head head;
	struct peer_bytes body;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_ANNOUNCE, 40, (uint32_t)golden->size);
	ck_assert_uint_eq(peer_u64(&block.bytes, offsetof(struct peer_announce, next_number)), next);
	ck_assert_uint_eq(block.bytes.at[offsetof(struct peer_announce, version_min)], 2);
	ck_assert_uint_eq(block.bytes.at[offsetof(struct peer_announce, version_max)], 2);
	ck_assert_uint_eq(peer_u32(&block.bytes, offsetof(struct peer_announce, flags)), flags);
	body = peer_body(&head, &block.bytes);
	if (golden == &gone) {
		check_heard(&body);
	} else {
		ck_assert_uint_eq(body.size, 0);
	}
	free(block.memory);
}

/* Its records. The caller frees the block. */
static struct peer_bytes check_batch(struct block *block, const struct golden *golden, bool swapped,
				     uint64_t number)
{
	struct peer_bytes records;
	struct peer_head head;

	*block = block_of(golden, swapped, golden->size);
	ck_assert(peer_head_read(&head, &block->bytes));
	check_head(&head, PEER_BATCH, 32, golden->size);
	ck_assert_uint_eq(peer_u64(&block->bytes, offsetof(struct peer_batch, number)), number);
	records = peer_body(&head, &block->bytes);
	ck_assert(peer_batch_end_read(&records, number));
	return records;
}

static void check_no_more(struct block *block, struct peer_bytes *records)
{
	struct peer_item item;

	ck_assert(!peer_record_next(records, &item));
	ck_assert_uint_eq(records->size, 0);
	free(block->memory);
}

static void check_messages(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &messages, swapped, 2);
	next_sender(&records, PID);
	body = next_item(&records, PEER_MESSAGE, 0, 5);
	ck_assert_mem_eq(body.at, "hello", 5);
	(void)next_item(&records, PEER_MESSAGE, 0, 0);
	body = next_item(&records, PEER_MESSAGE, 0, 8);
	ck_assert_mem_eq(body.at, "12345678", 8);
	(void)next_item(&records, PEER_LEAVE, 2, 0);
	check_no_more(&block, &records);
}

static void check_fragment(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &fragment, swapped, 4);
	next_sender(&records, PID);
	body = next_item(&records, PEER_FRAGMENT, 0, 11);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_fragment, msglen)), 6);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_fragment, type)), IPC_FRAGMENT_FIRST);
	ck_assert_mem_eq(body.at + 8, "abc", 3);
	check_no_more(&block, &records);
}

static void check_present(bool swapped)
{
	struct peer_bytes records, body;
	struct block block;

	records = check_batch(&block, &present, swapped, 7);
	body = next_item(&records, PEER_PRESENT, 0, 32);
	ck_assert_uint_eq(peer_u64(&body, offsetof(struct peer_present, number)), 6);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_present, nodeid)), 1);
	ck_assert_uint_eq(peer_u32(&body, offsetof(struct peer_present, last)), 1);
	ck_assert_uint_eq(peer_u32(&body, 16), PID);
	ck_assert_uint_eq(peer_u32(&body, 20), 5);
	ck_assert_mem_eq(body.at + 24, "group", 5);
	check_no_more(&block, &records);
}

/* Those whose records say all by their kind. */
static void check_short_batches(bool swapped)
{
	struct peer_bytes records;
	struct block block;

	records = check_batch(&block, &join, swapped, 1);
	next_sender(&records, PID);
	(void)next_item(&records, PEER_JOIN, 0, 0);
	check_no_more(&block, &records);
	records = check_batch(&block, &behind, swapped, 5);
	next_sender(&records, 0);
	(void)next_item(&records, PEER_BEHIND, 1, 0);
	check_no_more(&block, &records);
	records = check_batch(&block, &missed, swapped, 6);
	(void)next_item(&records, PEER_MISSED, 0, 0);
	check_no_more(&block, &records);
}

static void check_repeat(bool swapped)
{
	struct block block = block_of(&repeat, swapped, repeat.size);
	struct peer_bytes records;
	struct peer_head head;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_REPEAT, 24, 56);
	records = peer_body(&head, &block.bytes);
	next_sender(&records, PID);
	(void)next_item(&records, PEER_LEAVE, 5, 0);
	check_no_more(&block, &records);
}

static void check_reading(bool swapped)
{
	struct block block = block_of(&mark, swapped, mark.size);
	struct peer_head head;

	ck_assert(peer_head_read(&head, &block.bytes));
	check_head(&head, PEER_MARK, 24, 24);
	free(block.memory);
	check_announce(&announce, swapped, 1, 0);
	check_announce(&gone, swapped, 8, PEER_ANNOUNCE_MISSED);
	check_messages(swapped);
	check_fragment(swapped);
	check_present(swapped);
	check_short_batches(swapped);
	check_repeat(swapped);
}

START_TEST(what_is_read_in_both_byte_orders)
{
	check_reading(false);
	check_reading(true);
}
END_TEST

/* ---- the engine reads it ---- */

static void comes_from_two(struct fixture *fixture, const struct golden *golden, bool swapped)
{
	struct block block = block_of(golden, swapped, golden->size);

	engine_peer_message(fixture->engine, block.bytes.at, golden->size, swapped, 2);
	fixture->numbers[2]++;
	free(block.memory);
}

/* The golden ring, synchronised; node 2 announces that its next batch has this number. */
static struct fixture *golden_ring(uint64_t number)
{
	struct fixture *fixture = fixture_new(&fixture_own_format);

	fixture->numbers[2] = number;
	ring_begins(fixture);
	deliver_own(fixture);
	ring_is_synchronised(fixture);
	deliver_own(fixture);
	return fixture;
}

static void check_taken(bool swapped)
{
	struct fixture *fixture = golden_ring(1);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	ck_assert_int_eq(request_hello(fixture, peer, IPC_FEATURE_SEGMENTS), CS_OK);
	drop_all(&peer->events);
	comes_from_two(fixture, &join, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 2:168496141 +2:168496141j");
	comes_from_two(fixture, &messages, swapped);
	ck_assert_str_eq(next_event(peer), "2:168496141 'hello'");
	ck_assert_str_eq(next_event(peer), "2:168496141 ''");
	ck_assert_str_eq(next_event(peer), "2:168496141 '12345678'");
	ck_assert_str_eq(next_event(peer), "1:10 -2:168496141l");
	deliver_batch(fixture, 2, BY(PID, "group"), JOINS);
	comes_from_two(fixture, &fragment, swapped);
	drop_all(&peer->events);
	ck_assert(!fixture_control(fixture)->receiver_behind);
	comes_from_two(fixture, &behind, swapped);
	ck_assert(fixture_control(fixture)->receiver_behind);
	comes_from_two(fixture, &missed, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 -2:168496141d");
	ck_assert_str_eq(next_event(peer), "ring 1");
	fixture_free(fixture);
}

/* Batch 6 of this node says MISSED: what the golden PRESENT is for. */
static void check_present_is_taken(bool swapped)
{
	struct fixture *fixture = golden_ring(5);
	struct peer *peer = peer_new(fixture, 10);
	int i;

	joined(fixture, peer, "group");
	for (i = 2; i < 6; i++) {
		request_mcast(fixture, peer, "message");
		deliver_own(fixture);
	}
	lose_batch(fixture, 2);
	deliver_batch(fixture, 2, BY(PID, "group"), JOINS);
	engine_tick(fixture->engine);
	ck_assert_str_eq(batch_returns(fixture), "batch 6: missed");
	engine_tick(fixture->engine);
	deliver_own(fixture);
	drop_all(&peer->events);
	comes_from_two(fixture, &present, swapped);
	ck_assert_str_eq(next_event(peer), "1:10 2:168496141 +2:168496141u");
	ck_assert_str_eq(next_event(peer), "ring 1 2");
	fixture_free(fixture);
}

START_TEST(the_engine_takes_both_byte_orders)
{
	check_taken(false);
	check_taken(true);
	check_present_is_taken(false);
	check_present_is_taken(true);
}
END_TEST

/* An announcement in the other order makes the ring ours, and its flags and number count. */
START_TEST(announcements_in_the_other_byte_order)
{
	struct fixture *fixture = golden_ring(8);
	struct peer *peer = peer_new(fixture, 10);

	joined(fixture, peer, "group");
	deliver_batch(fixture, 2, BY(7, "group"), JOINS);
	drop_all(&peer->events);
	ring_begins(fixture);
	(void)batch_returns(fixture);	      /* its own */
	comes_from_two(fixture, &gone, true); /* after the one of ring_begins(): its number, 8, is not 9 */
	fixture->numbers[2] = 8;
	ring_is_synchronised(fixture);
	drop_all(&fixture->peer_multicasts);
	ck_assert_str_eq(next_event(peer), "1:10 -2:7d");
	ck_assert_str_eq(next_event(peer), "ring 1 2");
	deliver_batch(fixture, 2, BY(7, "group"), JOINS);
	ck_assert_str_eq(next_event(peer), "1:10 2:7 +2:7j");
	fixture_free(fixture);
}
END_TEST

/* ---- lengths that lie ---- */

static void put_field(struct block *block, size_t offset, size_t width, uint64_t value)
{
	uint8_t *at = block->memory + 1 + offset;
	size_t i;

	for (i = 0; i < width; i++) {
		bool low_first = block->bytes.swapped != (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

		at[low_first ? i : width - 1 - i] = (uint8_t)(value >> (8 * i));
	}
}

/* A batch of 64 bytes with one field changed. */
START_TEST(heads_are_checked)
{
	static const struct {
		size_t offset, width;
		uint64_t value;
		bool good;
	} cases[] = {
		{0, 4, 0x43504758, false},
		{0, 4, 0, false},
		{0, 4, 0x57475043, false},
		{4, 1, 0, false},
		{4, 1, 5, false},
		{4, 1, 255, false},
		{4, 1, PEER_REPEAT, false}, /* in a version that it never has, */
		{4, 1, PEER_MARK, false},   /* as here */
		{4, 1, PEER_ANNOUNCE, false},
		{5, 1, 0, false},
		{5, 1, 1, false},
		{5, 1, 3, false},
		{5, 1, 255, false},
		{6, 2, 0, false},
		{6, 2, 24, false},
		{6, 2, 31, false},
		{6, 2, 32, true},
		{6, 2, 33, false},
		{6, 2, 36, false},
		{6, 2, 40, true},
		{6, 2, 72, true},
		{6, 2, 80, false},
		{6, 2, 0xfff8, false},
		{6, 2, 0x2000, false},
		{8, 4, 0, false},
		{8, 4, 24, false},
		{8, 4, 31, false},
		{8, 4, 32, false},
		{8, 4, 71, false},
		{8, 4, 72, true},
		{8, 4, 73, false},
		{8, 4, 0x40000000, false},
		{8, 4, 0xffffffff, false},
	};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&join, swapped, join.size);
			struct peer_head head;

			put_field(&block, cases[i].offset, cases[i].width, cases[i].value);
			ck_assert_msg(peer_head_read(&head, &block.bytes) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			free(block.memory);
		}
	}
}
END_TEST

START_TEST(what_did_not_all_arrive_is_none)
{
	static const struct golden *const all[] = {&announce, &mark,   &join,	 &messages, &fragment,
						   &behind,   &missed, &present, &repeat,   &gone};
	struct peer_head head;
	size_t i, size;
	int swapped;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		for (size = 0; size < 2 * all[i]->size; size++) {
			swapped = (int)(size / all[i]->size);
			struct block block = block_of(all[i], swapped, size % all[i]->size);

			ck_assert(!peer_head_read(&head, &block.bytes));
			free(block.memory);
		}
	}
}
END_TEST

/* What a later version adds to a head is skipped. */
START_TEST(longer_heads)
{
	struct block block = block_of(&messages, false, messages.size);
	struct peer_bytes records;
	struct peer_head head;

	put_field(&block, 6, 2, 96); /* without its SENDER and messages */
	ck_assert(peer_head_read(&head, &block.bytes));
	records = peer_body(&head, &block.bytes);
	ck_assert(peer_batch_end_read(&records, 2));
	(void)next_item(&records, PEER_LEAVE, 2, 0);
	check_no_more(&block, &records);
	block = block_of(&repeat, false, repeat.size);
	put_field(&block, 6, 2, 48);
	ck_assert(peer_head_read(&head, &block.bytes));
	records = peer_body(&head, &block.bytes);
	(void)next_item(&records, PEER_LEAVE, 5, 0);
	check_no_more(&block, &records);
	block = block_of(&announce, false, announce.size);
	put_field(&block, 6, 2, 32);
	ck_assert(!peer_head_read(&head, &block.bytes)); /* one that is shorter */
	free(block.memory);
}
END_TEST

START_TEST(ends_are_checked)
{
	static const struct {
		size_t size;
		uint64_t number;
		bool good;
	} cases[] = {{8, 7, true},	     {24, 7, true}, {8, 8, false},
		     {8, 7ull << 32, false}, {7, 7, false}, {0, 7, false}};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&mark, swapped, cases[i].size);

			if (cases[i].size >= 8) {
				put_field(&block, cases[i].size - 8, 8, cases[i].number);
			}
			ck_assert_msg(peer_batch_end_read(&block.bytes, 7) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			ck_assert(!cases[i].good || block.bytes.size == cases[i].size - 8);
			free(block.memory);
		}
	}
}
END_TEST

START_TEST(records_are_checked)
{
	static const struct {
		size_t arrived;
		uint32_t length;
		bool good;
	} cases[] = {
		{0, 0, false},		 {7, 0, false},		  {8, 0, true},
		{15, 0, true},		 {8, 1, false},		  {15, 1, false},
		{16, 1, true},		 {16, 7, true},		  {15, 7, false},
		{16, 8, true},		 {16, 9, false},	  {23, 9, false},
		{24, 9, true},		 {24, 16, true},	  {24, 17, false},
		{24, 0x01000000, false}, {24, 0x7fffffff, false}, {24, 0x80000000, false},
		{24, 0xfffffff0, false}, {24, 0xfffffff8, false}, {24, 0xfffffff9, false},
		{24, 0xffffffff, false},
	};
	size_t i;
	int swapped;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (swapped = 0; swapped < 2; swapped++) {
			struct block block = block_of(&mark, swapped, cases[i].arrived);
			struct peer_item item;

			if (cases[i].arrived >= 8) {
				put_field(&block, 4, 4, cases[i].length);
			}
			ck_assert_msg(peer_record_next(&block.bytes, &item) == cases[i].good,
				      "case %zu, swapped %d", i, swapped);
			ck_assert(!cases[i].good || item.body.size == cases[i].length);
			free(block.memory);
		}
	}
}
END_TEST

/* Its number is still to come: who takes the rest of one batch for the end of another would pass over both. */
START_TEST(a_batch_with_the_end_of_another_is_none)
{
	struct block block = block_of(&join, false, join.size);
	struct fixture *fixture = golden_ring(1);
	struct engine_stats stats;

	put_field(&block, join.size - 8, 8, 2);
	deliver_peer(fixture, block.bytes.at, join.size, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, 1);
	ck_assert_uint_eq(stats.members, 0);
	comes_from_two(fixture, &join, false);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, 1);
	ck_assert_uint_eq(stats.gaps, 0);
	free(block.memory);
	fixture_free(fixture);
}
END_TEST

/* Dropped, counted, and said once. */
START_TEST(the_engine_drops_what_is_malformed)
{
	struct fixture *fixture = golden_ring(1);
	struct engine_stats stats;
	size_t size;

	fixture->log_lines = 0;
	for (size = 0; size < join.size; size++) {
		deliver_peer(fixture, join.native, size, 2);
	}
	deliver_peer(fixture, join.swapped, join.size, 2); /* nobody said so */
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.bad_messages, join.size + 1);
	ck_assert_uint_eq(stats.members, 0);
	ck_assert_uint_eq(stats.gaps, 0);
	ck_assert_uint_eq(fixture->log_lines, 1);
	deliver_peer(fixture, join.native, join.size, 2);
	engine_stats(fixture->engine, &stats);
	ck_assert_uint_eq(stats.members, 1);
	fixture_free(fixture);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_engine_sends,
		what_the_engine_repeats,
		what_is_read_in_both_byte_orders,
		the_engine_takes_both_byte_orders,
		announcements_in_the_other_byte_order,
		heads_are_checked,
		what_did_not_all_arrive_is_none,
		longer_heads,
		ends_are_checked,
		records_are_checked,
		a_batch_with_the_end_of_another_is_none,
		the_engine_drops_what_is_malformed,
	};

	return RUN_TESTS("peer records", tests);
}
