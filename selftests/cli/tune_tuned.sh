#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 120
#
# fairlead tune beside TuneD, where they do the same job: the same keys applied and taken back leave a network
# namespace the same way, and what TuneD's profiles set is what the catalogue takes. TuneD runs out of its
# unpacked package, without D-Bus, in a node with an /etc, /run and /var/lib of its own; of /proc/sys only
# keys of the node's namespace can be written.

. "$TOP/selftests/lib.sh"

[[ $(id -u) -eq 0 ]] || skip_all "needs root"
tree=${FAIRLEAD_CACHE:-/var/cache/fairlead}/tuned
[[ -d $tree ]] || skip_all "TuneD is not unpacked: run scripts/setup"

data=$lib_work/data
mkdir "$data"
cp -r "$TOP/sysctl/." "$data/"
# A second node for the second half: once a key of one interface is written, it follows 'default' no more.
for node in n m; do
	node_add $node || exit
	node_exec $node bash -ec '
		for dir in vm kernel fs user; do
			mount --bind /proc/sys/$dir /proc/sys/$dir
			mount -o remount,ro,bind /proc/sys/$dir
		done
		cp -r "$0/etc/tuned" /etc/
		for profile in "$0"/usr/lib/tuned/*/tuned.conf; do cp -r "${profile%/*}" /etc/tuned/; done
		mkdir /etc/tuned/same
		ip link add eth0 type veth peer name wan' "$tree" || exit
done

node=n
in_n() { node_exec $node "$@"; }
tune() { in_n env "FAIRLEAD_DATADIR=$data" "$FAIRLEAD" tune "$@"; }
dump() { in_n grep -rs '' /proc/sys/net | grep -v -e conntrack_count -e nf_log; }

# tuned PROFILE: it starts, and leaves when everything is set ("daemon = 0"), or stays until SIGTERM and then
# takes it back. Its log is the standard error.
tuned()
{
	in_n sed -i "s/^daemon = .*/daemon = $1/" /etc/tuned/tuned-main.conf
	in_n env "PYTHONPATH=$tree/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -s \
		"$tree/usr/sbin/tuned" --no-dbus --no-socket --profile "$2" 2>"$lib_work/tuned.log"
}

# ---- what both set -------------------------------------------------------------------------------

# Every key of the shipped profiles that a namespace has for itself and this kernel knows, and some that are there for
# their form.
tune list --keys --json | jq -r '.keys[] | select(.scope == "netns-inherited" or .scope == "netns-reset").key' >"$lib_work/own"
mkdir "$lib_work/root"
tune render --root "$lib_work/root" --fact cpus=4,ram=8589934592 kubernetes throughput latency dense dual-stack hardening edge gpu mesh \
	>/dev/null 2>&1
awk 'function name(key) { if (!own[key]) sub(/\.conf\.[^.]*\./, ".conf.*.", key); return key }
	NR == FNR { own[$1] = 1; next }
	/^#/ { raise = / \(at least\)$/ ? "true" : "false" }
	/ = / { sub("^-", ""); key = $1; sub("^[^=]*= ", ""); if (own[name(key)]) print key "\t" $0 "\t" raise }' \
	"$lib_work/own" "$lib_work/root/usr/lib/sysctl.d/90-fairlead.conf" | while IFS=$'\t' read -r key value raise; do
		! in_n test -e "/proc/sys/${key//.//}" || printf '%s\t%s\t%s\n' "$key" "$value" "$raise"
	done >"$lib_work/wanted"
{
	printf 'net.ipv4.conf.wan.rp_filter\t2\tfalse\n'
	printf 'net.ipv4.tcp_max_tw_buckets\t1000\ttrue\n'	# below what is there
} >>"$lib_work/wanted"
# A later line for a key replaces the one before, as in both programs; TuneD has "at least" for single numbers only.
tac "$lib_work/wanted" | awk -F'\t' -v OFS='\t' '{ $3 = $3 == "true" && $2 ~ /^[0-9]+$/ } !seen[$1]++' | tac >"$lib_work/keys"
awk -F'\t' 'BEGIN { print "[Profile]\nDescription = a test" }
	{ print "[Set]\nKey = " $1 "\nValue " ($3 ? ">= " : "= ") $2 "\nWhy = a test" }' "$lib_work/keys" |
	sed -E '/^Value .*[0-9] [0-9]/s/([0-9]) ([0-9])/\1, \2/g' >"$data/profiles/same.conf"
awk -F'\t' 'BEGIN { print "[main]\nsummary=a test\n[sysctl]" } { print $1 "=" ($3 ? ">" : "") $2 }' "$lib_work/keys" |
	tee >(in_n tee /etc/tuned/same/tuned.conf >/dev/null) | node_exec m tee /etc/tuned/same/tuned.conf >/dev/null
keys=$(wc -l <"$lib_work/keys")
dump >"$lib_work/before"

check "apply" eval 'tune apply same >/dev/null'
dump >"$lib_work/applied"
changed=$(diff "$lib_work/before" "$lib_work/applied" | grep -c '^>')
check "revert" eval 'tune revert >/dev/null && dump | diff "$lib_work/before" -'
check "TuneD applies the same $keys keys" tuned 0 same
dump >"$lib_work/by-tuned"
if diff "$lib_work/applied" "$lib_work/by-tuned" >"$lib_work/diff" && [[ $keys -ge 35 && $changed -ge 25 ]]; then
	ok "... with the same result in the whole namespace, where $changed values are others"
else
	fail "... with the same result in the whole namespace, where $changed values are others" "$(<"$lib_work/diff")" "$(<"$lib_work/tuned.log")"
fi
check "verify has nothing to say against it" eval 'tune verify same >/dev/null'
check "... and apply nothing to do" eval '[[ $(tune apply same --json | jq .change) -eq 0 ]]'

# ---- and take back -------------------------------------------------------------------------------

node=m
dump >"$lib_work/before"
: >"$lib_work/tuned.log"
tuned 1 same &
pid=$!
check "TuneD stays" poll 30 grep -q "profile 'same' applied" "$lib_work/tuned.log"
dump >"$lib_work/by-tuned"
check "... with the same result" diff "$lib_work/applied" "$lib_work/by-tuned"
in_n bash -c 'kill -TERM "$(</run/tuned/tuned.pid)"' || kill $pid
wait $pid
# Only its own keys, and of them none that writing another resets, of which it knows nothing; and it takes back no
# empty value, as it writes nothing for it, which the kernel takes for nothing to do.
tune list --keys --json | jq -r '.keys[].resets[]' | sed 's/\./\\./g; s/\*/[^.]*/' >"$lib_work/resets"
echo net.ipv4.ip_local_reserved_ports >>"$lib_work/resets"
cut -f1 "$lib_work/keys" | grep -vxE -f "$lib_work/resets" | sed 's|\.|/|g; s|.*|/proc/sys/&:|' >"$lib_work/own"
check "TuneD takes back its keys, to what revert takes them back to" \
	diff <(dump | grep -Ff "$lib_work/own") <(grep -Ff "$lib_work/own" "$lib_work/before")

# ---- what its profiles set -----------------------------------------------------------------------

# As one more platform to compare with: an entry that the catalogue's type or range refuses is an error.
tune list --keys --json | jq -r '.keys[].key' | sort >"$lib_work/known"
mkdir -p "$data/others"
bad=() profiles=0 values=0
for file in "$tree"/usr/lib/tuned/*/tuned.conf; do
	name=$(basename "$(dirname "$file")")
	{
		printf '[Other]\nDescription = %s\nDate = 2026-01-01\nSource = the package tuned\n' "$name"
		sed -n '/^\[sysctl\]/,/^\[/s/^\([a-z][^= ]*\) *= *[<>]\?"\?\([^"]*\)"\?$/\1\t\2/p' "$file" | tr -s ' ' | sort -u -t $'\t' -k1,1 |
			grep -v '\$' | awk -F'\t' 'function name(key) { if (!known[key]) sub(/\.conf\.[^.]*\./, ".conf.*.", key); return key }
				NR == FNR { known[$1] = 1; next }
				known[name($1)] { print "[Value]\nKey = " $1 "\nValue = " $2 }' "$lib_work/known" -
	} >"$data/others/tuned.conf"
	n=$(grep -c '^Value = ' "$data/others/tuned.conf")
	[[ $n -gt 0 ]] || continue
	profiles=$((profiles + 1)) values=$((values + n))
	tune diff --against tuned >"$lib_work/out" 2>&1
	[[ $? -eq 3 || $? -eq 0 ]] || bad+=("$name: $(<"$lib_work/out")")
	grep -q '^fairlead: ' "$lib_work/out" && bad+=("$name: $(<"$lib_work/out")")
	[[ $name != openshift* ]] || cp "$data/others/tuned.conf" "$lib_work/$name"
done
if [[ ${#bad[@]} -eq 0 && $profiles -ge 10 && $values -ge 100 ]]; then
	ok "the catalogue takes all $values values of known keys in $profiles of TuneD's profiles"
else
	fail "the catalogue takes all $values values of known keys in $profiles of TuneD's profiles" "${bad[@]}"
fi
# What `tune diff --against openshift` says, but for the one that another section of theirs sets.
pairs() { awk '/^Key = / { k = $3 } /^Value = / { sub("^Value = ", ""); print k, $0 }' "$@" | sort; }
check "what we say of OpenShift is in TuneD's profiles" eval '[[ $(comm -23 <(pairs "$data/others/openshift.conf") \
	<(pairs "$lib_work/openshift" "$lib_work/openshift-node")) == "net.netfilter.nf_conntrack_buckets 1048576" ]] &&
	grep -qx nf_conntrack_hashsize=1048576 "$tree/usr/lib/tuned/openshift/tuned.conf"'

done_testing
