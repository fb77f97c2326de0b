// SPDX-License-Identifier: GPL-2.0
#include "maps.h"
#include "../lib/mem.h"
#include "../lib/msg.h"
#include "../mesh/conf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_SLOT FL_METRICS_UNMATCHED

/* A peer as it is in the map, or as it shall be. */
struct peer {
	__u32 slot;
	struct fl_metrics_peer val;
	bool done;		    /* have: stays; want: nothing to write */
	const struct fl_node *node; /* want only */
};

struct prefix {
	struct fl_metrics_prefix key;
	__u32 slot;
};

struct sets {
	struct peer *have, *want;
	size_t n_have, n_want;
	struct prefix *have_px, *want_px;
	size_t n_have_px, n_want_px;
};

static int cmp_peer(const void *a, const void *b)
{
	const struct peer *pa = a, *pb = b;

	return strcmp(pa->val.public_key, pb->val.public_key);
}

static int cmp_prefix(const void *a, const void *b)
{
	const struct prefix *pa = a, *pb = b;

	return memcmp(&pa->key, &pb->key, sizeof(pa->key));
}

/* Host bits off: the map compares only the prefix, this file compares whole keys. */
static void mask(struct fl_metrics_prefix *key)
{
	__u32 len = key->prefixlen - FL_METRICS_PREFIX_FAMILY_BITS;

	for (__u32 i = 0; i < sizeof(key->addr); i++, len = len > 8 ? len - 8 : 0)
		if (len < 8)
			key->addr[i] &= (__u8)(0xff00 >> len);
}

static struct fl_metrics_prefix map_key(const struct fl_prefix *p)
{
	struct fl_metrics_prefix key = { 0 };

	key.prefixlen = FL_METRICS_PREFIX_FAMILY_BITS + p->len;
	if (p->family == AF_INET) {
		key.family = 4;
		memcpy(key.addr, &p->v4, sizeof(p->v4));
	} else {
		key.family = 6;
		memcpy(key.addr, &p->v6, sizeof(p->v6));
	}
	mask(&key);
	return key;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (__u64)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- what shall be ---- */

static int want_peers(struct sets *s, const struct fl_mesh *mesh, const struct fl_node *self)
{
	__u64 now = now_ms();

	s->want = fl_zalloc(mesh->n_nodes * sizeof(*s->want));
	for (size_t i = 0; i < mesh->n_nodes; i++) {
		const struct fl_node *node = &mesh->nodes[i];
		struct peer *p = &s->want[s->n_want];

		if (node == self)
			continue;
		if (s->n_want == FL_METRICS_PEERS_MAX)
			return fl_fail("metrics: %zu peers, but at most %u can be counted",
				       mesh->n_nodes - 1, FL_METRICS_PEERS_MAX);
		if (fl_metrics_escape(p->val.name, sizeof(p->val.name), node->name) < 0)
			return fl_fail("%s:%u: node name is too long for a metrics label: at most %u bytes",
				       mesh->path, node->line, FL_METRICS_LABEL - 1);
		sodium_bin2base64(p->val.public_key, sizeof(p->val.public_key),
				  node->public_key.bytes, FL_KEY_LEN,
				  sodium_base64_VARIANT_ORIGINAL);
		p->val.start_ms = now;
		p->slot = NO_SLOT;
		p->node = node;
		s->n_want++;
	}
	return FL_OK;
}

static void add_prefixes(struct sets *s, __u32 slot, const struct fl_prefix *px, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->want_px[s->n_want_px++] = (struct prefix){ map_key(&px[i]), slot };
}

/* After the slots are given out, in the order of the mesh file. */
static int want_prefixes(struct sets *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_want; i++)
		n += s->want[i].node->n_addresses + s->want[i].node->n_pod_cidrs;
	if (n > FL_METRICS_PREFIXES_MAX)
		return fl_fail("metrics: %zu addresses and pod CIDRs, but at most %u can be counted",
			       n, FL_METRICS_PREFIXES_MAX);
	s->want_px = fl_zalloc(n * sizeof(*s->want_px));
	for (size_t i = 0; i < s->n_want; i++) {
		const struct peer *p = &s->want[i];

		add_prefixes(s, p->slot, p->node->addresses, p->node->n_addresses);
		add_prefixes(s, p->slot, p->node->pod_cidrs, p->node->n_pod_cidrs);
	}
	return FL_OK;
}

/* ---- what is ---- */

static void have_peers(struct sets *s, int fd)
{
	__u32 slot, *prev = NULL;
	size_t room = 0;

	while (!bpf_map_get_next_key(fd, prev, &slot)) {
		struct peer p = { .slot = slot };

		prev = &slot;
		if (bpf_map_lookup_elem(fd, &slot, &p.val))
			continue;
		if (s->n_have == room)
			s->have = fl_realloc(s->have, room = room ? 2 * room : 64,
					     sizeof(*s->have));
		s->have[s->n_have++] = p;
	}
}

static void have_prefixes(struct sets *s, int fd)
{
	struct fl_metrics_prefix key, *prev = NULL;
	size_t room = 0;
	__u32 slot;

	while (!bpf_map_get_next_key(fd, prev, &key)) {
		prev = &key;
		if (bpf_map_lookup_elem(fd, &key, &slot))
			continue;
		if (s->n_have_px == room)
			s->have_px = fl_realloc(s->have_px, room = room ? 2 * room : 64,
						sizeof(*s->have_px));
		s->have_px[s->n_have_px++] = (struct prefix){ key, slot };
	}
}

unsigned int fl_metrics_count_prefixes(const struct fl_metrics_maps *maps)
{
	struct sets s = { 0 };

	have_prefixes(&s, maps->fd[FL_MAP_PREFIX]);
	free(s.have_px);
	return s.n_have_px;
}

/* ---- the difference ---- */

/* Give each new peer the lowest free slot, in the order of the mesh file. */
static bool assign(struct sets *s, bool spare_gone)
{
	bool *used = fl_zalloc(FL_METRICS_PEERS_MAX * sizeof(*used));
	__u32 next = 0;
	size_t i;

	for (i = 0; i < s->n_have; i++)
		used[s->have[i].slot] = spare_gone || s->have[i].done;
	for (i = 0; i < s->n_want; i++) {
		if (s->want[i].slot != NO_SLOT)
			continue;
		while (next < FL_METRICS_PEERS_MAX && used[next])
			next++;
		if (next == FL_METRICS_PEERS_MAX)
			break;
		s->want[i].slot = next++;
	}
	free(used);
	return i == s->n_want;
}

/*
 * Peers that stay keep their slot. Slots of peers that go are left alone, so that nothing is ever
 * counted or printed for the wrong one while the maps change, unless there are no others: then
 * true is returned, and what belongs to the peers that go must be removed first.
 */
static bool give_slots(struct sets *s)
{
	if (s->n_have)
		qsort(s->have, s->n_have, sizeof(*s->have), cmp_peer);
	for (size_t i = 0; i < s->n_want; i++) {
		struct peer *w = &s->want[i], *h = NULL;

		if (s->n_have)
			h = bsearch(w, s->have, s->n_have, sizeof(*h), cmp_peer);
		if (!h)
			continue;
		h->done = true;
		w->slot = h->slot;
		w->val.start_ms = h->val.start_ms;
		w->done = !strcmp(w->val.name, h->val.name);
	}
	if (assign(s, true))
		return false;
	assign(s, false); /* cannot fail: n_want <= FL_METRICS_PEERS_MAX */
	return true;
}

static int set(int fd, const void *key, const void *val, const char *what)
{
	if (!bpf_map_update_elem(fd, key, val, BPF_ANY))
		return FL_OK;
	return fl_fail("metrics: cannot store %s: %s%s", what, strerror(errno),
		       errno == ENOMEM ? "; give this control group more memory" : "");
}

static void drop_counts(const struct fl_metrics_maps *maps, const struct sets *s)
{
	for (size_t i = 0; i < s->n_have; i++)
		if (!s->have[i].done)
			bpf_map_delete_elem(maps->fd[FL_MAP_COUNTS], &s->have[i].slot);
}

static int write_peers(const struct fl_metrics_maps *maps, struct sets *s, size_t cpus)
{
	struct fl_metrics_counts *zero = fl_zalloc(cpus * sizeof(*zero));
	int ret = FL_OK;

	/* A reader must not see one name twice, so names go before others come. */
	for (size_t i = 0; i < s->n_have; i++)
		if (!s->have[i].done)
			bpf_map_delete_elem(maps->fd[FL_MAP_PEERS], &s->have[i].slot);
	for (size_t i = 0; i < s->n_want; i++)
		if (!s->want[i].done)
			bpf_map_delete_elem(maps->fd[FL_MAP_PEERS], &s->want[i].slot);
	for (size_t i = 0; i < s->n_want && !ret; i++) {
		struct peer *w = &s->want[i];

		if (w->done)
			continue;
		/* Renamed peers have counts, and keep them. */
		if (bpf_map_update_elem(maps->fd[FL_MAP_COUNTS], &w->slot, zero, BPF_NOEXIST) &&
		    errno != EEXIST)
			ret = fl_fail("metrics: cannot store counters: %s", strerror(errno));
		if (!ret)
			ret = set(maps->fd[FL_MAP_PEERS], &w->slot, &w->val, "a peer");
	}
	free(zero);
	return ret;
}

static void sort_prefixes(struct sets *s)
{
	if (s->n_want_px)
		qsort(s->want_px, s->n_want_px, sizeof(*s->want_px), cmp_prefix);
	if (s->n_have_px)
		qsort(s->have_px, s->n_have_px, sizeof(*s->have_px), cmp_prefix);
}

static struct prefix *find_prefix(const struct prefix *key, struct prefix *in, size_t n)
{
	return n ? bsearch(key, in, n, sizeof(*in), cmp_prefix) : NULL;
}

static int write_prefixes(const struct fl_metrics_maps *maps, struct sets *s)
{
	int ret = FL_OK;

	for (size_t i = 0; i < s->n_want_px && !ret; i++) {
		struct prefix *w = &s->want_px[i];
		struct prefix *h = find_prefix(w, s->have_px, s->n_have_px);

		if (!h || h->slot != w->slot)
			ret = set(maps->fd[FL_MAP_PREFIX], &w->key, &w->slot, "a prefix");
	}
	return ret;
}

static void drop_prefixes(const struct fl_metrics_maps *maps, struct sets *s)
{
	for (size_t i = 0; i < s->n_have_px; i++)
		if (!find_prefix(&s->have_px[i], s->want_px, s->n_want_px))
			bpf_map_delete_elem(maps->fd[FL_MAP_PREFIX], &s->have_px[i].key);
}

static int write_node(const struct fl_metrics_maps *maps, const struct sets *s)
{
	struct fl_metrics_node node = { .layout = FL_METRICS_LAYOUT, .peers = s->n_want }, old;
	__u32 zero = 0;

	for (size_t i = 0; i < s->n_want; i++)
		if (s->want[i].slot >= node.slots)
			node.slots = s->want[i].slot + 1;
	if (!bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &old) &&
	    !memcmp(&old, &node, sizeof(node)))
		return FL_OK;
	return set(maps->fd[FL_MAP_NODE], &zero, &node, "the number of peers");
}

static int ensure_unmatched(const struct fl_metrics_maps *maps, size_t cpus)
{
	struct fl_metrics_counts *zero = fl_zalloc(cpus * sizeof(*zero));
	__u32 slot = FL_METRICS_UNMATCHED;
	int ret = FL_OK;

	if (bpf_map_update_elem(maps->fd[FL_MAP_COUNTS], &slot, zero, BPF_NOEXIST) &&
	    errno != EEXIST)
		ret = fl_fail("metrics: cannot store counters: %s", strerror(errno));
	free(zero);
	return ret;
}

int fl_metrics_fill(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh,
		    const struct fl_node *self)
{
	int cpus = libbpf_num_possible_cpus();
	struct sets s = { 0 };
	bool reused;
	int ret;

	if (cpus < 1)
		return fl_fail("metrics: cannot tell the number of CPUs: %s", strerror(-cpus));
	ret = want_peers(&s, mesh, self);
	if (ret)
		goto out;
	have_peers(&s, maps->fd[FL_MAP_PEERS]);
	have_prefixes(&s, maps->fd[FL_MAP_PREFIX]);
	reused = give_slots(&s);
	ret = want_prefixes(&s);
	if (ret)
		goto out;
	sort_prefixes(&s);
	if (reused) {
		drop_prefixes(maps, &s);
		drop_counts(maps, &s);
	}
	ret = ensure_unmatched(maps, cpus) ?: write_peers(maps, &s, cpus) ?:
	      write_prefixes(maps, &s) ?: write_node(maps, &s);
	if (!ret && !reused) {
		drop_prefixes(maps, &s);
		drop_counts(maps, &s);
	}
out:
	free(s.have);
	free(s.want);
	free(s.have_px);
	free(s.want_px);
	return ret;
}
