# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# timeout: 900
#
# What proves that a mesh works: preshared keys, ping, path checks, --confirm.
. "$TOP/selftests/lib.sh"
. "$TOP/selftests/mesh.bash"

nodes=(a b c)
mesh_nodes "${nodes[@]}"
pod_add a pa 10.244.1.2 fd00:244:1::2
pod_add b pb 10.244.2.2 fd00:244:2::2
before=$(snapshot a)

# ---- preshared keys ------------------------------------------------------------------------------

psk_of() { node_exec "$1" wg show fl0 preshared-keys | awk -v key="${public[$2]}" '$1 == key { print $2 }'; }

{ echo "[Mesh]"; echo "PresharedKeys = derived"; for n in "${nodes[@]}"; do section "$n"; done; } |
	everywhere "${nodes[@]}"
mesh a up
is "without the mesh secret up fails" 1 $rc
has "and says what to do" '/etc/fairlead/mesh.psk: cannot open: .*`fairlead mesh genpsk --out FILE` makes one' "$err"
is "and changes nothing" "$before" "$(snapshot a)"
node_exec a "$FAIRLEAD" mesh genpsk --out /etc/fairlead/mesh.psk
node_exec a cat /etc/fairlead/mesh.psk >"$lib_work/psk"
chmod 600 "$lib_work/psk"
node_exec b cp -p "$lib_work/psk" /etc/fairlead/mesh.psk
node_exec c "$FAIRLEAD" mesh genpsk --out /etc/fairlead/mesh.psk
all_up "${nodes[@]}"
is "both ends derive the same key" "$(psk_of a b)" "$(psk_of b a)"
check "each pair has its own" test "$(psk_of a b)" != "$(psk_of a c)"
mesh a ping b
is "with it they talk" 0 $rc
mesh a ping --count 1 c
is "a node with another secret does not get through" 1 $rc
mesh a plan
is "plan then has nothing to do" "0 fl0: nothing to do" "$rc $out"
secret=$(<"$lib_work/psk")
mesh a show --json
if [[ $out == *"$secret"* || $out == *"$(psk_of a b)"* ]]; then fail "no secret is shown"; else ok "no secret is shown"; fi
is "show says that there is one" true "$(jq '[.peers[].preshared_key] | all' <<<"$out")"

node_exec a bash -c 'mkdir -m 700 /etc/fairlead/psk.d; (umask 077; wg genpsk >/etc/fairlead/psk.d/b; wg genpsk >/etc/fairlead/psk.d/c)'
node_exec a cat /etc/fairlead/psk.d/b >"$lib_work/b"
chmod 600 "$lib_work/b"
{ echo "[Mesh]"; echo "PresharedKeys = files"; for n in "${nodes[@]}"; do section "$n"; done; } | everywhere a
mesh a up
is "keys from files replace derived ones" "$(<"$lib_work/b")" "$(psk_of a b)"
{ for n in "${nodes[@]}"; do section "$n"; done; } | everywhere "${nodes[@]}"
mesh a up
has "without PresharedKeys they go" '^0 fl0: up' "$rc $out"
is "they are gone" "(none)" "$(psk_of a b)"
all_up b c

# ---- ping ----------------------------------------------------------------------------------------

# A handshake that failed is tried again after 5 s.
poll 20 node_exec a "$FAIRLEAD" mesh ping -n 1 c
mesh a ping
is "ping of all nodes" 0 $rc
has "ping has the time, IPv4" '^b +10.200.0.12 +fl0 +3 of 3 +[0-9.]+ ms +[0-9.]+ ms +[0-9.]+ ms' "$out"
has "ping has the time, IPv6" '^c +fd00:200::13 +fl0 +3 of 3 ' "$out"
mesh a ping b nowhere
is "ping of a node that is not in the file" 1 $rc
has "names it" '/etc/fairlead/mesh.conf: there is no node "nowhere" in it' "$err"
mesh a ping a
has "ping of oneself is refused" '"a" is this node itself' "$err"
mesh b ping -n 1
mesh a show
is "show alone asks nobody" "PEER STATE HANDSHAKE RECEIVED" "$(awk '$1 == "PEER" { print $1, $2, $3, $4 }' <<<"$out")"
mesh a show --ping
has "show --ping has the round trip" '^b +up +[0-9ms]+ +[0-9.]+ ms +[0-9.]+ (B|KiB) ' "$out"
node_exec c ip link set eth0 down
mesh a ping -n 1 --json
is "ping with a node that is away is degraded" 3 $rc
is "ping --json" true "$(jq '.schema == 1 and (.pings | length) == 4 and
	([.pings[] | select(.node == "b") | .received] == [1, 1]) and
	([.pings[] | select(.node == "c") | .rtt_mean_ms] == [null, null])' <<<"$out")"

# c is away, but its session with b will look alive for minutes. What b says of it is read below.
node_exec b "$FAIRLEAD" mesh show --ping --json >"$lib_work/b_show" 2>&1 &
b_show=$!

mesh a graph
has "graph has the node" '^a  10.200.0.11  fd00:200::11$' "$out"
has "and a line for each peer" '^\|==== +b +up +[0-9ms]+  192.0.2.12:51820  10.200.0.12  fd00:200::12$' "$out"
mesh a graph --format dot
has "graph in DOT" '^	"a" -- "b" \[color=forestgreen, label="up [0-9ms]+"\];$' "$out"
is "which is one graph" "1 1" "$(grep -c '^graph "mesh" {$' <<<"$out") $(grep -c '^}$' <<<"$out")"
mesh a graph -f png
is "graph in an unknown format" "2 fairlead: --format: 'png' is neither ascii nor dot" "$rc $err"

# ---- confirm: a node that is away ----------------------------------------------------------------

up=$(snapshot a)
{ echo "[Mesh]"; echo "MTU = 1400"; for n in "${nodes[@]}"; do section "$n"; done; } | everywhere a
mesh a up --confirm 4s
is "one that was silent before need not answer" "0 fl0: up, node a of mesh mesh, 2 peers, 1 change, confirmed" "$rc $out"
mesh a down
mesh a up --confirm 3s
is "one that is new must answer" 1 $rc
has "who did not is named" 'no answer within 3 s from 1 of 2 peers: c$' "$err"
has "and that it is undone" 'not confirmed: what was done is undone' "$err"
is "and all of it is undone" "$before" "$(snapshot a)"
wait $b_show
is "show --ping finds out that a peer has stalled" "up stalled" \
	"$(jq -r '[.peers[] | select(.name != "b") | .state] | join(" ")' "$lib_work/b_show")"
is "whose lane has, too, and no round trip" true "$(jq '.peers[] | select(.name == "c") |
	.lanes[0].state == "stalled" and .rtt_ms == null and .handshake_age < 180' "$lib_work/b_show")"
node_exec c ip link set eth0 up
node_exec c ip address add 2001:db8::13/64 dev eth0 nodad
mesh a up --confirm 20s
is "with all of them there it is confirmed" "0 fl0: up, node a of mesh mesh, 2 peers, 15 changes, confirmed" "$rc $out"

# A change that cuts them off is undone, by itself or by the end of the shell.
up=$(snapshot a)
{ echo "[Mesh]"; echo "MTU = 1400"; echo "ListenPort = 6000"; for n in "${nodes[@]}"; do section "$n"; done; } |
	sed '/^Endpoint/s/[],]/&/; s/^\(Endpoint = 192.0.2.1[23]\),.*/\1:7/' | everywhere a
node_exec a nft -f - <<<'table inet cut { chain out { type filter hook output priority 0; udp sport 6000 drop; }; }'
mesh a up --confirm 3s
is "a change that cuts others off is undone" 1 $rc
is "as it was" "$up" "$(snapshot a)"
node_exec a "$FAIRLEAD" mesh up --confirm 60s >"$lib_work/out" 2>"$lib_work/err" &
poll 20 node_exec a bash -c '[[ $(wg show fl0 listen-port) == 6000 ]]'
sleep 0.5
pid=$(pgrep -P $! -f 'mesh up' || pgrep -f 'fairlead.* mesh up --confirm 60s' | head -n 1)
kill -HUP "$pid"
wait $!
is "a hang-up undoes it" "1 $up" "$? $(snapshot a)"
has "and says so" 'stopped by signal 1' "$(<"$lib_work/err")"
node_exec a nft delete table inet cut

# ---- check ---------------------------------------------------------------------------------------

{ for n in "${nodes[@]}"; do section "$n"; done; } | everywhere "${nodes[@]}"
all_up "${nodes[@]}"
mesh a check
is "check of a good mesh" 0 $rc
has "check has the way outside" '^b +outside +192.0.2.12 +1480 +1480 +ok' "$out"
has "in both families" '^b +outside +2001:db8::12 +1500 +1500 +ok' "$out"
has "and inside" '^c +fl0 +fd00:200::13 +1420 +1420 +ok' "$out"
# A router on the way to b that drops what is larger than 1400 bytes, and says nothing.
lib_in bridge nft -f - <<<'table bridge hole { chain forward { type filter hook forward priority 0
	ether type ip ip length > 1400 oif port12 drop
	ether type ip ip length > 1400 iif port12 drop
	ether type ip6 ip6 length > 1360 oif port12 drop
	ether type ip6 ip6 length > 1360 iif port12 drop
}; }' ||
	fail "cannot make a black hole"
mesh a check
is "check finds the black hole" 3 $rc
has "the size that passes outside" '^b +outside +192.0.2.12 +1480 +1400 +black hole' "$out"
has "and inside" '^b +fl0 +10.200.0.12 +1420 +13[0-9]+ +black hole' "$out"
has "not with the others" '^c +fl0 +10.200.0.13 +1420 +1420 +ok' "$out"
line=$(grep -n 'Node "b"' "$conf" | cut -d : -f 1)
has "it names the line to change, and how" "mesh.conf:$line: \[Node \"b\"\]: packets of more than [0-9]+ bytes do not arrive; write MTU = [0-9]+ in it" "$err"
mtu=$(sed -n 's/.*write MTU = \([0-9]*\) in it.*/\1/p' <<<"$err")
mesh a check --json c
is "check --json of one node" true "$(jq '.schema == 1 and ([.paths[].node] | unique == ["c"]) and
	([.paths[].fault] | any | not) and .paths[0].mtu_to_write == null' <<<"$out")"
{ section a; section b "MTU = $mtu"; section c; } | everywhere "${nodes[@]}"
all_up "${nodes[@]}"
mesh a check
is "with that line all is well" 0 $rc
lib_in bridge nft delete table bridge hole

done_testing
