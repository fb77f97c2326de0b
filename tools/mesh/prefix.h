/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_PREFIX_H
#define FL_MESH_PREFIX_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* An address with the length of its prefix; 32 or 128 is one address. */
struct fl_prefix {
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint8_t len;	    /* 0..32 or 0..128 */
	union {
		struct in_addr v4;
		struct in6_addr v6;
		uint8_t bytes[16];
	};
};

#define FL_PREFIX_STR	(INET6_ADDRSTRLEN + sizeof("/128"))
#define FL_SOCKADDR_STR (INET6_ADDRSTRLEN + sizeof("[]:65535"))

/* "192.0.2.0/24", "2001:db8::/32", or an address alone, which gets the full length. False if it
 * is neither. Bits behind the prefix are kept. */
bool fl_prefix_parse(struct fl_prefix *p, const char *text);
const char *fl_prefix_format(const struct fl_prefix *p, char out[FL_PREFIX_STR]);

static inline unsigned int fl_prefix_bits(const struct fl_prefix *p)
{
	return p->family == AF_INET ? 32 : 128;
}

static inline bool fl_prefix_is_host(const struct fl_prefix *p)
{
	return p->len == fl_prefix_bits(p);
}

/* By family, address, length: what contains a prefix comes before it. For sorting. */
int fl_prefix_cmp(const void *a, const void *b);
bool fl_prefix_contains(const struct fl_prefix *outer, const struct fl_prefix *inner);
void fl_prefix_mask(struct fl_prefix *p); /* clear the host bits */
struct fl_prefix fl_prefix_of(const struct sockaddr_storage *sa);

/* Why no node can have this address, or NULL if one can: "is a multicast address", … */
const char *fl_prefix_unusable(const struct fl_prefix *p);

/* "192.0.2.1:51820", "[2001:db8::1]:51820"; "(none)" for AF_UNSPEC. */
const char *fl_sockaddr_format(const struct sockaddr_storage *sa, char out[FL_SOCKADDR_STR]);
bool fl_sockaddr_eq(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
bool fl_sockaddr_same_addr(const struct sockaddr_storage *a, const struct sockaddr_storage *b);
socklen_t fl_sockaddr_len(const struct sockaddr_storage *sa);
void fl_sockaddr_set_port(struct sockaddr_storage *sa, uint16_t port);
uint16_t fl_sockaddr_port(const struct sockaddr_storage *sa);

#endif
