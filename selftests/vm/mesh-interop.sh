# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 900
#
# Machines without Fairlead join the mesh with what `mesh export` writes: b with wg(8), c with
# wg-quick(8), d with systemd-networkd. And back: `mesh import` of their files.
. "$TOP/selftests/lib.sh"
. "$TOP/selftests/mesh.bash"

nodes=(a b c d)
mesh_nodes "${nodes[@]}"

{ echo "[Mesh]"; echo "Name = prod"; echo "PresharedKeys = derived"; for n in "${nodes[@]}"; do section "$n"; done; } |
	everywhere "${nodes[@]}"
node_exec a "$FAIRLEAD" mesh genpsk --out /etc/fairlead/mesh.psk
mesh a up
is "a is up" 0 $rc

# export NODE ARG...: on a, into $lib_work/NODE.
export_node()
{
	mkdir -p "$lib_work/$1"
	mesh a export "$1" --out "$lib_work/$1" "${@:2}"
}

# ---- wg(8) ---------------------------------------------------------------------------------------

export_node b --format wg
is "export for wg" "0 $lib_work/b/fl0.conf" "$rc $out"
is "a file with keys is root's alone" 600 "$(stat -c %a "$lib_work/b/fl0.conf")"
check "wg takes it" node_exec b bash -ec "
	ip link add fl0 type wireguard
	wg setconf fl0 $lib_work/b/fl0.conf
	wg set fl0 private-key /etc/fairlead/node.key
	ip address add 10.200.0.12/32 dev fl0
	ip address add fd00:200::12/128 dev fl0
	ip link set fl0 up
	ip route add 10.200.0.11/32 dev fl0
	ip -6 route add fd00:200::11/128 dev fl0"
# A handshake that nobody answered is tried again after 5 s.
poll 20 node_exec a "$FAIRLEAD" mesh ping -n 1 b
mesh a ping b
is "a node with wg alone is in the mesh" 0 $rc

# ---- wg-quick(8) ---------------------------------------------------------------------------------

node_exec c cat /etc/fairlead/node.key >"$lib_work/c.key"
chmod 600 "$lib_work/c.key"
export_node c
is "export for wg-quick" "0 $lib_work/c/fl0.conf" "$rc $out"
check "wg-quick takes it" node_exec c bash -ec "
	mkdir -p /etc/wireguard
	cp $lib_work/c/fl0.conf /etc/wireguard
	cp -p $lib_work/c.key /etc/wireguard/fl0.key
	wg-quick up fl0"
poll 20 node_exec a "$FAIRLEAD" mesh ping -n 1 c
mesh a ping c
is "a node with wg-quick is in the mesh" 0 $rc
mesh a export c --key "$lib_work/c.key"
has "with --key the key is in it" "^PrivateKey = $(sed 's/+/\\+/g' "$lib_work/c.key")$" "$out"
mesh a export b --key "$lib_work/c.key"
is "but not another node's" 1 $rc
has "which is said" "$lib_work/c.key: not the private key of node \"b\"" "$err"

# ---- systemd-networkd ----------------------------------------------------------------------------

networkd=/lib/systemd/systemd-networkd
if [[ -x $networkd ]]; then
	export_node d --format networkd
	is "export for networkd" "0 $lib_work/d/50-fl0.netdev
$lib_work/d/50-fl0.network" "$rc $out"
	node_exec d bash -ec "
		id systemd-network >/dev/null 2>&1 || useradd -r systemd-network
		mkdir -p /etc/systemd/network /run/systemd/netif/{links,leases,lldp} /run/dbus
		install -m 640 -g systemd-network $lib_work/d/50-fl0.* /etc/systemd/network
		install -m 640 -g systemd-network /etc/fairlead/node.key /etc/systemd/network/fl0.key
		# Ethernet is the test's own.
		printf '[Match]\nName = eth0 lo\n[Link]\nUnmanaged = yes\n' >/etc/systemd/network/10-test.network
		chown -R systemd-network:systemd-network /run/systemd/netif
		# No udevd runs here; networkd waits for none where /sys is read-only, as in a container.
		mount -o remount,bind,ro /sys"
	node_exec d $networkd >"$lib_work/networkd.log" 2>&1 &
	networkd_pid=$!
	at_exit kill $networkd_pid
	if poll 20 node_exec d bash -c '[[ $(ip -6 address show dev fl0) == *fd00:200::14* ]]'; then
		ok "networkd takes it"
	else
		fail "networkd takes it" "$(<"$lib_work/networkd.log")"
	fi
	poll 20 node_exec a "$FAIRLEAD" mesh ping -n 1 d
	mesh a ping d
	is "a node with networkd is in the mesh" 0 $rc
	kill $networkd_pid
	wait $networkd_pid
else
	skip "a node with networkd is in the mesh" "systemd-networkd is not installed"
fi
mesh a show
is "show sees them up" "up up" "$(awk '$1 == "b" || $1 == "c" { print $2 }' <<<"$out" | xargs)"

# ---- what cannot be exported ---------------------------------------------------------------------

{ section a "Lanes = 2"; section b "Lanes = 2"; } | everywhere a
line=$(grep -n 'Node "b"' "$conf" | cut -d : -f 1)
mesh a export b
is "a node with lanes cannot be exported" 1 $rc
has "and it says what to write" "mesh.conf:$line: node \"b\" has 2 lanes.*write Lanes = 1" "$err"
mesh a export x
has "nor one that is not there" 'there is no node "x" in it' "$err"
mesh a export a --format nmcli
is "nor in an unknown format" "2 fairlead: --format: 'nmcli' is none of wg, wg-quick, networkd" "$rc $err"
{ echo "[Mesh]"; echo "PresharedKeys = files"; section a; section b; } | everywhere a
mesh a export b
has "nor with keys that are elsewhere" 'PresharedKeys = files: the keys of node "b" are on that node' "$err"

# ---- import --------------------------------------------------------------------------------------

{ for n in "${nodes[@]}"; do section "$n"; done; } | everywhere a
files=()
for n in "${nodes[@]}"; do
	node_exec "$n" cat /etc/fairlead/node.key >"$lib_work/$n.key"
	chmod 600 "$lib_work/$n.key"
	export_node "$n" --key "$lib_work/$n.key"
	files+=("$n=$lib_work/$n/fl0.conf")
done
(umask 077; "$FAIRLEAD" mesh import "${files[@]}" >"$lib_work/imported" 2>"$lib_work/err")
is "import of what was exported" "0 " "$? $(<"$lib_work/err")"
node_exec a cp "$lib_work/imported" /etc/fairlead/mesh.conf
mesh a plan
# Preshared keys, the mesh's name and second endpoints, with their larger overhead, are not in those files.
is "plan with the imported file changes nothing else" "~ link fl0 mtu 1420 -> 1440 alias 'fairlead mesh prod' -> 'fairlead mesh mesh'
~ peer preshared key removed
~ peer preshared key removed
~ peer preshared key removed" "$(sed 's/^~ peer [b-d] ([^)]*)/~ peer/' <<<"$out")"
mesh a up
node_exec c wg-quick down fl0
node_exec c cp "$lib_work/imported" /etc/fairlead/mesh.conf
mesh c up
is "a node comes over from wg-quick" 0 $rc
mesh a ping c
is "and is in the mesh" 0 $rc

done_testing
