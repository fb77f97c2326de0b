# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 600
#
# The examples of fairlead-mesh(8), from the first to the last, as somebody types them who has just
# installed it: they work, and print what the page says.
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/mesh.bash
. "$TOP/selftests/mesh.bash"

page=$TOP/docs/man/fairlead-mesh.8
underlay a b || exit 1
public[b]=$(node_exec b "$FAIRLEAD" mesh genkey --out /etc/fairlead/node.key)
cd "$lib_work" || exit 1
PATH=$(dirname "$FAIRLEAD"):$PATH

# The commands are lines that begin with '# '; what follows, up to the next or the end of the display,
# is what they print, with '...' for what is longer.
declare -a commands=() prints=()
while IFS= read -r line; do
	line=${line#.Dl } line=${line//'\(dq'/'"'}
	case $line in
	'# '*)	commands+=("${line#\# }") prints+=('') ;;
	.*)	;;
	*)	[[ ${#commands[@]} -eq 0 ]] || prints[-1]+=$line$'\n' ;;
	esac
done < <(sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/ { /^\.Dl /p; /^\.Bd/,/^\.Ed/p }' "$page")
check "the page has examples" test ${#commands[@]} -ge 6

# before COMMAND: what the reader has or does besides.
before()
{
	local n

	case $1 in
	"fairlead mesh plan")
		public[a]=$out
		cat >mesh.conf <<-END
			[Mesh]
			Name = prod
			[Node "worker-1"]
			PublicKey = ${public[a]}
			Endpoint = 192.0.2.11
			Address = 10.200.0.11
			[Node "worker-2"]
			PublicKey = ${public[b]}
			Endpoint = 192.0.2.12
			Address = 10.200.0.12
			PodCIDR = 10.244.2.0/24
		END
		for n in a b; do node_exec $n cp mesh.conf /etc/fairlead/mesh.conf; done
		node_exec b fairlead mesh up >/dev/null || fail "up on the other node" ;;
	*import*)
		for n in a b c; do wg genkey >$n.key; done 2>/dev/null
		mkdir -p a b
		(umask 077; printf '[Interface]\nPrivateKey = %s\nAddress = 10.9.0.1\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.2\n' \
			"$(<a.key)" "$(wg pubkey <b.key)" >a/wg0.conf
		printf '[Interface]\nPrivateKey = %s\nAddress = 10.9.0.2\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.3\n' \
			"$(<b.key)" "$(wg pubkey <c.key)" >b/wg0.conf
		printf '[Interface]\nPrivateKey = %s\nAddress = 10.9.0.3\nListenPort = 51820\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.1\n' \
			"$(<c.key)" "$(wg pubkey <a.key)" >c.conf) ;;
	*"export laptop"*)
		node_exec a bash -c 'printf "[Node \"laptop\"]\nPublicKey = %s\nAddress = 10.200.0.13\n" "$(wg genkey | wg pubkey)" \
			>>/etc/fairlead/mesh.conf && fairlead mesh up >/dev/null' || fail "the laptop" ;;
	esac
}

for ((i = 0; i < ${#commands[@]}; i++)); do
	command=${commands[i]}
	before "$command"
	out=$(umask 077; node_exec a bash -o pipefail -c "$command" 2>"$lib_work/err")
	rc=$?
	# What there is to do is said by the status as well.
	[[ $command != "fairlead mesh plan" ]] || rc=$((rc == 3 ? 0 : 1))
	is "$command" "0 " "$rc $(<"$lib_work/err")"
	[[ ${prints[i]} ]] || continue
	regex=$(sed 's/[][\.*^$+?(){}|]/\\&/g; s/\\\.\\\.\\\./.*/g' <<<"${prints[i]%$'\n'}")
	regex=${regex//X\/5jH0YT/"$(sed 's/+/\\+/g' <<<"${public[a]:0:8}")"}
	regex=${regex//5giMnpti/"$(sed 's/+/\\+/g' <<<"${public[b]:0:8}")"}
	if [[ $out =~ ^$regex$ ]]; then ok "it prints what the page says"
	else fail "it prints what the page says" "$out" "the page: ${prints[i]}"; fi
done
is "import made a mesh file that is one" "[Node \"a\"] [Node \"b\"] [Node \"c\"]" "$(grep '^\[Node' mesh.conf | xargs -d '\n')"
has "the laptop's file has the other nodes" '^Endpoint = 192.0.2.11:51820$' "$(<wg0.conf)"
is "the last commands name whom they ask for" "laptop" "$out"

# ---- the least that works ------------------------------------------------------------------------

# Keys and endpoints, on an underlay that has no IPv6: the addresses come from the keys and are IPv6.
for n in a b; do
	node_exec $n fairlead mesh down >/dev/null
	node_exec $n ip -6 address flush dev eth0
done
{ for n in a b; do printf '[Node "%s"]\nPublicKey = %s\nEndpoint  = %s\n' $n "${public[$n]}" "$(node_addr4 $n)"; done; } |
	everywhere a b
all_up a b
mesh a ping b
has "the least mesh file that works does" '^b +fd[0-9a-f:]+ +fl0 +3 of 3 ' "$out"
has "with an address of its own for each node" '^1 1$' \
	"$(for n in a b; do node_exec $n ip -6 address show dev fl0 | grep -c 'inet6 fd'; done | xargs)"
check "which are two" test "$(node_exec a ip -o -6 address show dev fl0)" != "$(node_exec b ip -o -6 address show dev fl0)"
{ for n in a b; do
	printf '[Node "%s"]\nPublicKey = %s\nEndpoint = %s\nPodCIDR = fd00:244:%s::/64\n' $n "${public[$n]}" "$(node_addr4 $n)" "$(number $n)"
done; } | everywhere a b
pod_add a pa 10.244.1.2 fd00:244:1::2
pod_add b pb 10.244.2.2 fd00:244:2::2
all_up a b
check "IPv6 pods over an IPv4-only underlay" pod_exec pa ping -c 1 -W 5 fd00:244:2::2

# ---- the bench -----------------------------------------------------------------------------------

# What it measures is no test, but that each program did its work is: a row that failed ends it.
"$TOP/scripts/bench-mesh" --here --sizes 3 --wg-quick 3 >"$lib_work/bench" 2>"$lib_work/err"
is "bench-mesh measures all of its rows" "0 8 true" \
	"$? $(jq -s -r '"\(length - 1) \([.[1:][].cpu > 0] | all)"' "$lib_work/bench")"

done_testing
