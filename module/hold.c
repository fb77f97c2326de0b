// SPDX-License-Identifier: GPL-2.0
/*
 * Letting a peer's NAPI wait until its CPU has nothing better to do.
 *
 * wg_packet_decrypt_worker() schedules the peer's NAPI for each datagram, and BH is enabled after each:
 * the poll follows at once, finds one packet, and GRO has nothing to merge. Here the NAPI is taken
 * after the first such poll, as its driver takes it in an interrupt: napi_schedule_prep(). What the
 * worker schedules from then on changes nothing. A thread of the lowest priority on the same CPU
 * gives the NAPI to the softirq, __napi_schedule(), and one poll finds all. On a CPU that has nothing
 * else to do that is when the worker has decrypted what there is; on a busy one, whatever waits
 * there goes first: more is decrypted meanwhile, and more is merged the busier it gets. After HOLD_NS
 * a timer does it in any case.
 *
 * Only where more than one datagram came in together, or went out: then it is the answers that are worth
 * merging. A lone one is not waited for, unless it is one of many in a few milliseconds, between which nothing was sent,
 * on a CPU that had no idle time: a stream that nobody answers, and that comes alone because each step of its way
 * preempts the one before, for each datagram.
 *
 * Context: a hold is taken in softirq on its own CPU, and given back by whoever exchanges the pointer for
 * NULL: the thread, the timer, a burst too many, the module's exit. Who owns NAPI_STATE_SCHED
 * keeps the NAPI from being deleted: napi_disable() waits for it. When a CPU goes away its thread is parked,
 * and the timer moves.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "compat.h"
#include "fairlead.h"

#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/sched.h>
#include <linux/smpboot.h>
#include <linux/tick.h>
#include <linux/tracepoint.h>
#include <net/ipv6.h>
#include <net/sock.h>

/*
 * A worker that always finds more must not keep what it has decrypted. WireGuard queues 1,024 packets a peer and
 * drops the next: so a hold ends after so many datagrams that came in bursts, and after a time in which no CPU
 * passes on many more that came one by one: about what a NAPI in a thread would wait for others to use up what
 * the scheduler gives them at a time.
 */
#define HOLD_DATAGRAMS 256
#define HOLD_NS	       (3 * NSEC_PER_MSEC)

/*
 * So many that came alone in so long, with nothing sent in between, are a stream without answers; and a CPU that
 * was not idle in so long is busy. Slower ones have no more than themselves to wait for. It is hardly TCP, and a socket
 * of UDP takes 92 datagrams of 1,400 bytes unless told otherwise: these holds end after a quarter as many as others.
 */
#define STREAM_DATAGRAMS 16
#define STREAM_MS	 4
#define STREAM_COUNTS	 4
#define STREAM_HOLD_NS	 NSEC_PER_MSEC

/* Several lanes, or peers, may have bursts decrypted on one CPU. They are held from the first on, and given
 * back together. */
#define HOLDS 4

struct hold {
	struct napi_struct *napi[HOLDS]; /* NULL: none. Taken out with xchg() */
	struct hrtimer timer;
};

static DEFINE_PER_CPU(struct hold, holds);
static DEFINE_PER_CPU(struct task_struct *, threads);
static struct tracepoint *napi_poll;

/* Polls of any NAPI that ended on this CPU. */
DEFINE_PER_CPU(unsigned int, fairlead_polls);

/* Was this CPU idle lately? Touched with BH off. */
struct load {
	unsigned long next; /* when to look again, in jiffies */
	u64 idle;	    /* us, as of the last look */
	bool busy;
};

static DEFINE_PER_CPU(struct load, loads);

/* WireGuard devices that got datagrams or sent a burst, by hash; a collision costs a hold. Read and written without a lock. */
static struct {
	const void *priv;   /* netdev_priv() */
	unsigned long when; /* the last burst */
	struct hold *hold;  /* its last one, which may be over */
	unsigned int since; /* datagrams since then */
	/* What came alone, with nothing sent there in between: */
	unsigned long next; /* when to count anew */
	unsigned int alone; /* so many until then */
	bool stream;	    /* enough of them, or the time before */
} recent[64];

/* Was something sent there since the last lone datagram came from there? By hash of namespace and address, not
 * by device, as answers may go by other lanes. A collision costs a hold less. */
static bool answered[256];

#define RECENT(priv) (&recent[hash_ptr(priv, ilog2(ARRAY_SIZE(recent)))])

/* Any context. Where BH are not off already, it is up to the caller that the softirq runs. */
static void give_back(struct hold *h)
{
	for (int i = 0; i < HOLDS; i++) {
		struct napi_struct *napi = xchg(&h->napi[i], NULL);

		if (napi)
			__napi_schedule(napi);
	}
}

/* WireGuard's own struct, which is its device's private part. */
static const void *priv_of(const struct sock *sk)
{
	return (void *)((uintptr_t)READ_ONCE(sk->sk_user_data) & SK_USER_DATA_PTRMASK);
}

/* The other end of skb: where it goes, or where it comes from. */
static bool *answer_to(const struct fairlead_net *fn, const struct sk_buff *skb, bool out)
{
	u32 addr;

	if (skb->protocol == htons(ETH_P_IP))
		addr = (__force u32)(out ? ip_hdr(skb)->daddr : ip_hdr(skb)->saddr);
	else
		addr = ipv6_addr_hash(out ? &ipv6_hdr(skb)->daddr : &ipv6_hdr(skb)->saddr);
	return &answered[hash_32(addr ^ fn->netns, ilog2(ARRAY_SIZE(answered)))];
}

/* Take the place of another device, if there is one. */
static void claim(typeof(*recent) *r, const void *priv)
{
	if (READ_ONCE(r->priv) == priv)
		return;
	WRITE_ONCE(r->priv, priv);
	WRITE_ONCE(r->when, jiffies - 2);
	WRITE_ONCE(r->alone, 0);
	WRITE_ONCE(r->stream, false);
}

/* So many more are about to be decrypted: enough? */
static void count_since(typeof(*recent) *r, unsigned int n)
{
	struct hold *h;

	WRITE_ONCE(r->since, READ_ONCE(r->since) + n);
	if (r->since <= HOLD_DATAGRAMS)
		return;
	h = xchg(&r->hold, NULL);
	if (h)
		give_back(h);
}

/* n datagrams for sk that came together are about to be decrypted; or n is 0, and a burst goes out, to which
 * answers will come. BH off. */
void fairlead_hold_expect(const struct sock *sk, unsigned int n)
{
	const void *priv = priv_of(sk);
	typeof(*recent) *r = RECENT(priv);

	claim(r, priv);
	WRITE_ONCE(r->when, jiffies);
	count_since(r, n);
}

/* skb, which came alone, is for sk and about to be decrypted. RCU read side, BH off. */
void fairlead_hold_alone(const struct fairlead_net *fn, const struct sock *sk,
			 const struct sk_buff *skb)
{
	const unsigned long ticks = msecs_to_jiffies(STREAM_MS);
	const void *priv = priv_of(sk);
	typeof(*recent) *r = RECENT(priv);
	bool *sent = answer_to(fn, skb, false);
	unsigned long next = READ_ONCE(r->next);
	unsigned int alone;

	/* Bursts keep their place. */
	if (READ_ONCE(r->priv) != priv && time_before_eq(jiffies, READ_ONCE(r->when) + 1))
		return;
	claim(r, priv);
	alone = READ_ONCE(r->alone);
	if (READ_ONCE(*sent)) {
		WRITE_ONCE(*sent, false);
		WRITE_ONCE(r->stream, false);
		alone = 0;
	}
	if (time_after_eq(jiffies, next)) {
		WRITE_ONCE(r->stream,
			   alone >= STREAM_DATAGRAMS && time_before(jiffies, next + ticks));
		WRITE_ONCE(r->next, jiffies + ticks);
		alone = 0;
	}
	WRITE_ONCE(r->alone, ++alone);
	if (alone == STREAM_DATAGRAMS)
		WRITE_ONCE(r->stream, true);
	count_since(r, STREAM_COUNTS);
}

/* skb goes out. RCU read side. */
void fairlead_hold_answered(const struct fairlead_net *fn, const struct sk_buff *skb)
{
	bool *sent = answer_to(fn, skb, true);

	/* Written by whoever sends, read by whoever gets something from there: no more often than they take turns. */
	if (!READ_ONCE(*sent))
		WRITE_ONCE(*sent, true);
}

/* BH off. */
static bool busy(void)
{
	struct load *load = this_cpu_ptr(&loads);

	if (time_after_eq(jiffies, load->next)) {
		const int cpu = smp_processor_id();
		u64 idle = get_cpu_idle_time_us(cpu, NULL);

		/* -1: the kernel does not know, as with nohz=off. Waiting for a disk is counted apart. */
		if (idle == -1ULL) {
			load->busy = false;
		} else {
			idle += get_cpu_iowait_time_us(cpu, NULL);
			load->busy = idle == load->idle;
			load->idle = idle;
		}
		load->next = jiffies + msecs_to_jiffies(STREAM_MS);
	}
	return load->busy;
}

/* For how many ns may more be waited for, where what was polled comes from? work: what that found. Softirq. */
static u64 expected(const struct net_device *dev, int work)
{
	const void *priv = netdev_priv(dev);
	const typeof(*recent) *r = RECENT(priv);

	if (READ_ONCE(r->priv) != priv)
		return 0;
	/* With bursts, a poll that found nothing counts as well: without those a stream costs 8 % more, at MTU 8920 14 %. */
	if (time_before_eq(jiffies, READ_ONCE(r->when) + 1))
		return HOLD_NS;
	return work && READ_ONCE(r->stream) && busy() ? STREAM_HOLD_NS : 0;
}

/* Tracepoint probe: a NAPI has been polled, and is not touched any more. Softirq. */
static void on_napi_poll(void *data, struct napi_struct *napi, int work, int budget)
{
	struct fairlead_net *fn;
	typeof(*recent) *r;
	struct hold *h;
	u64 ns;
	int i;

	this_cpu_inc(fairlead_polls);
	if (work >= budget || !napi->dev || current == __this_cpu_read(threads) ||
	    test_bit(NAPI_STATE_THREADED, &napi->state))
		return;
	ns = expected(napi->dev, work);
	if (!ns)
		return;
	h = this_cpu_ptr(&holds);
	for (i = 0; i < HOLDS && READ_ONCE(h->napi[i]); i++)
		;
	/* Asking for one that is scheduled again already would have it polled once more, for ever. */
	if (i == HOLDS || test_bit(NAPI_STATE_SCHED, &napi->state) || !napi_schedule_prep(napi))
		return;
	/* From here on it is ours. The timer of the hold before may still run, and end this one sooner. */
	WRITE_ONCE(h->napi[i], napi);
	smp_mb(); /* a timer that was moved when its CPU went away may be just about to look, elsewhere */
	if (!hrtimer_is_queued(&h->timer))
		hrtimer_start(&h->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED);
	wake_up_process(__this_cpu_read(threads));
	r = RECENT(netdev_priv(napi->dev));
	WRITE_ONCE(r->since, 0);
	WRITE_ONCE(r->hold, h);
	fn = fairlead_pernet(dev_net(napi->dev));
	if (fn)
		fairlead_count(fn, RX_HOLDS);
}

static void thread_setup(unsigned int cpu)
{
	sched_set_normal(current, MAX_NICE);
}

static int thread_should_run(unsigned int cpu)
{
	const struct hold *h = per_cpu_ptr(&holds, cpu);

	for (int i = 0; i < HOLDS; i++)
		if (READ_ONCE(h->napi[i]))
			return true;
	return false;
}

static void thread_run(unsigned int cpu)
{
	local_bh_disable();
	give_back(per_cpu_ptr(&holds, cpu));
	local_bh_enable();
}

static struct smp_hotplug_thread hold_threads = {
	.store = &threads,
	.setup = thread_setup,
	.thread_should_run = thread_should_run,
	.thread_fn = thread_run,
	.thread_comm = "fairlead/%u",
};

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	give_back(container_of(timer, struct hold, timer));
	return HRTIMER_NORESTART;
}

static void find_tracepoint(struct tracepoint *tp, void *priv)
{
	if (!strcmp(tp->name, "napi_poll"))
		napi_poll = tp;
}

int __init fairlead_hold_init(void)
{
	int err, cpu;

	for_each_possible_cpu(cpu)
		fairlead_hrtimer_setup(&per_cpu_ptr(&holds, cpu)->timer, on_timer, CLOCK_MONOTONIC,
				       HRTIMER_MODE_REL_PINNED);
	for_each_kernel_tracepoint(find_tracepoint, NULL);
	if (!napi_poll) {
		pr_err("this kernel has no tracepoint napi_poll (CONFIG_TRACEPOINTS)\n");
		return -EOPNOTSUPP;
	}
	err = smpboot_register_percpu_thread(&hold_threads);
	if (err)
		return err;
	err = tracepoint_probe_register(napi_poll, on_napi_poll, NULL);
	if (err)
		smpboot_unregister_percpu_thread(&hold_threads);
	return err;
}

/* All hooks are gone: no device is expected any more. */
void fairlead_hold_exit(void)
{
	int cpu;

	tracepoint_probe_unregister(napi_poll, on_napi_poll, NULL);
	tracepoint_synchronize_unregister();
	smpboot_unregister_percpu_thread(&hold_threads);
	for_each_possible_cpu(cpu)
	{
		struct hold *h = per_cpu_ptr(&holds, cpu);

		hrtimer_cancel(&h->timer);
		local_bh_disable();
		give_back(h);
		local_bh_enable();
	}
}
