# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The columns of the bench: which traffic, and under which conditions. Sourced by `guest`.
#
# ID|CONDITION|LOAD|OPTIONS of load|UNIT|TITLE. A datagram's size is that of its IPv4 packet.
COLUMNS_ALL=(
	'tcp|base|tcp||byte|TCP, 1 stream'
	'tcp-in|base|tcp|--direction in|byte|TCP, 1 stream, other way'
	'tcp-both|base|tcp|--direction both|byte|TCP, 1 stream, both ways'
	'tcp8|base|tcp|--streams 8|byte|TCP, 8 streams'
	'tcp8-in|base|tcp|--streams 8 --direction in|byte|TCP, 8 streams, other way'
	'tcp8-both|base|tcp|--streams 8 --direction both|byte|TCP, 8 streams, both ways'
	'udp64|base|udp|--size 36|packet|UDP, 64 B packets'
	'udp512|base|udp|--size 484|packet|UDP, 512 B packets'
	'udp1400|base|udp|--size 1372|packet|UDP, 1400 B packets'
	'rr1|base|rr|--size 1|round trip|request/response, 1 B'
	'rr1k|base|rr|--size 1024|round trip|request/response, 1 KiB'
	'crr|base|crr|--size 1|connection|connect, 1 B each way, close'
	'v6-tcp|v6|tcp||byte|IPv6: TCP, 1 stream'
	'v6-rr1|v6|rr|--size 1|round trip|IPv6: request/response, 1 B'
	'jumbo-tcp|jumbo|tcp||byte|MTU 8920: TCP, 1 stream'
	'jumbo-tcp8|jumbo|tcp|--streams 8|byte|MTU 8920: TCP, 8 streams'
	'jumbo6-tcp|jumbo6|tcp||byte|MTU 8920, IPv6: TCP, 1 stream'
	'veth-tcp|veth|tcp||byte|plain veth: TCP, 1 stream'
	'lossy-tcp|lossy|tcp||byte|wire that loses 1 packet in 1,000: TCP, 1 stream'
	'pod-tcp|pod|tcp||byte|pod to pod: TCP, 1 stream'
	'pod-udp1400|pod|udp|--size 1372|packet|pod to pod: UDP, 1400 B packets'
	'pod-rr1|pod|rr|--size 1|round trip|pod to pod: request/response, 1 B'
	'pod-crr|pod|crr|--size 1|connection|pod to pod: connect, 1 B, close'
	'pod6-tcp|pod6|tcp||byte|pod to pod, IPv6: TCP, 1 stream'
)

# Suites whose columns are points of a curve. The last field is what the curve is over.
declare -A CURVE_AXIS=([flows]='TCP streams' [peers]='peers' [lanes]='lanes')

# Cost as the number of streams grows.
COLUMNS_FLOWS=()
for n in 1 4 16 64 256 1000; do
	COLUMNS_FLOWS+=("flows$n|base|tcp|--streams $n|byte|TCP, $n streams|$n")
done
ROWS_FLOWS=(plain stock tuned module both)

# As that of the peers grows, of which one is busy.
COLUMNS_PEERS=()
for n in 1 10 100 1000 10000; do
	COLUMNS_PEERS+=("peers$n|peers:$n|tcp||byte|TCP, $n peers|$n"
		"peers$n-rr|peers:$n|rr|--size 1|round trip|request/response, $n peers|$n")
done
ROWS_PEERS=(mesh mesh-module mesh-both)

# As 16 streams spread over more lanes.
COLUMNS_LANES=()
for n in 1 2 4 8 16; do
	COLUMNS_LANES+=("lanes$n|lanes:$n|tcp|--streams 16|byte|TCP, 16 streams, $n lanes|$n")
done
ROWS_LANES=(mesh mesh-module mesh-both)
