#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# fairlead.ko: the same bytes arrive, the wire does not change, nothing sticks.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

sent() { ip -n $A -j -s link show fl0 | jq '.[0].stats64.tx.packets'; }

sizes_whole() {
	a "$XFER" udp 10.200.0.2 7000 0-1500+7 1372 1392 1393 9000 32768 65507 &&
		a "$XFER" udp fd00:200::2 7000 0-1500+11 1352 1372 1373 9000 65487
}

### loading

preempt=$(grep -o 'preempt=[a-z]*' /proc/cmdline)
[ -z "$preempt" ] || check "the model of preemption is the one that was asked for" \
	grep -q "(${preempt#*=})" /sys/kernel/debug/sched/preempt
check "the module loads" modprobe fairlead
check "the module unloads" rmmod fairlead
other=$(find "$BUILD/module" -name fairlead.ko ! -path "*/$(uname -r)/*" | head -n 1)
wire 4
if [ "$other" ]; then
	check_fails 1 "built for kernel $(basename "$(dirname "$other")" | sed "s,+,.,g"), this one is $(uname -r | sed "s,+,.,g"): build it again" \
		"a module built for another kernel is refused, with both names" \
		accel $A on module -m "$other" -c "$W/mesh.conf" -k "$W/a.key"
else
	skip "a module built for another kernel is refused" "only one kernel's module was built"
fi
check_fails 1 "/nonexistent.ko: No such file" "a module file that is not there" \
	accel $A on module -m /nonexistent.ko -c "$W/mesh.conf" -k "$W/a.key"
check_fails 1 "CAP_SYS_MODULE" "without the right to load modules" \
	capsh --drop=cap_sys_module -- -c "ip netns exec $A $FAIRLEAD accel on module -c $W/mesh.conf -k $W/a.key"
status_is() { status $A >/dev/null; test $? -eq "$1"; }
check "status says 3 while it is not loaded" status_is 3
check "nothing was loaded by any of these" bash -c '! grep -q ^fairlead /proc/modules'
check "off with nothing on is no error" off $A

### on

check "on loads it and switches on" on $A
check "on again changes nothing" on $A
check "status names the port" bash -c "ip netns exec $A $FAIRLEAD accel status -j | jq -e '.module.ports == [{first:51820,last:51820}] and .module.on and .module.namespaces == 1'"
check "the other namespace is off" bash -c "ip netns exec $B $FAIRLEAD accel status -j | jq -e '.module.on == false'"
check_fails 1 "needs CAP_NET_ADMIN" "without CAP_NET_ADMIN" \
	a capsh --drop=cap_net_admin -- -c "$FAIRLEAD accel off module"
refused() { check_fails 1 "$1" "a request with $2 is refused, and why is said" b "$BUILD/selftests/vm/ports" $3; }
refused "a port range ends before it starts" "a range that goes backwards" 7000-6999
refused "a port range wants its first and its last port" "half a range" 7000-
refused "integer out of range" "port 0" 0-7000
refused "more than 64 port ranges" "more ranges than any mesh has" x65
refused "Unsupported attribute|SET takes port ranges only" "anything else" =3
check "none of these changed anything" bash -c "ip netns exec $B $FAIRLEAD accel status -j | jq -e '.module.on == false'"
check "as many as allowed are taken" b "$BUILD/selftests/vm/ports" x64
check "and given back" eval 'status $B | jq -e ".module.ports | length == 64" && off $B'
check "streams arrive whole, both families" streams_whole
check "bursts are formed" test "$(counter held)" -gt $((2 * $(counter bursts)))
# The raw tracepoint tells a BPF program of every datagram that was held, under one of the reasons.
held=$(counter held)
"$BUILD/selftests/vm/rawtp" >"$W/rawtp" &
rawtp=$!
poll 5 grep -q ready "$W/rawtp"
a "$XFER" tcp 10.200.0.2 7000 1000000 >/dev/null
sleep 0.2
check_fails 3 "bpftool link" "off while BPF sits on a tracepoint: what holds it is said" off $A
kill -INT $rawtp
wait $rawtp
check "on again" on $A
held=$(($(counter held) - held))
check "BPF on the tracepoint sees every burst" test "$held" -gt 100 -a "$held" -eq \
	"$(awk 'NF == 3 { n += $3 } END { print n + 0 }' "$W/rawtp")"
check "datagrams of all sizes arrive whole, both families" sizes_whole
check "single packets are not delayed or lost" a ping -q -c 20 -i 0.02 -W 1 10.200.0.2
# One at a time: after FAIRLEAD_COMPANY_ROUNDS, 32, nobody waits for a second; fast or slow.
ping_by_one() { # number; ping -A may have two on their way where each takes long
	local i

	for ((i = 0; i < $1; i++)); do a ping -q -c 1 -W "$SLOW" 10.200.0.2 || return; done
}
ping_by_one 40 >/dev/null
lone=$(counter lone) held=$(counter held)
check "... for nothing is held that comes by itself" ping_by_one 20
lone=$(($(counter lone) - lone)) held=$(($(counter held) - held))
check "... and it is counted" test $lone -ge 18 -a $held -le 2
a "$XFER" tcp 10.200.0.2 7000 100000 >/dev/null
sleep 0.3
held=$(counter held)
a ping -q -c 5 -i 0.1 -W 1 10.200.0.2 >/dev/null
check "after a stream the next few are held, however late they come" test $(($(counter held) - held)) -ge 5
check "every datagram and burst is counted once" books_balance

# Data that crossed fl0, plus what is not data, is all that WireGuard sent.
named() { # datagrams that were held, or are counted under the reason why not
	status $A | jq '.module.counters | with_entries(select(.key | test("^(held|lone|control|bypass_)"))) | add'
}
datagrams=$(named) before=$(sent) # in this order, and at the end in the other: a keepalive may come between
a "$XFER" tcp 10.200.0.2 7000 1000000 >/dev/null
ip -n $A link set fl0 up # let the counters settle
poll 5 books_balance
after=$(sent)
check "each packet of fl0 was held, or is named by a reason" test $(($(named) - datagrams)) -ge $((after - before))

# A rekey in the middle: handshakes go at once and are not held.
control=$(counter control)
a wg set fl0 peer "$(wg pubkey <"$W/b.key")" remove
peer $A "$W/a.key" "$W/b.key" 2 4
check "after the peer was set anew, streams arrive whole" streams_whole
check "handshakes were seen and not held" test "$(counter control)" -gt "$control"

### the wire

# With checksums computed by software, what the other end's NIC would get is what a capture shows.
nics tx off gro off
wire_is_plain() { # $1 capture
	awk '/UDP, length/ { n++; bad += !/udp sum ok/; long += ($NF > 1452) }
	     /bad cksum/ { bad++ }
	     END { printf "# %d datagrams, %d bad, %d too long\n", n, bad, long; exit !(n > 500 && !bad && !long) }' "$1"
}
# Segmentation numbered them as WireGuard had: up by one, but for the jumps that the kernel makes
# itself when time passes (ip_idents_reserve), and none twice. On a debug kernel it passes between any two.
ids_count() {
	awk -v slow="$SLOW" '/proto UDP/ { match($0, /id [0-9]+/); id = substr($0, RSTART + 3, RLENGTH - 3)
	     if (n++ && id != (last + 1) % 65536) jumps++
	     twice += seen[id]++ > 0
	     last = id } END { printf "# %d datagrams, %d jumps, %d twice\n", n, jumps, twice
	     exit !(n > 500 && jumps <= slow * n / 5 && !twice) }' "$1"
}
capture() { # $1 file; what A sends while a stream runs
	ip netns exec $B tcpdump -nvvi vb -s 2000 -B 16384 "udp and src $2" >"$1" 2>/dev/null &
	local pid=$!
	sleep 1
	a "$XFER" tcp 10.200.0.2 7000 3000000 >/dev/null
	sleep 1
	kill $pid
	wait $pid
}
csum=$(counter csum)
capture "$W/wire4" 192.0.2.1
check "IPv4: every datagram on the wire is whole and has the right checksums" wire_is_plain "$W/wire4"
check "IPv4: their IDs are those that WireGuard gave them" ids_count "$W/wire4"
check "checksums were completed before merging" test "$(counter csum)" -gt "$csum"
nics tx on gro on

### things that change under a burst

ip netns exec $A "$XFER" tcp 10.200.0.2 7000 15000000 >"$W/out" &
stream=$!
for _ in 1 2 3; do
	ip -n $A link set va mtu 1300
	sleep 0.3
	ip -n $A link set va mtu 1500
	sleep 0.3
done
check "a stream survives a link whose MTU shrinks and grows" wait $stream

# One stream after the other, each checked, while the module comes and goes.
: >"$W/streaming"
while [ -e "$W/streaming" ]; do
	a "$XFER" tcp 10.200.0.2 7000 3000000 || break
done >"$W/streams" &
stream=$!
cycles=0
while [ $cycles -lt 3 ]; do
	off $A || break
	! grep -q ^fairlead /proc/modules || break
	on $A || break
	cycles=$((cycles + 1))
done
check "the module goes and comes under traffic, three times" test $cycles -eq 3
check "streams were running meanwhile" test -s "$W/streams"
rm "$W/streaming"
wait $stream
check "all of them arrived whole" test $? -eq 0

a nft -f - <<-NFT
	table inet t {
		chain post {
			type nat hook postrouting priority srcnat
			oifname "va" udp dport 51820 masquerade
		}
	}
NFT
conntrack_seen() { a cat /proc/net/nf_conntrack 2>/dev/null | grep -q 51820 || a test -e /proc/sys/net/netfilter/nf_conntrack_count; }
check "with NAT and conntrack on the way out, streams arrive whole" streams_whole
check "conntrack was there" conntrack_seen
a nft delete table inet t

# A slow queue: TCP small queues must hold the sender back, not the queue's limit.
a tc qdisc add dev va root tbf rate $((4000 / SLOW))kbit burst 20k limit 20m
ip netns exec $A "$XFER" tcp 10.200.0.2 7000 1000000 >"$W/out" &
stream=$!
most=0
while kill -0 $stream 2>/dev/null; do
	now=$(a tc -j -s qdisc show dev va | jq '.[0].backlog')
	[ "${now:-0}" -gt $most ] && most=$now
	sleep 0.05
done
wait $stream
check "a stream through a slow queue arrives whole" test $? -eq 0
echo "# at most $most bytes were queued"
check "a queue formed" test $most -gt 5000
check "the sender is held back by its own charge (TCP small queues)" test $most -lt 200000
a tc qdisc del dev va root
idle() { a ss -tmnH state established dport = 7000 | awk '/skmem/ { exit 1 }'; }
check "no charge is left behind: no socket lingers" poll 10 idle

### going away

ip netns exec $B "$XFER" serve 7001 &
extra=$!
on $B
ip netns exec $A timeout 20 "$XFER" tcp 10.200.0.2 7000 400000000 >/dev/null 2>&1 &
stream=$!
sleep 0.5
ip -n $A link del va
sleep 0.3
kill $stream 2>/dev/null
wait $stream
check "the device goes under traffic: the books balance" poll 5 books_balance
kill $extra
wait $extra 2>/dev/null
unwire

wire 6
check "on, IPv6 underlay" on $A
check "IPv6 underlay: streams arrive whole" streams_whole
check "IPv6 underlay: datagrams of all sizes arrive whole" sizes_whole
check "IPv6 underlay: bursts are formed" test "$(counter held)" -gt $((2 * $(counter bursts)))
nics tx off gro off
capture "$W/wire6" 2001:db8::1
check "IPv6: every datagram on the wire is whole and has the right checksums" wire_is_plain "$W/wire6"

unwire_under_traffic fd00:200::2
check "the namespace goes under traffic: the module unloads" poll 10 rmmod fairlead
check "no interface is held back" bash -c '! dmesg | grep -q "unregister_netdevice: waiting"'

done_testing
