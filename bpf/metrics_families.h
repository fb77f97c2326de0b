/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FL_METRICS_FAMILIES_H
#define FL_METRICS_FAMILIES(F)                                                                      \
	F("fairlead_build_info", "gauge", "", LANE, FL_BUILD, 0, FL_NONE,                           \
	  "Version of the Fairlead that made this file; the value is 1.")                           \
	F("fairlead_start_time_seconds", "gauge", "seconds", LANE, FL_NODE_START, 0, FL_NONE,       \
	  "Unix time from which the node's and the lanes' counters count; a later one is a reset.") \
	F("fairlead_collector_attached", "gauge", "", LANE, FL_COLLECTOR, 0, FL_NONE,               \
	  "Whether these programs are attached; the families that they fill are there only if.")    \
	F("fairlead_peers", "gauge", "", LANE, FL_NODE, FL_OF_NODE(peers), FL_NONE,                 \
	  "Peers of this node that are counted.")                                                   \
	F("fairlead_lane_receive_bytes_total", "counter", "bytes", LANE, FL_LANE,                   \
	  FL_OF_COUNTS(rx_bytes), FL_NONE,                                                          \
	  "Inner IP bytes, headers included, received by the lane after decryption.")               \
	F("fairlead_lane_receive_packets_total", "counter", "", LANE, FL_LANE,                      \
	  FL_OF_COUNTS(rx_packets), FL_NONE,                                                        \
	  "Inner IP packets received by the lane after decryption.")                                \
	F("fairlead_lane_transmit_bytes_total", "counter", "bytes", LANE, FL_LANE,                  \
	  FL_OF_COUNTS(tx_bytes), FL_NONE,                                                          \
	  "Inner IP bytes, headers included, handed to the lane.")                                  \
	F("fairlead_lane_transmit_packets_total", "counter", "", LANE, FL_LANE,                     \
	  FL_OF_COUNTS(tx_packets), FL_NONE, "Inner IP packets handed to the lane.")                \
	F("fairlead_lane_drops_total", "counter", "", LANE, FL_LANE_DROPS, 0, FL_NONE,              \
	  "Packets that WireGuard dropped, by the counter of the lane's device that says so.")      \
	F("fairlead_unmatched_receive_bytes_total", "counter", "bytes", LANE, FL_UNMATCHED,         \
	  FL_OF_COUNTS(rx_bytes), FL_NONE,                                                          \
	  "Inner bytes received on a lane whose source address is no peer's.")                      \
	F("fairlead_unmatched_receive_packets_total", "counter", "", LANE, FL_UNMATCHED,            \
	  FL_OF_COUNTS(rx_packets), FL_NONE,                                                        \
	  "Inner packets received on a lane whose source address is no peer's.")                    \
	F("fairlead_unmatched_transmit_bytes_total", "counter", "bytes", LANE, FL_UNMATCHED,        \
	  FL_OF_COUNTS(tx_bytes), FL_NONE,                                                          \
	  "Inner bytes sent to a lane whose destination address is no peer's.")                     \
	F("fairlead_unmatched_transmit_packets_total", "counter", "", LANE, FL_UNMATCHED,           \
	  FL_OF_COUNTS(tx_packets), FL_NONE,                                                        \
	  "Inner packets sent to a lane whose destination address is no peer's.")                   \
	F("fairlead_cleartext_bytes_total", "counter", "bytes", UNDERLAY, FL_COUNTER, 0,            \
	  FL_CLEARTEXT_BYTES,                                                                       \
	  "Bytes of IP packets for a peer's address or pod CIDR that left unencrypted.")            \
	F("fairlead_cleartext_packets_total", "counter", "", UNDERLAY, FL_COUNTER, 0,               \
	  FL_CLEARTEXT_PACKETS,                                                                     \
	  "IP packets for a peer's address or pod CIDR that left by something other than a lane.")  \
	F("fairlead_underlay_burst_datagrams", "histogram", "", UNDERLAY, FL_SIZES, 0, FL_BURSTS,   \
	  "Encrypted datagrams that crossed the underlay's device as one packet (coalesced, GRO).") \
	F("fairlead_module_burst_datagrams", "histogram", "", MODULE, FL_SIZES, 0,                  \
	  FL_MODULE_BURSTS,                                                                         \
	  "Datagrams in a burst that the module sent, or received merged by GRO and split.")        \
	F("fairlead_module_flushes_total", "counter", "", MODULE, FL_COUNTER, 0, FL_FLUSHES,        \
	  "Bursts that the module sent, by what ended them.")                                       \
	F("fairlead_module_unsplit_total", "counter", "", MODULE, FL_COUNTER, 0, FL_UNSPLIT,        \
	  "Packets merged by GRO that the module left to the kernel to split.")                     \
	F("fairlead_module_drops_total", "counter", "", MODULE, FL_COUNTER, 0, FL_MODULE_DROPS,     \
	  "Datagrams that the module dropped.")                                                     \
	F("fairlead_rtt_seconds", "histogram", "seconds", TCP, FL_SECONDS, 0, FL_RTT,               \
	  "Smoothed round-trip time of this node's TCP connections through the mesh, by ACK.")      \
	F("fairlead_wireguard_queue_seconds", "histogram", "seconds", WIREGUARD, FL_SECONDS, 0,     \
	  FL_QUEUES,                                                                                \
	  "Time of sampled packets inside WireGuard: to be encrypted and sent, or decrypted.")      \
	F("fairlead_wireguard_drops_total", "counter", "", WIREGUARD, FL_COUNTER, 0, FL_WG_DROPS,   \
	  "Messages that WireGuard dropped before they were a packet of a lane.")                   \
	F("fairlead_resource_used", "gauge", "", PRESSURE, FL_GAUGE, 0, FL_USED,                    \
	  "What is in use of a resource that can run out.")                                         \
	F("fairlead_resource_limit", "gauge", "", PRESSURE, FL_GAUGE, 0, FL_LIMITS,                 \
	  "How much of the resource there can be.")                                                 \
	F("fairlead_resource_time_seconds", "gauge", "seconds", PRESSURE, FL_GAUGE, 0, FL_LOOKED,   \
	  "Unix time at which `fairlead tune pressure` looked at the resources.")                   \
	F("fairlead_sysctl_keys", "gauge", "", TUNE, FL_SYSCTL_NUMBER, 0, FL_NONE,                  \
	  "Kernel parameters whose writes are counted.")                                            \
	F("fairlead_sysctl_enforced", "gauge", "", TUNE, FL_SYSCTL_ENFORCED, 0, FL_NONE,            \
	  "Whether writes from others than the declared owners are refused.")                       \
	F("fairlead_sysctl_start_time_seconds", "gauge", "seconds", TUNE, FL_SYSCTL_START, 0,       \
	  FL_NONE, "Unix time from which writes are counted; a later one is a reset.")              \
	F("fairlead_sysctl_verify_time_seconds", "gauge", "seconds", DRIFT, FL_GAUGE, 0,            \
	  FL_VERIFIED, "Unix time at which `fairlead tune verify` looked at kernel parameters.")    \
	F("fairlead_sysctl_changes_total", "counter", "", TUNE, FL_KEY_CHANGES, 0, FL_NONE,         \
	  "Writes of another value that were let through, by who wrote.")                           \
	F("fairlead_sysctl_unchanged_total", "counter", "", TUNE, FL_KEY_WRITES,                    \
	  FL_OF_WRITES(same), FL_NONE, "Writes of the value that was there already.")               \
	F("fairlead_sysctl_refused_total", "counter", "", TUNE, FL_KEY_WRITES,                      \
	  FL_OF_WRITES(refused), FL_NONE, "Writes that were refused.")                              \
	F("fairlead_sysctl_drifted", "gauge", "", DRIFT, FL_KEY_DRIFT, 0, FL_NONE,                  \
	  "1: the kernel parameter holds another value than was applied; 0: it does not.")          \
	F("fairlead_peer_info", "gauge", "", LANE, FL_PEER_INFO, 0, FL_NONE,                        \
	  "Key, endpoint and allowed IPs of the peer in the mesh file; the value is 1.")            \
	F("fairlead_peer_start_time_seconds", "gauge", "seconds", LANE, FL_PEER_START, 0, FL_NONE,  \
	  "Unix time from which the peer's counters count; a later one is a reset.")                \
	F("fairlead_peer_receive_bytes_total", "counter", "bytes", LANE, FL_PEER_COUNT,             \
	  FL_OF_COUNTS(rx_bytes), FL_NONE,                                                          \
	  "Inner IP bytes, headers included, received from the peer after decryption.")             \
	F("fairlead_peer_receive_packets_total", "counter", "", LANE, FL_PEER_COUNT,                \
	  FL_OF_COUNTS(rx_packets), FL_NONE,                                                        \
	  "Inner IP packets received from the peer after decryption.")                              \
	F("fairlead_peer_transmit_bytes_total", "counter", "bytes", LANE, FL_PEER_COUNT,            \
	  FL_OF_COUNTS(tx_bytes), FL_NONE,                                                          \
	  "Inner IP bytes, headers included, handed to WireGuard for the peer.")                    \
	F("fairlead_peer_transmit_packets_total", "counter", "", LANE, FL_PEER_COUNT,               \
	  FL_OF_COUNTS(tx_packets), FL_NONE, "Inner IP packets handed to WireGuard for the peer.")  \
	F("fairlead_peer_rtt_seconds", "summary", "seconds", TCP, FL_PEER_SECONDS,                  \
	  FL_OF_COUNTS(rtt_us), FL_NONE,                                                            \
	  "Smoothed round-trip time of this node's TCP connections to the peer, by ACK.")           \
	F("fairlead_peer_state", "gauge", "", WIREGUARD, FL_PEER_STATE, 0, FL_NONE,                 \
	  "2: there is a session; 1: a handshake is under way; 0: neither.")                        \
	F("fairlead_peer_handshakes_total", "counter", "", WIREGUARD, FL_PEER_SESSION,              \
	  FL_OF_SESSION(handshakes), FL_NONE, "Handshakes with the peer that were completed.")      \
	F("fairlead_peer_last_handshake_time_seconds", "gauge", "seconds", WIREGUARD,               \
	  FL_PEER_HANDSHAKE, 0, FL_NONE,                                                            \
	  "Unix time of the last handshake with the peer; 0: never.")

/* Who fills families: C(id, name). The tool attaches each by itself. */
#define FL_COLLECTORS(C)                                                                           \
	C(LANE, "lane")                                                                            \
	C(UNDERLAY, "underlay")                                                                    \
	C(TCP, "tcp")                                                                              \
	C(WIREGUARD, "wireguard")                                                                  \
	C(MODULE, "module")                                                                        \
	C(TUNE, "tune")                                                                            \
	C(PRESSURE, "pressure")                                                                    \
	C(DRIFT, "drift")

/*
 * Lists of values: V(id, number, labels). A value is a counter, a gauge or a histogram, as the
 * source of its family says; fl_count(), fl_set() and fl_observe() of metrics_values.h change it by
 * its id. number is its place among the pinned counters, gauges or histograms: it never changes and
 * is never given again, so that an upgrade goes on counting where it was. labels as they are
 * printed between { and }, or "".
 */
#define FL_NONE(V)
#define FL_CLEARTEXT_BYTES(V)	V(FL_CLEARTEXT_BYTE, 0, "")
#define FL_CLEARTEXT_PACKETS(V) V(FL_CLEARTEXT_PACKET, 1, "")
#define FL_WG_DROPS(V)                                                                             \
	V(FL_DROP_SESSION, 2, "reason=\"no_session\"")                                             \
	V(FL_DROP_AUTH, 3, "reason=\"authentication\"")                                            \
	V(FL_DROP_MAC, 4, "reason=\"handshake_mac\"")                                              \
	V(FL_DROP_HANDSHAKE, 5, "reason=\"handshake_refused\"")
#define FL_FLUSHES(V)                                                                              \
	V(FL_FLUSH_END, 6, "reason=\"end\"")                                                       \
	V(FL_FLUSH_FULL, 7, "reason=\"full\"")                                                     \
	V(FL_FLUSH_SHORT, 8, "reason=\"short\"")                                                   \
	V(FL_FLUSH_FLOW, 9, "reason=\"flow\"")                                                     \
	V(FL_FLUSH_CONTROL, 10, "reason=\"control\"")                                              \
	V(FL_FLUSH_GONE, 11, "reason=\"gone\"")
#define FL_UNSPLIT(V) V(FL_MODULE_LEFT, 12, "")
#define FL_MODULE_DROPS(V)                                                                         \
	V(FL_DROP_CSUM, 13, "reason=\"checksum\"") V(FL_DROP_RX, 14, "reason=\"receive\"")

/* Gauges: numbers of their own. In the order of enum fl_resource (tools/tune/pressure.h). */
#define FL_USED(V)                                                                                 \
	V(FL_USED_CONNTRACK, 0, "resource=\"conntrack\"")                                          \
	V(FL_USED_NEIGH_IPV4, 1, "resource=\"neigh-ipv4\"")                                        \
	V(FL_USED_NEIGH_IPV6, 2, "resource=\"neigh-ipv6\"")                                        \
	V(FL_USED_INOTIFY_INSTANCES, 3, "resource=\"inotify-instances\"")                          \
	V(FL_USED_INOTIFY_WATCHES, 4, "resource=\"inotify-watches\"")                              \
	V(FL_USED_PIDS, 5, "resource=\"pids\"")                                                    \
	V(FL_USED_PIDS_PODS, 6, "resource=\"pids-pods\"")                                          \
	V(FL_USED_FILES, 7, "resource=\"files\"")                                                  \
	V(FL_USED_PORTS_TCP, 8, "resource=\"ports-tcp\"")                                          \
	V(FL_USED_PORTS_UDP, 9, "resource=\"ports-udp\"")                                          \
	V(FL_USED_MEMORY_TCP, 10, "resource=\"memory-tcp\"")                                       \
	V(FL_USED_MEMORY_UDP, 11, "resource=\"memory-udp\"")                                       \
	V(FL_USED_MAPS, 12, "resource=\"maps\"")
#define FL_LIMITS(V)                                                                               \
	V(FL_LIMIT_CONNTRACK, 32, "resource=\"conntrack\"")                                        \
	V(FL_LIMIT_NEIGH_IPV4, 33, "resource=\"neigh-ipv4\"")                                      \
	V(FL_LIMIT_NEIGH_IPV6, 34, "resource=\"neigh-ipv6\"")                                      \
	V(FL_LIMIT_INOTIFY_INSTANCES, 35, "resource=\"inotify-instances\"")                        \
	V(FL_LIMIT_INOTIFY_WATCHES, 36, "resource=\"inotify-watches\"")                            \
	V(FL_LIMIT_PIDS, 37, "resource=\"pids\"")                                                  \
	V(FL_LIMIT_PIDS_PODS, 38, "resource=\"pids-pods\"")                                        \
	V(FL_LIMIT_FILES, 39, "resource=\"files\"")                                                \
	V(FL_LIMIT_PORTS_TCP, 40, "resource=\"ports-tcp\"")                                        \
	V(FL_LIMIT_PORTS_UDP, 41, "resource=\"ports-udp\"")                                        \
	V(FL_LIMIT_MEMORY_TCP, 42, "resource=\"memory-tcp\"")                                      \
	V(FL_LIMIT_MEMORY_UDP, 43, "resource=\"memory-udp\"")                                      \
	V(FL_LIMIT_MAPS, 44, "resource=\"maps\"")
#define FL_LOOKED(V)   V(FL_LOOKED_AT, 64, "")
#define FL_VERIFIED(V) V(FL_VERIFIED_AT, 65, "")

/* Histograms: numbers of their own. */
#define FL_RTT(V) V(FL_RTT_ALL, 0, "")
#define FL_QUEUES(V)                                                                               \
	V(FL_QUEUE_ENCRYPT, 1, "queue=\"encrypt\"") V(FL_QUEUE_DECRYPT, 2, "queue=\"decrypt\"")
#define FL_BURSTS(V)                                                                               \
	V(FL_BURST_TX, 3, "direction=\"transmit\"") V(FL_BURST_RX, 4, "direction=\"receive\"")
#define FL_MODULE_BURSTS(V)                                                                        \
	V(FL_MODULE_BURST_TX, 5, "direction=\"transmit\"")                                         \
	V(FL_MODULE_BURST_RX, 6, "direction=\"receive\"")

#endif
