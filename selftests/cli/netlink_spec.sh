#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# module/uapi/fairlead.yaml says what module/uapi/fairlead.h says: same names, same numbers.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"

header=$TOP/module/uapi/fairlead.h spec=$TOP/module/uapi/fairlead.yaml

# of_header ENUM PREFIX: its members in order, as the spec would write them.
of_header()
{
	awk -v name="$1" -v prefix="$2" '
		$1 == "enum" && $2 == name { inside = 1; next }
		inside && /^}/ { exit }
		inside && $1 ~ "^" prefix { member = $1; sub(prefix, "", member); sub(",.*", "", member)
			gsub("_", "-", member); print tolower(member) }' "$header"
}

# of_spec SET: attributes of a set in order; "operations" for the commands.
of_spec()
{
	awk -v set="$1" '
		/^operations:/ { current = "operations" }
		/^  -$/ { getline; current = $2 }
		/^(      |    )-$/ { getline; if (current == set && $1 == "name:") print $2 }' "$spec"
}

# same DESCRIPTION SET ENUM PREFIX
same()
{
	of_header "$3" "$4" >"$lib_work/header"
	of_spec "$2" >"$lib_work/spec"
	check "$1: the header has some" test "$(wc -l <"$lib_work/header")" -gt 2
	check "$1: the spec has the same, in the same order" diff "$lib_work/header" "$lib_work/spec"
}

same commands operations fairlead_cmd FAIRLEAD_CMD_
same attributes fairlead fairlead_attr FAIRLEAD_A_
same "port ranges" ports fairlead_ports_attr FAIRLEAD_PORTS_A_
same counters stat fairlead_stat FAIRLEAD_STAT_
constant() { grep -A 1 "name: $1\$" "$spec" | grep -qx "    value: $(awk -v n="$2" '$2 == n { print $3 }' "$header")"; }
check "the limit of a burst is the same" constant burst-max FAIRLEAD_BURST_MAX
check "so is the number of buckets" constant burst-buckets FAIRLEAD_BURST_BUCKETS
buckets_are() { test "$(of_spec bursts | wc -l)" -eq "$(awk '$2 == "FAIRLEAD_BURST_BUCKETS" { print $3 }' "$header")"; }
check "each bucket is described" buckets_are
names() { "$FAIRLEAD" accel status -j | jq -r '.module.counters | keys[]' | tr _ - | sort; }
named() { diff <(of_spec stat | grep -v unspec | sort) <(names); }
check "status -j shows each counter, by its name" named

done_testing
