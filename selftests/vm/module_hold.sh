#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: icount
# timeout: 300
#
# When fairlead.ko lets datagrams of a peer wait that came one by one: those of a stream that nobody answers, on a CPU that
# has no time. It depends on the rate, so that the guest counts instructions: its only CPU retires 10^9 a second, and 5,000
# datagrams take a third of that.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

[[ $SLOW -eq 1 ]] || skip_all "5,000 datagrams a second are more than this kernel can take"
set_up() { # FAMILY LANES: a stock sender, and a sink that says nothing
	wire "$1" "$2"
	on $B
	poll 10 a "$XFER" tcp 10.200.0.2 7000 1000 >/dev/null
	b nft -f - <<-NFT
		table inet t {
			chain in {
				type filter hook prerouting priority 0
				iifname fl0 udp dport 9 drop
			}
		}
	NFT
	# What was there in company is forgotten after two ticks.
	sleep 0.1
}
waiting() { # MIN MAX PPS [PORT]: of 400 datagrams so many wait
	local n

	n=$(counter rx_holds $B)
	a "$XFER" pace 10.200.0.2 "${4:-9}" 400 "$3"
	n=$(($(counter rx_holds $B) - n))
	echo "$n holds"
	[[ $n -ge $1 && $n -le $2 ]]
}

modprobe fairlead
set_up 4 2
check "while the CPU has time, none waits" waiting 0 0 5000
# What it has while somebody there waits for a disk is not called idle time.
if modprobe -q null_blk irqmode=2 completion_nsec=1000000000; then
	dd if=/dev/nullb0 of=/dev/null bs=4k count=1 iflag=direct status=none &
	check "nor while somebody waits for a disk" waiting 0 0 5000
	wait $!
	rmmod null_blk
else
	skip "nor while somebody waits for a disk" "this kernel has no null_blk"
fi
# From here on it is never idle, once this is started.
nice -n 19 sh -c 'while :; do :; done' &
at_exit kill $!
sleep 0.3
t=/sys/kernel/tracing
echo 1 >$t/events/timer/hrtimer_start/enable
echo 1 >$t/events/timer/hrtimer_expire_entry/enable
# A hold takes a millisecond and with it five of them, or less: 70 in what is left after 10 ms.
check "when it has none, they do" waiting 50 400 5000
echo 0 >$t/events/timer/enable
for_1_ms() { # of guest time, and a bit: an interrupt may be late
	awk '{ match($0, / [0-9]+\.[0-9]+: /); at = substr($0, RSTART + 1, RLENGTH - 3) }
	     /hrtimer_start:.*function=on_timer/ { start = at }
	     /hrtimer_expire_entry:.*function=on_timer/ { n++; if (at - start > longest) longest = at - start }
	     END { printf "%d, the longest %.6f s\n", n, longest; exit !(n && longest < 0.0015) }' $t/trace
}
check "for a millisecond at most" for_1_ms
echo >$t/trace
check "not those of 2,000 a second" waiting 0 0 2000
# Two answers sent together, and two ticks follow in which all wait.
check "nor when they are answered" waiting 0 100 4300 7000
# Each side of a mesh chooses lanes by itself.
b wg set fl1 peer "$(wg pubkey <"$W/a.key")" allowed-ips 10.201.0.1/32,10.200.0.1/32
a wg set fl1 peer "$(wg pubkey <"$W/b.key")" allowed-ips 10.201.0.2/32,10.200.0.2/32
ip -n $B route add 10.200.0.1/32 dev fl1 src 10.200.0.2
b ping -q -c 2 -W 1 10.201.0.1 >/dev/null
sent() { b cat /sys/class/net/fl1/statistics/tx_packets; }
# shellcheck disable=SC2034	# eval uses it
before=$(sent)
check "nor when the answers go by another lane" eval 'waiting 0 100 4300 7000 && test $(($(sent) - before)) -ge 400'
unwire

set_up 6 1
check "IPv6 underlay: they wait as well" waiting 50 400 5000
check "and not when they are answered" waiting 0 100 4300 7000
done_testing
