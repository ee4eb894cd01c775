/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What processes of stock nodes did in this ring. Their joins and leaves are in stock's format, so totem may lose them for some of us and not
 * for others (docs/WIRE.md). Whoever hears one tells it to the other engines of ours, in rounds:
 *
 *   BEGIN       of a node's round. The moment when it comes is the same in the order of all
 *   MORE, LAST  what that node knew at that moment of processes that it had heard something of
 *
 * Of each process counts what is of the latest moment: the one at which it was heard from the process's own node, or the BEGIN of the round that
 * told it. So a round that comes late undoes nothing newer. What was heard is to be told until a later moment's news of that process has come, from
 * whomever; so the latest news of each process has been told to all of us, and all believe that.
 *
 * News that have been told are kept only while a round is open that began before them.
 *
 * In a sync nothing is told. What is heard then are leaves: engines of ours hold theirs back, stock's don't, and a joinlist that was on its way
 * already still names who has left by then.
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "engine_internal.h"

/* The last that was heard of a process, or told. */
struct news {
	struct qb_list_head of_engine;
	struct news *next_in_bucket;
	struct sender process;
	uint64_t moment;
	uint8_t kind, detail; /* as in the record: JOIN or LEAVE */
	bool untold;	      /* others may not know it */
};

/* Nobody has that many; a node that says so can't make us keep more. */
#define NEWS_MAX 65536u

/* ns, until a round begins where no token comes. */
#define NEWS_DELAY (5ull * 1000 * 1000)

/* Flushes, until a round is taken for lost. */
#define WAITS_MAX 100u

/* Of records in a message, and how many of these each visit of the token takes: less than it takes away, so totem's queue stays as it is. */
#define ROUND_BYTES ((size_t)8 * 1024)
#define ROUND_MESSAGES 2u

/* Of one process: NODE, SENDER, JOIN or LEAVE. */
#define NEWS_BYTES_MAX                                                                                       \
	(3 * sizeof(struct peer_record) + 2 * PEER_ALIGN + sizeof(struct peer_sender) + (size_t)IPC_NAME_MAX)

/* ---- what is known ---- */

static struct news **bucket_of(struct engine *engine, const struct sender *process)
{
	return &engine->news_buckets[(name_hash(&process->group) ^ process->pid) % NEWS_BUCKETS];
}

static bool is_of(const struct news *news, const struct sender *process)
{
	return news->process.nodeid == process->nodeid && news->process.pid == process->pid &&
	       name_equal(&news->process.group, &process->group);
}

static struct news *news_find(struct engine *engine, const struct sender *process)
{
	struct news *news = *bucket_of(engine, process);

	while (news && !is_of(news, process)) {
		news = news->next_in_bucket;
	}
	return news;
}

static void set_untold(struct engine *engine, struct news *news, bool untold)
{
	engine->news_untold -= news->untold;
	engine->news_untold += untold;
	news->untold = untold;
}

static void news_remove(struct engine *engine, struct news *news)
{
	struct news **link = bucket_of(engine, &news->process);

	while (*link != news) {
		link = &(*link)->next_in_bucket;
	}
	*link = news->next_in_bucket;
	qb_list_del(&news->of_engine);
	set_untold(engine, news, false);
	engine->news_count--;
	free(news);
}

static void oldest_remove(struct engine *engine)
{
	struct news *oldest = qb_list_first_entry(&engine->news, struct news, of_engine);

	if (oldest->untold && !engine->news_overflow_said) {
		engine->news_overflow_said = true;
		engine_log(engine, LOG_WARNING,
			   "more than %u processes of stock nodes came or went: some of it is not told to "
			   "other nodes",
			   NEWS_MAX);
	}
	news_remove(engine, oldest);
}

/* NULL: out of memory. */
static struct news *news_add(struct engine *engine, const struct sender *process)
{
	struct news **bucket = bucket_of(engine, process);
	struct news *news;

	if (engine->news_count == NEWS_MAX) {
		oldest_remove(engine);
	}
	news = calloc(1, sizeof(*news));
	if (news == NULL) {
		return NULL;
	}
	news->process = *process;
	news->next_in_bucket = *bucket;
	*bucket = news;
	qb_list_add_tail(&news->of_engine, &engine->news);
	engine->news_count++;
	return news;
}

/* Without what was heard this node can neither tell it nor know what is older. */
static void news_lost(struct engine *engine)
{
	if (engine->in_sync) {
		engine->lists_lack = true;
	} else {
		exchange_out_of_memory(engine, "who is on stock nodes");
	}
}

/* It is the latest. */
static void news_set(struct engine *engine, const struct sender *process, const struct news *values)
{
	struct news *news = news_find(engine, process);

	news = news ? news : news_add(engine, process);
	if (news == NULL) {
		news_lost(engine);
		return;
	}
	news->moment = values->moment;
	news->kind = values->kind;
	news->detail = values->detail;
	set_untold(engine, news, values->untold);
	qb_list_del(&news->of_engine); /* the oldest are the first */
	qb_list_add_tail(&news->of_engine, &engine->news);
}

static void news_forget(struct engine *engine, const struct sender *process)
{
	struct news *news = news_find(engine, process);

	if (news) {
		news_remove(engine, news);
	}
}

/* When the first of the rounds that are open began. */
static uint64_t first_round(const struct engine *engine)
{
	uint64_t first = UINT64_MAX;
	size_t i;

	for (i = 0; i < engine->node_count; i++) {
		const struct node *node = engine->nodes[i];

		if (node->telling && node->told_from < first) {
			first = node->told_from;
		}
	}
	return first;
}

static void news_tidy(struct engine *engine)
{
	uint64_t first = first_round(engine);
	struct qb_list_head *at, *next;

	qb_list_for_each_safe (at, next, &engine->news) {
		struct news *news = qb_list_entry(at, struct news, of_engine);

		if (!news->untold && news->moment <= first) {
			news_remove(engine, news);
		}
	}
}

void news_clear(struct engine *engine)
{
	size_t i;

	while (!qb_list_empty(&engine->news)) {
		news_remove(engine, qb_list_first_entry(&engine->news, struct news, of_engine));
	}
	for (i = 0; i < engine->node_count; i++) {
		engine->nodes[i]->telling = false;
	}
	engine->news_telling = TELLING_NOTHING;
	engine->news_overflow_said = false;
}

/* ---- hearing of it ---- */

/* Of whom joins and leaves may be lost for some: in this ring, which is not ours, it did not announce itself. */
static bool is_of_stock(const struct engine *engine, uint32_t nodeid)
{
	const struct node *node = node_find(engine, nodeid);

	return node && !node->announced && nodeid != engine->nodeid && ring_has(engine, nodeid);
}

/* There may be one of ours to tell it to. */
static bool are_told(const struct engine *engine)
{
	return !engine->ours && engine->ring_count > 2;
}

static void heard_in_sync(struct engine *engine, const struct sender *process, const struct news *values)
{
	if (values->kind == PEER_JOIN) {
		news_forget(engine, process); /* stock refuses it then */
	} else if (process->nodeid != engine->nodeid) {
		news_set(engine, process, values);
	}
}

void news_heard(struct engine *engine, const struct sender *process, uint8_t kind, uint8_t detail)
{
	const struct news values = {
		.kind = kind, .detail = detail, .untold = true, .moment = ++engine->news_moment};

	if (engine->in_sync) {
		heard_in_sync(engine, process, &values);
	} else if (are_told(engine) && is_of_stock(engine, process->nodeid)) {
		news_set(engine, process, &values);
		engine->ops.wake(engine->context, NEWS_DELAY);
	}
}

void news_repeated(struct engine *engine, const struct sender *process, const struct peer_item *item)
{
	const struct news values = {
		.kind = item->kind, .detail = item->detail, .moment = ++engine->news_moment};

	if ((item->kind != PEER_JOIN && item->kind != PEER_LEAVE) || !is_of_stock(engine, process->nodeid)) {
		return;
	}
	if (first_round(engine) < values.moment) {
		news_set(engine, process, &values);
	} else {
		news_forget(engine, process);
	}
}

bool news_has_left(struct engine *engine, const struct sender *process)
{
	return news_find(engine, process) != NULL;
}

void news_begin(struct engine *engine)
{
	struct qb_list_head *at, *next;

	if (!are_told(engine)) {
		news_clear(engine);
	}
	qb_list_for_each_safe (at, next, &engine->news) {
		struct news *news = qb_list_entry(at, struct news, of_engine);

		if (!is_of_stock(engine, news->process.nodeid)) {
			news_remove(engine, news);
		}
	}
}

/* ---- telling it ---- */

static size_t record_write(uint8_t *to, uint8_t kind, uint8_t detail, const void *body, size_t size)
{
	const struct peer_record head = {.kind = kind, .detail = detail, .length = (uint32_t)size};

	memset(to, 0, sizeof(head) + peer_padded(size));
	memcpy(to, &head, sizeof(head));
	if (size) {
		memcpy(to + sizeof(head), body, size);
	}
	return sizeof(head) + peer_padded(size);
}

static size_t news_write(uint8_t *to, const struct news *news)
{
	const struct peer_node node = {.nodeid = news->process.nodeid};
	struct {
		struct peer_sender head;
		char group[IPC_NAME_MAX];
	} sender = {.head = {.pid = news->process.pid}};
	size_t size = record_write(to, PEER_NODE, 0, &node, sizeof(node));

	memcpy(sender.group, news->process.group.value, news->process.group.length);
	size += record_write(to + size, PEER_SENDER, 0, &sender,
			     sizeof(sender.head) + news->process.group.length);
	return size + record_write(to + size, news->kind, news->detail, NULL, 0);
}

static bool send(struct engine *engine, enum peer_news_stage stage, const uint8_t *records, size_t size)
{
	struct peer_news head = {.stage = (uint32_t)stage, .round = engine->news_round};
	struct iovec iov[2] = {{.iov_base = &head, .iov_len = sizeof(head)},
			       {.iov_base = (void *)(uintptr_t)records, .iov_len = size}};

	peer_head_write(engine, &head.head, PEER_NEWS, sizeof(head), sizeof(head) + size);
	return engine->ops.peer_mcast(engine->context, iov, size ? 2 : 1) == 0;
}

/* This round tells it: it is older than the round. */
static bool is_due(const struct news *news, uint64_t from)
{
	return news->untold && news->moment < from;
}

/* What is due, as much as fits. Returns bytes; `end`: up to where it has been written. */
static size_t round_write(struct engine *engine, uint64_t from, uint8_t *records, struct qb_list_head **end)
{
	struct qb_list_head *at;
	size_t size = 0;

	for (at = engine->news.next; at != &engine->news && size + NEWS_BYTES_MAX <= ROUND_BYTES;
	     at = at->next) {
		const struct news *news = qb_list_entry(at, struct news, of_engine);

		if (is_due(news, from)) {
			size += news_write(records + size, news);
		}
	}
	*end = at;
	return size;
}

static void round_told(struct engine *engine, uint64_t from, const struct qb_list_head *end)
{
	struct qb_list_head *at;

	for (at = engine->news.next; at != end; at = at->next) {
		struct news *news = qb_list_entry(at, struct news, of_engine);

		if (is_due(news, from)) {
			set_untold(engine, news, false);
		}
	}
}

/* Our BEGIN is back. False: the rest goes next time, or there is no room. */
static bool round_tell(struct engine *engine)
{
	uint64_t from = node_find(engine, engine->nodeid)->told_from;
	uint8_t records[ROUND_BYTES];
	struct qb_list_head *end;
	unsigned int i;

	for (i = 0; i < ROUND_MESSAGES; i++) {
		size_t size = round_write(engine, from, records, &end);

		if (!send(engine, end == &engine->news ? PEER_NEWS_LAST : PEER_NEWS_MORE, records, size)) {
			return false;
		}
		round_told(engine, from, end);
		if (end == &engine->news) {
			return true;
		}
	}
	return false;
}

static void round_step(struct engine *engine, enum telling next, bool sent)
{
	if (sent) {
		engine->news_telling = next;
		engine->news_waits = 0;
	}
}

/* Another node may be about to tell what this one heard, and one round is enough. Or what is on its way got lost. */
static bool round_waits(struct engine *engine)
{
	bool waits = engine->news_telling != TELLING_NOTHING || first_round(engine) != UINT64_MAX;

	return waits && ++engine->news_waits < WAITS_MAX;
}

void news_flush(struct engine *engine)
{
	if (engine->news_telling == TELLING_BEGUN) {
		round_step(engine, TELLING_ENDS, round_tell(engine));
	} else if (news_wait(engine) && !round_waits(engine)) {
		engine->news_round++;
		round_step(engine, TELLING_BEGINS, send(engine, PEER_NEWS_BEGIN, NULL, 0));
	}
}

bool news_wait(const struct engine *engine)
{
	return engine->news_untold || engine->news_telling != TELLING_NOTHING;
}

/* ---- being told ---- */

/* Unless there is something newer here. What is kept of it is for rounds that began before this one. */
static void told(struct engine *engine, const struct node *by, const struct sender *process,
		 const struct peer_item *item)
{
	const struct news values = {.kind = item->kind, .detail = item->detail, .moment = by->told_from};
	const struct news *known = news_find(engine, process);

	if ((known && known->moment > by->told_from) || !is_of_stock(engine, process->nodeid)) {
		return;
	}
	if (first_round(engine) < by->told_from) {
		news_set(engine, process, &values);
	} else if (known) {
		news_forget(engine, process);
	}
	if (item->kind == PEER_JOIN) {
		deliver_join(engine, process);
	} else {
		deliver_leave(engine, process, item->detail);
	}
}

static bool read_node(struct sender *process, const struct peer_bytes *body)
{
	*process = (struct sender){.group = {.length = IPC_NAME_MAX + 1}};
	if (body->size < sizeof(struct peer_node)) {
		return false;
	}
	process->nodeid = peer_u32(body, 0);
	return true;
}

/* False: the record is malformed. */
static bool receive_record(struct engine *engine, const struct node *by, struct sender *process,
			   const struct peer_item *item)
{
	switch (item->kind) {
	case PEER_NODE:
		return read_node(process, &item->body);
	case PEER_SENDER:
		return peer_sender_read(item, &process->group, &process->pid);
	case PEER_JOIN:
	case PEER_LEAVE:
		if (process->group.length <= IPC_NAME_MAX) {
			told(engine, by, process, item);
		}
		return process->group.length <= IPC_NAME_MAX;
	default:
		return false;
	}
}

static void receive_records(struct engine *engine, const struct node *by, struct peer_bytes records)
{
	struct sender process = {.group = {.length = IPC_NAME_MAX + 1}};
	struct peer_item item;

	while (peer_record_next(&records, &item)) {
		if (!receive_record(engine, by, &process, &item)) {
			message_complain(engine, by->nodeid, "record");
			return;
		}
	}
}

static void round_begins(struct engine *engine, struct node *node, uint32_t round)
{
	node->telling = true;
	node->telling_round = round;
	node->told_from = ++engine->news_moment;
	if (node->nodeid == engine->nodeid && engine->news_telling == TELLING_BEGINS &&
	    engine->news_round == round) {
		engine->news_telling = TELLING_BEGUN;
		engine->ops.wake(engine->context, 0);
	}
}

static void round_ends(struct engine *engine, struct node *node)
{
	node->telling = false;
	if (node->nodeid == engine->nodeid && node->telling_round == engine->news_round) {
		engine->news_telling = TELLING_NOTHING;
	}
	if (first_round(engine) == UINT64_MAX) {
		engine->news_waits = 0; /* else there is one that does not end */
	}
	news_tidy(engine);
}

void news_receive(struct engine *engine, struct node *node, const struct peer_head *head,
		  const struct peer_bytes *bytes)
{
	uint32_t stage = peer_u32(bytes, offsetof(struct peer_news, stage));
	uint32_t round = peer_u32(bytes, offsetof(struct peer_news, round));

	if (stage == PEER_NEWS_BEGIN) {
		round_begins(engine, node, round);
	} else if (node->telling && node->telling_round == round) {
		receive_records(engine, node, peer_body(head, bytes));
		if (stage == PEER_NEWS_LAST) {
			round_ends(engine, node);
		}
	}
}
