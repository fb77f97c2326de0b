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

### the programs on this kernel, before WireGuard is there and makes attaching take longer

modprobe tun
for t in packet file attach collect; do
	CMOCKA_MESSAGE_OUTPUT=TAP "$BUILD/selftests/bpf/test_metrics_$t" >"$lib_work/$t" 2>&1
	status=$?
	grep 'verified instructions\|10,000 peers\|emulated' "$lib_work/$t"
	if [[ $status == 0 ]]; then
		ok "test_metrics_$t on $(uname -r)"
	else
		fail "test_metrics_$t on $(uname -r)" "$(grep -v '^ok' "$lib_work/$t")"
	fi
done

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

# value NODE FAMILY: of its first sample, the one peer's or the node's.
value()
{
	node_exec "$1" cat "$FILE" | awk -v name="fairlead_$2" \
		'{ split($1, n, "{") } n[1] == name { print $NF; exit }'
}

# traffic NODE: packets and bytes sent to the one peer, packets and bytes received.
traffic()
{
	node_exec "$1" cat "$FILE" | awk '/^fairlead_peer_(transmit|receive)_(packets|bytes)_total/ {
		v[$1 ~ /_transmit_/ ? "t" : "r", $1 ~ /_packets_/ ? "p" : "b"] = $2
	} END { print v["t", "p"], v["t", "b"], v["r", "p"], v["r", "b"] }'
}

# sample NODE SAMPLE: its value as the file has it, "" if it is not there.
sample() { node_exec "$1" cat "$FILE" | awk -v s="$2 " 'index($0, s) == 1 { print substr($0, length(s) + 1) }'; }

# more_than NODE SAMPLE NUMBER
more_than()
{
	local value

	value=$(sample "$1" "$2")
	echo "$1: $2 is '$value', want more than $3"
	[[ $value ]] && awk "BEGIN { exit !($value > $3) }"
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
	"fairlead_peer_info{peer=\"b\",public_key=\"$(wg pubkey <"$lib_work/b.key")\",endpoint=\"$(node_addr4 b):51820\",allowed_ips=\"10.200.0.12/32,fd00:200::12/128,10.244.2.0/24\"} 1" "$lib_work/text"
check "no private key is in it" eval '! grep -qF -f "$lib_work/a.key" -f "$lib_work/b.key" "$lib_work/text"'
check_fails 1 "Permission denied" "nobody else can read it" \
	node_exec a setpriv --reuid 65534 --regid 65534 --clear-groups cat $FILE
check_fails 1 "only root may read it" "nor the tool for somebody else" \
	node_exec a setpriv --reuid 65534 --regid 65534 --clear-groups "$FAIRLEAD" metrics show

### exact

# $1 family of the address, $2 payload: five pings of a known size, and five answers.
pings()
{
	local dst=10.200.0.12 size=$(($2 + 28)) node i
	local -A before=()
	local -a p n

	[[ $1 == 4 ]] || { dst=fd00:200::12 size=$(($2 + 48)); }
	for node in a b; do before[$node]=$(traffic "$node"); done
	node_exec a ping -q -i 0.05 -c 5 -s "$2" "$dst" >/dev/null || return
	for node in a b; do
		read -ra p <<<"${before[$node]}"
		read -ra n <<<"$(traffic "$node")"
		echo "$node: ${p[*]} -> ${n[*]}"
		for i in 0 2; do
			((n[i] - p[i] == 5 && n[i + 1] - p[i + 1] == 5 * size)) || return
		done
	done
}
check "pings over IPv4 are counted to the byte" pings 4 100
check "pings over IPv6 are counted to the byte" pings 6 1000

node_exec b "$XFER" serve 7000 &
SERVER=$!
transfer() { poll 10 node_exec a "$XFER" tcp "$1" 7000 1000 && node_exec a "$XFER" tcp "$1" 7000 3000000; }

# What went in on one side came out on the other: one of them saw GSO, the other GRO.
same_on_both()
{
	local -a a b

	read -ra a <<<"$(traffic a)"
	read -ra b <<<"$(traffic b)"
	echo "a: ${a[*]}, b: ${b[*]} (packets and bytes sent, and received)"
	[[ "${a[*]:0:2}" == "${b[*]:2:2}" && "${a[*]:2:2}" == "${b[*]:0:2}" ]]
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

### what the other programs count

for collector in lane underlay tcp wireguard; do
	check "the programs of $collector are attached" eval \
		'[[ $(sample a "fairlead_collector_attached{collector=\"$collector\"}") == 1 ]]'
done
"$BUILD/selftests/vm/insns" | sort -u | sed "s/^/# verified instructions: /"
# The initiator is one of the two; both have completed it.
for node in a b; do
	peer=$([[ $node == a ]] && echo b || echo a)
	check "$node has completed a handshake" more_than $node "fairlead_peer_handshakes_total{peer=\"$peer\"}" 0
	check "$node has a session" eval \
		'[[ $(sample $node "fairlead_peer_state{peer=\"$peer\"}") == 2 ]]'
	check "$node knows the time of its handshake as wg does" eval \
		'[[ $(sample $node "fairlead_peer_last_handshake_time_seconds{peer=\"$peer\"}") == \
			"$(node_exec $node wg show fl0 latest-handshakes | cut -f 2)" ]]'
done
check "round-trip times of the peer" more_than a 'fairlead_peer_rtt_seconds_count{peer="b"}' 10
check "their sum is that of some milliseconds" more_than a 'fairlead_peer_rtt_seconds_sum{peer="b"}' 0.0001
same_count()
{
	local all one

	all=$(sample a fairlead_rtt_seconds_count) one=$(sample a 'fairlead_peer_rtt_seconds_count{peer="b"}')
	echo "histogram $all, peer $one"
	[[ $all && $all == "$one" && $all == "$(sample a 'fairlead_rtt_seconds_bucket{le="+Inf"}')" ]]
}
check "the histogram has as many" poll 5 same_count
for queue in encrypt decrypt; do
	check "times of packets in the ${queue}ion queue" eval \
		'more_than a "fairlead_wireguard_queue_seconds_count{queue=\"$queue\"}" 0 &&
		more_than a "fairlead_wireguard_queue_seconds_sum{queue=\"$queue\"}" 0'
done
for direction in transmit receive; do
	check "datagrams at a time on the underlay, $direction" more_than a \
		"fairlead_underlay_burst_datagrams_count{direction=\"$direction\"}" 10
done

# Something for the peer's pods that takes another way: 3 pings of 128 bytes.
leak()
{
	local p0 b0 p1 b1

	p0=$(sample a fairlead_cleartext_packets_total) b0=$(sample a fairlead_cleartext_bytes_total)
	node_exec a ip route replace 10.244.2.0/24 via "$(node_addr4 b)" dev eth0
	node_exec a ping -q -i 0.05 -c 3 -s 100 -W 1 10.244.2.7 >/dev/null
	node_exec a ip route del 10.244.2.0/24
	p1=$(sample a fairlead_cleartext_packets_total) b1=$(sample a fairlead_cleartext_bytes_total)
	echo "$p0 -> $p1 packets, $b0 -> $b1 bytes"
	((p1 - p0 == 3 && b1 - b0 == 3 * 128))
}
check "nothing left in clear text" eval '[[ $(sample a fairlead_cleartext_packets_total) == 0 ]]'
check "what leaves in clear text is counted" leak
check "a packet without a peer is a drop of WireGuard" more_than a \
	'fairlead_lane_drops_total{lane="fl0",reason="transmit"}' 2

# $1 reason; the rest is run, on b. The counter of a goes up by what it says, at least.
dropped()
{
	local reason=$1 before

	before=$(sample a "fairlead_wireguard_drops_total{reason=\"$reason\"}")
	shift
	node_exec b "$@"
	poll 5 more_than a "fairlead_wireguard_drops_total{reason=\"$reason\"}" "$before"
}
# Messages that are none: type 4 with an index that was never given out, type 1 without its MAC.
check "data of no session is counted" dropped no_session bash -c "{ printf '\\x04\\0\\0\\0'; head -c 60 /dev/urandom; } | dd status=none bs=64 iflag=fullblock >/dev/udp/$(node_addr4 a)/51820"
check "a handshake without its MAC is counted" dropped handshake_mac bash -c "{ printf '\\x01\\0\\0\\0'; head -c 144 /dev/urandom; } | dd status=none bs=148 iflag=fullblock >/dev/udp/$(node_addr4 a)/51820"
wg genkey >"$lib_work/stranger.key"
stranger()
{
	ip link add wgs type wireguard
	wg set wgs private-key "$lib_work/stranger.key" peer "$(wg pubkey <"$lib_work/a.key")" \
		endpoint "$1:51820" allowed-ips 10.99.0.0/24
	ip address add 10.99.0.1/24 dev wgs
	ip link set wgs up
	ping -q -c 1 -W 1 10.99.0.2 >/dev/null
	ip link del wgs
}
export -f stranger
export lib_work
check "a handshake of a stranger is counted" dropped handshake_refused bash -c 'stranger "$1"' stranger "$(node_addr4 a)"
node_exec a cat $FILE >"$lib_work/text"
check "promtool still finds nothing wrong with it" promtool check metrics <"$lib_work/text"
check "still no private key is in it" eval '! grep -qF -f "$lib_work/a.key" -f "$lib_work/b.key" "$lib_work/text"'

# The other node reads them through the mesh, and only there.
node_exec a bash -c 'echo $$ >"$0/pid"; exec "$FAIRLEAD" metrics --listen 10.200.0.11:9820' "$lib_work" 2>"$lib_work/log" &
scrape() { node_exec b curl -sS --max-time 5 "http://$1:9820/metrics" >"$lib_work/scraped" && tail -n 1 "$lib_work/scraped" | grep -qx '# EOF'; }
check "the other node scrapes them through a lane" poll 20 scrape 10.200.0.11
check "they count the scraping" more_than a 'fairlead_peer_receive_packets_total{peer="b"}' \
	"$(sed -n 's/^fairlead_peer_receive_packets_total{peer="b"} //p' "$lib_work/scraped")"
check_fails 7 "connect to" "outside of the lanes nobody answers" eval 'scrape "$(node_addr4 a)"'
kill "$(<"$lib_work/pid")"
wait $!

### what the module counts

module() { node_exec "$1" "$FAIRLEAD" accel "$2" module "${@:3}"; }
module_on() { module "$1" on -c "$lib_work/mesh.conf" -k "$lib_work/$1.key"; }
module_there() { [[ -e /sys/module/fairlead ]]; }
# Both: the module's own numbers, and the file's, in the same order.
module_says()
{
	node_exec "$1" "$FAIRLEAD" accel status -j | jq -r '.module.counters | [.held, .bursts, .rx_split,
		.rx_bursts, .flush_end, .flush_full, .flush_short, .flush_flow, .flush_control,
		.flush_gone, .rx_left, .drop_csum, .drop_rx] | join(" ")'
}
file_says()
{
	node_exec "$1" awk '/^fairlead_module_(flushes|unsplit|drops)_total/ ||
		/^fairlead_module_burst_datagrams_(sum|count)/ { printf "%s ", $2 }' "$FILE"
}
# Both nodes have it and the module is one: what it does for the other is not counted here.
# module_books NODE BURSTS MERGED: at least so many were sent, and received.
module_books()
{
	local -a m f

	read -ra m <<<"$(module_says "$1")"
	read -ra f <<<"$(file_says "$1")"
	echo "$1: the module ${m[*]}; the file ${f[*]}"
	[[ ${#m[@]} == 13 && "${m[*]}" == "${f[*]}" ]] && ((m[1] >= $2 && m[3] >= $3))
}
check "without the module its families are not there" eval \
	'[[ $(sample a "fairlead_collector_attached{collector=\"module\"}") == 0 && ! $(file_says a) ]]'
check "the module is switched on under the metrics" eval 'module_on a && module_on b'
check "TCP passes" transfer 10.200.0.12
check "TCP over IPv6 passes" transfer fd00:200::12
check "bursts, flushes, splits and drops are the module's own" poll 5 module_books a 100 0
check "... and so on the other node" poll 5 module_books b 20 20
check "off on one node: the module stays for the other" eval 'module a off && module_there'
check "off on the other: it is unloaded" eval 'module b off && ! module_there'
counted=$(node_exec a "$FAIRLEAD" metrics -j | jq -c '[.families[] | select(.name | test("^fairlead_module"))]')
check "its families are not there then" test "$counted" = "[]"
check "it comes back with everything else" node_exec a "$FAIRLEAD" accel on -c "$lib_work/mesh.conf" -k "$lib_work/a.key"
check "and counts on from where it was" eval \
	'read -ra f <<<"$(file_says a)" && ((f[1] > 20 && f[1] > $(module_says a | cut -d " " -f 2)))'
check "metrics off" node_exec a "$FAIRLEAD" accel off metrics
check "... and they hold the module no more" poll 5 rmmod fairlead
check "on again, without it" on a

# Switched off and on, they know of the session that is older than they.
since_before()
{
	node_exec a "$FAIRLEAD" accel off metrics && on a && node_exec a cat "$FILE" >"$lib_work/text" &&
		grep -qxF 'fairlead_peer_state{peer="b"} 2' "$lib_work/text" &&
		grep -qxF 'fairlead_peer_handshakes_total{peer="b"} 0' "$lib_work/text" &&
		grep -qxF "fairlead_peer_last_handshake_time_seconds{peer=\"b\"} $(node_exec a wg show fl0 latest-handshakes | cut -f 2)" "$lib_work/text"
}
check "a handshake of before is known" since_before

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

done_testing
