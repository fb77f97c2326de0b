#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# `fairlead top` on terminals of tmux: with readings from a file that a script here writes anew, and with the
# kernel's own.
# FAIRLEAD_CAPTURES=DIR keeps the screens that docs/top.md shows.
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317	# words for eval and functions, for check to run
. "$TOP/selftests/lib.sh"
# shellcheck source=selftests/metrics.bash
. "$TOP/selftests/metrics.bash"

FILE=$lib_work/metrics
T=(:)
at_exit eval '"${T[@]}" kill-server'

# reading N SECONDS: metrics of N peers after so long: peer i receives i Mbit/s; node-3 has no session.
# readings N: again and again.
reading()
{
	awk -v n="$1" -v t="$2" -v now="$EPOCHSECONDS" '
	function peers(family, type, unit, f) { print "# TYPE fairlead_peer_" family, type; }
	BEGIN {
		for (l = 0; l < 2; l++)
			lanes = lanes sprintf("fairlead_lane_receive_bytes_total{lane=\"fl%d\"} %.0f\n", l, t * (l + 1) * 125e5)
		printf "# TYPE fairlead_lane_receive_bytes_total counter\n%s", lanes
		print "# TYPE fairlead_wireguard_drops_total counter"
		printf "fairlead_wireguard_drops_total{reason=\"no_session\"} %d\n", t * 3
		print "# TYPE fairlead_rtt_seconds histogram"
		printf "fairlead_rtt_seconds_bucket{le=\"0.000256\"} %d\nfairlead_rtt_seconds_bucket{le=\"0.000512\"} %d\n", t * 50, t * 99
		printf "fairlead_rtt_seconds_bucket{le=\"+Inf\"} %d\nfairlead_rtt_seconds_sum 1\nfairlead_rtt_seconds_count %d\n", t * 100, t * 100
		peers("receive_bytes_total", "counter")
		for (i = 1; i <= n; i++) printf "fairlead_peer_receive_bytes_total{peer=\"node-%d\"} %.0f\n", i, t * i * 125000
		peers("transmit_bytes_total", "counter")
		for (i = 1; i <= n; i++) printf "fairlead_peer_transmit_bytes_total{peer=\"node-%d\"} %.0f\n", i, t * (n + 1 - i) * 1250
		peers("receive_packets_total", "counter")
		for (i = 1; i <= n; i++) printf "fairlead_peer_receive_packets_total{peer=\"node-%d\"} %.0f\n", i, t * i * 100
		peers("transmit_packets_total", "counter")
		for (i = 1; i <= n; i++) printf "fairlead_peer_transmit_packets_total{peer=\"node-%d\"} %.0f\n", i, t * i
		peers("rtt_seconds", "summary")
		for (i = 1; i <= n; i++) printf "fairlead_peer_rtt_seconds_sum{peer=\"node-%d\"} %f\nfairlead_peer_rtt_seconds_count{peer=\"node-%d\"} %d\n", i, t * i * 0.0003, i, t
		peers("state", "gauge")
		for (i = 1; i <= n; i++) printf "fairlead_peer_state{peer=\"node-%d\"} %d\n", i, i == 3 ? 0 : 2
		peers("last_handshake_time_seconds", "gauge")
		for (i = 1; i <= n; i++) printf "fairlead_peer_last_handshake_time_seconds{peer=\"node-%d\"} %d\n", i, i == 3 ? 0 : now - i * 4
		print "# EOF"
	}' >"$FILE.new" && mv "$FILE.new" "$FILE"
}
readings()
{
	local began=${EPOCHREALTIME/[.,]/}

	while :; do
		reading "$1" "$(((${EPOCHREALTIME/[.,]/} - began) / 1000)).0e-3"
		sleep 0.2
	done
}

# screen: what is on it. on WIDTH HEIGHT COMMAND...: a new terminal, with a shell that runs this.
screen() { "${T[@]}" capture-pane -p "$@"; }
on()
{
	# A server that is about to end takes no new session: another server.
	"${T[@]}" kill-server 2>/dev/null
	T=(tmux -S "$lib_work/tmux.$((++terminals))" -f /dev/null)
	"${T[@]}" new-session -d -x "$1" -y "$2" "cd $lib_work; echo before; $3; echo status \$?; echo stty \$(stty -a | tr ' ;' '\n' | grep -xE -- '-?(icanon|echo)'); read -r"
}
keys() { "${T[@]}" send-keys "$@"; }
# shows REGEX: soon. stays REGEX: for a second.
has() { screen | grep -Eq -- "$1"; }
shows() { poll 8 has "$1" || { screen; return 1; }; }
stays() { for _ in {1..5}; do has "$1" || return; sleep 0.1; done; }
keep() { [[ ! ${FAIRLEAD_CAPTURES:-} ]] || { sleep "$2"; screen >"$FAIRLEAD_CAPTURES/$1"; }; }
TOPCMD="LC_ALL=C.UTF-8 $FAIRLEAD top -d 1 -f $FILE"

### what it says to mistakes

reading 30 0
check_fails 1 "needs a terminal; .fairlead metrics" "no terminal" "$FAIRLEAD" top -f "$FILE"
check_fails 2 "has no JSON" "JSON" "$FAIRLEAD" top --json
check_fails 2 "0 is not from 1 to 3600" "no delay" "$FAIRLEAD" top -d 0
check_fails 2 "'size' is none of total" "a column that is not there" "$FAIRLEAD" top --sort size
check_fails 2 "longer than 63 bytes" "a filter that is too long" "$FAIRLEAD" top --filter "$(printf %064d 0)"
check_fails 2 "unknown verb 'top peers'" "an argument" "$FAIRLEAD" top peers
check_fails 1 "cannot read: No such file" "a file that is not there" "$FAIRLEAD" top -f "$lib_work/nonesuch"
on 80 24 "TERM=nonesuch $FAIRLEAD top -f $FILE"
check "a terminal that nobody knows" shows "cannot use a terminal of the type 'nonesuch'"

### 80 columns, 24 lines

readings 30 &
READINGS=$!
at_exit kill $READINGS
on 80 24 "$TOPCMD"
check "who, how many, how often" shows '^[^ ]+  [0-9:]{8}  30 peers, 29 up +every 1 s$'
check "the sum of all" shows '^receive +[1-9][0-9.]* [MG]bit/s, [1-9][0-9.]* [kM]packets/s +.*[▁▂▃▄▅▆▇█]$'
check "lanes" shows '^lanes +fl0 in [1-9][0-9.]*M out 0   fl1 in [1-9][0-9.]*M out 0$'
check "the round trip" shows '^round trip p50 2[56][0-9] us   p99 5[01][0-9] us$'
check "drops" shows '^drops +wireguard no_session [1-9]/s of [0-9]+$'
check "a peer, all of it" shows '^node-30 +[1-9][0-9.]*M +[1-9][0-9.]*k +[0-9.]+ ms +2m0[0-9]s up +[▁▂▃▄▅▆▇█ ]+$'
check "the busiest first" eval 'screen | grep -A1 "^PEER" | tail -n 1 | grep -q ^node-30'
check "no line is too long" eval '[[ $(screen | wc -L) -le 80 && $(screen | wc -l) -eq 24 ]]'
keep top-80x24 ${FAIRLEAD_CAPTURES:+8}
keys s
check "s: sorted by the next column" shows 'sort: rx '
keys r
check "r: the other way round" eval 'shows "sort: rx, reversed" && screen | grep -A1 "^PEER" | tail -n 1 | grep -q "^node-1 "'
keys S S S
check "S: by the column before" eval 'shows "sort: state, reversed"'
keys r
check "those that are down first" eval 'shows "sort: state " && screen | grep -A1 "^PEER" | tail -n 1 | grep -qE "^node-3 .* never +down"'
keys S S S S S
keys End
check "End: the last rows" eval 'shows "^node-1 " && [[ ! $(screen | grep "^node-30 ") ]]'
keys PageUp
check "Page Up" eval 'shows "^node-2[0-9] "'
keys Home
check "Home" shows '^node-30 '
keys Down
check "Down: a row" eval 'poll 3 eval "[[ ! \$(screen | grep \"^node-30 \") ]]" && shows "^node-29 "'
keys / 2 0 Enter
check "/: only names with that in them" eval 'shows "^filter: 20 +Esc drop" && [[ $(screen | grep -c ^node) == 1 ]]'
keys / x
check "none" shows '^no peer has that in its name'
keys BSpace
check "Backspace" eval 'shows "^filter: 20_" && shows "^node-20"'
keys Escape
check "Esc: all again" eval 'shows "^q quit" && poll 3 eval "[[ \$(screen | grep -c ^node) -gt 10 ]]"'
keys '?'
check "?: help" shows 'fairlead-top\(8\) is the manual'
keys q
check "any key leaves it" shows '^q quit'
keys p
check "p: paused" shows 'PAUSED$'
frozen() { local was; was=$(screen); sleep 1.3; [[ $(screen) == "$was" ]]; }
check "nothing moves" frozen
keys p
check "and goes on" shows 'every 1 s$'
keys +
check "+: less often" shows 'every 2 s$'
keys -

### sizes

"${T[@]}" resize-window -x 132 -y 40
check "wider: packets in both directions" shows '^PEER +RX bit/s +TX bit/s +RX p/s +TX p/s +RTT'
check "higher: all 30 peers" eval 'poll 3 eval "[[ \$(screen | grep -c ^node-) == 30 ]]"'
keep top-132x40 0
"${T[@]}" resize-window -x 40 -y 10
check "smaller: the name and the rates stay" eval 'shows "^PEER +RX bit/s TX bit/s" && [[ $(screen | wc -L) -le 40 ]] && shows "^node-30"'
"${T[@]}" resize-window -x 12 -y 3
check "very small: it lives" stays 'peers|node|PEER|vm|:'
"${T[@]}" resize-window -x 80 -y 24
check "and comes back" shows '^node-30 .* up '

### the end

keys q
check "q: status 0" shows '^status 0$'
check "the screen is as it was" shows '^before$'
check "the terminal, too" shows '^stty icanon echo$'
for signal in TERM INT HUP; do
	on 80 24 "bash -c 'echo \$\$ >$lib_work/pid; exec env $TOPCMD'"
	shows '^node-30' >/dev/null
	kill -$signal "$(<"$lib_work/pid")"
	check "SIG$signal: status 0, terminal restored" eval \
		'shows "^status 0$" && shows "^before$" && shows "^stty icanon echo$"'
done
on 80 24 "$TOPCMD"
shows '^node-30' >/dev/null
keys C-c
check "Ctrl-C as well" eval 'shows "^status 0$" && shows "^stty icanon echo$"'

### terminals that can less

on 80 24 "LC_ALL=C $FAIRLEAD top -d 1 -f $FILE"
check "without UTF-8 the history is ASCII" eval 'shows "^node-30.* up +[- .:=+*#@]*[.:=+*#@-]+$" && ! screen | grep -qP "[^\x00-\x7f]"'
coloured() { screen -e | grep -qP '\x1b\[[0-9;]*3[123]m'; }
on 80 24 "TERM=screen-256color $TOPCMD"
check "colours" eval 'shows "^node-30 .* up " && coloured'
on 80 24 "NO_COLOR=1 TERM=screen-256color $TOPCMD"
check "none with NO_COLOR" eval 'shows "^node-30 .* up " && ! coloured'
on 80 24 "TERM=vt100 LC_ALL=C $FAIRLEAD top -d 1 -f $FILE"
check "vt100" eval 'shows "^node-30 .* up " && ! coloured'

### readings that fail

# On a busy machine two readings may find the same file: then no peer has a rate, and another is first.
shows "^node-30 " >/dev/null
kill $READINGS && wait $READINGS 2>/dev/null
rm "$FILE"
check "no file: said below, the last reading stays" eval 'shows "metrics: cannot read: No such file" && shows "OLD$" && shows "^node-30 "'
printf 'x 1\n' >"$FILE"
check "half a file" shows "metrics: no '# EOF' at the end"
reading 2 1
check "a good one again" eval 'shows "^q quit" && shows "  2 peers"'
reading 0 1
check "no peers" shows '^no peers'
reading 10000 1
check "10,000 peers" shows '  10000 peers, 9999 up'
keys / 9 9 9 9 Enter
check "of which one is found" shows '^node-9999 '
keys q
check "and it ends at once" shows '^status 0$'
cat >"$FILE" <<'END'
# TYPE fairlead_peer_receive_bytes_total counter
fairlead_peer_receive_bytes_total{peer="Wörker-Ä-日本語-ふねのつなをみちびく"} 0
fairlead_peer_receive_bytes_total{peer="evil\n\\e[31m"} 0
# EOF
END
printf 'fairlead_peer_receive_bytes_total{peer="\033[2J\377"} 0\n# EOF\n' >"$lib_work/raw"
sed -i '/EOF/d' "$FILE" && cat "$lib_work/raw" >>"$FILE"
on 60 24 "$TOPCMD"
check "names of any script, and of none" eval 'shows "^Wörker-Ä-日本語" && shows "^evil\?" && shows "^\?\[2J\?" && [[ $(screen | wc -L) -le 60 ]]'

### the kernel's own

metrics_node m w1
check_fails 1 "fairlead accel on" "no metrics: how to get them" node_exec m "$FAIRLEAD" top
check "metrics are switched on" node_exec m "$FAIRLEAD" accel on metrics -c "$lib_work/mesh.conf" -k "$lib_work/m.key"
on 80 24 "nsenter --target $(node_pid m) --net --mount --uts $FAIRLEAD top -d 1"
check "the peer is there, without traffic" shows '^w1 +0 +0 '
node_exec m ping -q -i 0.01 -c 150 -s 1000 -W 1 10.200.0.12 >/dev/null &
check "and with it" shows '^w1 +0 +([1-9][0-9.]*)[kM] '
wait $!
keys q
check "the end" shows '^status 0$'

done_testing
