# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What `fairlead mesh` says to wrong usage, bad files and a machine that cannot do it: one line that
# names the place and the remedy, and nothing is changed. Runs in a network namespace of its own.
. "$TOP/selftests/lib.sh"

dir=$lib_work
mesh=("$FAIRLEAD" mesh)

# As a user without rights: nothing but the own umask protects files in $dir.
chmod 755 "$dir"

# ---- keys ----------------------------------------------------------------------------------------

"${mesh[@]}" genkey >"$dir/a.key" 2>"$dir/err"
has_warned=$(grep -c 'warning: others can read the file' "$dir/err")
if [[ $has_warned -eq 1 ]]; then ok "genkey warns when others can read where the key goes"
else fail "genkey warns when others can read where the key goes" "$(<"$dir/err")"; fi
(umask 077; "${mesh[@]}" genkey >"$dir/b.key" 2>"$dir/err")
if [[ ! -s $dir/err ]]; then ok "genkey is quiet with umask 077"
else fail "genkey is quiet with umask 077" "$(<"$dir/err")"; fi
check "a key is 44 characters of base64 and a newline" grep -Exq '[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=' "$dir/b.key"
a=$("${mesh[@]}" pubkey <"$dir/a.key")
b=$("${mesh[@]}" pubkey --key "$dir/b.key")
if [[ $a == "$(wg pubkey <"$dir/a.key")" && $b == "$(wg pubkey <"$dir/b.key")" ]]; then
	ok "pubkey prints what wg pubkey prints"
else
	fail "pubkey prints what wg pubkey prints" "$a" "$b"
fi
out=$("${mesh[@]}" genkey --out "$dir/c.key")
if [[ $(stat -c '%a %s' "$dir/c.key") == "600 45" && $out == $(wg pubkey <"$dir/c.key") ]]; then
	ok "genkey --out makes a file of mode 600 and prints the public key"
else
	fail "genkey --out makes a file of mode 600 and prints the public key" "$out" "$(stat "$dir/c.key")"
fi
sum=$(sha256sum "$dir/c.key")
check_fails 1 "c.key: cannot create: File exists; a key is never overwritten" \
	"genkey --out overwrites nothing" "${mesh[@]}" genkey --out "$dir/c.key"
ln -s nothing "$dir/link"
check_fails 1 "link: cannot create" "genkey --out follows no link" "${mesh[@]}" genkey --out "$dir/link"
check_fails 1 "none/x: cannot create: No such file" "genkey --out into no directory" \
	"${mesh[@]}" genkey --out "$dir/none/x"
if [[ $sum == "$(sha256sum "$dir/c.key")" && ! -e $dir/nothing ]]; then ok "nothing was lost"
else fail "nothing was lost"; fi
check "genkey --json" jq -e '.schema == 1 and (.private_key | length) == 44' <("${mesh[@]}" genkey --json)
check "pubkey --json" jq -e ".schema == 1 and .public_key == \"$b\"" <("${mesh[@]}" pubkey -j -k "$dir/b.key")
"${mesh[@]}" genpsk --out "$dir/psk"
check "genpsk --out makes a file of mode 600 that wg takes for a key" test "$(stat -c '%a %s' "$dir/psk")" == "600 45"
check "no two are the same" test "$(umask 077; "${mesh[@]}" genpsk)" != "$(<"$dir/psk")"
check_fails 1 "psk: cannot create: File exists" "genpsk --out overwrites nothing" "${mesh[@]}" genpsk --out "$dir/psk"
check_fails 1 "standard input: empty" "pubkey of nothing" "${mesh[@]}" pubkey </dev/null
check_fails 1 "standard input: not a private key" "pubkey of something else" "${mesh[@]}" pubkey <<<"hello"
if [[ -w /dev/full ]]; then
	# shellcheck disable=SC2016	# for the inner shell
	check_fails 1 "cannot write to standard output: No space" "genkey to a full disk fails" \
		bash -c '"$0" mesh genkey >/dev/full' "$FAIRLEAD"
fi

# ---- up, plan and verify refuse ------------------------------------------------------------------

cat >"$dir/good" <<END
[Node "a"]
PublicKey = $b
Address = 10.200.0.1
[Node "b"]
PublicKey = $a
Endpoint = 192.0.2.2
END
key=$dir/b.key

# refused STATUS REGEX DESCRIPTION OPTION...: all three say the same, in an empty netns.
refused()
{
	local status=$1 regex=$2 what=$3 verb rc

	shift 3
	for verb in plan verify up; do
		unshare -n "$FAIRLEAD" mesh "$verb" "$@" >"$dir/out" 2>"$dir/err"
		rc=$?
		if [[ $rc -eq $status && ! -s $dir/out ]] &&
				grep -Eq "^fairlead: $regex" "$dir/err"; then
			ok "$verb: $what"
		else
			fail "$verb: $what" "exit status $rc" "$(<"$dir/out")" "$(<"$dir/err")"
		fi
	done
}

refused 1 '/etc/fairlead/mesh.conf: cannot read the mesh file: No such file .*; mesh.conf\(5\)' "no mesh file" -k "$key"
refused 1 "$dir: cannot read the mesh file: Is a directory" "the mesh file is a directory" -c "$dir" -k "$key"
printf '[Mesh]\nMTU = 9\nFoo = 1\n[Node "a"]\n' >"$dir/bad"
refused 1 "$dir/bad:4: PublicKey: missing in" "a broken mesh file" -c "$dir/bad" -k "$key"
if [[ $(wc -l <"$dir/err") -eq 3 ]]; then ok "all errors of the file are said"
else fail "all errors of the file are said" "$(<"$dir/err")"; fi
refused 1 "$dir/none: cannot open: No such file or directory; \`fairlead mesh genkey" "no key" -c "$dir/good" -k "$dir/none"
chmod 640 "$key"
refused 1 "$key: mode 0640 lets others use the private key; repair: chmod 600 $key" "a key that others can read" -c "$dir/good" -k "$key"
chmod 600 "$key"
refused 1 "$dir/good: no node has this node's public key, $(wg pubkey <"$dir/c.key" | sed 's/+/\\+/g') .*nodes \(a, b\)" "a key that is not in the mesh" -c "$dir/good" -k "$dir/c.key"
sed "s|^PublicKey = $a|PublicKey = $b|" "$dir/good" >"$dir/twice"
refused 1 "$dir/twice:5: PublicKey: node \"b\" has the key of node \"a\" \(line 2\)" "two nodes with one key" -c "$dir/twice" -k "$key"
(echo "[Mesh]"; echo "Strict = yes"; cat "$dir/good") >"$dir/strict"
refused 1 "$dir/strict: Strict = yes needs the guard, which this version does not have: set Strict = no" "Strict" -c "$dir/strict" -k "$key"
refused 2 "--interface: 'sixteencharacter' has 16 characters; the kernel allows 15" "a name over 15 characters" -c "$dir/good" -k "$key" -i sixteencharacter
refused 2 "--interface: not a name" "a name that is none" -c "$dir/good" -k "$key" --interface a/b
refused 2 "--interface: not a name" "an empty name" -c "$dir/good" -k "$key" --interface ''
refused 2 "mesh [a-z]*: unknown option '--frob'" "an unknown option" --frob
refused 2 "mesh [a-z]*: option '(--config|-c)' wants a value" "an option without its value" -c
refused 2 "mesh [a-z]*: unexpected argument 'now'" "an argument" now
for time in '' x 0 0s -1 5h 61m 30s1 '3 s' 99999999999; do
	check_fails 2 "--confirm: '$time' is not a time; write 1s to 60m" "up --confirm '$time'" \
		"${mesh[@]}" up --confirm "$time"
done
check_fails 2 "--count: write a number from 1 to 1000" "ping no packets" "${mesh[@]}" ping -n 0
check_fails 2 "--count: write a number from 1 to 1000" "ping too many" "${mesh[@]}" ping --count 1001
check_fails 2 "--watch: 'x' is not a whole number" "show --watch x" "${mesh[@]}" show --watch x
check_fails 2 "unknown verb 'mesh frob'; .fairlead mesh --help. lists them" "an unknown verb" "${mesh[@]}" frob
check_fails 2 "Usage: fairlead mesh VERB" "no verb" "${mesh[@]}"

# ---- this machine's kernel -----------------------------------------------------------------------

if ip link add fl-probe type wireguard 2>/dev/null; then
	ip link del fl-probe
	skip "no WireGuard" "this kernel has WireGuard"
else
	refused 1 'this kernel has no WireGuard: load the module \(modprobe wireguard\), or use a kernel that has it' "no WireGuard" -c "$dir/good" -k "$key"
	check_fails 1 'this kernel has no WireGuard' "show: no WireGuard" "${mesh[@]}" show
fi
out=$(unshare -n "${mesh[@]}" down) && rc=0 || rc=$?
if [[ "$rc $out" == "0 fl0: already down" ]]; then ok "down where nothing is, is done and says so"
else fail "down where nothing is, is done and says so" "$rc $out"; fi
check "down --json" jq -e '.schema == 1 and .interface == "fl0" and .changes == [] and .writes == 0' \
	<(unshare -n "${mesh[@]}" down --json)
check_fails 1 'lo is no WireGuard interface, so it is left alone' "down leaves another interface alone" \
	unshare -n "${mesh[@]}" down -i lo
check_fails 2 "has 16 characters" "down: a name over 15 characters" "${mesh[@]}" down -i sixteencharacter

# ---- the manual ------------------------------------------------------------------------------------

# Each mesh file that mesh.conf(5) shows is one: its first node can be exported.
awk -v dir="$dir" '/^\.Sh/ { in_examples = /EXAMPLES/ } /^\.Ed/ { file = "" } file { print >file }
	in_examples && /^\.Bd/ { file = dir "/example" ++n }' "$TOP/docs/man/mesh.conf.5"
for file in "$dir"/example*; do
	node=$(sed -n 's/^\[Node "\(.*\)"\].*/\1/p;T;q' "$file")
	check "the manual's ${file##*/}, of node $node and others, is a mesh file" "${mesh[@]}" export -c "$file" "$node"
done
check "there are at least two" test -s "$dir/example1" -a -s "$dir/example2"

# Every verb explains itself.
for verb in genkey genpsk pubkey plan up verify down show graph export import ping check; do
	# shellcheck disable=SC2016	# for the inner shell
	check "help of $verb" bash -c '"$0" mesh "$1" --help | grep -q "^Usage: fairlead mesh $1 "' "$FAIRLEAD" "$verb"
done

done_testing
