#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 60
#
# fairlead tune render: what it writes below a root, and that it writes nowhere else. Whether a boot makes
# of it what apply does is tested in vm/tune_render.sh.

. "$TOP/selftests/lib.sh"

data=$lib_work/data root=$lib_work/root
mkdir "$data" "$root"
cp -r "$TOP/sysctl/." "$data/"
conf=usr/lib/sysctl.d/90-fairlead.conf modules=usr/lib/modules-load.d/fairlead.conf rules=usr/lib/udev/rules.d/90-fairlead.rules
facts=cpus=4,ram=8589934592

tune() { FAIRLEAD_DATADIR=$data "$FAIRLEAD" tune "$@"; }
render() { tune render --root "$root" --fact "$facts" "$@"; }
states() { [[ $(render --json "${@:2}" | jq -r '[.files[].state] | join(" ")') == "$1" ]]; }
empty() { [[ -z $(find "$1" -mindepth 1) ]]; }

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

# ---- refusals ------------------------------------------------------------------------------------

check_fails 2 "say --root DIR" "no root" tune render kubernetes
check_fails 2 "say --root DIR" "an empty root" tune render --root '' kubernetes
check_fails 1 "--root: $lib_work/none: No such file.*name the folder" "a root that is not there" tune render --root "$lib_work/none" kubernetes
: >"$lib_work/file"
check_fails 1 "--root: $lib_work/file: Not a directory" "a root that is a file" tune render --root "$lib_work/file" kubernetes
check_fails 2 "wants PROFILE" "no profile" tune render --root "$root"
check_fails 2 "takes no PROFILE" "--remove with a profile" tune render --remove --root "$root" kubernetes
check_fails 1 "no profile 'nope'" "an unknown profile" render nope
check_fails 2 "unknown fact" "an unknown fact" tune render --root "$root" --fact gpus=1 kubernetes
mkdir "$root/usr"
: >"$root/usr/lib"
check_fails 1 "$root/$conf: cannot make its folder: Not a directory" "a file where a folder has to be" render kubernetes
rm -r "${root:?}/usr"
check "none of that has written anything" empty "$root"
mkdir -p "$root/${rules%/*}"
echo '# mine' >"$root/$rules"
check_fails 1 "$root/$rules: was not made by .*nothing is changed" "somebody else's file" render kubernetes
check "... is untouched, and nothing else is there" eval '[[ $(find "$root" -type f) == "$root/$rules" && $(<"$root/$rules") == "# mine" ]]'
ln -sf "$lib_work/file" "$root/$rules"
check_fails 1 "was not made by" "a link to a file" render kubernetes
check "... which is untouched" eval '[[ -L $root/$rules && ! -s $lib_work/file ]]'
check_fails 1 "was not made by" "remove leaves them alone, too" tune render --remove --root "$root"
rm -r "${root:?}/usr"
if [[ $(id -u) -eq 0 ]]; then
	mkdir "$lib_work/ro"
	mount -t tmpfs -o ro none "$lib_work/ro" && at_exit umount "$lib_work/ro"
	check_fails 1 "cannot make its folder: Read-only file system" "a root that is read-only" tune render --root "$lib_work/ro" kubernetes
fi

# ---- what it writes ------------------------------------------------------------------------------

check "render" states "new new new" kubernetes
check "every key of the profile is there, once" diff \
	<(tune list --json | jq '.profiles[] | select(.profile == "kubernetes").keys') <(grep -c ' = ' "$root/$conf")
cpus() { grep -x -e "-\?net.netfilter.nf_conntrack_max = $1" "$root/$conf"; }
check "values are of the facts" cpus 131072
was=$(stat -c '%i %Y' "$root/$conf" "$root/$modules" "$root/$rules")
check "again" states "unchanged unchanged unchanged" kubernetes
check "... writes nothing" test "$was" = "$(stat -c '%i %Y' "$root/$conf" "$root/$modules" "$root/$rules")"
facts=cpus=16,ram=68719476736
check "other facts replace what differs" states "replaced unchanged unchanged" kubernetes
check "... with their values" cpus 524288
check "modules are loaded at boot" eval '[[ $(grep -v "^#" "$root/$modules" | sort | xargs) == "br_netfilter nf_conntrack" ]]'
check "modes are those of a package" eval '[[ $(stat -c %a "$root/$conf" "$root/usr") == $'"'644\n755'"' ]]'
check "nothing else is there" eval '[[ $(find "$root" -type f | wc -l) -eq 3 ]]'

profile p net.ipv4.tcp_retries2 '= 8' net.ipv4.conf.eth0/100.rp_filter '= 1' net.ipv4.tcp_keepalive_time '>= 1'
check "another profile" states "replaced replaced replaced" p
check "... is all that is there" eval '[[ $(grep -c " = " "$root/$conf") -eq 3 ]]'
check "an interface with a dot is written as sysctl.d wants it" grep -qx 'net.ipv4.conf.eth0/100.rp_filter = 1' "$root/$conf"
check "each has its reason" eval '[[ $(grep -c "^# a test" "$root/$conf") -eq 3 ]]'
check "for another machine, 'at least' is the value" grep -qx 'net.ipv4.tcp_keepalive_time = 1' "$root/$conf"
tune render --root "$root" p >/dev/null
check "... and for this one what is there is not lowered" grep -qx "net.ipv4.tcp_keepalive_time = $(</proc/sys/net/ipv4/tcp_keepalive_time)" "$root/$conf"
check "remove" tune render --remove --root "$root"
check "... leaves no file" eval '[[ -z $(find "$root" -type f) ]]'
check "... and nothing to do for the next" eval '[[ $(tune render --remove --root "$root" --json | jq -r "[.files[].state] | unique[]") == absent ]]'
rm -r "${root:?}/usr"
check "remove makes no folders" eval 'tune render --remove --root "$root" >/dev/null && empty "$root"'

# ---- who speaks after us -------------------------------------------------------------------------

check "no other file, no warning" eval '[[ -z $(render kubernetes 2>&1 >/dev/null) ]]'
mkdir -p "$root/etc/sysctl.d"
printf '# of the distribution\nkernel.panic = 0\nvm.max_map_count=1048576\nnet/ipv4/tcp_retries2 = 8\n' >"$root/usr/lib/sysctl.d/99-vendor.conf"
printf 'kernel.panic = 5\n' >"$root/usr/lib/sysctl.d/50-default.conf"
check_fails 0 "$root/usr/lib/sysctl.d/99-vendor.conf:2: sets kernel.panic = 0 after us \(10\)" "a later file that says otherwise" render kubernetes
check "... is all that is warned of" test "$(wc -l <"$lib_work/stderr")" -eq 1
: >"$root/etc/sysctl.d/99-vendor.conf"
check "... unless it is hidden" eval '[[ -z $(render kubernetes 2>&1 >/dev/null) ]]'
ln -s /dev/null "$root/etc/sysctl.d/90-fairlead.conf"
check_fails 0 "etc/sysctl.d/90-fairlead.conf: hides what is rendered" "a file that hides ours" render kubernetes
tune render --remove --root "$root" >/dev/null
rm -r "${root:?}/etc" "${root:?}/usr"

# ---- an image's links lead nowhere else ----------------------------------------------------------

mkdir -p "$root/vendor" "$lib_work/outside"
ln -s /vendor "$root/usr"
check "an absolute link is one within the root" states "new new new" kubernetes
check "... and so are the files" test -f "$root/vendor/lib/sysctl.d/90-fairlead.conf"
rm -r "$root/vendor" "${root:?}/usr"
mkdir -p "$root/usr/lib"
ln -s "../../../../../../../../..$lib_work/outside" "$root/usr/lib/sysctl.d"
mkdir -p "$root$lib_work/outside"
check "one that climbs out is one within the root" states "new new new" kubernetes
check "... and nothing is written outside" empty "$lib_work/outside"

done_testing
