/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * As pmxcfs does: two handles in the process; sends, joins and leaves under a mutex, while another thread dispatches, and
 * sends too from inside its callbacks.
 */
#include "api.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

enum { HANDLES = 2, MESSAGES = 400 };

struct service {
	struct api_client client;
	pthread_t dispatcher;
	pthread_mutex_t sending;
	atomic_uint delivered, replies;
	unsigned int next;
};

static struct service services[HANDLES];

static struct service *service_of(struct api_client *client)
{
	return client == &services[0].client ? &services[0] : &services[1];
}

static void locked_send(struct service *service, const char *text)
{
	uint64_t deadline = api_deadline();
	cs_error_t error;

	do {
		pthread_mutex_lock(&service->sending);
		error = client_send(&service->client, text, strlen(text));
		pthread_mutex_unlock(&service->sending);
	} while (error == CS_ERR_TRY_AGAIN && api_before(deadline));
	CHECK_NUMBER(error, CS_OK);
}

/* Everything of the handle comes in the order in which it was sent; each tenth is answered from here. */
static void on_event(struct api_client *client)
{
	struct service *service = service_of(client);
	char expected[64];
	unsigned int number = service->next;

	if (client->messages && strstr(client->trace, "\"reply\"")) {
		atomic_fetch_add(&service->replies, 1);
	} else if (client->messages) {
		snprintf(expected, sizeof(expected), "\"message %u\"", number);
		CHECK(strstr(client->trace, expected) != NULL);
		service->next++;
		if (number % 10 == 0)
			locked_send(service, "reply");
		atomic_fetch_add(&service->delivered, 1);
	}
	client_forget(client);
}

static void *dispatch(void *data)
{
	struct service *service = data;

	while (atomic_load(&service->delivered) < MESSAGES ||
	       atomic_load(&service->replies) < MESSAGES / 10) {
		if (client_readable(&service->client, 1000))
			EXPECT(CS_OK, cpg_dispatch(service->client.handle, CS_DISPATCH_ALL));
	}
	return NULL;
}

static void start(struct service *service, const char *group)
{
	client_open(&service->client);
	service->client.hook = on_event;
	CHECK(pthread_mutex_init(&service->sending, NULL) == 0);
	CHECK(pthread_create(&service->dispatcher, NULL, dispatch, service) == 0);
	pthread_mutex_lock(&service->sending);
	client_join(&service->client, group);
	pthread_mutex_unlock(&service->sending);
}

/* What locks out the dispatcher in the library would hang here: the daemon answers while it dispatches. */
static void ask(struct service *service, const char *group)
{
	struct cpg_name name = api_name(group);
	struct cpg_address members[CPG_MEMBERS_MAX];
	int count = CPG_MEMBERS_MAX;

	pthread_mutex_lock(&service->sending);
	EXPECT_IN_TIME(CS_OK, cpg_membership_get(service->client.handle, &name, members, &count));
	pthread_mutex_unlock(&service->sending);
	CHECK(count <= 1);
}

int main(void)
{
	static const char *const groups[HANDLES] = {"pve_dcdb", "pve_kvstore"};
	char text[64];

	api_begin();
	for (int i = 0; i < HANDLES; i++)
		start(&services[i], groups[i]);
	for (unsigned int number = 0; number < MESSAGES; number++) {
		snprintf(text, sizeof(text), "message %u", number);
		for (int i = 0; i < HANDLES; i++)
			locked_send(&services[i], text);
		if (number % 20 == 0)
			ask(&services[number % HANDLES], groups[number % HANDLES]);
	}
	for (int i = 0; i < HANDLES; i++) {
		CHECK(pthread_join(services[i].dispatcher, NULL) == 0);
		client_close(&services[i].client);
	}
	return 0;
}
