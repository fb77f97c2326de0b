/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_GENL_H
#define FL_GENL_H

#include <libmnl/libmnl.h>
#include <stdint.h>

/*
 * Generic netlink, one request at a time, over libmnl. Functions return 0 or a negative errno;
 * what the kernel said in words (extended ACK) is in ->said, "" if it said nothing.
 */
struct fl_genl {
	struct mnl_socket *sock;
	uint16_t family;
	uint8_t version;
	uint32_t seq;
	char said[256];
};

/* -ENOENT: the kernel has no such family. */
int fl_genl_open(struct fl_genl *g, const char *family);
void fl_genl_close(struct fl_genl *g);

/* Start a request in buf, of at least fl_genl_buf_size() bytes. */
struct nlmsghdr *fl_genl_request(struct fl_genl *g, void *buf, uint8_t cmd, uint16_t flags);
size_t fl_genl_buf_size(void);

/* Send it, hand every reply to cb (may be NULL), return the kernel's verdict. A dump that was
 * interrupted by a change ends in -EINTR: do it again. */
int fl_genl_run(struct fl_genl *g, const struct nlmsghdr *nlh, mnl_cb_t cb, void *data);

#endif
