# SPDX-License-Identifier: GPL-2.0
# A document as lines of tab-separated cells, for column(1): a column of the bench a line, because there
# are more of them than fit on a terminal.
include "stats";

def sig3: if . == null then "-" elif . >= 100 then round | tostring
	elif . >= 10 then (. * 10 | round) / 10 | tostring else (. * 100 | round) / 100 | tostring end;

. as $d | ($d.cells | map({key: "\(.row) \(.column)", value: .}) | from_entries) as $cells |
(["", "per"] + [$d.rows[] | .id] | @tsv),
($d.columns[] | . as $c |
	[$c.title, $c.unit] + [$d.rows[] | $cells["\(.id) \($c.id)"] |
		if . then "\(.median | sig3)±\(if .median > 0 then .spread / .median * 100 | round else 0 end)%\(
			if .ratio and .row != $d.baseline then " ×\(.ratio | . * 100 | round / 100)" else "" end)"
		else "-" end] | @tsv)
