#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
#
# What a reviewer would run, and what the build promises.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"

for what in format sparse tidy shell man; do
	check "make check-$what" make -s -j "$(nproc)" -C "$TOP" "check-$what"
done

# The build: nothing to do twice; a header rebuilds what includes it and nothing else.
rebuilt() { make -n -C "$TOP" tools bpf | grep -cE '^ *printf .* (CC|BPF|SKEL) '; }
make -s -C "$TOP" tools bpf
check "a second make has nothing to do" test "$(rebuilt)" -eq 0
users=$(grep -lE 'accel/accel\.h' "$BUILD"/tools/*/*.d | wc -l)
touch_header() { make -n -W tools/accel/accel.h -C "$TOP" tools | grep -cE "^ *printf .* CC "; }
check "touching accel.h rebuilds its $users users and nothing else" \
	test "$users" -gt 0 -a "$(touch_header)" -eq "$users"
check_fails 2 "is not a kernel build directory.*KDIR=" "make module with a wrong KDIR says so" \
	make -s -C "$TOP" module KDIR=/nonexistent
# A kernel that compiles nothing will do to see from where it would.
kdir=$lib_work/kernel copied=$lib_work/copied
mkdir -p "$kdir/include/generated" "$copied/module/0/uapi"
echo '#define UTS_RELEASE "0"' >"$kdir/include/generated/utsrelease.h"
echo 'modules: ;' >"$kdir/Makefile"
echo elsewhere >"$lib_work/main.c"
ln -s "$lib_work/main.c" "$copied/module/0/main.c"
make -s -C "$TOP" module KDIR="$kdir" BUILD="$copied"
check "a build folder that another tree left compiles this one" test "$copied/module/0/main.c" -ef "$TOP/module/main.c"
check "make install puts everything below DESTDIR" \
	make -s -C "$TOP" install DESTDIR="$lib_work/root" PREFIX=/usr
check "the installed tool is there" test -x "$lib_work/root/usr/sbin/fairlead"
check "the installed data is there" test -s "$lib_work/root/usr/share/fairlead/profiles/kubernetes.conf"
check "the units are there, and find the tool" \
	grep -qx "ExecStart=/usr/sbin/fairlead metrics .*" "$lib_work/root/usr/lib/systemd/system/fairlead-metrics.service"
check "nothing outside DESTDIR: only usr and lib" \
	test "$(ls "$lib_work/root" | sort | tr '\n' ' ')" = "lib usr "
check "make help lists both commands" bash -c "make -s -C '$TOP' help | grep -c '^make demo \|^make test ' | grep -qx 2"
stray=$(git -C "$TOP" ls-files | cut -d/ -f1 | sort -u | grep -vxE \
	'Makefile|README.md|COPYING|module|tools|bpf|sysctl|selftests|scripts|docs|\..*')
check "nothing else stands at the top of the tree" test -z "$stray"
unlicensed=$(git -C "$TOP" ls-files | grep -E '\.(c|h|sh|1|5|8)$|Makefile|Kbuild|^scripts/|^\.ci/' |
	while read -r f; do head -n 3 "$TOP/$f" | grep -q SPDX-License-Identifier || echo "$f"; done)
check "every source file has its SPDX line: ${unlicensed:-yes}" test -z "$unlicensed"
done_testing
