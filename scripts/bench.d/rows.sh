# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The rows of the bench: what lies between the two nodes. Sourced by `guest`.
#
# A row has a title, and functions ROW_up and ROW_down. They are called with both nodes connected by
# $UNDERLAY_DEV (192.0.2.1 and .2, or what the hosts have), and make 10.200.0.1 and .2 and
# fd00:200::1 and ::2 reachable over $OVERLAY_DEV with MTU 1420, and the pods behind them.

OVERLAY_DEV=flbench0
PORT=51899

# Each is measured in all columns, unless COLUMNS_SOME is said.
ROWS=(plain stock grolist threaded defer flush bigtcp threaded-flush knobs tuned module module-grolist
	module-threaded lanes metrics both wireguard-go ipsec-gcm ipsec-chacha)
declare -A ROW_TITLE=(
	[plain]='no encryption'
	[stock]='stock WireGuard'
	[grolist]='stock, rx-gro-list on'
	[threaded]='stock, threaded NAPI on the tunnel'
	[defer]='stock, deferred NAPI and GRO flush on the NIC'
	[flush]='stock, deferred GRO flush on the tunnel'
	[bigtcp]='stock, BIG TCP'
	[threaded-flush]='stock, threaded NAPI and deferred GRO flush on the tunnel'
	[knobs]='stock, all of these knobs at once'
	[tuned]='stock, the best of these knobs'
	[module]='Fairlead: module'
	[module-grolist]='Fairlead: module, and rx-gro-list on'
	[module-threaded]='Fairlead: module, and threaded NAPI on the tunnel'
	[lanes]='Fairlead: module, 4 lanes'
	[mesh]='stock WireGuard, as mesh up sets it up'
	[mesh-module]='the same, Fairlead: module'
	[mesh-both]='the same, Fairlead: module and metrics'
	[metrics]='Fairlead: metrics'
	[both]='Fairlead: module and metrics'
	[wireguard-go]='wireguard-go'
	[ipsec-gcm]='IPsec, AES-GCM'
	[ipsec-chacha]='IPsec, ChaCha20-Poly1305'
	[ceiling]='ceiling: no encryption, plus the AEAD alone'
)
# The knobs one by one are there to find the best set; it is enough to try them where they could help.
COLUMNS_SOME='tcp tcp8 udp1400 rr1 jumbo-tcp pod-tcp'
ROWS_KNOBS='grolist threaded defer flush bigtcp threaded-flush knobs'
ROWS_SOME="$ROWS_KNOBS module-grolist module-threaded lanes"
# Samples a round, with --precise, of a row, a column or one cell: the most of the three that are here, and of datagrams twice
# as many. Stock's error is in the ratios of all others; what goes through a Go program, a cipher without hardware, or eight
# streams varies twice as much as the rest, and a connection over plain veth is a fast or a slow one, 10 % apart.
declare -A SAMPLES=([stock]=2 [wireguard-go]=3 [ipsec-gcm]=2 [tcp8]=2 [tcp8-both]=3 [jumbo-tcp8]=2 [plain/veth-tcp]=12)
# Where threads sit behind a queue, a loss might matter more.
declare -A COLUMNS_ALSO=([module-threaded]='lossy-tcp')

# both SCRIPT: run by bash on both nodes, with $n and $o the number of this node and of the other, $me
# and $other their addresses on the underlay, $D the node's directory.
both()
{
	local node vars

	for node in a b; do
		printf -v vars 'set -e; OVERLAY_DEV=%q UNDERLAY_DEV=%q PORT=%q D=%q FAIRLEAD=%q' \
			"$OVERLAY_DEV" "$UNDERLAY_DEV" "$PORT" "${node_dir[$node]}" "$FAIRLEAD"
		case $node in
		a) vars+=" n=1 o=2 me=$UNDERLAY_A other=$UNDERLAY_B" ;;
		b) vars+=" n=2 o=1 me=$UNDERLAY_B other=$UNDERLAY_A" ;;
		esac
		on_sh $node "$vars"$'\n'"$1" || return
	done
}

# Addresses and routes once there is a $OVERLAY_DEV.
# shellcheck disable=SC2016	# for the nodes
ADDRESSES='
	ip -batch - <<-END
		addr add 10.200.0.$n/24 dev $OVERLAY_DEV
		addr add fd00:200::$n/64 dev $OVERLAY_DEV nodad
		link set $OVERLAY_DEV mtu 1420 up
		route add 10.244.$o.0/24 dev $OVERLAY_DEV
		route add fd00:244:$o::/64 dev $OVERLAY_DEV
	END'

# No tunnel: the addresses lie on the underlay itself, with the MTU that a tunnel would leave.
plain_up()
{
	# shellcheck disable=SC2016
	both '
	ip -batch - <<-END
		addr add 10.200.0.$n/32 dev $UNDERLAY_DEV
		addr add fd00:200::$n/128 dev $UNDERLAY_DEV nodad
		route add 10.200.0.$o/32 dev $UNDERLAY_DEV src 10.200.0.$n mtu 1420
		route add fd00:200::$o/128 dev $UNDERLAY_DEV mtu 1420
		route add 10.244.$o.0/24 via 10.200.0.$o dev $UNDERLAY_DEV onlink
		route add fd00:244:$o::/64 via fd00:200::$o dev $UNDERLAY_DEV onlink
	END'
}
plain_down()
{
	# shellcheck disable=SC2016
	both '
	ip -batch - <<-END
		route del 10.244.$o.0/24
		route del fd00:244:$o::/64
		route del 10.200.0.$o/32
		route del fd00:200::$o/128
		addr del 10.200.0.$n/32 dev $UNDERLAY_DEV
		addr del fd00:200::$n/128 dev $UNDERLAY_DEV
	END'
}

# shellcheck disable=SC2016
WG_SET='
	wg set $OVERLAY_DEV listen-port $PORT private-key $D/node.key \
		peer $(<$D/other.pub) endpoint $other:$PORT \
		allowed-ips 10.200.0.$o/32,fd00:200::$o/128,10.244.$o.0/24,fd00:244:$o::/64'
# shellcheck disable=SC2016
stock_up() { both 'ip link add $OVERLAY_DEV type wireguard'"$WG_SET$ADDRESSES"; }
# shellcheck disable=SC2016
stock_down() { both 'ip link del $OVERLAY_DEV'; }

# shellcheck disable=SC2016
grolist_up() { stock_up && both 'ethtool -K $UNDERLAY_DEV rx-gro-list on'; }
# shellcheck disable=SC2016
grolist_down() { stock_down && both 'ethtool -K $UNDERLAY_DEV rx-gro-list off'; }

# Only here: on some stable kernels this stops peers for good.
# shellcheck disable=SC2016
threaded_up() { stock_up && both 'echo 1 >/sys/class/net/$OVERLAY_DEV/threaded'; }
threaded_down() { stock_down; }

# shellcheck disable=SC2016
defer_up()
{
	stock_up && both 'echo 20000 >/sys/class/net/$UNDERLAY_DEV/gro_flush_timeout
		echo 2 >/sys/class/net/$UNDERLAY_DEV/napi_defer_hard_irqs'
}
# shellcheck disable=SC2016
defer_down()
{
	stock_down && both 'echo 0 >/sys/class/net/$UNDERLAY_DEV/gro_flush_timeout
		echo 0 >/sys/class/net/$UNDERLAY_DEV/napi_defer_hard_irqs'
}

# What a peer's NAPI has received stays in GRO for so long, so that it merges across polls.
# shellcheck disable=SC2016
flush_up() { stock_up && both 'echo 20000 >/sys/class/net/$OVERLAY_DEV/gro_flush_timeout'; }
flush_down() { stock_down; }

# shellcheck disable=SC2016
bigtcp_up() { stock_up && both 'ip link set $OVERLAY_DEV gso_max_size 131072 gro_max_size 131072'; }
bigtcp_down() { stock_down; }

# shellcheck disable=SC2016
threaded-flush_up() { flush_up && both 'echo 1 >/sys/class/net/$OVERLAY_DEV/threaded'; }
threaded-flush_down() { stock_down; }

# BIG TCP is not among them: WireGuard's devices refuse it.
# shellcheck disable=SC2016
knobs_up()
{
	threaded-flush_up && both 'ethtool -K $UNDERLAY_DEV rx-gro-list on
		echo 20000 >/sys/class/net/$UNDERLAY_DEV/gro_flush_timeout
		echo 2 >/sys/class/net/$UNDERLAY_DEV/napi_defer_hard_irqs'
}
# shellcheck disable=SC2016
knobs_down() { defer_down; both 'ethtool -K $UNDERLAY_DEV rx-gro-list off'; }

# The best that a user gets without us: of the rows above, the one that does best over all of COLUMNS_SOME, as the
# report works out anew from what was measured (`report.jq`, part knobs) and says when it is another one.
# shellcheck disable=SC2016
tuned_up()
{
	case $(on a uname -r) in
	5.* | 6.[0-6].*) flush_up ;;
	*) threaded_up ;;
	esac
}
tuned_down() { stock_down; }

# shellcheck disable=SC2016
ACCEL='$FAIRLEAD accel on -c $D/mesh.conf -k $D/node.key -i $OVERLAY_DEV'
# shellcheck disable=SC2016
module_up() { stock_up && both "$ACCEL module"; }
# shellcheck disable=SC2016
module_down() { both '$FAIRLEAD accel off' && stock_down; }
# shellcheck disable=SC2016
module-grolist_up() { grolist_up && both "$ACCEL module"; }
# shellcheck disable=SC2016
module-grolist_down() { both '$FAIRLEAD accel off' && grolist_down; }
# shellcheck disable=SC2016
module-threaded_up() { module_up && both 'echo 1 >/sys/class/net/$OVERLAY_DEV/threaded'; }
module-threaded_down() { module_down; }
metrics_up() { stock_up && both "$ACCEL metrics"; }
metrics_down() { module_down; }
both_up() { { [[ $row_is_up == metrics ]] || stock_up; } && both "$ACCEL"; }
both_down() { module_down; }

# What `fairlead mesh up` makes of a file: $LANES lanes, and $PEERS peers, of which all but one are idle and
# have no endpoint, so that nobody tries to reach them.
LANES=1 PEERS=1
MESH='-k $D/node.key -i $OVERLAY_DEV -c $D/mesh-$lanes-$peers.conf'
# shellcheck disable=SC2016
mesh_up()
{
	both "lanes=$LANES peers=$PEERS"'
	[ -e $D/mesh-$lanes-$peers.conf ] || {
		sed "s/^\[Mesh\]/&\nLanes = $lanes\nMTU = 1420\nStrict = no/" $D/mesh.conf
		awk -v n=$((peers - 1)) -f $D/fillers.awk
	} >$D/mesh-$lanes-$peers.conf
	$FAIRLEAD mesh up '"$MESH"
}
# shellcheck disable=SC2016
mesh_down() { both '$FAIRLEAD mesh down -i $OVERLAY_DEV'; }
# shellcheck disable=SC2016
mesh-module_up() { mesh_up && both "lanes=$LANES peers=$PEERS"'
	$FAIRLEAD accel on '"$MESH module"; }
# shellcheck disable=SC2016
mesh-module_down() { both '$FAIRLEAD accel off' && mesh_down; }
mesh-both_up() { mesh_up && both "lanes=$LANES peers=$PEERS"'
	$FAIRLEAD accel on '"$MESH"; }
mesh-both_down() { mesh-module_down; }
lanes_up() { LANES=4 mesh-module_up; }
lanes_down() { LANES=4 mesh-module_down; }

# It moves to the background itself when the device is there.
# shellcheck disable=SC2016
wireguard-go_up()
{
	both 'WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1 LOG_LEVEL=error \
		wireguard-go $OVERLAY_DEV >/dev/null 2>&1 </dev/null'"$WG_SET$ADDRESSES"
}
# It ends by itself when the device goes.
wireguard-go_down() { stock_down; }

# ipsec NAME-OF-AEAD KEY-BYTES: tunnel mode over an xfrm interface, so that routes and MTU are those of
# the other rows. Software GSO and GRO of ESP (esp4_offload) are on: without, it would be slower.
ipsec()
{
	local keys

	keys=$(printf '%02x' $(seq "$2"))
	both "aead='$1' key=0x$keys"'
	modprobe -q esp4_offload || :
	ip link add $OVERLAY_DEV type xfrm if_id 7
	for d in 1:out:$me:$other 2:in:$other:$me 3:fwd:$other:$me; do
		IFS=: read -r i dir src dst <<<"$d"
		for all in 0.0.0.0/0 ::/0; do
			echo xfrm policy add src $all dst $all dir $dir if_id 7 \
				tmpl src $src dst $dst proto esp reqid 7 mode tunnel
		done
		[ $dir = fwd ] || echo xfrm state add src $src dst $dst proto esp \
			spi 0x70$([ $dir = out ] && echo $n || echo $o) reqid 7 mode tunnel if_id 7 \
			replay-window 32 flag af-unspec aead "$aead" $key 128
	done | ip -batch -'"$ADDRESSES"
}
ipsec-gcm_up() { ipsec 'rfc4106(gcm(aes))' 20; }
ipsec-chacha_up() { ipsec 'rfc7539esp(chacha20,poly1305)' 36; }
# Only what is ours: a host may have policies of its own. All of it, even if it was made in part only.
ipsec-gcm_down()
{
	# shellcheck disable=SC2016
	both '
	for dir in out in fwd; do
		for all in 0.0.0.0/0 ::/0; do
			ip xfrm policy delete src $all dst $all dir $dir if_id 7 || :
		done
	done
	ip xfrm state deleteall reqid 7 || :
	ip link del $OVERLAY_DEV'
}
ipsec-chacha_down() { ipsec-gcm_down; }
