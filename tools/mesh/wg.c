// SPDX-License-Identifier: GPL-2.0
#include "wg.h"

#include "../lib/mem.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

static bool put_allowed(struct nlmsghdr *nlh, size_t size, const struct fl_prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start_check(nlh, size, 0);

	if (!nest)
		return false;
	if (!mnl_attr_put_u16_check(nlh, size, WGALLOWEDIP_A_FAMILY, p->family) ||
	    !mnl_attr_put_check(nlh, size, WGALLOWEDIP_A_IPADDR, fl_prefix_bits(p) / 8, p->bytes) ||
	    !mnl_attr_put_u8_check(nlh, size, WGALLOWEDIP_A_CIDR_MASK, p->len)) {
		mnl_attr_nest_cancel(nlh, nest);
		return false;
	}
	mnl_attr_nest_end(nlh, nest);
	return true;
}

/* What fits of a peer. True if the whole peer is said; the cursor is behind what was. */
static bool put_peer(struct nlmsghdr *nlh, size_t size, const struct fl_wg_change *ch,
		     struct fl_wg_cursor *c)
{
	uint32_t flags = ch->flags;
	struct nlattr *peer, *list;

	peer = mnl_attr_nest_start_check(nlh, size, 0);
	if (!peer)
		return false;
	/* The rest of a peer: what it does to the peer was said in the message before. Should
	 * somebody have removed it in between, half a peer must not appear. */
	if (c->begun)
		flags = WGPEER_F_UPDATE_ONLY;
	if (!mnl_attr_put_check(nlh, size, WGPEER_A_PUBLIC_KEY, FL_KEY_LEN, ch->public_key) ||
	    (flags && !mnl_attr_put_u32_check(nlh, size, WGPEER_A_FLAGS, flags)))
		goto cancel;
	if (!c->begun &&
	    ((ch->endpoint && !mnl_attr_put_check(nlh, size, WGPEER_A_ENDPOINT,
						  fl_sockaddr_len(ch->endpoint), ch->endpoint)) ||
	     (ch->psk &&
	      !mnl_attr_put_check(nlh, size, WGPEER_A_PRESHARED_KEY, FL_KEY_LEN, ch->psk)) ||
	     (ch->keepalive >= 0 &&
	      !mnl_attr_put_u16_check(nlh, size, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
				      ch->keepalive))))
		goto cancel;
	if (c->allowed < ch->n_allowed) {
		list = mnl_attr_nest_start_check(nlh, size, WGPEER_A_ALLOWEDIPS);
		if (!list)
			goto cancel;
		c->begun = true;
		while (c->allowed < ch->n_allowed &&
		       put_allowed(nlh, size, &ch->allowed[c->allowed]))
			c->allowed++;
		mnl_attr_nest_end(nlh, list);
	}
	mnl_attr_nest_end(nlh, peer);
	return c->allowed == ch->n_allowed;

cancel:
	mnl_attr_nest_cancel(nlh, peer);
	return false;
}

struct nlmsghdr *fl_wg_encode(void *buf, size_t size, uint16_t family, const struct fl_wg_set *set,
			      struct fl_wg_cursor *c)
{
	bool first = !c->change && !c->begun;
	struct nlmsghdr *nlh;
	struct genlmsghdr *genl;
	struct nlattr *peers;

	if (c->change > set->n_changes || (c->change == set->n_changes && !first))
		return NULL;
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = family;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = WG_CMD_SET_DEVICE;
	genl->version = WG_GENL_VERSION;
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, set->ifindex);
	if (first && set->private_key)
		mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, FL_KEY_LEN, set->private_key);
	if (first && set->listen_port >= 0)
		mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, set->listen_port);
	if (c->change == set->n_changes) {
		c->change++; /* no peers, and all is said */
		return nlh;
	}
	peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
	while (c->change < set->n_changes && put_peer(nlh, size, &set->changes[c->change], c)) {
		c->change++;
		c->allowed = 0;
		c->begun = false;
	}
	mnl_attr_nest_end(nlh, peers);
	return nlh;
}

int fl_wg_write(struct fl_nl *nl, const struct fl_wg_set *set, unsigned int tag)
{
	struct fl_wg_cursor c = { 0 };
	void *buf = fl_zalloc(FL_NL_BATCH);
	struct nlmsghdr *nlh;
	int err = 0;

	while (!err && (nlh = fl_wg_encode(buf, FL_NL_BATCH, nl->wg_family, set, &c)))
		err = fl_nl_write(nl, FL_NL_GENERIC, nlh, tag);
	sodium_memzero(buf, FL_NL_BATCH);
	free(buf);
	return err;
}

/* ---- reading ---- */

static bool get_key(const struct nlattr *attr, struct fl_key *key)
{
	if (mnl_attr_get_payload_len(attr) != FL_KEY_LEN)
		return false;
	memcpy(key, mnl_attr_get_payload(attr), FL_KEY_LEN);
	return true;
}

static bool get_private_key(const struct nlattr *attr, struct fl_key **key)
{
	if (mnl_attr_get_payload_len(attr) != FL_KEY_LEN)
		return false;
	if (sodium_is_zero(mnl_attr_get_payload(attr), FL_KEY_LEN))
		return true; /* "none" */
	if (!*key)
		*key = fl_key_new();
	return get_key(attr, *key);
}

static bool get_psk(const struct nlattr *attr, struct fl_lane *lane, struct fl_peer *peer)
{
	if (mnl_attr_get_payload_len(attr) != FL_KEY_LEN)
		return false;
	if (sodium_is_zero(mnl_attr_get_payload(attr), FL_KEY_LEN))
		return true; /* "none" */
	if (!peer->psk)
		peer->psk = fl_keys_new(&lane->psks);
	return get_key(attr, peer->psk);
}

static bool get_endpoint(const struct nlattr *attr, struct sockaddr_storage *sa)
{
	size_t len = mnl_attr_get_payload_len(attr);

	if (len != sizeof(struct sockaddr_in) && len != sizeof(struct sockaddr_in6))
		return false;
	memset(sa, 0, sizeof(*sa));
	memcpy(sa, mnl_attr_get_payload(attr), len);
	return sa->ss_family == (len == sizeof(struct sockaddr_in) ? AF_INET : AF_INET6);
}

struct allowed_fields {
	const void *addr;
	size_t addr_len;
	unsigned int family, len;
	bool bad;
};

static int allowed_attr(const struct nlattr *attr, void *data)
{
	struct allowed_fields *f = data;

	switch (mnl_attr_get_type(attr)) {
	case WGALLOWEDIP_A_FAMILY:
		if (mnl_attr_validate(attr, MNL_TYPE_U16) < 0)
			f->bad = true;
		else
			f->family = mnl_attr_get_u16(attr);
		break;
	case WGALLOWEDIP_A_IPADDR:
		f->addr = mnl_attr_get_payload(attr);
		f->addr_len = mnl_attr_get_payload_len(attr);
		break;
	case WGALLOWEDIP_A_CIDR_MASK:
		if (mnl_attr_validate(attr, MNL_TYPE_U8) < 0)
			f->bad = true;
		else
			f->len = mnl_attr_get_u8(attr);
		break;
	}
	return MNL_CB_OK;
}

static int allowed_list(const struct nlattr *nest, void *data)
{
	struct fl_peer *peer = data;
	struct allowed_fields f = { .len = 255 };
	struct fl_prefix p = { 0 };

	if (mnl_attr_parse_nested(nest, allowed_attr, &f) < 0 || f.bad)
		return MNL_CB_ERROR;
	p.family = f.family;
	p.len = f.len;
	if ((f.family != AF_INET && f.family != AF_INET6) || f.addr_len != fl_prefix_bits(&p) / 8 ||
	    f.len > fl_prefix_bits(&p))
		return MNL_CB_ERROR;
	memcpy(p.bytes, f.addr, f.addr_len);
	/* Doubling; one list may go on over many messages. */
	if (!(peer->n_allowed & (peer->n_allowed - 1)))
		peer->allowed = fl_realloc(peer->allowed, peer->n_allowed ? 2 * peer->n_allowed : 1,
					   sizeof(*peer->allowed));
	peer->allowed[peer->n_allowed++] = p;
	return MNL_CB_OK;
}

/* The peer is the lane's last. */
static int peer_attr(const struct nlattr *attr, void *data)
{
	struct fl_lane *lane = data;
	struct fl_peer *peer = &lane->peers[lane->n_peers - 1];
	bool ok = true;

	switch (mnl_attr_get_type(attr)) {
	case WGPEER_A_PRESHARED_KEY:
		ok = get_psk(attr, lane, peer);
		break;
	case WGPEER_A_ENDPOINT:
		ok = get_endpoint(attr, &peer->endpoint);
		break;
	case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		ok = mnl_attr_validate(attr, MNL_TYPE_U16) >= 0;
		if (ok)
			peer->keepalive = mnl_attr_get_u16(attr);
		break;
	case WGPEER_A_LAST_HANDSHAKE_TIME: {
		int64_t time[2]; /* struct __kernel_timespec */

		ok = mnl_attr_get_payload_len(attr) == sizeof(time);
		if (ok) {
			memcpy(time, mnl_attr_get_payload(attr), sizeof(time));
			/* Less than a second after 1970 still is not never. */
			peer->handshake = time[0] ? time[0] : !!time[1];
		}
		break;
	}
	case WGPEER_A_RX_BYTES:
		ok = mnl_attr_get_payload_len(attr) == sizeof(uint64_t);
		if (ok)
			peer->rx = mnl_attr_get_u64(attr);
		break;
	case WGPEER_A_TX_BYTES:
		ok = mnl_attr_get_payload_len(attr) == sizeof(uint64_t);
		if (ok)
			peer->tx = mnl_attr_get_u64(attr);
		break;
	case WGPEER_A_ALLOWEDIPS:
		return mnl_attr_parse_nested(attr, allowed_list, peer);
	}
	return ok ? MNL_CB_OK : MNL_CB_ERROR;
}

struct peer_key {
	struct fl_key key;
	bool found;
};

static int find_key(const struct nlattr *attr, void *data)
{
	struct peer_key *k = data;

	if (mnl_attr_get_type(attr) == WGPEER_A_PUBLIC_KEY)
		k->found = get_key(attr, &k->key);
	return MNL_CB_OK;
}

static int peer_list(const struct nlattr *nest, void *data)
{
	struct fl_lane *lane = data;
	struct fl_peer *last = lane->n_peers ? &lane->peers[lane->n_peers - 1] : NULL;
	struct peer_key k = { 0 };

	if (mnl_attr_parse_nested(nest, find_key, &k) < 0 || !k.found)
		return MNL_CB_ERROR;
	/* The kernel says a peer's key again where its allowed IPs go on in another message. */
	if (!last || fl_key_cmp(&last->public_key, &k.key)) {
		if (!(lane->n_peers & (lane->n_peers - 1)))
			lane->peers = fl_realloc(lane->peers, lane->n_peers ? 2 * lane->n_peers : 1,
						 sizeof(*lane->peers));
		if (!lane->peers)
			return MNL_CB_ERROR; /* cannot be; the analyzer does not know */
		lane->peers[lane->n_peers++] = (struct fl_peer){ .public_key = k.key };
	}
	return mnl_attr_parse_nested(nest, peer_attr, lane);
}

static int device_attr(const struct nlattr *attr, void *data)
{
	struct fl_lane *lane = data;
	bool ok = true;

	switch (mnl_attr_get_type(attr)) {
	case WGDEVICE_A_PRIVATE_KEY:
		ok = get_private_key(attr, &lane->link.private_key);
		break;
	case WGDEVICE_A_PUBLIC_KEY:
		ok = get_key(attr, &lane->link.public_key);
		break;
	case WGDEVICE_A_LISTEN_PORT:
		ok = mnl_attr_validate(attr, MNL_TYPE_U16) >= 0;
		if (ok)
			lane->link.listen_port = mnl_attr_get_u16(attr);
		break;
	case WGDEVICE_A_FWMARK:
		ok = mnl_attr_validate(attr, MNL_TYPE_U32) >= 0;
		if (ok)
			lane->link.fwmark = mnl_attr_get_u32(attr);
		break;
	case WGDEVICE_A_PEERS:
		return mnl_attr_parse_nested(attr, peer_list, lane);
	}
	return ok ? MNL_CB_OK : MNL_CB_ERROR;
}

int fl_wg_decode(const struct nlmsghdr *nlh, struct fl_lane *lane)
{
	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct genlmsghdr) ||
	    mnl_attr_parse(nlh, sizeof(struct genlmsghdr), device_attr, lane) < 0)
		return -EBADMSG;
	return 0;
}

static int decode_cb(const struct nlmsghdr *nlh, void *ctx)
{
	return fl_wg_decode(nlh, ctx);
}

static void free_peers(void *ctx)
{
	struct fl_lane *lane = ctx;

	for (size_t i = 0; i < lane->n_peers; i++)
		free(lane->peers[i].allowed);
	free(lane->peers);
	fl_keys_free(&lane->psks);
	lane->peers = NULL;
	lane->n_peers = 0;
}

static int cmp_peer(const void *a, const void *b)
{
	const struct fl_peer *x = a, *y = b;

	return fl_key_cmp(&x->public_key, &y->public_key);
}

void fl_wg_decoded(struct fl_lane *lane)
{
	if (lane->n_peers)
		qsort(lane->peers, lane->n_peers, sizeof(*lane->peers), cmp_peer);
	for (size_t i = 0; i < lane->n_peers; i++)
		if (lane->peers[i].n_allowed)
			qsort(lane->peers[i].allowed, lane->peers[i].n_allowed,
			      sizeof(*lane->peers[i].allowed), fl_prefix_cmp);
}

int fl_wg_read(struct fl_nl *nl, struct fl_lane *lane)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;
	int err;

	nlh->nlmsg_type = nl->wg_family;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = WG_CMD_GET_DEVICE;
	genl->version = WG_GENL_VERSION;
	mnl_attr_put_u32(nlh, WGDEVICE_A_IFINDEX, lane->link.ifindex);
	err = fl_nl_read(nl, FL_NL_GENERIC, nlh, decode_cb, free_peers, lane);
	fl_wg_decoded(lane);
	return err;
}
