#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# fairlead tune on this machine's own kernel, in a network namespace of its own: only keys of that
# namespace are ever written. Keys of the whole machine are tested in vm/tune.sh.
#
#	+-- node n: own netns and mount namespace ------+
#	|  /proc/sys/{vm,kernel,fs} read-only           |
#	|  own /etc, /run, /var/lib                     |
#	|  eth0.100, wan: a veth pair                   |
#	+-----------------------------------------------+

. "$TOP/selftests/lib.sh"

[[ $(id -u) -eq 0 ]] || skip_all "needs root"

data=$lib_work/data
journal=/var/lib/fairlead/tune.json
mkdir "$data"
chmod 755 "$lib_work"
cp -r "$TOP/sysctl/." "$data/"

node_add n || exit
node_exec n bash -ec '
	for dir in vm kernel fs; do
		mount --bind /proc/sys/$dir /proc/sys/$dir
		mount -o remount,ro,bind /proc/sys/$dir
	done
	ip link add eth0.100 type veth peer name wan' || exit

in_n() { node_exec n "$@"; }
tune() { node_exec n env "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune "$@"; }
quiet() { "$@" >/dev/null 2>&1; }
ends_with() { local want=$1; shift; "$@"; [[ $? -eq $want ]]; }

# get KEY; the slashes and dots of an interface's name are as in sysctl(8).
get() { in_n sysctl -n "$1" | tr '\t' ' '; }
set_key() { in_n sysctl -qw "$1=$2"; }
is() { [[ $(get "$1") == "$2" ]] || { echo "$1 is '$(get "$1")', not '$2'"; return 1; }; }

# All that a namespace has, but for what counts by itself.
dump() { in_n sysctl -a 2>/dev/null | grep '^net\.' | grep -v -e conntrack_count -e 'nf_log'; }
before=$lib_work/before
as_before() { dump | diff "$before" - >&2; }
no_journal() { in_n test ! -e "$journal"; }

# profile NAME [KEY VALUE]...: VALUE with its = or >=.
profile()
{
	local name=$1

	shift
	{
		printf '[Profile]\nDescription = a test\n'
		while [[ $# -gt 0 ]]; do
			printf '[Set]\nKey = %s\nValue %s\nWhy = a test\n' "$1" "$2"
			shift 2
		done
	} >"$data/profiles/$name.conf"
}

# Undo what a test did to the node.
reset_node()
{
	quiet tune revert
	in_n rm -rf /var/lib/fairlead
	set_key net.ipv4.ip_forward 0
	set_key net.ipv4.conf.all.accept_redirects 1
	set_key net.ipv4.conf.all.rp_filter 0
	set_key net.ipv4.ip_local_port_range "32768 60999"
	set_key net.ipv4.ip_local_reserved_ports ""
	set_key net.ipv4.tcp_retries2 15
	set_key net.ipv4.tcp_max_tw_buckets 65536
}

reset_node
dump >"$before"

# ---- what is shipped -----------------------------------------------------------------------------

check "list names the kubernetes profile" eval "tune list | grep '^kubernetes '"
json() { tune "$@" --json 2>/dev/null | jq -e "$filter" >/dev/null; }
filter='.schema == 1 and (.profiles[] | select(.profile == "kubernetes") | .keys >= 35)'
check "list --json" json list
filter='.keys | length >= 35 and all(.[]; .key and .does and .type and .scope and .source and
	has("min") and has("since") and (.writers | type) == "array")'
check "list --keys --json: each key is complete" json list --keys
filter='.facts | .cpus >= 1 and .ram > 1048576 and .page_size >= 4096 and .max_pods == 110'
check "facts --json" json facts
filter='.facts.cpus == 512'
check "facts are replaced by --fact" json facts --fact cpus=512,ram=1
check_fails 2 "unknown fact 'gpus'" "an unknown fact" tune facts --fact gpus=1
check_fails 2 "'x' is not a whole number" "a fact that is no number" tune facts --fact cpus=x
check_fails 2 "'cpus' is not NAME=NUMBER" "a fact without a value" tune facts --fact cpus
check_fails 1 "no profile 'nope': .*tune list" "an unknown profile" tune plan nope
check_fails 1 "'../x' is not the name of a profile" "a path for a profile" tune plan ../x
check_fails 2 "wants PROFILE" "plan without a profile" tune plan
check_fails 1 "/nonexistent/catalog: cannot open.*FAIRLEAD_DATADIR" "no catalogue" \
	in_n env FAIRLEAD_DATADIR=/nonexistent "$FAIRLEAD" tune list

# ---- plan, apply, verify, revert -----------------------------------------------------------------

profile p net.ipv4.tcp_retries2 '= 8' net.ipv4.conf.all.rp_filter '= 2' \
	net.ipv4.conf.eth0/100.rp_filter '= 1' net.ipv4.ip_forward '= 1' \
	net.ipv4.ip_local_port_range '= 32000, 61000' \
	net.ipv4.ip_local_reserved_ports '>= 51820-51822,10250' \
	net.ipv4.tcp_max_tw_buckets '>= 1000 * 2'

tune plan p >"$lib_work/plan"
status=$?
check "plan with something to do ends with 3" test $status -eq 3
check "plan shows now and wanted" grep -Eq '^net.ipv4.tcp_retries2 +15 +8 ' "$lib_work/plan"
check "plan shows the reason and who else writes" bash -c \
	"grep -q '^    a test$' $lib_work/plan && grep -q 'also written by CNI' $lib_work/plan"
check "plan changes nothing" as_before
check "plan leaves no journal" no_journal
filter='.change == 6 and .ok == 1 and .deferred == 0 and
	(.keys[] | select(.key == "net.ipv4.ip_local_reserved_ports") |
	 .wanted == "10250,51820-51822" and .now == "" and .raise_only and .file and .line == 24) and
	([.keys[].key] | index("net.ipv4.ip_forward") < index("net.ipv4.conf.all.rp_filter"))'
check "plan --json, what resets others first" json plan p

check "apply" tune apply p
check "apply wrote the value" is net.ipv4.tcp_retries2 8
check "apply wrote to an interface with a dot" is net.ipv4.conf.eth0/100.rp_filter 1
check "apply wrote two numbers" is net.ipv4.ip_local_port_range "32000 61000"
check "apply wrote ports" is net.ipv4.ip_local_reserved_ports 10250,51820-51822
check "raise-only left a larger value alone" is net.ipv4.tcp_max_tw_buckets 65536
check "plan has nothing to do" tune plan p
check "verify finds no drift" tune verify
check "the journal is JSON for everyone" in_n bash -c \
	"jq -e '.keys | length > 6' $journal >/dev/null && [[ \$(stat -c %a $journal) == 644 ]]"

# Again, where nothing can be written: equal values are not written, nor is the journal.
cp_journal() { in_n cat "$journal" >"$lib_work/journal"; in_n stat -c '%i %Y' "$journal"; }
was=$(cp_journal)
check "apply again writes nothing to the kernel" in_n unshare -m bash -ec "
	mount --bind /proc/sys /proc/sys
	mount -o remount,ro,bind /proc/sys
	FAIRLEAD_DATADIR=$data $FAIRLEAD tune apply p"
check "apply again leaves the journal alone" test "$was" = "$(cp_journal)"

set_key net.ipv4.tcp_retries2 9
check "verify finds drift" ends_with 3 tune verify
check "apply puts drift right" tune apply p
check "... to the value" is net.ipv4.tcp_retries2 8
set_key net.ipv4.tcp_retries2 8

check_fails 1 "belongs to another network namespace" "the journal of another namespace" \
	in_n unshare -n env "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune revert
reset_node
check "(the node is as before)" as_before

check "apply for revert" tune apply p
check "revert" tune revert
check "revert restores every key, those that ip_forward resets too" as_before
check "revert removes the journal" no_journal
check "revert with nothing to do" tune revert

# accept_redirects and one interface's forwarding differ from what ip_forward makes of them.
set_key net.ipv4.conf.all.accept_redirects 0
set_key net.ipv4.conf.wan.forwarding 1
dump >"$lib_work/odd"
quiet tune apply p
quiet tune revert
check "revert restores what only a reset had changed" eval "dump | diff $lib_work/odd -"
set_key net.ipv4.conf.wan.forwarding 0
reset_node

# ---- several applies, other writers --------------------------------------------------------------

profile q net.ipv4.tcp_retries2 '= 7' net.ipv4.tcp_fin_timeout '= 30'
tune apply p >/dev/null && tune apply q >/dev/null
check "a second profile changes a key of the first" is net.ipv4.tcp_retries2 7
check "verify compares with both, the later wins" tune verify
quiet tune revert
check "revert goes back to before the first" as_before

quiet tune apply p
set_key net.ipv4.tcp_retries2 11
tune revert >"$lib_work/revert"
check "revert with a foreign value ends with 3" test $? -eq 3
check "revert leaves the foreign value" is net.ipv4.tcp_retries2 11
check "revert says what it left and why" \
	grep -q '^net.ipv4.tcp_retries2 .*left: somebody else has set it' "$lib_work/revert"
set_key net.ipv4.tcp_retries2 15
check "... and restores the rest" as_before

profile w net.ipv4.conf.wan2.rp_filter '= 1' net.ipv4.tcp_retries2 '= 8'
check_fails 1 "profiles/w.conf:4: net.ipv4.conf.wan2.rp_filter: no such interface" \
	"a key of an interface that is not there" tune apply w
check "... changes nothing" as_before
in_n ip link add wan2 type veth peer name wan3
quiet tune apply w
in_n ip link del wan2
check "revert goes on past an interface that is gone" tune revert
check "... and restores the rest" as_before

in_n mkdir -p /etc/fairlead/profiles
in_n cp "$data/profiles/q.conf" /etc/fairlead/profiles/p.conf
filter='.keys | length == 2'
check "/etc/fairlead/profiles goes first" json plan p
in_n chmod 0 /etc/fairlead/profiles/p.conf
in_n rm /etc/fairlead/profiles/p.conf
in_n mkdir /etc/fairlead/profiles/p.conf
check_fails 1 "/etc/fairlead/profiles/p.conf: cannot read: Is a directory" \
	"... and is not passed over when it cannot be read" tune plan p
in_n rmdir /etc/fairlead/profiles/p.conf

# ---- the catalogue's flags -----------------------------------------------------------------------

cat >"$data/catalog/test.conf" <<-'END'
	[Key]
	Name = net.nosuch.key
	Does = comes with a module that nobody has
	Type = int
	Scope = node
	Module = nosuch
	Source = test
	[Key]
	Name = net.ipv4.nosuch
	Does = is not there
	Type = int
	Scope = netns-reset
	Source = test
	[Key]
	Name = net.ipv4.nosuch_old
	Does = was in old kernels
	Type = int
	Scope = netns-reset
	Until = 5.4
	Source = test
	[Key]
	Name = net.ipv4.tcp_syn_retries
	Does = stands for a key that cannot be set back
	Type = int
	Range = 1..127
	Scope = netns-reset
	Reversible = no
	Source = test
END
profile deferred net.nosuch.key '= 1' net.ipv4.nosuch_old '= 1' net.ipv4.tcp_retries2 '= 8'
tune apply deferred >"$lib_work/deferred"
check "a key without its module does not fail the apply" test $? -eq 0
check "... and is reported" grep -q 'deferred: net.nosuch.key: module nosuch' "$lib_work/deferred"
check "... as is one of other kernels" grep -q 'absent: net.ipv4.nosuch_old' "$lib_work/deferred"
check "... and the rest is set" is net.ipv4.tcp_retries2 8
check "deferred keys are no drift" tune verify
reset_node

profile absent net.ipv4.tcp_retries2 '= 8' net.ipv4.nosuch '= 1'
check_fails 1 "absent.conf:8: net.ipv4.nosuch: this kernel does not have it" "a key that is not there" \
	tune apply absent
check "... changes nothing" as_before

profile oneway net.ipv4.tcp_syn_retries '= 5' net.ipv4.tcp_retries2 '= 8'
check_fails 1 "oneway.conf:4: net.ipv4.tcp_syn_retries: cannot be set back.*--irrevocable" \
	"a one-way key" tune apply oneway
check "... changes nothing" as_before
check "... unless it is meant" tune apply oneway --irrevocable
reset_node

# ---- failures half-way ---------------------------------------------------------------------------

# The kernel refuses a range that ends before it begins; the last key of the plan fails.
profile refused net.ipv4.ip_forward '= 1' net.ipv4.tcp_retries2 '= 8' \
	net.ipv4.conf.all.rp_filter '= 1' net.ipv4.ip_local_port_range '= 61000, 32000'
check_fails 1 "ip_local_port_range: cannot write '61000 32000': the kernel refuses" \
	"a value that the kernel refuses" tune apply refused
check "... undoes what was written before it" as_before
check "... and leaves no journal" no_journal
quiet tune apply q
was=$(in_n cat "$journal")
check_fails 1 "nothing is changed: 3 keys put back" "the same after another apply" tune apply refused
check "... leaves that one's values" is net.ipv4.tcp_retries2 7
check "... and its journal" test "$was" = "$(in_n cat "$journal")"
reset_node
in_n sysctl -qw net.ipv4.tcp_fin_timeout=60

ro_key() # COMMAND...: with net.ipv4.tcp_retries2 read-only
{
	in_n unshare -m bash -ec '
		mount --bind /proc/sys/net/ipv4/tcp_retries2 /proc/sys/net/ipv4/tcp_retries2
		mount -o remount,ro,bind /proc/sys/net/ipv4/tcp_retries2
		exec env "$@"' bash "FAIRLEAD_DATADIR=$data" "$@"
}
check_fails 1 "p.conf:4: net.ipv4.tcp_retries2: cannot write: /proc/sys is read-only" \
	"a key that is read-only" ro_key "$FAIRLEAD" tune apply p
check "... changes nothing" as_before
check "... and leaves no journal" no_journal
quiet tune apply p
check_fails 1 "tcp_retries2: cannot write '15' back: /proc/sys is read-only" \
	"revert with a key that is read-only" ro_key "$FAIRLEAD" tune revert
check "... restores the others" is net.ipv4.ip_forward 0
check "... keeps that one in the journal" \
	in_n bash -c "[[ \$(jq -r '.keys[].key' $journal) == net.ipv4.tcp_retries2 ]]"
check "... so that the next revert does it" tune revert
check "... and all is as before" as_before

full_disk()
{
	in_n unshare -m bash -c '
		mount -t tmpfs -o size=16k tmpfs /var/lib
		mkdir /var/lib/fairlead
		head -c 1M /dev/zero >/var/lib/fill 2>/dev/null
		env "$@"
		status=$?
		[[ ! -e /var/lib/fairlead/tune.json.tmp ]] || status=99
		exit $status' bash "FAIRLEAD_DATADIR=$data" "$@"
}
check_fails 1 "tune.json: cannot write: No space left" "no room for the journal" \
	full_disk "$FAIRLEAD" tune apply p
check "... changes nothing" as_before

in_n mkdir -p /var/lib/fairlead
in_n bash -c 'exec 9</var/lib/fairlead && flock 9 && echo $$ >"$0" && exec sleep 30' "$lib_work/holder" &
poll 5 test -s "$lib_work/holder"
check_fails 1 "another fairlead tune is at work; try again" "two at once" tune apply p
check_fails 1 "another fairlead tune is at work; try again" "two at once, revert" tune revert
check "... change nothing" as_before
kill "$(<"$lib_work/holder")"
poll 5 in_n flock -n /var/lib/fairlead true

as_nobody() { in_n setpriv --reuid 65534 --clear-groups env "FAIRLEAD_DATADIR=$data" "$@"; }
if as_nobody test -x "$FAIRLEAD" && as_nobody test -r "$data/catalog/vm.conf"; then
	check_fails 1 "tune apply: .*needs root" "apply without root" as_nobody "$FAIRLEAD" tune apply p
	check_fails 1 "tune revert: .*needs root" "revert without root" as_nobody "$FAIRLEAD" tune revert
	check "plan without root" ends_with 3 as_nobody "$FAIRLEAD" tune plan p
else
	check "apply without root" false
fi
check "... change nothing" as_before
check_fails 1 "cannot write to standard output" "output to a full disk" \
	in_n bash -c "FAIRLEAD_DATADIR=$data $FAIRLEAD tune plan p >/dev/full"

# ---- profiles with mistakes ----------------------------------------------------------------------

# mistake REGEX DESCRIPTION LINE...: the lines after [Profile] and its Description.
mistake()
{
	local regex=$1 what=$2

	shift 2
	printf '%s\n' '[Profile]' 'Description = d' "$@" >"$data/profiles/bad.conf"
	check_fails 1 "bad.conf:$regex" "$what" tune apply bad
}
set_() { printf '%s\n' '[Set]' "Key = $1" "Value $2" 'Why = w'; }
mapfile -t good < <(set_ net.ipv4.tcp_retries2 '= 8')

mistake '8: net.ipv4.nosuch_key: not in the catalogue' "an unknown key" \
	"${good[@]}" '[Set]' 'Key = net.ipv4.nosuch_key' 'Value = 1' 'Why = w'
mistake '4: net.ipv4.tcp_retries2: 256 is out of range; this key takes 0 to 255' "out of range" \
	'[Set]' 'Key = net.ipv4.tcp_retries2' 'Value = 256' 'Why = w'
mistake "4: .*character 3: division by zero" "a division by zero" \
	'[Set]' 'Key = net.ipv4.tcp_retries2' 'Value = 8 / (cpus - cpus)' 'Why = w'
mistake "4: .*character 22: the result does not fit in 64 bits" "an overflow" \
	'[Set]' 'Key = net.ipv4.tcp_retries2' 'Value = 18446744073709551615 * 2' 'Why = w'
mistake "4: .*unknown fact 'gpus'" "an unknown fact in an expression" \
	'[Set]' 'Key = net.ipv4.tcp_retries2' 'Value = gpus' 'Why = w'
mistake '4: net.ipv4.ip_local_port_range: 1 value, but this key takes 2' "too few numbers" \
	'[Set]' 'Key = net.ipv4.ip_local_port_range' 'Value = 32768' 'Why = w'
mistake '4: net.ipv4.ip_local_reserved_ports: .*not a list of ports' "no list of ports" \
	'[Set]' 'Key = net.ipv4.ip_local_reserved_ports' 'Value = http' 'Why = w'
mistake '3: Include: bad includes itself' "a profile that includes itself" 'Include = bad'
mistake '3: Include: nope cannot be used' "a profile that includes an unknown one" 'Include = nope'
mistake '4: net.ipv4.tcp_retries2: Why, the reason' "a value without a reason" \
	'[Set]' 'Key = net.ipv4.tcp_retries2' 'Value = 8'
mistake '7: neither' "a line that is nothing" "${good[@]}" 'what is this'
check "profiles with mistakes change nothing" as_before
check "... and leave no journal" no_journal

# ---- crashes -------------------------------------------------------------------------------------

# Kill it at the Nth system call of a kind, for every N that there is; then the next call has to put
# right what it finds.
if command -v strace >/dev/null; then
	crash_tune() # CALL N VERB ARG...: succeeds if it was killed
	{
		local call=$1 n=$2

		shift 2
		# strace kills itself the way its child died.
		in_n env "FAIRLEAD_DATADIR=$data" strace -f -o /dev/null -e trace="$call" \
			-e "inject=$call:signal=KILL:when=$n" "$FAIRLEAD" tune "$@" >/dev/null 2>&1
		[[ $? -eq 137 ]]
	}

	bad=() kills=0
	for call in write fsync rename openat; do
		for ((n = 1; n < 300; n++)); do
			crash_tune "$call" "$n" apply p || break
			kills=$((kills + 1))
			if ((n % 2)); then
				tune revert >/dev/null 2>"$lib_work/err" || bad+=("$call $n: revert: $(<"$lib_work/err")")
			else
				tune apply q >/dev/null 2>"$lib_work/err" || bad+=("$call $n: apply q: $(<"$lib_work/err")")
				is net.ipv4.ip_forward 0 >/dev/null || is net.ipv4.conf.all.rp_filter 2 >/dev/null ||
					bad+=("$call $n: half of p is left after apply q")
				tune revert >/dev/null 2>&1 || bad+=("$call $n: revert after apply q")
			fi
			as_before 2>"$lib_work/diff" || { bad+=("$call $n:" "$(<"$lib_work/diff")"); reset_node; }
			no_journal || bad+=("$call $n: a journal is left")
		done
		tune revert >/dev/null
	done
	if [[ ${#bad[@]} -eq 0 && $kills -ge 30 ]]; then
		ok "an apply killed at each of $kills points is undone by the next call"
	else
		fail "an apply killed at each of $kills points is undone by the next call" "${bad[@]}"
	fi

	bad=() kills=0
	for call in write fsync rename unlink openat; do
		for ((n = 1; n < 300; n++)); do
			quiet tune apply p
			crash_tune "$call" "$n" revert || break
			kills=$((kills + 1))
			if ((n % 2)); then
				quiet tune apply p
				tune verify >/dev/null 2>&1 || bad+=("$call $n: verify after apply")
			fi
			tune revert >/dev/null 2>"$lib_work/err" || bad+=("$call $n: revert: $(<"$lib_work/err")")
			as_before 2>"$lib_work/diff" || { bad+=("$call $n:" "$(<"$lib_work/diff")"); reset_node; }
		done
		quiet tune revert
	done
	if [[ ${#bad[@]} -eq 0 && $kills -ge 20 ]]; then
		ok "a revert killed at each of $kills points is finished by the next call"
	else
		fail "a revert killed at each of $kills points is finished by the next call" "${bad[@]}"
	fi
else
	skip "an apply killed at every point" "no strace"
	skip "a revert killed at every point" "no strace"
fi
reset_node

# ---- a damaged journal ---------------------------------------------------------------------------

quiet tune apply p
dump >"$lib_work/applied"
in_n cp "$journal" /var/lib/fairlead/whole
size=$(in_n stat -c %s "$journal")
# The last byte is a newline, without which the journal is whole.
cut_everywhere()
{
	in_n env "FAIRLEAD_DATADIR=$data" bash -c '
		cd /var/lib/fairlead
		for ((n = 0; n < $1 - 1; n++)); do
			head -c $n whole >tune.json
			verb=revert
			((n % 3)) || verb="apply q"
			said=$("$2" tune $verb 2>&1)
			[[ $? -eq 1 && $said == *tune.json:*"nothing was changed"* ]] ||
				{ echo "cut after $n bytes: $said"; exit 1; }
			[[ $(stat -c %s tune.json) -eq $n ]] || { echo "cut after $n bytes: written to"; exit 1; }
		done' bash "$size" "$FAIRLEAD"
}
check "a journal cut after each of its $size bytes is an error" cut_everywhere
check "... and nothing is changed" eval "dump | diff $lib_work/applied -"
in_n mv /var/lib/fairlead/whole "$journal"
check "the whole journal still reverts" tune revert
check "... to what was before" as_before

quiet tune apply p
in_n sed -i 's/"boot_id":"[0-9a-f]*/"boot_id":"0/' "$journal"
check "the journal of an earlier boot is not used" eval "tune revert | grep 'nothing to revert'"
check "... and removed" no_journal
check "... the values stay" is net.ipv4.tcp_retries2 8
reset_node

done_testing
