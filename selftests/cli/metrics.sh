#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The verbs of `fairlead metrics`, with texts from files; what needs the kernel is in ../bpf, ../vm.
# shellcheck source=selftests/lib.sh
# shellcheck disable=SC2016,SC2317	# words for eval and functions, for check to run
. "$TOP/selftests/lib.sh"

cat >"$lib_work/good" <<'END'
# TYPE fairlead_build_info gauge
# HELP fairlead_build_info Version.
fairlead_build_info{version="1.0"} 1
# TYPE fairlead_peers gauge
# HELP fairlead_peers Peers.
fairlead_peers 2
# TYPE fairlead_peer_info gauge
# HELP fairlead_peer_info Key.
fairlead_peer_info{peer="w1",public_key="AQA="} 1
fairlead_peer_info{peer="odd \"name\\",public_key="AgA="} 1
# TYPE fairlead_peer_start_time_seconds gauge
# UNIT fairlead_peer_start_time_seconds seconds
# HELP fairlead_peer_start_time_seconds Since.
fairlead_peer_start_time_seconds{peer="w1"} 1700000000.123
fairlead_peer_start_time_seconds{peer="odd \"name\\"} 1700000000.123
# TYPE fairlead_peer_receive_bytes_total counter
# UNIT fairlead_peer_receive_bytes_total bytes
# HELP fairlead_peer_receive_bytes_total Bytes.
fairlead_peer_receive_bytes_total{peer="w1"} 18446744073709551615
fairlead_peer_receive_bytes_total{peer="odd \"name\\"} 0
# EOF
END
# What no family has yet: other labels, histograms, values that are no numbers in JSON.
cat >"$lib_work/later" <<'END'
# TYPE fairlead_peer_info gauge
fairlead_peer_info{peer="w1",public_key="AQA=",endpoint="192.0.2.1:51820"} 1
fairlead_peer_info{peer="w2\n\\e[31m",public_key="AgA=",endpoint=""} 1
# TYPE fairlead_peer_latest_handshake_time_seconds gauge
fairlead_peer_latest_handshake_time_seconds{peer="w2\n\\e[31m"} 0
fairlead_peer_latest_handshake_time_seconds{peer="w1"} 1700000000
# TYPE fairlead_peer_rtt_seconds histogram
# UNIT fairlead_peer_rtt_seconds seconds
fairlead_peer_rtt_seconds_bucket{peer="w1",le="0.001"} 5
fairlead_peer_rtt_seconds_bucket{peer="w1",le="0.01"} 9
fairlead_peer_rtt_seconds_bucket{peer="w1",le="+Inf"} 10
fairlead_peer_rtt_seconds_sum{peer="w1"} 0.03
fairlead_peer_rtt_seconds_count{peer="w1"} 10
# TYPE fairlead_peer_path_rtt_seconds summary
# UNIT fairlead_peer_path_rtt_seconds seconds
fairlead_peer_path_rtt_seconds{peer="w1",quantile="0.5"} 0.1
fairlead_peer_path_rtt_seconds_sum{peer="w1"} 0.5
fairlead_peer_path_rtt_seconds_count{peer="w1"} 4
# TYPE fairlead_drops_total counter
fairlead_drops_total{lane="fl0",reason="no_key"} 3
# TYPE fairlead_burst_datagrams histogram
fairlead_burst_datagrams_bucket{le="1"} 5
fairlead_burst_datagrams_bucket{le="64"} 15
fairlead_burst_datagrams_bucket{le="+Inf"} 15
fairlead_burst_datagrams_sum 40
fairlead_burst_datagrams_count 15
# TYPE a gauge
a NaN
# TYPE b gauge
b -Inf
# TYPE c gauge
c +.5
# EOF
END
head -n -1 "$lib_work/good" >"$lib_work/cut"
printf 'a 1\n\000# EOF\n' >"$lib_work/nul"
sed 's/w1"} 18446/w1} 18446/' "$lib_work/good" >"$lib_work/quote"
: >"$lib_work/empty"

metrics() { "$FAIRLEAD" metrics "$@"; }
json() { metrics show --json --file "$lib_work/good" | jq -e "$1" >/dev/null; }
table() { TZ=UTC metrics show -f "$lib_work/good"; }
later() { TZ=UTC metrics -f "$lib_work/later" >"$lib_work/table"; }

check "promtool takes the sample text" promtool check metrics <"$lib_work/good"
check "a table of the peers" eval 'table | grep -Eq "^w1 +2023-11-14 22:13:20 +18446744073709551615 +AQA=$"'
check "with a name as it is" eval 'table | grep -Fq "odd \"name\\ "'
check "and the node's values above it" eval 'table | grep -Eq "^peers +2$"'
check "JSON has a schema" json '.schema == 1'
check "JSON has every family" json '[.families[].name] | length == 5'
check "JSON keeps 64 bits" eval \
	'metrics show -j -f "$lib_work/good" | grep -q "\"value\": *18446744073709551615"'
check "JSON has labels unescaped" json \
	'.families[] | select(.name == "fairlead_peer_info").samples[1].labels.peer == "odd \"name\\"'
check "JSON never leaves a field out" json 'all(.families[]; has("unit") and has("help") and has("type"))'

check "the same without a verb" eval 'diff <(table) <(TZ=UTC metrics -f "$lib_work/good")'
check "the option before a verb is that of no verb" eval 'metrics --json -f "$lib_work/good" | jq -e .schema'

check "families of other kinds" later
check "with a column for each label of an info family, and - for an empty one" eval \
	'grep -Eq "^w1 .* AQA= +192.0.2.1:51820$" "$lib_work/table" && grep -Eq " AgA= +-$" "$lib_work/table"'
check "a name cannot end the line" grep -q '^w2?\\e\[31m' "$lib_work/table"
check "a histogram is a count and two quantiles, a summary a count and a mean" grep -Eq '^w1 .* 10 +1 ms +10 ms +4 +125 ms ' "$lib_work/table"
check "a peer without one has none" grep -Eq '^w2.* never +- +- +- +- +- ' "$lib_work/table"
check "another label makes another table" grep -Eq '^fl0 +no_key +3$' "$lib_work/table"
check "a histogram of the node" eval \
	'grep -Eq "^burst datagrams +15$" "$lib_work/table" && grep -Eq "^  p50 +16.8$" "$lib_work/table"'
check "JSON of it is JSON: no NaN, no infinity, no +.5" eval \
	'metrics -j -f "$lib_work/later" | jq -ec "[.families[-3:][].samples[0].value]" | grep -qxF "[\"NaN\",\"-Inf\",0.5]"'
check "JSON tells a histogram's samples apart" eval \
	'metrics -j -f "$lib_work/later" | jq -ec "[.families[2].samples[].suffix] == [\"_bucket\",\"_bucket\",\"_bucket\",\"_sum\",\"_count\"]"'
narrow() { script -qec "stty cols 40; $FAIRLEAD metrics -f $lib_work/later" /dev/null | tr -d '\r' >"$lib_work/narrow"; }
check "on a narrow terminal the tables are folded" eval 'narrow && [[ $(wc -L <"$lib_work/narrow") -le 40 ]]'
check "and nothing is left out" eval \
	'diff <(tr -s " \n" "\n" <"$lib_work/table" | sort -u) <(tr -s " \n" "\n" <"$lib_work/narrow" | sort -u)'

check_fails 1 "cut: no '# EOF' at the end: the text was cut off" "a text that is cut off" \
	metrics show -f "$lib_work/cut"
check_fails 1 "quote:[0-9]+: want =\"value\" after a label name" "a label without its quote" \
	metrics show -f "$lib_work/quote"
check_fails 1 "nul: not text" "a NUL byte" metrics show -f "$lib_work/nul"
check_fails 1 "no '# EOF'" "an empty file" metrics show -f "$lib_work/empty"
check_fails 1 "none: cannot read: No such file" "a file that is not there" \
	metrics show -f "$lib_work/none"
check_fails 1 "cannot read: Is a directory" "a directory" metrics show -f "$lib_work"
check_fails 2 "unknown verb 'metrics shwo'" "a verb that is not there" metrics shwo
check_fails 2 "unknown verb 'metrics '" "an empty verb" metrics ''
check_fails 2 "unexpected argument" "an argument too many" metrics show all
check_fails 2 "metrics: unexpected argument 'all'" "an argument without a verb" metrics -j all
check_fails 2 "unknown option" "an option that is not there" metrics show --raw
check_fails 2 "wants a value" "an option without its value" metrics show --file
check_fails 1 "fairlead accel on" "no metrics: how to get them" \
	unshare -m bash -c 'mount -t bpf bpf /sys/fs/bpf && "$0" metrics show' "$FAIRLEAD"
check "the help names the verb" eval 'metrics --help | grep -q show'

done_testing
