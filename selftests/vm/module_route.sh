#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 240
#
# fairlead.ko: datagrams that come alone go straight to WireGuard on the route of the one before, and everything
# that routing, rules, filters and checksums say about them holds as without it.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/wire.sh
. "$TOP/selftests/wire.sh"

rx() { counter "rx_$1" $B; }
got() { b wg show fl0 transfer | awk '{ print $2 }'; } # bytes
pings() { a ping -q -c 20 -i 0.02 -W 1 10.200.0.2; }
# grow COMMAND...: sets grown to what its number grows by while 20 datagrams come. Status 2: no number; else that of ping.
grow() {
	local before after answered

	before=$("$@") && [[ $before ]] || return 2
	pings >/dev/null
	answered=$?
	after=$("$@") && [[ $after ]] || return 2
	grown=$((after - before))
	echo "$before, then $after"
	return $answered
}
all() { grow "$@" && ((grown >= 20)); }
none() { grow "$@"; (($? < 2 && grown == 0)); }
half() { grow "$@"; (($? < 2 && grown == 10 * 128)); } # bytes of datagrams
# A CPU asks for each route once a second, and pings come on any CPU.
most() { grow "$@" && ((grown >= 10)); }
rule() { ip -n $B "-$family" rule "$@"; }
wait_a_second() { sleep 1.1; } # for what does not make routes invalid

for family in 4 6; do
	if [ $family = 4 ]; then
		from=192.0.2.1 address=192.0.2.2/24 file=snmp
		udp() { b awk -v f="$1" '/^Udp:/ && !n { n = split($0, name); next } /^Udp:/ { for (i = 1; i <= n; i++) if (name[i] == f) print $i }' /proc/net/snmp; }
		udp_at=20
	else
		from=2001:db8::1 address=2001:db8::2/64 file=snmp6
		udp() { b awk -v f="Udp6$1" '$1 == f { print $2 }' /proc/net/snmp6; }
		udp_at=40
	fi
	f="IPv$family:"
	wire $family
	modprobe fairlead
	on $B
	b ping -q -c 1 -W 1 10.200.0.1 >/dev/null

	check "$f what comes alone goes straight to WireGuard" all rx single
	check "$f on the route of the one before" most rx routed
	check "$f /proc/net/$file counts each" all udp InDatagrams

	### what routing says

	# The rule for local addresses comes first everywhere; behind one of ours that is to have a say.
	rule add pref 100 lookup local
	rule del pref 0
	rule add pref 10 from $from prohibit
	wait_a_second
	check "$f a rule that forbids the sender is heard" none got
	rule del pref 10
	wait_a_second
	check "$f and when it is gone, too" all got

	rule add pref 10 fwmark 7 prohibit
	b nft -f - <<-NFT
		table inet t { chain pre { type filter hook prerouting priority mangle;
			udp dport 51820 meta mark set numgen inc mod 2 map { 0 : 0, 1 : 7 }; }; }
	NFT
	check "$f a mark makes it another route: every second one is not let in" half got
	b nft delete table inet t
	check "$f and without the mark it is the old one" all got
	rule del pref 10

	ip -n $B addr del $address dev vb
	check "$f what comes for an address that was taken away is not taken" none got
	ip -n $B addr add $address dev vb nodad
	check "$f when it is back, it is" all got

	### who else wants to see it

	b nft -f - <<-NFT
		table inet t { chain in { type filter hook input priority 0; udp dport 51820 counter; }; }
	NFT
	counted() { b nft -j list table inet t | jq '[.. | .counter? | select(. != null).packets] | add'; }
	check "$f a filter on input sees each" all counted
	check "$f and all arrive" all got
	check "$f still on the route of the one before" most rx routed
	b nft flush chain inet t in
	b nft add rule inet t in udp dport 51820 drop
	check "$f what it drops does not arrive" none got
	b nft delete table inet t

	b nft -f - <<-NFT
		table inet t { chain in { type filter hook input priority 0; ct state new,established accept; }; }
	NFT
	check "$f with conntrack, all arrive" all got
	b nft delete table inet t

	if [ $family = 4 ]; then
		ip netns exec $B "$XFER" raw >"$W/raw" &
		raw=$!
		sleep 0.3
		check "$f while a raw socket listens to UDP, all arrive" all got
		kill -INT $raw
		wait $raw
		check "$f and it has got each" test "$(<"$W/raw")" -ge 20
	fi

	### what must not come in

	a tc qdisc add dev va clsact
	edit() { a tc filter add dev va egress protocol "$1" u32 match u32 0 0 action pedit munge offset "$2" "$3" set "$4"; }
	# Checksums are not looked at: the other end of a veth has left them to be completed.
	if [ $family = 4 ]; then
		edit ip 24 u16 0x50
		check "$f the stack sees to one that is longer than it says" none rx single
	else
		edit ipv6 46 u16 0
		check "$f the stack refuses one without a checksum" none got
	fi
	a tc filter del dev va egress
	a ethtool -K va tx off >/dev/null
	check "$f whole datagrams with a checksum come straight in" all rx single
	edit all $((udp_at + 6)) u16 0x1234
	errors=$(udp InCsumErrors)
	check "$f with a wrong one they do not" none rx single
	check "$f and are counted as such" test "$(udp InCsumErrors)" -ge $((errors + 20))
	a tc filter del dev va egress
	a tc qdisc del dev va clsact
	check "$f after all that, all arrive" all got
	unwire
	check "$f with routes remembered, the namespaces go and the module unloads" poll 10 rmmod fairlead
done

done_testing
