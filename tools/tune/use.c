// SPDX-License-Identifier: GPL-2.0
/* How much of each resource is in use, and where the kernel says so. */
#include "pressure.h"
#include "sysctl.h"
#include "value.h"
#include "../lib/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/kcmp.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <mntent.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const struct fl_resource_info fl_resources[FL_RESOURCES] = {
	[FL_CONNTRACK] = { "conntrack", "net.netfilter.nf_conntrack_max", "connections" },
	[FL_NEIGH_IPV4] = { "neigh-ipv4", "net.ipv4.neigh.default.gc_thresh3", "neighbours" },
	[FL_NEIGH_IPV6] = { "neigh-ipv6", "net.ipv6.neigh.default.gc_thresh3", "neighbours" },
	[FL_INOTIFY_INSTANCES] = { "inotify-instances", "fs.inotify.max_user_instances",
				   "instances" },
	[FL_INOTIFY_WATCHES] = { "inotify-watches", "fs.inotify.max_user_watches", "watches" },
	[FL_PIDS] = { "pids", "kernel.pid_max", "tasks" },
	[FL_PIDS_PODS] = { "pids-pods", "pids.max", "tasks" },
	[FL_FILES] = { "files", "fs.file-max", "files" },
	[FL_PORTS_TCP] = { "ports-tcp", "net.ipv4.ip_local_port_range", "ports" },
	[FL_PORTS_UDP] = { "ports-udp", "net.ipv4.ip_local_port_range", "ports" },
	[FL_MEMORY_TCP] = { "memory-tcp", "net.ipv4.tcp_mem", "pages" },
	[FL_MEMORY_UDP] = { "memory-udp", "net.ipv4.udp_mem", "pages" },
	[FL_MAPS] = { "maps", "vm.max_map_count", "mappings" },
};

/* ---- numbers in files --------------------------------------------------------------------------- */

/* The nth number (from 0) of a parameter. */
static bool number(const char *key, int nth, uint64_t *out)
{
	char *text, *p, *end;
	bool ok = true;

	if (fl_sysctl_read(key, &text))
		return false;
	p = text;
	for (int i = 0; i <= nth && ok; i++) {
		*out = strtoull(p, &end, 10);
		ok = end != p;
		p = end;
	}
	free(text);
	return ok;
}

static void unknown(struct fl_use *u, const char *why)
{
	*u = (struct fl_use){ .unknown = why };
}

static void conntrack(struct fl_use *u)
{
	if (!number("net.netfilter.nf_conntrack_count", 0, &u->now) ||
	    !number("net.netfilter.nf_conntrack_max", 0, &u->limit))
		unknown(u, "module nf_conntrack is not loaded");
}

static void files(struct fl_use *u)
{
	if (!number("fs.file-nr", 0, &u->now) || !number("fs.file-nr", 2, &u->limit))
		unknown(u, "fs.file-nr cannot be read");
}

/* The fourth word of /proc/loadavg is "running/all tasks". */
static void pids(struct fl_use *u)
{
	uint64_t pid_max, threads_max;
	FILE *f = fopen("/proc/loadavg", "re");
	int n = f ? fscanf(f, "%*s %*s %*s %*u/%" SCNu64, &u->now) : 0;

	if (f)
		fclose(f);
	if (n != 1 || !number("kernel.pid_max", 0, &pid_max) ||
	    !number("kernel.threads-max", 0, &threads_max)) {
		unknown(u, "/proc/loadavg, kernel.pid_max or kernel.threads-max cannot be read");
		return;
	}
	u->limit = pid_max < threads_max ? pid_max : threads_max;
	if (threads_max < pid_max)
		u->where = fl_strdup("kernel.threads-max");
}

static bool group_number(const char *dir, const char *group, const char *file, uint64_t *out)
{
	char *path = fl_asprintf("%s/%s/%s", dir, group, file);
	FILE *f = fopen(path, "re");
	int n = f ? fscanf(f, "%" SCNu64, out) : 0; /* "max" is no number */

	if (f)
		fclose(f);
	free(path);
	return n == 1;
}

static void pids_pods(struct fl_use *u)
{
	static const char *const groups[] = { "kubepods.slice", "kubepods" };
	FILE *f = setmntent("/proc/self/mounts", "re");
	struct mntent *m;

	unknown(u, "no control group of pods with a limit");
	while (f && u->unknown && (m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup2") != 0)
			continue;
		for (size_t i = 0; i < sizeof(groups) / sizeof(*groups) && u->unknown; i++)
			if (group_number(m->mnt_dir, groups[i], "pids.current", &u->now) &&
			    group_number(m->mnt_dir, groups[i], "pids.max", &u->limit)) {
				u->unknown = NULL;
				u->where = fl_asprintf("/%s", groups[i]);
			}
	}
	if (f)
		endmntent(f);
}

/* "TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 3": pages, of all network namespaces together. */
static void memory(struct fl_use *u, const char *proto, const char *key, int nth)
{
	FILE *f = fopen("/proc/net/sockstat", "re");
	char line[256], *mem;
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		mem = strncmp(line, proto, strlen(proto)) ? NULL : strstr(line, " mem ");
		found = mem && sscanf(mem, " mem %" SCNu64, &u->now) == 1;
	}
	if (f)
		fclose(f);
	if (!found || !number(key, nth, &u->limit))
		unknown(u, "/proc/net/sockstat cannot be read");
}

/* ---- netlink ------------------------------------------------------------------------------------ */

/* Returns 0 or -errno. */
static int dump(int bus, uint16_t type, const void *body, size_t size, mnl_cb_t cb, void *data)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);
	char *buf = fl_zalloc(32768);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	ssize_t n;
	int ret = -errno;

	if (!nl)
		goto out;
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = (uint32_t)time(NULL);
	memcpy(mnl_nlmsg_put_extra_header(nlh, size), body, size);
	ret = -1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		goto out;
	do {
		n = mnl_socket_recvfrom(nl, buf, 32768);
		ret = n < 0 ? -1 :
			      mnl_cb_run(buf, (size_t)n, 0, mnl_socket_get_portid(nl), cb, data);
	} while (ret > MNL_CB_STOP);
out:
	ret = ret < 0 ? -errno : 0;
	if (nl)
		mnl_socket_close(nl);
	free(buf);
	return ret;
}

struct neigh {
	int family;
	uint64_t entries, limit, exempt;
	bool found;
};

static int on_table(const struct nlmsghdr *nlh, void *data)
{
	const struct ndtmsg *m = mnl_nlmsg_get_payload(nlh);
	struct neigh *n = data;
	const struct nlattr *attr;
	bool whole = false;
	uint64_t entries = 0, limit = 0;

	if (m->ndtm_family != n->family)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*m))
	{
		if (mnl_attr_get_type(attr) == NDTA_THRESH3) {
			limit = mnl_attr_get_u32(attr);
		} else if (mnl_attr_get_type(attr) == NDTA_CONFIG &&
			   mnl_attr_get_payload_len(attr) >= sizeof(struct ndt_config)) {
			const struct ndt_config *c = mnl_attr_get_payload(attr);

			entries = c->ndtc_entries;
			whole = true;
		}
	}
	/* Messages about single devices have no config. */
	if (whole) {
		n->entries = entries;
		n->limit = limit;
		n->found = true;
	}
	return MNL_CB_OK;
}

/* What gc_thresh3 does not count: neigh_alloc() in net/core/neighbour.c. */
static int on_neigh(const struct nlmsghdr *nlh, void *data)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	struct neigh *n = data;

	n->exempt += (m->ndm_state & NUD_PERMANENT) || (m->ndm_flags & NTF_EXT_LEARNED);
	return MNL_CB_OK;
}

static void neigh(struct fl_use *u, int family)
{
	struct ndmsg nd = { .ndm_family = (unsigned char)family };
	struct ndtmsg tbl = { .ndtm_family = (unsigned char)family };
	struct neigh n = { .family = family };

	if (dump(NETLINK_ROUTE, RTM_GETNEIGHTBL, &tbl, sizeof(tbl), on_table, &n) || !n.found ||
	    dump(NETLINK_ROUTE, RTM_GETNEIGH, &nd, sizeof(nd), on_neigh, &n)) {
		unknown(u, "the kernel does not tell (rtnetlink)");
		return;
	}
	u->now = n.entries > n.exempt ? n.entries - n.exempt : 0;
	u->limit = n.limit;
}

/* ---- ports -------------------------------------------------------------------------------------- */

struct ports {
	bool usable[65536]; /* in the range and not reserved */
	uint64_t count;
};

static bool read_ports(struct ports *p)
{
	static const struct fl_value_type type = { .kind = FL_VALUE_PORTS, .count = 1 };
	char *text, *reserved, *next;
	uint64_t low, high;
	const char *why;

	if (!number("net.ipv4.ip_local_port_range", 0, &low) ||
	    !number("net.ipv4.ip_local_port_range", 1, &high) || high > 65535 ||
	    fl_sysctl_read("net.ipv4.ip_local_reserved_ports", &text))
		return false;
	for (uint64_t i = low; i <= high; i++)
		p->usable[i] = true;
	reserved = fl_value_canonical(&type, text, &why);
	free(text);
	for (char *s = reserved; s && *s; s = next) {
		unsigned long a = strtoul(s, &next, 10), b = a;

		if (*next == '-')
			b = strtoul(next + 1, &next, 10);
		for (; a <= b && a < 65536; a++)
			p->usable[a] = false;
		next += *next == ',';
	}
	free(reserved);
	for (int i = 0; i < 65536; i++)
		p->count += p->usable[i];
	return true;
}

struct endpoint {
	__be32 src[4], dst[4];
	__be16 dport;
	uint16_t family;
};

struct sockets {
	const struct ports *ports;
	struct endpoint *list; /* TCP: a connection from a usable port */
	size_t n;
	bool used[65536]; /* UDP */
};

static int on_tcp(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct sockets *s = data;
	struct endpoint *e;

	if (!m->id.idiag_dport || !s->ports->usable[ntohs(m->id.idiag_sport)])
		return MNL_CB_OK;
	if (!(s->n & (s->n - 1)))
		s->list = fl_realloc(s->list, s->n ? 2 * s->n : 1, sizeof(*s->list));
	e = &s->list[s->n++];
	*e = (struct endpoint){ .dport = m->id.idiag_dport, .family = m->idiag_family };
	memcpy(e->src, m->id.idiag_src, sizeof(e->src));
	memcpy(e->dst, m->id.idiag_dst, sizeof(e->dst));
	return MNL_CB_OK;
}

static int on_udp(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *m = mnl_nlmsg_get_payload(nlh);
	struct sockets *s = data;

	s->used[ntohs(m->id.idiag_sport)] = true;
	return MNL_CB_OK;
}

static int compare_endpoints(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct endpoint));
}

static char *endpoint_text(const struct endpoint *e)
{
	char addr[INET6_ADDRSTRLEN] = "?";

	inet_ntop(e->family, e->dst, addr, sizeof(addr));
	return fl_asprintf(e->family == AF_INET6 ? "to [%s]:%u" : "to %s:%u", addr,
			   ntohs(e->dport));
}

static int dump_sockets(int proto, mnl_cb_t cb, struct sockets *s)
{
	static const int families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		struct inet_diag_req_v2 req = {
			.sdiag_family = (__u8)families[i],
			.sdiag_protocol = (__u8)proto,
			.idiag_states = ~(1U << TCP_LISTEN),
		};

		err = dump(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, &req, sizeof(req), cb, s);
	}
	return err;
}

/* Connections to different places share a port; to one place, each needs its own. */
static void ports_tcp(struct fl_use *u, const struct ports *p)
{
	struct sockets s = { .ports = p };
	size_t run = 0;

	if (dump_sockets(IPPROTO_TCP, on_tcp, &s)) {
		free(s.list);
		unknown(u, "the kernel does not list sockets; module tcp_diag is missing");
		return;
	}
	if (s.n)
		qsort(s.list, s.n, sizeof(*s.list), compare_endpoints);
	u->limit = p->count;
	for (size_t i = 0; i < s.n; i++) {
		run = i && !compare_endpoints(&s.list[i - 1], &s.list[i]) ? run + 1 : 1;
		if (run <= u->now)
			continue;
		u->now = run;
		free(u->where);
		u->where = endpoint_text(&s.list[i]);
	}
	free(s.list);
}

static void ports_udp(struct fl_use *u, const struct ports *p)
{
	struct sockets *s = fl_zalloc(sizeof(*s));

	if (dump_sockets(IPPROTO_UDP, on_udp, s)) {
		free(s);
		unknown(u, "the kernel does not list sockets; module udp_diag is missing");
		return;
	}
	u->limit = p->count;
	for (int i = 0; i < 65536; i++)
		u->now += p->usable[i] && s->used[i];
	free(s);
}

static void ports(struct fl_use *tcp, struct fl_use *udp)
{
	struct ports *p = fl_zalloc(sizeof(*p));

	if (read_ports(p)) {
		ports_tcp(tcp, p);
		ports_udp(udp, p);
	} else {
		unknown(tcp, "net.ipv4.ip_local_port_range cannot be read");
		*udp = *tcp;
	}
	free(p);
}

/* ---- processes ---------------------------------------------------------------------------------- */

struct instance {
	pid_t pid;
	int fd;
	uid_t uid;
	uint64_t watches;
};

struct scan {
	struct instance *list;
	size_t n;
	uint64_t maps; /* the most */
	pid_t maps_pid;
	unsigned int hidden; /* processes that could not be looked at */
};

static FILE *open_of(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fopen(path, "re");
}

/* Lines that begin so; NULL: all. */
static uint64_t count_lines(FILE *f, const char *begin)
{
	size_t len = begin ? strlen(begin) : 0, size = 0;
	char *line = NULL;
	uint64_t n = 0;

	while (getline(&line, &size, f) > 0)
		n += !begin || !strncmp(line, begin, len);
	free(line);
	return n;
}

static uid_t euid_of(pid_t pid)
{
	FILE *f = open_of(pid, "status");
	char line[256];
	unsigned int uid = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %*u %u", &uid) == 1)
			break;
	if (f)
		fclose(f);
	return uid;
}

static void scan_fds(struct scan *s, pid_t pid)
{
	char path[64], target[32], info[32];
	struct dirent *d;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		s->hidden += errno != ENOENT;
		return;
	}
	while ((d = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), d->d_name, target, sizeof(target) - 1);
		FILE *f;

		if (n < 0)
			continue;
		target[n] = '\0';
		/* "anon_inode:inotify", in older kernels without the colon's friends. */
		if (strncmp(target, "anon_inode:", 11) != 0 || !strstr(target, "inotify"))
			continue;
		if (!(s->n & (s->n - 1)))
			s->list = fl_realloc(s->list, s->n ? 2 * s->n : 1, sizeof(*s->list));
		s->list[s->n] =
			(struct instance){ .pid = pid, .fd = atoi(d->d_name), .uid = euid_of(pid) };
		snprintf(info, sizeof(info), "fdinfo/%d", s->list[s->n].fd);
		f = open_of(pid, info);
		if (f) {
			s->list[s->n].watches = count_lines(f, "inotify ");
			fclose(f);
		}
		s->n++;
	}
	closedir(dir);
}

static void scan_maps(struct scan *s, pid_t pid)
{
	FILE *f = open_of(pid, "maps");
	uint64_t n;

	if (!f) {
		s->hidden += errno != ENOENT;
		return;
	}
	n = count_lines(f, NULL);
	fclose(f);
	if (n > s->maps) {
		s->maps = n;
		s->maps_pid = pid;
	}
}

/* Descriptors that a fork has doubled are one instance; the kernel knows an order of files. */
static int compare_instances(const void *a, const void *b)
{
	const struct instance *x = a, *y = b;
	long r = syscall(SYS_kcmp, x->pid, y->pid, KCMP_FILE, x->fd, y->fd);

	if (r >= 0 && r <= 2)
		return r == 0 ? 0 : r == 1 ? -1 : 1;
	/* It has gone, or the kernel has no kcmp(): apart. */
	return x->pid != y->pid ? (x->pid < y->pid ? -1 : 1) : x->fd - y->fd;
}

static int compare_uids(const void *a, const void *b)
{
	uid_t x = ((const struct instance *)a)->uid, y = ((const struct instance *)b)->uid;

	return x < y ? -1 : x > y;
}

static void inotify(struct fl_use *instances, struct fl_use *watches, struct scan *s)
{
	uint64_t sum_i = 0, sum_w = 0;
	size_t n = 0;

	if (s->n)
		qsort(s->list, s->n, sizeof(*s->list), compare_instances);
	for (size_t i = 0; i < s->n; i++)
		if (!i || compare_instances(&s->list[n - 1], &s->list[i]) != 0)
			s->list[n++] = s->list[i];
	if (n)
		qsort(s->list, n, sizeof(*s->list), compare_uids);
	for (size_t i = 0; i < n; i++) {
		if (!i || s->list[i - 1].uid != s->list[i].uid)
			sum_i = sum_w = 0;
		sum_i++;
		sum_w += s->list[i].watches;
		if (sum_i > instances->now) {
			instances->now = sum_i;
			free(instances->where);
			instances->where = fl_asprintf("user %u", s->list[i].uid);
		}
		if (sum_w > watches->now) {
			watches->now = sum_w;
			free(watches->where);
			watches->where = fl_asprintf("user %u", s->list[i].uid);
		}
	}
	if (!number("fs.inotify.max_user_instances", 0, &instances->limit))
		unknown(instances, "this kernel has no inotify");
	if (!number("fs.inotify.max_user_watches", 0, &watches->limit))
		unknown(watches, "this kernel has no inotify");
}

static char *process_text(pid_t pid)
{
	FILE *f = open_of(pid, "comm");
	char name[32] = "?";

	if (f) {
		if (!fgets(name, sizeof(name), f))
			strcpy(name, "?");
		fclose(f);
	}
	name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return fl_asprintf("%s[%d]", name, pid);
}

/* Returns how many could not be looked at. */
static unsigned int processes(struct fl_use use[FL_RESOURCES])
{
	static const int mine[] = { FL_INOTIFY_INSTANCES, FL_INOTIFY_WATCHES, FL_MAPS };
	DIR *dir = opendir("/proc");
	struct scan s = { 0 };
	struct dirent *d;

	while (dir && (!s.hidden || !geteuid()) && (d = readdir(dir))) {
		if (!isdigit((unsigned char)*d->d_name))
			continue;
		scan_fds(&s, atoi(d->d_name));
		scan_maps(&s, atoi(d->d_name));
	}
	if (dir)
		closedir(dir);
	/* Not even root may look at every process where there are other security modules. */
	if (!geteuid()) {
		inotify(&use[FL_INOTIFY_INSTANCES], &use[FL_INOTIFY_WATCHES], &s);
		use[FL_MAPS].now = s.maps;
		use[FL_MAPS].where = process_text(s.maps_pid);
		if (!number("vm.max_map_count", 0, &use[FL_MAPS].limit))
			unknown(&use[FL_MAPS], "vm.max_map_count cannot be read");
	} else {
		for (size_t i = 0; i < sizeof(mine) / sizeof(*mine); i++)
			unknown(&use[mine[i]], "other users' processes are hidden; run it as root");
	}
	free(s.list);
	return geteuid() ? 0 : s.hidden;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

unsigned int fl_pressure_read(struct fl_use use[FL_RESOURCES])
{
	unsigned int hidden;

	memset(use, 0, FL_RESOURCES * sizeof(*use));
	conntrack(&use[FL_CONNTRACK]);
	neigh(&use[FL_NEIGH_IPV4], AF_INET);
	neigh(&use[FL_NEIGH_IPV6], AF_INET6);
	hidden = processes(use);
	pids(&use[FL_PIDS]);
	pids_pods(&use[FL_PIDS_PODS]);
	files(&use[FL_FILES]);
	ports(&use[FL_PORTS_TCP], &use[FL_PORTS_UDP]);
	memory(&use[FL_MEMORY_TCP], "TCP:", "net.ipv4.tcp_mem", 2);
	/* UDP knows no pressure: above the first of the three a socket gets no more than its minimum
	 * (__sk_mem_raise_allocated() in net/core/sock.c), and datagrams are dropped. */
	memory(&use[FL_MEMORY_UDP], "UDP:", "net.ipv4.udp_mem", 0);
	return hidden;
}

void fl_pressure_free(struct fl_use use[FL_RESOURCES])
{
	for (int i = 0; i < FL_RESOURCES; i++)
		free(use[i].where);
}
