/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_MESH_NL_H
#define FL_MESH_NL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Netlink transport: one socket for routing, one for generic netlink. Reading and writing go
 * through one function each, whoever made the message (libnl-route for links, addresses and
 * routes, wg.c for WireGuard), so that every change of the kernel is counted in one place.
 */

enum fl_nl_bus { FL_NL_ROUTE, FL_NL_GENERIC, FL_NL_BUSES };

#define FL_NL_BATCH 32768 /* bytes of one sendmsg(2), and the largest message */
/* Each message that fails answers with a packet of its own, all of which must fit into the
 * socket's receive buffer (212992 bytes by default) until they are read. */
#define FL_NL_BATCH_MESSAGES 128

struct fl_nl {
	struct mnl_socket *sock[FL_NL_BUSES];
	uint16_t wg_family;  /* 0: the kernel has no WireGuard */
	unsigned int writes; /* messages sent that are not reads */

	/* Messages that wait for fl_nl_flush(). */
	uint8_t *batch;
	size_t used;
	unsigned int queued;
	unsigned int tags[FL_NL_BATCH_MESSAGES];
	struct nlmsghdr *last;
	enum fl_nl_bus bus;
	uint32_t seq; /* of the message made last */

	/* The first message that failed, after fl_nl_write() or fl_nl_flush() returned an error. */
	unsigned int failed_tag;
	char failed_text[128]; /* the kernel's own words (extended ACK), or "" */
};

/* mnl_nlmsg_ok() compares as int and takes a length of 2 GiB or more for a negative one, and
 * libmnl's attributes end where the message ends rounded up, which the kernel always sends. */
static inline bool fl_nl_ok(const struct nlmsghdr *nlh, int len)
{
	return len >= (int)sizeof(*nlh) && nlh->nlmsg_len <= (unsigned int)len &&
	       (size_t)MNL_ALIGN(nlh->nlmsg_len) <= (size_t)len && mnl_nlmsg_ok(nlh, len);
}

/* Returns 0 or -errno. */
int fl_nl_open(struct fl_nl *nl);
void fl_nl_close(struct fl_nl *nl);

/*
 * Send a request and call `cb` for each message of the answer; negative returns end the reading
 * and are returned. A dump that the kernel calls inconsistent (NLM_F_DUMP_INTR) or that overran
 * the socket (ENOBUFS) is asked for again, after `again` has thrown away what cb collected.
 */
typedef int (*fl_nl_cb)(const struct nlmsghdr *nlh, void *ctx);
int fl_nl_read(struct fl_nl *nl, enum fl_nl_bus bus, struct nlmsghdr *req, fl_nl_cb cb,
	       void (*again)(void *ctx), void *ctx);

/*
 * Ask n questions that have one answer each, many at a time. `make` writes the i-th into buf, which
 * has FL_NL_QUESTION bytes; `cb` gets its answer, or NULL and what the kernel said instead. After a
 * failure of the socket questions may be asked again. Returns 0 or -errno.
 */
#define FL_NL_QUESTION 128
struct fl_nl_questions {
	struct nlmsghdr *(*make)(void *buf, size_t i, void *ctx);
	void (*cb)(size_t i, const struct nlmsghdr *nlh, int err, void *ctx);
	void *ctx;
	size_t n;
};
int fl_nl_ask(struct fl_nl *nl, enum fl_nl_bus bus, const struct fl_nl_questions *q);

/*
 * Queue one change; the message is copied. They reach the kernel in order, in batches, and the
 * kernel goes on behind one that fails. `tag` says in failed_tag which one it was. Returns 0, or
 * -errno of the first failure of a batch that became full.
 */
int fl_nl_write(struct fl_nl *nl, enum fl_nl_bus bus, const struct nlmsghdr *msg, unsigned int tag);
int fl_nl_flush(struct fl_nl *nl);

#endif
