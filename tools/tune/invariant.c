// SPDX-License-Identifier: GPL-2.0
#include "invariant.h"
#include "interface.h"
#include "sysctl.h"
#include "../lib/file.h"
#include "../lib/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where kubeadm, and most others, put it; and the drop-ins of systems that render it elsewhere. */
#define KUBELET_CONFIG "/var/lib/kubelet/config.yaml"
#define FILE_LIMIT     (1024 * 1024)

/* The API server's default for --service-node-port-range. */
#define NODE_PORT_FIRST 30000
#define NODE_PORT_LAST	32767

struct look {
	const struct fl_catalog *c;
	const struct fl_tune_plan *plan;
	const struct fl_machine *m;
	struct fl_warnings *out;
	const char *name; /* of the invariant that is looked at */
};

__attribute__((format(printf, 2, 3))) static void warn(struct look *l, const char *fmt, ...)
{
	va_list ap;

	l->out->w = fl_realloc(l->out->w, (size_t)l->out->n + 1, sizeof(*l->out->w));
	va_start(ap, fmt);
	l->out->w[l->out->n++] = (struct fl_warning){ l->name, fl_vasprintf(fmt, ap) };
	va_end(ap);
}

/* ---- looking at keys ---------------------------------------------------------------------------- */

/* What a key will hold: canonical, for the caller to free; NULL if the kernel does not have it. */
static char *text_of(const struct look *l, const char *name)
{
	for (int i = 0; i < l->plan->n; i++) {
		const struct fl_tune_item *it = &l->plan->items[i];

		/* A key whose module comes later will be set then. */
		if (!strcmp(it->name, name) && it->state != FL_TUNE_ABSENT)
			return fl_strdup(it->wanted);
	}
	return l->m->read ? l->m->read(l->m->ctx, l->c, name) : NULL;
}

/* Does the plan set it? Warnings about what others have done long ago are for the same plan too, but
 * some make sense only for what is being set. */
static const struct fl_tune_item *planned(const struct look *l, const char *name)
{
	for (int i = 0; i < l->plan->n; i++)
		if (!strcmp(l->plan->items[i].name, name) &&
		    l->plan->items[i].state != FL_TUNE_ABSENT)
			return &l->plan->items[i];
	return NULL;
}

/* The which-th number of a key, from 0. */
static bool number(const struct look *l, const char *name, int which, fl_num *out)
{
	char *text = text_of(l, name), *at = text;
	bool ok = false;

	for (int i = 0; at && i < which; i++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (at)
		ok = !fl_num_parse(at, strcspn(at, " "), out);
	free(text);
	return ok;
}

static bool is(const struct look *l, const char *name, fl_num value)
{
	fl_num now;

	return number(l, name, 0, &now) && now == value;
}

static fl_num fact(const struct look *l, const char *name)
{
	for (const struct fl_fact *f = l->m->facts; f && f->name; f++)
		if (!strcmp(f->name, name))
			return f->value;
	return 0;
}

#define N(num) fl_num_text(num, (char[FL_NUM_TEXT]){ 0 })

/* ---- the invariants ----------------------------------------------------------------------------- */

static void neigh_of(struct look *l, const char *family)
{
	char name[3][64];
	fl_num t[3];

	for (int i = 0; i < 3; i++) {
		snprintf(name[i], sizeof(name[i]), "net.%s.neigh.default.gc_thresh%d", family,
			 i + 1);
		if (!number(l, name[i], 0, &t[i]))
			return;
	}
	for (int i = 0; i < 2; i++)
		if (t[i] >= t[i + 1])
			warn(l,
			     "%s (%s) is not below gc_thresh%d (%s): neighbours are thrown away too late or never, and the table overflows; keep thresh1 < thresh2 < thresh3",
			     name[i], N(t[i]), i + 2, N(t[i + 1]));
}

static void neigh(struct look *l)
{
	neigh_of(l, "ipv4");
	neigh_of(l, "ipv6");
}

static void conntrack_buckets(struct look *l)
{
	fl_num max, buckets;

	if (!number(l, "net.netfilter.nf_conntrack_max", 0, &max) ||
	    !number(l, "net.netfilter.nf_conntrack_buckets", 0, &buckets))
		return;
	if (buckets < max / 4)
		warn(l,
		     "net.netfilter.nf_conntrack_buckets (%s) is less than a quarter of nf_conntrack_max (%s): chains longer than four make every packet slower; set it to %s",
		     N(buckets), N(max), N(max / 4));
}

/* Is the port in a canonical list? */
static bool reserved(const char *list, fl_num port)
{
	while (list && *list) {
		size_t len = strcspn(list, ","), dash = strcspn(list, "-");
		fl_num from, to;

		if (dash > len)
			dash = len;
		if (!fl_num_parse(list, dash, &from)) {
			to = from;
			if (dash < len)
				fl_num_parse(list + dash + 1, len - dash - 1, &to);
			if (port >= from && port <= to)
				return true;
		}
		list += len + (list[len] == ',');
	}
	return false;
}

static void node_ports(struct look *l)
{
	char *list = text_of(l, "net.ipv4.ip_local_reserved_ports");
	fl_num first, last, hits = 0;

	if (number(l, "net.ipv4.ip_local_port_range", 0, &first) &&
	    number(l, "net.ipv4.ip_local_port_range", 1, &last)) {
		for (fl_num p = NODE_PORT_FIRST; p <= NODE_PORT_LAST; p++)
			hits += p >= first && p <= last && !reserved(list, p);
		if (hits)
			warn(l,
			     "net.ipv4.ip_local_port_range (%s to %s) has %s of the NodePorts (%d to %d) in it: a connection that takes one makes the Service on it fail now and then; begin at %d, or reserve them in ip_local_reserved_ports",
			     N(first), N(last), N(hits), NODE_PORT_FIRST, NODE_PORT_LAST,
			     NODE_PORT_LAST + 1);
	}
	free(list);
}

static void component_ports(struct look *l)
{
	static const struct {
		fl_num port;
		const char *who;
	} ports[] = {
		{ 10249, "kube-proxy's metrics" },
		{ 10250, "the kubelet" },
		{ 10256, "kube-proxy's health check" },
	};
	char *list = text_of(l, "net.ipv4.ip_local_reserved_ports");
	fl_num first, last;

	if (number(l, "net.ipv4.ip_local_port_range", 0, &first) &&
	    number(l, "net.ipv4.ip_local_port_range", 1, &last))
		for (size_t i = 0; i < sizeof(ports) / sizeof(*ports); i++)
			if (ports[i].port >= first && ports[i].port <= last &&
			    !reserved(list, ports[i].port))
				warn(l,
				     "port %s of %s lies in net.ipv4.ip_local_port_range (%s to %s) and is not reserved: a connection that takes it keeps the program from starting; add it to ip_local_reserved_ports",
				     N(ports[i].port), ports[i].who, N(first), N(last));
	free(list);
}

static void unprivileged_ports(struct look *l)
{
	fl_num start, first;

	if (number(l, "net.ipv4.ip_unprivileged_port_start", 0, &start) &&
	    number(l, "net.ipv4.ip_local_port_range", 0, &first) && start > first)
		warn(l,
		     "net.ipv4.ip_unprivileged_port_start (%s) lies above the first port of ip_local_port_range (%s): the kernel refuses whichever is written second; lower it",
		     N(start), N(first));
}

static void accept_ra(struct look *l)
{
	if (!l->m->routed_by_ra || !is(l, "net.ipv6.conf.all.forwarding", 1))
		return;
	for (char **i = l->m->interfaces; i && *i; i++) {
		char *key = fl_interface_key("net.ipv6.conf.*.accept_ra", *i);

		if (l->m->routed_by_ra(*i) && !is(l, key, 2))
			warn(l,
			     "%s is not 2, but net.ipv6.conf.all.forwarding is 1 and the default route of %s comes from router advertisements: it expires and the node is cut off; set it to 2, as the profile dual-stack does",
			     key, *i);
		free(key);
	}
}

static void wireguard_rp_filter(struct look *l)
{
	fl_num all, own;

	if (!l->m->wireguard || !number(l, "net.ipv4.conf.all.rp_filter", 0, &all))
		return;
	for (char **i = l->m->interfaces; i && *i; i++) {
		char *key = fl_interface_key("net.ipv4.conf.*.rp_filter", *i);

		if (l->m->wireguard(*i) && number(l, key, 0, &own) && (own > all ? own : all) == 1)
			warn(l,
			     "%s: strict reverse path filtering (the larger of 'all', %s, and its own, %s) on a WireGuard interface drops packets of peers whose answers go another way; set 'all' to 0 and %s to 2, as the profile mesh does",
			     key, N(all), N(own), key);
		free(key);
	}
}

/* What CNIs and their pods stop working with. */
static void cni(struct look *l)
{
	static const struct {
		const char *key;
		int value;
		const char *why;
	} breaks[] = {
		{ "net.ipv4.ip_forward", 0,
		  "no pod is reached from outside of its node; set it to 1" },
		{ "net.ipv4.conf.all.forwarding", 0,
		  "no pod is reached from outside of its node; set it to 1" },
		{ "net.ipv4.conf.all.rp_filter", 1,
		  "strict on every interface, it drops pod traffic that comes back another way (Cilium, Calico, AWS VPC CNI and others); set 'all' to 0" },
		{ "net.bridge.bridge-nf-call-iptables", 0,
		  "with a bridge CNI, Services are not reached from pods of the same node; set it to 1" },
		{ "user.max_user_namespaces", 0,
		  "pods with hostUsers: false fail to start; leave it out" },
		{ "kernel.unprivileged_userns_clone", 0,
		  "programs in pods that make user namespaces (builds, browsers) fail; leave it out" },
		{ "kernel.modules_disabled", 1,
		  "iptables, CNIs, CSI drivers and WireGuard cannot load the modules they miss; leave it out" },
		{ "kernel.yama.ptrace_scope", 3,
		  "debug containers and the checks of some runtimes need ptrace; set it to 1" },
		{ "net.ipv6.conf.all.disable_ipv6", 1,
		  "dual-stack pods and CNIs with IPv6 fail to set their addresses; set it to 0, or use a cluster without IPv6" },
	};

	for (size_t i = 0; i < sizeof(breaks) / sizeof(*breaks); i++)
		if (planned(l, breaks[i].key) && is(l, breaks[i].key, breaks[i].value))
			warn(l, "%s = %s: %s", breaks[i].key, N(breaks[i].value), breaks[i].why);
}

/* "protectKernelDefaults: true", wherever it stands; YAML has no other way to write a plain key. */
static bool protects(const char *config)
{
	const char *at = config ? strstr(config, "protectKernelDefaults:") : NULL;

	if (!at || (at != config && at[-1] != '\n'))
		return false;
	at += strlen("protectKernelDefaults:");
	at += strspn(at, " \t\"'");
	return !strncmp(at, "true", 4);
}

/* setupKernelTunables() in kubernetes pkg/kubelet/cm/container_manager_linux.go. */
static void kubelet(struct look *l)
{
	static const struct {
		const char *key;
		fl_num value;
	} wants[] = {
		{ "vm.overcommit_memory", 1 },
		{ "vm.panic_on_oom", 0 },
		{ "kernel.panic", 10 },
		{ "kernel.panic_on_oops", 1 },
		{ "kernel.keys.root_maxkeys", 1000000 },
		{ "kernel.keys.root_maxbytes", 25000000 },
	};
	bool refuses = protects(l->m->kubelet_config);
	fl_num now;

	for (size_t i = 0; i < sizeof(wants) / sizeof(*wants); i++) {
		if (!number(l, wants[i].key, 0, &now) || now == wants[i].value)
			continue;
		if (refuses)
			warn(l,
			     "%s is %s: the kubelet, whose configuration says protectKernelDefaults: true, refuses to start unless it is %s; set that, as the profile kubernetes does",
			     wants[i].key, N(now), N(wants[i].value));
		else if (planned(l, wants[i].key))
			warn(l,
			     "%s = %s: the kubelet sets %s when it starts, and the two take turns; set that",
			     wants[i].key, N(now), N(wants[i].value));
	}
}

static void tuple_order(struct look *l)
{
	static const char *const keys[] = { "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		fl_num min, start, max;

		if (number(l, keys[i], 0, &min) && number(l, keys[i], 1, &start) &&
		    number(l, keys[i], 2, &max) && (min > start || start > max))
			warn(l,
			     "%s (%s %s %s): the numbers are the least, the one at the start and the most, and have to grow",
			     keys[i], N(min), N(start), N(max));
	}
}

static void pairs(struct look *l)
{
	static const struct {
		const char *low, *high, *what;
		bool equal; /* may they be equal? */
	} pair[] = {
		{ "vm.dirty_background_ratio", "vm.dirty_ratio",
		  "writing in the background begins only when programs have to stop for it",
		  false },
		{ "net.core.rmem_default", "net.core.rmem_max",
		  "programs that ask for a buffer get a smaller one than those that do not", true },
		{ "net.core.wmem_default", "net.core.wmem_max",
		  "programs that ask for a buffer get a smaller one than those that do not", true },
		{ "net.ipv4.ipfrag_low_thresh", "net.ipv4.ipfrag_high_thresh",
		  "the kernel refuses whichever is written second", true },
		{ "net.ipv6.ip6frag_low_thresh", "net.ipv6.ip6frag_high_thresh",
		  "the kernel refuses whichever is written second", true },
		{ "fs.nr_open", "fs.file-max", "one process may have more files than the machine",
		  true },
		{ "kernel.keys.maxkeys", "kernel.keys.maxbytes",
		  "no key has less than one byte, so there cannot be that many", true },
		{ "kernel.keys.root_maxkeys", "kernel.keys.root_maxbytes",
		  "no key has less than one byte, so there cannot be that many", true },
	};

	for (size_t i = 0; i < sizeof(pair) / sizeof(*pair); i++) {
		fl_num low, high;

		/* dirty_ratio 0 stands for dirty_bytes. */
		if (!number(l, pair[i].low, 0, &low) || !number(l, pair[i].high, 0, &high) ||
		    (!pair[i].equal && !high))
			continue;
		if (low > high || (low == high && !pair[i].equal))
			warn(l, "%s (%s) is not below %s (%s): %s", pair[i].low, N(low),
			     pair[i].high, N(high), pair[i].what);
	}
}

static void backlog(struct look *l)
{
	fl_num syn, some;

	if (planned(l, "net.ipv4.tcp_max_syn_backlog") &&
	    number(l, "net.ipv4.tcp_max_syn_backlog", 0, &syn) &&
	    number(l, "net.core.somaxconn", 0, &some) && syn > some)
		warn(l,
		     "net.ipv4.tcp_max_syn_backlog (%s) is above net.core.somaxconn (%s), which limits it: raise that too",
		     N(syn), N(some));
}

static void threads(struct look *l)
{
	fl_num pids, limit;

	if (planned(l, "kernel.pid_max") && number(l, "kernel.pid_max", 0, &pids) &&
	    number(l, "kernel.threads-max", 0, &limit) && limit < 32 * fact(l, "max_pods"))
		warn(l,
		     "kernel.threads-max (%s) is the tighter limit beside kernel.pid_max (%s), and is less than 32 for each of %s pods: raise it, or admit fewer pods",
		     N(limit), N(pids), N(fact(l, "max_pods")));
}

static void keys_of_bytes(struct look *l)
{
	fl_num keys, bytes;

	if (number(l, "kernel.keys.root_maxkeys", 0, &keys) &&
	    number(l, "kernel.keys.root_maxbytes", 0, &bytes) && keys <= bytes &&
	    bytes < 25 * keys && planned(l, "kernel.keys.root_maxkeys"))
		warn(l,
		     "kernel.keys.root_maxbytes (%s) is less than 25 for each of root_maxkeys (%s): the bytes run out before the keys; set it to %s",
		     N(bytes), N(keys), N(25 * keys));
}

/* A quarter of the memory for one table is a mistake more often than not. */
static void cost(struct look *l)
{
	fl_num ram = fact(l, "ram"), bytes;

	for (int i = 0; ram && i < l->plan->n; i++) {
		const struct fl_tune_item *it = &l->plan->items[i];

		if (!it->set->key->cost || it->state == FL_TUNE_ABSENT ||
		    __builtin_mul_overflow(fl_value_number(it->wanted), it->set->key->cost, &bytes))
			continue;
		/* A limit beyond any machine is no limit: what it allows cannot be used. */
		if (bytes > ram / 4 && bytes < 16 * ram)
			warn(l,
			     "%s = %s may take %s MiB when all of it is used, more than a quarter of the memory (%s MiB): a smaller value, or the profile edge, fits this machine",
			     it->name, it->wanted, N(bytes >> 20), N(ram >> 20));
	}
}

static void congestion(struct look *l)
{
	char *qdisc = text_of(l, "net.core.default_qdisc");
	char *cc = text_of(l, "net.ipv4.tcp_congestion_control");

	if (planned(l, "net.ipv4.tcp_congestion_control") && cc && qdisc && !strcmp(cc, "bbr") &&
	    strcmp(qdisc, "fq") != 0)
		warn(l,
		     "net.ipv4.tcp_congestion_control = bbr paces its packets, and net.core.default_qdisc (%s) does not do that for it: TCP's own timers cost more CPU; set it to fq",
		     qdisc);
	free(qdisc);
	free(cc);
}

static void src_valid_mark(struct look *l)
{
	fl_num all, mark;

	if (number(l, "net.ipv4.conf.all.rp_filter", 0, &all) && all == 1 &&
	    number(l, "net.ipv4.conf.all.src_valid_mark", 0, &mark) && !mark && l->m->wireguard)
		for (char **i = l->m->interfaces; i && *i; i++)
			if (l->m->wireguard(*i)) {
				warn(l,
				     "net.ipv4.conf.all.rp_filter is 1 and src_valid_mark is 0 beside WireGuard (%s): with policy routes by mark, which wg-quick makes, answers from the tunnel are dropped; set src_valid_mark to 1, as the profile mesh does",
				     *i);
				return;
			}
}

/* Does writing 'all' make the kernel write each interface as well? */
static bool spreads(const struct fl_catalog_key *key)
{
	for (int i = 0; i < key->n_resets; i++)
		if (!strcmp(key->resets[i], key->name))
			return true;
	return false;
}

/*
 * A value of 'all' that does not do what it looks like, because an interface's own counts instead or
 * is enough. Not for the larger and the smaller of both: there 'all' is meant to leave a choice.
 */
static void all_alone(struct look *l)
{
	for (int i = 0; i < l->plan->n; i++) {
		const struct fl_tune_item *it = &l->plan->items[i];
		const struct fl_catalog_key *key = it->set->key;
		char *all = key->effective ? fl_interface_key(key->name, "all") : NULL;
		fl_num wanted = fl_value_number(it->wanted);

		for (char **in = l->m->interfaces; in && *in; in++) {
			char *name, *fwd;
			fl_num own;
			bool other;

			if (!all || strcmp(all, it->name) != 0 || spreads(key) ||
			    it->state == FL_TUNE_ABSENT || key->effective == FL_EFFECTIVE_MAX ||
			    key->effective == FL_EFFECTIVE_MIN)
				break;
			name = fl_interface_key(key->name, *in);
			fwd = fl_interface_key("net.ipv4.conf.*.forwarding", *in);
			other = number(l, name, 0, &own) &&
				fl_effective(key->effective, wanted, own, is(l, fwd, 1)) != wanted;
			if (other)
				warn(l,
				     "%s = %s does not reach %s, whose own value is %s: set %s as well",
				     it->name, it->wanted, *in, N(own), key->name);
			free(name);
			free(fwd);
			/* One is enough to say it. */
			if (other)
				break;
		}
		free(all);
	}
}

static const struct {
	const char *name;
	void (*check)(struct look *l);
} invariants[] = {
	{ "neighbour-thresholds", neigh },
	{ "conntrack-buckets", conntrack_buckets },
	{ "node-ports", node_ports },
	{ "component-ports", component_ports },
	{ "unprivileged-ports", unprivileged_ports },
	{ "accept-ra", accept_ra },
	{ "wireguard-rp-filter", wireguard_rp_filter },
	{ "wireguard-mark", src_valid_mark },
	{ "cni", cni },
	{ "kubelet-defaults", kubelet },
	{ "tuple-order", tuple_order },
	{ "low-above-high", pairs },
	{ "listen-backlog", backlog },
	{ "threads", threads },
	{ "key-bytes", keys_of_bytes },
	{ "memory", cost },
	{ "pacing", congestion },
	{ "all-alone", all_alone },
};

#define N_INVARIANTS (sizeof(invariants) / sizeof(*invariants))

const char *fl_invariant_name(int i)
{
	return i >= 0 && (size_t)i < N_INVARIANTS ? invariants[i].name : NULL;
}

void fl_invariants(struct fl_warnings *out, const struct fl_catalog *c,
		   const struct fl_tune_plan *plan, const struct fl_machine *m)
{
	struct look l = { .c = c, .plan = plan, .m = m, .out = out };

	for (size_t i = 0; i < N_INVARIANTS; i++) {
		l.name = invariants[i].name;
		invariants[i].check(&l);
	}
}

void fl_warnings_free(struct fl_warnings *w)
{
	for (int i = 0; i < w->n; i++)
		free(w->w[i].text);
	free(w->w);
	*w = (struct fl_warnings){ 0 };
}

/* ---- this machine ------------------------------------------------------------------------------- */

static char *read_key(void *ctx, const struct fl_catalog *c, const char *name)
{
	const struct fl_catalog_key *key = fl_catalog_find(c, name);
	char *raw, *text;
	const char *why;

	(void)ctx;
	if (!key || fl_sysctl_read(name, &raw))
		return NULL;
	text = fl_value_canonical(&key->type, raw, &why);
	free(raw);
	return text;
}

void fl_machine_init(struct fl_machine *m, const struct fl_fact *facts)
{
	char *config = NULL;

	/* It is not there on a machine that has not joined a cluster yet; what cannot be read is not a
	 * reason to plan nothing either. */
	if (fl_file_read(KUBELET_CONFIG, FILE_LIMIT, &config, NULL))
		config = NULL;
	*m = (struct fl_machine){
		.facts = facts,
		.read = read_key,
		.interfaces = fl_interface_list(),
		.routed_by_ra = fl_interface_routed_by_ra,
		.wireguard = fl_interface_wireguard,
		.kubelet_config = config,
	};
}

void fl_machine_free(struct fl_machine *m)
{
	fl_interface_keys_free(m->interfaces);
	free((char *)m->kubelet_config);
	*m = (struct fl_machine){ 0 };
}
