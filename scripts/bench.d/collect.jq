# SPDX-License-Identifier: GPL-2.0
# The lines of a measuring half (`guest`, or any other program that prints the same) as one document.
# jq -n -L DIR --argjson made {...} -f collect.jq LINES
#
# A line is an object with a type:
#   suite   suite (a name), title, baseline (a row, or null), better (lower or higher), guest_kernel
#   row     id, title
#   column  id, title, unit; a curve's columns also have x (a number) and axis (its title)
#   sample  row, column, round, value; or, from `load`, what the value is computed from
#   absent  row, column ("" for all), reason: why there is no sample
#   aead    size, seal_ns, open_ns
#   fact    name, value, unit, title: a number that stands for itself
#   end     nothing was cut off
include "stats";

def total_busy: if .where == "hosts" then .busy_ns + .peer_busy_ns else .busy_ns end;

# Instructions (or, elsewhere than in the lab, ns of CPU) for each byte, packet, transaction.
def value:
	if has("value") then .value
	elif has("bytes") then total_busy / ([.bytes, 1] | max)
	elif has("packets") then total_busy / ([.packets, 1] | max)
	else total_busy / ([.transactions, 1] | max) end;

def padded: (. + 15) / 16 | floor * 16;

# What the ceiling adds to plain: the AEAD of the same packets, both ends. Without their ACKs, so that it is
# rather too high a ceiling than too low.
def aead_cost($sample; $column; $aead):
	(if $column.condition | test("6$") then 72 else 52 end) as $tcp_headers |
	def both_ends: padded as $size | $aead | map(select(.size >= $size)) | min_by(.size) // null |
		if . then .seal_ns + .open_ns else null end;
	if $column.load == "tcp" then
		($sample.mss + 52 | both_ends) as $c | if $c then $c / $sample.mss else null end
	elif $column.load == "udp" then $column.size + 28 | both_ends
	elif $column.load == "rr" then $column.size + $tcp_headers | both_ends | if . then 2 * . else null end
	else null end;

[inputs] as $all |
def of($type): $all | map(select(.type == $type) | del(.type));
(of("suite") | first // error("no suite")) as $suite |
# Several guests may have shared the columns: each says all rows and columns, and its own end.
def once(f): reduce .[] as $x ([]; if any(.[]; f == ($x | f)) then . else . + [$x] end);
if (of("end") | length) < (of("suite") | length) then error("the measurement was cut off") else . end |
of("aead") as $aead | (of("column") | once(.id)) as $columns | (of("row") | once(.id)) as $rows | (of("absent") | once(.)) as $absent |
(of("sample") | map(.value = value)) as $measured |
($columns | map({key: .id, value: .}) | from_entries) as $by_id |
([$measured[] | select(.row == "plain" and $suite.suite == "main") |
	. as $s | aead_cost($s; $by_id[.column]; $aead) | select(.) |
	{row: "ceiling", column: $s.column, round: $s.round, value: ($s.value + .)}]) as $ceiling |
($measured + $ceiling) as $samples |
[$rows[] | .id] as $order |
{
	schema: 1, suite: $suite.suite, title: $suite.title, baseline: $suite.baseline, better: $suite.better,
	made: $made, kernel: $suite.guest_kernel,
	rows: ($rows + if $ceiling == [] then [] else
		[{id: "ceiling", title: "ceiling: no encryption, plus the AEAD alone"}] end),
	columns: $columns,
	aead: $aead,
	facts: of("fact"),
	cells: ([$samples | group_by([.row, .column])[] |
		{row: .[0].row, column: .[0].column} + (map(.value) | cell)] |
		map({key: "\(.row) \(.column)", value: .}) | from_entries as $cells |
		[$cells[] | $cells["\($suite.baseline) \(.column)"].median as $base |
			. + {ratio: (.median | times_better($base; $suite.better))}]),
	absent: $absent,
	profiles: (of("profile") | once(.row)),
	samples: $samples
}
