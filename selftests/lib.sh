# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For shell tests: TAP output, and nodes with pods behind them. Sourced as
#
#	. "$TOP/selftests/lib.sh"
#
# underlay a b; pod_add a web 10.244.1.2 fd00:244:1::2; ... makes this, all in namespaces of this
# test, gone when it ends:
#
#	                  bridge (own netns)
#	        192.0.2.11/24   |   192.0.2.12/24
#	     2001:db8::11/64    |    2001:db8::12/64
#	    +---------------eth0+eth0----------------+
#	    | node a             |   node b          |
#	    |   own netns, UTS and mount namespace:  |
#	    |   own /etc, /run, /var/lib, bpffs      |
#	    +--pod-web-----------+--pod-db-----------+
#	          | 169.254.1.1      | 169.254.1.1
#	          | fe80::1          | fe80::1
#	          | eth0             | eth0
#	    [pod web]            [pod db]
#	     10.244.1.2/32        10.244.2.2/32
#	     fd00:244:1::2/128    fd00:244:2::2/128

: "${TOP:=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")}"
# promtool is there: see scripts/setup.
PATH=$PATH:${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin

lib_work=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-test.XXXXXX") || exit

# ---- TAP -----------------------------------------------------------------------------------------

lib_points=0 lib_failed=0 lib_plan='' lib_cleanups=()

# plan N: say beforehand how many tests there will be.
plan() { lib_plan=$1; echo "1..$1"; }

# skip_all REASON: this file can do nothing here.
skip_all() { lib_plan=0; echo "1..0 # SKIP $*"; exit 0; }

# ok DESCRIPTION
ok() { echo "ok $((++lib_points)) - $*"; }

# fail DESCRIPTION [LINE...]: the lines say what was wrong.
fail()
{
	local what=$1

	shift
	echo "not ok $((++lib_points)) - $what"
	lib_failed=$((lib_failed + 1))
	[[ $# -eq 0 ]] || printf '%s\n' "$@" | sed 's/^/# /'
}

# skip DESCRIPTION REASON
skip() { echo "ok $((++lib_points)) - $1 # SKIP $2"; }

# check DESCRIPTION COMMAND [ARG...]: the command succeeds. What it prints is seen if it does not.
check()
{
	local what=$1 status

	shift
	"$@" >"$lib_work/check" 2>&1
	status=$?
	if [[ $status -eq 0 ]]; then
		ok "$what"
	else
		fail "$what" "$*" "exit status $status" "$(<"$lib_work/check")"
	fi
	return $status
}

# check_fails STATUS REGEX DESCRIPTION COMMAND [ARG...]: the command ends with exactly this status,
# and a line on its stderr matches the extended regular expression. What it printed stays in
# $lib_work/stdout and $lib_work/stderr for a closer look.
check_fails()
{
	local expected=$1 regex=$2 what=$3 status

	shift 3
	"$@" >"$lib_work/stdout" 2>"$lib_work/stderr"
	status=$?
	if [[ $status -ne $expected ]]; then
		fail "$what" "$*" "exit status $status instead of $expected" \
			"$(cat "$lib_work/stdout" "$lib_work/stderr")"
		return 1
	elif ! grep -Eq -e "$regex" "$lib_work/stderr"; then
		fail "$what" "$*" "no line on stderr matches /$regex/:" "$(<"$lib_work/stderr")"
		return 1
	fi
	ok "$what"
}

# What a debug kernel takes longer for everything.
: "${SLOW:=1}"

# poll SECONDS COMMAND [ARG...]: repeat the command until it succeeds, at most that long.
poll()
{
	local deadline=$((${EPOCHREALTIME/[.,]/} + $1 * SLOW * 1000000))

	shift
	until "$@" >/dev/null 2>&1; do
		[[ ${EPOCHREALTIME/[.,]/} -lt $deadline ]] || return 1
		sleep 0.1
	done
}

# at_exit COMMAND [ARG...]: run it at the end, however that comes; last registered, first run.
at_exit()
{
	local command

	printf -v command '%q ' "$@"
	lib_cleanups+=("$command")
}

# done_testing: the end of every test file.
done_testing()
{
	[[ $lib_plan ]] || plan "$lib_points"
	exit $((lib_failed > 0))
}

lib_exit()
{
	local status=$? i

	trap - EXIT ERR
	set +e
	for ((i = ${#lib_cleanups[@]} - 1; i >= 0; i--)); do
		eval "${lib_cleanups[i]}" >/dev/null 2>&1
	done
	rm -rf "$lib_work"
	exit "$status"
}
trap lib_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- namespaces ----------------------------------------------------------------------------------

# Every namespace is held by a process that sleeps; name -> its pid.
declare -A lib_holder=() lib_number=() lib_pods=()
lib_last_number=10

# lib_hold NAME SCRIPT: start such a process, in namespaces that SCRIPT, run by busybox's shell, sets
# up: its own mount, mkdir and so on start in a fraction of the time of the others' in a VM.
lib_hold()
{
	local name=$1 ready

	if [[ ${lib_holder[$name]:-} ]]; then
		echo "lib.sh: there is a node or pod '$name' already" >&2
		return 1
	fi
	mkfifo "$lib_work/$name.ready"
	# If this shell is killed by force, the holder dies with it.
	setpriv --pdeathsig KILL unshare --net --mount --uts --propagation private \
		busybox sh -c "set -e; $2; echo >&3; exec /bin/sleep infinity 3>&-" \
		"$name" </dev/null >"$lib_work/$name.log" 2>&1 3>"$lib_work/$name.ready" &
	lib_holder[$name]=$!
	exec {ready}<"$lib_work/$name.ready"
	rm "$lib_work/$name.ready"
	# A line, or the end if it died. No time limit: bash loses what comes at the moment when that is up.
	if ! read -r -u "$ready" _; then
		echo "lib.sh: cannot make '$name':" >&2
		cat "$lib_work/$name.log" >&2
		unset "lib_holder[$name]"
	fi
	exec {ready}<&-
	[[ ${lib_holder[$name]:-} ]]
}

lib_release()
{
	local pid=${lib_holder[$1]:-}

	[[ $pid ]] || return
	unset "lib_holder[$1]"
	kill -9 "$pid"
	wait "$pid"
	return 0
} 2>/dev/null

lib_release_all()
{
	local name

	for name in "${!lib_holder[@]}"; do
		lib_release "$name"
	done
}
at_exit lib_release_all

# lib_in NAME COMMAND [ARG...]: in its namespaces, where we are.
lib_in()
{
	local pid=${lib_holder[$1]:-}

	if [[ ! $pid ]]; then
		echo "lib.sh: there is no node or pod '$1'" >&2
		return 1
	fi
	shift
	nsenter --target "$pid" --net --mount --uts --wdns="$PWD" -- "$@"
}

# A new sysfs shows the interfaces of the new netns, and hides what was mounted below the old one.
# shellcheck disable=SC2016	# run by the holder
lib_setup_sys='
	hostname "$0"
	stash=$(mktemp -d)
	dirs="fs/cgroup kernel/debug kernel/tracing"
	mount -t tmpfs stash "$stash"
	for dir in $dirs; do
		mkdir -p "$stash/$dir"
		mount -o rbind "/sys/$dir" "$stash/$dir"
	done
	mount -t sysfs sysfs /sys
	for dir in $dirs; do
		mount -o rbind "$stash/$dir" "/sys/$dir"
	done
	mount -t bpf -o mode=700 bpf /sys/fs/bpf
	umount -l "$stash"
	rmdir "$stash"
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	echo 0 >/proc/sys/net/ipv6/conf/default/dad_transmits
	ip link set lo up'

# The directories that a node keeps state in, writable and its own.
# shellcheck disable=SC2016	# run by the holder
lib_setup_state='
	for dir in /etc /run /var/lib; do
		layer=$(mktemp -d)
		mount -t tmpfs layer "$layer"
		mkdir "$layer/upper" "$layer/work"
		mount -t overlay -o "lowerdir=$dir,upperdir=$layer/upper,workdir=$layer/work" overlay "$dir"
		umount -l "$layer"
		rmdir "$layer"
	done
	rm -rf /etc/fairlead /run/fairlead /var/lib/fairlead
	mkdir /etc/fairlead'

# ---- nodes ---------------------------------------------------------------------------------------

# node_add NAME: a node, not connected to anything. /etc/fairlead is there and empty, as the package
# would leave it; /run/fairlead and /var/lib/fairlead are not.
node_add()
{
	lib_hold "$1" "$lib_setup_sys; $lib_setup_state" || return
	lib_number[$1]=$((++lib_last_number))
}

# node_exec NAME COMMAND [ARG...]: run it on the node, in the same working directory.
node_exec() { lib_in "$@"; }

# node_del NAME: as if its power went, together with its pods.
node_del()
{
	local pod

	for pod in "${!lib_pods[@]}"; do
		[[ ${lib_pods[$pod]} == "$1" ]] || continue
		lib_release "$pod"
		unset "lib_pods[$pod]"
	done
	lib_release "$1"
}

# node_pid NAME: of the process that holds its namespaces, for `ip link ... netns PID`.
node_pid() { echo "${lib_holder[$1]}"; }

# node_addr4 NAME, node_addr6 NAME: its addresses on the underlay.
node_addr4() { echo "192.0.2.${lib_number[$1]}"; }
node_addr6() { echo "2001:db8::${lib_number[$1]}"; }

# underlay NODE...: join nodes by one Ethernet; makes those that do not exist. Called again, it joins
# more nodes to the same Ethernet.
underlay()
{
	local node port

	if [[ ! ${lib_holder[bridge]:-} ]]; then
		lib_hold bridge "$lib_setup_sys
			ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
			ip link set br0 up" || return
	fi
	for node; do
		[[ ${lib_holder[$node]:-} ]] || node_add "$node" || return
		port=port${lib_number[$node]}
		ip link add eth0 netns "${lib_holder[$node]}" type veth \
			peer name "$port" netns "${lib_holder[bridge]}" &&
		lib_in bridge ip link set "$port" master br0 up &&
		lib_in "$node" ip -batch - <<-END || return
			address add $(node_addr4 "$node")/24 dev eth0
			address add $(node_addr6 "$node")/64 dev eth0 nodad
			link set eth0 up
		END
	done
}

# ---- pods ----------------------------------------------------------------------------------------

# pod_add NODE POD ADDR4 ADDR6: a pod behind the node, and the node forwards. The pod's name makes
# the node's interface pod-POD: at most 11 characters.
pod_add()
{
	local node=$1 pod=$2 addr4=$3 addr6=$4 port=pod-$2

	lib_hold "$pod" "$lib_setup_sys" || return
	lib_pods[$pod]=$node
	ip link add eth0 netns "${lib_holder[$pod]}" type veth \
		peer name "$port" netns "${lib_holder[$node]}" || return
	lib_in "$node" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 &&
	lib_in "$node" ip -batch - <<-END &&
		address add 169.254.1.1/32 dev $port
		address add fe80::1/64 dev $port nodad
		link set $port up
		route add $addr4/32 dev $port
		route add $addr6/128 dev $port
	END
	lib_in "$pod" ip -batch - <<-END
		address add $addr4/32 dev eth0
		address add $addr6/128 dev eth0 nodad
		link set eth0 up
		route add 169.254.1.1 dev eth0
		route add default via 169.254.1.1 dev eth0
		route add default via fe80::1 dev eth0
	END
}

# pod_exec POD COMMAND [ARG...]
pod_exec() { lib_in "$@"; }
