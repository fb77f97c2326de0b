#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: own
# timeout: 120
#
# What systemd's own programs make of `fairlead tune render` at boot is what `fairlead tune apply` does.
# They read our files instead of the distribution's: the folders are mounted over.

. "$TOP/selftests/lib.sh"

[[ ${FAIRLEAD_LAB:-} ]] || skip_all "changes the whole machine; runs in the lab's VM only"

export FAIRLEAD_DATADIR=$lib_work/data
root=$lib_work/root
chmod 755 "$lib_work"
mkdir "$root" "$FAIRLEAD_DATADIR"
cp -r "$TOP/sysctl/." "$FAIRLEAD_DATADIR"
{
	printf '[Profile]\nDescription = a test\n'
	printf '[Set]\nKey = %s\nValue = %s\nWhy = a test\n' net.netfilter.nf_conntrack_tcp_timeout_close_wait 61 \
		net.bridge.bridge-nf-call-iptables 0 kernel.panic 7
} >"$FAIRLEAD_DATADIR/profiles/late.conf"
tune() { "$FAIRLEAD" tune "$@"; }

# Of what counts by itself, nothing.
dump() { sysctl -a 2>/dev/null | grep -v -e conntrack_count -e random -e 'fs\.\(dentry\|inode\|file-nr\|aio-nr\|quota\)' \
	-e nf_log -e ns_last_pid -e 'kernel.cap_last' -e 'tcp_fastopen_key' -e 'net.ipv4.route' -e perf_event_max_sample; }
unload() { modprobe -r br_netfilter nf_conntrack; }

unload 2>/dev/null
[[ ! -e /proc/sys/net/netfilter/nf_conntrack_max ]] || fail "nf_conntrack is not a module here"
dump >"$lib_work/before"

# ---- apply ---------------------------------------------------------------------------------------

check_fails 0 "nf_conntrack_buckets: module nf_conntrack is not loaded.*even if that lowers it" \
	"render without the modules warns" tune render --root "$root" kubernetes
modprobe -a nf_conntrack br_netfilter
check "render for this machine" tune render --root "$root" kubernetes
check "apply" eval 'tune apply kubernetes >/dev/null'
check "... renders the same" eval '[[ $(tune render --root "$root" kubernetes --json | jq -r "[.files[].state] | unique[]") == unchanged ]]'
dump >"$lib_work/applied"
check "revert" eval 'tune revert >/dev/null'
unload
check "(all is as it was)" eval 'dump | diff "$lib_work/before" -'

# ---- a boot --------------------------------------------------------------------------------------

for dir in /usr/lib/sysctl.d /usr/lib/modules-load.d; do mount --bind "$root$dir" "$dir"; done
mkdir "$lib_work/empty"
for dir in /etc/sysctl.d /etc/modules-load.d /usr/local/lib/sysctl.d /run/sysctl.d; do
	[[ ! -d $dir ]] || mount --bind "$lib_work/empty" "$dir"
done
check "systemd-sysctl before the modules" /usr/lib/systemd/systemd-sysctl
check "systemd-modules-load" /usr/lib/systemd/systemd-modules-load
check "... loads what is needed" test -e /proc/sys/net/netfilter/nf_conntrack_max -a -e /proc/sys/net/bridge
check "systemd-sysctl" /usr/lib/systemd/systemd-sysctl
check "a boot makes of it what apply does" eval 'dump | diff "$lib_work/applied" -'
check "verify agrees" tune verify kubernetes

# ---- a module that comes later -------------------------------------------------------------------

# What udev runs for "add" of a module. (It splits at blanks, as this does.)
run_rule() { bash -c "$(sed -n "/KERNEL==\"$1\"/{n;s/.*RUN+=\"\(.*\)\"/\1/p}" "$root/usr/lib/udev/rules.d/90-fairlead.rules")"; }
unload
for module in nf_conntrack br_netfilter; do
	modprobe $module
	check "the rule for $module" run_rule $module
done
check "... puts their keys right" tune verify kubernetes
check "... all of them" eval 'dump | diff "$lib_work/applied" -'

# ---- an interface that comes later ---------------------------------------------------------------

# systemd's own rule runs systemd-sysctl for it, which looks it up in what we rendered.
{
	printf '[Profile]\nDescription = a test\n'
	printf '[Set]\nKey = %s\nValue = %s\nWhy = a test\n' 'net.ipv4.conf.late*.rp_filter' 2 net.ipv4.conf.late1.rp_filter 1 \
		'net.ipv6.conf.*.accept_redirects' 0 'net.ipv4.conf.[a-m]*.accept_redirects' 0 net.ipv4.conf.late0/5.arp_announce 2
} >"$FAIRLEAD_DATADIR/profiles/interfaces.conf"
rule=$(sed -n '/SUBSYSTEM=="net".*systemd-sysctl/s/.*RUN+="\([^"]*\)".*/\1/p' /lib/udev/rules.d/99-systemd.rules)
check "systemd has a rule for interfaces" test "$rule"
check "render" tune render --root "$root" interfaces
modprobe -q dummy
for i in late0.5 late1 xlate; do
	ip link add $i type dummy
	bash -c "${rule//\$name/$i}"
done
keys='net/ipv4/conf/NAME/rp_filter net/ipv6/conf/NAME/accept_redirects net/ipv4/conf/NAME/accept_redirects net/ipv4/conf/NAME/arp_announce'
values() { for i in late0.5 late1 xlate all default; do for k in $keys; do printf '%s ' "$(cat "/proc/sys/${k/NAME/$i}" 2>/dev/null)"; done; done; }
check "... sets the keys of those that come" eval '[[ $(values) == "2 0 0 2 1 0 0 0 0 0 1 0 "* ]] || { values; false; }'
rendered=$(values)
for i in late0.5 late1 xlate; do ip link del $i; done
tune apply interfaces >/dev/null 2>"$lib_work/err"
check "(late1 and late0.5 are named, and not there)" grep -q 'late1.rp_filter: no such interface' "$lib_work/err"
for i in late0.5 late1 xlate; do ip link add $i type dummy; done
check "apply" eval 'tune apply interfaces >/dev/null'
check "... makes the same of them" test "$(values)" = "$rendered"
for i in late0.5 late1 xlate; do ip link del $i; ip link add $i type dummy; tune deferred --interface $i >/dev/null; done
check "... and so does the packaged rule, when they come again" test "$(values)" = "$rendered"
tune revert >/dev/null
for i in late0.5 late1 xlate; do ip link del $i; done
tune render --root "$root" kubernetes >/dev/null

# ---- the same on a running node: apply had to defer ----------------------------------------------

unload
dump >"$lib_work/before"
deferred() { bash -c "$(sed -n 's|.*"module", KERNEL=="\([^"]*\)".*RUN+="/usr/sbin/fairlead \(.*\) $kernel"|"$FAIRLEAD" \2|p' "$TOP/tools/udev/60-fairlead.rules") $1"; }
is() { [[ $(sysctl -n "$1") == "$2" ]] || { sysctl "$1"; return 1; }; }
check "deferred without anything applied does nothing" eval '[[ -z $(deferred nf_conntrack) ]]'
check "apply defers" eval '[[ $(tune apply late | grep -c ^deferred:) -eq 2 ]]'
check "... and without the module there is nothing to do" eval '[[ -z $(tune deferred) ]]'
modprobe nf_conntrack
sysctl -qw kernel.panic=77
check "the packaged rule for nf_conntrack sets its keys" eval \
	'[[ $(deferred nf_conntrack) == "net.netfilter.nf_conntrack_tcp_timeout_close_wait = 61" ]]'
check "... really" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 61
check "... and touches nothing else" is kernel.panic 77
check "again there is nothing to do" eval '[[ -z $(deferred nf_conntrack) ]]'
sysctl -qw kernel.panic=7
modprobe br_netfilter
check "what is deferred is set without a name as well" eval \
	'[[ $(tune deferred --json | jq -c ".keys") == "[{\"key\":\"net.bridge.bridge-nf-call-iptables\",\"was\":\"1\",\"is\":\"0\"}]" ]]'
check "then all is as apply would have it" tune verify
unload
modprobe nf_conntrack
check "a module that comes again has its default" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 60
check "... without a name that is somebody's" eval '[[ -z $(tune deferred) ]]'
check "... and gets its keys by the rule" deferred nf_conntrack
check "... again" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 61
printf '[Profile]\nDescription = a test\n[Set]\nKey = net.ipv4.conf.gone0.rp_filter\nValue = 2\nWhy = a test\n' \
	>"$FAIRLEAD_DATADIR/profiles/gone.conf"
ip link add gone0 type dummy
tune apply gone >/dev/null
ip link del gone0
unload
modprobe nf_conntrack
check "... also when an interface that is named has gone" deferred nf_conntrack
check "... really" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 61
tune watch -de late >/dev/null
sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_close_wait=62 2>/dev/null
check "(watched keys are refused)" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 61
unload
modprobe nf_conntrack
check "... also where keys are watched" deferred nf_conntrack
check "... really" is net.netfilter.nf_conntrack_tcp_timeout_close_wait 61
check "revert" tune revert
tune unwatch
unload
check "... restores the whole machine" eval 'dump | diff "$lib_work/before" -'
modprobe nf_conntrack
check "after revert there is nothing to set" eval '[[ -z $(deferred nf_conntrack) ]]'
cp "$FAIRLEAD" "$lib_work/fairlead"
check_fails 1 "needs root" "without root" setpriv --reuid 65534 --clear-groups "$lib_work/fairlead" tune deferred

# ---- the bench of tune ---------------------------------------------------------------------------

tune revert >/dev/null
check "bench-tune measures, and each program has set all keys" eval \
	'"$TOP/scripts/bench-tune" --here --keys 12 --rounds 1 >"$lib_work/bench"'
check "... and says what" jq -e '.schema == 1 and .keys == 12 and (.rows | length) == 8 and
	all(.rows[]; .what and .cpu > 0 and .time > 0)' "$lib_work/bench"

# The rule has to name every module that the catalogue does.
check "the rule knows all modules of the catalogue" diff \
	<(sed -n 's/^Module = //p' "$FAIRLEAD_DATADIR"/catalog/*.conf | sort -u) \
	<(sed -n 's/.*SUBSYSTEM=="module", KERNEL=="\([^"]*\)".*/\1/p' "$TOP/tools/udev/60-fairlead.rules" | tr '|' '\n' | sort)

done_testing
