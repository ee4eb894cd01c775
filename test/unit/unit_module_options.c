/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of the service section. */
#include <string.h>

#include "service/module_options.h"
#include "test/unit/engine_fixture.h"

static const char *read_one(struct engine_config *config, const char *name, const char *value)
{
	struct service_option option = {name, value};

	return module_options_read(config, &option, 1);
}

START_TEST(defaults)
{
	struct engine_config config;

	ck_assert_ptr_null(module_options_read(&config, NULL, 0));
	ck_assert_uint_eq(config.client_queue, ENGINE_CLIENT_QUEUE_DEFAULT);
	ck_assert_uint_eq(config.client_stall, ENGINE_CLIENT_STALL_DEFAULT);
	ck_assert_uint_eq(config.queue_total, ENGINE_QUEUE_TOTAL_DEFAULT);
	ck_assert_uint_eq(config.message_max, ENGINE_MESSAGE_MAX_DEFAULT);
	ck_assert(!config.wire_stock);
}
END_TEST

START_TEST(values_and_suffixes)
{
	struct engine_config config;

	ck_assert_ptr_null(read_one(&config, "client_queue", "2000000"));
	ck_assert_uint_eq(config.client_queue, 2000000);
	ck_assert_ptr_null(read_one(&config, "client_queue", "2048K"));
	ck_assert_uint_eq(config.client_queue, 2048 * 1024);
	ck_assert_ptr_null(read_one(&config, "client_queue", "8m"));
	ck_assert_uint_eq(config.client_queue, 8 * 1024 * 1024);
	ck_assert_ptr_null(read_one(&config, "queue_total", "2G"));
	ck_assert_uint_eq(config.queue_total, 2ull << 30);
	ck_assert_ptr_null(read_one(&config, "client_stall", "2500"));
	ck_assert_uint_eq(config.client_stall, 2500ull * 1000 * 1000);
	ck_assert_ptr_null(read_one(&config, "message_max", "1G"));
	ck_assert_uint_eq(config.message_max, 1ull << 30);
	ck_assert_ptr_null(read_one(&config, "wire", "stock"));
	ck_assert(config.wire_stock);
	ck_assert_ptr_null(read_one(&config, "wire", "auto"));
	ck_assert(!config.wire_stock);
}
END_TEST

/* What was not set fits what was. */
START_TEST(totals)
{
	struct service_option both[] = {{"queue_total", "100M"}, {"message_max", "51M"}};
	struct engine_config config;

	ck_assert_ptr_null(read_one(&config, "queue_total", "100M"));
	ck_assert_uint_eq(config.message_max, 50ull << 20);
	ck_assert_ptr_null(read_one(&config, "message_max", "1024M"));
	ck_assert_uint_eq(config.queue_total, 2ull << 30);
	ck_assert_ptr_nonnull(strstr(module_options_read(&config, both, 2), "twice message_max"));
	both[1].value = "50M";
	ck_assert_ptr_null(module_options_read(&config, both, 2));
}
END_TEST

START_TEST(bad_values)
{
	static const char *const bad[] = {"",
					  "x",
					  "-1",
					  "+1",
					  " 1M",
					  "1T",
					  "1MM",
					  "1.5M",
					  "0",
					  "1023K",
					  "1025G",
					  "18446744073709551616",
					  "18446744073709551615G"};
	struct engine_config config;
	const char *error;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error = read_one(&config, "client_queue", bad[i]);
		ck_assert_ptr_nonnull(error);
		ck_assert_ptr_nonnull(strstr(error, "client_queue"));
	}
	ck_assert_ptr_nonnull(read_one(&config, "client_stall", "10K")); /* milliseconds take no suffix */
	ck_assert_ptr_nonnull(read_one(&config, "client_stall", "99"));
	ck_assert_ptr_nonnull(read_one(&config, "queue_total", "32M")); /* less than client_queue */
	ck_assert_ptr_nonnull(read_one(&config, "message_max", "2G"));
	ck_assert_ptr_nonnull(strstr(read_one(&config, "wire", "1"), "stock"));
	ck_assert_ptr_nonnull(read_one(&config, "wire", ""));
}
END_TEST

START_TEST(unknown_options)
{
	struct engine_config config;
	const char *error = read_one(&config, "client_queues", "1M");

	ck_assert_ptr_nonnull(error);
	ck_assert_ptr_nonnull(strstr(error, "client_queues"));
	ck_assert_ptr_nonnull(strstr(error, "queue_total"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {defaults, values_and_suffixes, totals, bad_values, unknown_options};

	return RUN_TESTS("module options", tests);
}
