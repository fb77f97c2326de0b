#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# timeout: 240
# The bench's measuring half: every row can be set up, carries traffic, and leaves nothing behind. How much is
# no test: that is what `make bench` is for.

# shellcheck disable=SC2317	# check calls the functions
. "$TOP/selftests/lib.sh"
W=$lib_work
guest=$TOP/scripts/bench.d/guest

[[ -x $BUILD/bench/load ]] || { fail "the bench's load is built" "make vm-tests builds it"; done_testing; }

# One measurement of each row, as short as one can be.
ROUNDS=1 TIME=20 WARM=10 ONLY_COLUMNS=rr1 "$guest" >"$W/lines" 2>"$W/err"
check "it measures all rows" test $? -eq 0
grep -v '^bench: round' "$W/err" | sed 's/^/# /'
samples() { jq -r 'select(.type == "sample" and .transactions > 0) | .row' "$W/lines" | sort; }
absent() { jq -r 'select(.type == "absent") | .row' "$W/lines" | sort; }
all() { jq -r 'select(.type == "row") | .id' "$W/lines" | sort; }
every_row() { [[ $(all) && $(all) == $( { samples; absent; } | sort -u) ]]; }
check "each row has a sample, or says why not" every_row
# WireGuard's devices say no to larger GSO packets up to now; wireguard-go has to be installed.
holes() { [[ ! $(absent | grep -vE '^(bigtcp|wireguard-go)$') ]] || { absent; return 1; }; }
check "none is missing that has to work" holes
# Older kernels refuse without saying what.
check "a knob that the kernel refuses is shown with its answer" \
	jq -e -s 'map(select(.row == "bigtcp" and .type != "row")) | all(.type == "sample" or (.reason | test("gso_max_size|Invalid argument")))' "$W/lines"
check "lines end with their end" jq -e -s '.[-1].type == "end"' "$W/lines"
nothing_left() { [[ ! $(ip netns list) ]] && ! grep -q '^fairlead ' /proc/modules && ! pgrep -x load && ! pgrep -x wireguard-go; }
check "nothing is left" poll 5 nothing_left

# Each condition of a column, once; long enough for something to arrive also in a guest that gets little of its host.
ROUNDS=1 TIME=250 WARM=50 ONLY_ROWS="plain stock" ONLY_COLUMNS="udp1400 v6-rr1 jumbo-tcp veth-tcp lossy-tcp pod-tcp pod-crr pod6-tcp" \
	"$guest" >"$W/lines" 2>"$W/err"
check "it measures under all conditions" test $? -eq 0
every_cell() { jq -e -s '[.[] | select(.type == "sample") | .column] | group_by(.) | map(length) == [2, 2, 2, 2, 2, 2, 2, 2]' "$W/lines" ||
	{ jq -c 'select(.type == "absent")' "$W/lines"; return 1; }; }
check "each has a number, with and without the tunnel" every_cell
mss() { jq -e -s --arg c "$1" --argjson m "$2" '[.[] | select(.column == $c and .type == "sample") | .mss] | unique == [$m]' "$W/lines"; }
check "a jumbo column has jumbo segments" mss jumbo-tcp 8868
check "pods have the MTU of the tunnel" mss pod-tcp 1368
check "and with IPv6" mss pod6-tcp 1348
lossy() { jq -e -s '[.[] | select(.column == "lossy-tcp" and .type == "sample") | .resent] | length == 2 and all(. > 0)' "$W/lines" ||
	{ jq -c 'select(.column == "lossy-tcp")' "$W/lines"; return 1; }; }
check "the wire that loses does" lossy

# What --precise takes more of; and longer: 9 times TIME, or more where a row is slow.
ROUNDS=1 TIME=10 WARM=10 PRECISE=1 ONLY_ROWS="plain stock" ONLY_COLUMNS="tcp tcp8 udp1400 rr1 veth-tcp" "$guest" >"$W/lines" 2>"$W/err"
check "it measures precisely" test $? -eq 0
precise() { jq -e -s '[.[] | select(.type == "sample")] | (group_by([.row, .column]) | map("\(.[0].row) \(.[0].column) \(length)")) ==
	["plain rr1 1", "plain tcp 1", "plain tcp8 2", "plain udp1400 2", "plain veth-tcp 12",
	"stock rr1 1", "stock tcp 2", "stock tcp8 2", "stock udp1400 4", "stock veth-tcp 2"] and
	all(.[]; .load != "tcp" or .ns > 85e6)' "$W/lines" || { jq -c 'select(.type == "sample")' "$W/lines"; return 1; }; }
check "what varies is measured longer and more often" precise

done_testing
