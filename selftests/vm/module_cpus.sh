#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 240
#
# fairlead.ko while a CPU goes and comes. faults.sh sees one go that holds a burst.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

[ -w $cpu1 ] || skip_all "one CPU, or none that can be switched off"
at_exit come

wire 4
check "loaded and switched on with all CPUs" eval 'on $A && on $B'
stream_start there $A 10.200.0.2
# Before the stream, which leaves others hardly a CPU.
renice -n -20 $$ >/dev/null
check "bursts are made" flowing
check "on the other CPU as well" bursts_on_cpu1
come_and_go_cpu() {
	for _ in {1..20}; do
		go || return
		sleep 0.05
		come || return
		sleep 0.05
	done
}
check "a CPU goes and comes under traffic, twenty times" come_and_go_cpu
check "it has bursts again" bursts_on_cpu1
check "every datagram and burst is counted once" poll 10 books_balance

check "it goes" go
check "without it bursts are made" flowing
check "the module unloads without it" eval 'off $A && off $B && ! grep -q ^fairlead /proc/modules'
check "and loads" eval 'on $A && on $B'
check "bursts are made" flowing
check "the CPU comes" come
check "and has bursts" bursts_on_cpu1
check "not a byte was lost" streams_end
check "every datagram and burst is counted once" poll 10 books_balance
check "it unloads" eval 'off $A && off $B && ! grep -q ^fairlead /proc/modules'

done_testing
