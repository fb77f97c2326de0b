#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Every fuzzer for a moment, from its corpus: what it found once must not come back. docs/testing.md
# says how to let one run for long.
# shellcheck source=selftests/lib.sh
. "$TOP/selftests/lib.sh"

for source in "$TOP"/selftests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	corpus=$TOP/selftests/fuzz/corpus/${name#fuzz_}
	if [[ -z $(ls -A "$corpus" 2>/dev/null) ]]; then
		fail "$name" "there is no corpus in $corpus"
		continue
	fi
	mkdir "$lib_work/new"
	# What it finds goes to the temporary folder; the corpus is only read.
	check "$name" "$BUILD/selftests/fuzz/$name" -runs=20000 -max_len=4096 -timeout=10 -verbosity=0 \
		-seed=1 -artifact_prefix="$lib_work/" "$lib_work/new" "$corpus"
	rm -r "$lib_work/new"
done
done_testing
