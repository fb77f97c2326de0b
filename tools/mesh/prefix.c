// SPDX-License-Identifier: GPL-2.0
#include "prefix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fl_prefix_parse(struct fl_prefix *p, const char *text)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	unsigned int len = 0;

	memset(p, 0, sizeof(*p));
	if (n >= sizeof(addr))
		return false;
	memcpy(addr, text, n);
	addr[n] = '\0';
	p->family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(p->family, addr, p->bytes) != 1)
		return false;
	p->len = fl_prefix_bits(p);
	if (!slash)
		return true;
	for (text = slash + 1; *text; text++) {
		if (*text < '0' || *text > '9' || text - slash > 3)
			return false;
		len = 10 * len + (*text - '0');
	}
	if (text == slash + 1 || len > p->len || (slash[1] == '0' && slash[2]))
		return false;
	p->len = len;
	return true;
}

const char *fl_prefix_format(const struct fl_prefix *p, char out[FL_PREFIX_STR])
{
	size_t n;

	inet_ntop(p->family, p->bytes, out, FL_PREFIX_STR);
	n = strlen(out);
	snprintf(out + n, FL_PREFIX_STR - n, "/%u", p->len);
	return out;
}

int fl_prefix_cmp(const void *a, const void *b)
{
	const struct fl_prefix *x = a, *y = b;
	int diff;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	diff = memcmp(x->bytes, y->bytes, fl_prefix_bits(x) / 8);
	return diff ? diff : (int)x->len - (int)y->len;
}

bool fl_prefix_contains(const struct fl_prefix *outer, const struct fl_prefix *inner)
{
	unsigned int whole = outer->len / 8, rest = outer->len % 8;
	uint8_t mask = 0xff00 >> rest;

	if (outer->family != inner->family || outer->len > inner->len ||
	    memcmp(outer->bytes, inner->bytes, whole))
		return false;
	return !rest || !((outer->bytes[whole] ^ inner->bytes[whole]) & mask);
}

void fl_prefix_mask(struct fl_prefix *p)
{
	unsigned int whole = p->len / 8, rest = p->len % 8;

	if (rest)
		p->bytes[whole++] &= 0xff00 >> rest;
	memset(p->bytes + whole, 0, sizeof(p->bytes) - whole);
}

struct fl_prefix fl_prefix_of(const struct sockaddr_storage *sa)
{
	struct fl_prefix p = { .family = sa->ss_family };

	if (sa->ss_family == AF_INET)
		p.v4 = ((const struct sockaddr_in *)sa)->sin_addr;
	else
		p.v6 = ((const struct sockaddr_in6 *)sa)->sin6_addr;
	p.len = fl_prefix_bits(&p);
	return p;
}

const char *fl_prefix_unusable(const struct fl_prefix *p)
{
	const uint8_t *b = p->bytes;

	if (p->family == AF_INET) {
		if (!b[0])
			return "is in 0.0.0.0/8, which means 'this network'";
		if (b[0] == 127)
			return "is a loopback address";
		if (b[0] == 169 && b[1] == 254)
			return "is a link-local address";
		if (b[0] >= 240)
			return "is a reserved or broadcast address";
		return b[0] >= 224 ? "is a multicast address" : NULL;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&p->v6))
		return "is the unspecified address";
	if (IN6_IS_ADDR_LOOPBACK(&p->v6))
		return "is a loopback address";
	if (IN6_IS_ADDR_LINKLOCAL(&p->v6))
		return "is a link-local address";
	if (IN6_IS_ADDR_V4MAPPED(&p->v6))
		return "is an IPv4 address in IPv6 notation; write it as IPv4";
	return IN6_IS_ADDR_MULTICAST(&p->v6) ? "is a multicast address" : NULL;
}

const char *fl_sockaddr_format(const struct sockaddr_storage *sa, char out[FL_SOCKADDR_STR])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	char addr[INET6_ADDRSTRLEN];

	if (sa->ss_family == AF_INET)
		snprintf(out, FL_SOCKADDR_STR, "%s:%u",
			 inet_ntop(AF_INET, &v4->sin_addr, addr, sizeof(addr)),
			 ntohs(v4->sin_port));
	else if (sa->ss_family == AF_INET6)
		snprintf(out, FL_SOCKADDR_STR, "[%s]:%u",
			 inet_ntop(AF_INET6, &v6->sin6_addr, addr, sizeof(addr)),
			 ntohs(v6->sin6_port));
	else
		snprintf(out, FL_SOCKADDR_STR, "(none)");
	return out;
}

uint16_t fl_sockaddr_port(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	if (sa->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return 0;
}

bool fl_sockaddr_same_addr(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	if (a->ss_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
					  &((const struct sockaddr_in6 *)b)->sin6_addr);
	return true;
}

bool fl_sockaddr_eq(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	return fl_sockaddr_same_addr(a, b) && fl_sockaddr_port(a) == fl_sockaddr_port(b);
}

socklen_t fl_sockaddr_len(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

void fl_sockaddr_set_port(struct sockaddr_storage *sa, uint16_t port)
{
	if (sa->ss_family == AF_INET)
		((struct sockaddr_in *)sa)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
}
