/* SPDX-License-Identifier: BSD-3-Clause */
/* Random sizes up to the maximum and above, from two processes at once: every byte arrives. Seed: API_SEED. */
#include "api.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROUNDS = 40 };

static uint32_t state;

static size_t random_length(void)
{
	static const size_t near[] = {1048576, 1047552, 1046528, 300000, 65536, 8192, 100};
	size_t length;

	state = state * 1664525u + 1013904223u;
	length = near[(state >> 16) % 7];
	state = state * 1664525u + 1013904223u;
	return length + (state >> 20) % 3000 - (length > 1500 ? 1500 : 0);
}

static void send_one(struct api_client *client, struct api_peer *peer, unsigned int number, char *line,
		     size_t capacity)
{
	size_t length = random_length();
	char *message = malloc(length);
	bool own = number % 2;

	CHECK(message != NULL);
	api_fill(message, length, number);
	if (own)
		EXPECT_IN_TIME(CS_OK, client_send(client, message, length));
	else
		EXPECT_IN_TIME(CS_OK, peer_send(peer, length, number));
	snprintf(line, capacity, "message random %s %s\n", own ? "self" : "peer", api_text(message, length));
	free(message);
}

int main(void)
{
	const char *seed = getenv("API_SEED");
	struct api_client client;
	struct api_peer peer;
	char line[100];

	api_begin();
	state = seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)getpid();
	fprintf(stderr, "API_SEED=%u\n", state);
	peer_start(&peer, "peer");
	client_open(&client);
	client_join(&client, "random");
	client_dispatch_until(&client, 1);
	EXPECT_IN_TIME(CS_OK, peer_join(&peer, "random"));
	client_dispatch_until(&client, 2);
	client_forget(&client);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		send_one(&client, &peer, i, line, sizeof(line));
		EXPECT_TRACE(&client, line);
	}
	client_close(&client);
	return 0;
}
