# SPDX-License-Identifier: GPL-2.0
# Numbers from samples. A cell is what all rounds say about one row in one column.

def sorted_at($p): # of a sorted array, linear between neighbours (as R's type 7)
	((length - 1) * $p) as $x | ($x | floor) as $i |
	.[$i] + ($x - $i) * ((.[$i + 1] // .[$i]) - .[$i]);

def median: sort | sorted_at(0.5);

# Of the values of a cell. spread is half the interquartile range, error the standard error of the median,
# out of the median absolute deviation, which does not mind a single wild round.
def cell:
	sort as $s | ($s | sorted_at(0.5)) as $m |
	($s | map(. - $m | fabs) | median) as $mad |
	{n: length, median: $m, low: $s[0], high: $s[-1],
	 spread: ((($s | sorted_at(0.75)) - ($s | sorted_at(0.25))) / 2),
	 error: (1.2533 * 1.4826 * $mad / (length | sqrt))};

# How many times better than a base; above 1 is better.
def times_better($base; $better):
	if . == null or $base == null or . == 0 or $base == 0 then null
	elif $better == "higher" then . / $base else $base / . end;

# Of all cells: none has a smaller error than is usual in its column. Five rounds say little about the spread of one cell,
# and one that happens to have none would be flagged for nothing.
def usual_error:
	(group_by(.column) | map({key: .[0].column, value: (map(.error / .median) | median)}) | from_entries) as $usual |
	map(.error = ([.error, $usual[.column] * .median] | max));

# Two cells: by how much the newer is better or worse, in percent, and whether that is more than noise.
# Two standard errors of the difference would flag one cell in twenty of those that did not move; with a
# hundred cells that is five false alarms, so it takes three, and 1 % besides.
def verdict($old; $new; $better):
	($new.median - $old.median) as $d |
	(($old.error * $old.error + $new.error * $new.error) | sqrt) as $e |
	(if $better == "higher" then $d else -$d end) as $gain |
	{percent: ($d / $old.median * 100), noise: (3 * $e / $old.median * 100)} |
	.verdict = (if ($d | fabs) <= 3 * $e or (.percent | fabs) < 1 then "same"
		elif $gain > 0 then "better" else "worse" end);
