# SPDX-License-Identifier: GPL-2.0
# Two documents of one suite, cell by cell: what moved beyond the noise. Lines for column(1),
# and without a tab what is said below the table.
include "stats";

def shown: . as $x | (fabs | if . >= 100 then $x | round elif . >= 10 then $x * 10 | round / 10 else $x * 100 | round / 100 end) | tostring;
def signed: (if . > 0 then "+" else "" end) + shown + " %";

($old[0].cells | usual_error | map({key: "\(.row) \(.column)", value: .}) | from_entries) as $before |
$new[0] as $d |
[$d.cells | usual_error[] | . as $c | $before["\(.row) \(.column)"] | select(.) |
	{row, column, old: .median, new: $c.median} + verdict(.; $c; $d.better)] as $all |
([$all[] | select(.verdict != "same")] | sort_by(.percent | fabs) | reverse) as $moved |
(["", "row", "column", "old", "new", "change", "noise"] | @tsv),
($moved[] | [(.verdict | ascii_upcase), .row, .column, (.old | shown), (.new | shown), (.percent | signed), "±" + (.noise | shown) + " %"] | @tsv),
"\($all | length) cells compared: \([$all[] | select(.verdict == "better")] | length) better, \([$all[] | select(.verdict == "worse")] | length) worse, \([$all[] | select(.verdict == "same")] | length) the same within the noise",
(([$d.cells[] | "\(.row) \(.column)"] - ($before | keys) | length) as $only_new |
 (($before | keys) - [$d.cells[] | "\(.row) \(.column)"] | length) as $only_old |
 if $only_new + $only_old > 0 then "not compared: \($only_old) only in the old, \($only_new) only in the new" else empty end)
