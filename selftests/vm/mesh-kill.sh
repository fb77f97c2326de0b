# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 900
#
# `mesh up` is killed before each of its messages to the kernel, one after the other; then `mesh up`
# again must end where it would have without. And a second writer, and netlink's own faults.
. "$TOP/selftests/lib.sh"
. "$TOP/selftests/mesh.bash"

command -v strace >/dev/null || skip_all "strace is not installed"

nodes=(a b c)
mesh_nodes "${nodes[@]}"
{ echo "[Mesh]"; echo "Lanes = 2"; for n in "${nodes[@]}"; do section "$n"; done; } | everywhere "${nodes[@]}"
all_up b c
before=$(snapshot a)

# traced ARG...: up on node a under strace, with ARG; what it sent goes to $lib_work/trace.
traced()
{
	node_exec a strace -f -qq -X raw -e trace=sendto "$@" -o "$lib_work/trace" \
		"$FAIRLEAD" mesh up >"$lib_work/out" 2>"$lib_work/err"
}

# writes: which of the messages in $lib_work/trace are changes, by their number. Others ask: dumps,
# RTM_GETLINK 18, RTM_GETROUTE 26, and for a generic family, type 16.
writes()
{
	local n=0 line type flags

	while IFS= read -r line; do
		[[ $line == *sendto* ]] || continue
		n=$((n + 1))
		[[ $line =~ nlmsg_type=(0x[0-9a-f]+|[0-9]+),\ nlmsg_flags=(0x[0-9a-f]+|[0-9]+) ]] || continue
		type=${BASH_REMATCH[1]} flags=${BASH_REMATCH[2]}
		[[ $((flags & 0x300)) -eq $((0x300)) || $((type)) == @(16|18|26) ]] || echo $n
	done <"$lib_work/trace"
}

# killed WHAT WANTED: from the state that $prepare makes, killed at every change and done again.
killed()
{
	local what=$1 wanted=$2 n bad=0 changes

	$prepare
	traced || fail "$what: up under strace" "$(<"$lib_work/err")"
	is "$what: up ends as it should" "$wanted" "$(snapshot a)"
	mapfile -t changes < <(writes)
	if [[ ${#changes[@]} -lt 4 ]]; then
		fail "$what: the trace has the changes" "$(<"$lib_work/trace")"
		return
	fi
	for n in "${changes[@]}"; do
		$prepare
		traced -e inject=sendto:signal=KILL:when="$n"
		[[ $? -eq 137 ]] || fail "$what: killed at message $n" "$(<"$lib_work/out")" "$(<"$lib_work/err")"
		mesh a up
		if [[ $rc -ne 0 || $(snapshot a) != "$wanted" ]]; then
			fail "$what: up after a kill at message $n" "$rc $out" "$err" \
				"$(diff <(echo "$wanted") <(snapshot a))"
			bad=1
		fi
	done
	[[ $bad -ne 0 ]] || ok "$what: killed at each of ${#changes[@]} changes, and done again"
}

from_nothing() { mesh a down; }
mesh a up
good=$(snapshot a)
prepare=from_nothing
killed "from nothing" "$good"

# From two lanes and all peers to one lane, another port and one peer, whose range has moved.
two_lanes() { cp "$lib_work/old" "$conf"; node_exec a cp "$conf" /etc/fairlead/mesh.conf; mesh a up; node_exec a cp "$lib_work/new" /etc/fairlead/mesh.conf; }
cp "$conf" "$lib_work/old"
{ echo "[Mesh]"; echo "MTU = 1390"; section a; section b "PodCIDR = 10.244.3.0/24"; } >"$lib_work/new"
prepare=two_lanes
two_lanes
mesh a up
good=$(snapshot a)
killed "to less" "$good"
mesh a down
is "down after all that leaves no trace" "$before" "$(snapshot a)"

# ---- faults of netlink ---------------------------------------------------------------------------

mesh a up
good=$(snapshot a)
# The answer to the second dump does not fit: the kernel says ENOBUFS, and it is asked again.
for call in 5 8; do
	node_exec a strace -f -qq -e trace=recvmsg,recvfrom -e inject=recvmsg,recvfrom:error=ENOBUFS:when=$call -o "$lib_work/trace" \
		"$FAIRLEAD" mesh plan >"$lib_work/out" 2>"$lib_work/err"
	is "a dump that overran is read again (call $call)" "0 fl0: nothing to do" "$? $(<"$lib_work/out")"
done
node_exec a strace -f -qq -e trace=sendto -e inject=sendto:error=EPERM:when=3 -o "$lib_work/trace" \
	"$FAIRLEAD" mesh plan >"$lib_work/out" 2>"$lib_work/err"
is "without the right to ask it fails" 1 $?
has "and says so" 'cannot read .*: not permitted: it needs CAP_NET_ADMIN' "$(<"$lib_work/err")"

# A second writer, who takes peers away and puts them back all the time.
: >"$lib_work/go"
# shellcheck disable=SC2016	# for the inner shell
node_exec a bash -c 'while [[ -e $1 ]]; do
	wg set fl0 peer "$0" remove; wg set fl0 peer "$0" persistent-keepalive 7; done' "${public[b]}" "$lib_work/go" &
writer=$!
bad=0
for ((i = 0; i < 10; i++)); do
	mesh a up
	[[ $rc -le 1 && ($rc -eq 0 || -n $err) ]] || bad=1
done
rm "$lib_work/go"
wait $writer
if [[ $bad -eq 0 ]]; then ok "up beside a second writer ends, done or with a message"
else fail "up beside a second writer ends, done or with a message" "$rc" "$err"; fi
mesh a up
is "and when that has gone, all is as it should be" "$good" "$(snapshot a)"

done_testing
