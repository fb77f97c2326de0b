# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of the module, after lib.sh: two namespaces with WireGuard between them.
#
#    netns $A                                     netns $B
#   fl0 10.200.0.1  fd00:200::1                  fl0 10.200.0.2  fd00:200::2
#    │ UDP 51820                                  │ UDP 51820
#   va 192.0.2.1    2001:db8::1  ───── veth ─────  vb 192.0.2.2   2001:db8::2
#
# The ends of the veth behave like two NICs: no segmentation offload, so that what crosses are
# datagrams of the link's MTU. WireGuard is set up with wg(8): the module needs none of our mesh.

XFER=$BUILD/selftests/vm/xfer
W=${lib_work:?}
umask 077
A=fl-a B=fl-b

a() { ip netns exec $A "$@"; }
b() { ip netns exec $B "$@"; }
# In the background not by these: a signal would reach the shell that waits for the program, and not the program.

teardown() {
	[ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null
	ip netns del $A 2>/dev/null
	ip netns del $B 2>/dev/null
	rmmod fairlead 2>/dev/null
}
at_exit teardown

# wire FAMILY [LANES]: of the underlay, 4 or 6
wire() {
	local end ns dev n lane

	ip netns add $A
	ip netns add $B
	ip link add va netns $A type veth peer name vb netns $B
	for end in $A:va:1 $B:vb:2; do
		IFS=: read -r ns dev n <<<"$end"
		ip -n $ns link set lo up
		ip -n $ns addr add 192.0.2.$n/24 dev $dev
		ip -n $ns addr add 2001:db8::$n/64 dev $dev nodad
		ip -n $ns link set $dev up
		ip netns exec $ns ethtool -K $dev tso off gso off tx-udp-segmentation off \
			tx-gso-list off gro on >/dev/null
		for ((lane = 0; lane < ${2:-1}; lane++)); do
			ip -n $ns link add fl$lane type wireguard
			ip -n $ns addr add 10.20$lane.0.$n/24 dev fl$lane
			ip -n $ns addr add fd00:20$lane::$n/64 dev fl$lane nodad
		done
	done
	wg genkey >"$W/a.key"
	wg genkey >"$W/b.key"
	for ((lane = 0; lane < ${2:-1}; lane++)); do
		peer $A "$W/a.key" "$W/b.key" 2 "$1" $lane
		peer $B "$W/b.key" "$W/a.key" 1 "$1" $lane
	done
	ip netns exec $B "$XFER" serve 7000 &
	SERVER=$!
	poll 10 a "$XFER" tcp 10.200.0.2 7000 1000 >/dev/null 2>&1
	cat >"$W/mesh.conf" <<-CONF
		[Mesh]
		Name = test
		ListenPort = 51820
		Lanes = ${2:-1}
		[Node "a"]
		PublicKey = $(wg pubkey <"$W/a.key")
		Endpoint = 192.0.2.1:51820
		Address = 10.200.0.1/32, fd00:200::1/128
		[Node "b"]
		PublicKey = $(wg pubkey <"$W/b.key")
		Endpoint = 192.0.2.2:51820
		Address = 10.200.0.2/32, fd00:200::2/128
	CONF
}

# $1 netns  $2 its key  $3 the other's key  $4 the other's number  $5 family  $6 lane, or 0
peer() {
	local lane=${6:-0} ep
	ep=192.0.2.$4:$((51820 + lane))
	[ "$5" = 6 ] && ep="[2001:db8::$4]:$((51820 + lane))"
	ip netns exec "$1" wg set fl$lane listen-port $((51820 + lane)) private-key "$2" \
		peer "$(wg pubkey <"$3")" endpoint "$ep" allowed-ips "10.20$lane.0.$4/32,fd00:20$lane::$4/128"
	ip -n "$1" link set fl$lane up
}

unwire() {
	kill $SERVER
	SERVER=
	ip netns del $A
	ip netns del $B
}

# unwire_under_traffic ADDRESS: the namespaces go while a stream to it runs.
unwire_under_traffic() {
	local stream

	ip netns exec $A timeout 20 "$XFER" tcp "$1" 7000 400000000 >/dev/null 2>&1 &
	stream=$!
	sleep 0.5
	unwire
	kill $stream 2>/dev/null
	wait $stream
}

# stream_start NAME NETNS ADDRESS: bytes to there until streams_end, which says whether all came.
declare -A streams=()
stream_start() {
	# The server may have just been started.
	poll 10 ip netns exec "$2" "$XFER" tcp "$3" 7000 1000 >/dev/null 2>&1
	ip netns exec "$2" "$XFER" tcp "$3" 7000 1000000000000000 >"$W/$1.stream" 2>&1 &
	streams[$1]=$!
}
streams_end() {
	local name bad=0

	for name in "${!streams[@]}"; do
		kill -INT "${streams[$name]}"
		wait "${streams[$name]}" || bad=1
		sed "s/^/# $name: /" "$W/$name.stream"
	done
	streams=()
	return $bad
}

# come_and_go N: that often, at both ends, without being switched off before. Every time there are bursts. First among those
# that want the CPU: else the traffic makes a second of it five.
come_and_go() { nice -n -20 "$BUILD/selftests/vm/comego" "$1" $A $B; }

# flowing: bursts are made from now on.
flowing() {
	local before

	before=$(counter bursts)
	poll 20 flowed "$before"
}
flowed() { test "$(counter bursts)" -gt $(($1 + 20)); }

cpu1=/sys/devices/system/cpu/cpu1/online
go() { echo 0 >$cpu1; }
come() { echo 1 >$cpu1; }

# The sender's bursts are made by CPU 1. WireGuard gives each peer a CPU to send on when it first sends, the next one
# each time, and another for good when that one goes.
tracing=/sys/kernel/tracing
bursts_on_cpu1() { poll 30 sends_on_cpu1; }
sends_on_cpu1() {
	echo >$tracing/trace
	echo 1 >$tracing/events/fairlead/fairlead_flush/enable
	a wg set fl0 peer "$(wg pubkey <"$W/b.key")" remove
	peer $A "$W/a.key" "$W/b.key" 2 4
	flowing && grep -q 'fairlead_flush:' $tracing/per_cpu/cpu1/trace
}

# nics FEATURE ON|OFF...: of the devices at both ends
nics() {
	a ethtool -K va "$@" >/dev/null && b ethtool -K vb "$@" >/dev/null
}

accel() { # in $1: on|off|status…
	local ns=$1
	shift
	ip netns exec "$ns" "$FAIRLEAD" accel "$@"
}
on() { accel "$1" on module -c "$W/mesh.conf" -k "$W/${1#fl-}.key"; }
off() { accel "$1" off module; }
# Status is 3 here, as metrics are off.
status() { accel "${1:-$A}" status -j; }
counter() { # without jq, which takes longer to start than all the rest
	[[ $(status "${2:-$A}") =~ \"counters\":.*\"$1\":\ *([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo -1
}

# Every datagram is counted once, every burst once, and none is left behind.
books_balance() {
	status $A >"$W/books"
	jq -e -s 'length == 1 and (.[0].module | .counters as $c |
		($c.flush_end + $c.flush_full + $c.flush_short + $c.flush_flow + $c.flush_control +
		 $c.flush_gone == $c.bursts) and ([.burst_sizes[]] | add) == $c.bursts and
		$c.held >= $c.bursts and $c.held > 0 and $c.drop_csum == 0)' "$W/books" >/dev/null
}

streams_whole() { a "$XFER" tcp 10.200.0.2 7000 4000000 && a "$XFER" tcp fd00:200::2 7000 4000000; }
