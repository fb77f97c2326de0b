#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# guest: starts
# timeout: 900
# The lab itself: scripts/vm. Every run boots a guest, so each is used for several things.

# shellcheck disable=SC2317	# check and poll call the functions
. "$TOP/selftests/lib.sh"

command -v qemu-system-x86_64 >/dev/null || skip_all "no qemu-system-x86_64"

vm=$TOP/scripts/vm
# What a skip means depends on it, and here it is said where it is wanted.
unset CI
unset BUILD FAIRLEAD
# Whatever the lab leaves behind is found here; and a qemu of ours has it in its arguments.
export TMPDIR=$lib_work/tmp
mkdir "$TMPDIR"
series=(6.1 6.12)

gone() { ! pgrep -f -- "$TMPDIR" >/dev/null; }
leaves_nothing() { poll 5 gone && [[ ! $(ls -A "$TMPDIR") ]]; }
stdout_is() { diff <(printf '%s\n' "$@") "$lib_work/stdout"; }

# output_has REGEX...: each matches a line of stdout.
output_has()
{
	local regex

	for regex; do
		grep -Eq -e "$regex" "$lib_work/stdout" && continue
		echo "no line matches /$regex/:"
		cat "$lib_work/stdout"
		return 1
	done
}

# --- wrong usage: said before anything is started

check_fails 2 "vm: no command given" "no command" "$vm"
check_fails 2 "vm: unknown option '--krenel'" "unknown option" "$vm" --krenel 6.1 -- true
check_fails 2 "vm: --kernel needs a value" "option without its value" "$vm" --kernel
check_fails 2 "'six' is no kernel series" "series that is none" "$vm" --kernel six -- true
check_fails 2 "vm: --smp needs a positive number, not '0'" "zero CPUs" "$vm" --smp 0 -- true
check_fails 2 "vm: --timeout needs a positive number, not '1h'" "time limit that is no number" \
	"$vm" --timeout 1h -- true
check_fails 2 "vm: --env needs NAME=VALUE, not 'X'" "variable without value" "$vm" --env X -- true
check_fails 2 "vm: --kvm is auto or no, not 'yes'" "unknown KVM mode" "$vm" --kvm yes -- true
check_fails 2 "vm: --icount has exactly one CPU" "icount with two CPUs" "$vm" --icount --smp 2 -- true
check_fails 2 "vm: --shell needs a terminal" "shell without a terminal" "$vm" --shell
check_fails 125 "vm: no such module: /nowhere/x.ko" "module that is not there" \
	"$vm" --module /nowhere/x.ko -- true
check_fails 125 "vm: --share: no such directory: /nowhere" "directory that is not there" \
	"$vm" --share /nowhere -- true
check "--help explains the exit status" grep -q '99  the kernel complained' <("$vm" --help)

# --- what is a complaint of the kernel

complaint() { printf '[    1.234567] %s\r\n' "$1" | awk -f "$TOP/scripts/vm.d/complaints.awk" | grep -Fqx "KERNEL LOG: $1"; }
for line in "WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 f+0x1/0x2" "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2" \
	"BUG kmalloc-64 (Tainted: G           O      ): Right Redzone overwritten" \
	"BUG: sleeping function called from invalid context at mm/slab.h:1" "[ BUG: Invalid wait context ]" \
	"WARNING: possible circular locking dependency detected" "WARNING: suspicious RCU usage" \
	"Oops: 0002 [#1] PREEMPT SMP" "UBSAN: shift-out-of-bounds in f.c:1:2" "kernel BUG at mm/slub.c:1!" \
	"INFO: task ip:1 blocked for more than 120 seconds." "rcu: INFO: rcu_sched self-detected stall on CPU" \
	"unregister_netdevice: waiting for eth0 to become free. Usage count = 2" "refcount_t: underflow; use-after-free." \
	"general protection fault, probably for non-canonical address 0x1" "kmemleak: 3 new suspected memory leaks" \
	"Kernel panic - not syncing: Fatal exception"; do
	check "a complaint: ${line:0:40}" complaint "$line"
done
talk() { ! printf '[    1.234567] %s\n' "$@" | awk -f "$TOP/scripts/vm.d/complaints.awk" | grep .; }
check "talk is none" talk "random: crng init done" "systemd[1]: WARNING is a word" "INFO: NMI handler took too long" \
	"Spectre V2 : WARNING: none" "debug: BUGS are none" "[ INFO ] fine"

# --- a module that misbehaves on request, for each kernel

mkdir "$lib_work/naughty"
echo 'obj-m := naughty.o' >"$lib_work/naughty/Kbuild"
cat >"$lib_work/naughty/naughty.c" <<'END'
#include <linux/module.h>
static char *how = "warn";
module_param(how, charp, 0);
static int __init naughty_init(void)
{
	WARN(!strcmp(how, "warn"), "on purpose\n");
	if (!strcmp(how, "panic"))
		panic("on purpose");
	return 0;
}
module_init(naughty_init);
MODULE_DESCRIPTION("misbehaves on request");
MODULE_LICENSE("GPL");
END
for k in "${series[@]}"; do
	"$TOP/scripts/kernel" fetch "$k" || skip_all "cannot fetch kernel $k"
	mkdir "$lib_work/naughty-$k"
	cp "$lib_work"/naughty/* "$lib_work/naughty-$k/"
	check "$k: a module builds" \
		make -C "$("$TOP/scripts/kernel" kdir "$k")" M="$lib_work/naughty-$k" W=1 modules
	check "$k: without a warning" test "$(grep -ciE 'warning|error' "$lib_work/check")" -eq 0
done

# --- the time limit

# The first guest also says that it tries KVM, which later ones do not.
# Less than it takes to boot: the limit holds for that, too.
check_fails 124 "vm: the time is up: ended after 2 seconds" "the time limit" \
	"$vm" --kernel 6.1 --timeout 2 -- sleep 1000
check "with the end of the kernel's log" grep -q "^The end of the kernel's log:" "$lib_work/stderr"
check "nothing is left of it" leaves_nothing

# --- a guest does what a program here would

tag=fairlead-vm-test-$$
mkdir "$lib_work/a dir" "$lib_work/build"
echo from-the-host >"$lib_work/a dir/file"
head -c 1000000 /dev/urandom >"$lib_work/build/blob"
# shellcheck disable=SC2016	# for the guest
printf '%s\n' 'uname -r; nproc; cat file; echo "$X"; cat "$BUILD/blob" >&2' \
	'echo changed >file && rm "$BUILD/blob" && touch /etc/$TAG /tmp/$TAG /var/$TAG && echo written' \
	'stat -fc %T /sys/fs/bpf /sys/fs/cgroup /sys/kernel/tracing /tmp /run | tr "\n" " "; echo' \
	'cat /sys/class/net/lo/flags; [[ -t 0 || -t 1 || -t 2 ]] && echo terminal; readlink /proc/self/fd/0' \
	'modprobe wireguard && ip link add wg0 type wireguard && echo wireguard' \
	'mount -o remount,rw /host 2>/dev/null; echo x >/proc/1/root/etc/$TAG; sleep 1000 &' \
	'exit 7' >"$lib_work/build/program"
guest()
{
	cd "$lib_work/a dir" && BUILD=$lib_work/build "$vm" --kernel 6.1 --timeout 300 --env "X=a  \$b 'c" \
		--env TAG=$tag --dmesg "$lib_work/dmesg" -- bash "$lib_work/build/program"
}
untouched()
{
	[[ $(<"$lib_work/a dir/file") == from-the-host ]] && ! ls -d /{etc,tmp,var}/"$tag" 2>/dev/null
}
guest >"$lib_work/stdout" 2>"$lib_work/stderr"
status=$?
check "the status of the command comes through" test "$status" -eq 7
check "stdout comes through, and what it says is right" stdout_is \
	"$("$TOP/scripts/kernel" release 6.1)" 2 from-the-host "a  \$b 'c" written \
	"bpf_fs cgroup2fs tracefs tmpfs tmpfs " 0x9 /dev/null wireguard
check "stderr comes through, apart from it and to the byte" \
	cmp "$lib_work/build/blob" "$lib_work/stderr"
check "the host's files are as they were" untouched
check "--dmesg holds the kernel's log" grep -q 'Linux version 6\.1\.' "$lib_work/dmesg"
check "the random generator was ready at once" grep -Eq '^\[    [0-2]\..*crng init done' "$lib_work/dmesg"
check "nothing is left of it" leaves_nothing

check_fails 127 "nosuchcommand: not found" "a command that is not there" \
	"$vm" --kernel 6.12 --timeout 300 -- nosuchcommand

# --- a kernel that complains

# shellcheck disable=SC2016	# for the guest
check_fails 99 '^KERNEL LOG \(some test\): WARNING: .*naughty_init' "a WARN fails what succeeded" \
	"$vm" --kernel 6.12 --timeout 300 --module "$lib_work/naughty-6.12/naughty.ko" -- \
	bash -c 'echo "lab: begin some test" >/dev/kmsg; modprobe naughty && modinfo -n naughty'
check "a module that was given is where modprobe looks" \
	stdout_is "/lib/modules/$("$TOP/scripts/kernel" release 6.12)/updates/naughty.ko"
check_fails 125 "naughty.ko is built for 6\.12.*, and kernel 6\.1 is 6\.1\." "a module of another kernel" \
	"$vm" --kernel 6.1 --module "$lib_work/naughty-6.12/naughty.ko" -- true

# --- ends that are no ends

"$vm" --kernel 6.1 -- bash -c 'echo up; sleep 1000' >"$lib_work/stdout" 2>"$lib_work/stderr" &
pid=$!
check "output is streamed" poll 240 grep -qx up "$lib_work/stdout" ||
	tail -n 20 "$TMPDIR"/fairlead-vm.*/console
kill -TERM "$pid"
check "it ends when told to" poll 5 gone
wait "$pid"
check "and says so" test $? -eq 143
check "nothing is left of it" leaves_nothing

"$vm" --kernel 6.1 -- sleep 1000 >"$lib_work/stdout" 2>"$lib_work/stderr" &
pid=$!
check "a guest is started" poll 300 pgrep -f -- "$TMPDIR"
{ kill -KILL "$pid" && wait "$pid"; } 2>/dev/null
check "its qemu dies with it even when it is killed by force" poll 5 gone
rm -rf "${TMPDIR:?}"/*

# --- the queue: whoever came first is first, and one that gives up leaves it

exec 5>"${FAIRLEAD_CACHE:-/var/cache/fairlead}/vm-queue"
flock 5
# start_queued: a guest, which does not hold our lock, too.
start_queued()
{
	"$vm" --kernel 6.1 -- true >"$lib_work/stdout" 2>"$lib_work/stderr" 5>&- &
	pid=$!
}
queued() { pgrep -P "$pid" -x flock; }
start_queued
check "a guest queues behind another that is looking for its turn" poll 60 queued
kill -TERM "$pid"
check "told to end, it leaves the queue" poll 5 gone
wait "$pid"
check "and says so" test $? -eq 143
start_queued
poll 60 queued
exec 5>&-
check "when the other is gone, it has its turn" wait "$pid"
check "nothing is left of it" leaves_nothing

# --- tests in a guest: a WARN, then a panic

mkdir "$lib_work/tests"
cp "$lib_work/naughty-6.1/naughty.ko" "$lib_work/tests/"
echo 'echo 1..1; echo ok 1 - fine' >"$lib_work/tests/fine.sh"
echo "insmod $lib_work/tests/naughty.ko && echo ok 1 - warned; echo 1..1" >"$lib_work/tests/warns.sh"
echo "insmod $lib_work/tests/naughty.ko how=panic" >"$lib_work/tests/worse.sh"
cp "$lib_work/tests/fine.sh" "$lib_work/tests/z-never.sh"
rm "$lib_work/stdout"

"$TOP/selftests/run" --no-module --vm 6.1 "$lib_work"/tests/{fine,warns}.sh >"$lib_work/stdout" 2>&1
check "the runner fails when the kernel complained" test $? -eq 1
check "and names the test" output_has '^ok   6.1 tests/fine +1 passed ' '^ok   6.1 tests/warns +1 passed ' \
	'^FAIL 6.1 tests/warns +the kernel complained: WARNING: ' '^2 passed, 1 failed$'

"$TOP/selftests/run" --no-module --vm 6.1 "$lib_work"/tests/{fine,worse,z-never}.sh >"$lib_work/stdout" 2>&1
check "the runner fails when the guest dies" test $? -eq 1
check "and tells the test at hand from those that did not run" output_has \
	'^ok   6.1 tests/fine ' '^FAIL 6.1 tests/worse ' '^     ! the guest died or hung' \
	'^FAIL 6.1 tests/z-never +not run$' '^1 passed, 3 failed$'
check "nothing is left of them" leaves_nothing

# What differs by kernel: a failure in the second guest, a skip in the first.
cat >"$lib_work/tests/both.sh" <<'END'
echo 1..2; echo ok 1 - fine
if [[ $(uname -r) == 6.12* ]]; then echo not ok 2 - bad; else echo "ok 2 - good # SKIP no moon"; fi
END
"$TOP/selftests/run" --no-module --vm 6.1 --vm 6.12 "$lib_work/tests/both.sh" >"$lib_work/stdout" 2>&1
check "two kernels: it fails when one of them does" test $? -eq 1
check "and counts both" output_has '^ok   6.1 tests/both +1 passed, 1 skipped ' \
	'^FAIL 6.12 tests/both +1 passed, 1 failed ' '^ +not ok 2 - bad' '^skip 6.1 tests/both: good: no moon$' \
	'^2 passed, 1 failed, 1 skipped$'
# Scripts that want a guest of their own find nothing of the others.
printf '%s\n' '# guest: own' 'echo 1..1; [[ ! -e /run/was-here ]] && echo ok 1 - alone' >"$lib_work/tests/alone.sh"
echo 'touch /run/was-here; echo 1..1; echo ok 1 - here' >"$lib_work/tests/a-first.sh"
"$TOP/selftests/run" --no-module --vm 6.1 "$lib_work"/tests/{a-first,alone}.sh >"$lib_work/stdout" 2>&1
check "a guest of its own" output_has '^ok   6.1 tests/alone ' '^2 passed, 0 failed$'

# Somebody else's guest may have one of the two places for a while: they stay until they are seen together.
echo 'echo 1..1; sleep 600; echo ok 1 - stayed' >"$lib_work/tests/stays.sh"
"$TOP/selftests/run" --no-module --vm 6.1 --vm 6.12 "$lib_work/tests/stays.sh" >"$lib_work/stdout" 2>&1 &
pid=$!
two_guests() { [[ $(pgrep -fc -- "^qemu-system.*$TMPDIR") -eq 2 ]]; }
check "two guests are started" poll 300 two_guests
kill "$pid"
wait "$pid" 2>/dev/null
check "both end when the runner is ended" poll 10 leaves_nothing

done_testing
