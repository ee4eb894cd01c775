/* SPDX-License-Identifier: BSD-3-Clause */
/* The text of a corosync.conf, and the options of the section that is found there. */
#include <stdlib.h>

#include "fuzz.h"
#include "service/loader_conf.h"
#include "service/module_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct engine_config config;
	struct loader_conf conf;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	loader_conf_parse(text, size, "corosync_cpg", &conf);
	if (conf.found && !conf.error)
		(void)module_options_read(&config, conf.options, conf.option_count);
	free(text);
	return 0;
}
