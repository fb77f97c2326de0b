#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# timeout: 200
#
# fairlead tune pressure: each resource is taken until the kernel gives no more, with a limit lowered
# so that this is soon. The machine is the lab's; ports are those of a network namespace. What is
# printed is tested in cli/tune_pressure.sh.

. "$TOP/selftests/lib.sh"

[[ ${FAIRLEAD_LAB:-} ]] || skip_all "takes all that the machine has; runs in the lab's VM only"

chmod 755 "$lib_work"
cp "$BUILD/selftests/vm/fill" "$lib_work/fill" # where everybody can run it
node_add n || exit
node_exec n ip link set lo up

tune() { "$FAIRLEAD" tune "$@"; }
ends_with() { local want=$1; shift; "$@"; [[ $? -eq $want ]]; }
nobody=(setpriv --reuid 65534 --clear-groups)
in_n=(nsenter -t "${lib_holder[n]}" -n)

# hold PREFIX... -- WHAT N [WHERE]: let fill take them and hold them, until release.
hold()
{
	local prefix=()

	while [[ $1 != -- ]]; do prefix+=("$1"); shift; done
	shift
	rm -f "$lib_work/held"
	# A group of processes of its own, and a stdin that ends with the test.
	setsid "${prefix[@]}" "$lib_work/fill" "$@" < <(exec sleep 300) >"$lib_work/held" 2>&1 &
	held=$!
	poll 20 grep -q . "$lib_work/held"
}
release() { { kill -TERM -- -"$held"; wait "$held"; } 2>/dev/null; }

# use RESOURCE FILTER [PREFIX...]: what pressure says of it.
use()
{
	local name=$1 filter=$2

	shift 2
	"$@" "$FAIRLEAD" tune pressure -i 0 --json >"$lib_work/json"
	jq -e ".resources[] | select(.resource == \"$name\") | $filter" "$lib_work/json" >/dev/null ||
		{ jq ".resources[] | select(.resource == \"$name\")" "$lib_work/json"; cat "$lib_work/held"; return 1; }
}
full='.above and .percent >= 95 and .percent <= 101'

# ---- the machine's -------------------------------------------------------------------------------

modprobe nf_conntrack
nft -f - <<'END'
table inet t { chain c { type filter hook output priority 0; ct state new accept; }; }
END
sysctl -qw net.netfilter.nf_conntrack_max=100
# Above 95 % the kernel's collector takes connections away that saw no answer (gc_worker() in
# nf_conntrack_core.c), whenever it comes round: so look at once, and fill up again if it was there.
connections()
{
	for port in {1001..1150}; do echo x >/dev/udp/127.0.0.1/$port; done 2>/dev/null
	use conntrack "$full and .limit == 100"
}
check "conntrack" poll 10 connections
check "what is full ends with 3" ends_with 3 tune pressure -i 0
check "... and is named with its key" eval 'tune pressure -i 0 | grep -q "conntrack is .* full: raise net.netfilter.nf_conntrack_max"'
sysctl -qw net.netfilter.nf_conntrack_max=65536
nft delete table inet t

ip link add dummy1 type dummy && ip link set dummy1 up
neighbours() { for i in {1..120}; do echo "neigh add $1$i lladdr 02:00:00:00:00:01 dev dummy1 nud $2"; done | ip -force -batch - 2>/dev/null; }
for family in 4 6; do
	net=10.9.0. table=net.ipv4
	[[ $family -eq 4 ]] || net=fd00:9:: table=net.ipv6
	sysctl -qw $table.neigh.default.gc_thresh1=100 $table.neigh.default.gc_thresh2=100 $table.neigh.default.gc_thresh3=100
	neighbours "$net" permanent
	check "permanent neighbours do not count (IPv$family)" use neigh-ipv$family '.limit == 100 and .now < 50'
	ip -$family neigh flush dev dummy1 nud permanent
	neighbours "$net" reachable
	check "neighbours (IPv$family)" use neigh-ipv$family "$full"
	sysctl -qw $table.neigh.default.gc_thresh3=1024
done
ip link del dummy1

sysctl -qw fs.inotify.max_user_instances=100
hold "${nobody[@]}" -- instances 1000
check "inotify instances" use inotify-instances "$full and .where == \"user 65534\" and .now == 100"
release
hold "${nobody[@]}" -- shared-instances 20
check "... that forks share are one" use inotify-instances '.now == 10 and .where == "user 65534"'
release
sysctl -qw fs.inotify.max_user_instances=128 fs.inotify.max_user_watches=200
mkdir -m 777 "$lib_work/watched"
hold "${nobody[@]}" -- watches 1000 "$lib_work/watched"
check "inotify watches" use inotify-watches "$full and .where == \"user 65534\" and .now == 200"
release
sysctl -qw fs.inotify.max_user_watches=10000

sysctl -qw vm.max_map_count=2000
hold -- mappings 10000
check "maps" use maps "$full and (.where | startswith(\"fill[\"))"
release
sysctl -qw vm.max_map_count=65530

sysctl -qw fs.file-max=$(($(cut -f1 /proc/sys/fs/file-nr) + 2000))
hold prlimit --nofile=1000000 "${nobody[@]}" -- files 100000
check "files" use files "$full"
release
sysctl -qw fs.file-max=1000000

threads=$(sysctl -n kernel.threads-max)
now=$(cut -d/ -f2 /proc/loadavg | cut -d' ' -f1)
sysctl -qw kernel.threads-max=$((10 * now))
# Not to the end: this shell has to start the next command.
hold -- processes $((10 * now - now - 10))
check "tasks" use pids '.percent > 90 and .above and .where == "kernel.threads-max"'
release
sysctl -qw "kernel.threads-max=$threads"

echo +pids >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/kubepods.slice
echo 50 >/sys/fs/cgroup/kubepods.slice/pids.max
# shellcheck disable=SC2016	# for the inner shell
hold bash -c 'echo $$ >/sys/fs/cgroup/kubepods.slice/cgroup.procs; exec "$@"' fill -- processes 1000
check "tasks of pods" use pids-pods "$full and .where == \"/kubepods.slice\""
release
poll 5 rmdir /sys/fs/cgroup/kubepods.slice

# ---- the namespace's -----------------------------------------------------------------------------

node_exec n sysctl -qw net.ipv4.ip_local_port_range="40000 40099" net.ipv4.ip_local_reserved_ports=40000-40009
hold "${in_n[@]}" -- listener 1
listener=$held
for address in 127.0.0.1 ::1; do
	hold "${in_n[@]}" -- connections 200 $address
	check "TCP ports to $address" use ports-tcp "$full and .limit == 90 and (.where | test(\"$address.*:7777\"))" "${in_n[@]}"
	check "... and the kernel gave no more" eval 'grep -q "only 90" $lib_work/held'
	release
	# TIME-WAIT keeps them for a minute.
	node_exec n ss -K sport gt 0 >/dev/null 2>&1
done
held=$listener release
hold "${in_n[@]}" -- udp-ports 200
check "UDP ports" use ports-udp "$full and .limit == 90" "${in_n[@]}"
check "... and the kernel gave no more" eval 'grep -q "only 90" $lib_work/held'
release
node_exec n "$FAIRLEAD" tune pressure -i 3 --json >"$lib_work/json" &
pressure=$!
sleep 1
hold "${in_n[@]}" -- udp-ports 45
wait $pressure
check "growth, and when it will be full" jq -e '.resources[] | select(.resource == "ports-udp") | .now == 45 and
	.growth_per_second > 8 and .growth_per_second <= 15 and (.full_in_seconds | . >= 3 and . <= 6)' "$lib_work/json"
release

# Pages of all namespaces together; the limits are the machine's.
ip link set lo up
sysctl -qw net.ipv4.tcp_mem="500 1000 4000" net.core.wmem_max=4194304
hold -- listener 1
listener=$held
hold -- full-connections 60 127.0.0.1
check "memory of TCP" use memory-tcp '.percent > 80 and .above'
release
held=$listener release
sysctl -qw net.ipv4.udp_mem="1000 2000 4000"
hold -- full-udp 40 127.0.0.1
check "memory of UDP" use memory-udp '.percent > 90 and .above'
release

done_testing
