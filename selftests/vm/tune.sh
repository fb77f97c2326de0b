#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
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

# now KEY: its value into $value, without starting a program: that is what takes the time here.
now()
{
	local path=${1//./$'\1'}

	path=${path//\//.}
	path=/proc/sys/${path//$'\1'//}
	[[ -e $path ]] || return
	value=
	read -r -d '' value <"$path"
	value=${value//$'\t'/ }
}

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

# ---- the kernel's own defaults -------------------------------------------------------------------

# At this point nobody has written anything, but for what scripts/vm gives on the kernel's command line.
tune list --keys --json >"$lib_work/keys"
version=$(uname -r | sed -E 's/^([0-9]+)\.([0-9]+).*/\1 \2/')
wrong=() keys=0
while IFS=$'\t' read -r key want; do
	now "$key" || continue
	keys=$((keys + 1))
	[[ $value == "$want" ]] || wrong+=("$key is '$value' and not '$want' after boot")
done < <(jq -r --argjson v "[${version/ /,}]" '
	.keys[] | (.defaults | map(select(.value and ((.since // "0.0") | split(".") | map(tonumber)) <= $v))
		| sort_by((.since // "0.0") | split(".") | map(tonumber)) | last) as $d
	| select($d) | select(.key | IN("kernel.watchdog_thresh", "kernel.modules_disabled") | not)
	| [(.key | sub("\\*"; "default")), $d.value] | @tsv' "$lib_work/keys")
if [[ ${#wrong[@]} -eq 0 && $keys -ge 120 ]]; then
	ok "$keys keys hold the catalogue's default after boot"
else
	fail "$keys keys hold the catalogue's default after boot" "${wrong[@]}"
fi

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

# The last two come by themselves with their keys' values, but do not go again with them.
for module in nf_conntrack br_netfilter tcp_bbr sch_fq; do
	modprobe "$module" || fail "modprobe $module"
done
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

# One call for all of them.
wrong=() keys=0
mapfile -t names < <(jq -r '.keys[].key' "$lib_work/plan")
mapfile -t values < <(sysctl -n "${names[@]}" | tr '\t' ' ')
while IFS= read -r wanted; do
	[[ ${values[keys]} == "$wanted" ]] || wrong+=("${names[keys]} is '${values[keys]}', not '$wanted'")
	keys=$((keys + 1))
done < <(jq -r '.keys[].wanted' "$lib_work/plan")
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

# ---- every profile -------------------------------------------------------------------------------

# Each key of each profile, written and read back; and all profiles together.
ip link add fl0 type wireguard && ip link add flannel.1 type dummy || fail "ip link add"
dump >"$lib_work/before"
profiles=$(cd "$FAIRLEAD_DATADIR/profiles" && printf '%s\n' *.conf | sed 's/\.conf$//')
[[ $(wc -w <<<"$profiles") -ge 9 ]] || fail "there are nine profiles" "$profiles"
for one in $profiles "$(tr '\n' ' ' <<<"$profiles")"; do
	# shellcheck disable=SC2086	# several profiles
	tune plan $one --json >"$lib_work/plan"
	# shellcheck disable=SC2086
	tune apply $one >"$lib_work/out" 2>&1
	status=$? wrong=() keys=0
	while IFS=$'\t' read -r key wanted; do
		keys=$((keys + 1))
		now "$key"
		[[ $value == "$wanted" ]] || wrong+=("$key is '$value', not '$wanted'")
	done < <(jq -r '.keys[] | select(.state == "ok" or .state == "change") | [.key, .wanted] | @tsv' "$lib_work/plan")
	[[ $status -eq 0 && $keys -gt 1 ]] || wrong+=("apply: $(<"$lib_work/out")")
	tune verify >"$lib_work/out" 2>&1 || wrong+=("verify: $(<"$lib_work/out")")
	tune revert >"$lib_work/out" 2>&1 || wrong+=("revert: $(<"$lib_work/out")")
	dump >"$lib_work/after"
	diff "$lib_work/before" "$lib_work/after" >"$lib_work/diff" || wrong+=("$(<"$lib_work/diff")")
	if [[ ${#wrong[@]} -eq 0 ]]; then
		ok "$(tr '\n' ' ' <<<"$one"): $keys keys written, read back and reverted"
	else
		fail "$one: $keys keys written, read back and reverted" "${wrong[@]}"
	fi
done
check "the mesh's interfaces by pattern, not flannel's" eval \
	'tune plan mesh --json | jq -e "[.keys[].key | select(contains(\".fl\"))] == [\"net.ipv4.conf.fl0.rp_filter\"]"'
sysctl -qw net.ipv4.conf.all.rp_filter=1
check "a WireGuard interface with strict filtering is warned about" eval \
	'tune plan bbr --json | jq -e "any(.warnings[]; .invariant == \"wireguard-rp-filter\")"'
sysctl -qw net.ipv4.conf.all.rp_filter=0
ip link del fl0
ip link del flannel.1
dump >"$lib_work/before"

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

tune list --keys --json >"$lib_work/keys"

# Each key that this kernel can have: it is there, unless it may be built without; it can be set to
# another value and back; a new network or IPC namespace has the value that its scope promises. All keys
# are set at once and read in one new namespace before and one after: starting programs is what takes
# the time here.
cat >"$lib_work/reach" <<-'END'
	# another TYPE MIN MAX NOW KEY: into $other, a value that differs, within the range.
	another()
	{
		local step=1 list=

		case $5 in
		*.default_qdisc)		list="pfifo_fast fq_codel" ;;
		*.tcp_congestion_control)	list="reno cubic" ;;
		*.core_pattern)			list="core core.%p" ;;
		*.ping_group_range)		list="0 1|1 0" ;;
		*_buckets)			step=1024 ;;
		*.min_free_kbytes)		other=$(($4 + 1)); return ;;
		*_flow_entries|*pipe-max-size|*_usecs|*ratelimit)
			other=$(($4 ? $4 * 2 : 1024)); return ;;
		esac
		if [[ $list == *'|'* ]]; then
			[[ $4 == "${list%|*}" ]] && other=${list#*|} || other=${list%|*}
		elif [[ $list ]]; then
			[[ $4 == "${list% *}" ]] && other=${list#* } || other=${list% *}
		else
			case $1 in
			ports)	other=12345 ;;
			ints*)	other="$((${4%% *} + 1)) ${4#* }" ;;
			# The shell's numbers end at 2^63.
			uint64)	[[ ${#4} -ge 19 ]] && other=4194304 || other=$(($4 - step)) ;;
			*)	(($4 - step >= $2)) && other=$(($4 - step)) || other=$(($4 + step)) ;;
			esac
		fi
	}
	get() { local v; v=; read -r -d '' v 2>/dev/null <"$1"; value=${v//$'\t'/ }; }
	declare -A now set fresh writable default
	keys=()
	while IFS=$'\t' read -r key scope type min max optional irrevocable; do
		path=/proc/sys/${key//.//}
		if [[ ! -e $path ]]; then
			[[ $optional == true ]] || echo "$key: not there"
			continue
		fi
		# What cannot be set back is tried at the end; there is one such value a key.
		[[ $irrevocable != [0-9]* ]] || continue
		keys+=("$key") scopes+=("$scope") types+=("$type") optionals+=("$optional") mins+=("$min")
		get "$path"
		now[$key]=$value
	done
	printf '%s\n' "${keys[@]}" >"$1/names"
	in_new()
	{
		unshare -n -i bash -c 'while read -r key; do
			path=/proc/sys/${key//.//} v=- w=0
			[[ ! -e $path ]] || { v=; read -r -d "" v 2>/dev/null <$path; v=${v//$'\''\t'\''/ }; }
			# The write of nothing: does the kernel let us?
			[[ ! -e $path ]] || ! : 2>/dev/null >>$path || w=1
			printf "%s\t%s\t%s\n" "$key" "$w" "$v"
		done' <"$1/names"
	}
	while IFS=$'\t' read -r key w v; do default[$key]=$v; done < <(in_new "$1")
	for i in "${!keys[@]}"; do
		key=${keys[i]} path=/proc/sys/${key//.//}
		another "${types[i]}" "${mins[i]}" 0 "${now[$key]}" "$key"
		if ! echo "$other" 2>/dev/null >"$path"; then
			# Without NUMA nodes or performance counters nothing else can be set.
			if [[ ${optionals[i]} == true ]]; then
				echo "# not to be set here: $key" >&2
			else
				echo "$key: cannot set it from '${now[$key]}' to '$other'"
			fi
			unset "keys[i]"
		fi
	done
	for i in "${!keys[@]}"; do
		get "/proc/sys/${keys[i]//.//}"
		set[${keys[i]}]=$value
	done
	while IFS=$'\t' read -r key w v; do fresh[$key]=$v writable[$key]=$w; done < <(in_new "$1")
	for ((i = ${#scopes[@]} - 1; i >= 0; i--)); do
		[[ ! ${keys[i]:-} ]] || echo "${now[${keys[i]}]}" >"/proc/sys/${keys[i]//.//}" ||
			echo "${keys[i]}: cannot set it back"
	done
	for i in "${!keys[@]}"; do
		key=${keys[i]}
		[[ ${set[$key]} != "${now[$key]}" ]] || { echo "$key: setting it had no effect"; continue; }
		case ${scopes[i]} in
		node)		[[ ${fresh[$key]} == "${set[$key]}" ]] ;;
		netns-init-only) [[ ${writable[$key]} -eq 0 ]] ;;
		netns-inherited) [[ ${fresh[$key]} == "${set[$key]}" && ${writable[$key]} -eq 1 ]] ;;
		netns-reset|ipcns-reset)
			[[ ${fresh[$key]} == "${default[$key]}" && ${fresh[$key]} != "${set[$key]}" &&
				${writable[$key]} -eq 1 ]] ;;
		esac || echo "$key: not ${scopes[i]}: set to '${set[$key]}', a new namespace has '${fresh[$key]}', $(
			[[ ${writable[$key]} -eq 1 ]] || echo not) writable"
		echo "$key" >&2
	done
END
jq -r '.keys[] | . as $k | (if .key | contains("*") then (.key | sub("\\*"; "all")), (.key | sub("\\*"; "default")) else .key end)
	| [., $k.scope, $k.type, $k.min // "-", $k.max // "-", $k.optional, $k.irrevocable // "-"] | @tsv' "$lib_work/keys" >"$lib_work/list"
mkdir "$lib_work/reach.d"
bash "$lib_work/reach" "$lib_work/reach.d" <"$lib_work/list" >"$lib_work/wrong" 2>"$lib_work/tried"
mapfile -t wrong <"$lib_work/wrong"
keys=$(grep -c '^[a-z]*\.' "$lib_work/tried")
grep '^#' "$lib_work/tried"
if [[ ${#wrong[@]} -eq 0 && $keys -ge 200 ]]; then
	ok "each of $keys keys reaches a new namespace as the catalogue says"
else
	fail "each of $keys keys reaches a new namespace as the catalogue says" "${wrong[@]}" \
		"$(grep -v '^[a-z]*\.' "$lib_work/tried")"
fi
check "... and holds its value again" eval "dump | diff $lib_work/before -"

slab() { awk -v name="$1" '$1 == name { print $4 }' /proc/slabinfo; }
cost() { tune list --keys --json | jq ".keys[] | select(.key == \"$1\").cost_bytes_per_unit"; }
near() { [[ $1 && $1 -le $2 && $((2 * $1)) -ge $2 ]] || { echo "$1 bytes, the catalogue says $2"; return 1; }; }
check "the cost of a tracked connection" near "$(slab nf_conntrack)" "$(cost net.netfilter.nf_conntrack_max)"
check "the cost of a TIME-WAIT socket" near "$(slab tw_sock_TCP)" "$(cost net.ipv4.tcp_max_tw_buckets)"
check "the cost of a watch" near $((2 * $(slab inode_cache))) "$(cost fs.inotify.max_user_watches)"

# Reverse path filtering, with packets. An echo request with a source that is routed elsewhere arrives:
#
#	[other: 198.51.100.1] veth1 --- veth0 [here: 192.0.2.1, 198.51.100.0/24 dev elsewhere]
#
# Is it taken (IcmpInEchos) or dropped?
in_other() { ip netns exec other "$@"; }
ip netns add other
ip link add veth0 type veth peer name veth1 netns other
ip link add elsewhere type dummy
ip address add 192.0.2.1/24 dev veth0
ip link set veth0 up
ip link set elsewhere up
ip route add 198.51.100.0/24 dev elsewhere
in_other bash -c 'ip link set lo up; ip link set veth1 up; ip address add 192.0.2.2/24 dev veth1; ip address add 198.51.100.1/32 dev lo'
poll 5 in_other ping -c 1 -W 1 192.0.2.1
# The ninth counter of ICMP, without starting a program.
check "(InEchos is where it is looked for)" grep -qE '^Icmp:( [A-Z][A-Za-z]+){8} InEchos ' /proc/net/snmp
echos()
{
	local what numbers

	while read -r what numbers; do
		[[ $what == Icmp: && $numbers == [0-9]* ]] && read -ra numbers <<<"$numbers" && received=${numbers[8]}
	done </proc/net/snmp
}
taken() # ALL OWN [KEY VALUE]...
{
	local before

	echo "$1" >/proc/sys/net/ipv4/conf/all/rp_filter
	echo "$2" >/proc/sys/net/ipv4/conf/veth0/rp_filter
	echos
	before=$received
	in_other ping -c 1 -W 0.3 -I 198.51.100.1 192.0.2.1 >/dev/null
	echos
	[[ $received -gt $before ]]
}
wrong=()
for case in "0 0 taken" "0 1 dropped" "1 0 dropped" "1 1 dropped" "2 0 taken" "0 2 taken" "1 2 taken" "2 1 taken"; do
	read -r all own what <<<"$case"
	if taken "$all" "$own"; then is=taken; else is=dropped; fi
	[[ $is == "$what" ]] || wrong+=("all $all, own $own: $is")
	# As explain says: strict is what drops it.
	counts=$(tune explain net.ipv4.conf.veth0.rp_filter --json | jq '.keys[0].effective[0].effective')
	[[ ($counts -eq 1 && $is == dropped) || ($counts -ne 1 && $is == taken) ]] ||
		wrong+=("all $all, own $own: explain says $counts, but it is $is")
done
if [[ ${#wrong[@]} -eq 0 ]]; then
	ok "the larger of 'all' and the interface's rp_filter counts"
else
	fail "the larger of 'all' and the interface's rp_filter counts" "${wrong[@]}"
fi

# With a mark there is a route back by the same interface.
nft 'add table ip t; add chain ip t c { type filter hook prerouting priority -150; }; add rule ip t c iif veth0 meta mark set 7'
ip route add 198.51.100.0/24 dev veth0 table 100
ip rule add fwmark 7 lookup 100
sysctl -qw net.ipv4.conf.all.src_valid_mark=0
check "rp_filter does not look at the mark" eval '! taken 1 0'
sysctl -qw net.ipv4.conf.veth0.src_valid_mark=1
check "... but with the interface's src_valid_mark" taken 1 0
sysctl -qw net.ipv4.conf.veth0.src_valid_mark=0 net.ipv4.conf.all.src_valid_mark=1
check "... or with that of 'all'" taken 1 0
sysctl -qw net.ipv4.conf.all.src_valid_mark=0 net.ipv4.conf.all.rp_filter=0
ip rule del fwmark 7
nft delete table ip t
ip link del veth0
ip link del elsewhere
ip netns del other

# Sockets may take 3/32 (TCP) and 3/16 (UDP) of the memory that was free at boot.
pages=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 4))
part() { local v; read -r _ _ v <"/proc/sys/net/ipv4/$1"; echo $((v * 100 / pages)); }
check "the kernel computes tcp_mem from the memory" eval '[[ $(part tcp_mem) -ge 7 && $(part tcp_mem) -le 10 ]]'
check "... and udp_mem" eval '[[ $(part udp_mem) -ge 15 && $(part udp_mem) -le 19 ]]'

# How long machine code gets.
jited()
{
	sysctl -qw "net.core.bpf_jit_harden=$1"
	bpftool prog loadall "$BUILD/bpf/metrics.bpf.o" "/sys/fs/bpf/jit$1" >/dev/null &&
		bpftool -j prog show pinned "/sys/fs/bpf/jit$1/fl_metrics_rx" | jq .bytes_jited
	rm -rf "/sys/fs/bpf/jit$1"
	sysctl -qw net.core.bpf_jit_harden=0
}
plain=$(jited 0) blinded=$(jited 2)
check "bpf_jit_harden makes programs longer" test "${plain:-0}" -gt 0 -a "${blinded:-0}" -gt "${plain:-0}"

# dirty_ratio and dirty_bytes exclude each other: revert brings the one back that was there.
sysctl -qw vm.dirty_bytes=123456789
tune apply latency >/dev/null
check "setting dirty_ratio clears dirty_bytes" is vm.dirty_bytes 0
tune revert >/dev/null
check "... and revert brings it back" eval 'is vm.dirty_bytes 123456789 && is vm.dirty_ratio 0'
sysctl -qw vm.dirty_ratio=20

# ---- what cannot be set back, last of all ---------------------------------------------------------

# Every key that the catalogue says has such a value: apply refuses it unless it is meant, and then no
# other value can be written. kernel.modules_disabled comes last.
wrong=() keys=0
while IFS=$'\t' read -r key value min max; do
	[[ -e /proc/sys/${key//.//} ]] || continue
	keys=$((keys + 1))
	profile oneway "$key" "= $value"
	tune apply oneway >"$lib_work/out" 2>&1
	[[ $? -eq 1 ]] && grep -q -- --irrevocable "$lib_work/out" ||
		wrong+=("$key: apply does not ask: $(<"$lib_work/out")")
	tune apply oneway --irrevocable >"$lib_work/out" 2>&1 || wrong+=("$key: $(<"$lib_work/out")")
	is "$key" "$value" >/dev/null || wrong+=("$(is "$key" "$value")")
	for ((other = min; other <= max; other++)); do
		[[ $other -ne $value ]] || continue
		! sysctl -qw "$key=$other" 2>/dev/null || wrong+=("$key: could be set from $value to $other")
	done
done < <(jq -r '.keys[] | select(.irrevocable) | [.key, .irrevocable, .min, .max] | @tsv' "$lib_work/keys" | sort -t. -k2,2r)
if [[ ${#wrong[@]} -eq 0 && $keys -ge 4 ]]; then
	ok "$keys keys cannot be set back, as the catalogue says"
else
	fail "$keys keys cannot be set back, as the catalogue says" "${wrong[@]}"
fi
tune revert >"$lib_work/out" 2>&1
check "revert says that they stay" eval \
	"[[ $? -eq 3 && $(grep -c 'stays: it cannot be set back' "$lib_work/out") -eq $keys ]]"
check "... and removes the journal" test ! -e "$journal"

done_testing
