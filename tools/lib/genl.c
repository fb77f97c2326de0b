// SPDX-License-Identifier: GPL-2.0
#include "genl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

size_t fl_genl_buf_size(void)
{
	/* Not MNL_SOCKET_BUFFER_SIZE, which is a page at most 8 KiB: replies to dumps may be 32 KiB. */
	return 32768;
}

struct nlmsghdr *fl_genl_request(struct fl_genl *g, void *buf, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = g->family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++g->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = g->version;
	return nlh;
}

/* The words of an extended ACK, which follow the request's echo, or its header if capped. */
static int on_error(const struct nlmsghdr *nlh, void *data)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*err);
	struct nlattr *attr;
	struct fl_genl *g = *(struct fl_genl **)data;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err)) {
		errno = EBADMSG;
		return MNL_CB_ERROR;
	}
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS) {
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
			offset += mnl_nlmsg_get_payload_len(&err->msg);
		mnl_attr_for_each(attr, nlh, offset)
		{
			if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
			    !mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
				strncpy(g->said, mnl_attr_get_str(attr), sizeof(g->said) - 1);
		}
	}
	errno = err->error < 0 ? -err->error : err->error;
	return err->error ? MNL_CB_ERROR : MNL_CB_STOP;
}

struct run {
	struct fl_genl *g; /* first: on_error() finds it */
	mnl_cb_t cb;
	void *data;
};

static int on_message(const struct nlmsghdr *nlh, void *data)
{
	struct run *run = data;

	return run->cb ? run->cb(nlh, run->data) : MNL_CB_OK;
}

int fl_genl_run(struct fl_genl *g, const struct nlmsghdr *nlh, mnl_cb_t cb, void *data)
{
	static mnl_cb_t ctl[NLMSG_MIN_TYPE] = { [NLMSG_ERROR] = on_error };
	struct run run = { g, cb, data };
	char *buf;
	ssize_t n;
	int ret;

	g->said[0] = '\0';
	if (mnl_socket_sendto(g->sock, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	buf = malloc(fl_genl_buf_size());
	if (!buf)
		return -ENOMEM;
	do {
		n = mnl_socket_recvfrom(g->sock, buf, fl_genl_buf_size());
		if (n < 0 && errno == EINTR) {
			ret = MNL_CB_OK;
			continue;
		}
		ret = n < 0 ? MNL_CB_ERROR :
			      mnl_cb_run2(buf, n, g->seq, mnl_socket_get_portid(g->sock),
					  on_message, &run, ctl, NLMSG_MIN_TYPE);
	} while (ret > 0);
	ret = ret < 0 ? -errno : 0;
	free(buf);
	return ret;
}

static int on_family(const struct nlmsghdr *nlh, void *data)
{
	struct fl_genl *g = data;
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
		    !mnl_attr_validate(attr, MNL_TYPE_U16))
			g->family = mnl_attr_get_u16(attr);
		if (mnl_attr_get_type(attr) == CTRL_ATTR_VERSION &&
		    !mnl_attr_validate(attr, MNL_TYPE_U32))
			g->version = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

int fl_genl_open(struct fl_genl *g, const char *family)
{
	struct nlmsghdr *nlh;
	int one = 1, err;
	char buf[256];

	*g = (struct fl_genl){ .family = GENL_ID_CTRL, .version = 1, .seq = time(NULL) };
	g->sock = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!g->sock)
		return -errno;
	/* Words with errors, and errors without the whole request sent back. */
	mnl_socket_setsockopt(g->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(g->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	if (mnl_socket_bind(g->sock, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		goto err_close;
	}
	nlh = fl_genl_request(g, buf, CTRL_CMD_GETFAMILY, 0);
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, family);
	err = fl_genl_run(g, nlh, on_family, g);
	if (!err && g->family != GENL_ID_CTRL)
		return 0;
	if (!err)
		err = -EPROTO;
err_close:
	fl_genl_close(g);
	return err;
}

void fl_genl_close(struct fl_genl *g)
{
	if (g->sock)
		mnl_socket_close(g->sock);
	g->sock = NULL;
}
