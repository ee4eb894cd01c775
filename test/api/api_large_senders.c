/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two processes send messages of several fragments at the same time, while others join and leave their group
 * all the time: no message is mixed up, cut, lost or doubled. Stock's library gives up a message with
 * CS_ERR_INTERRUPT at any confchg of the group, as it does on a stock engine; the sender then tries again.
 */
#include "api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { SENDERS = 2, MESSAGES = 6, LENGTH = 2500000 };

static struct api_peer peers[SENDERS];
static atomic_uint finished;

static cs_error_t send_one(struct api_peer *peer, uint32_t number)
{
	cs_error_t error = peer_send(peer, LENGTH + number, number);

	/* Nobody got it. */
	return error == CS_ERR_INTERRUPT && !ours_engine() ? CS_ERR_TRY_AGAIN : error;
}

static void *keep_sending(void *peer)
{
	for (uint32_t number = 0; number < MESSAGES; number++)
		EXPECT_IN_TIME(CS_OK, send_one(peer, number));
	atomic_fetch_add(&finished, 1);
	return NULL;
}

static void dispatch_until(struct api_client *client, const unsigned int *counter, unsigned int expected)
{
	uint64_t deadline = api_deadline() + API_DEADLINE_MS;

	while (*counter < expected && api_now_ms() < deadline) {
		if (client_readable(client, 1000))
			EXPECT(CS_OK, cpg_dispatch(client->handle, CS_DISPATCH_ALL));
	}
	CHECK(*counter >= expected);
}

/* Each sender's messages, in order, with the content that its number says; nothing else but confchgs. */
static void check_messages(const struct api_client *client, const struct api_peer *peer)
{
	static char content[LENGTH + MESSAGES];
	const char *at = client->trace;
	char line[100];

	for (uint32_t number = 0; number < MESSAGES; number++) {
		api_fill(content, LENGTH + number, number);
		snprintf(line, sizeof(line), "message large %s %s\n", peer->name,
			 api_text(content, LENGTH + number));
		at = strstr(at, line);
		CHECK(at != NULL);
		at += strlen(line);
	}
}

/* Another process comes and goes. */
static void change_group(struct api_client *client)
{
	unsigned int confchgs = client->confchgs;
	struct api_peer visitor;

	peer_start(&visitor, "visitor");
	EXPECT_IN_TIME(CS_OK, peer_join(&visitor, "large"));
	peer_exit(&visitor);
	dispatch_until(client, &client->confchgs, confchgs + 2);
}

int main(void)
{
	struct api_client client;
	pthread_t senders[SENDERS];

	api_begin();
	peer_start(&peers[0], "a");
	peer_start(&peers[1], "b");
	client_open(&client);
	client_join(&client, "large");
	for (int i = 0; i < SENDERS; i++)
		EXPECT_IN_TIME(CS_OK, peer_join(&peers[i], "large"));
	client_dispatch_until(&client, 1 + SENDERS);
	for (int i = 0; i < SENDERS; i++)
		CHECK(pthread_create(&senders[i], NULL, keep_sending, &peers[i]) == 0);
	do
		change_group(&client);
	while (atomic_load(&finished) < SENDERS);
	dispatch_until(&client, &client.messages, SENDERS * MESSAGES);
	for (int i = 0; i < SENDERS; i++) {
		CHECK(pthread_join(senders[i], NULL) == 0);
		check_messages(&client, &peers[i]);
	}
	client_fence(&client);
	EXPECT(CS_OK, cpg_dispatch(client.handle, CS_DISPATCH_ALL));
	CHECK_NUMBER(client.messages, SENDERS * MESSAGES);
	client_close(&client);
	return 0;
}
