#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# fairlead tune on a whole machine: the kubernetes profile on a real kernel, and what the catalogue
# says about each key compared with what that kernel does.

. "$TOP/selftests/lib.sh"

[[ ${FAIRLEAD_LAB:-} ]] || skip_all "changes the whole machine; runs in the lab's VM only"

export FAIRLEAD_DATADIR=$lib_work/data
cp -r "$TOP/sysctl" "$FAIRLEAD_DATADIR"
journal=/var/lib/fairlead/tune.json
rm -rf /var/lib/fairlead

tune() { "$FAIRLEAD" tune "$@"; }
ends_with() { local want=$1; shift; "$@"; [[ $? -eq $want ]]; }
get() { sysctl -n "$1" | tr '\t' ' '; }
is() { [[ $(get "$1") == "$2" ]] || { echo "$1 is '$(get "$1")', not '$2'"; return 1; }; }

# Everything there is, but for what moves by itself.
moving='_count|_nr|nr|state|random|ns_last_pid|perf_|sched|cad_pid|pty|_report|free_hot'
dump() { sysctl -a 2>/dev/null | grep -E '^(net|vm|kernel|fs)\.' | grep -E -v "^[^=]*($moving)"; }
profile() # NAME [KEY VALUE]...
{
	local name=$1

	shift
	{
		printf '[Profile]\nDescription = a test\n'
		while [[ $# -gt 0 ]]; do
			printf '[Set]\nKey = %s\nValue %s\nWhy = a test\n' "$1" "$2"
			shift 2
		done
	} >"$FAIRLEAD_DATADIR/profiles/$name.conf"
}

# ---- before the modules are there ----------------------------------------------------------------

modprobe -r br_netfilter nf_conntrack 2>/dev/null
if [[ -e /proc/sys/net/netfilter/nf_conntrack_max ]]; then
	skip "keys of modules that are not loaded are deferred" "nf_conntrack is in use or built in"
	skip "... are no drift" "nf_conntrack is in use or built in"
else
	dump >"$lib_work/before"
	tune apply kubernetes >"$lib_work/out" 2>&1
	check "keys of modules that are not loaded are deferred" \
		eval "grep -c ^deferred: $lib_work/out | grep -qx 6"
	check "... are no drift" tune verify
	tune revert >/dev/null
	check "revert without the modules" eval "dump | diff $lib_work/before -"
fi

# ---- apply, read back, revert --------------------------------------------------------------------

modprobe nf_conntrack && modprobe br_netfilter || fail "modprobe nf_conntrack br_netfilter"
dump >"$lib_work/before"
check "(there are keys to compare)" test "$(wc -l <"$lib_work/before")" -ge 500
dump >"$lib_work/again"
check "(they do not move by themselves)" diff "$lib_work/before" "$lib_work/again"
check "plan with something to do ends with 3" ends_with 3 tune plan kubernetes
tune plan kubernetes --json >"$lib_work/plan"
check "all keys of the profile are there" jq -e '.deferred == 0 and .absent == 0' "$lib_work/plan"

strace -f -e trace=openat -o "$lib_work/trace" "$FAIRLEAD" tune apply kubernetes \
	>"$lib_work/out" 2>&1
check "apply" test $? -eq 0

wrong=() keys=0
while IFS=$'\t' read -r key wanted; do
	keys=$((keys + 1))
	is "$key" "$wanted" >/dev/null || wrong+=("$(is "$key" "$wanted")")
done < <(jq -r '.keys[] | [.key, .wanted] | @tsv' "$lib_work/plan")
if [[ ${#wrong[@]} -eq 0 && $keys -ge 35 ]]; then
	ok "sysctl(8) reads all $keys keys as they were wanted"
else
	fail "sysctl(8) reads all $keys keys as they were wanted" "${wrong[@]}"
fi
check "raise-only keys were not lowered" jq -e \
	'all(.keys[] | select(.raise_only and (.wanted | test("^[0-9]+$"))); (.now | tonumber) <= (.wanted | tonumber))' \
	"$lib_work/plan"
check "the table of connections has at least a quarter of the slots" eval \
	'[[ $(</sys/module/nf_conntrack/parameters/hashsize) -ge $(($(get net.netfilter.nf_conntrack_max) / 4)) ]]'
written=$(grep -o 'openat.*/proc/sys/.*O_WRONLY' "$lib_work/trace" | grep -o '/proc/sys/[^"]*')
before() { [[ $(grep -n "$1\$" <<<"$written" | cut -d: -f1) -lt $(grep -n "$2\$" <<<"$written" | cut -d: -f1) ]]; }
check "upper thresholds are raised before lower ones" eval 'before ipv4/neigh/default/gc_thresh3 ipv4/neigh/default/gc_thresh2 &&
	before ipv6/neigh/default/gc_thresh2 ipv6/neigh/default/gc_thresh1'
check "only keys that change are written" eval \
	'[[ $(wc -l <<<"$written") -eq $(jq .change $lib_work/plan) ]]'

was=$(stat -c '%i %Y' "$journal")
check "apply again writes nothing" unshare -m bash -ec '
	mount --bind /proc/sys /proc/sys
	mount -o remount,ro,bind /proc/sys
	"$FAIRLEAD" tune apply kubernetes'
check "... nor the journal" test "$was" = "$(stat -c '%i %Y' "$journal")"
check "verify" tune verify

check "revert" tune revert
check "revert restores the whole machine" eval "dump | diff $lib_work/before -"
check "... and removes the journal" test ! -e "$journal"

# ---- other writers -------------------------------------------------------------------------------

tune apply kubernetes >/dev/null
sysctl -qw net.netfilter.nf_conntrack_max=200000 kernel.panic=20
check "verify sees a second writer, but raised is no drift" eval \
	'tune verify --json | jq -e "[.keys[] | select(.state == \"change\").key] == [\"kernel.panic\"]"'
check "revert leaves what somebody else set" ends_with 3 tune revert
check "... to his value" is kernel.panic 20
check "... and a number" is net.netfilter.nf_conntrack_max 200000
sysctl -qw "$(grep '^kernel.panic =' "$lib_work/before" | tr -d ' ')" \
	"$(grep '^net.netfilter.nf_conntrack_max =' "$lib_work/before" | tr -d ' ')"
check "... and restores the rest" eval "dump | diff $lib_work/before -"

# ---- values that read back differently -----------------------------------------------------------

profile rounded net.netfilter.nf_conntrack_buckets '>= 70001' kernel.panic '= 10'
check "a value that the kernel rounds up is taken" tune apply rounded
check "... as it is" is net.netfilter.nf_conntrack_buckets 70144
check "... and holds" tune verify
check "... and is reverted" tune revert
check "... to what was there" eval "dump | diff $lib_work/before -"
# The first two writes go to the journal and to the first key.
strace -f -o /dev/null -e trace=write -e inject=write:signal=KILL:when=3 \
	"$FAIRLEAD" tune apply rounded >/dev/null 2>&1
check "killed after it wrote a rounded value" eval \
	'[[ $(get net.netfilter.nf_conntrack_buckets) == 70144 && $(jq ".pending | length" $journal) -eq 2 ]]'
check "... the next call undoes it" tune revert
check "... to what was there" eval "dump | diff $lib_work/before -"

# ---- crashes -------------------------------------------------------------------------------------

bad=() kills=0
for n in 1 2 10 22; do
	strace -f -o /dev/null -e trace=write -e "inject=write:signal=KILL:when=$n" \
		"$FAIRLEAD" tune apply kubernetes >/dev/null 2>&1
	[[ $? -eq 137 ]] || break
	kills=$((kills + 1))
	tune revert >/dev/null 2>&1 || bad+=("write $n: revert failed")
	dump | diff "$lib_work/before" - >"$lib_work/diff" || bad+=("write $n:" "$(<"$lib_work/diff")")
done
if [[ ${#bad[@]} -eq 0 && $kills -eq 4 ]]; then
	ok "killed at each of $kills writes, the next call undoes it"
else
	fail "killed at each of $kills writes, the next call undoes it" "${bad[@]}"
fi

# ---- what the catalogue says ---------------------------------------------------------------------

# another TYPE MIN MAX VALUE: a value that differs, within the range.
another()
{
	local step=1

	[[ $5 != *buckets ]] || step=1024
	case $1 in
	ports)	echo "12345" ;;
	ints*)	echo "$((${4%% *} + 1)) ${4#* }" ;;
	*)	if (($4 - step >= $2)); then echo "$(($4 - step))"; else echo "$(($4 + step))"; fi ;;
	esac
}

# in_new_netns KEY: its value in a new network namespace; empty and a failure if it is not there.
in_new_netns() { unshare -n sysctl -n "$1" 2>/dev/null | tr '\t' ' '; }

# What a key's scope promises, tried out.
reach()
{
	local key=$1 scope=$2 type=$3 min=$4 max=$5 path now other fresh default

	path=/proc/sys/$(tr . / <<<"$key")
	now=$(get "$key")
	default=$(in_new_netns "$key")
	other=$(another "$type" "$min" "$max" "$now" "$key")
	sysctl -qw "$key=$other" >/dev/null || { echo "cannot set $key from '$now' to '$other'"; return 1; }
	other=$(get "$key")
	fresh=$(in_new_netns "$key")
	sysctl -qw "$key=$now" >/dev/null
	[[ $other != "$now" ]] || { echo "setting $key had no effect"; return 1; }
	case $scope in
	node)
		[[ $fresh == "$other" ]] ;;
	netns-init-only)
		unshare -n bash -c '[[ ! -e $0 ]] || ! : 2>/dev/null >>"$0"' "$path" ;;
	netns-inherited)
		[[ $fresh == "$other" ]] && unshare -n test -w "$path" ;;
	netns-reset)
		[[ $fresh == "$default" && $fresh != "$other" ]] && unshare -n test -w "$path" ;;
	esac || { echo "$key is not $scope: set to '$other', a new namespace has '$fresh'"; return 1; }
}

wrong=() keys=0
while IFS=$'\t' read -r pattern scope type min max; do
	for name in all default; do
		keys=$((keys + 1))
		said=$(reach "${pattern/\*/$name}" "$scope" "$type" "$min" "$max") || wrong+=("$said")
		[[ $pattern == *'*'* ]] || break
	done
done < <(tune list --keys --json | jq -r '.keys[] | [.key, .scope, .type, .min, .max] | @tsv')
if [[ ${#wrong[@]} -eq 0 && $keys -ge 35 ]]; then
	ok "each of $keys keys reaches a new network namespace as the catalogue says"
else
	fail "each of $keys keys reaches a new network namespace as the catalogue says" "${wrong[@]}"
fi

slab() { awk -v name="$1" '$1 == name { print $4 }' /proc/slabinfo; }
cost() { tune list --keys --json | jq ".keys[] | select(.key == \"$1\").cost_bytes_per_unit"; }
near() { [[ $1 && $1 -le $2 && $((2 * $1)) -ge $2 ]] || { echo "$1 bytes, the catalogue says $2"; return 1; }; }
check "the cost of a tracked connection" near "$(slab nf_conntrack)" "$(cost net.netfilter.nf_conntrack_max)"
check "the cost of a TIME-WAIT socket" near "$(slab tw_sock_TCP)" "$(cost net.ipv4.tcp_max_tw_buckets)"
check "the cost of a watch" near $((2 * $(slab inode_cache))) "$(cost fs.inotify.max_user_watches)"

done_testing
