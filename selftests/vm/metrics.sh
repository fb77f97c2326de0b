#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# The metrics file over real WireGuard: what one node counts as sent, the other counts as received;
# what the device says; what happens to it when the interface goes and comes back.
#
#    node a                                       node b
#   fl0 10.200.0.11 fd00:200::11                 fl0 10.200.0.12 fd00:200::12
#    │ UDP 51820                                  │ UDP 51820
#   eth0 192.0.2.11 ────────── bridge ────────── eth0 192.0.2.12
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317	# words for eval and functions, for check to run
. "$TOP/selftests/lib.sh"

XFER=$BUILD/selftests/vm/xfer
FILE=/sys/fs/bpf/fairlead/metrics
SERVER=
at_exit eval '[[ ! $SERVER ]] || kill $SERVER'

bpf_objects() { echo "$(bpftool prog list -j | jq length) $(bpftool map list -j | jq length) $(bpftool link list -j | jq length)"; }

underlay a b
umask 077
wg genkey >"$lib_work/a.key"
wg genkey >"$lib_work/b.key"
cat >"$lib_work/mesh.conf" <<CONF
[Mesh]
Name = test
ListenPort = 51820
[Node "a"]
PublicKey = $(wg pubkey <"$lib_work/a.key")
Endpoint = $(node_addr4 a):51820
Address = 10.200.0.11/32, fd00:200::11/128
PodCIDR = 10.244.1.0/24
[Node "b"]
PublicKey = $(wg pubkey <"$lib_work/b.key")
Endpoint = $(node_addr4 b):51820
Address = 10.200.0.12/32, fd00:200::12/128
PodCIDR = 10.244.2.0/24
CONF

# lane NODE OTHER NUMBER OTHER-NUMBER: by wg(8), because the metrics need nothing of our mesh.
lane()
{
	node_exec "$1" bash -ec "
		ip link add fl0 type wireguard
		ip address add 10.200.0.$3/24 dev fl0
		ip address add fd00:200::$3/64 dev fl0 nodad
		wg set fl0 listen-port 51820 private-key $lib_work/$1.key \
			peer $(wg pubkey <"$lib_work/$2.key") endpoint $(node_addr4 "$2"):51820 \
			allowed-ips 10.200.0.$4/32,fd00:200::$4/128,10.244.$(($4 - 10)).0/24
		ip link set fl0 up"
}

on() { node_exec "$1" "$FAIRLEAD" accel on metrics -c "$lib_work/mesh.conf" -k "$lib_work/$1.key"; }

# value NODE FAMILY: the one peer's, or the node's.
value()
{
	node_exec "$1" "$FAIRLEAD" metrics show --json |
		jq -r ".families[] | select(.name == \"fairlead_$2\").samples[0].value"
}

device() { node_exec "$1" ip -j -s link show fl0 | jq ".[0].stats64.$2"; }

lane a b 11 12
lane b a 12 11
before=$(bpf_objects)

### the file

check "the metrics are switched on, twice" eval 'on a && on a && on b'
check "the file is there for cat" eval "node_exec a cat $FILE >$lib_work/text"
check "it ends with # EOF" eval "[[ \$(tail -n 1 $lib_work/text) == '# EOF' ]]"
check "promtool finds nothing wrong with it" promtool check metrics <"$lib_work/text"
check "the peer is there with its public key" grep -qF \
	"fairlead_peer_info{peer=\"b\",public_key=\"$(wg pubkey <"$lib_work/b.key")\"} 1" "$lib_work/text"
check "no private key is in it" eval '! grep -qF -f "$lib_work/a.key" -f "$lib_work/b.key" "$lib_work/text"'
check_fails 1 "Permission denied" "nobody else can read it" \
	node_exec a setpriv --reuid 65534 --regid 65534 --clear-groups cat $FILE
check_fails 1 "only root may read it" "nor the tool for somebody else" \
	node_exec a setpriv --reuid 65534 --regid 65534 --clear-groups "$FAIRLEAD" metrics show

### exact

# $1 family of the address, $2 payload: five pings of a known size, and five answers.
pings()
{
	local dst=10.200.0.12 size=$(($2 + 28)) p0 b0 p1 b1 what

	[[ $1 == 4 ]] || { dst=fd00:200::12 size=$(($2 + 48)); }
	for what in "a transmit" "a receive" "b transmit" "b receive"; do
		read -r node dir <<<"$what"
		echo "$(value "$node" "peer_${dir}_packets_total") $(value "$node" "peer_${dir}_bytes_total")"
	done >"$lib_work/before"
	node_exec a ping -q -i 0.05 -c 5 -s "$2" "$dst" >/dev/null || return
	for what in "a transmit" "a receive" "b transmit" "b receive"; do
		read -r node dir <<<"$what"
		read -r p0 b0 || return
		p1=$(value "$node" "peer_${dir}_packets_total")
		b1=$(value "$node" "peer_${dir}_bytes_total")
		echo "$what: $((p1 - p0)) packets, $((b1 - b0)) bytes"
		((p1 - p0 == 5 && b1 - b0 == 5 * size)) || return
	done <"$lib_work/before"
}
check "pings over IPv4 are counted to the byte" pings 4 100
check "pings over IPv6 are counted to the byte" pings 6 1000

node_exec b "$XFER" serve 7000 &
SERVER=$!
transfer() { poll 10 node_exec a "$XFER" tcp "$1" 7000 1000 && node_exec a "$XFER" tcp "$1" 7000 3000000; }

# What went in on one side came out on the other: one of them saw GSO, the other GRO.
same_on_both()
{
	local what

	for what in packets bytes; do
		echo "$what: a sent $(value a peer_transmit_"$what"_total), b received $(value b peer_receive_"$what"_total)"
		echo "$what: b sent $(value b peer_transmit_"$what"_total), a received $(value a peer_receive_"$what"_total)"
		[[ $(value a peer_transmit_"$what"_total) == "$(value b peer_receive_"$what"_total)" ]] &&
		[[ $(value b peer_transmit_"$what"_total) == "$(value a peer_receive_"$what"_total)" ]] ||
			return
	done
}
check "TCP over IPv4 passes" transfer 10.200.0.12
check "TCP over IPv6 passes" transfer fd00:200::12
check "one node sent what the other received" poll 5 same_on_both
check "more bytes than the payload, by at most a tenth" eval \
	'sent=$(value a peer_transmit_bytes_total); ((sent > 6000000 && sent < 6600000))'

# WireGuard's interface counts encrypted messages: each of our packets is one, and the others are
# handshakes and keepalives. What leads to no peer gets no further than us.
as_the_device()
{
	local ours theirs dir

	for dir in transmit receive; do
		ours=$(value "$1" peer_"$dir"_packets_total)
		theirs=$(device "$1" "$([[ $dir == transmit ]] && echo tx || echo rx).packets")
		echo "$1 $dir: we $ours, the device $theirs"
		((theirs >= ours && theirs - ours <= 10)) || return
	done
}
check "the device of a counts the same packets, and handshakes" as_the_device a
check "the device of b counts the same packets, and handshakes" as_the_device b

strangers()
{
	local p0 p1

	p0=$(value a unmatched_transmit_packets_total)
	node_exec a ping -q -i 0.05 -c 3 -W 1 10.200.0.99 >/dev/null
	p1=$(value a unmatched_transmit_packets_total)
	echo "$p0 $p1"
	((p1 - p0 >= 3))
}
check "what leads to no peer is counted as that" strangers

### the interface goes and comes back

sent=$(value a peer_transmit_packets_total)
node_exec a ip link del fl0
check "without the interface the counters are still there" \
	eval '[[ $(value a peer_transmit_packets_total) == "$sent" ]]'
lane a b 11 12
check "they are attached to the new one" on a
more() { node_exec a ping -q -c 1 -W 2 10.200.0.12 && [[ $(value a peer_transmit_packets_total) -gt $sent ]]; }
check "and go on from where they were" poll 10 more

### off

kill "$SERVER"
SERVER=
check "switched off on both" eval 'node_exec a "$FAIRLEAD" accel off metrics && node_exec b "$FAIRLEAD" accel off metrics'
gone() { [[ $(bpf_objects) == "$before" ]]; }
check "no program, map or link is left" poll 20 gone
check "no pin is left" eval '! node_exec a test -e /sys/fs/bpf/fairlead'
check "no qdisc is left" eval '! node_exec a tc qdisc show dev fl0 | grep clsact'
check_fails 1 "fairlead accel on" "the tool says how to get it back" \
	node_exec a "$FAIRLEAD" metrics show

### the programs on this kernel

modprobe tun
for t in packet file attach; do
	CMOCKA_MESSAGE_OUTPUT=TAP "$BUILD/selftests/bpf/test_metrics_$t" >"$lib_work/$t" 2>&1
	status=$?
	grep 'verified instructions' "$lib_work/$t"
	if [[ $status == 0 ]]; then
		ok "test_metrics_$t on $(uname -r)"
	else
		fail "test_metrics_$t on $(uname -r)" "$(grep -v '^ok' "$lib_work/$t")"
	fi
done

done_testing
