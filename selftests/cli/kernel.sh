#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# scripts/kernel and scripts/setup: what they refuse, and that a half download is none.

# shellcheck disable=SC2317	# check and poll call the functions
. "$TOP/selftests/lib.sh"

kernel=$TOP/scripts/kernel
"$kernel" fetch 6.1 || skip_all "cannot fetch kernel 6.1"

check_fails 2 "kernel: what to do\?" "no command" "$kernel"
check_fails 2 "kernel: unknown command 'fetsch'" "unknown command" "$kernel" fetsch 6.1
check_fails 2 "kernel: fetch takes one kernel series, such as 6.1" "no series" "$kernel" fetch
check_fails 2 "kernel: kdir takes one kernel series" "two series" "$kernel" kdir 6.1 6.12
check_fails 2 "kernel: 'latest' is no kernel series" "series that is none" "$kernel" fetch latest
check_fails 2 "kernel: '../x' is no kernel series" "series that leaves the cache" "$kernel" kdir ../x
check_fails 1 "kernel: kernel 9.9 is not here: run 'scripts/kernel fetch 9.9'" "series not fetched" \
	"$kernel" kdir 9.9
check_fails 1 "kernel: FAIRLEAD_CACHE must be an absolute path, not 'x'" "relative cache" \
	env FAIRLEAD_CACHE=x "$kernel" list

check "fetch says nothing when the kernel is there" test -z "$("$kernel" fetch 6.1 2>&1)"
release=$("$kernel" release 6.1)
check "kdir is of the release" grep -Fqx "#define UTS_RELEASE \"$release\"" \
	"$("$kernel" kdir 6.1)/include/generated/utsrelease.h"
check "modules are of the release" test "$("$kernel" modules 6.1 | sed 's,.*/,,')" == "$release"
check "modprobe finds them there" modprobe -d "$("$kernel" modules 6.1 | sed 's,/lib/modules/.*,,')" \
	-S "$release" --show-depends wireguard
check "image is an ELF file, for a fast boot" cmp -n 4 "$("$kernel" image 6.1)" <(printf '\177ELF')
check "list names it" grep -Eq "^6\.1 +$release " <("$kernel" list)
check "headers name nothing that is not there" test -e "$(sed -n 's/^include //p' "$("$kernel" kdir 6.1)/Makefile")"

# --- downloads that break

# An apt-get whose downloads end in the middle; everything else is the real one.
mkdir "$lib_work/bin"
cat >"$lib_work/bin/apt-get" <<'END'
#!/bin/bash
for arg; do
	[[ $arg != download ]] || { head -c 5000 /dev/zero >linux-image.deb; exit $DOWNLOAD_STATUS; }
done
exec /usr/bin/apt-get "$@"
END
chmod +x "$lib_work/bin/apt-get"
broken() { env PATH="$lib_work/bin:$PATH" FAIRLEAD_CACHE="$lib_work/cache" DOWNLOAD_STATUS="$1" "$kernel" fetch 6.1; }
empty() { [[ ! $(ls "$lib_work/cache/kernels") && ! $(ls -d "$lib_work"/cache/kernels/.tmp* 2>/dev/null) ]]; }

if apt-cache pkgnames linux-image-6.1 | grep -q .; then
	check_fails 1 "kernel: download failed" "a download that fails" broken 100
	check "leaves nothing" empty
	check_fails 1 "kernel: cannot unpack linux-image.deb" "a package that is cut short" broken 0
	check "leaves nothing" empty
	check_fails 1 "kernel: kernel 6.1 is not here" "and is not taken for a kernel" \
		env FAIRLEAD_CACHE="$lib_work/cache" "$kernel" release 6.1
else
	skip "downloads that break" "no package lists; run apt-get update"
fi
touch "$lib_work/file"
check_fails 1 "kernel: cannot write to .*/file/kernels: run as root, or set FAIRLEAD_CACHE" \
	"a cache that cannot be written" env FAIRLEAD_CACHE="$lib_work/file" "$kernel" fetch 6.1

# --- setup

check_fails 2 "setup: unknown argument '--fast'" "setup: wrong usage" "$TOP/scripts/setup" --fast
# The tree may lie where only root can look.
setup=$(<"$TOP/scripts/setup")
check_fails 1 "setup: only root can install them: run 'sudo scripts/setup'" "setup: not root" \
	setpriv --reuid 65534 env FAIRLEAD_CACHE="$lib_work/cache" bash -c "$setup"
check "and says what is missing" grep -q "^setup: missing: .*promtool" "$lib_work/stderr"

done_testing
