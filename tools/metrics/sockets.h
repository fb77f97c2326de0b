/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_SOCKETS_H
#define FL_METRICS_SOCKETS_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The sockets that the metrics are served on. */

/* Where to listen: "192.0.2.1:9820", "[2001:db8::1]:9820", or "/run/fairlead/metrics.sock". */
struct fl_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	};
	socklen_t len;
};

/* 0, or FL_USAGE after a message. Names are not looked up: what a resolver says may change. */
int fl_address_parse(const char *text, struct fl_address *addr);

#define FL_SOCKETS_MAX 32

struct fl_sockets {
	int fd[FL_SOCKETS_MAX];
	size_t n;
};

/*
 * A listening socket for each of the texts; "systemd" stands for all that systemd hands over (see
 * sd_listen_fds(3)). A TCP address need not be there yet. A UNIX socket has mode 0660; one that
 * nobody listens on any more is replaced. Returns enum fl_exit; on failure none is open.
 */
int fl_sockets_open(struct fl_sockets *s, const char *const *texts, size_t n);
void fl_sockets_close(struct fl_sockets *s);

#endif
