#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# timeout: 600
#
# Every allocation that fairlead.ko makes, or that is made on its behalf further down the stack, may fail.
# failslab looks at the stack of each: those with an address of a module in it fail by chance. On a
# debug kernel everything else is built in.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

faults=/sys/kernel/debug/failslab
[ -e $faults/require-start ] || skip_all "a kernel without failslab and its stack filter"

# failing PERCENT: of the allocations with a module in their stack. 0 ends it.
failing() {
	echo "$1" >$faults/probability
}
# Where x86_64 has its modules (Documentation/x86/x86_64/mm.rst): what runs at init lies elsewhere in there.
echo 0xffffffffa0000000 >$faults/require-start
echo 0xffffffffff000000 >$faults/require-end
echo 32 >$faults/stacktrace-depth
echo -1 >$faults/times
echo 1 >$faults/interval
echo 0 >$faults/verbose
echo N >$faults/task-filter
echo N >$faults/ignore-gfp-wait
at_exit failing 0

### loading

failing 100
check_fails 1 "Cannot allocate memory" "without memory it does not load, and says why" insmod "$FAIRLEAD_KO"
failing 15
loads=0 refusals=0
for _ in {1..40}; do
	if insmod "$FAIRLEAD_KO" 2>>"$W/insmod"; then
		loads=$((loads + 1))
		rmmod fairlead || break
	else
		refusals=$((refusals + 1))
	fi
done
failing 0
echo "# loaded $loads times, $refusals times not"
check "with little memory it loads or does not" test $((loads + refusals)) -eq 40 -a $loads -gt 0 -a $refusals -gt 0
check "for want of memory and for nothing else" eval '! grep -v "Cannot allocate memory" "$W/insmod"'

### switching on

wire 4
modprobe fairlead
failing 30
switched=0 refusals=0
for _ in {1..20}; do
	if on $A >>"$W/on" 2>&1; then
		switched=$((switched + 1))
	else
		refusals=$((refusals + 1))
	fi
	[ $((switched + refusals)) -eq 10 ] && ip netns exec $A "$FAIRLEAD" accel status >/dev/null 2>&1
done
failing 0
echo "# switched on $switched times, $refusals times not"
check "with little memory it is switched on or is not" test $switched -gt 0 -a $refusals -gt 0
check "and with memory it is" eval 'on $A && on $B'

### traffic

check "streams arrive whole" streams_whole
ip netns exec $A "$XFER" serve 7000 &
at_exit kill $!
stream_start there $A 10.200.0.2
stream_start back $B fd00:200::1
failing 2
for _ in 1 2 3 4 5 6; do
	sleep $((SLOW / 2 + 1))
	# Sockets are looked for anew, too.
	b wg set fl0 listen-port 51821
	b wg set fl0 listen-port 51820
done
failing 0
check "when there is memory again, bursts are made" flowing
check "and not a byte was lost" streams_end
status $A | jq -c .module.counters
books_balance() {
	status $A | jq -e '.module.counters | .flush_end + .flush_full + .flush_short + .flush_flow + .flush_control +
		.flush_gone == .bursts and .held >= .bursts' &&
		status $B | jq -e '.module.counters | .rx_merged + .rx_bursts >= .rx_split'
}
check "every burst is counted once" poll 5 books_balance
failing 2
check "without much memory it is switched off, too" eval 'off $A || off $A || off $A; failing 0; off $A'
check "and unloaded" eval 'off $B; ! grep -q ^fairlead /proc/modules'

done_testing
