# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of the mesh, after selftests/lib.sh: the nodes of $nodes, each with a key, on one
# Ethernet. Node number N is 192.0.2.1N and 2001:db8::1N below, 10.200.0.1N and fd00:200::1N in the
# mesh, and has the pods of 10.244.N.0/24 and fd00:244:N::/64.

# The public keys, and the mesh file that `everywhere` hands out.
declare -A public=()
conf=$lib_work/mesh.conf
out='' err='' rc=0

number() { echo $((${lib_number[$1]} - 10)); }

# mesh_nodes NODE...: make them, and their keys.
mesh_nodes()
{
	local n

	underlay "$@" || exit 1
	for n; do
		public[$n]=$(node_exec "$n" "$FAIRLEAD" mesh genkey --out /etc/fairlead/node.key)
	done
}

# section NODE [LINE...]: its part of the mesh file.
section()
{
	local n

	n=$(number "$1")
	cat <<-END
		[Node "$1"]
		PublicKey = ${public[$1]}
		Endpoint = $(node_addr4 "$1"), [$(node_addr6 "$1")]
		Address = 10.200.0.1$n, fd00:200::1$n
		PodCIDR = 10.244.$n.0/24, fd00:244:$n::/64
	END
	shift
	[[ $# -eq 0 ]] || printf '%s\n' "$@"
}

# everywhere NODE...: what is on stdin becomes their mesh file.
everywhere()
{
	local n

	cat >"$conf"
	for n; do node_exec "$n" cp "$conf" /etc/fairlead/mesh.conf; done
}

# mesh NODE ARG...: the tool on a node, with what it says in $out and $err, and the status in $rc.
mesh()
{
	local node=$1

	shift
	node_exec "$node" "$FAIRLEAD" mesh "$@" >"$lib_work/out" 2>"$lib_work/err"
	rc=$?
	out=$(<"$lib_work/out") err=$(<"$lib_work/err")
	return $rc
}

# all_up NODE...
all_up()
{
	local n

	for n; do mesh "$n" up || fail "up on node $n" "$err"; done
}

# is DESCRIPTION WANTED GOT
is()
{
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		fail "$1" "$(diff -U 1 --label wanted --label got <(echo "$2") <(echo "$3"))" "stderr: $err"
	fi
}

# has DESCRIPTION REGEX TEXT
has()
{
	if grep -Eq -e "$2" <<<"$3"; then
		ok "$1"
	else
		fail "$1" "no line matches /$2/ in:" "$3" "stderr: $err"
	fi
}

# Everything that the mesh can change on a node, in words that do not change by themselves.
snapshot()
{
	# shellcheck disable=SC2016	# for the inner shell
	node_exec "$1" bash -c 'ip -d link; ip addr; ip -4 route show table all; ip -6 route show table all
		ip nexthop; echo /run/fairlead/*
		echo $(</proc/sys/net/ipv4/fib_multipath_hash_policy) $(</proc/sys/net/ipv6/fib_multipath_hash_policy)
		# Without handshakes and bytes. Peers have no order.
		wg show all dump | cut -f 1-5,9 | sort' |
		sed 's/^[0-9]*: //; s/valid_lft.*//; s/ expires [0-9]*sec//; /^ff00::\|multicast ff00/d'
}
