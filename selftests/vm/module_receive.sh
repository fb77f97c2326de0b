#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# fairlead.ko, the receive half: what one peer sends is merged at GRO and split before WireGuard; nobody
# else notices, and a wire that loses, doubles, swaps and spoils datagrams changes nothing but the pace.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

NF=$BUILD/selftests/vm/nf
rx() { counter "rx_$1" $B; }
receivers() { status "${1:-$B}" | jq '.module.receivers'; }

# What was merged was split: every burst is one datagram and those that joined it.
books_balance() {
	status $B >"$W/books"
	jq '.module.counters | with_entries(select(.key | test("rx")))' "$W/books"
	jq -e '.module.counters | .rx_left == 0 and .drop_rx == 0 and
		.rx_merged + .rx_bursts == .rx_split' "$W/books" >/dev/null
}

merges() { # $@ a command that must make bursts arrive
	local before

	before=$(rx merged)
	"$@" >/dev/null && after=$(rx merged) && echo "$((after - before)) merged" && test "$after" -gt $((before + 100))
}

stream() { a timeout $((30 * SLOW)) "$XFER" tcp 10.200.0.2 7000 "${1:-4000000}"; }

# Where A finds B: it must not depend on who speaks first.
reach() { a wg set fl0 peer "$(wg pubkey <"$W/b.key")" endpoint "192.0.2.2:$1"; }

up() { # B's lane, whose IPv6 address went when it went down
	ip -n $B link set fl0 up
	ip -n $B addr replace fd00:200::2/64 dev fl0 nodad
}

modprobe fairlead

### a stock sender

wire 4
on $B
check "the socket is found" poll 5 eval 'a ping -q -c 1 -W 1 10.200.0.2; test "$(receivers)" -ge 1'
# Over veth it sends one datagram at a time, so that there is little to merge.
check "what a stock peer sends arrives whole" streams_whole
check "every datagram that was merged was split" books_balance
check "the other namespace's sockets are left alone" test "$(receivers $A)" -eq 0
check "the device's features are as they were" \
	bash -c "ip netns exec $B ethtool -k vb | grep -q '^rx-gro-list: off'"
merged=$(rx merged)
check "other UDP on the same device arrives" a "$XFER" udp 192.0.2.2 7000 100-1400+10
check "and is not merged" test "$(rx merged)" -eq "$merged"

### who is told, and where

# Asked for an interface that is not there by name, the kernel would look for a module of that name.
printf '#!/bin/sh\necho "$@" >>%s\n' "$W/asked" >"$W/modprobe"
chmod +x "$W/modprobe"
modprobe=$(</proc/sys/kernel/modprobe)
echo "$W/modprobe" >/proc/sys/kernel/modprobe
status $B >/dev/null
echo "$modprobe" >/proc/sys/kernel/modprobe
check "looking for lanes does not make the kernel look for modules" test ! -e "$W/asked"
modprobe fairlead # stays for what follows
off $B
ip -n $B link set fl0 down
ip -n $B link set fl0 name fl9
check "on before there is a lane" on $B
off $B
ip -n $B link set fl9 name fl0
up
on $B
b ping -q -c 1 -W 1 10.200.0.1 >/dev/null

### both sides

on $A
check "bursts from the other side are merged, and the stream arrives whole" merges stream
check "both families through the tunnel" streams_whole
check "datagrams of all sizes, fragmented ones too" \
	a "$XFER" udp 10.200.0.2 7000 0-1500+53 1372 1392 1393 9000 32768 65507
check "what is decrypted in one run is delivered in one" test "$(rx holds)" -gt 0
answers() { # One way only: what comes back comes one by one, and still waits
	local before after

	before=$(counter rx_holds $A)
	stream >/dev/null && after=$(counter rx_holds $A) && echo "$((after - before)) holds" && test "$((after - before))" -ge 10
}
check "where bursts go out, the answers are" answers
threads() { ps -eo ni=,psr=,comm= | awk '$3 ~ "^fairlead/" { print $1, $3 == "fairlead/" $2 }' | sort -u; }
check "by a thread on each CPU" test "$(pgrep -c '^fairlead/')" -eq "$(nproc)"
check "of the lowest priority" test "$(threads)" = "19 1"
# Whoever does not get the CPU cannot end a hold: a timer does.
hogs=()
for thread in $(pgrep '^fairlead/'); do chrt -i -p 0 "$thread"; done
for ((cpu = 0; cpu < $(nproc); cpu++)); do taskset -c $cpu sh -c 'while :; do :; done' & hogs+=($!); done
t=/sys/kernel/tracing
echo 1 >$t/events/timer/hrtimer_expire_entry/enable
check "while something else takes all of the CPU, the stream arrives whole" stream 1000000
echo 0 >$t/events/timer/hrtimer_expire_entry/enable
check "for which a timer sees to it" grep -q 'function=on_timer' $t/trace
echo >$t/trace
kill "${hogs[@]}"
wait "${hogs[@]}" 2>/dev/null
holds=$(rx holds)
check "nothing is held after silence" a ping -q -c 10 -i 0.02 -W 1 10.200.0.2
check "lone datagrams do not wait" test "$(rx holds)" -eq "$holds"
check "the books balance" books_balance

# A datagram whose ECN differs may not be in the burst of the others.
b nft -f - <<-NFT
	table inet t {
		chain in {
			type filter hook input priority 0
			iifname fl0 udp dport 7000 ip ecn ect0 counter
			iifname fl0 udp dport 7000 ip ecn not-ect counter
		}
	}
NFT
a "$XFER" mark 10.200.0.2 7000 300 >/dev/null
ecn_is() { b nft -j list table inet t | jq -e "[.. | .counter? | select(. != null).packets] == [$1, $1]"; }
check "ECN that changes inside a burst reaches each datagram" poll 5 ecn_is 150
b nft delete table inet t

# Bursts that the device takes whole arrive whole.
nics tso on gso on tx-udp-segmentation on tx-gso-list on
check "bursts that cross the link uncut are split, too" streams_whole
nics tso off gso off tx-udp-segmentation off tx-gso-list off

### others that look at the datagrams

ip netns exec $B tcpdump -ni vb -w "$W/pcap" udp 2>/dev/null &
capture=$!
poll 5 test -s "$W/pcap"
check "while somebody captures, the stream arrives whole" stream
kill $capture
wait $capture 2>/dev/null

ip netns exec $B "$XFER" raw >"$W/raw" &
raw=$!
sleep 0.3
check "while a raw socket listens to UDP, the stream arrives whole" stream 1000000
kill -INT $raw
wait $raw
check "and the raw socket has got each datagram" test "$(<"$W/raw")" -ge $((1000000 / 1380))

b nft -f - <<-NFT
	table inet t {
		chain pre { type nat hook prerouting priority dstnat; udp dport 51999 redirect to :51820; }
		chain in { type filter hook input priority 0; ct state established,related,new accept; }
	}
NFT
check "with conntrack and NAT on the way in, streams arrive whole" streams_whole
reach 51999
check "to a port that NAT redirects, too" stream
b nft delete table inet t
reach 51820

# A connection is confirmed by the last hook, too: behind ours, when conntrack was there first.
b nft -f - <<-NFT
	table inet t {
		chain in { type filter hook input priority 0; ct state new,established,related accept; }
		chain out { type filter hook output priority raw; udp sport 51820 notrack; }
	}
NFT
off $B
on $B
before=$(rx left)
ip netns exec $B "$NF" forget 100 &
# shellcheck disable=SC2034	# eval uses it
forgetting=$!
check "connections are forgotten in the middle of streams, and these arrive whole" \
	eval 'stream && while kill -0 $forgetting; do stream 1000000 || break; done 2>/dev/null; wait $forgetting'
check "a burst of a connection that is not confirmed is left to the stack" test "$(rx left)" -gt "$before"
b nft delete table inet t

b nft -f - <<-NFT
	table inet t { chain in { type filter hook input priority 0; udp dport 51820 queue num 5; }; }
NFT
ip netns exec $B "$NF" queue 5 >"$W/queue" &
queue=$!
poll 5 grep -q ready "$W/queue"
check "through a queue to user space that gives bursts back whole, the stream arrives whole" stream 1000000
kill -INT $queue
wait $queue
check "and there were bursts" test "$(tail -n 1 "$W/queue")" -gt 5
b nft delete table inet t

# As wireguard-go's datagrams look: DF, and without an ID. netem lets several go at a time.
off $A
a tc qdisc add dev va root netem delay 1ms
a tc qdisc add dev va clsact
a tc filter add dev va egress protocol ip u32 match ip protocol 17 0xff \
	action pedit munge offset 4 u32 set 0x00004000 pipe csum ip
check "datagrams with DF and without an ID are merged, too" merges stream
a tc qdisc del dev va clsact
a tc qdisc del dev va root
on $A

### sockets that come and go

b wg set fl0 listen-port 51821
reach 51821
check "at another port nothing is merged" eval 'm=$(rx merged); stream 300000 && test "$(rx merged)" -eq "$m"'
b wg set fl0 listen-port 51820
reach 51820
check "back at the old one, its new socket is merged for" merges stream
ip -n $B link set fl0 down
up
b ping -q -c 1 -W 1 10.200.0.1 >/dev/null
check "after down and up, too" merges stream
modprobe fairlead
off $B
check "switched off, nothing is merged" eval 'm=$(rx merged); stream 300000 && test "$(rx merged)" -eq "$m"'
on $B
check "switched on again, it is" merges stream

: >"$W/streaming"
while [ -e "$W/streaming" ]; do
	stream 2000000 || break
done >"$W/streams" &
stream=$!
cycles=0
while [ $cycles -lt 2 ]; do
	off $B && off $A || break
	! grep -q ^fairlead /proc/modules || break
	on $B && on $A || break
	cycles=$((cycles + 1))
	sleep 0.1
done
rm "$W/streaming"
wait $stream
check "the module goes and comes on the receiver under traffic: every stream whole" test $?$cycles -eq 02
check "and afterwards merges" merges stream

### a bad wire

bad() { # $1 what netem does
	a tc qdisc replace dev va root netem $1
	b tc qdisc replace dev vb root netem $1
	stream 1500000
}
check "netem loss: whole" bad "loss 1%"
check "netem reorder: whole" bad "delay 1ms reorder 30% 50%"
check "netem duplicate: whole" bad "duplicate 10%"
check "netem corrupt: whole" bad "corrupt 1%"
a tc qdisc del dev va root
b tc qdisc del dev vb root
check "no datagram was dropped by us" test "$(counter drop_rx $B)" -eq 0

### going away under traffic

ip netns exec $A timeout 20 "$XFER" tcp 10.200.0.2 7000 400000000 >/dev/null 2>&1 &
stream=$!
sleep 0.5
ip -n $B link del fl0
sleep 0.2
check "the tunnel goes under traffic: its socket is let go" test "$(receivers)" -eq 0
kill $stream 2>/dev/null
wait $stream
unwire

wire 6 2
on $A
on $B
check "IPv6 underlay, two lanes: streams arrive whole" streams_whole
check "on the second lane, too" a "$XFER" tcp 10.201.0.2 7000 2000000
check "both lanes' datagrams are merged" books_balance
check "both lanes' sockets were found" test "$(receivers)" -ge 2
check "IPv6 underlay: datagrams of all sizes" a "$XFER" udp fd00:200::2 7000 0-1500+53 1352 1372 1373 9000 65487
unwire_under_traffic fd00:200::2
check "both namespaces go under traffic: the module unloads" poll 10 rmmod fairlead

done_testing
