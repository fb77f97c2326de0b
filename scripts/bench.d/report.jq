# SPDX-License-Identifier: GPL-2.0
# Tables of a document in Markdown. --arg part says which.
include "stats";

def sig3: if . == null then "" elif . >= 1000 then round | tostring | [scan("^\\d{1,3}(?=(?:\\d{3})*$)|\\d{3}")] | join(",")
	elif . >= 100 then round | tostring elif . >= 10 then (. * 10 | round) / 10 | tostring
	elif . >= 1 then (. * 100 | round) / 100 | tostring else (. * 1000 | round) / 1000 | tostring end;
def line: "| " + join(" | ") + " |";
def head: (map(if . == "" then " " else . end) | line), (map("---") | line);
def percent: if .median > 0 then (.spread / .median * 100 | . * 10 | round / 10 | tostring) + " %" else "" end;
def tenth: . * 10 | round / 10;
def times: if . == null then "" else (. * 100 | round) / 100 | tostring | if test("\\.") | not then . + ".00" elif test("\\.\\d$") then . + "0" else . end end;

. as $d | ($d.cells // [] | map({key: "\(.row) \(.column)", value: .}) | from_entries) as $cells |
def rows_with($columns): [$d.rows[] | .id as $r | select(any($columns[]; $cells["\($r) \(.id)"]))];

if $part == "throughput" or $part == "cost" then
	[$d.columns[] | select((.unit == "byte") == ($part == "throughput"))] as $columns |
	($columns[] | . as $c |
		"**\($c.title)**\(if $part == "throughput" then ", Mbit/s of one CPU of 10⁹ instructions a second" else ", instructions per \($c.unit)" end)",
		"",
		(["", if $part == "throughput" then "Mbit/s" else "instructions" end, "spread", "times stock"] | head),
		($d.rows[] | . as $r | $cells["\($r.id) \($c.id)"] | select(.) |
			[$r.title, (if $part == "throughput" then 8000 / .median else .median end | sig3), percent, (.ratio | times)] | line),
		"")
elif $part == "summary" then
	($ARGS.named.columns | split(" ") | map(. as $id | $d.columns[] | select(.id == $id))) as $columns |
	(["times stock"] + [$columns[] | .title] | head),
	($d.rows[] | . as $r | ["\($r.title) (`\($r.id)`)"] + [$columns[] | $cells["\($r.id) \(.id)"].ratio | times] | line)
elif $part == "knobs" then
	# What can be had from user space: by how many times each is better over all traffics that it was measured with,
	# as a geometric mean. The row `tuned` has to be the best of them; rows.sh says which one it is.
	[$d.rows[] | .id | select(. as $r | ["grolist", "threaded", "defer", "flush", "bigtcp", "threaded-flush", "knobs"] | index($r))] as $knobs |
	[$d.columns[] | .id | select(. as $c | any($d.cells[]; .column == $c and (.row as $r | $knobs | index($r)) != null))] as $columns |
	[$knobs[] | . as $r | {id: $r, title: ($d.rows[] | select(.id == $r) | .title),
		mean: ([$columns[] | $cells["\($r) \(.)"].ratio | select(.)] | if length == ($columns | length) and length > 0
			then (map(log) | add / length | exp) else null end)} | select(.mean)] as $means |
	([$columns[] | $cells["tuned \(.)"].ratio | select(.)] | if length > 0 then (map(log) | add / length | exp) else null end) as $tuned |
	if $means == [] then empty else
		(["knob", "times stock, geometric mean"] | head),
		($means | sort_by(-.mean)[] | ["\(.title) (`\(.id)`)", (.mean | times)] | line),
		"",
		($means | max_by(.mean)) as $best |
		if $tuned == null then empty
		elif $tuned * 1.02 < $best.mean then "**The row `tuned` (\($tuned | times)) is not the best of these on Linux \($d.kernel): `\($best.id)` is.**"
		else "Best on Linux \($d.kernel): `\($best.id)`; the row `tuned`, set up and measured once more, in all columns, has \($tuned | times)." end
	end
elif $part == "readme" then
	# What fits in the README: a traffic a line, and the rows that a reader compares first.
	(["plain", "stock", "tuned", "module", "module-threaded", "both", "ceiling"] | map(select(. as $r | any($d.rows[]; .id == $r)))) as $shown |
	["tcp", "tcp8", "jumbo-tcp", "pod-tcp", "udp1400", "rr1"] as $columns |
	(["Linux \($d.kernel | capture("^(?<v>\\d+\\.\\d+)").v)"] + [$shown[] | . as $id | $d.rows[] | select(.id == $id) | .title | sub("ceiling: .*"; "ceiling")] | head),
	($columns[] | . as $id | $d.columns[] | select(.id == $id) | . as $c |
		[.title + (if .unit == "byte" then ", Mbit/s" else ", instructions" end)] +
		[$shown[] | . as $r | $cells["\($r) \($id)"] |
			if . == null then "" else (if $c.unit == "byte" then 8000 / .median else .median end | sig3) +
				(if $r == "stock" or .ratio == null then "" else " (\(.ratio | times) ×)" end) end] | line)
elif $part == "suite" then
	if any($d.columns[]; .axis) then
		([$d.columns[] | select(.axis)] | group_by([.axis, .unit])[] | sort_by(.x) as $columns |
			"**By \($columns[0].axis)**, \(if $columns[0].load then "instructions per " else "" end)\($columns[0].unit)", "",
			([""] + [$columns[] | .x | sig3] | head),
			(rows_with($columns)[] | . as $r | [$r.title] + [$columns[] | $cells["\($r.id) \(.id)"].median | sig3] | line), "")
	else empty end,
	([$d.columns[] | select(.axis | not)] as $columns | if $columns == [] then empty else
		([""] + [$columns[] | "\(.title), \(.unit)"] | head),
		(rows_with($columns)[] | . as $r | [$r.title] + [$columns[] | $cells["\($r.id) \(.id)"] |
			if . then (.median | sig3) + (if .n > 1 then " ±" + percent else "" end) else "" end] | line), "" end),
	(if $d.facts != [] then (["", "", ""] | head), ($d.facts[] | [.title, (.value | sig3), .unit] | line), "" else empty end)
elif $part == "agreement" then
	# first is the main file: the same rows and columns, measured once more.
	($ARGS.named.first[0].cells | map({key: "\(.row) \(.column)", value: .}) | from_entries) as $before |
	[$d.cells[] | select(.row != $d.baseline and .ratio) | . as $c | $before["\(.row) \(.column)"] | select(. and .ratio) |
		{row, column, percent: (($c.ratio / .ratio - 1) * 100 | fabs)}] as $all |
	if $all == [] then empty else
		($all | max_by(.percent)) as $worst |
		"Of \($all | length) ratios to stock, \([$all[] | select(.percent <= 3)] | length) agree within 3 % with those of the first run; the median difference is \([$all[].percent] | median | tenth) %, the largest \($worst.percent | tenth) % (\($worst.row), \($worst.column)). By column:",
		"",
		(["", "ratios", "within 3 %", "median difference", "largest"] | head),
		($d.columns[] | . as $c | [$all[] | select(.column == $c.id)] | select(. != []) |
			[$c.title, (length | tostring), ([.[] | select(.percent <= 3)] | length | tostring), "\([.[].percent] | median | tenth) %",
				(max_by(.percent) | "\(.percent | tenth) % (\(.row))")] | line),
		""
	end
elif $part == "rows" then
	# What another program made, with a unit for each of its numbers.
	($d.units | keys_unsorted) as $numbers |
	([$d.rows[0] | keys_unsorted[] | select(. as $k | . != "what" and ($numbers | index($k) | not))]) as $more |
	(["", $more[], ($numbers[] | "\(.), \($d.units[.])")] | head),
	($d.rows[] | . as $r | [$r.what, ($more[] | $r[.] | if type == "number" then sig3 else tostring end),
		($numbers[] | $r[.] | if type == "number" then sig3 else "" end)] | line),
	"",
	"On Linux \($d.kernel)\(if $d.rounds then "; medians of \($d.rounds)" else "" end)\(if $d.command then "; `\($d.command)`" else "" end)."
elif $part == "absent" then
	$d.absent | group_by([.row, .reason])[] |
		"- \(.[0].row)\(if .[0].column != "" then " (" + (map(.column) | unique | join(", ")) + ")" else "" end): \(.[0].reason)"
elif $part == "profile" then
	([$d.profiles[] | .shares | keys[]] | unique) as $categories |
	(["share of the instructions"] + $categories | head),
	($d.profiles[] | . as $p | [$p.row] + [$categories[] | ($p.shares[.] // 0) * 100 | round | "\(.) %"] | line)
elif $part == "dearest" then
	# Crypto is what all of this is for: the others can be saved, or some of them.
	["stock", "module"] as $of | [$d.profiles[] | select(.row as $r | $of | index($r))] |
	if length < 2 then empty else
		(["function, % of the instructions", "category", (.[] | .row)] | head),
		(. as $p | [$p[].top[] | select(.category != "crypto" and .category != "user space")] | group_by(.symbol) |
			map({symbol: .[0].symbol, category: .[0].category, most: (map(.share) | max)}) | sort_by(-.most)[:12][] | . as $f |
			["`\($f.symbol)`", $f.category, ($p[] | [.top[] | select(.symbol == $f.symbol) | .share * 100 | tenth | tostring][0] // "")] | line)
	end
elif $part == "made" then
	"- `\($d.made.command)`, on \($d.made.date), Fairlead \($d.made.fairlead), Linux \($d.kernel)\(if $d.made.seconds then "; it took \($d.made.seconds) s\(if $d.made.cpu_seconds then ", \($d.made.cpu_seconds) s of CPU time," else "" end) beside what else the machine did" else "" end)",
	"- \($d.made.mode)",
	($d.made.note // empty | "- **\(.)**"),
	"- on \($d.made.machine.cpus) CPUs of \($d.made.machine.cpu), \($d.made.machine.os), Linux \($d.made.machine.kernel)",
	"- " + ([$d.made.versions | to_entries[] | "\(.key): \(.value)"] | join("; "))
else error("no such part: \($part)") end
