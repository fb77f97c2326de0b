/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_ICMP_H
#define FL_MESH_ICMP_H

#include "plan.h"

/*
 * ICMP echo, RFC 792 and RFC 4443, over raw sockets: what makes WireGuard shake hands, and asks
 * whether a packet of some size arrives. Functions return 0 or more, or -errno.
 */

enum { FL_ICMP_DF = 1 }; /* never in fragments, whatever the kernel knows of the path */

/* A socket that sends, over this interface only (NULL: over any), and never blocks. */
int fl_icmp_sender(enum fl_family family, const char *ifname, int flags);

/* A socket that gets the answers, from every interface: one may come by another lane. */
int fl_icmp_receiver(enum fl_family family);

/* An IP packet of `len` bytes, header and all; src may be of no family. -EMSGSIZE: larger than the
 * interface or the route takes. */
#define FL_ICMP_MIN (40 + 8)
#define FL_ICMP_MAX 65535
int fl_icmp_send(int fd, const struct fl_prefix *src, const struct fl_prefix *dst, uint16_t id,
		 uint16_t seq, unsigned int len);

struct fl_icmp_answer {
	struct fl_prefix from;
	uint16_t id, seq;
	unsigned int len; /* of the IP packet */
};
/* 1: here is one, 0: there is none now. Anything else that arrives is passed over. */
int fl_icmp_receive(int fd, enum fl_family family, struct fl_icmp_answer *answer);

/* Microseconds of a clock that does not jump. */
int64_t fl_now_us(void);

#endif
