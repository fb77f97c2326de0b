// SPDX-License-Identifier: GPL-2.0
#include "nl.h"

#include "../lib/mem.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel fills dumps up to 32 KiB a message when the reader shows that much room. */
#define RECV_SIZE (64 << 10)
#define RETRIES	  20

static int family_attr(const struct nlattr *attr, void *data)
{
	uint16_t *id = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    mnl_attr_get_payload_len(attr) >= sizeof(*id))
		*id = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int family_cb(const struct nlmsghdr *nlh, void *ctx)
{
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), family_attr, ctx);
	return 0;
}

/* The kernel loads the module when somebody asks for the family, if it may and has one. */
static int find_wireguard(struct fl_nl *nl)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	int err;

	nlh->nlmsg_type = GENL_ID_CTRL;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = CTRL_CMD_GETFAMILY;
	genl->version = 1;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	err = fl_nl_read(nl, FL_NL_GENERIC, nlh, family_cb, NULL, &nl->wg_family);
	return err == -ENOENT ? 0 : err;
}

int fl_nl_open(struct fl_nl *nl)
{
	static const int bus[FL_NL_BUSES] = { NETLINK_ROUTE, NETLINK_GENERIC };
	static const int options[] = { NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK };
	int err;

	memset(nl, 0, sizeof(*nl));
	nl->batch = fl_zalloc(FL_NL_BATCH);
	for (int i = 0; i < FL_NL_BUSES; i++) {
		nl->sock[i] = mnl_socket_open2(bus[i], SOCK_CLOEXEC);
		if (!nl->sock[i] || mnl_socket_bind(nl->sock[i], 0, MNL_SOCKET_AUTOPID)) {
			err = -errno;
			fl_nl_close(nl);
			return err;
		}
		for (size_t j = 0; j < sizeof(options) / sizeof(options[0]); j++) {
			int one = 1;

			/* All are older than 6.1; without them only messages are poorer. */
			mnl_socket_setsockopt(nl->sock[i], options[j], &one, sizeof(one));
		}
	}
	err = find_wireguard(nl);
	if (err)
		fl_nl_close(nl);
	return err;
}

void fl_nl_close(struct fl_nl *nl)
{
	for (int i = 0; i < FL_NL_BUSES; i++)
		if (nl->sock[i])
			mnl_socket_close(nl->sock[i]);
	if (nl->batch)
		sodium_memzero(nl->batch, FL_NL_BATCH); /* may have held a private key */
	free(nl->batch);
	memset(nl, 0, sizeof(*nl));
}

static int error_attr(const struct nlattr *attr, void *data)
{
	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    !mnl_attr_validate(attr, MNL_TYPE_STRING))
		snprintf(data, sizeof(((struct fl_nl *)0)->failed_text), "%.*s",
			 (int)mnl_attr_get_payload_len(attr), mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* What an NLMSG_ERROR or NLMSG_DONE says: 0 or -errno; text gets the kernel's words. */
static int answer_error(const struct nlmsghdr *nlh, char *text)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	unsigned int skip = sizeof(*e);

	if (nlh->nlmsg_type == NLMSG_DONE)
		return mnl_nlmsg_get_payload_len(nlh) >= sizeof(int) ?
			       *(int *)mnl_nlmsg_get_payload(nlh) :
			       0;
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return -EBADMSG;
	if (text && e->error && (nlh->nlmsg_flags & NLM_F_ACK_TLVS)) {
		if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
			skip += mnl_nlmsg_get_payload_len(&e->msg);
		if (skip <= mnl_nlmsg_get_payload_len(nlh))
			mnl_attr_parse(nlh, skip, error_attr, text);
	}
	return e->error > 0 ? -e->error : e->error;
}

static int read_once(struct fl_nl *nl, enum fl_nl_bus bus, struct nlmsghdr *req, uint8_t *buf,
		     fl_nl_cb cb, void *ctx)
{
	bool intr = false;
	int err;

	req->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock[bus], req, req->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl->sock[bus], buf, RECV_SIZE);
		const struct nlmsghdr *nlh = (const void *)buf;
		int len = n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (; fl_nl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != req->nlmsg_seq)
				continue; /* left over from a dump that was given up */
			intr |= nlh->nlmsg_flags & NLM_F_DUMP_INTR;
			if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
				err = answer_error(nlh, nl->failed_text);
				return err ? err : intr ? -EINTR : 0;
			}
			if (nlh->nlmsg_type < NLMSG_MIN_TYPE)
				continue;
			err = cb(nlh, ctx);
			if (err < 0)
				return err;
		}
	}
}

int fl_nl_read(struct fl_nl *nl, enum fl_nl_bus bus, struct nlmsghdr *req, fl_nl_cb cb,
	       void (*again)(void *ctx), void *ctx)
{
	uint8_t *buf = fl_zalloc(RECV_SIZE);
	int err;

	nl->failed_text[0] = '\0';
	for (int i = 0; i < RETRIES; i++) {
		err = read_once(nl, bus, req, buf, cb, ctx);
		if ((err != -EINTR && err != -ENOBUFS) || !again)
			break;
		again(ctx);
	}
	sodium_memzero(buf, RECV_SIZE); /* may have held a private key */
	free(buf);
	return err;
}

/* One batch: answers come one by one, all of them in the socket before sendto() returns, and even
 * at 2 KiB each of these they fit into its default 208 KiB. */
#define ASK_AT_ONCE 64

static int ask_some(struct fl_nl *nl, enum fl_nl_bus bus, const struct fl_nl_questions *q,
		    size_t start, size_t n, uint8_t *buf)
{
	uint32_t first = nl->seq + 1;
	bool answered[ASK_AT_ONCE] = { false };
	size_t used = 0, left = n;

	for (size_t i = 0; i < n; i++) {
		struct nlmsghdr *nlh = q->make(buf + used, start + i, q->ctx);

		nlh->nlmsg_seq = ++nl->seq;
		used += MNL_ALIGN(nlh->nlmsg_len);
	}
	if (mnl_socket_sendto(nl->sock[bus], buf, used) < 0)
		return -errno;
	while (left) {
		ssize_t got = mnl_socket_recvfrom(nl->sock[bus], buf, RECV_SIZE);
		const struct nlmsghdr *nlh = (const void *)buf;
		int len = got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		for (; fl_nl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			size_t i = nlh->nlmsg_seq - first;

			if (i >= n || answered[i])
				continue;
			answered[i] = true;
			left--;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				q->cb(start + i, NULL, answer_error(nlh, NULL), q->ctx);
			else
				q->cb(start + i, nlh, 0, q->ctx);
		}
	}
	return 0;
}

int fl_nl_ask(struct fl_nl *nl, enum fl_nl_bus bus, const struct fl_nl_questions *q)
{
	uint8_t *buf = fl_zalloc(RECV_SIZE);
	int err = 0;

	for (size_t start = 0; start < q->n && !err; start += ASK_AT_ONCE) {
		size_t n = q->n - start < ASK_AT_ONCE ? q->n - start : ASK_AT_ONCE;

		for (int i = 0; i < RETRIES; i++) {
			err = ask_some(nl, bus, q, start, n, buf);
			if (err != -ENOBUFS)
				break;
		}
	}
	free(buf);
	return err;
}

int fl_nl_write(struct fl_nl *nl, enum fl_nl_bus bus, const struct nlmsghdr *msg, unsigned int tag)
{
	size_t len = MNL_ALIGN(msg->nlmsg_len);
	struct nlmsghdr *copy;
	int err = 0;

	if (len > FL_NL_BATCH)
		return -EMSGSIZE;
	if (bus != nl->bus || nl->queued == FL_NL_BATCH_MESSAGES || nl->used + len > FL_NL_BATCH)
		err = fl_nl_flush(nl);
	if (err)
		return err;
	nl->bus = bus;
	copy = (void *)(nl->batch + nl->used);
	memcpy(copy, msg, msg->nlmsg_len);
	copy->nlmsg_seq = ++nl->seq;
	copy->nlmsg_flags |= NLM_F_REQUEST;
	copy->nlmsg_flags &= ~NLM_F_ACK;
	nl->last = copy;
	nl->used += len;
	nl->tags[nl->queued++] = tag;
	return 0;
}

int fl_nl_flush(struct fl_nl *nl)
{
	uint8_t *buf = nl->batch; /* what was sent is not needed any more */
	uint32_t end, first;
	bool done = false;
	int err = 0;

	if (!nl->queued)
		return 0;
	/* Failures are always answered; success only by the last one, which ends the batch. */
	nl->last->nlmsg_flags |= NLM_F_ACK;
	end = nl->last->nlmsg_seq;
	first = end - nl->queued + 1;
	nl->writes += nl->queued;
	nl->failed_tag = nl->tags[0];
	nl->failed_text[0] = '\0';
	if (mnl_socket_sendto(nl->sock[nl->bus], nl->batch, nl->used) < 0) {
		err = -errno;
		done = true;
	}
	while (!done) {
		ssize_t n = mnl_socket_recvfrom(nl->sock[nl->bus], buf, FL_NL_BATCH);
		const struct nlmsghdr *nlh = (const void *)buf;
		int len = n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = err ? err : -errno;
			break;
		}
		for (; fl_nl_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			int this;

			if (nlh->nlmsg_type != NLMSG_ERROR || nlh->nlmsg_seq - first > end - first)
				continue;
			this = answer_error(nlh, err ? NULL : nl->failed_text);
			if (this && !err) {
				err = this;
				nl->failed_tag = nl->tags[nlh->nlmsg_seq - first];
			}
			done |= nlh->nlmsg_seq == end;
		}
	}
	sodium_memzero(nl->batch, FL_NL_BATCH);
	nl->used = 0;
	nl->queued = 0;
	return err;
}
