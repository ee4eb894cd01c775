/* SPDX-License-Identifier: BSD-3-Clause */
/* cpg_model_initialize: models, flags, what of the model data counts. */
#include "api.h"

static cs_error_t initialize(cpg_handle_t *handle, cpg_model_t model, cpg_model_v1_data_t *data,
			     void *context)
{
	return cpg_model_initialize(handle, model, (cpg_model_data_t *)data, context);
}

static void models(void)
{
	cpg_model_v1_data_t data = api_model;
	cpg_handle_t handle;

	EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, 0, &data, NULL));
	EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, 0, NULL, NULL));
	EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, 2, &data, NULL));
	EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, (cpg_model_t)-1, &data, NULL));
	EXPECT(CS_OK, initialize(&handle, CPG_MODEL_V1, NULL, NULL));
	EXPECT(CS_OK, cpg_finalize(handle));
	data.model = 2; /* the argument decides, not the copy inside */
	EXPECT(CS_OK, initialize(&handle, CPG_MODEL_V1, &data, NULL));
	EXPECT(CS_OK, cpg_finalize(handle));
}

static void flags(void)
{
	cpg_model_v1_data_t data = api_model;
	cpg_handle_t handle;

	for (unsigned int bit = 1; bit < 32; bit++) {
		data.flags = 1u << bit;
		EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, CPG_MODEL_V1, &data, NULL));
	}
	data.flags = ~0u;
	EXPECT(CS_ERR_INVALID_PARAM, initialize(&handle, CPG_MODEL_V1, &data, NULL));
	data.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF;
	EXPECT(CS_OK, initialize(&handle, CPG_MODEL_V1, &data, NULL));
	EXPECT(CS_OK, cpg_finalize(handle));
}

static void context(void)
{
	cpg_model_v1_data_t data = api_model;
	cpg_handle_t handle;
	void *got = NULL;

	EXPECT(CS_OK, initialize(&handle, CPG_MODEL_V1, &data, &data));
	EXPECT(CS_OK, cpg_context_get(handle, &got));
	CHECK(got == &data);
	EXPECT(CS_OK, cpg_finalize(handle));
}

/* Directly after the own join, once, and only for whom it was asked. */
static void initial_totem_conf(void)
{
	struct api_client asks, plain;

	client_open_flags(&asks, CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF);
	client_open(&plain);
	EXPECT_TRACE(&asks, "");
	client_join(&asks, "asks");
	client_join(&plain, "plain");
	EXPECT_TRACE(&asks, "confchg asks members self left - joined self:join\n"
			    "ring 1\n");
	EXPECT_TRACE(&plain, "confchg plain members self left - joined self:join\n");
	client_close(&asks);
	client_close(&plain);
}

static void initial_totem_conf_once(void)
{
	struct api_client client;
	struct api_peer other;

	peer_start(&other, "other");
	client_open_flags(&client, CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF);
	client_join(&client, "both");
	EXPECT_TRACE(&client, "confchg both members self left - joined self:join\n"
			      "ring 1\n");
	EXPECT(CS_OK, peer_join(&other, "both"));
	EXPECT_TRACE(&client, "confchg both members self,other left - joined other:join\n");
	peer_exit(&other);
	EXPECT_TRACE(&client, "confchg both members self left other:procdown joined -\n");
	client_close(&client);
}

int main(void)
{
	api_begin();
	models();
	flags();
	context();
	initial_totem_conf();
	initial_totem_conf_once();
	return 0;
}
