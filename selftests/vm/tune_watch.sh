#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 240
#
# fairlead tune watch on the lab's kernels: what depends on the kernel, and keys of the whole machine. The
# rest is in cli/tune_watch.sh.

. "$TOP/selftests/lib.sh"

[[ ${FAIRLEAD_LAB:-} ]] || skip_all "changes the whole machine; runs in the lab's VM only"

export FAIRLEAD_DATADIR=$lib_work/data
mkdir -p "$FAIRLEAD_DATADIR"/{catalog,profiles}
printf '[Key]\nName = %s\nDoes = a test\nType = int\nScope = node\nSource = a test\n\n' kernel.panic \
	kernel.msgmni fs.mqueue.msgsize_default user.max_time_namespaces net.ipv4.tcp_retries2 \
	>"$FAIRLEAD_DATADIR/catalog/test.conf"
{
	printf '[Profile]\nDescription = a test\n'
	printf '[Set]\nKey = %s\nValue = %s\nWhy = a test\n' kernel.panic 8 kernel.msgmni 8 fs.mqueue.msgsize_default 8192 \
		user.max_time_namespaces 8 net.ipv4.tcp_retries2 8
} >"$FAIRLEAD_DATADIR/profiles/m.conf"

root=/sys/fs/cgroup
uid=12345678-90ab-cdef-1234-567890abcdef
id=$(printf '%064d' 7)
kubepods=kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid//-/_}.slice/cri-containerd-$id.scope
mkdir -p $root/kubelet.service "$root/$kubepods" || exit

path() { echo "/proc/sys/$(tr . / <<<"$1")"; }
# put VALUE KEY [GROUP]; own NAMESPACE VALUE KEY: in a new one.
put() { bash -c "${3:+echo \$\$ >$root/$3/cgroup.procs;} echo $1 >$(path "$2")"; }
own() { unshare "$1" bash -c "echo $2 >$(path "$3")"; }
state() { "$FAIRLEAD" tune watch --status --json >"$lib_work/json" && jq -e "$1" "$lib_work/json" >/dev/null || { cat "$lib_work/json"; return 1; }; }

bpftool prog loadall "$BUILD/bpf/sysctl.bpf.o" /sys/fs/bpf/other
attach_type=sysctl
bpftool cgroup attach $root $attach_type pinned /sys/fs/bpf/other/fl_sysctl_write 2>/dev/null || {
	attach_type=cgroup_sysctl # what newer ones call it
	bpftool cgroup attach $root $attach_type pinned /sys/fs/bpf/other/fl_sysctl_write
}
check_fails 1 "another program has the root of the control groups for itself; .bpftool cgroup tree" \
	"somebody else's program that shares with nobody" "$FAIRLEAD" tune watch -d m
check "... leaves nothing behind" test ! -e /sys/fs/bpf/fairlead
bpftool cgroup detach $root $attach_type pinned /sys/fs/bpf/other/fl_sysctl_write
rm -r /sys/fs/bpf/other

check "watch" eval '"$FAIRLEAD" tune watch -d m >/dev/null'
was=$(</proc/sys/kernel/panic)
put 7 kernel.panic "$kubepods"
check "a write out of a pod, with the pod" state ".writes[-1] | .key == \"kernel.panic\" and .old == \"$was\" and .new == \"7\" and
	.result == \"changed\" and .by == \"other\" and .process == \"bash\" and .pod_uid == \"$uid\" and
	.container == \"$id\" and .cgroup == \"/$kubepods\" and .cgroup_id == $(stat -c %i "$root/$kubepods")"
check "watch --enforce" eval '"$FAIRLEAD" tune watch -de --owner /kubelet.service m >/dev/null'
mount -t mqueue none /mnt && at_exit umount /mnt
check "an IPC namespace's own value is its own" own -i 1000 kernel.msgmni
check "... also of message queues" own -i 4096 fs.mqueue.msgsize_default
check "a user namespace's own value is its own" own -Ur 7 user.max_time_namespaces
check "a network namespace's own value is its own" own -n 7 net.ipv4.tcp_retries2
check_fails 1 "not permitted" "the node's are refused: IPC" put 1000 kernel.msgmni
check_fails 1 "not permitted" "... message queues" put 4096 fs.mqueue.msgsize_default
check_fails 1 "not permitted" "... user" put 7 user.max_time_namespaces
check_fails 1 "not permitted" "... network" put 7 net.ipv4.tcp_retries2
check_fails 1 "not permitted" "... also from another namespace" own -n 8 kernel.panic
check "the owner may" put 9 kernel.panic kubelet.service
check "all of it is counted" state '([.keys[].refused] == [1, 1, 1, 1, 1]) and .keys[0].changed_by_owner == 1 and
	(.writes | length) == 7'
check "fairlead itself may" "$FAIRLEAD" tune apply m
check "... and did" grep -qx 8 /proc/sys/kernel/panic
check "unwatch" "$FAIRLEAD" tune unwatch
check "... and all may" put 10 kernel.panic
check "the program itself, on this kernel" "$BUILD/selftests/bpf/test_sysctl_guard"

done_testing
