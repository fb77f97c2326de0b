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
head -n -1 "$lib_work/good" >"$lib_work/cut"
printf 'a 1\n\000# EOF\n' >"$lib_work/nul"
sed 's/w1"} 18446/w1} 18446/' "$lib_work/good" >"$lib_work/quote"
: >"$lib_work/empty"

metrics() { "$FAIRLEAD" metrics "$@"; }
json() { metrics show --json --file "$lib_work/good" | jq -e "$1" >/dev/null; }
table() { TZ=UTC metrics show -f "$lib_work/good"; }

check "promtool takes the sample text" promtool check metrics <"$lib_work/good"
check "a table of the peers" eval 'table | grep -Eq "^w1 +2023-11-14 22:13:20 +18446744073709551615$"'
check "with a name as it is" eval 'table | grep -Fq "odd \"name\\ "'
check "and the node's values above it" eval 'table | grep -Eq "^peers +2$"'
check "JSON has a schema" json '.schema == 1'
check "JSON has every family" json '[.families[].name] | length == 5'
check "JSON keeps 64 bits" eval \
	'metrics show -j -f "$lib_work/good" | grep -q "\"value\": *18446744073709551615"'
check "JSON has labels unescaped" json \
	'.families[] | select(.name == "fairlead_peer_info").samples[1].labels.peer == "odd \"name\\"'
check "JSON never leaves a field out" json 'all(.families[]; has("unit") and has("help") and has("type"))'

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
check_fails 2 "unexpected argument" "an argument too many" metrics show all
check_fails 2 "unknown option" "an option that is not there" metrics show --raw
check_fails 2 "wants a value" "an option without its value" metrics show --file
check_fails 1 "fairlead accel on" "no metrics: how to get them" \
	unshare -m bash -c 'mount -t bpf bpf /sys/fs/bpf && "$0" metrics show' "$FAIRLEAD"
check "the help names the verb" eval 'metrics --help | grep -q show'

done_testing
