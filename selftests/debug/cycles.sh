#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# timeout: 7200
#
# fairlead.ko is loaded and unloaded 1,000 times under traffic in both directions, and not a byte of it is
# lost. On a debug kernel, where everything takes longer, as often as fits into the same time.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

cycles=$((1000 / SLOW))

wire 4
ip netns exec $A "$XFER" serve 7000 &
echo_server=$!
at_exit kill $echo_server
# IPv4 inside from here to there, IPv6 back.
stream_start there $A 10.200.0.2
stream_start back $B fd00:200::1
for ((done = 0; done < cycles; done += 25)); do
	check "loaded and unloaded under traffic, $((done + 25)) times" come_and_go 25 || break
done
check "not a byte was lost in either direction" streams_end
check "and it is gone" bash -c '! grep -q ^fairlead /proc/modules'

done_testing
