/* SPDX-License-Identifier: BSD-3-Clause */
/* `cpgverify verify` and `cpgverify dump`: from log files to words. */
#ifndef CPGVERIFY_CHECK_H
#define CPGVERIFY_CHECK_H

/* What follows the sub command. Both return the exit code. */
int check_logs(int argc, char **argv);
int dump_log(int argc, char **argv);

/*
 * A file in memory for reading; *size 0 and *data not NULL for an empty one. Returns 0, or -1 after a
 * message.
 */
int map_log(const char *name, const void **data, unsigned long *size);
void unmap_log(const void *data, unsigned long size);

#endif
