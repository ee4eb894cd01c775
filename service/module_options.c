/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of the service section: names, units and limits, one row each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module_options.h"

#define MIB (1024ull * 1024)
#define NS_PER_MS (1000ull * 1000)

enum unit { UNIT_BYTES, UNIT_MILLISECONDS, UNIT_WIRE };

struct option {
	const char *name;
	enum unit unit;
	uint64_t least, most;
	void (*set)(struct engine_config *config, uint64_t value);
};

/* Values of `wire`, by their words. */
static const char *const wires[] = {"auto", "stock"};

static void set_client_queue(struct engine_config *config, uint64_t value)
{
	config->client_queue = value;
}

static void set_client_stall(struct engine_config *config, uint64_t value)
{
	config->client_stall = value * NS_PER_MS;
}

static void set_queue_total(struct engine_config *config, uint64_t value)
{
	config->queue_total = value;
}

static void set_message_max(struct engine_config *config, uint64_t value)
{
	config->message_max = value;
}

static void set_wire(struct engine_config *config, uint64_t value)
{
	config->wire_stock = value == 1;
}

static const struct option known[] = {
	{"client_queue", UNIT_BYTES, 1 * MIB, 1024 * 1024 * MIB, set_client_queue},
	{"client_stall", UNIT_MILLISECONDS, 100, 24ull * 3600 * 1000, set_client_stall},
	{"message_max", UNIT_BYTES, 1 * MIB, 1024 * MIB, set_message_max},
	{"queue_total", UNIT_BYTES, 4 * MIB, 1024 * 1024 * MIB, set_queue_total},
	{"wire", UNIT_WIRE, 0, 1, set_wire},
};

static const struct option *option_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0) {
			return &known[i];
		}
	}
	return NULL;
}

/* What a suffix multiplies by, 0 when it is none. */
static uint64_t suffix_factor(const char *suffix, enum unit unit)
{
	static const char letters[] = "KMG";
	uint64_t factor = 1;
	const char *at;

	if (*suffix == '\0') {
		return 1;
	}
	if (unit != UNIT_BYTES || suffix[1] != '\0') {
		return 0;
	}
	for (at = letters; *at; at++) {
		factor *= 1024;
		if (*suffix == *at || *suffix == *at + ('a' - 'A')) {
			return factor;
		}
	}
	return 0;
}

static bool number_read(const char *text, const struct option *option, uint64_t *value)
{
	uint64_t factor;
	char *end;

	if (*text < '0' || *text > '9') {
		return false; /* strtoull would take a sign or blanks */
	}
	errno = 0;
	*value = strtoull(text, &end, 10);
	factor = suffix_factor(end, option->unit);
	if (errno || factor == 0 || *value > UINT64_MAX / factor) {
		return false;
	}
	*value *= factor;
	return *value >= option->least && *value <= option->most;
}

static bool value_read(const char *text, const struct option *option, uint64_t *value)
{
	if (option->unit != UNIT_WIRE) {
		return number_read(text, option, value);
	}
	for (*value = 0; *value < sizeof(wires) / sizeof(wires[0]); ++*value) {
		if (strcmp(text, wires[*value]) == 0) {
			return true;
		}
	}
	return false;
}

/* What is wrong with an option's value, in words that stay. */
static const char *value_error(const struct option *option, const char *text)
{
	static char error[256];

	if (option->unit == UNIT_WIRE) {
		(void)snprintf(error, sizeof(error), "option %s: '%.64s' is neither %s nor %s", option->name,
			       text, wires[0], wires[1]);
	} else {
		(void)snprintf(error, sizeof(error),
			       "option %s: '%.64s' is not a number from %" PRIu64 " to %" PRIu64 " (%s)",
			       option->name, text, option->least, option->most,
			       option->unit == UNIT_BYTES ? "bytes, K, M or G may follow" : "milliseconds");
	}
	return error;
}

static const char *name_error(const char *name)
{
	static char error[256];
	size_t at = (size_t)snprintf(error, sizeof(error), "unknown option '%.64s': it may be", name), i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]) && at < sizeof(error); i++) {
		at += (size_t)snprintf(error + at, sizeof(error) - at, "%s %s", i ? "," : "", known[i].name);
	}
	return error;
}

/*
 * A message in fragments is queued as a whole when its last one is there: one that is as large as all queues together would have its receivers
 * evicted, however fast they read. Of these two, one that was not set fits the one that was.
 */
static const char *totals_fit(struct engine_config *config)
{
	size_t message_max = config->message_max ? config->message_max : ENGINE_MESSAGE_MAX_DEFAULT;
	size_t queue_total = config->queue_total ? config->queue_total : ENGINE_QUEUE_TOTAL_DEFAULT;

	if (config->queue_total == 0 && queue_total < 2 * message_max) {
		queue_total = 2 * message_max;
	} else if (config->message_max == 0 && message_max > queue_total / 2) {
		message_max = queue_total / 2;
	}
	config->message_max = message_max;
	config->queue_total = queue_total;
	if (queue_total < config->client_queue) {
		return "option queue_total must not be less than client_queue";
	}
	if (queue_total < 2 * message_max) {
		return "option queue_total must not be less than twice message_max";
	}
	return NULL;
}

const char *module_options_read(struct engine_config *config, const struct service_option *options,
				size_t count)
{
	size_t i;

	*config = (struct engine_config){
		.client_queue = ENGINE_CLIENT_QUEUE_DEFAULT,
		.client_stall = ENGINE_CLIENT_STALL_DEFAULT,
	};
	for (i = 0; i < count; i++) {
		const struct option *option = option_find(options[i].name);
		uint64_t value;

		if (option == NULL) {
			return name_error(options[i].name);
		}
		if (!value_read(options[i].value, option, &value)) {
			return value_error(option, options[i].value);
		}
		option->set(config, value);
	}
	return totals_fit(config);
}
