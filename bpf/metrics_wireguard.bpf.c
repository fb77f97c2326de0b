// SPDX-License-Identifier: GPL-2.0
/*
 * What only WireGuard knows: handshakes, how long packets wait for their encryption and decryption,
 * and what it drops before it is a packet of a lane. Traces of functions of wireguard.ko, which
 * need its BTF; a kernel without it has everything but these families.
 *
 * Of a peer nothing is read but its public key and the time of its handshake.
 */

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.h"
#include "metrics_epoch.h"
#include "metrics_queue.h"
#include "metrics_sessions.h"
#include "metrics_shared.h"
#include "metrics_values.h"

char LICENSE[] SEC("license") = "GPL";

/* This object's own: what is inside WireGuard now. */
static struct fl_queue encrypting, decrypting;

struct turns {
	__u32 encrypt, decrypt;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct turns);
} metrics_turns SEC(".maps");

static __always_inline struct turns *turns(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&metrics_turns, &zero);
}

/* NULL: not a peer that is counted. */
static __always_inline struct fl_metrics_session *session(const struct wg_peer *peer)
{
	struct fl_metrics_key key;

	if (bpf_core_read(&key, sizeof(key), &peer->handshake.remote_static))
		return NULL;
	return bpf_map_lookup_elem(&metrics_sessions, &key);
}

/* ---- handshakes ---- */

/* Both sides call it: the initiator with the response, the responder with the first data. */
SEC("fexit/wg_timers_handshake_complete")
int BPF_PROG(fl_wg_complete, struct wg_peer *peer)
{
	struct fl_metrics_session *s;

	if (!fl_counting(FL_BY_WIREGUARD))
		return 0;
	s = session(peer);
	if (!s)
		return 0;
	__sync_fetch_and_add(&s->handshakes, 1);
	s->handshake_sec = BPF_CORE_READ(peer, walltime_last_handshake.tv_sec);
	s->handshake_boot = bpf_ktime_get_boot_ns();
	return 0;
}

SEC("fentry/wg_timers_handshake_initiated")
int BPF_PROG(fl_wg_initiated, struct wg_peer *peer)
{
	struct fl_metrics_session *s;

	if (!fl_counting(FL_BY_WIREGUARD))
		return 0;
	s = session(peer);
	if (s)
		s->initiated_boot = bpf_ktime_get_boot_ns();
	return 0;
}

/* ---- queues ---- */

/* Once for what the stack hands over at a time; the first packet of it is looked at. */
SEC("fentry/wg_packet_send_staged_packets")
int BPF_PROG(fl_wg_encrypt_in, struct wg_peer *peer)
{
	struct turns *t = turns();
	__u64 skb;

	if (!t || (t->encrypt + 1) % FL_QUEUE_EVERY) {
		if (t)
			t->encrypt++;
		return 0;
	}
	skb = (__u64)BPF_CORE_READ(peer, staged_packet_queue.next);
	/* The head itself: the queue is empty. */
	if (skb != (__u64)&peer->staged_packet_queue && fl_counting(FL_BY_WIREGUARD))
		fl_queue_in(&encrypting, &t->encrypt, skb);
	return 0;
}

SEC("fentry/wg_socket_send_skb_to_peer")
int BPF_PROG(fl_wg_encrypt_out, struct wg_peer *peer, struct sk_buff *skb)
{
	fl_queue_out(&encrypting, (__u64)skb, FL_QUEUE_ENCRYPT);
	return 0;
}

SEC("fentry/wg_packet_receive")
int BPF_PROG(fl_wg_decrypt_in, void *wg, struct sk_buff *skb)
{
	struct turns *t = turns();

	if (t && fl_queue_in(&decrypting, &t->decrypt, (__u64)skb) && !fl_counting(FL_BY_WIREGUARD))
		fl_queue_place(&decrypting, (__u64)skb)->skb = 0;
	return 0;
}

SEC("fexit/decrypt_packet")
int BPF_PROG(fl_wg_decrypt_out, struct sk_buff *skb, void *keypair, bool ok)
{
	if (!ok && fl_counting(FL_BY_WIREGUARD))
		fl_count(FL_DROP_AUTH, 1);
	fl_queue_out(&decrypting, (__u64)skb, FL_QUEUE_DECRYPT);
	return 0;
}

/* ---- drops ---- */

#define INDEX_HASHTABLE_KEYPAIR 2 /* drivers/net/wireguard/peerlookup.h */
#define INVALID_MAC		0 /* drivers/net/wireguard/cookie.h */

SEC("fexit/wg_index_hashtable_lookup")
int BPF_PROG(fl_wg_lookup, void *table, int mask, __u32 index, void *peer, void *entry)
{
	if (!entry && mask == INDEX_HASHTABLE_KEYPAIR && fl_counting(FL_BY_WIREGUARD))
		fl_count(FL_DROP_SESSION, 1);
	return 0;
}

SEC("fexit/wg_cookie_validate_packet")
int BPF_PROG(fl_wg_mac, void *checker, struct sk_buff *skb, bool check_cookie, int state)
{
	if (state == INVALID_MAC && fl_counting(FL_BY_WIREGUARD))
		fl_count(FL_DROP_MAC, 1);
	return 0;
}

/* An unknown key, a replay, too many at a time. */
SEC("fexit/wg_noise_handshake_consume_initiation")
int BPF_PROG(fl_wg_initiation, void *message, void *wg, void *peer)
{
	if (!peer && fl_counting(FL_BY_WIREGUARD))
		fl_count(FL_DROP_HANDSHAKE, 1);
	return 0;
}

SEC("fexit/wg_noise_handshake_consume_response")
int BPF_PROG(fl_wg_response, void *message, void *wg, void *peer)
{
	if (!peer && fl_counting(FL_BY_WIREGUARD))
		fl_count(FL_DROP_HANDSHAKE, 1);
	return 0;
}
