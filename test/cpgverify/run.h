/* SPDX-License-Identifier: BSD-3-Clause */
/* `cpgverify run`: starts the processes, shows their progress, brings them back when the daemon died. */
#ifndef CPGVERIFY_RUN_H
#define CPGVERIFY_RUN_H

#include "options.h"

/* Returns the exit code. */
int run(const struct run_options *options);

#endif
