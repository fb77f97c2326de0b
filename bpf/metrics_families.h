/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_FAMILIES_H
#define FL_METRICS_FAMILIES_H

/*
 * The metric families, in the order in which the metrics file prints them: the one place where a
 * name, a type, a unit or a HELP text is written. The iterator's headers, `fairlead metrics` and
 * docs/metrics.md come from it.
 *
 *	F(name, type, unit, source, field, help)
 *
 * name	  as the samples carry it. Counters end in _total, after the unit.
 * type	  counter or gauge: the types that OpenMetrics 2.0 and the Prometheus text format 0.0.4
 *	  share, so "info" is a gauge with the value 1.
 * unit	  in base units, or "".
 * source where a sample's value comes from, enum fl_metrics_source: FL_BUILD, FL_NODE (once each)
 *	  or FL_UNMATCHED (a field of the counts of packets that lead to no peer); and, for every
 *	  peer, FL_PEER_INFO, FL_PEER_START or FL_PEER_COUNT (a field of the peer's counts).
 * field  of struct fl_metrics_counts for the two that count, of struct fl_metrics_node for
 *	  FL_NODE, anything of the first for the rest.
 * help	  one sentence, without backslash, quote or newline, shorter than FL_METRICS_HELP.
 */
#define FL_METRICS_FAMILIES(F)                                                                     \
	F("fairlead_build_info", "gauge", "", FL_BUILD, rx_bytes,                                  \
	  "Version of the Fairlead that made this file; the value is 1.")                          \
	F("fairlead_peers", "gauge", "", FL_NODE, peers, "Peers of this node that are counted.")   \
	F("fairlead_peer_info", "gauge", "", FL_PEER_INFO, rx_bytes,                               \
	  "WireGuard public key of the peer; the value is 1.")                                     \
	F("fairlead_peer_start_time_seconds", "gauge", "seconds", FL_PEER_START, rx_bytes,         \
	  "Unix time from which the peer's counters count; a later one is a reset.")               \
	F("fairlead_peer_receive_bytes_total", "counter", "bytes", FL_PEER_COUNT, rx_bytes,        \
	  "Inner IP bytes, headers included, received from the peer after decryption.")            \
	F("fairlead_peer_receive_packets_total", "counter", "", FL_PEER_COUNT, rx_packets,         \
	  "Inner IP packets received from the peer after decryption.")                             \
	F("fairlead_peer_transmit_bytes_total", "counter", "bytes", FL_PEER_COUNT, tx_bytes,       \
	  "Inner IP bytes, headers included, handed to WireGuard for the peer.")                   \
	F("fairlead_peer_transmit_packets_total", "counter", "", FL_PEER_COUNT, tx_packets,        \
	  "Inner IP packets handed to WireGuard for the peer.")                                    \
	F("fairlead_unmatched_receive_bytes_total", "counter", "bytes", FL_UNMATCHED, rx_bytes,    \
	  "Inner bytes received on a lane whose source address is no peer's.")                     \
	F("fairlead_unmatched_receive_packets_total", "counter", "", FL_UNMATCHED, rx_packets,     \
	  "Inner packets received on a lane whose source address is no peer's.")                   \
	F("fairlead_unmatched_transmit_bytes_total", "counter", "bytes", FL_UNMATCHED, tx_bytes,   \
	  "Inner bytes sent to a lane whose destination address is no peer's.")                    \
	F("fairlead_unmatched_transmit_packets_total", "counter", "", FL_UNMATCHED, tx_packets,    \
	  "Inner packets sent to a lane whose destination address is no peer's.")

#define FL_METRICS_COUNT_ONE(name, type, unit, source, field, help) +1
#define FL_METRICS_N_FAMILIES					    (0 FL_METRICS_FAMILIES(FL_METRICS_COUNT_ONE))

#endif
