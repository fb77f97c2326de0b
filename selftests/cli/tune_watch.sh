#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 120
#
# fairlead tune watch on this machine's own kernel: the program sits at the root of all control groups,
# but only keys of the network namespace of this test are watched. Keys of the whole machine, and the
# lab's kernels, are for vm/tune_watch.sh.
#
#	+-- node n: own netns, mount namespace, bpffs --+
#	|  lxc1, wan: a veth pair                       |      pod: another netns; its values are its own
#	+-----------------------------------------------+
#
#	control groups, below the root: fairlead-test.N/{kubelet.service,kubepods.slice/…}

. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/metrics.bash
. "$TOP/selftests/metrics.bash"

[[ $(id -u) -eq 0 ]] || skip_all "needs root"

data=$lib_work/data
mkdir "$data"
chmod 755 "$lib_work"
cp -r "$TOP/sysctl/." "$data/"

metrics_node n peer # with a lane, for its metrics
node_exec n ip link add lxc1 type veth peer name wan || exit
pod_add pod 10.244.1.2 fd00:244:1::2 n 2>/dev/null || node_add pod || exit

root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
group=fairlead-test.$$
uid=12345678-90ab-cdef-1234-567890abcdef
id=$(printf '%064d' 7)
kubepods=kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid//-/_}.slice/cri-containerd-$id.scope
mkdir -p "$root/$group/kubelet.service/inner" "$root/$group/$kubepods" || exit
remove_groups() { find "$root/$group" -depth -type d -exec rmdir {} +; }
at_exit remove_groups

in_n() { node_exec n "$@"; }
tune() { node_exec n env "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune "$@"; }
ends_with() { local want=$1; shift; "$@"; [[ $? -eq $want ]]; }

# in_group GROUP COMMAND...: the command's whole life is in that group, and in the node.
# shellcheck disable=SC2016	# for the inner shell
in_group() { local g=$1; shift; bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$root/$group/$g" nsenter -t "${lib_holder[n]}" -n -m "$@"; }

# put VALUE KEY [GROUP]: a write by a process that is called "writer", with bash's own means.
cp "$(command -v bash)" "$lib_work/writer"
path() { echo "/proc/sys/$(tr . / <<<"$1")"; }
# shellcheck disable=SC2016	# for the inner shell
put()
{
	if [[ ${3-} ]]; then
		in_group "$3" "$lib_work/writer" -c 'echo "$0" >"$1"' "$1" "$(path "$2")"
	else
		in_n "$lib_work/writer" -c 'echo "$0" >"$1"' "$1" "$(path "$2")"
	fi
}
get() { in_n cat "$(path "$1")" | tr '\t' ' '; }
is() { [[ $(get "$1") == "$2" ]] || { echo "$1 is '$(get "$1")', not '$2'"; return 1; }; }

# last FILTER: jq on the last write that was recorded. state FILTER: on all that --status says.
state() { tune watch --status --json >"$lib_work/json" && jq -e "$1" "$lib_work/json" >/dev/null || { cat "$lib_work/json"; return 1; }; }
last() { state ".writes[-1] | $1"; }
# counts KEY FAIRLEAD OWNER OTHER SAME REFUSED
counts()
{
	state ".keys[] | select(.key == \"$1\") | [.changed_by_fairlead, .changed_by_owner,
		.changed_by_other, .same, .refused] == [$2, $3, $4, $5, $6]"
}

profile()
{
	local name=$1

	shift
	{
		printf '[Profile]\nDescription = a test\n'
		while [[ $# -gt 0 ]]; do
			printf '[Set]\nKey = %s\nValue = %s\nWhy = a test\n' "$1" "$2"
			shift 2
		done
	} >"$data/profiles/$name.conf"
}
retries=net.ipv4.tcp_retries2
profile p $retries 8 net.ipv4.ip_local_port_range '32000, 61000' net.ipv4.conf.wan.rp_filter 1
profile q $retries 8 net.ipv4.ip_forward 1

# ---- refusals ------------------------------------------------------------------------------------

check_fails 1 "nothing is watched" "status when nothing is watched" tune watch --status
check_fails 2 "nothing is applied since boot" "watch without a profile" tune watch --detach
check_fails 1 "no profile 'nope'" "an unknown profile" tune watch -d nope
check_fails 2 "changes nothing" "--status with a profile" tune watch --status p
check_fails 2 "'': is empty" "an owner that is nothing" tune watch -de --owner kubelet, p
check_fails 2 "'kubelet@' wants|'kubelet@': wants" "an owner with half an address" tune watch -de --owner kubelet@ p
check_fails 2 "the root is everybody|a part of the path is empty" "the root as an owner" tune watch -de --owner / p
check "unwatch when nothing is watched" eval 'tune unwatch | grep -q "nothing was watched"'
cp "$FAIRLEAD" "$lib_work/fairlead" # where everybody can run it
as_nobody() { setpriv --reuid 65534 --clear-groups env "FAIRLEAD_DATADIR=$data" "$lib_work/fairlead" tune "$@"; }
check_fails 1 "needs root" "watch without root" as_nobody watch -d p
check_fails 1 "needs root" "status without root" as_nobody watch --status
check_fails 1 "needs root" "unwatch without root" as_nobody unwatch
check_fails 1 "no BPF file system there; mount it" "no bpffs" in_n unshare -m bash -c "
	mount -t tmpfs none /sys/fs/bpf; FAIRLEAD_DATADIR=$data exec $FAIRLEAD tune watch -d p"
check_fails 1 "no cgroup2 file system is mounted; mount it" "no cgroup2" unshare -m bash -c "
	mount -t bpf bpf /sys/fs/bpf
	for m in \$(awk '\$3 == \"cgroup2\" { print \$2 }' /proc/self/mounts); do umount -l \$m; done
	FAIRLEAD_DATADIR=$data exec $FAIRLEAD tune watch -d p"
check_fails 1 "run it on the node itself" "a container's control groups" in_n unshare -m bash -c "
	for m in \$(awk '\$3 == \"cgroup2\" { print \$2 }' /proc/self/mounts); do
		mount --bind $root/$group /mnt; umount -l \$m; done
	FAIRLEAD_DATADIR=$data exec $FAIRLEAD tune watch -d p"
check "nothing of that left anything behind" in_n test ! -e /sys/fs/bpf/fairlead

# ---- who wrote what ------------------------------------------------------------------------------

check "watch" tune watch --detach p
put 9 $retries
check "a write is seen" last ".key == \"$retries\" and .old == \"15\" and .new == \"9\" and
	.result == \"changed\" and .by == \"other\" and .process == \"writer\" and .uid == 0 and
	.pod_uid == null and .container == null"
check "... and let through" is $retries 9
put 9 $retries
check "one that changes nothing is told apart" last '.result == "same" and .old == "9"'
put 10 $retries "$kubepods"
check "a write out of a pod has the pod" last ".pod_uid == \"$uid\" and .container == \"$id\" and .pod == null and
	.cgroup == \"/$group/$kubepods\""
in_n mkdir -p /var/log/pods
in_n bash -c "mount -t tmpfs none /var/log/pods && mkdir /var/log/pods/kube-system_proxy-x_$uid"
check "... with its name when it has logs" last '.pod == "kube-system/proxy-x"'
check "... and in the words for people" eval 'tune watch --status | grep -q "10  by writer.* in pod kube-system/proxy-x container 000000000000"'
check "the id of the group" last ".cgroup_id == $(stat -c %i "$root/$group/$kubepods")"
put '32768	60000' net.ipv4.ip_local_port_range
check "several numbers" last '.old == "32768 60999" and .new == "32768 60000"'
put '32768 60000' net.ipv4.ip_local_port_range
check "... with other white space are the same" last '.result == "same"'
put 1 net.ipv4.conf.wan.rp_filter
check "a key of an interface" last '.key == "net.ipv4.conf.wan.rp_filter" and .new == "1"'
check "all of it is counted" counts $retries 0 0 2 1 0
# raw TEXT: in one write.
raw() { printf "$1" | in_n dd bs=256 of="$(path $retries)" 2>/dev/null; }
raw '77\n\033[31m evil'
check "what comes after the line is not shown" last '.new == "77"'
raw '\033[31m'
check "control characters do not reach the terminal" last '.new == "?[31m"'
raw "$(printf '7%.0s' {1..200})"
check "a value that is too long is cut, and says so" last '.new | length == 130 and endswith("77...")'

seen() { jq '.writes | length' "$lib_work/json"; }
state true
was=$(seen)
others() { jq ".keys[] | select(.key == \"$retries\") | .changed_by_other" "$lib_work/json"; }
put 5 net.ipv4.tcp_keepalive_probes
put 1 net.ipv4.conf.lxc1.rp_filter
in_n cat "$(path $retries)" >/dev/null
node_exec pod bash -c "echo 3 >$(path $retries)" 2>/dev/null || nsenter -t "${lib_holder[pod]}" -n bash -c "echo 3 >$(path $retries)"
# shellcheck disable=SC2016	# for the inner shell
nsenter -t "${lib_holder[n]}" -n bash -c 'exec 3>$0; nsenter -t '"${lib_holder[pod]}"' -n bash -c "echo 11 >&3"' "$(path $retries)"
state true
check "other keys, reads, and a pod's own value are not" test "$(seen)" -eq $((was + 1))
check "... but a file of the node's that was handed to a pod" last '.new == "11"'
check "... whose write counts" is $retries 11

# ---- the tool is gone, the program is not --------------------------------------------------------

count=$(others)
check "the same again keeps the counts" tune watch --detach p
put 12 $retries
state true
check "... and goes on" test "$(others)" -eq $((count + 1))
check "another profile" tune watch --detach q
check "... is what is watched" state '[.keys[].key] == ["net.ipv4.tcp_retries2", "net.ipv4.ip_forward"]'
check "... with the counts of what stays" test "$(others)" -eq $((count + 1))
put 0 net.ipv4.conf.wan.rp_filter
put 1 net.ipv4.ip_forward
check "... and not the other" eval 'last ".key == \"net.ipv4.ip_forward\"" && state "[.writes[].key] | index(\"net.ipv4.conf.wan.rp_filter\") != null"'
tune watch --detach p >/dev/null

tune watch >"$lib_work/follow" 2>&1 &
follower=$!
poll 5 in_n test -e /sys/fs/bpf/fairlead/tune_watch
sleep 0.3
put 13 $retries
check "it is printed as it happens" poll 5 grep -q "12 -> 13  by writer" "$lib_work/follow"
kill -INT "$(pgrep -P $follower -f 'tune watch' | tail -1)" 2>/dev/null || kill -INT $follower
wait $follower
check "... once" eval '[[ $(grep -c "by writer" $lib_work/follow) -eq 1 ]]'
check "... and goes on when nobody looks" eval 'grep -q "writes go on being counted" $lib_work/follow && put 14 $retries && last ".new == \"14\""'

tune watch --json >"$lib_work/follow" 2>/dev/null &
follower=$!
sleep 0.5
put 15 $retries
put 16 $retries
poll 5 grep -q '"new":"16"' "$lib_work/follow"
tune unwatch
wait $follower
check "as JSON it is a document a line, and only what is new" jq -es 'length == 2 and all(.[]; .schema == 1 and .by == "other") and
	.[0].old == "14" and .[0].new == "15" and .[1].new == "16"' "$lib_work/follow"
check "... and the end of the watch ends it" test ! -e "/proc/$follower"
tune watch -d p >/dev/null
put 14 $retries

# ---- which keys ----------------------------------------------------------------------------------

profile v net.ipv4.conf.lxc*.rp_filter 0 net.ipv6.conf.@ra.accept_ra 2
check_fails 0 "net.ipv6.conf.@ra.accept_ra: only '\*' and 'PREFIX\*'.*not watched" "a class of interfaces" tune watch -d v
check "... the rest is watched" state '[.keys[].key] == ["net.ipv4.conf.lxc*.rp_filter"]'
put 2 net.ipv4.conf.lxc1.rp_filter
put 2 net.ipv4.conf.wan.rp_filter
check "an interface that matches a pattern" last '.key == "net.ipv4.conf.lxc1.rp_filter" and .new == "2"'
in_n ip link add lxc2 type veth peer name eth0.5
put 2 net.ipv4.conf.lxc2.rp_filter
check "... also one that is new" last '.key == "net.ipv4.conf.lxc2.rp_filter"'
tune unwatch
was=$(get $retries)
tune apply p >/dev/null
check "without a profile, what is applied is watched" eval 'tune watch -d >/dev/null && state ".keys | length == 3"'
tune watch -de p >/dev/null
check "... but what is watched already stays as it is" eval 'tune watch -d >/dev/null && state ".enforce"'
tune revert >/dev/null
tune watch -d p >/dev/null
put 14 $retries
state true

# ---- metrics -------------------------------------------------------------------------------------

metrics() { node_exec n "$FAIRLEAD" metrics "$@"; }
count=$(jq ".keys[] | select(.key == \"$retries\") | .changed_by_other" "$lib_work/json")
file=/sys/fs/bpf/fairlead/metrics
in_n cat $file >"$lib_work/metrics"
check "what is counted stands in the metrics file" grep -Fxq \
	"fairlead_sysctl_changes_total{key=\"$retries\",by=\"other\"} $count" "$lib_work/metrics"
check "... which is metrics" "${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin/promtool" check metrics <"$lib_work/metrics"
check "... of all keys" eval '[[ $(grep -c ^fairlead_sysctl_refused_total "$lib_work/metrics") -eq 3 ]]'
check "... for root" eval '[[ $(in_n stat -c %a $file) == 400 ]]'
check "fairlead metrics has it" eval 'metrics show --json |
	jq -e ".families[] | select(.name == \"fairlead_sysctl_keys\").samples[0].value == 3" >/dev/null'
check "... for node_exporter" eval 'metrics --textfile $lib_work/prom && cmp $lib_work/prom $lib_work/metrics'
printf 'fairlead_x 1\n# EOF\n' | in_n bash -c 'cat >/tmp/m.'$$
check "... and not with another file" eval 'metrics show --file /tmp/m.$$ | grep -q x && ! metrics show --file /tmp/m.$$ | grep -q sysctl'
rm -f /tmp/m.$$

# With the mesh's in the same file, whoever comes first; each goes by itself.
accel() { in_n "$FAIRLEAD" accel "$1" metrics "${@:2}"; }
accel_on() { accel on -c "$lib_work/mesh.conf" -k "$lib_work/n.key"; }
in_file() { in_n grep -c "^fairlead_$1" $file; }
check "with the mesh's metrics" accel_on
check "... in the same file" eval '[[ $(in_file sysctl_refused_total) -eq 3 && $(in_file peer_info) -eq 1 ]]'
check "... which goes on" eval 'put 15 $retries && put 14 $retries && in_n grep -Fxq \
	"fairlead_sysctl_changes_total{key=\"$retries\",by=\"other\"} $((count + 2))" $file'
check "the mesh's go" accel off
check "... those of tune stay, and their counts" eval '[[ $(in_file peer_info) -eq 0 ]] && in_n grep -Fxq \
	"fairlead_sysctl_changes_total{key=\"$retries\",by=\"other\"} $((count + 2))" $file'
check "the mesh's come again, and tune's go" eval 'accel_on && tune unwatch >/dev/null'
check "... the mesh's stay" eval '[[ $(in_file sysctl_) -eq 0 && $(in_file peer_info) -eq 1 ]]'
check "... and tune's come back, from zero" eval 'tune watch -d p >/dev/null && put 15 $retries && put 14 $retries && in_n grep -Fxq \
	"fairlead_sysctl_changes_total{key=\"$retries\",by=\"other\"} 2" $file'
check "... until nothing is in it" eval 'accel off && tune unwatch >/dev/null && ! in_n test -e /sys/fs/bpf/fairlead'
tune watch -d p >/dev/null

# 512 keys, the most there can be, with long names: more than a buffer of the reader.
eval "profile many $(printf 'net.ipv4.conf.interface-n%03d.src_valid_mark 1 ' {1..509})"
check "as many keys as there can be" tune watch -d many
check "... are all there, once" eval 'in_n cat $file >"$lib_work/metrics" &&
	[[ $(grep "^fairlead_sysctl_changes_total{" "$lib_work/metrics" | sort -u | wc -l) -eq $((3 * $(sed -n "s/^fairlead_sysctl_keys //p" "$lib_work/metrics"))) &&
		$(grep -c "^fairlead_sysctl_changes_total{" "$lib_work/metrics") -gt 1500 ]]'
check "... and metrics" "${FAIRLEAD_CACHE:-/var/cache/fairlead}/bin/promtool" check metrics <"$lib_work/metrics"
tune watch -d p >/dev/null

# ---- enforce -------------------------------------------------------------------------------------

check "watch --enforce" tune watch -de --owner "/$group/kubelet.service,proxy@/$group/kubepods.slice,me" p
check_fails 1 "Operation not permitted" "a stranger is refused" put 20 $retries
check "... the value stays" is $retries 14
check "... and it is recorded" last '.result == "refused" and .new == "20" and .by == "other"'
check "what changes nothing is let through" put 14 $retries
check "an owner by his group may" put 21 $retries kubelet.service
check "... and is told apart" last '.by == "owner" and .result == "changed"'
check "... also from below it" put 22 $retries kubelet.service/inner
check_fails 1 "not permitted" "a pod may not" put 23 $retries "$kubepods"
mv "$lib_work/writer" "$lib_work/proxy"
ln -s "$lib_work/proxy" "$lib_work/writer" # the name is that of the link
cp --remove-destination "$lib_work/proxy" "$lib_work/me"
as() { local name=$1; shift; in_group "$1" "$lib_work/$name" -c "echo $2 >$(path $retries)"; }
check "an owner by name and group may" as proxy "$kubepods" 24
check_fails 1 "not permitted" "... but not elsewhere" in_n "$lib_work/proxy" -c "echo 25 >$(path $retries)"
check "an owner by name may anywhere" in_n "$lib_work/me" -c "echo 26 >$(path $retries)"
check "fairlead itself may" tune apply p
check "... and did" is $retries 8
check "... and is told apart" state ".writes[] | select(.by == \"fairlead\" and .new == \"8\")"
check "... and may revert" tune revert
check "... to what was there" is $retries 26
check "other keys are free" put 6 net.ipv4.tcp_keepalive_probes
check "a pod's own value is its own" nsenter -t "${lib_holder[pod]}" -n bash -c "echo 4 >$(path $retries)"
check "status says who may" eval 'tune watch --status | head -1 | grep -q "refused but from fairlead and /$group/kubelet.service,proxy@"'
check "the end of it" tune watch -d p
check "... lets everybody write" put 27 $retries
link=$(in_n bpftool link show pinned /sys/fs/bpf/fairlead/tune_watch -j | jq .id)
check "unwatch" tune unwatch
check "... leaves nothing" in_n test ! -e /sys/fs/bpf/fairlead
no_link() { ! bpftool link show id "$link"; }
check "... and detaches the program" poll 5 no_link

# ---- another version ----------------------------------------------------------------------------

tune watch -de p >/dev/null
in_n rm /sys/fs/bpf/fairlead/maps/sysctl_events
check_fails 1 "of another version of fairlead; .*replaces it.*ends it" "status of what another version left" tune watch --status
check_fails 1 "not permitted" "... which goes on refusing" put 20 $retries
check "... but not fairlead" eval 'tune apply p >/dev/null && tune revert >/dev/null'
check_fails 0 "of another version; replacing it, counters start from zero" "watch replaces it" tune watch -d p
check "... with counters from zero" counts $retries 0 0 0 0 0
check "... and nobody is refused" put 27 $retries
tune unwatch

# ---- many writes ---------------------------------------------------------------------------------

tune watch -d p >/dev/null
# shellcheck disable=SC2016	# for the inner shell
in_n bash -c 'for ((i = 1; i <= 300; i++)); do echo $((i % 2 + 8)) >'"$(path $retries)"'; done'
check "the last 256 are kept" state '(.writes | length) == 256 and .writes[0].number == 44 and .writes[-1].number == 299'
check "... and all are counted" counts $retries 0 0 300 0 0
tune unwatch

done_testing
