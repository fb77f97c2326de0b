// SPDX-License-Identifier: GPL-2.0
/*
 * What nobody but netfilter's netlink can do, for tests of the data path.
 *
 *   nf forget N     forget all connections of this network namespace, N times, 10 ms apart
 *   nf queue N      give packets of queue N back as they come, merged ones whole, until SIGINT; then
 *                   print how many of them were merged
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mnl_socket *sock;
static char buf[8192];

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "nf: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct nlmsghdr *message(unsigned int subsystem, unsigned int type, unsigned int resource)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct nfgenmsg *nf;

	nlh->nlmsg_type = subsystem << 8 | type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	nf = mnl_nlmsg_put_extra_header(nlh, sizeof(*nf));
	nf->version = NFNETLINK_V0;
	nf->res_id = htons(resource);
	return nlh;
}

/* Send, and wait for the answer. */
static void ask(struct nlmsghdr *nlh, const char *what)
{
	int n;

	nlh->nlmsg_flags |= NLM_F_ACK;
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		die(what);
	n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
	if (n < 0 || mnl_cb_run(buf, n, 0, mnl_socket_get_portid(sock), NULL, NULL) < 0)
		die(what);
}

static unsigned int n_merged, queue;

static int on_packet(const struct nlmsghdr *packet, void *data)
{
	const struct nlattr *attr;
	uint32_t id = 0;
	struct nlmsghdr *nlh;
	char out[256];

	(void)data;
	mnl_attr_for_each(attr, packet, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFQA_PACKET_HDR)
			id = ((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attr))->packet_id;
		else if (mnl_attr_get_type(attr) == NFQA_SKB_INFO)
			n_merged += !!(ntohl(mnl_attr_get_u32(attr)) & NFQA_SKB_GSO);
	}
	/* The packet's message is still in buf. */
	nlh = memset(out, 0, sizeof(out));
	nlh = mnl_nlmsg_put_header(nlh);
	nlh->nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	((struct nfgenmsg *)mnl_nlmsg_put_extra_header(nlh, sizeof(struct nfgenmsg)))->res_id =
		htons(queue);
	mnl_attr_put(nlh, NFQA_VERDICT_HDR, sizeof(struct nfqnl_msg_verdict_hdr),
		     &(struct nfqnl_msg_verdict_hdr){ .verdict = htonl(NF_ACCEPT), .id = id });
	if (mnl_socket_sendto(sock, nlh, nlh->nlmsg_len) < 0)
		die("verdict");
	return MNL_CB_OK;
}

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void serve_queue(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct nlmsghdr *nlh;
	int n;

	sigaction(SIGINT, &action, NULL);
	nlh = message(NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, queue);
	mnl_attr_put(nlh, NFQA_CFG_CMD, sizeof(struct nfqnl_msg_config_cmd),
		     &(struct nfqnl_msg_config_cmd){ .command = NFQNL_CFG_CMD_BIND });
	ask(nlh, "bind");
	nlh = message(NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG, queue);
	mnl_attr_put(nlh, NFQA_CFG_PARAMS, sizeof(struct nfqnl_msg_config_params),
		     &(struct nfqnl_msg_config_params){ .copy_mode = NFQNL_COPY_META });
	mnl_attr_put_u32(nlh, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(nlh, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(nlh, NFQA_CFG_QUEUE_MAXLEN, htonl(4096));
	ask(nlh, "configure");
	puts("ready");
	fflush(stdout);
	while (!stop) {
		n = mnl_socket_recvfrom(sock, buf, sizeof(buf));
		if (n >= 0)
			mnl_cb_run(buf, n, 0, 0, on_packet, NULL);
		else if (errno != EINTR && errno != ENOBUFS)
			die("receive");
	}
	printf("%u\n", n_merged);
}

int main(int argc, char **argv)
{
	sock = mnl_socket_open(NETLINK_NETFILTER);
	if (!sock || mnl_socket_bind(sock, 0, MNL_SOCKET_AUTOPID))
		die("socket");
	if (argc == 3 && !strcmp(argv[1], "forget")) {
		for (unsigned long n = strtoul(argv[2], NULL, 10); n; n--) {
			ask(message(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_DELETE, 0), "forget");
			usleep(10000);
		}
	} else if (argc == 3 && !strcmp(argv[1], "queue")) {
		queue = strtoul(argv[2], NULL, 10);
		serve_queue();
	} else {
		fputs("usage: nf forget N | queue N\n", stderr);
		return 2;
	}
	mnl_socket_close(sock);
	return 0;
}
