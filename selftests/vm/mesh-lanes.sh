# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 900
#
# Several lanes between nodes, and an MTU for each path; see selftests/lib.sh for the picture.
. "$TOP/selftests/lib.sh"

. "$TOP/selftests/mesh.bash"

nodes=(a b c)
mesh_nodes "${nodes[@]}"
pod_add a pa 10.244.1.2 fd00:244:1::2
pod_add b pb 10.244.2.2 fd00:244:2::2
node_exec c sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
# The strictest that a distribution sets: a packet must come by the interface that the answer takes.
for n in "${nodes[@]}"; do
	node_exec "$n" sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
done
before=$(snapshot a)

# ---- four lanes, one node with two ---------------------------------------------------------------

{ echo "[Mesh]"; echo "Lanes = 4"; section a; section b; section c "Lanes = 2"; } | everywhere "${nodes[@]}"
mesh a plan
has "plan has the lanes" '^\+ link fl3 type wireguard mtu 1420$' "$out"
has "plan has a group of four" '^\+ nexthop 1179385875 IPv4 group of fl0, fl1, fl2, fl3$' "$out"
has "plan has a group of two" '^\+ nexthop 1179385905 IPv6 group of fl0, fl1$' "$out"
has "plan says how many lanes a route has" '^\+ route 10.244.2.0/24 src 10.200.0.11 lanes 4$' "$out"
has "plan loosens the reverse path filter" '^~ link fl1 rp_filter 2$' "$out"
has "plan sets the hash policy" '^~ sysctl net.ipv6.fib_multipath_hash_policy 0 -> 1$' "$out"
is "plan changes nothing" "$before" "$(snapshot a)"
for n in "${nodes[@]}"; do mesh "$n" up; is "up brings node $n up" 0 $rc; done
is "c has two lanes" "fl0 fl1" "$(node_exec c wg show interfaces | tr ' ' '\n' | sort | xargs)"
is "the lanes listen on ports one after the other" "51820 51821 51822 51823" \
	"$(for i in 0 1 2 3; do node_exec a wg show fl$i listen-port; done | xargs)"
is "a lane that a peer does not have has not that peer" "${public[b]}" "$(node_exec a wg show fl2 peers)"
up=$(snapshot a)
mesh a verify
is "verify after up" "0 fl0: as the mesh file says" "$rc $out"
mesh a up --json
is "up again writes nothing" "0 0" "$rc $(jq .writes <<<"$out")"
is "up again changes nothing" "$up" "$(snapshot a)"

# Every flow on one lane, flows over all lanes; answers come by lanes of their own.
counts() { for i in 0 1 2 3; do node_exec "$1" cat "/sys/class/net/fl$i/statistics/$2" 2>/dev/null; done; }
pod_exec pb "$BUILD/selftests/vm/xfer" serve 8000 &
at_exit kill $!
poll 5 pod_exec pa "$BUILD/selftests/vm/xfer" tcp 10.244.2.2 8000 10
# shellcheck disable=SC2016	# for the inner shell
pod_exec pa bash -c 'for to in 10.244.2.2 fd00:244:2::2; do
	for ((i = 0; i < 64; i++)); do exec 3<>/dev/udp/$to/9; echo x >&3; exec 3>&-; done
done'
used=0
for n in $(counts b rx_packets); do [[ $n -lt 5 ]] || used=$((used + 1)); done
is "flows use every lane, as node b receives them" 4 $used
# One flow: only one lane counts.
mapfile -t old < <(counts a tx_packets)
pod_exec pa bash -c "exec 3<>/dev/udp/10.244.2.2/9; for i in {1..40}; do echo x >&3; done"
mapfile -t new < <(counts a tx_packets)
used=0
for i in 0 1 2 3; do [[ $((new[i] - old[i])) -lt 20 ]] || used=$((used + 1)); done
is "a flow stays on its lane" 1 $used
# TCP: the answers' lanes differ from the questions' for most of these.
for to in 10.244.2.2 fd00:244:2::2; do
	# shellcheck disable=SC2016	# for the inner shell
	check "16 connections to $to, with strict rp_filter elsewhere" pod_exec pa bash -c '
		for ((i = 0; i < 16; i++)); do "$0" tcp "$1" 8000 3000 || exit; done' \
		"$BUILD/selftests/vm/xfer" $to
done
check "to the node with two lanes" node_exec a ping -c 2 -i 0.2 -W 5 10.200.0.13
check "to the node with two lanes, IPv6" node_exec a ping -c 2 -i 0.2 -W 5 fd00:200::13

mesh a show
has "show has the lanes" '^  4 lanes: fl0 up, fl1 up, fl2 up, fl3 up$' "$out"
has "show has each peer's lanes and balance" '^b +up +4 of 4 +[0-9]+/[0-9]+/[0-9]+/[0-9]+ ' "$out"
mesh a show --json
is "show --json has the lanes" true "$(jq '(.lanes == ["fl0", "fl1", "fl2", "fl3"]) and
	(.peers[0].lanes | length) == 4 and (.peers[1].lanes | length) == 2 and
	.peers[0].lanes[3].endpoint == "192.0.2.12:51823" and .peers[0].lanes[3].endpoint_from == "file" and
	.peers[0].lanes[2].state == "up" and .peers[0].lanes[2].interface == "fl2" and
	([.peers[0].lanes[].rx_bytes] | add) == .peers[0].rx_bytes' <<<"$out")"

# ---- drift ---------------------------------------------------------------------------------------

node_exec a ip link set fl2 down
mesh a verify
is "verify sees that a lane went down" "3 ~ link fl2 down -> up
+ nexthop 1179385858 IPv4 dev fl2
~ nexthop 1179385875 IPv4 group of fl0, fl1, fl3 -> fl0, fl1, fl2, fl3
+ nexthop 1179385890 IPv6 dev fl2
~ nexthop 1179385907 IPv6 group of fl0, fl1, fl3 -> fl0, fl1, fl2, fl3" "$rc $out"
mesh a up
is "up brings it back" "0 fl0: up, node a of mesh mesh, 2 peers, 5 changes" "$rc $out"
is "as it was" "$up" "$(snapshot a)"
node_exec a ip link del fl3
node_exec a sysctl -qw net.ipv4.fib_multipath_hash_policy=0 net.ipv4.conf.fl1.rp_filter=1
mesh a up
is "a lane that was deleted comes back" "0" "$rc"
is "and the policies" "$up" "$(snapshot a)"
node_exec a ip link set fl3 down
node_exec a ip link set fl3 name foo
mesh a up
is "a lane that was renamed is an error" 1 $rc
has "that says what to do" 'fl3 has been renamed to foo; name it back \(ip link set foo down; ip link set foo name fl3\)' "$err"
node_exec a ip link set foo name fl3
mesh a up
is "named back, it is taken again" "0" "$rc"
is "as it was" "$up" "$(snapshot a)"

# ---- other numbers of lanes ----------------------------------------------------------------------

# shellcheck disable=SC2016	# for the inner shell
pod_exec pa bash -c 'echo $$ >"$0"; exec ping -i 0.1 -w 120 10.244.2.2' "$lib_work/pinger" >"$lib_work/ping" 2>&1 &
{ echo "[Mesh]"; section a "Lanes = 2"; section b "Lanes = 2"; section c; } | everywhere "${nodes[@]}"
for n in b a; do mesh "$n" up; is "fewer lanes, node $n" 0 $rc; done
is "the others are gone" "fl0 fl1" "$(node_exec a wg show interfaces | tr ' ' '\n' | sort | xargs)"
is "a route to a node with one lane needs no group" "10.244.3.0/24 dev fl0 proto 70 scope link src 10.200.0.11" \
	"$(node_exec a ip route show 10.244.3.0/24 | sed 's/ *$//')"
{ echo "[Mesh]"; section a; section b; section c; } | everywhere "${nodes[@]}"
for n in b a c; do mesh "$n" up; is "one lane, node $n" 0 $rc; done
is "no nexthop objects are left" "" "$(node_exec a ip nexthop)"
is "the hash policy is what it was" "0 0" "$(node_exec a sysctl -n net.ipv4.fib_multipath_hash_policy net.ipv6.fib_multipath_hash_policy | xargs)"
{ echo "[Mesh]"; echo "Lanes = auto"; section a "CPUs = 8"; section b "CPUs = 8"; section c; } | everywhere "${nodes[@]}"
for n in b a; do mesh "$n" up; is "auto, node $n" 0 $rc; done
has "auto warns of another number of CPUs" "node \"a\" has $(nproc) CPUs, .* but gets 4; write CPUs = $(nproc)" "$err"
is "auto makes half as many lanes" 4 "$(node_exec a wg show interfaces | wc -w)"
kill -INT "$(<"$lib_work/pinger")"; wait $!
# Between one end's `up` and the other's, a flow on a lane that only one of them has is not heard.
read -r sent received < <(sed -n 's/^\([0-9]*\) packets transmitted, \([0-9]*\) received.*/\1 \2/p' "$lib_work/ping")
check "hardly a packet was lost meanwhile: $((sent - received)) of $sent" test $((sent - received)) -le 18 -a "$received" -gt 20

# ---- in the way ----------------------------------------------------------------------------------

mesh a down
is "down" "0 fl0: down" "$rc $out"
is "down leaves no trace" "$before" "$(snapshot a)"
node_exec a ip nexthop add id 1179385858 blackhole
mesh a up
is "a nexthop id in use is passed over" 0 $rc
check "it works" node_exec a ping -c 1 -W 5 10.200.0.12
mesh a down
is "the other's nexthop is left alone" "id 1179385858 blackhole" "$(node_exec a ip nexthop | sed 's/ *$//')"
node_exec a ip nexthop del id 1179385858
node_exec a bash -c 'ip link add fl2 type wireguard; ip link set fl2 alias "fairlead mesh other"'
busy=$(snapshot a)
mesh a up
is "another mesh's interface is an error" 1 $rc
has "that names it" "fl2, lane 2 of this mesh, is in use by another \('fairlead mesh other'\)" "$err"
is "and nothing is changed" "$busy" "$(snapshot a)"
node_exec a ip link del fl2
node_exec a bash -c 'ip link add other type wireguard; wg set other listen-port 51822; ip link set other up'
busy=$(snapshot a)
mesh a up
is "a lane's port in use is an error" 1 $rc
has "that names it" "cannot do '~ link fl2 down -> up': Address .*in use" "$err"
is "and all lanes are undone" "$busy" "$(snapshot a)"
node_exec a ip link del other
is "nothing is left" "$before" "$(snapshot a)"
mesh b down
mesh c down

# ---- MTU -----------------------------------------------------------------------------------------

{ echo "[Mesh]"; section a; section b; section c; } | everywhere "${nodes[@]}"
for n in "${nodes[@]}"; do node_exec "$n" ip link set eth0 mtu 9000; done
for n in 1 2 3; do lib_in bridge ip link set "port1$n" mtu 9000; done
lib_in bridge ip link set br0 mtu 9000
# The way between a and c carries less: as if there were a router.
node_exec a bash -c "ip route add $(node_addr4 c) dev eth0 mtu 1450; ip -6 route add $(node_addr6 c) dev eth0 mtu 1500"
node_exec c bash -c "ip route add $(node_addr4 a) dev eth0 mtu 1450; ip -6 route add $(node_addr6 a) dev eth0 mtu 1500"
for n in "${nodes[@]}"; do mesh "$n" up; is "up with paths of different MTU, node $n" 0 $rc; done
is "the link has the MTU of the best path" 8920 "$(node_exec a cat /sys/class/net/fl0/mtu)"
is "a route has that of its own, and the MSS" "10.244.3.0/24 dev fl0 proto 70 scope link src 10.200.0.11 mtu 1390 advmss 1350" \
	"$(node_exec a ip route show 10.244.3.0/24 | sed 's/ *$//')"
is "and in IPv6" "mtu 1390 advmss 1330" "$(node_exec a ip -6 route show fd00:244:3::/64 | grep -o 'mtu.*advmss [0-9]*')"
has "others have the link's" '^10.244.2.0/24 dev fl0 proto 70 scope link src 10.200.0.11 $' "$(node_exec a ip route show 10.244.2.0/24)"
mesh a verify
is "verify after up" "0 fl0: as the mesh file says" "$rc $out"
check "full packets to the near node" node_exec a ping -c 1 -W 5 -M "do" -s $((8920 - 28)) 10.200.0.12
check "full packets to the far node" node_exec a ping -c 1 -W 5 -M "do" -s $((1390 - 28)) 10.200.0.13
check "in IPv6" node_exec a ping -c 1 -W 5 -M "do" -s $((1390 - 48)) fd00:200::13
check_fails 1 'message too long|Message too long|mtu=1390' "larger ones are refused, not lost" \
	node_exec a ping -c 1 -W 5 -M "do" -s $((1390 - 27)) 10.200.0.13
node_exec a ip route change 10.244.3.0/24 dev fl0 proto 70 scope link src 10.200.0.11
mesh a verify
is "verify sees a route that lost its MTU" "3 ~ route 10.244.3.0/24 mtu (link) -> 1390 advmss (link) -> 1350" "$rc $out"
mesh a up
{ echo "[Mesh]"; section a; section b "MTU = 1400"; section c; } | everywhere "${nodes[@]}"
mesh a plan
is "a node's MTU is that of its path" "3 ~ link fl0 mtu 8920 -> 1400" "$rc $out"
{ echo "[Mesh]"; section a; section b "MTU = 1300"; section c; } | everywhere "${nodes[@]}"
mesh a plan
has "a node's MTU is a route's" '^~ route 10.200.0.12/32 mtu \(link\) -> 1300 advmss \(link\) -> 1260$' "$out"

done_testing
