# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What bash and zsh are told that a word can become: objects, verbs, options, values, nodes.
. "$TOP/selftests/lib.sh"

{ for n in worker-1 worker-2 master; do
	printf '[Node "%s"]\nPublicKey = %s\n' $n "$("$FAIRLEAD" mesh genkey --out "$lib_work/$n.key")"
done; } >"$lib_work/mesh.conf"
PATH=$(dirname "$FAIRLEAD"):$PATH
cd "$lib_work" || exit 1

# becomes DESCRIPTION WANTED WORD...: in bash itself, with the script that is installed.
. "$TOP/tools/completion/fairlead.bash"
becomes()
{
	local what=$1 wanted=$2 got

	shift 2
	COMP_WORDS=(fairlead "$@") COMP_CWORD=$#
	_fairlead
	got=$(printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | xargs)
	if [[ $got == "$wanted" ]]; then
		ok "$what"
	else
		fail "$what" "wanted: $wanted" "got:    $got"
	fi
}

becomes "an object" "mesh metrics" me
becomes "all that can come first" "$({ echo --help; echo --version; "$FAIRLEAD" --help | sed -n 's/^  \([a-z]\+\) .*/\1/p'; } | LC_ALL=C sort | xargs)" ""
becomes "a verb" "ping plan pubkey" mesh p
becomes "no verb" "" mesh x
becomes "an object that is none" "" foo ""
becomes "options" "--config --count" mesh ping --co
becomes "values of an option" "wg wg-quick" mesh export -f w
becomes "of another verb" "ascii dot" mesh graph --format ""
becomes "nodes of the file named before" "worker-1 worker-2" mesh ping -c mesh.conf w
becomes "all of them" "master worker-1 worker-2" mesh check --config mesh.conf master ""
becomes "no nodes without a file" "" mesh ping -c nowhere ""
becomes "files for an option" "mesh.conf" mesh plan -c mesh
becomes "files for an argument" "master.key mesh.conf" mesh import m
becomes "no number" "" mesh ping -n ""

# What tune knows: profiles and keys, of a catalogue and interfaces that are the test's own.
data=$lib_work/data
mkdir -p "$data"/{catalog,profiles}
printf '[Key]\nName = %s\nDoes = a test\nType = int\nScope = node\nSource = a test\n\n' kernel.panic kernel.panic_on_oops \
	vm.swappiness >"$data/catalog/test.conf"
printf '[Key]\nName = %s\nDoes = a test\nType = int\nScope = netns-inherited\nEffective = own\nSource = a test\n\n' \
	net.ipv4.conf.*.rp_filter net.ipv4.conf.*.forwarding >>"$data/catalog/test.conf"
for p in kubernetes throughput own; do printf '[Profile]\nDescription = a test\n' >"$data/profiles/$p.conf"; done
export FAIRLEAD_DATADIR=$data
becomes "profiles" "kubernetes own throughput" tune plan ""
becomes "a profile" "throughput" tune apply --fact cpus=4 kubernetes t
becomes "profiles for what compares" "own" tune diff --against eks o
becomes "platforms" "aks" tune diff --against a
becomes "profiles, not files" "kubernetes" tune render --root / k
becomes "keys" "kernel.panic kernel.panic_on_oops" tune explain k
becomes "keys, also a second one" "vm.swappiness" tune owners kernel.panic vm
becomes "keys of interfaces, in general" "net.ipv4.conf.all.forwarding net.ipv4.conf.all.rp_filter net.ipv4.conf.default.forwarding net.ipv4.conf.default.rp_filter" \
	tune explain net
becomes "... and of those that are there" "net.ipv4.conf.lo.forwarding net.ipv4.conf.lo.rp_filter" tune explain net.ipv4.conf.lo
becomes "no key" "" tune explain x
printf 'nonsense\n' >>"$data/catalog/test.conf"
becomes "no keys, and no message, out of a broken catalogue" "" tune explain ""
check "... not even on stderr" eval '[[ ! $("$FAIRLEAD" __complete tune explain "" 2>&1) ]]'
FAIRLEAD_DATADIR=/nonexistent becomes "no profiles out of nowhere" "" tune plan ""
check "... not even on stderr" eval '[[ ! $(FAIRLEAD_DATADIR=/nonexistent "$FAIRLEAD" __complete tune plan "" 2>&1) ]]'
if [[ $(id -u) -eq 0 ]]; then
	unset FAIRLEAD_DATADIR
	check "an interface with a dot, as sysctl(8) writes it, of the real catalogue" unshare -n env "FAIRLEAD_DATADIR=$TOP/sysctl" bash -ec '
		ip link add eth0.100 type veth peer name x
		"$FAIRLEAD" __complete tune explain net.ipv4.conf.eth | grep -qx net.ipv4.conf.eth0/100.rp_filter'
fi
unset FAIRLEAD_DATADIR
# Every option of every verb is there, whoever declares it.
missing=
while read -r object; do
	while read -r verb; do
		for option in $("$FAIRLEAD" "$object" "$verb" --help | grep -o -- '--[a-z-]*' | sort -u); do
			"$FAIRLEAD" __complete "$object" "$verb" -- | grep -qxe "$option" || missing+=" $object $verb $option"
		done
	done < <("$FAIRLEAD" __complete "$object" "" | grep -v '^-')
done < <("$FAIRLEAD" __complete "" | grep -v '^-')
if [[ ! $missing ]]; then ok "every option in a verb's help"; else fail "every option in a verb's help" "$missing"; fi

if command -v zsh >/dev/null; then
	check "zsh reads its script" zsh -n "$TOP/tools/completion/_fairlead"
	# The script as zsh's completion calls it: words and CURRENT are given, what it finds goes to compadd.
	in_zsh()
	{
		zsh -f -c 'compadd() { shift; print -rl -- "$@" }; _files() { print files }
			script=$1; shift; words=(fairlead "$@") CURRENT=$#words
			run() { . $script }; run' zsh "$TOP/tools/completion/_fairlead" "$@"
	}
	check "zsh: a verb" eval '[[ $(in_zsh mesh p | sort | xargs) == "ping plan pubkey" ]]'
	check "zsh: profiles" eval '[[ $(FAIRLEAD_DATADIR=$TOP/sysctl in_zsh tune plan th) == throughput ]]'
	check "zsh: a key" eval '[[ $(FAIRLEAD_DATADIR=$TOP/sysctl in_zsh tune explain vm.swap) == vm.swappiness ]]'
	check "zsh: files" eval '[[ $(in_zsh mesh import m) == files ]]'
else
	skip "zsh reads its script" "zsh is not installed"
fi

done_testing
