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
else
	skip "zsh reads its script" "zsh is not installed"
fi

done_testing
