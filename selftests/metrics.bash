# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of the metrics on this machine, after selftests/lib.sh: a lane without WireGuard.

# metrics_node NODE PEER...: a node with a tun device fl0, which the programs take for a lane, its key in
# $lib_work/NODE.key, and the mesh of it and the peers in $lib_work/mesh.conf. It is 10.200.0.11,
# the peers are 10.200.0.12 and so on.
metrics_node()
{
	local node=$1 n=11 peer

	shift
	node_add "$node" || exit
	node_exec "$node" ip tuntap add fl0 mode tun
	node_exec "$node" ip address add 10.200.0.11/24 dev fl0
	node_exec "$node" ip link set fl0 up
	(umask 077 && wg genkey >"$lib_work/$node.key")
	{
		printf '[Mesh]\nName = test\n'
		for peer in "$node" "$@"; do
			printf '[Node "%s"]\nPublicKey = ' "$peer"
			if [[ $n -eq 11 ]]; then wg pubkey <"$lib_work/$node.key"; else wg genkey | wg pubkey; fi
			printf 'Endpoint = 192.0.2.%d:51820\nAddress = 10.200.0.%d/32\n' $n $n
			n=$((n + 1))
		done
	} >"$lib_work/mesh.conf"
}
