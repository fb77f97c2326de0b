#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fairlead tune pressure on this machine, which is not full; vm/tune_pressure.sh fills one.

. "$TOP/selftests/lib.sh"

[[ $(id -u) -eq 0 ]] || skip_all "needs root"

chmod 755 "$lib_work"
cp "$FAIRLEAD" "$lib_work/fairlead" # where everybody can run it
# Root is told when a security module hides a process from it.
tune() { "$FAIRLEAD" tune "$@" 2>"$lib_work/warnings"; }
ends_with() { local want=$1; shift; "$@"; [[ $? -eq $want ]]; }

check "a quiet machine" tune pressure -i 0 --above 99
tune pressure -i 0 --above 100 --json >"$lib_work/json"
check "each resource is known or says why not" jq -e '.resources | length == 13 and
	all(.[]; if .unknown then .now == null and .percent == null
		 else .now >= 0 and .limit > 0 and .percent >= 0 and .percent < 100 end)' "$lib_work/json"
check "nothing grows that was looked at once" jq -e \
	'all(.resources[]; .growth_per_second == null and .full_in_seconds == null)' "$lib_work/json"
check "what every machine has is known" jq -e '[.resources[] | select(.unknown == null).resource] |
	contains(["neigh-ipv4", "neigh-ipv6", "inotify-instances", "inotify-watches", "pids", "files", "ports-tcp",
		  "ports-udp", "memory-tcp", "memory-udp", "maps"])' "$lib_work/json"
check "the table has a line for each" eval '[[ $(tune pressure -i 0 | grep -c -e " % " -e ^unknown:) -eq 13 ]]'
check "limits are the kernel's" eval '[[ $(jq ".resources[] | select(.resource == \"maps\").limit" "$lib_work/json") -eq $(</proc/sys/vm/max_map_count) ]]'
started=$EPOCHSECONDS
check "it looks twice" eval 'tune pressure --interval 2 | grep -q "+0/s"'
check "... so far apart" test $((EPOCHSECONDS - started)) -ge 2
check "anything is above nothing" ends_with 3 tune pressure -i 0 --above 0
check_fails 2 "101 is more than 100 percent" "a threshold beyond the whole" "$FAIRLEAD" tune pressure --above 101
check_fails 2 "not a whole number" "a threshold that is none" "$FAIRLEAD" tune pressure --above many
check_fails 2 "only one of --metrics, --textfile and --json" "two forms at once" "$FAIRLEAD" tune pressure -j -t "$lib_work/prom"
check "without root, what is hidden is unknown" eval 'setpriv --reuid 65534 --clear-groups "$lib_work/fairlead" \
	tune pressure -i 0 | grep -q "unknown: maps: .*run it as root"'

check "for node_exporter" tune pressure --above 0 --textfile "$lib_work/prom"
check "... as metrics" "${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin/promtool" check metrics <"$lib_work/prom"
check "... with their limits" grep -qx "fairlead_resource_limit{resource=\"maps\"} $(</proc/sys/vm/max_map_count)" "$lib_work/prom"
check "... each with its use" eval '[[ $(grep -c ^fairlead_resource_used{ "$lib_work/prom") -eq $(grep -c ^fairlead_resource_limit{ "$lib_work/prom") ]]'
check_fails 1 "/nonexistent/x: cannot write" "a file that cannot be" "$FAIRLEAD" tune pressure -t /nonexistent/x

# ---- the metrics file, of a node that has nothing else in it --------------------------------------

node_add n || exit
file=/sys/fs/bpf/fairlead/metrics
in_n() { node_exec n "$@"; }
check "into the metrics file" in_n "$FAIRLEAD" tune pressure --above 0 --metrics
in_n cat "$file" >"$lib_work/metrics"
check "... which is there, and metrics" "${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin/promtool" check metrics <"$lib_work/metrics"
check "... with the limits" grep -qx "fairlead_resource_limit{resource=\"maps\"} $(</proc/sys/vm/max_map_count)" "$lib_work/metrics"
in_n "$FAIRLEAD" tune pressure --textfile "$lib_work/prom" # some are not to be seen from this namespace
samples() { grep -o '^fairlead_resource_[a-z]*{[^}]*' "$1"; }
check "... and nothing for what is unknown" test "$(samples "$lib_work/metrics")" = "$(samples "$lib_work/prom")"
looked() { in_n sed -n 's/^fairlead_resource_time_seconds //p' "$file"; }
check "... when they were looked at" eval '(($(looked) >= started && $(looked) <= EPOCHSECONDS))'
check "... who they are from" grep -qx 'fairlead_collector_attached{collector="pressure"} 1' "$lib_work/metrics"
check "... and no lane" grep -qx 'fairlead_collector_attached{collector="lane"} 0' "$lib_work/metrics"
check "... for root alone" eval '[[ $(in_n stat -c %a "$file") == 400 ]]'
check "without them it is gone" eval 'in_n "$FAIRLEAD" accel off metrics && ! in_n test -e /sys/fs/bpf/fairlead'

done_testing
