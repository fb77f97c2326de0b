// SPDX-License-Identifier: GPL-2.0
/*
 * Holding and sending.
 *
 * wg_packet_tx_worker() sends a run of encrypted datagrams back to back from a workqueue. Each CPU
 * holds at most one burst: datagrams of one run that differ in nothing but payload, IPv4 ID and
 * checksum. A burst is sent as one SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST skb, so that neighbour,
 * qdisc and device queue see one packet; it is cut again just before the device, or not at all
 * where the device takes it whole. On the wire nothing differs, to the last byte.
 *
 * When is a burst complete? When the worker's run is over. The tracepoint workqueue_execute_end
 * says exactly that, so a lone packet waits for the few instructions until its worker returns and
 * for nothing else. No timer is needed. Where the last runs have been of one datagram each, or of such as cannot
 * be merged, nothing is held at all.
 *
 * Context: a slot is touched only on its own CPU with BH off, and by the hotplug callback once the
 * CPU is dead. No lock. Every held skb is owned by exactly one slot; taking the list out of the
 * slot takes the ownership. References that a held burst needs beyond the RCU section it was
 * taken in: each skb's dst (its own reference, which keeps the device), the WireGuard socket
 * (sock_hold), the namespace (fairlead_burst_flush_all() before it goes).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "fairlead.h"
#define CREATE_TRACE_POINTS
#include "trace.h"

#include <linux/cpuhotplug.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netdevice.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/dst.h>
#include <net/ip.h>
#include <net/sock.h>

struct burst {
	struct sk_buff *head; /* singly linked by ->next, NULL: empty */
	struct sk_buff *tail;
	struct fairlead_net *fn;
	struct net *net;
	struct sock *sk; /* WireGuard's UDP socket, held */
	int (*okfn)(struct net *net, struct sock *sk, struct sk_buff *skb);
	unsigned int hlen; /* IP and UDP header */
	unsigned int size; /* UDP payload of every datagram but the last */
	unsigned int count;
	unsigned int bytes; /* IP packet that the burst would make */
	unsigned int max_count, max_bytes;
};

struct slot {
	struct burst b;
	unsigned int runs; /* work items that ended on this CPU */
	struct fairlead_company company;
	struct work_struct flush;
};

static DEFINE_PER_CPU(struct slot, slots);
static struct tracepoint *execute_end;
static enum cpuhp_state hp_state;

/*
 * A device that has a parent (PCI, virtio, …) computes checksums itself if it says so. A virtual
 * one may promise it on behalf of a device below that cannot, and skb_segment_list() leaves
 * CHECKSUM_PARTIAL on segments that nobody looks at again.
 */
static bool device_completes_csum(const struct sk_buff *skb, const struct net_device *dev)
{
	return dev->dev.parent && can_checksum_protocol(dev->features, skb->protocol);
}

/* The one place where the module frees a datagram that was to go somewhere. BH off. */
void fairlead_drop(struct fairlead_net *fn, struct sk_buff *skb, enum fairlead_stat why)
{
	this_cpu_inc(fn->stats->count[why]);
	trace_fairlead_drop(skb, why, fn->netns);
	kfree_skb(skb);
}

/* Make one GSO skb of a list of at least two. Consumes the list; members that cannot be used are
 * dropped and counted. Returns NULL when nothing is left. BH off. */
static struct sk_buff *merge(struct burst *b)
{
	struct sk_buff *head = b->head, *skb, *next, **link;
	struct net_device *dev = skb_dst(head)->dev;
	struct udphdr *uh;
	unsigned int count = 1;

	if (head->ip_summed == CHECKSUM_PARTIAL && !device_completes_csum(head, dev)) {
		struct sk_buff **prev = &b->head;

		for (skb = b->head; skb; skb = next) {
			next = skb->next;
			if (likely(!skb_checksum_help(skb))) {
				fairlead_count(b->fn, CSUM);
				prev = &skb->next;
				continue;
			}
			*prev = next;
			skb_mark_not_on_list(skb);
			fairlead_drop(b->fn, skb, FAIRLEAD_STAT_DROP_CSUM);
		}
		head = b->head;
		if (!head)
			return NULL;
	}
	/* On transmit UNNECESSARY means what NONE means, but GSO does not suspect it of having
	 * been forgotten. */
	if (head->ip_summed == CHECKSUM_NONE)
		head->ip_summed = CHECKSUM_UNNECESSARY;

	next = head->next;
	skb_mark_not_on_list(head);
	if (!next)
		return head;

	link = &skb_shinfo(head)->frag_list;
	for (skb = next; skb; skb = next) {
		next = skb->next;
		__skb_pull(skb, b->hlen);
		*link = skb;
		link = &skb->next;
		head->data_len += skb->len;
		head->len += skb->len;
		fairlead_charge_join(head, skb);
		count++;
	}
	skb_shinfo(head)->gso_type = SKB_GSO_UDP_L4 | SKB_GSO_FRAGLIST;
	skb_shinfo(head)->gso_size = b->size;
	skb_shinfo(head)->gso_segs = count;

	/* Lengths of the whole, as GRO leaves them; segmentation writes each segment's own. */
	uh = udp_hdr(head);
	uh->len = htons(head->len - skb_transport_offset(head));
	if (head->protocol == htons(ETH_P_IP)) {
		ip_hdr(head)->tot_len = htons(head->len);
		ip_send_check(ip_hdr(head));
	} else {
		ipv6_hdr(head)->payload_len = htons(head->len - sizeof(struct ipv6hdr));
	}
	return head;
}

/* Send what the slot holds. BH off. Emptied before sending: what we send may come back here. */
static void send(struct burst *held, enum fairlead_stat why)
{
	struct burst b = *held;
	struct sk_buff *skb = b.head;

	held->head = NULL;
	this_cpu_inc(b.fn->stats->count[FAIRLEAD_STAT_BURSTS]);
	this_cpu_inc(b.fn->stats->count[why]);
	this_cpu_inc(b.fn->stats->sizes[order_base_2(b.count)]);

	rcu_read_lock();
	trace_fairlead_flush(skb, skb_dst(skb)->dev, b.count, b.bytes, why, b.fn->netns);
	if (b.count > 1) {
		fairlead_hold_expect(b.sk, 0);
		skb = merge(&b);
	}
	if (likely(skb)) {
		/* The device may have gone since: then the dst points to another by now. */
		skb->dev = skb_dst(skb)->dev;
		b.okfn(b.net, b.sk, skb);
	}
	rcu_read_unlock();
	sock_put(b.sk);
}

/* May skb be the next of the burst? Everything that the head's copy of the header, or of the skb's
 * metadata, would change for the others must be equal. */
static bool belongs(const struct burst *b, const struct sk_buff *skb,
		    const struct nf_hook_state *state, unsigned int hlen)
{
	const struct sk_buff *head = b->head;

	if (b->net != state->net || b->sk != state->sk || b->okfn != state->okfn ||
	    b->hlen != hlen || skb_dst(head) != skb_dst(skb) || head->sk != skb->sk ||
	    head->destructor != skb->destructor || head->protocol != skb->protocol ||
	    head->mark != skb->mark || head->priority != skb->priority ||
	    head->ip_summed != skb->ip_summed || head->tstamp != skb->tstamp ||
	    head->ignore_df != skb->ignore_df || head->queue_mapping != skb->queue_mapping ||
	    skb_get_nfct(head) != skb_get_nfct(skb))
		return false;
#ifdef CONFIG_NETWORK_SECMARK
	if (head->secmark != skb->secmark)
		return false;
#endif
	/* The inner flow's hash picks the transmit queue. Flows that share a burst would change
	 * queues with its head, and overtake themselves. */
	if (head->hash != skb->hash && skb_dst(skb)->dev->real_num_tx_queues > 1)
		return false;
	if (*(u32 *)udp_hdr(head) != *(u32 *)udp_hdr(skb))
		return false;

	if (skb->protocol == htons(ETH_P_IP)) {
		const struct iphdr *first = ip_hdr(head), *iph = ip_hdr(skb);

		/* Segmentation numbers the datagrams on from the head's ID. */
		return first->saddr == iph->saddr && first->daddr == iph->daddr &&
		       first->tos == iph->tos && first->ttl == iph->ttl &&
		       first->frag_off == iph->frag_off &&
		       (u16)(ntohs(first->id) + b->count) == ntohs(iph->id);
	} else {
		const struct ipv6hdr *first = ipv6_hdr(head), *ip6h = ipv6_hdr(skb);

		/* The first word is version, traffic class and flow label. */
		return *(__be32 *)first == *(__be32 *)ip6h && first->hop_limit == ip6h->hop_limit &&
		       ipv6_addr_equal(&first->saddr, &ip6h->saddr) &&
		       ipv6_addr_equal(&first->daddr, &ip6h->daddr);
	}
}

static void start(struct burst *b, struct fairlead_net *fn, struct sk_buff *skb,
		  const struct nf_hook_state *state, unsigned int hlen)
{
	const struct net_device *dev = skb_dst(skb)->dev;

	b->head = skb;
	b->fn = fn;
	b->net = state->net;
	b->sk = state->sk;
	b->okfn = state->okfn;
	b->hlen = hlen;
	b->size = skb->len - hlen;
	b->count = 1;
	b->bytes = skb->len;
	b->max_count = min_t(unsigned int, READ_ONCE(dev->gso_max_segs), FAIRLEAD_BURST_MAX);
	/* 65535: the length fields of IP and UDP. */
	b->max_bytes = min_t(unsigned int, READ_ONCE(dev->gso_max_size), 65535);
	sock_hold(b->sk);
}

/*
 * Netfilter has let skb pass: hold it. Returns the verdict.
 *
 * Context: RCU read side, in a CPU-bound worker. hlen: IP and UDP headers, which are linear.
 * NF_STOLEN: skb is ours. NF_ACCEPT: it goes its way, and whatever was held went before it.
 */
unsigned int fairlead_burst_take(struct fairlead_net *fn, struct sk_buff *skb,
				 const struct nf_hook_state *state, unsigned int hlen)
{
	struct burst *b;

	local_bh_disable();
	b = this_cpu_ptr(&slots.b);

	if (b->head && (!belongs(b, skb, state, hlen) || skb->len - hlen > b->size))
		send(b, FAIRLEAD_STAT_FLUSH_FLOW);
	if (b->head && b->bytes + skb->len - hlen > b->max_bytes)
		send(b, FAIRLEAD_STAT_FLUSH_FULL);

	skb_mark_not_on_list(skb);
	if (!b->head) {
		start(b, fn, skb, state, hlen);
	} else {
		b->tail->next = skb;
		b->count++;
		b->bytes += skb->len - hlen;
	}
	b->tail = skb;
	fairlead_count(fn, HELD);

	if (skb->len - hlen < b->size)
		send(b, FAIRLEAD_STAT_FLUSH_SHORT);
	else if (b->count >= b->max_count)
		send(b, FAIRLEAD_STAT_FLUSH_FULL);
	local_bh_enable();
	return NF_STOLEN;
}

/* A datagram that is not held is about to be sent from here: nothing may be left for it to
 * overtake. Any context in which softirqs may run. */
void fairlead_burst_flush_control(struct fairlead_net *fn)
{
	struct burst *b;

	if (likely(!this_cpu_read(slots.b.head)))
		return;
	local_bh_disable();
	b = this_cpu_ptr(&slots.b);
	if (b->head && b->fn == fn)
		send(b, FAIRLEAD_STAT_FLUSH_CONTROL);
	local_bh_enable();
}

/* Is skb worth holding? Process context, bound to this CPU. Another worker that preempts this one may
 * spoil the answer, which costs no more than any wrong guess. */
bool fairlead_burst_expected(const struct sk_buff *skb)
{
	struct slot *s = this_cpu_ptr(&slots);

	/* TCP's acknowledgements and data are charged by different functions. */
	return fairlead_company(&s->company, s->runs,
				(unsigned long)skb->sk ^ (unsigned long)skb->destructor ^ skb->len);
}

/* Send what this CPU holds. Any context in which softirqs may run. */
static void flush_here(enum fairlead_stat why)
{
	struct burst *b;

	local_bh_disable();
	b = this_cpu_ptr(&slots.b);
	if (b->head)
		send(b, why);
	local_bh_enable();
}

/* Tracepoint probe: some worker on this CPU has finished a work item. Process context, preemption
 * off. Called for every work item of the machine, so the empty case is next to nothing. */
static void on_execute_end(void *data, struct work_struct *work, work_func_t function)
{
	this_cpu_inc(slots.runs);
	if (unlikely(this_cpu_read(slots.b.head)))
		flush_here(FAIRLEAD_STAT_FLUSH_END);
}

static void flush_this_cpu(struct work_struct *work)
{
	flush_here(FAIRLEAD_STAT_FLUSH_GONE);
}

/*
 * After this, nothing is held that was taken before it. For namespaces and hooks that go: their
 * hooks are unregistered and an RCU grace period is over. Sleeps.
 */
void fairlead_burst_flush_all(void)
{
	int cpu;

	cpus_read_lock();
	/* Still queued for another caller: it has not run yet, so it will run after now. */
	for_each_online_cpu(cpu) schedule_work_on(cpu, &per_cpu_ptr(&slots, cpu)->flush);
	for_each_online_cpu(cpu) flush_work(&per_cpu_ptr(&slots, cpu)->flush);
	cpus_read_unlock();
}

/* A CPU has died in the middle of a worker's run; the worker goes on elsewhere. */
static int on_cpu_dead(unsigned int cpu)
{
	struct burst *b = &per_cpu_ptr(&slots, cpu)->b;

	local_bh_disable();
	if (b->head)
		send(b, FAIRLEAD_STAT_FLUSH_GONE);
	local_bh_enable();
	return 0;
}

static void find_tracepoint(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "workqueue_execute_end"))
		execute_end = tp;
}

int __init fairlead_burst_init(void)
{
	int err, cpu;

	for_each_possible_cpu(cpu) INIT_WORK(&per_cpu_ptr(&slots, cpu)->flush, flush_this_cpu);

	/* Not exported by name, but this is the documented way to reach any tracepoint. */
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	if (!execute_end) {
		pr_err("this kernel has no tracepoint workqueue_execute_end (CONFIG_TRACEPOINTS)\n");
		return -EOPNOTSUPP;
	}
	err = cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "net/fairlead:dead", NULL,
					on_cpu_dead);
	if (err < 0)
		return err;
	hp_state = err;
	err = tracepoint_probe_register(execute_end, on_execute_end, NULL);
	if (err)
		cpuhp_remove_state_nocalls(hp_state);
	return err;
}

/* Ends with a grace period for the probe. All hooks are gone and flush_all() has run: the slots are empty and stay so. */
void fairlead_burst_exit(void)
{
	tracepoint_probe_unregister(execute_end, on_execute_end, NULL);
	tracepoint_synchronize_unregister();
	cpuhp_remove_state_nocalls(hp_state);
}
