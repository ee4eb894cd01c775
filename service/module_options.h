/* SPDX-License-Identifier: BSD-3-Clause */
/* Options of the service section. */
#ifndef MODULE_OPTIONS_H
#define MODULE_OPTIONS_H

#include "engine.h"
#include "loader_abi.h"

/*
 * Reads the options over the defaults. NULL, or one line that says which is wrong and what it may be, valid
 * until the next call.
 */
const char *module_options_read(struct engine_config *config, const struct service_option *options,
				size_t count);

#endif
