/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What processes of other nodes did last, as heard in stock's format in this ring. In a sync these are leaves: engines of ours hold theirs
 * back, stock's don't, and a joinlist that was on its way already still names who has left by then.
 */
#include <stdlib.h>

#include "engine_internal.h"

/* A process, by its group: the news of it. */
struct news {
	struct qb_list_head of_engine;
	struct news *next_in_bucket;
	struct sender process;
};

/* Nobody has that many; a node that says so can't make us keep more. */
#define NEWS_MAX 65536u

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

static void news_remove(struct engine *engine, struct news *news)
{
	struct news **link = bucket_of(engine, &news->process);

	while (*link != news) {
		link = &(*link)->next_in_bucket;
	}
	*link = news->next_in_bucket;
	qb_list_del(&news->of_engine);
	engine->news_count--;
	free(news);
}

/* NULL: out of memory. */
static struct news *news_add(struct engine *engine, const struct sender *process)
{
	struct news **bucket = bucket_of(engine, process);
	struct news *news;

	if (engine->news_count == NEWS_MAX) {
		news_remove(engine, qb_list_first_entry(&engine->news, struct news, of_engine));
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

void news_clear(struct engine *engine)
{
	while (!qb_list_empty(&engine->news)) {
		news_remove(engine, qb_list_first_entry(&engine->news, struct news, of_engine));
	}
}

void news_joined(struct engine *engine, const struct sender *process)
{
	struct news *news = news_find(engine, process);

	if (news) {
		news_remove(engine, news);
	}
}

void news_left(struct engine *engine, const struct sender *process)
{
	if (engine->in_sync && process->nodeid != engine->nodeid && news_find(engine, process) == NULL &&
	    news_add(engine, process) == NULL) {
		engine->lists_lack = true;
	}
}

bool news_has_left(struct engine *engine, const struct sender *process)
{
	return news_find(engine, process) != NULL;
}
