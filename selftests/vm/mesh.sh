# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 600
#
# The mesh of three nodes, with pods behind two of them; see selftests/lib.sh for the picture.
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/mesh.bash
. "$TOP/selftests/mesh.bash"

nodes=(a b c)
# section NODE [ENDPOINTS [PODS]]: its part of the mesh file.
section()
{
	local n

	n=$(number "$1")
	cat <<-END
		[Node "$1"]
		PublicKey = ${public[$1]}
		Endpoint = ${2:-$(node_addr4 "$1"), [$(node_addr6 "$1")]}
		Address = 10.200.0.1$n, fd00:200::1$n
		PodCIDR = ${3:-10.244.$n.0/24, fd00:244:$n::/64}
	END
}

# fails REGEX DESCRIPTION NODE ARG...: it exits 1 and says a line that matches; $err has all it said.
fails()
{
	local regex=$1 what=$2

	shift 2
	mesh "$@"
	if [[ $rc -ne 1 ]]; then
		fail "$what" "exit status $rc" "$out" "$err"
	else
		has "$what" "$regex" "$err"
	fi
}

# Everything that the mesh can change on a node, in words that do not change by themselves. That an
# interface of WireGuard makes no addresses of its own is set by WireGuard, whenever it comes up.
snapshot()
{
	# shellcheck disable=SC2016	# for the inner shell
	node_exec "$1" bash -c 'ip -d link; ip addr; ip -4 route show table all; ip -6 route show table all;
		ip rule; ip -6 rule; echo /sys/fs/bpf/* /run/fairlead/* /etc/fairlead/*
		# Without handshakes and bytes. Peers have no order.
		wg show all dump | cut -f 1-5,9 | sort' |
		sed 's/valid_lft.*//; s/ expires [0-9]*sec//; s/addrgenmode [a-z0-9]*//; /^ff00::\|multicast ff00/d'
}

wgshow() { node_exec "$1" wg show fl0 "$2" | awk -v key="${public[$3]}" '$1 == key { print $2 }'; }

# ---- three nodes ---------------------------------------------------------------------------------

mesh_nodes "${nodes[@]}"
{ echo "[Mesh]"; echo "Name = prod"; for n in "${nodes[@]}"; do section "$n"; done; } >"$conf"
for n in "${nodes[@]}"; do node_exec "$n" cp "$conf" /etc/fairlead/mesh.conf; done
pod_add a pa 10.244.1.2 fd00:244:1::2
pod_add b pb 10.244.2.2 fd00:244:2::2
node_exec c sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
private=$(node_exec a cat /etc/fairlead/node.key)

before=$(snapshot a)
mesh a plan
is "plan before the first up exits 3" 3 $rc
has "plan says what it would do" "^\+ peer b \(${public[b]//+/\\+}\) endpoint 192.0.2.12:51820 allowed 10.200.0.12/32, 10.244.2.0/24, fd00:200::12/128, fd00:244:2::/64" "$out"
# script(1) gives it a terminal.
terminal_plan() { node_exec a env TERM=xterm "$@" script -qec "$FAIRLEAD mesh plan" /dev/null; }
has "what comes is green on a terminal" $'^\e\\[32m\\+ peer b ' "$(terminal_plan)"
is "not in a pipe" 0 "$(node_exec a env TERM=xterm "$FAIRLEAD" mesh plan | grep -c $'\e')"
is "nor with NO_COLOR" 0 "$(terminal_plan NO_COLOR=1 | grep -c $'\e')"
is "plan changes nothing" "$before" "$(snapshot a)"

# writes_of NODE ARG...: as mesh, and $writes is how many changes it asked the kernel for. The same
# matcher that finds none below must find the ones of the first up.
writes_of()
{
	local node=$1 type flags

	shift
	node_exec "$node" strace -f -X raw -e trace=sendto,sendmsg -o "$lib_work/trace" \
		"$FAIRLEAD" mesh "$@" >"$lib_work/out" 2>"$lib_work/err"
	rc=$?
	out=$(<"$lib_work/out") err=$(<"$lib_work/err")
	# Reads: any dump; RTM_GETLINK 18, RTM_GETADDR 22, RTM_GETROUTE 26; and asking for a generic
	# family, type 16.
	writes=$(grep -Eo 'nlmsg_type=(0x[0-9a-f]+|[0-9]+), nlmsg_flags=(0x[0-9a-f]+|[0-9]+)' "$lib_work/trace" |
		while IFS='=, ' read -r _ type _ flags; do
			[[ $((flags & 0x300)) -eq $((0x300)) ]] ||
				[[ $((type)) == @(16|18|22|26) ]] || echo write
		done | wc -l)
}
writes_of a up --json
if [[ $rc -eq 0 && $writes -gt 10 ]]; then
	ok "up brings node a up"
else
	fail "up brings node a up" "status $rc, $writes writes" "$err"
fi
for n in b c; do mesh "$n" up; is "up brings node $n up" 0 $rc; done
is "up says what it did" "fl0: up, node c of mesh prod, 2 peers, 15 changes" "$out"

check "pod to pod, IPv4" pod_exec pa ping -c 1 -W 5 10.244.2.2
check "pod to pod, IPv6" pod_exec pa ping -c 1 -W 5 fd00:244:2::2
check "pod to pod, the other way" pod_exec pb ping -c 1 -W 5 10.244.1.2
check "node to pod, IPv4" node_exec c ping -c 1 -W 5 10.244.1.2
check "node to pod, IPv6" node_exec c ping -c 1 -W 5 fd00:244:2::2
check "node to node, IPv4" node_exec a ping -c 1 -W 5 10.200.0.13
check "node to node, IPv6" node_exec b ping -c 1 -W 5 fd00:200::13

mesh a plan
is "plan after up has nothing to do" "0 fl0: nothing to do" "$rc $out"
mesh a verify
is "verify after up exits 0" "0 fl0: as the mesh file says" "$rc $out"
up=$(snapshot a)
writes_of a up --json
is "up again sends no write, as strace sees it" "0 0" "$rc $writes"
is "up again counts no write" 0 "$(jq .writes <<<"$out")"
is "up again changes nothing" "$up" "$(snapshot a)"

# ---- show ----------------------------------------------------------------------------------------

mesh a show
has "show has a line for each peer" '^b +up +[0-9ms]+ +[0-9.]+ (B|KiB) +[0-9.]+ (B|KiB) +192.0.2.12:51820 ' "$out"
has "show hides the private key" 'private key \(hidden\)' "$out"
text=$out
mesh a show --json
is "show --json has every field" true "$(jq '.schema == 1 and .node == "a" and .mesh == "prod" and
	.mtu == 1420 and .listen_port == 51820 and .private_key == "(hidden)" and
	(.peers | length) == 2 and (.peers[0] | .name == "b" and .state == "up" and .rx_bytes > 0 and
	.handshake_age >= 0 and .latest_handshake > 0 and .persistent_keepalive == 0 and
	(.allowed_ips | length) == 4 and .endpoint == "192.0.2.12:51820")' <<<"$out")"
text+=$out
mesh a plan --json; text+=$out$err
mesh a up --json; text+=$out$err
if [[ $text == *"$private"* ]]; then fail "no output has the private key"; else ok "no output has the private key"; fi
mesh a show --show-keys
has "show --show-keys shows it" "private key ${private//+/\\+}" "$out"

# Two looks, a second apart; then nobody reads any more.
node_exec a "$FAIRLEAD" mesh show --watch 1 --json | jq -cn --unbuffered '[limit(2; inputs)]' >"$lib_work/watch" &
watch=$!
node_exec a ping -c 8 -i 0.2 -W 5 10.200.0.12 >/dev/null
wait $watch
is "show --watch has rates, from the second time on" "null true" "$(jq -r '"\(.[0].peers[0].rx_bytes_per_second) \(
	.[1].peers[0] | .rx_bytes_per_second > 0 and .tx_bytes_per_second > 0)"' "$lib_work/watch")"

# ---- drift ---------------------------------------------------------------------------------------

node_exec a ip route del 10.244.3.0/24
node_exec a wg set fl0 peer "${public[b]}" persistent-keepalive 9
stranger=$(wg genkey | wg pubkey)
node_exec a wg set fl0 peer "$stranger" allowed-ips 10.99.0.0/16
node_exec a ip address add 10.77.0.1/32 dev fl0
mesh a show
has "show names a peer that is not in the file" "^\(unknown\) ${stranger//+/\\+} +never +never +0 B +0 B +\(none\) +- +10.99.0.0/16" "$out"
mesh a verify
is "verify says what drifted, and exits 3" "3 ~ peer b (${public[b]}) keepalive 9 -> 0
+ route 10.244.3.0/24 src 10.200.0.11
- address 10.77.0.1/32
- peer (unknown) ($stranger)" "$rc $out"
mesh a up
is "up repairs exactly that" "0 fl0: up, node a of mesh prod, 2 peers, 4 changes" "$rc $out"
is "after it, all is as before" "$up" "$(snapshot a)"

# ---- sessions and learned endpoints --------------------------------------------------------------

# b's packets come from another port now: a learns it.
node_exec b wg set fl0 listen-port 40000
node_exec b ping -c 1 -W 5 10.200.0.11 >/dev/null
is "a learns b's new port" 192.0.2.12:40000 "$(wgshow a endpoints b)"
mesh a plan
is "a learned endpoint is no drift" "0 fl0: nothing to do" "$rc $out"

handshake=$(wgshow a latest-handshakes b)
# shellcheck disable=SC2016	# for the inner shell
pod_exec pa bash -c 'echo $$ >"$0"; exec ping -i 0.2 -w 120 10.244.2.2' "$lib_work/pinger" >"$lib_work/ping" 2>&1 &
{ echo "[Mesh]"; echo "Name = prod"; section a; section b '' '10.244.2.0/24, 10.244.9.0/24'; } >"$conf"
node_exec a cp "$conf" /etc/fairlead/mesh.conf
mesh a up
is "a peer and a prefix go, a prefix comes" "0 fl0: up, node a of mesh prod, 1 peer, 8 changes" "$rc $out"
is "the peer is gone" "" "$(wgshow a endpoints c)"
is "the prefixes are the file's" "10.200.0.12/32 10.244.2.0/24 10.244.9.0/24 fd00:200::12/128" \
	"$(node_exec a wg show fl0 allowed-ips | cut -f 2 | tr ' ' '\n' | sort | xargs)"
has "the other's routes are gone" '^0$' "$(node_exec a ip route show proto 70 | grep -c '10.244.3\|0.13')"
{ echo "[Mesh]"; echo "Name = prod"; for n in "${nodes[@]}"; do section "$n"; done; } >"$conf"
node_exec a cp "$conf" /etc/fairlead/mesh.conf
mesh a up
is "both come back" 0 $rc
is "the session of the other peer is the same" "$handshake" "$(wgshow a latest-handshakes b)"
is "its learned endpoint is the same" 192.0.2.12:40000 "$(wgshow a endpoints b)"
is "the node is as it was" "${up//192.0.2.12:51820/192.0.2.12:40000}" "$(snapshot a)"
kill -INT "$(<"$lib_work/pinger")"; wait $!
# The last one may still have been on its way.
seqs=$(sed -n 's/.*icmp_seq=\([0-9]*\) ttl.*/\1/p' "$lib_work/ping" | sort -n)
is "no packet between the others was lost" "$(seq "$(wc -l <<<"$seqs")")" "$seqs"
check "the peer that came back is reached" node_exec a ping -c 1 -W 5 10.200.0.13

# Without a session an endpoint that is not the file's is an old one.
mesh c down
node_exec c cp "$conf" /etc/fairlead/mesh.conf
mesh c up
node_exec c wg set fl0 peer "${public[b]}" endpoint 192.0.2.99:1
mesh c plan
has "an endpoint that never worked is replaced" \
	"^~ peer b .* endpoint 192.0.2.99:1 -> 192.0.2.12:51820$" "$out"

mesh b up
is "b goes back to the port of the file" "0 fl0: up, node b of mesh prod, 2 peers, 1 change" "$rc $out"

# ---- MTU -----------------------------------------------------------------------------------------

node_exec a ip link set eth0 mtu 1400
mesh a plan
is "the MTU follows the underlay" "3 ~ link fl0 mtu 1420 -> 1320" "$rc $out"
node_exec a ip link set eth0 mtu 9000
node_exec a ip route add 192.0.2.13 dev eth0 mtu 1450
mesh a plan
has "the MTU of a path follows its route's metric, IPv4 overhead" \
	'^~ route 10.200.0.13/32 mtu \(link\) -> 1390 advmss \(link\) -> 1350$' "$out"
has "and that of the link the best path" '^~ link fl0 mtu 1420 -> 8920$' "$out"
node_exec a ip route del 192.0.2.13
node_exec a ip link set eth0 mtu 1300
mesh a plan
is "the MTU does not go below what IPv6 needs" "3 ~ link fl0 mtu 1420 -> 1280" "$rc $(head -n 1 <<<"$out")"
has "and it says so" 'carries only 1220 bytes inside the tunnel; 1280 are needed for IPv6' "$err"
node_exec a ip link set eth0 mtu 1500

# ---- down ----------------------------------------------------------------------------------------

mesh a down
is "down" "0 fl0: down" "$rc $out"
is "down leaves no trace" "$before" "$(snapshot a)"
mesh a down
is "down again" "0 fl0: already down" "$rc $out"
fails 'there is no interface fl0' "show without an interface" a show

# ---- what is there already -----------------------------------------------------------------------

node_exec a bash -c "ip link add fl0 type wireguard && ip link set fl0 mtu 1300 &&
	wg set fl0 listen-port 7 peer $stranger allowed-ips 10.244.2.0/24 preshared-key <(wg genpsk) endpoint 192.0.2.99:9 &&
	ip address add 10.55.0.1/24 dev fl0"
fails "fl0 is a WireGuard interface that .* neither made nor adopted" "down leaves a stranger's WireGuard interface alone" a down
index=$(node_exec a cat /sys/class/net/fl0/ifindex)

# A port in use is found out when the interface comes up: after key, peers and addresses.
node_exec a bash -c 'ip link add other type wireguard; wg set other listen-port 51820; ip link set other up'
busy=$(snapshot a)
fails "cannot do '~ link fl0 down -> up': Address .*in use.*set another ListenPort" "up fails if the port is in use (adopting)" a up
is "and leaves the interface as it was" "$busy" "$(snapshot a)"
node_exec a ip link del other
mesh a up
is "up adopts a WireGuard interface" 0 $rc
is "and does not make it anew" "$index" "$(node_exec a cat /sys/class/net/fl0/ifindex)"
mesh a plan
is "nothing is left to do" "0 fl0: nothing to do" "$rc $out"
check "it works" node_exec a ping -c 1 -W 5 10.200.0.12
mesh a down
is "down of an adopted interface leaves no trace" "$before" "$(snapshot a)"

node_exec a bash -c 'ip link add other type wireguard; wg set other listen-port 51820; ip link set other up'
busy=$(snapshot a)
fails "nothing was changed \(what was done is undone\)" "up fails if the port is in use (new)" a up
is "and undoes what it did" "$busy" "$(snapshot a)"
node_exec a ip link del other

node_exec a sysctl -qw net.ipv6.conf.default.disable_ipv6=1
fails 'IPv6 is switched off here: set net.ipv6.conf.default.disable_ipv6 to 0' "up fails without IPv6" a up
is "and undoes what it did" "$before" "$(snapshot a)"
node_exec a sysctl -qw net.ipv6.conf.default.disable_ipv6=0

node_exec a ip route add 10.244.2.0/24 dev eth0 proto static
node_exec a ip -6 route add fd00:244:3::/64 dev eth0 metric 100
busy=$(snapshot a)
fails 'route 10.244.2.0/24 exists: dev eth0, protocol 4, metric 0; remove it' "up refuses where another has a route" a up
has "it names all of them" 'route fd00:244:3::/64 exists: dev eth0' "$err"
is "and changes nothing" "$busy" "$(snapshot a)"
node_exec a ip route del 10.244.2.0/24
node_exec a ip -6 route del fd00:244:3::/64

node_exec a ip address add fd00:200::11/64 dev eth0 nodad
fails 'address fd00:200::11/128 is taken: eth0 has it' "up refuses where the address is taken" a up
node_exec a ip address del fd00:200::11/64 dev eth0

node_exec a ip link add fl0 type dummy
fails 'fl0 exists and is no WireGuard interface but of type dummy' "up refuses an interface of another type" a up
fails 'fl0 is no WireGuard interface, so it is left alone' "so does down" a down
node_exec a ip link del fl0
is "after all that the node is as it was" "$before" "$(snapshot a)"

check_fails 1 'needs CAP_NET_ADMIN' "up without CAP_NET_ADMIN" \
	node_exec a setpriv --bounding-set=-net_admin "$FAIRLEAD" mesh up
check_fails 1 'needs CAP_NET_ADMIN' "show without CAP_NET_ADMIN" \
	node_exec b setpriv --bounding-set=-net_admin "$FAIRLEAD" mesh show
is "changes nothing" "$before" "$(snapshot a)"

# ---- other underlays, names ----------------------------------------------------------------------

for n in a b; do node_exec "$n" ip -4 address flush dev eth0; done
node_exec a bash -c "echo $(node_addr6 b) b.example >>/etc/hosts"
{ section a; section b "192.0.2.12, b.example"; section c "nowhere.invalid"; } >"$conf"
for n in a b; do node_exec "$n" cp "$conf" /etc/fairlead/mesh.conf; mesh "$n" down; done
mesh a up
is "a name that cannot be resolved is degraded, not failed" 3 $rc
has "and is said" 'node "c": cannot resolve nowhere.invalid' "$err"
is "an address without a route is passed over, a name is resolved" "[2001:db8::12]:51820" "$(wgshow a endpoints b)"
mesh b up
check "IPv4 pods over an IPv6-only underlay" pod_exec pa ping -c 1 -W 5 10.244.2.2
is "the MTU leaves room for IPv6 underneath" 1420 "$(node_exec a cat /sys/class/net/fl0/mtu)"
node_exec a bash -c "echo 10.244.2.7 loop.example >>/etc/hosts"
{ section a; section b "loop.example"; } >"$conf"
node_exec a cp "$conf" /etc/fairlead/mesh.conf
mesh a down
fails 'loop.example resolves to 10.244.2.7, inside the mesh \(node "b"\)' "a name that resolves into the mesh is refused" a up

# ---- a thousand peers ----------------------------------------------------------------------------

for n in "${nodes[@]}"; do node_exec "$n" "$FAIRLEAD" mesh down >/dev/null; done
{
	section a
	for ((i = 0; i < 1000; i++)); do
		# 43 digits of base64 are a key; the last one's two low bits are 0.
		printf -v key 'peer%038dA=' 0 && key=${key/000000/$((i + 100000))}
		printf '[Node "n%d"]\nPublicKey = %s\nEndpoint = [2001:db8::1:%x]\nAddress = 10.201.%d.%d, fd00:201::%x\nPodCIDR = 10.%d.%d.0/24, fd00:%x::/64\n' \
			$i "$key" $i $((i >> 8)) $((i & 255)) $i $((100 + (i >> 8))) $((i & 255)) $((i + 4096))
	done
} >"$conf"
node_exec a cp "$conf" /etc/fairlead/mesh.conf
mesh a up
is "1,000 peers go up" "0 fl0: up, node a of mesh mesh, 1000 peers, 5005 changes" "$rc $out"
is "they are there" "1000 4000" "$(node_exec a wg show fl0 peers | wc -l) $(node_exec a bash -c 'ip -4 route show proto 70; ip -6 route show proto 70' | wc -l)"
mesh a plan
is "plan then has nothing to do" "0 fl0: nothing to do" "$rc $out"
mesh a down
is "and they go down" "0 fl0: down" "$rc $out"

done_testing
