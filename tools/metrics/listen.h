/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_LISTEN_H
#define FL_METRICS_LISTEN_H

#include <stddef.h>

/*
 * Serve `file` over HTTP, read-only, on the addresses (see sockets.h) until SIGTERM or SIGINT.
 * One thread; it gives its rights up before the first request (see confine.h). Returns enum
 * fl_exit: FL_OK after such a signal.
 */
int fl_metrics_listen(const char *file, const char *const *addresses, size_t n, const char *user);

#endif
