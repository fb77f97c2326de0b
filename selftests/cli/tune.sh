#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
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
dump() { in_n grep -rs . /proc/sys/net | grep -v -e conntrack_count -e nf_log; }
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
	in_n sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.accept_redirects=1 \
		net.ipv4.conf.all.rp_filter=0 net.ipv4.ip_local_port_range="32768 60999" \
		net.ipv4.ip_local_reserved_ports= net.ipv4.tcp_retries2=15 net.ipv4.tcp_max_tw_buckets=65536
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
metrics=/sys/fs/bpf/fairlead/metrics
drifted() { in_n grep -qx "fairlead_sysctl_drifted{key=\"$1\"} $2" "$metrics"; }
check "verify --metrics prints nothing, and does not fail" eval '[[ -z $(tune verify --metrics 2>&1) ]] && tune verify -m'
check "... says what drifted" drifted net.ipv4.tcp_retries2 1
check "... and what did not" drifted net.ipv4.conf.eth0/100.rp_filter 0
check "... of each key that was applied, once" test "$(in_n sed -n 's/^fairlead_sysctl_drifted{key="\(.*\)"}.*/\1/p' "$metrics" | sort)" = \
	"$(tune verify -a --json | jq -r '.keys[] | select(.state == "ok" or .state == "change").key' | sort)"
check "... and when" eval '(($(in_n sed -n "s/^fairlead_sysctl_verify_time_seconds //p" "$metrics") > EPOCHSECONDS - 60))'
check "... as metrics" "${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin/promtool" check metrics < <(in_n cat "$metrics")
check_fails 2 "only one of --metrics and --json" "... and not as JSON besides" tune verify -m -j
check "apply puts drift right" tune apply p
check "... to the value" is net.ipv4.tcp_retries2 8
check "... and then it has not drifted" eval 'tune verify -m && drifted net.ipv4.tcp_retries2 0'
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
quiet tune verify -m
check "what is not applied cannot drift, and is not said to" eval '! in_n grep -q "^fairlead_sysctl_drifted{" "$metrics"'
check "without metrics the file is gone" eval 'quiet in_n "$FAIRLEAD" accel off metrics && ! in_n test -e "$metrics"'

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

# ---- interfaces by pattern -----------------------------------------------------------------------

# The key that is named goes before patterns, whatever the order; of two patterns the later.
profile globs net.ipv4.conf.eth0/100.rp_filter '= 1' net.ipv4.conf.eth*.rp_filter '= 2' \
	'net.ipv4.conf.w?n.rp_filter' '= 1' 'net.ipv4.conf.[wx]*.rp_filter' '= 2' \
	net.ipv4.conf.nosuch*.rp_filter '= 1' net.ipv6.conf.@ra.accept_ra '= 2'
filter='[.keys[] | select(.state == "change") | [.key, .wanted]] | sort ==
	[["net.ipv4.conf.eth0/100.rp_filter", "1"], ["net.ipv4.conf.wan.rp_filter", "2"]]'
check "a pattern stands for the interfaces that are there" json plan globs
filter='[.keys[] | select(.state == "deferred").key] ==
	["net.ipv4.conf.nosuch*.rp_filter", "net.ipv6.conf.@ra.accept_ra"]'
check "... and is deferred when there are none" json plan globs
profile all-of-them net.ipv4.conf.*.rp_filter '= 2'
filter='[.keys[].key] | sort == ["net.ipv4.conf.eth0/100.rp_filter", "net.ipv4.conf.lo.rp_filter",
	"net.ipv4.conf.wan.rp_filter"]'
check "... never for 'all' and 'default'" json plan all-of-them
check "apply with patterns" tune apply globs
check "... sets them" eval "is net.ipv4.conf.eth0/100.rp_filter 1 && is net.ipv4.conf.wan.rp_filter 2"
check "... and not the rest" eval "is net.ipv4.conf.lo.rp_filter 0 && is net.ipv4.conf.all.rp_filter 0"
in_n ip link add wan7 type veth peer name peer7
check "verify sees a new interface that a pattern stands for" ends_with 3 tune verify
in_n ip link del wan7
check "... and that it is gone" tune verify
check "revert with patterns" tune revert
check "... restores all" as_before
# A router advertisement's default route, as the kernel itself makes them: RTF_ADDRCONF and a gateway.
in_n bash -ec 'ip link set wan up; ip link set eth0.100 up; sysctl -qw net.ipv6.conf.wan.accept_ra=2'
if in_n python3 - wan <<-'END'
	import socket, struct, sys
	# Sent on the other end of the veth pair, to all nodes: a router with a lifetime of 600 s.
	s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
	s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0.100")
	s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
	import time
	for i in range(50):
	    try:
	        s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 600, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("eth0.100")))
	    except OSError:
	        pass
	    if any(l.split()[9] == sys.argv[1] and int(l.split()[8], 16) & 0x40002 == 0x40002 for l in open("/proc/net/ipv6_route")):
	        sys.exit(0)
	    time.sleep(0.1)
	sys.exit(1)
END
then
	set_key net.ipv6.conf.wan.accept_ra 1
	filter='[.keys[] | select(.key | startswith("net.ipv6")).key] == ["net.ipv6.conf.wan.accept_ra"]'
	check "@ra stands for an interface with a route from a router advertisement" json plan globs
else
	fail "@ra stands for an interface with a route from a router advertisement" "no such route"
fi
in_n bash -c 'ip link set wan down; ip link set eth0.100 down; sysctl -qw net.ipv6.conf.wan.accept_ra=1'

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
	Name = net.ipv4.tcp_reordering
	Does = stands for a key that cannot be set back
	Type = int
	Range = 1..127
	Scope = netns-reset
	Irrevocable = any
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

profile oneway net.ipv4.tcp_reordering '= 5' net.ipv4.tcp_retries2 '= 8'
check_fails 1 "oneway.conf:4: net.ipv4.tcp_reordering: once it is 5 it cannot be set back.*--irrevocable" \
	"a one-way key" tune apply oneway
check "... changes nothing" as_before
check "... unless it is meant" tune apply oneway --irrevocable
check "... and is written last" in_n jq -e '.keys[-1] | .key == "net.ipv4.tcp_reordering" and .oneway' "$journal"
# The kernel would take this one back: stand in for one that does not.
check "revert leaves what cannot be set back" ends_with 3 in_n env "FAIRLEAD_DATADIR=$data" strace -o /dev/null \
	-P /proc/sys/net/ipv4/tcp_reordering -e trace=openat -e inject=openat:error=EPERM:when=2+ "$FAIRLEAD" tune revert
check "... and restores the rest" is net.ipv4.tcp_retries2 15
check "... and is done with it" no_journal
set_key net.ipv4.tcp_reordering 3
reset_node

# ---- explain, owners, diff -----------------------------------------------------------------------

set_key net.ipv4.conf.all.rp_filter 1
set_key net.ipv4.conf.wan.rp_filter 2
set_key net.ipv4.conf.all.log_martians 1
filter='.keys[0] | .key == "net.ipv4.conf.wan.rp_filter" and .now == "2" and .catalogue.effective == "max" and
	.effective == [{"interface": "wan", "own": 2, "all": 1, "effective": 2}]'
check "explain one interface: what it has and what counts" json explain net.ipv4.conf.wan.rp_filter
filter='.keys[0].effective | map({(.interface): .effective}) | add == {"eth0.100": 1, "lo": 1, "wan": 2}'
check "explain all interfaces" json explain net.ipv4.conf.all.rp_filter
filter='.keys[0].effective | all(.[]; .own == 0 and .effective == 1)'
check "explain what 'all' turns on" json explain net.ipv4.conf.all.log_martians
set_key net.ipv4.conf.all.log_martians 0
set_key net.ipv4.conf.all.accept_source_route 0
filter='.keys[0].effective | all(.[]; .effective == 0)'
check "explain what 'all' turns off" json explain net.ipv4.conf.default.accept_source_route
set_key net.ipv4.conf.wan.rp_filter 0
set_key net.ipv4.conf.all.rp_filter 0
# ip_forward has just made 'all' refuse redirects: both must allow them on wan, which forwards.
set_key net.ipv4.ip_forward 1
filter='.keys[0].effective[] | .own == 1 and .all == 0 and .effective == 0'
check "explain redirects where packets are forwarded" json explain net.ipv4.conf.wan.accept_redirects
set_key net.ipv4.conf.wan.forwarding 0
filter='.keys[0].effective[] | .own == 1 and .all == 0 and .effective == 1'
check "... and where they are not" json explain net.ipv4.conf.wan.accept_redirects
set_key net.ipv4.ip_forward 0
reset_node

tune explain net.ipv4.tcp_keepalive_time kernel.unprivileged_bpf_disabled net.netfilter.nf_conntrack_max >"$lib_work/explain"
for text in "^now: 7200" "^type: int, 1..2147483, counts: second" "^default: 7200" "pods start from the kernel's default" \
	"safe from Kubernetes 1.29 on" "^profile kubernetes: 600" "^eks: 600" "^talos: 600" \
	"^one-way: once it is 1 it cannot be set back" "depends on the memory" "^module: nf_conntrack" \
	"kube-proxy: conntrack.maxPerCore" "^source: " "^cost: 384 bytes"; do
	check "explain says '$text'" grep -q -- "$text" "$lib_work/explain"
done
quiet tune apply p
check "explain knows what fairlead wrote" eval \
	"tune explain net.ipv4.tcp_retries2 | grep -q \"^fairlead tune: wrote '8', was '15'\$\""
set_key net.ipv4.tcp_retries2 9
check "... and that somebody else wrote since" eval \
	"tune explain net.ipv4.tcp_retries2 | grep -q 'somebody else has set it since'"
reset_node
check_fails 1 "net.ipv4.nosuchkey: not in the catalogue" "explain an unknown key" tune explain net.ipv4.nosuchkey
check_fails 1 "'vm' is not the name" "explain what is no key" tune explain vm
check_fails 2 "wants KEY" "explain nothing" tune explain
check "explain a key that is not there" eval "tune explain fs.aio-max-nr net.ipv6.conf.nosuch.accept_ra | grep -q '^now: not there'"

# Boot: what explain says the files come to is what the two readers make of them. Here /etc, /run and
# /usr/local/lib are the test's own; each case is a file, "FOLDER NAME: LINE; LINE", and what must win.
boot_case() # DESCRIPTION KEY FILE...
{
	local what=$1 key=$2 file folder reader said got default=$((RANDOM % 100 + 100))

	shift 2
	in_n bash -c 'mkdir -p /etc/sysctl.d /run/sysctl.d; rm -rf /etc/sysctl.d/* /run/sysctl.d/* /etc/sysctl.conf'
	for file; do
		folder=${file%%:*}
		tr ';' '\n' <<<"${file#*:}" | in_n tee "$folder" >/dev/null
	done
	tune explain "$key" --json >"$lib_work/boot" 2>/dev/null
	for reader in systemd procps; do
		set_key "$key" "$default"
		case $reader in
		systemd) in_n /usr/lib/systemd/systemd-sysctl --prefix=/net >/dev/null 2>&1 ;;
		procps)	in_n sysctl --system >/dev/null 2>&1 ;;
		esac
		got=$(get "$key")
		said=$(jq -r --arg d "$default" ".keys[0].files | map(select(.$reader)) | .[0].value // \$d" "$lib_work/boot")
		[[ $said == "$got" ]] || { fail "boot: $what" "$reader sets $got, explain says $said"; return; }
	done
	ok "boot: $what"
}
if [[ -x /usr/lib/systemd/systemd-sysctl ]]; then
	key=net.ipv4.tcp_fin_timeout
	boot_case "no file" $key
	boot_case "one file" $key "/etc/sysctl.d/a.conf: $key = 11"
	boot_case "names decide about the order, not folders" $key \
		"/etc/sysctl.d/10-a.conf: $key = 11" "/run/sysctl.d/20-b.conf: $key = 12"
	boot_case "the same the other way round" $key \
		"/etc/sysctl.d/20-a.conf: $key = 11" "/run/sysctl.d/10-b.conf: $key = 12"
	boot_case "a file of the same name in /etc hides one in /run" $key \
		"/etc/sysctl.d/50.conf: # nothing" "/run/sysctl.d/50.conf: $key = 12"
	boot_case "the last line wins" $key "/etc/sysctl.d/a.conf: $key = 11; $key=12; # $key = 13"
	boot_case "slashes, and an error that does not matter" $key "/etc/sysctl.d/a.conf: -net/ipv4/tcp_fin_timeout = 11"
	boot_case "/etc/sysctl.conf comes last, and only for procps" $key \
		"/etc/sysctl.d/99-z.conf: $key = 11" "/etc/sysctl.conf: $key = 12"
	boot_case "/etc/sysctl.conf alone" $key "/etc/sysctl.conf: $key = 12"
	boot_case "files that do not end in .conf" $key "/etc/sysctl.d/a.conf.bak: $key = 11" "/etc/sysctl.d/b: $key = 12"
	key=net.ipv4.conf.wan.igmpv2_unsolicited_report_interval
	cat >>"$data/catalog/test.conf" <<-'END'
		[Key]
		Name = net.ipv4.conf.*.igmpv2_unsolicited_report_interval
		Does = stands for a key of interfaces that takes any number
		Type = int
		Scope = netns-inherited
		Effective = own
		Source = test
	END
	glob='net.ipv4.conf.*.igmpv2_unsolicited_report_interval'
	boot_case "a glob" $key "/etc/sysctl.d/a.conf: $glob = 11"
	boot_case "a key that is named goes before a glob after it" $key \
		"/etc/sysctl.d/a.conf: $key = 12" "/etc/sysctl.d/b.conf: $glob = 11"
	boot_case "a key that is excepted from globs" $key \
		"/etc/sysctl.d/a.conf: $glob = 11" "/etc/sysctl.d/b.conf: -$key"
	boot_case "an interface with a dot" net.ipv4.conf.eth0/100.igmpv2_unsolicited_report_interval \
		"/etc/sysctl.d/a.conf: $glob = 11" "/etc/sysctl.d/b.conf: net/ipv4/conf/eth0.100/igmpv2_unsolicited_report_interval = 13"
	in_n bash -c 'rm -rf /etc/sysctl.d/* /run/sysctl.d/* /etc/sysctl.conf'
	set_key net.ipv4.tcp_fin_timeout 60
	in_n bash -c 'for f in /proc/sys/net/ipv4/conf/*/igmpv2_unsolicited_report_interval; do echo 10000 >$f; done'
else
	skip "boot: what explain says is what systemd-sysctl does" "no systemd-sysctl"
fi
in_n bash -c 'mkdir -p /etc/sysctl.d; echo "net.ipv4.tcp_retries2 = 5" >/etc/sysctl.d/60-x.conf'
filter='[.owners[] | [.key, .who]] == [["net.ipv4.tcp_retries2", "file"]]'
check "owners names files" json owners net.ipv4.tcp_retries2
filter='.owners | length > 5 and all(.[]; .who == "kube-proxy" and .how != "")'
check "owners of one program" json owners --who kube-proxy
check "owners of nobody" eval "tune owners net.ipv4.tcp_rfc1337 | grep -q 'nobody else'"
check_fails 1 "not in the catalogue" "owners of an unknown key" tune owners net.ipv4.nosuchkey
in_n rm /etc/sysctl.d/60-x.conf
check "(the node is as before)" as_before

for name in aks eks bottlerocket openshift talos; do
	filter='.differ + .same > 5 and .date and (.sources | length) > 0 and
		all(.keys[] | select(.theirs); .key) and (.profiles == ["kubernetes"])'
	check "diff against $name" json diff --against $name kubernetes
done
filter='(.keys[] | select(.key == "net.ipv4.tcp_keepalive_time") | .ours == "600" and .theirs == "600") and
	(.keys[] | select(.key == "vm.max_map_count") | .ours == "1048576" and .theirs == "524288") and .only_ours > 20'
check "diff of profiles" json diff --against eks kubernetes
filter='.keys[] | select(.key == "net.ipv4.tcp_keepalive_time") | .ours == "7200"'
check "diff of what the kernel holds" json diff --against eks
check "diff with differences ends with 3" ends_with 3 tune diff --against eks kubernetes
printf '%s\n' '[Other]' 'Description = d' 'Date = 2026-01-01' 'Source = s' '[Value]' \
	'Key = net.ipv4.tcp_keepalive_time' 'Value = 600' >"$data/others/same.conf"
check "... and with none with 0" tune diff --against same kubernetes
check_fails 2 "say --against" "diff against nothing" tune diff kubernetes
check_fails 1 "nothing is known about 'gke'; known: aks, " "diff against an unknown platform" tune diff --against gke
check_fails 1 "nothing is known about '../x'" "diff against a path" tune diff --against ../x
printf '%s\n' '[Other]' 'Description = d' 'Date = x' 'Source = s' '[Value]' 'Key = net.ipv4.tcp_rmem' 'Value = 1' \
	>"$data/others/same.conf"
check_fails 1 "others/same.conf:7: Value: net.ipv4.tcp_rmem: '1' is not the right count" \
	"diff against broken data" tune diff --against same
rm "$data/others/same.conf"

# ---- warnings ------------------------------------------------------------------------------------

profile ports net.ipv4.ip_local_port_range '= 1024, 65535'
filter='[.warnings[].invariant] == ["node-ports", "component-ports", "component-ports", "component-ports"]'
check "plan warns of broken invariants" json plan ports
check "... in words, too" eval "tune plan ports | grep -A3 'warning: node-ports' | grep -q NodePorts"
filter='.warnings == []'
check "plan of what is fine warns of nothing" json plan q
in_n bash -c 'mkdir -p /var/lib/kubelet && echo "protectKernelDefaults: true" >/var/lib/kubelet/config.yaml'
filter='any(.warnings[]; .invariant == "kubelet-defaults" and (.text | test("refuses to start")))'
check "plan reads the kubelet's configuration" json plan p
in_n rm -r /var/lib/kubelet

# ---- facts of the mesh ---------------------------------------------------------------------------

in_n mkdir -p /etc/fairlead
filter='.facts.mesh_port == 51820 and .facts.mesh_lanes == 16 and .facts.mesh_nodes == 1'
check "facts without a mesh" json facts
k1=$(head -c 32 /dev/urandom | base64) k2=$(head -c 32 /dev/urandom | base64)
in_n tee /etc/fairlead/mesh.conf >/dev/null <<-END
	[Mesh]
	Name = t
	ListenPort = 40000
	Lanes = 3

	[Node "a"]
	PublicKey = $k1
	Endpoint = 192.0.2.1

	[Node "b"]
	PublicKey = $k2
	Endpoint = 192.0.2.2
END
filter='.facts.mesh_port == 40000 and .facts.mesh_lanes == 3 and .facts.mesh_nodes == 2'
check "facts from mesh.conf" json facts
profile meshports net.ipv4.ip_local_reserved_ports '>= {mesh_port}-{mesh_port + mesh_lanes - 1}'
filter='.keys[0].wanted == "40000-40002"'
check "ports from mesh.conf" json plan meshports
in_n bash -c 'echo nonsense >>/etc/fairlead/mesh.conf'
check_fails 1 "mesh.conf:13: " "a mesh.conf with a mistake: what uses it fails" tune plan meshports
check_fails 1 "unknown fact 'mesh_port'" "... and says why" tune plan meshports
check "... and the rest works" ends_with 3 tune plan p
in_n rm /etc/fairlead/mesh.conf

# ---- deferred keys -------------------------------------------------------------------------------

profile later net.ipv4.tcp_retries2 '= 8' net.ipv4.conf.late*.rp_filter '= 2'
quiet tune apply later
check "a deferred key is in the journal" in_n bash -c \
	"jq -e '.deferred == [\"net.ipv4.conf.late*.rp_filter\"]' $journal"
in_n ip link add late0 type veth peer name late1
check "verify says that it came since" eval \
	"tune verify | grep -q '^came since it was applied: net.ipv4.conf.late0.rp_filter'"
filter='[.keys[] | select(.came_since_apply).key] == ["net.ipv4.conf.late0.rp_filter", "net.ipv4.conf.late1.rp_filter"]'
check "... as JSON, too" json verify
check "apply again sets it" tune apply later
check "... and takes it out of the journal" in_n jq -e '.deferred == []' "$journal"
in_n ip link del late0
reset_node

# ---- interfaces that come later ------------------------------------------------------------------

# What tools/udev/60-fairlead.rules runs for "add" of an interface.
came()
{
	local rule

	rule=$(sed -n '/SUBSYSTEM=="net"/s|.*RUN+="/usr/sbin/fairlead \(.*\)"$|\1|p' "$TOP/tools/udev/60-fairlead.rules")
	# shellcheck disable=SC2086	# udev splits at blanks, too
	in_n env "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" ${rule//\$name/$1}
}
check "the packaged rule has a command" grep -q 'SUBSYSTEM=="net".*RUN+="/usr/sbin/fairlead tune deferred --interface $name"' \
	"$TOP/tools/udev/60-fairlead.rules"
# The file that the rule asks for.
mark=$(sed -n '/SUBSYSTEM=="net"/s/.*TEST=="\([^"]*\)".*/\1/p' "$TOP/tools/udev/60-fairlead.rules")
marked() { in_n test -e "$mark"; }
check "the rule asks for a file" test "$mark"
check "an interface comes, and nothing is applied" eval '[[ -z $(came wan) ]]'
profile come net.ipv4.tcp_retries2 '= 8' net.ipv4.conf.late*.rp_filter '= 2' net.ipv4.conf.late1.rp_filter '= 1' \
	net.ipv4.conf.late*.arp_announce '>= 1'
in_n ip link add late1 type veth peer name other1
profile of-all net.ipv4.conf.all.rp_filter '= 1' net.ipv4.conf.default.rp_filter '= 1' net.ipv4.tcp_retries2 '= 8'
quiet tune apply of-all
check "... which is not there where no profile speaks of single interfaces" eval '! marked'
quiet tune revert
profile of-none net.ipv4.conf.nosuch*.rp_filter '= 0'
quiet tune apply of-none
check "... is where a pattern stands for none yet" marked
quiet tune revert
check "... and is gone after revert" eval '! marked'
profile of-one net.ipv4.conf.wan.rp_filter '= 0'
quiet tune apply of-one
check "... is where one is named, even if its key is right already" marked
quiet tune revert
in_n bash -c 'rm -rf /run/fairlead; : >/run/fairlead'
check_fails 0 "tune-interfaces: cannot write: .*interfaces that come later are not set" "no room for it is a warning" tune apply of-one
quiet tune revert
in_n rm /run/fairlead
quiet tune apply come
check "... and is there with the profile" marked
set_key net.ipv4.tcp_retries2 9
in_n ip link add late0.7 type veth peer name other0
check "an interface comes" eval '[[ $(came late0.7) == $'"'net.ipv4.conf.late0/7.rp_filter = 2\nnet.ipv4.conf.late0/7.arp_announce = 1'"' ]]'
check "... and has its keys" eval 'is net.ipv4.conf.late0/7.rp_filter 2 && is net.ipv4.conf.late0/7.arp_announce 1'
check "... and nothing else is touched" is net.ipv4.tcp_retries2 9
check "... nor written again" eval '[[ -z $(came late0.7) ]]'
check "one that no pattern stands for" eval '[[ -z $(came other0) ]] && is net.ipv4.conf.other0.rp_filter 0'
check "one that is gone already" eval '[[ -z $(came late9) ]]'
set_key net.ipv4.conf.late0/7.arp_announce 2
in_n ip link del late1
in_n ip link add late1 type veth peer name other1
check "one that comes again gets what its name says" eval '[[ $(came late1) == $'"'net.ipv4.conf.late1.rp_filter = 1\nnet.ipv4.conf.late1.arp_announce = 1'"' ]]'
check "... and another's larger value stays" is net.ipv4.conf.late0/7.arp_announce 2
set_key net.ipv4.tcp_retries2 8
for n in 1 2 3 4 5; do
	in_n ip link add "late$n$n" type veth peer name "other$n$n"
	came "late$n$n" >/dev/null
	in_n ip link del "late$n$n"
done
in_n ip link add late66 type veth peer name other66
came late66 >/dev/null
check "the journal forgets those that are gone" in_n jq -e '[.keys[].key | select(test("late[1-5][1-5]"))] == []' "$journal"
check "... and knows those that are there" in_n jq -e '[.keys[].key | select(contains("late66"))] | length == 2' "$journal"
check "verify" tune verify
check_fails 2 "not both" "a module and an interface" tune deferred nf_conntrack --interface wan
check_fails 2 "'a/b' is not the name of an interface" "no name of an interface" tune deferred --interface a/b
check_fails 2 "'' is not the name" "an empty one" tune deferred --interface ''
all_read_only() { in_n unshare -m bash -ec 'mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys; exec env "$@"' bash "$@"; }
in_n ip link add late8 type veth peer name other8
check_fails 1 "late8.rp_filter: cannot write: /proc/sys is read-only" "an interface comes where /proc/sys is read-only" \
	all_read_only "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune deferred --interface late8
check "revert with a foreign value" ends_with 3 tune revert
check "... restores the interfaces that came" eval 'is net.ipv4.conf.late66.rp_filter 0 && is net.ipv4.conf.late0/7.rp_filter 0'
for i in late0.7 late1 late66 late8; do in_n ip link del $i; done
check "... and all is as before" as_before
reset_node

# ---- JSON ----------------------------------------------------------------------------------------

# Of every verb that there is; what needs more than its name gets it.
bad=() verbs=0
mkdir "$lib_work/image"
while read -r verb; do
	case $verb in
	plan|apply)	args=p ;;
	explain)	args=net.ipv4.tcp_retries2 ;;
	diff)		args="--against eks" ;;
	watch)		args="-d p" ;;
	render)		args="--root $lib_work/image p" ;;
	pressure)	args="-i 0" ;;
	*)		args= ;;
	esac
	# shellcheck disable=SC2086
	tune "$verb" $args --json >"$lib_work/json" 2>"$lib_work/err"
	[[ $? -eq 0 || $? -eq 3 ]] && jq -es 'length == 1 and .[0].schema >= 1' "$lib_work/json" >/dev/null ||
		bad+=("$verb $args: $(<"$lib_work/err")" "$(head -c 200 "$lib_work/json")")
	verbs=$((verbs + 1))
done < <("$FAIRLEAD" __complete tune "" | grep -v '^-')
if [[ ${#bad[@]} -eq 0 && $verbs -ge 14 ]]; then
	ok "each of $verbs verbs prints one JSON document with its schema"
else
	fail "each of $verbs verbs prints one JSON document with its schema" "${bad[@]}"
fi
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
check_fails 1 "p.conf:4: net.ipv4.tcp_retries2: cannot write: /proc/sys is read-only here" "all of /proc/sys read-only" \
	all_read_only "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune apply p
check "... says so of each key" eval '[[ $(grep -c "cannot write: /proc/sys is read-only" "$lib_work/stderr") -eq 6 ]]'
check "... and changes nothing" eval 'as_before && no_journal'
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

# A copy, since the tree may lie where only root can look.
cp "$FAIRLEAD" "$lib_work/fairlead"
as_nobody() { in_n setpriv --reuid 65534 --clear-groups env "FAIRLEAD_DATADIR=$data" "$@"; }
check_fails 1 "tune apply: .*needs root" "apply without root" as_nobody "$lib_work/fairlead" tune apply p
check_fails 1 "tune revert: .*needs root" "revert without root" as_nobody "$lib_work/fairlead" tune revert
check "plan without root" ends_with 3 as_nobody "$lib_work/fairlead" tune plan p
check "... change nothing" as_before
check_fails 1 "cannot write to standard output" "output to a full disk" \
	in_n bash -c "FAIRLEAD_DATADIR=$data $FAIRLEAD tune plan p >/dev/full"

# A key that goes away between plan and apply: its first open() reads, the next one writes.
vanishing() { in_n env "FAIRLEAD_DATADIR=$data" strace -f -o /dev/null -P /proc/sys/net/ipv4/tcp_retries2 \
	-e trace=openat -e inject=openat:error=ENOENT:when=2 "$FAIRLEAD" tune apply "$@"; }
check_fails 1 "tcp_retries2: cannot write '8': this kernel does not have it" \
	"a key that vanishes between plan and apply" vanishing p
check "... changes nothing" as_before
check "... and leaves no journal" no_journal

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

# A short one: each byte is a run of the program. unit/test_tune_journal cuts one with all kinds of entries.
quiet tune apply q
dump >"$lib_work/applied"
in_n cp "$journal" /var/lib/fairlead/whole
size=$(in_n stat -c %s "$journal")
# The last byte is a newline, without which the journal is whole.
cut_everywhere()
{
	in_n env "FAIRLEAD_DATADIR=$data" bash -c '
		cd /var/lib/fairlead
		whole=$(<whole)
		for ((n = 0; n < $1 - 1; n++)); do
			printf %s "${whole:0:n}" >tune.json
			verb=revert
			((n % 3)) || verb="apply p"
			said=$("$2" tune $verb 2>&1)
			[[ $? -eq 1 && $said == *tune.json:*"nothing was changed"* ]] ||
				{ echo "cut after $n bytes: $said"; exit 1; }
			IFS= read -r -d "" now <tune.json
			[[ $now == "${whole:0:n}" ]] || { echo "cut after $n bytes: written to"; exit 1; }
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
