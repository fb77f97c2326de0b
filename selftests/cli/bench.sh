#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# The bench itself: what it makes of samples, and that it measures, on this kernel and without a tunnel.
# What it measures in the lab is no test: selftests/vm/bench.sh shows that all rows can be set up.

# shellcheck disable=SC2317	# check calls the functions
. "$TOP/selftests/lib.sh"

bench=$TOP/scripts/bench
parts=$TOP/scripts/bench.d
W=$lib_work
export BUILD=$W/build
mkdir -p "$BUILD/bench"

${CC:-gcc} -O2 -Wall -Wextra -Werror -std=gnu11 -D_GNU_SOURCE -pthread -o "$BUILD/bench/load" "$parts/load.c" 2>"$W/cc"
check "load compiles without a warning" test -x "$BUILD/bench/load" -a ! -s "$W/cc"

# --- wrong usage: said before anything is started

check_fails 2 "bench: what to do?" "nothing said" "$bench"
check_fails 2 "bench: unknown command 'rnu'" "unknown command" "$bench" rnu
check_fails 2 "bench: unknown option '--fast'" "unknown option" "$bench" run --fast
check_fails 2 "bench: --rounds needs a positive number, not '0'" "no rounds" "$bench" run --rounds 0
check_fails 2 "bench: --time needs a positive number, not '1s'" "time with a unit" "$bench" run --time 1s
check_fails 2 "bench: --kernel needs a value" "option without its value" "$bench" run --kernel
check_fails 2 "there is no 'stokc' among the rows" "unknown row" "$bench" run --rows 'plain stokc'
check_fails 2 "there is no 'tpc' among the columns" "unknown column" "$bench" run --columns tpc
check_fails 2 "named by all of --host" "a host without its peer" "$bench" run --host a
check_fails 2 "--addresses needs A,B, not '192.0.2.1'" "one address of two" \
	"$bench" run --host a --peer b --dev eth0 --addresses 192.0.2.1
check_fails 2 "compare needs two results files" "compare with one file" "$bench" compare x
check_fails 1 "cannot read /nowhere" "results that are not there" "$bench" show /nowhere
echo '{"schema": 2, "cells": []}' >"$W/future.json"
check_fails 1 "not a results file of this bench .schema 1." "results of another schema" "$bench" show "$W/future.json"
: >"$W/empty.json"
check_fails 1 "not a results file" "an empty file" "$bench" show "$W/empty.json"
echo '{"schema": 1, "cells": [' >"$W/half.json"
check_fails 1 "not a results file" "half a file" "$bench" report "$W/half.json"
check "list names rows and columns" bash -c "'$bench' list | grep -q '^rows *stock ' && '$bench' list | grep -q '^columns *tcp '"
tune=$TOP/scripts/bench-tune
check_fails 2 "bench-tune: unknown option '--fast'" "bench-tune: unknown option" "$tune" --fast
check_fails 2 "--rounds: '0' is not a number" "bench-tune: no rounds" "$tune" --rounds 0
check_fails 2 "--keys: 'all' is not a number" "bench-tune: no number of keys" "$tune" --keys all
check_fails 2 "bench-tune: --out needs a value" "bench-tune: option without its value" "$tune" --out
check_fails 1 "fairlead is missing: run make tools" "bench-tune: nothing was made" env FAIRLEAD="$W/fairlead" "$tune"
mesh=$TOP/scripts/bench-mesh
check_fails 2 "bench-mesh: unknown option '--fast'" "bench-mesh: unknown option" "$mesh" --fast
check_fails 2 "--sizes: 'many' is not a number" "bench-mesh: no number of peers" "$mesh" --sizes "100 many"
check_fails 2 "--times: '0' is not a number" "bench-mesh: no limit" "$mesh" --times 0
check_fails 2 "bench-mesh: --out needs a value" "bench-mesh: option without its value" "$mesh" --out
check_fails 1 "fairlead is missing: run make tools" "bench-mesh: nothing was made" env FAIRLEAD="$W/fairlead" "$mesh"
load=$BUILD/bench/load
check_fails 2 "Usage: load serve" "load: nothing said" "$load"
check_fails 2 "unknown load 'sctp'" "load: unknown" "$load" sctp ::1 1
check_fails 2 "PORT must be 1 to 65535, not '70000'" "load: port that is none" "$load" serve 70000
check_fails 2 "streams must be 1 to 1024, not '-1'" "load: fewer than no streams" "$load" tcp ::1 1 --streams -1
check_fails 2 "window must be 1 to 1073741824, not '0'" "load: no window at all" "$load" tcp ::1 1 --window 0
check_fails 2 "direction is out, in or both, not 'up'" "load: unknown direction" "$load" tcp ::1 1 --direction up
check_fails 1 "load: connect: Connection refused" "load: nobody there" "$load" tcp 127.0.0.1 9
"$load" serve 51888 &
at_exit kill $!
listening() { [[ $(ss -Hltn "sport = :51888") ]]; }
check_fails 1 "load: bind: Address already in use" "load: a port that is taken" eval 'poll 5 listening && "$load" serve 51888'
check "load: many streams at a time" poll 5 eval '"$load" tcp 127.0.0.1 51888 --streams 500 --warm 10 --time 20 | jq -e ".bytes > 0"'
"$load" tcp 127.0.0.1 51888 --streams 3 --window 54321 --time 2000 >/dev/null &
small=$!
# The kernel doubles what it is told.
check "load: a receive buffer of its own, at both ends" poll 5 eval '[[ $(ss -tnm "sport = :51888 or dport = :51888" | grep -c "rb$((2 * 54321)),") -eq 6 ]]'
wait $small
# A client that is killed in the middle, as by its alarm, leaves a server that serves the next one.
"$load" tcp 127.0.0.1 51888 --streams 8 --time 1000 &
client=$!
connected() { [[ $(ss -Htn "sport = :51888" | wc -l) -ge 9 ]]; }
check "load: a client at work" poll 5 connected
kill -9 $client
# Closely: the server must not take the next client for a connection of the last one.
close_together() { local i; for ((i = 0; i < 300; i++)); do timeout 10 "$load" rr 127.0.0.1 51888 --warm 1 --time 1 || return; done; }
check "load: what comes after a client that was killed is served" poll 5 "$load" rr 127.0.0.1 51888 --time 20
check "load: one client right after another" close_together

# --- statistics

stat() { jq -n -L "$parts" "include \"stats\"; $1"; }
is() { [[ $(stat "$1 | if type == \"number\" then . * 1e6 | round / 1e6 else . end") == "$2" ]] || { stat "$1"; return 1; }; }
check "median of an odd number" is '[5,1,3] | median' 3
check "median of an even number" is '[4,1,3,2] | median' 2.5
check "median of one" is '[7] | median' 7
check "a cell's median does not mind a wild round" is '[10,11,12,13,1000] | cell.median' 12
check "nor does its spread: half the interquartile range" is '[10,11,12,13,1000] | cell.spread' 1
check "nor the error of its median" is '[10,11,12,13,1000] | cell.error' 0.830987
check "its range does: nothing is hidden" is '[10,11,12,13,1000] | cell.high' 1000
check "one round has no spread" is '[3] | cell | [.n, .spread, .error]' "$(printf '[\n  1,\n  0,\n  0\n]')"
check "fewer is better: half the cost is twice as good" is '50 | times_better(100; "lower")' 2
check "more is better: half as much is half as good" is '50 | times_better(100; "higher")' 0.5
check "without a base there is no ratio" is '50 | times_better(null; "lower")' null
verdict() { is "verdict([$1] | cell; [$2] | cell; \"$3\").verdict" "\"$4\""; }
check "clearly fewer instructions are better" verdict 100,101,102,99,100 80,81,80,79,80 lower better
check "clearly more are worse" verdict 80,81,80,79,80 100,101,102,99,100 lower worse
check "more of what should be much is better" verdict 80,81,80,79,80 100,101,102,99,100 higher better
check "a difference within the noise is none" verdict 100,120,80,110,90 95,115,75,105,85 lower same
check "less than 1 % is none, however sure" verdict 1000,1000,1000 1005,1005,1005 lower same

# --- from lines to a document

made='{"command":"c","mode":"m","date":"d","fairlead":"v","seconds":1,"machine":{"cpus":2,"cpu":"c","os":"o","kernel":"k"},"versions":{}}'
# shellcheck disable=SC2120	# check_fails passes one
collect() { jq -n -L "$parts" --argjson made "$made" -f "$parts/collect.jq" "$@"; }
lines() { # $1: instructions that stock takes
	cat <<-END
	{"type":"suite","suite":"main","baseline":"stock","better":"lower","guest_kernel":"6.12"}
	{"type":"row","id":"plain","title":"no encryption"}
	{"type":"row","id":"stock","title":"stock WireGuard"}
	{"type":"row","id":"tuned","title":"tuned <WireGuard>"}
	{"type":"column","id":"tcp","title":"TCP, 1 stream","unit":"byte","load":"tcp","condition":"base","size":0}
	{"type":"column","id":"rr1","title":"round trips","unit":"round trip","load":"rr","condition":"base","size":1}
	{"type":"aead","size":64,"seal_ns":1000,"open_ns":1100}
	{"type":"aead","size":1424,"seal_ns":5000,"open_ns":5940}
	END
	for round in 1 2 3; do
		cat <<-END
		{"type":"sample","row":"plain","column":"tcp","round":$round,"load":"tcp","where":"lab","ns":9,"busy_ns":4000,"peer_busy_ns":1,"bytes":1000,"mss":1368}
		{"type":"sample","row":"plain","column":"rr1","round":$round,"load":"rr","where":"lab","ns":9,"busy_ns":4000,"peer_busy_ns":1,"transactions":1}
		{"type":"sample","row":"stock","column":"tcp","round":$round,"load":"tcp","where":"lab","ns":9,"busy_ns":$(($1 + round)),"peer_busy_ns":1,"bytes":1000,"mss":1368}
		END
	done
	echo '{"type":"absent","row":"tuned","column":"","reason":"cannot be set up here: no"}'
}
{ lines 40000; echo '{"type":"end"}'; } | collect >"$W/old.json"
{ lines 30000; echo '{"type":"end"}'; } | collect >"$W/new.json"
cell() { jq -e --arg r "$1" --arg c "$2" ".cells[] | select(.row == \$r and .column == \$c) | $3" "$W/old.json" >"$W/out" || { cat "$W/out"; return 1; }; }
check "instructions per byte" cell stock tcp '.median == 40.002 and .n == 3'
check "the ratio is to the baseline" cell plain tcp '.ratio > 10 and .ratio < 10.001'
check "the ceiling is plain and the AEAD of a packet's bytes" cell ceiling tcp '(.median - 4 - 10940 / 1368 | fabs) < 1e-9'
check "a round trip has two packets" cell ceiling rr1 '.median == 4000 + 2 * 2100'
check "every sample is kept" jq -e '[.samples[] | select(.row == "stock")] | length == 3' "$W/old.json"
check "what is absent keeps its reason" jq -e '.absent[0].reason == "cannot be set up here: no"' "$W/old.json"
lines 40000 >"$W/cut"
check_fails 5 "the measurement was cut off" "lines without an end are no result" collect "$W/cut"
shared() { # the rounds of one suite, out of two guests
	{
		lines 40000 | grep -v '"round":2'
		echo '{"type":"end"}'
		lines 40000 | grep -v '"round":[13]'
		[[ ! $1 ]] || echo "$1"
	} | collect
}
shared '{"type":"end"}' >"$W/shared.json"
check "what two guests measured is one document" cmp <(jq -S 'del(.aead, .samples)' "$W/old.json") <(jq -S 'del(.aead, .samples)' "$W/shared.json")
check_fails 5 "the measurement was cut off" "unless one of them was cut off" shared ""
hosts() { sed 's/"where":"lab"/"where":"hosts"/' <(lines 40000; echo '{"type":"end"}') | collect | jq -e '.cells[] | select(.row == "stock") | .median == 40.003'; }
check "on two machines the CPU time of both counts" hosts

mkdir "$W/busy"
check_fails 1 "another bench writes into $W/busy: wait for it, or say --out DIR" "a second bench into the same folder is refused" \
	flock "$W/busy" timeout 20 "$TOP/scripts/bench" run --out "$W/busy"

# --- comparing, showing, plotting, reporting

compared() { "$bench" compare "$1" "$2" >"$W/out"; }
check "nothing moved between a file and itself" compared "$W/old.json" "$W/old.json"
check "it says so" grep -q "cells compared: 0 better, 0 worse" "$W/out"
check "less is better, and no failure" compared "$W/old.json" "$W/new.json"
check "it names the cell and by how much" grep -Eq '^BETTER +stock +tcp +40 +30 +-25 %' "$W/out"
worse() { "$bench" compare "$W/new.json" "$W/old.json" >"$W/out"; [[ $? -eq 3 ]] && grep -Eq '^WORSE +stock +tcp .*\+33.3 %' "$W/out" || { cat "$W/out"; return 1; }; }
check "what became worse is status 3" worse
jq '.cells |= map(if .column == "tcp" and .row != "stock" then .error = 0.02 * .median else . end)' "$W/old.json" >"$W/unsure.json"
jq '.cells |= map(if .column == "tcp" and .row == "stock" then .median *= 1.03 else . end)' "$W/unsure.json" >"$W/lucky.json"
check "a cell is no surer than its column" compared "$W/unsure.json" "$W/lucky.json"
jq 'del(.cells[0])' "$W/old.json" >"$W/fewer.json"
check "cells that only one of them has are counted" bash -c "'$bench' compare '$W/fewer.json' '$W/old.json' | grep -q 'not compared: 0 only in the old, 1 only in the new'"
jq '.suite = "mesh"' "$W/old.json" >"$W/mesh.json"
check_fails 1 "are of different suites" "two suites cannot be compared" "$bench" compare "$W/old.json" "$W/mesh.json"
check "the table shows a hole as one" bash -c "'$bench' show '$W/old.json' | grep -Eq '^round trips .* 4000±0% +- +-'"
check "and says why" grep -q "^tuned: cannot be set up here" <("$bench" show "$W/old.json")
if command -v gnuplot >/dev/null; then
	check "plots are made" "$bench" plot "$W/old.json" "$W/plots"
	check "with rows, columns and units in them" bash -c "grep -q '>stock<' '$W/plots/tcp.svg' && grep -q 'TCP, 1 stream' '$W/plots/tcp.svg' && grep -q 'Mbit/s' '$W/plots/tcp.svg'"
else
	skip "plots" "no gnuplot"
fi
check "the report is made" bash -c "'$bench' report '$W/old.json' >'$W/report.md'"
check "with times stock" grep -Fq '| no encryption | 2,000 | 0 % | 10.00 |' "$W/report.md"
check "with what is absent" grep -Fq -- '- tuned: cannot be set up here: no' "$W/report.md"

# The knobs: which is best, and whether `tuned` is that one.
knobs() { # $1: instructions of tuned
	{
		lines 40000 | sed '/"absent"/d; /"id":"tuned"/a {"type":"row","id":"threaded","title":"threads"}\n{"type":"row","id":"flush","title":"flush"}'
		for row in "threaded 20000" "flush 30000" "tuned $1"; do
			echo "{\"type\":\"sample\",\"row\":\"${row% *}\",\"column\":\"tcp\",\"round\":1,\"load\":\"tcp\",\"where\":\"lab\",\"ns\":9,\"busy_ns\":${row#* },\"peer_busy_ns\":1,\"bytes\":1000,\"mss\":1368}"
		done
		echo '{"type":"end"}'
	} | collect
}
knobs 20100 >"$W/knobs.json"
check "the report ranks the knobs" bash -c "'$bench' report '$W/knobs.json' | grep -A 1 -F '| threads (\`threaded\`) | 2.00 |' | grep -F '| flush (\`flush\`) | 1.33 |'"
check "and says which is best" bash -c "'$bench' report '$W/knobs.json' | grep -Eq '^Best on Linux 6.12: .threaded.; the row .tuned., .* has 1.99\.$'"
knobs 30000 >"$W/knobs.json"
check "also if the baseline is not the best" bash -c "'$bench' report '$W/knobs.json' | grep -Fq 'The row \`tuned\` (1.33) is not the best of these on Linux 6.12: \`threaded\` is.'"

# Results of the main suite again, of another kernel, in another way; of other programs.
jq '(.cells[] | select(.row == "plain" and .column == "tcp").ratio) *= 1.04' "$W/old.json" >"$W/main-again.json"
jq '.kernel = "6.1.0"' "$W/old.json" >"$W/main-6.1.json"
jq '.made.mode = "2 CPUs"' "$W/old.json" >"$W/main-smp.json"
echo '{"schema": 1, "kernel": "6.12", "rounds": 3, "units": {"cpu": "s"}, "rows": [{"what": "apply", "peers": 10, "cpu": 0.25}]}' >"$W/tune.json"
check "a report of several" bash -c "'$bench' report '$W'/{old,main-again,main-6.1,main-smp,tune}.json >'$W/report.md'"
check "how far two runs agree" grep -Fq 'Of 2 ratios to stock, 1 agree within 3 % with those of the first run; the median difference is 2 %, the largest 4 % (plain, tcp)' "$W/report.md"
check "another kernel has its own table" grep -Fxq '## The same on Linux 6.1' "$W/report.md"
check "and another way to measure" grep -Fxq '## The same, measured otherwise: 2 CPUs' "$W/report.md"
check "rows of another program" grep -Fxq '| apply | 10 | 0.25 |' "$W/report.md"
check_fails 1 "not a results file" "but not anything" "$bench" report "$W/old.json" "$W/empty.json"
check_fails 1 "not of the main suite" "a report begins with the main suite" "$bench" report "$W/mesh.json"

# --- what is committed: figures in README and docs are those of the results files

report_of() # $1 a folder of results files
{
	local file more=()

	for file in "$1"/*.json; do [[ ${file##*/} == main.json ]] || more+=("$file"); done
	"$bench" report "$1/main.json" "${more[@]}"
}
documented() { diff <(report_of "$1") "$2"; }
check "docs/benchmarks.md is made of docs/bench" documented "$TOP/docs/bench" "$TOP/docs/benchmarks.md"
readme_table() { diff <("$bench" readme "$1") <(sed -n '/^| Linux [0-9.]* |/,/^$/p' "$2" | sed '/^$/d'); }
check "README has the figures of docs/bench/main.json" readme_table "$TOP/docs/bench/main.json" "$TOP/README.md"
# That these would see a single figure that differs.
cp -r "$TOP/docs/bench" "$W/committed"
jq '(.cells[] | select(.row == "module" and .column == "tcp").median) *= 1.02' "$TOP/docs/bench/main.json" >"$W/committed/main.json"
check "another figure would be seen in docs/benchmarks.md" eval '! documented "$W/committed" "$TOP/docs/benchmarks.md"'
check "and in README" eval '! readme_table "$W/committed/main.json" "$TOP/README.md"'
# Each plot that the report shows is there.
shown() { grep -o '](bench/[^)]*)' "$TOP/docs/benchmarks.md" | sed 's/](\(.*\))/\1/' | while read -r file; do [[ -s $TOP/docs/$file ]] || { echo "$file is missing"; return 1; }; done; }
check "docs/benchmarks.md shows no plot that is not there" shown

# A curve of another suite: x and axis.
{
	echo '{"type":"suite","suite":"mesh","baseline":null,"better":"lower","guest_kernel":"6.12"}'
	echo '{"type":"row","id":"up","title":"mesh up"}'
	for n in 10 1000 10000; do
		echo "{\"type\":\"column\",\"id\":\"p$n\",\"title\":\"$n peers\",\"unit\":\"ms\",\"x\":$n,\"axis\":\"peers\"}"
		echo "{\"type\":\"sample\",\"row\":\"up\",\"column\":\"p$n\",\"round\":1,\"value\":$((n * 2))}"
	done
	echo '{"type":"fact","name":"m","title":"memory of a peer","value":4096,"unit":"bytes"}'
	echo '{"type":"end"}'
} | collect >"$W/curve.json"
{ sed -n 1,3p <(lines 40000); echo '{"type":"end"}'; } >"$W/other"
check "another program's lines become a results file" bash -c "'$bench' collect '$W/other' 'make bench-x' 'a VM' | jq -e '.made.command == \"make bench-x\" and .made.mode == \"a VM\"'"
check_fails 1 "cannot make sense of $W/cut" "unless they were cut off" "$bench" collect "$W/cut" x y
check "another suite joins the report" bash -c "'$bench' report '$W/old.json' '$W/curve.json' >'$W/report.md'"
check "with its curve as a table" grep -Fq '| mesh up | 20 | 2,000 | 20,000 |' "$W/report.md"
check "and its facts" grep -Fq '| memory of a peer | 4,096 | bytes |' "$W/report.md"
if command -v gnuplot >/dev/null; then
	check "a curve is plotted over its axis" bash -c "'$bench' plot '$W/curve.json' '$W/plots' && grep -q '10,000' '$W/plots/mesh-peers-ms.svg'"
fi

# --- profiles: real samples of this machine

if command -v perf >/dev/null && perf record -q -a -B -N -F 500 -e cpu-clock -o "$W/perf.data" -- \
		dd if=/dev/zero of=/dev/null bs=64k count=20000 2>"$W/err"; then
	{
		printf '{"type":"perf","row":"plain","data":"%s"}\n' "$(base64 -w 0 "$W/perf.data")"
		printf '{"type":"kallsyms","row":"plain","data":"%s"}\n' "$(grep ' [tTwW] .*\[' /proc/kallsyms | gzip -1 | base64 -w 0)"
		printf '{"type":"kallsyms","row":"","data":"%s"}\n' "$(grep ' [tTwW] [^[]*$' /proc/kallsyms | gzip -1 | base64 -w 0)"
	} >"$W/lines"
	check "a profile is read" bash -c "'$parts/profile' '$W/lines' >'$W/profile'"
	check "its shares are all there is" jq -e '.samples > 10 and ((.shares | add) - 1 | fabs) < 1e-9' "$W/profile"
	check "functions have names" jq -e '[.top[].symbol] | any(test("^[a-z_0-9.]+$"))' "$W/profile"
else
	skip "profiles" "no perf that can sample here"
fi
check_fails 1 "no profile was taken" "lines without a profile" "$parts/profile" "$W/cut"

# --- measuring, between two namespaces that are reached as machines are

node_add a
node_add b
ip link add eth0 netns "$(node_pid a)" type veth peer name eth0 netns "$(node_pid b)"
for end in a:1 b:2; do
	# A /tmp of its own, too: other benches of this machine have folders there.
	node_exec ${end%:*} bash -ec "ip addr add 192.0.2.${end#*:}/24 dev eth0; ip link set eth0 up; mount -t tmpfs tmp /tmp"
done
cat >"$W/rsh" <<END
#!/bin/bash
exec nsenter --target \$(cat "$W/pid-\$1") --net --mount -- bash -c "\$2"
END
chmod +x "$W/rsh"
node_pid a >"$W/pid-a"
node_pid b >"$W/pid-b"
# shellcheck disable=SC2054	# the addresses are one word
hosts=("$bench" run --host a --peer b --rsh "$W/rsh" --dev eth0 --addresses 192.0.2.1,192.0.2.2 --out "$W/out.d"
	--rows plain --rounds 2 --time 100)
check "it measures between two hosts" "${hosts[@]}" --columns 'tcp udp1400 rr1 crr v6-tcp pod-tcp'
# On a machine that is busy with other things a stream may starve for a whole measurement: that is said.
all_there() { jq -e '. as $d | all("crr", "rr1", "tcp", "udp1400", "v6-tcp"; . as $c |
	([$d.samples[] | select(.column == $c and .value > 0)] | length) +
	([$d.absent[] | select(.column == $c and (.reason | test("^round . failed")))] | length) == 2) and
	any($d.cells[]; .n == 2)' "$W/out.d/main.json" || { jq -c '.absent, .cells' "$W/out.d/main.json"; return 1; }; }
check "each column has both rounds" all_there
check "CPU time is no more than there was" jq -e --argjson cpus "$(nproc)" \
	'[.samples[] | select(.load == "rr") | .busy_ns <= .ns * $cpus] | all' "$W/out.d/main.json"
check "what is made in the lab only is named" jq -e '.absent | any(.column == "pod-tcp" and (.reason | test("lab only")))' "$W/out.d/main.json"
check "results say how they were made" jq -e '.made.command | test("--host a")' "$W/out.d/main.json"
check "it measures precisely there" "${hosts[@]}" --precise --rounds 1 --columns udp1400
two() { jq -e '(.samples | length) + (.absent | length) == 2' "$W/out.d/main.json" || { jq -c '.absent, .cells' "$W/out.d/main.json"; return 1; }; }
check "... which takes more samples a round" two
clean()
{
	local node

	for node in a b; do
		! node_exec $node ip addr show dev eth0 | grep -q 10.200.0 && ! node_exec $node ss -Hltnu | grep -q :51890 &&
			[[ ! $(node_exec $node ls /tmp) ]] || return
	done
}
check "nothing is left on the hosts" poll 5 clean
check_fails 1 "cannot reach node b" "a host that does not answer" "${hosts[@]/--peer/--peer}" --peer nobody --columns tcp
node_exec b ip link add flbench0 type bridge
check_fails 1 "node b has an interface flbench0 already" "an interface of that name is not touched" "${hosts[@]}" --columns tcp
check "it is still there" node_exec b ip link show flbench0

done_testing
