// SPDX-License-Identifier: GPL-2.0
#include "icmp.h"

#include "../lib/mem.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int64_t fl_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int open_raw(enum fl_family family)
{
	int fd = socket(family == FL_V4 ? AF_INET : AF_INET6,
			SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			family == FL_V4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	return fd < 0 ? -errno : fd;
}

/* Which types a socket hears: none, or echo replies. */
static int hear(int fd, enum fl_family family, bool replies)
{
	struct icmp6_filter filter6;
	/* Bits that are set are not heard: ICMP_FILTER of linux/icmp.h. */
	uint32_t filter4 = replies ? ~(1U << ICMP_ECHOREPLY) : ~0U;

	if (family == FL_V4)
		return setsockopt(fd, SOL_RAW, 1 /* ICMP_FILTER */, &filter4, sizeof(filter4));
	ICMP6_FILTER_SETBLOCKALL(&filter6);
	if (replies)
		ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
	return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof(filter6));
}

int fl_icmp_sender(enum fl_family family, const char *ifname, int flags)
{
	/* IPv6's have the same numbers. */
	int discover = flags & FL_ICMP_DF ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
	int fd = open_raw(family), err;

	if (fd < 0)
		return fd;
	if (hear(fd, family, false) ||
	    (ifname && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, strlen(ifname))) ||
	    (family == FL_V4 ?
		     setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) :
		     setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover,
				sizeof(discover)))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int fl_icmp_receiver(enum fl_family family)
{
	int fd = open_raw(family), room = 4 << 20, err;

	if (fd < 0)
		return fd;
	if (hear(fd, family, true)) {
		err = -errno;
		close(fd);
		return err;
	}
	/* Thousands of peers may answer at once; with less room some are asked again. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	return fd;
}

/* RFC 1071. Of ICMPv6 the kernel makes it. */
static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)data[i] << 8 | data[i + 1];
	if (len & 1)
		sum += (uint32_t)data[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static socklen_t to_sockaddr(const struct fl_prefix *p, struct sockaddr_storage *sa)
{
	memset(sa, 0, sizeof(*sa));
	sa->ss_family = p->family;
	if (p->family == AF_INET)
		((struct sockaddr_in *)sa)->sin_addr = p->v4;
	else
		((struct sockaddr_in6 *)sa)->sin6_addr = p->v6;
	return fl_sockaddr_len(sa);
}

int fl_icmp_send(int fd, const struct fl_prefix *src, const struct fl_prefix *dst, uint16_t id,
		 uint16_t seq, unsigned int len)
{
	union {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;
	} info = { 0 };
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(info))];
	} control = { 0 };
	size_t header = dst->family == AF_INET ? sizeof(struct ip) : 40;
	size_t size = len > header + 8 ? len - header : 8;
	uint8_t *packet = fl_zalloc(size);
	struct iovec iov = { packet, size };
	struct sockaddr_storage to;
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = to_sockaddr(dst, &to),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	struct icmphdr *h = (void *)packet; /* ICMPv6's has the same shape */
	struct cmsghdr *cmsg;
	int err = 0;

	h->type = dst->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	h->un.echo.id = htons(id);
	h->un.echo.sequence = htons(seq);
	if (dst->family == AF_INET)
		h->checksum = checksum(packet, size);
	if (src->family == dst->family) {
		msg.msg_control = control.bytes;
		msg.msg_controllen =
			CMSG_SPACE(dst->family == AF_INET ? sizeof(info.v4) : sizeof(info.v6));
		cmsg = CMSG_FIRSTHDR(&msg);
		if (dst->family == AF_INET) {
			info.v4.ipi_spec_dst = src->v4;
			cmsg->cmsg_level = IPPROTO_IP;
			cmsg->cmsg_type = IP_PKTINFO;
			cmsg->cmsg_len = CMSG_LEN(sizeof(info.v4));
		} else {
			info.v6.ipi6_addr = src->v6;
			cmsg->cmsg_level = IPPROTO_IPV6;
			cmsg->cmsg_type = IPV6_PKTINFO;
			cmsg->cmsg_len = CMSG_LEN(sizeof(info.v6));
		}
		memcpy(CMSG_DATA(cmsg), &info, cmsg->cmsg_len - CMSG_LEN(0));
	}
	if (sendmsg(fd, &msg, 0) < 0)
		err = -errno;
	free(packet);
	return err;
}

int fl_icmp_receive(int fd, enum fl_family family, struct fl_icmp_answer *answer)
{
	static uint8_t buf[FL_ICMP_MAX];
	struct sockaddr_storage from;
	const struct ip *ip = (const void *)buf;
	const struct icmphdr *h;
	size_t header;

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n;

		memset(&from, 0, sizeof(from));
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		/* An error that some packet of ours met: not an answer. */
		if (n < 0 && (errno == EINTR || errno == EHOSTUNREACH || errno == ENETUNREACH ||
			      errno == EMSGSIZE || errno == ECONNREFUSED || errno == EPROTO))
			continue;
		if (n < 0)
			return -errno;
		/* A raw IPv4 socket gets the IP header, too. */
		header = family == FL_V4 && n >= (ssize_t)sizeof(*ip) ? ip->ip_hl * 4U : 0;
		if ((size_t)n < header + sizeof(*h))
			continue;
		h = (const void *)(buf + header);
		if (h->type != (family == FL_V4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
			continue;
		answer->from = fl_prefix_of(&from);
		answer->id = ntohs(h->un.echo.id);
		answer->seq = ntohs(h->un.echo.sequence);
		answer->len = n + (family == FL_V4 ? 0 : 40);
		return 1;
	}
}
