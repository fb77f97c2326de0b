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
#include <unistd.h>

#define NO_SLOT	    FL_METRICS_UNMATCHED
#define MORE_MEMORY "; give this control group more memory"

/* A peer as it is in the map, or as it shall be. */
struct peer {
	__u32 slot;
	struct fl_metrics_peer val;
	bool fresh;		    /* want: counts from now on */
	bool done;		    /* have: taken over; want: nothing to write */
	bool kept;		    /* have: the key is still a peer's */
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
	bool moved; /* prefixes were changed */
};

static int cmp_peer(const void *a, const void *b)
{
	const struct peer *pa = a, *pb = b;

	return memcmp(&pa->val.key, &pb->val.key, sizeof(pa->val.key));
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

	for (__u32 i = 0; i<sizeof(key->addr); i++, len = len> 8 ? len - 8 : 0)
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

static int set_labels(struct fl_metrics_peer *val, const char *name)
{
	char text[FL_METRICS_LABEL];

	if (fl_metrics_escape(text, sizeof(text), name) < 0)
		return -1;
	val->labels_len = snprintf(val->labels, sizeof(val->labels), "{peer=\"%s\"} ", text);
	return 0;
}

/* An endpoint as a person writes it: the first of the mesh file. */
static void endpoint_text(char *out, size_t size, const struct fl_node *node)
{
	char host[FL_METRICS_LABEL];
	const struct fl_endpoint *ep = node->endpoints;
	bool v6;

	*out = '\0';
	if (!node->n_endpoints || fl_metrics_escape(host, sizeof(host), ep->host) < 0)
		return;
	v6 = strchr(host, ':');
	snprintf(out, size, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", ep->port);
}

/* As many allowed IPs as there is room for; "..." says that there are more. */
static void set_info(struct fl_metrics_peer *val, const struct fl_node *node)
{
	static const char more[] = "...\"";
	char key[FL_KEY_BASE64], endpoint[FL_METRICS_LABEL + 10], text[FL_PREFIX_STR];
	const size_t room = sizeof(val->info);
	size_t n = node->n_addresses + node->n_pod_cidrs, len;

	endpoint_text(endpoint, sizeof(endpoint), node);
	len = snprintf(val->info, room, "public_key=\"%s\",endpoint=\"%s\",allowed_ips=\"",
		       fl_key_format(&node->public_key, key), endpoint);
	for (size_t i = 0; i < n; i++) {
		const struct fl_prefix *p = i < node->n_addresses ?
						    &node->addresses[i] :
						    &node->pod_cidrs[i - node->n_addresses];

		fl_prefix_format(p, text);
		if (len + 1 + strlen(text) + sizeof(more) > room) {
			len += snprintf(val->info + len, room - len, "...");
			break;
		}
		len += snprintf(val->info + len, room - len, "%s%s", i ? "," : "", text);
	}
	val->info_len = len + snprintf(val->info + len, room - len, "\"");
}

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
		if (set_labels(&p->val, node->name))
			return fl_fail(
				"%s:%u: node name is too long for a metrics label: at most %u bytes",
				mesh->path, node->line, FL_METRICS_LABEL - 1);
		set_info(&p->val, node);
		memcpy(&p->val.key, node->public_key.bytes, sizeof(p->val.key));
		p->val.start_ms = now;
		p->slot = NO_SLOT;
		p->fresh = true;
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
		return fl_fail(
			"metrics: %zu addresses and pod CIDRs, but at most %u can be counted", n,
			FL_METRICS_PREFIXES_MAX);
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
			s->have =
				fl_realloc(s->have, room = room ? 2 * room : 64, sizeof(*s->have));
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

static int cmp_name(const void *a, const void *b)
{
	const struct peer *const *pa = a, *const *pb = b;

	return strcmp((*pa)->val.labels, (*pb)->val.labels);
}

/* The same key: everything stays, but perhaps the name. */
static void match_keys(struct sets *s)
{
	if (s->n_have)
		qsort(s->have, s->n_have, sizeof(*s->have), cmp_peer);
	for (size_t i = 0; i < s->n_want && s->n_have; i++) {
		struct peer *w = &s->want[i];
		struct peer *h = bsearch(w, s->have, s->n_have, sizeof(*h), cmp_peer);

		if (!h)
			continue;
		h->done = h->kept = true;
		w->slot = h->slot;
		w->done = !strcmp(w->val.labels, h->val.labels) &&
			  !strcmp(w->val.info, h->val.info);
		w->val.start_ms = h->val.start_ms;
		w->val.base = h->val.base;
		w->fresh = false;
	}
}

/* The same name with another key: only the slot stays. */
static void match_names(struct sets *s)
{
	struct peer **gone = fl_zalloc(s->n_have * sizeof(struct peer *));
	size_t n = 0;

	for (size_t i = 0; i < s->n_have; i++)
		if (!s->have[i].done)
			gone[n++] = &s->have[i];
	if (n)
		qsort(gone, n, sizeof(struct peer *), cmp_name);
	for (size_t i = 0; i < s->n_want && n; i++) {
		struct peer *w = &s->want[i], **h;

		if (w->slot != NO_SLOT)
			continue;
		h = bsearch(&w, gone, n, sizeof(struct peer *), cmp_name);
		if (h && !(*h)->done) {
			(*h)->done = true;
			w->slot = (*h)->slot;
		}
	}
	free(gone);
}

/* Every other new peer gets the lowest free slot, in the order of the mesh file. */
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
 * Slots of peers that go are left alone this time, so that a packet whose prefix still leads there
 * is not counted for somebody else; unless there are no others.
 */
static void give_slots(struct sets *s)
{
	match_keys(s);
	match_names(s);
	if (!assign(s, true))
		assign(s, false); /* cannot fail: n_want <= FL_METRICS_PEERS_MAX */
}

static int set(int fd, const void *key, const void *val, const char *what)
{
	if (!bpf_map_update_elem(fd, key, val, BPF_ANY))
		return FL_OK;
	return fl_fail("metrics: cannot store %s: %s%s", what, strerror(errno),
		       errno == ENOMEM ? MORE_MEMORY : "");
}

/* The map with the counters of a slot; made if it is not there. */
static int open_chunk(int counts, __u32 chunk)
{
	__u32 id;
	int fd;

	if (!bpf_map_lookup_elem(counts, &chunk, &id))
		return bpf_map_get_fd_by_id(id);
	fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "metrics_chunk", sizeof(chunk),
			    sizeof(struct fl_metrics_counts), FL_METRICS_CHUNK, NULL);
	if (fd >= 0 && bpf_map_update_elem(counts, &chunk, &fd, BPF_ANY)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* What the slots of new peers have counted so far, for others. */
static int set_bases(const struct fl_metrics_maps *maps, struct sets *s, size_t cpus)
{
	struct fl_metrics_counts *all = fl_zalloc(cpus * sizeof(*all));
	int fd[FL_METRICS_CHUNKS], ret = FL_OK;

	memset(fd, -1, sizeof(fd));
	for (size_t i = 0; i < s->n_want && !ret; i++) {
		struct peer *w = &s->want[i];
		__u32 chunk = w->slot / FL_METRICS_CHUNK, index = w->slot % FL_METRICS_CHUNK;

		if (w->done || !w->fresh)
			continue;
		if (fd[chunk] < 0)
			fd[chunk] = open_chunk(maps->fd[FL_MAP_COUNTS], chunk);
		if (fd[chunk] < 0 || bpf_map_lookup_elem(fd[chunk], &index, all)) {
			ret = fl_fail("metrics: cannot make counters: %s%s", strerror(errno),
				      errno == ENOMEM ? MORE_MEMORY : "");
			break;
		}
		for (size_t cpu = 0; cpu < cpus; cpu++) {
			w->val.base.rx_packets += all[cpu].rx_packets;
			w->val.base.rx_bytes += all[cpu].rx_bytes;
			w->val.base.tx_packets += all[cpu].tx_packets;
			w->val.base.tx_bytes += all[cpu].tx_bytes;
			w->val.base.rtt_us += all[cpu].rtt_us;
			w->val.base.rtt_us_count += all[cpu].rtt_us_count;
		}
	}
	for (size_t i = 0; i < FL_METRICS_CHUNKS; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	free(all);
	return ret;
}

/*
 * Wait until no reader holds an element that was deleted: the kernel gives its memory to the next
 * insertion at once, so a reader in the middle of a line could print another peer's name. Changing
 * a map of maps waits for an RCU grace period, see maybe_wait_bpf_programs() in
 * kernel/bpf/syscall.c.
 */
static void wait_for_readers(const struct fl_metrics_maps *maps)
{
	__u32 zero = 0, id;
	int fd;

	if (bpf_map_lookup_elem(maps->fd[FL_MAP_COUNTS], &zero, &id))
		return; /* no chunk yet: no peer was ever there */
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return;
	bpf_map_update_elem(maps->fd[FL_MAP_COUNTS], &zero, &fd, BPF_ANY);
	close(fd);
}

static int write_peers(const struct fl_metrics_maps *maps, struct sets *s)
{
	int fd = maps->fd[FL_MAP_PEERS], ret = FL_OK;
	bool deleted = false;

	/* A reader must not see one name twice, so names go before others come. */
	for (size_t i = 0; i < s->n_have; i++)
		if (!s->have[i].done)
			deleted |= !bpf_map_delete_elem(fd, &s->have[i].slot);
	for (size_t i = 0; i < s->n_want; i++)
		if (!s->want[i].done)
			deleted |= !bpf_map_delete_elem(fd, &s->want[i].slot);
	if (deleted)
		wait_for_readers(maps);
	for (size_t i = 0; i < s->n_want && !ret; i++)
		if (!s->want[i].done)
			ret = set(fd, &s->want[i].slot, &s->want[i].val, "a peer");
	return ret;
}

/* A session belongs to a key and not to a slot: it stays while the key is a peer's. */
static int write_sessions(const struct fl_metrics_maps *maps, const struct sets *s)
{
	static const struct fl_metrics_session none;
	int fd = maps->fd[FL_MAP_SESSIONS];

	for (size_t i = 0; i < s->n_have; i++)
		if (!s->have[i].kept)
			bpf_map_delete_elem(fd, &s->have[i].val.key);
	for (size_t i = 0; i < s->n_want; i++)
		if (bpf_map_update_elem(fd, &s->want[i].val.key, &none, BPF_NOEXIST) &&
		    errno != EEXIST)
			return fl_fail("metrics: cannot store a session: %s%s", strerror(errno),
				       errno == ENOMEM ? MORE_MEMORY : "");
	return FL_OK;
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

		if (h && h->slot == w->slot)
			continue;
		s->moved = true;
		ret = set(maps->fd[FL_MAP_PREFIX], &w->key, &w->slot, "a prefix");
	}
	return ret;
}

static void drop_prefixes(const struct fl_metrics_maps *maps, struct sets *s)
{
	for (size_t i = 0; i < s->n_have_px; i++)
		if (!find_prefix(&s->have_px[i], s->want_px, s->n_want_px)) {
			s->moved = true;
			bpf_map_delete_elem(maps->fd[FL_MAP_PREFIX], &s->have_px[i].key);
		}
}

void fl_metrics_begin(const struct fl_metrics_maps *maps)
{
	struct fl_metrics_node node;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &node) || node.layout)
		return;
	node.layout = FL_METRICS_LAYOUT;
	node.start_ms = now_ms();
	bpf_map_update_elem(maps->fd[FL_MAP_NODE], &zero, &node, BPF_ANY);
}

static int write_node(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh,
		      const struct fl_node *self, const struct sets *s)
{
	struct fl_metrics_node node = { 0 }, old = { 0 };
	__u32 zero = 0;

	fl_metrics_begin(maps);
	bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &old);
	node = old;
	node.epoch[FL_BY_LANE] = 1;
	node.port_first = mesh->listen_port;
	node.port_last = mesh->listen_port + self->lanes - 1;
	node.peers = s->n_want;
	node.slots = 0;
	for (size_t i = 0; i < s->n_want; i++)
		if (s->want[i].slot >= node.slots)
			node.slots = s->want[i].slot + 1;
	if (!memcmp(&old, &node, sizeof(node)))
		return FL_OK;
	return set(maps->fd[FL_MAP_NODE], &zero, &node, "the number of peers");
}

/* What the programs remember of searches before this is void. */
static void forget_searches(const struct fl_metrics_maps *maps)
{
	struct fl_metrics_node node;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(maps->fd[FL_MAP_NODE], &zero, &node))
		return;
	node.generation++;
	bpf_map_update_elem(maps->fd[FL_MAP_NODE], &zero, &node, BPF_ANY);
}

int fl_metrics_fill(const struct fl_metrics_maps *maps, const struct fl_mesh *mesh,
		    const struct fl_node *self)
{
	int cpus = libbpf_num_possible_cpus();
	struct sets s = { 0 };
	int ret;

	if (cpus < 1)
		return fl_fail("metrics: cannot tell the number of CPUs: %s", strerror(-cpus));
	ret = want_peers(&s, mesh, self);
	if (ret)
		goto out;
	have_peers(&s, maps->fd[FL_MAP_PEERS]);
	have_prefixes(&s, maps->fd[FL_MAP_PREFIX]);
	give_slots(&s);
	ret = want_prefixes(&s);
	if (ret)
		goto out;
	sort_prefixes(&s);
	ret = set_bases(maps, &s, cpus)	       ?:
		      write_sessions(maps, &s) ?:
		      write_peers(maps, &s)    ?:
		      write_prefixes(maps, &s) ?:
						 write_node(maps, mesh, self, &s);
	if (!ret)
		drop_prefixes(maps, &s);
	if (s.moved)
		forget_searches(maps);
out:
	free(s.have);
	free(s.want);
	free(s.have_px);
	free(s.want_px);
	return ret;
}
