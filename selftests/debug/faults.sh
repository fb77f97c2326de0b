#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 900
#
# fairlead.ko when things go wrong around it, and when somebody means it no good: what the streams carry
# arrives all the same, and a container reaches no further than its own namespace.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

### the way goes away under a burst

wire 4
on $A
on $B
stream_start there $A 10.200.0.2
check "a stream runs" flowing
for _ in 1 2 3; do
	ip -n $A link set va down
	sleep 0.1
	ip -n $A link set va up
	sleep 0.2
done
check "after the device went down and up, three times, it goes on" flowing
ip -n $A -batch - <<-END
	route add blackhole 192.0.2.2/32
	neigh flush dev va
	route del blackhole 192.0.2.2/32
	route add 192.0.2.2/32 dev va mtu 600
	route del 192.0.2.2/32
	link set va mtu 700
END
check "through routes that change, and a link whose MTU is less than a datagram" flowing
ip -n $A link set va mtu 1500
# Room for one packet, be it a burst or not.
a tc qdisc add dev va root pfifo limit 1
check "through a queue that drops most of it" flowing
a tc qdisc del dev va root
check "and again when that has gone" flowing

### a CPU goes in the middle of a burst

# A process of a higher class than the worker, so that this stands still where it is; without preemption it is at its end
# there. Above it the thread that takes the CPU down, or both would have to wait for it, and the worker be the first to go on.
# Small datagrams: a worker that sends more than others encrypt.
tries=0 gone=$(counter flush_gone)
hog() { SLOW=$SLOW taskset -c 1 chrt -f 1 bash -c 'e=$((${EPOCHREALTIME/./} + SLOW * 150000)); while ((${EPOCHREALTIME/./} < e)); do :; done'; }
caught() {
	while [ "$(counter flush_gone)" -eq "$gone" ]; do
		[ $((tries += 1)) -le 60 ] && bursts_on_cpu1 || return
		hog &
		sleep $((5 * SLOW))e-2
		go
		wait $!
		come
	done
}
if grep -q "(full)" /sys/kernel/debug/sched/preempt; then
	ip -n $A link set fl0 mtu 300
	chrt -f -p 2 "$(pgrep -x cpuhp/1)"
	check "what a CPU held when it went is sent" caught
	echo "# it went $tries times"
	check "and the stream goes on" flowing
	ip -n $A link set fl0 mtu 1420
	ip -n $A addr replace fd00:200::1/64 dev fl0 nodad
else
	skip "what a CPU held when it went is sent" "nothing is preempted there; preempt=full"
fi

### XFRM behind us: what it has to transform is not held, and what is held when it comes is sent

key=0x$(printf '%040d' 7)
xfrm() { # NETNS ITS-NUMBER THE-OTHERS
	ip -n "$1" -batch - <<-END
		xfrm policy add dir out src 192.0.2.$2/32 dst 192.0.2.$3/32 proto udp tmpl proto esp mode transport
		xfrm policy add dir in src 192.0.2.$3/32 dst 192.0.2.$2/32 proto udp tmpl proto esp mode transport
		xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport aead rfc4106(gcm(aes)) $key 128
		xfrm state add src 192.0.2.2 dst 192.0.2.1 proto esp spi 2 mode transport aead rfc4106(gcm(aes)) $key 128
	END
}
shape() { counter bypass_shape $A; }
# shellcheck disable=SC2034	# eval uses it
before=$(shape)
check "IPsec comes in the middle of a stream" eval 'xfrm $B 2 1 && xfrm $A 1 2'
check "what it has to transform is not held" poll 20 eval 'test "$(shape)" -gt $((before + 20))'
check "and is transformed" eval 'ip -n $A -s xfrm state | tee /dev/stderr | grep -Eq " [0-9]{5,}\(bytes\)"'
for ns in $A $B; do
	ip -n $ns xfrm policy flush
	ip -n $ns xfrm state flush
done
check "when it has gone, bursts are made again" flowing

### a container

# The tree may lie where only root can look.
mkdir -m 755 "$W/open"
chmod 755 "$W"
cp "$BUILD/selftests/vm/ports" "$W/open/"
chmod 755 "$W/open/ports"
switch_on="$W/open/ports 51820-51835"
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
namespaces() { status $A | jq .module.namespaces; }
check_fails 1 "Operation not permitted" "who is root of nothing but a user namespace is refused" \
	as_nobody unshare -Ur $switch_on
check "and has changed nothing" test "$(namespaces)" -eq 2
mkfifo "$W/release"
as_nobody unshare -Urn sh -c "$switch_on && read -r _ <&3" 3<>"$W/release" &
container=$!
check "in a network namespace of its own it may" poll 20 eval 'test "$(namespaces)" -eq 3'
echo >"$W/release"
check "and ends well" wait $container
check "what it has switched on goes with it" poll 20 eval 'test "$(namespaces)" -eq 2'

# Charged to who asks for it, not to the machine.
cgroup=/sys/fs/cgroup/fl-container
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir $cgroup
sh -c "echo \$\$ >$cgroup/cgroup.procs; exec unshare -Urn sh -c 'grep ^percpu $cgroup/memory.stat
	$switch_on 2>/dev/null; grep ^percpu $cgroup/memory.stat'" >"$W/charged"
check "what that takes is charged to the container's memory cgroup" \
	eval 'cat "$W/charged"; awk "NR == 1 { n = \$2 } END { exit !(NR == 2 && \$2 > n) }" "$W/charged"'
poll 5 rmdir $cgroup

storm=()
for _ in 1 2 3 4; do
	as_nobody unshare -Urn sh -c "for _ in 1 2 3; do $switch_on; $W/open/ports; done; $switch_on" 2>/dev/null &
	storm+=($!)
done
wait "${storm[@]}"
check "containers that switch it on and off at once leave nothing" poll 20 eval 'test "$(namespaces)" -eq 2'
check "nor do they hold up the stream" flowing
check "of which not a byte was lost in all this" streams_end

### the module comes and goes; cycles.sh does so a thousand times

ip netns exec $A "$XFER" serve 7000 &
at_exit kill $!
rmmod fairlead
stream_start there $A 10.200.0.2
stream_start back $B fd00:200::1
check "loaded and unloaded under traffic both ways, five times" come_and_go 5
check "not a byte was lost" streams_end

done_testing
