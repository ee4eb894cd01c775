/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/peer_fixture.h"

#define TEXT_MAX 4096

struct pair pair_new(const struct engine_config *config)
{
	struct pair pair = {.fixture = fixture_new(config)};

	pair.one = peer_new(pair.fixture, 10);
	pair.two = peer_new(pair.fixture, 20);
	joined(pair.fixture, pair.one, "group");
	joined(pair.fixture, pair.two, "group");
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

struct pair trio_new(void)
{
	struct pair pair = pair_new(&fixture_own_format);

	ring_change(pair.fixture, RING(.members = NODES(1, 2, 3), .trans = NODES(1)));
	deliver_batch(pair.fixture, 2, BY(7, "group"), JOINS);
	deliver_batch(pair.fixture, 3, BY(8, "group"), JOINS);
	drop_all(&pair.one->events);
	drop_all(&pair.two->events);
	return pair;
}

/* ---- writing ---- */

struct message {
	uint8_t *bytes;
	size_t size;
};

static void put(struct message *message, const void *bytes, size_t size)
{
	message->bytes = realloc(message->bytes, message->size + size + 1);
	ck_assert_ptr_nonnull(message->bytes);
	if (size) {
		memcpy(message->bytes + message->size, bytes, size);
	}
	message->size += size;
}

static void put_u8(struct message *message, uint8_t value)
{
	put(message, &value, sizeof(value));
}

static void put_u32(struct message *message, uint32_t value)
{
	put(message, &value, sizeof(value));
}

static void put_u64(struct message *message, uint64_t value)
{
	put(message, &value, sizeof(value));
}

static void put_padding(struct message *message)
{
	while (message->size % 8) {
		put_u8(message, 0);
	}
}

static void put_head(struct message *message, const struct fixture *fixture, uint8_t kind, uint16_t head_size)
{
	*message = (struct message){.size = 0};
	put_u32(message, 0x43504757);
	put_u8(message, kind);
	put_u8(message, kind == PEER_BATCH ? 2 : 1);
	put(message, &head_size, sizeof(head_size));
	put_u32(message, 0); /* deliver_finished() fills it in */
	put_u32(message, fixture->ring_id.nodeid);
	put_u64(message, fixture->ring_id.seq);
}

static void deliver_finished(struct fixture *fixture, struct message *message, uint32_t nodeid)
{
	uint32_t size = (uint32_t)message->size;

	memcpy(message->bytes + 8, &size, sizeof(size));
	deliver_peer(fixture, message->bytes, message->size, nodeid);
	free(message->bytes);
}

static void put_body(struct message *message, const struct said *said)
{
	if (said->body) {
		put(message, said->body, said->size);
		return;
	}
	if (said->kind == PEER_SENDER || said->kind == PEER_NODE) {
		put_u32(message, said->pid);
	} else if (said->kind == PEER_FRAGMENT) {
		put_u32(message, said->msglen);
		put_u32(message, said->detail);
	}
	if (said->text) {
		put(message, said->text, strlen(said->text));
	}
}

static void put_record(struct message *message, const struct said *said)
{
	size_t at = message->size;
	uint32_t length;

	put_u8(message, said->kind);
	put_u8(message, said->kind == PEER_FRAGMENT ? 0 : said->detail);
	put(message, "\0", 2);
	put_u32(message, 0);
	put_body(message, said);
	length = (uint32_t)(message->size - at - 8);
	memcpy(message->bytes + at + 4, &length, sizeof(length));
	put_padding(message);
}

static void put_records(struct message *message, const struct said *said)
{
	for (; said->kind; said++) {
		put_record(message, said);
	}
}

void deliver_records(struct fixture *fixture, uint32_t nodeid, const struct said *said)
{
	struct message message;

	ck_assert_uint_lt(nodeid, NODES_MAX);
	put_head(&message, fixture, PEER_BATCH, 32);
	put_u64(&message, fixture->numbers[nodeid]);
	put_records(&message, said);
	put_u64(&message, fixture->numbers[nodeid]++);
	deliver_finished(fixture, &message, nodeid);
}

void deliver_repeated(struct fixture *fixture, uint32_t nodeid, const struct said *said)
{
	struct message message;

	put_head(&message, fixture, PEER_REPEAT, 24);
	put_records(&message, said);
	deliver_finished(fixture, &message, nodeid);
}

void deliver_told(struct fixture *fixture, uint32_t nodeid, enum peer_news_stage stage, uint32_t round,
		  const struct said *said)
{
	struct message message;

	put_head(&message, fixture, PEER_NEWS, 32);
	put_u32(&message, (uint32_t)stage);
	put_u32(&message, round);
	put_records(&message, said);
	deliver_finished(fixture, &message, nodeid);
}

void deliver_round(struct fixture *fixture, uint32_t nodeid, uint32_t round)
{
	const struct said nothing = {.kind = 0};

	deliver_told(fixture, nodeid, PEER_NEWS_BEGIN, round, &nothing);
}

void deliver_partial(struct fixture *fixture, uint32_t nodeid, uint32_t pid, const char *group,
		     struct said part)
{
	struct message message = {.size = 0};
	const struct wire_partial_mcast head = {
		.header = {.id = WIRE_ID(WIRE_PARTIAL_MCAST),
			   .size = (int32_t)(sizeof(head) + strlen(part.text))},
		.group = ipc_name(group),
		.msglen = part.msglen,
		.fraglen = (uint32_t)strlen(part.text),
		.pid = pid,
		.type = part.detail,
		.source = {.nodeid = nodeid},
	};

	put(&message, &head, sizeof(head));
	put(&message, part.text, strlen(part.text));
	deliver(fixture, message.bytes, nodeid);
	free(message.bytes);
}

void lose_batch(struct fixture *fixture, uint32_t nodeid)
{
	fixture->numbers[nodeid]++;
}

void deliver_present(struct fixture *fixture, uint32_t nodeid, uint32_t missed_nodeid, uint64_t missed_number,
		     const struct named *named)
{
	struct message body = {.size = 0};

	put_u64(&body, missed_number);
	put_u32(&body, missed_nodeid);
	put_u32(&body, 1);
	for (; named->group; named++) {
		put_u32(&body, named->pid);
		put_u32(&body, (uint32_t)strlen(named->group));
		put(&body, named->group, strlen(named->group));
		put_padding(&body);
	}
	deliver_batch(fixture, nodeid, {.kind = PEER_PRESENT, .body = body.bytes, .size = body.size});
	free(body.bytes);
}

static void put_announce(struct message *message, const struct fixture *fixture, uint32_t nodeid,
			 struct versions versions, uint32_t flags)
{
	ck_assert_uint_lt(nodeid, NODES_MAX);
	put_head(message, fixture, PEER_ANNOUNCE, 40);
	put_u64(message, fixture->numbers[nodeid]);
	put_u8(message, versions.min);
	put_u8(message, versions.max);
	put(message, "\0", 2);
	put_u32(message, flags);
}

void deliver_announce(struct fixture *fixture, uint32_t nodeid, struct versions versions, uint32_t flags)
{
	struct message message;

	put_announce(&message, fixture, nodeid, versions, flags);
	deliver_finished(fixture, &message, nodeid);
}

void deliver_announce_of(struct fixture *fixture, uint32_t nodeid, const struct memb_ring_id *last_ring,
			 const struct heard *heard)
{
	struct message message;

	put_announce(&message, fixture, nodeid, (struct versions)VERSION_NOW, 0);
	put_u64(&message, last_ring->seq);
	put_u32(&message, last_ring->nodeid);
	put_u32(&message, 0);
	for (; heard->nodeid; heard++) {
		put_u64(&message, heard->next_number);
		put_u32(&message, heard->nodeid);
		put_u32(&message, 0);
	}
	deliver_finished(fixture, &message, nodeid);
}

uint64_t gaps(const struct fixture *fixture)
{
	struct engine_stats stats;

	engine_stats(fixture->engine, &stats);
	return stats.gaps;
}

void both_present(struct fixture *fixture, uint32_t missed_nodeid, uint64_t missed_number)
{
	deliver_present(fixture, 2, missed_nodeid, missed_number, SEVEN);
	deliver_present(fixture, 3, missed_nodeid, missed_number, EIGHT);
}

/* ---- rings ---- */

static bool has(const uint32_t *list, uint32_t nodeid)
{
	while (list && *list && *list != nodeid) {
		list++;
	}
	return list && *list;
}

static size_t named_count(const struct named *named)
{
	size_t count = 0;

	while (named[count].group) {
		count++;
	}
	return count;
}

const struct ring ring_alone = {.members = (const uint32_t[]){SELF, 0}};
const struct ring ring_without_stock = {.members = (const uint32_t[]){SELF, 0},
					.left = (const uint32_t[]){3, 0}};
const struct ring ring_with_stock = {.members = (const uint32_t[]){SELF, 3, 0},
				     .trans = (const uint32_t[]){SELF, 0},
				     .stock = (const uint32_t[]){3, 0}};

void ring_sync(struct fixture *fixture, const struct ring *ring)
{
	const uint32_t *node;

	transitional(fixture, ring->left ? ring->left : NOBODY);
	sync_begin(fixture, ring->trans ? ring->trans : ring->members, ring->members);
	for (node = ring->members; *node; node++) {
		if (*node == SELF) {
			continue;
		}
		if (!has(ring->stock, *node)) {
			deliver_announce(fixture, *node, (struct versions)VERSION_NOW, 0);
		}
		deliver_downlist(fixture, *node);
	}
	if (ring->named) {
		deliver_joinlist(fixture, ring->named_by, ring->named, named_count(ring->named));
	}
	sync_own(fixture);
}

void ring_settles(struct fixture *fixture, const struct ring *ring)
{
	ring_sync(fixture, ring);
	engine_sync_activate(fixture->engine);
	engine_sync_over(fixture->engine);
	engine_tick(fixture->engine);
}

void ring_change(struct fixture *fixture, const struct ring *ring)
{
	ring_sync(fixture, ring);
	sync_end(fixture);
}

/* ---- reading ---- */

struct text {
	char at[TEXT_MAX];
	size_t size;
};

static void say(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct text *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text->size += (size_t)vsnprintf(text->at + text->size, TEXT_MAX - text->size, format, arguments);
	va_end(arguments);
	ck_assert_uint_lt(text->size, TEXT_MAX);
}

static uint32_t u32_at(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t u64_at(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* Long ones: how long they are. */
static void say_payload(struct text *text, const uint8_t *bytes, size_t size)
{
	if (size > 100) {
		say(text, " %zu bytes", size);
	} else {
		say(text, " '%.*s'", (int)size, (const char *)bytes);
	}
}

static void say_leave(struct text *text, uint32_t reason)
{
	if (reason == 2) {
		say(text, " leaves");
	} else if (reason == 5) {
		say(text, " dies");
	} else {
		say(text, " goes by %u", reason);
	}
}

static void say_present(struct text *text, const uint8_t *body, size_t size)
{
	size_t at = 16;

	say(text, " present %u.%u%s", u32_at(body + 8), (unsigned int)u64_at(body),
	    u32_at(body + 12) ? "" : " more");
	while (size < 1000 && at < size) {
		uint32_t length = u32_at(body + at + 4);

		say(text, " %u@%.*s", u32_at(body + at), (int)length, (const char *)body + at + 8);
		at += 8 + peer_padded(length);
	}
}

static void say_record(struct text *text, const uint8_t *record, size_t size)
{
	const uint8_t *body = record + 8;

	switch (record[0]) {
	case PEER_SENDER:
		say(text, " %u@%.*s", u32_at(body), (int)size - 4, (const char *)body + 4);
		break;
	case PEER_MESSAGE:
		say_payload(text, body, size);
		break;
	case PEER_FRAGMENT:
		say(text, " %u/%u", u32_at(body + 4), u32_at(body));
		say_payload(text, body + 8, size - 8);
		break;
	case PEER_JOIN:
		say(text, " joins");
		break;
	case PEER_LEAVE:
		say_leave(text, record[1]);
		break;
	case PEER_BEHIND:
		say(text, " behind %u", record[1]);
		break;
	case PEER_MISSED:
		say(text, " missed");
		break;
	case PEER_PRESENT:
		say_present(text, body, size);
		break;
	case PEER_NODE:
		say(text, " of %u", u32_at(body));
		break;
	default:
		say(text, " record %u", record[0]);
		break;
	}
}

static void say_records(struct text *text, const struct packet *packet, size_t at, size_t end)
{
	while (at < end) {
		uint32_t length;

		ck_assert_uint_le(at + 8, end);
		length = u32_at(packet->data + at + 4);
		ck_assert_uint_le(at + 8 + peer_padded(length), end);
		say_record(text, packet->data + at, length);
		at += 8 + peer_padded(length);
	}
}

static void say_announce(struct text *text, const struct packet *packet)
{
	size_t at;

	say(text, "announce %u%s", (unsigned int)u64_at(packet->data + 24),
	    u32_at(packet->data + 36) ? " missed" : "");
	for (at = 56; at < packet->size; at += 16) {
		say(text, "%s %u.%u", at == 56 ? ", heard" : "", u32_at(packet->data + at + 8),
		    (unsigned int)u64_at(packet->data + at));
	}
}

static void say_news(struct text *text, const struct packet *packet)
{
	uint32_t round = u32_at(packet->data + 28);

	switch (u32_at(packet->data + 24)) {
	case PEER_NEWS_BEGIN:
		say(text, "begins %u", round);
		break;
	case PEER_NEWS_MORE:
		say(text, "more %u:", round);
		break;
	default:
		say(text, "last %u:", round);
		break;
	}
	say_records(text, packet, 32, packet->size);
}

static void say_peer(struct text *text, const struct packet *packet)
{
	ck_assert_uint_eq(u32_at(packet->data + 8), packet->size);
	switch (packet->data[4]) {
	case PEER_ANNOUNCE:
		say_announce(text, packet);
		break;
	case PEER_MARK:
		say(text, "mark");
		break;
	case PEER_NEWS:
		say_news(text, packet);
		break;
	case PEER_REPEAT:
		say(text, "repeat:");
		say_records(text, packet, 24, packet->size);
		break;
	default:
		say(text, "batch %u:", (unsigned int)u64_at(packet->data + 24));
		say_records(text, packet, 32, packet->size - 8);
		ck_assert_mem_eq(packet->data + packet->size - 8, packet->data + 24, 8);
		break;
	}
}

static void say_name(struct text *text, uint32_t pid, const struct ipc_name *name)
{
	say(text, "%u@%.*s", pid, (int)name->length, name->value);
}

static void say_stock(struct text *text, const struct packet *packet)
{
	const struct wire_procjoin *procjoin = (const void *)packet->data;
	const struct wire_mcast *mcast = (const void *)packet->data;
	const struct wire_partial_mcast *partial = (const void *)packet->data;

	switch (procjoin->header.id & 0xffff) {
	case WIRE_PROCJOIN:
		say_name(text, procjoin->pid, &procjoin->group);
		say(text, " joins");
		break;
	case WIRE_PROCLEAVE:
		say_name(text, procjoin->pid, &procjoin->group);
		say_leave(text, procjoin->reason);
		break;
	case WIRE_MCAST:
		say_name(text, mcast->pid, &mcast->group);
		say_payload(text, mcast->message, mcast->msglen);
		break;
	case WIRE_PARTIAL_MCAST:
		say_name(text, partial->pid, &partial->group);
		say(text, " %u/%u", partial->type, partial->msglen);
		say_payload(text, partial->message, partial->fraglen);
		break;
	default:
		say(text, "stock %d", procjoin->header.id & 0xffff);
		break;
	}
}

static bool is_peer(const struct packet *packet)
{
	return packet->size >= 24 && u32_at(packet->data) == 0x43504757;
}

const char *packet_text(const struct packet *packet)
{
	static struct text text;

	text.size = 0;
	if (packet == NULL) {
		return "none";
	}
	if (is_peer(packet)) {
		say_peer(&text, packet);
	} else {
		say_stock(&text, packet);
	}
	return text.at;
}

static const char *first_of(struct fixture *fixture, struct packets *packets, bool returns)
{
	struct packet *packet = take(packets);
	const char *text = packet_text(packet);

	if (packet && returns && is_peer(packet)) {
		deliver_peer(fixture, packet->data, packet->size, SELF);
	} else if (packet && returns) {
		deliver(fixture, packet->data, SELF);
	}
	free(packet);
	return text;
}

struct packets packets_held(struct packets *packets)
{
	struct packets held = *packets;

	*packets = (struct packets){0};
	return held;
}

void one_comes_out(struct fixture *fixture, struct packets *held)
{
	(void)first_of(fixture, held, true);
}

void comes_out(struct fixture *fixture, struct packets *held)
{
	while (held->first) {
		one_comes_out(fixture, held);
	}
}

const char *batch_returns(struct fixture *fixture)
{
	return first_of(fixture, &fixture->peer_multicasts, true);
}

const char *batch_lost(struct fixture *fixture)
{
	return first_of(fixture, &fixture->peer_multicasts, false);
}

const char *stock_returns(struct fixture *fixture)
{
	return first_of(fixture, &fixture->multicasts, true);
}

const char *stock_lost(struct fixture *fixture)
{
	return first_of(fixture, &fixture->multicasts, false);
}
