#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The runner and the shell helpers themselves: what counts as failed must fail, and be counted.

# shellcheck disable=SC2317	# check and poll call the functions
. "$TOP/selftests/lib.sh"

dir=$lib_work/t
mkdir "$dir"
# What a skip means depends on it, and here it is said where it is wanted.
unset CI
export TMPDIR=$lib_work/tmp
mkdir "$TMPDIR"

# verdict STATUS LAST-LINE [REGEX...]: of running $dir/x.sh, or what $run says.
verdict()
{
	local status=$1 last=$2 got regex

	shift 2
	"$TOP/selftests/run" "${run[@]}" >"$lib_work/out" 2>&1
	got=$?
	cat "$lib_work/out"
	[[ $got -eq $status && $(tail -n 1 "$lib_work/out") == "$last" ]] || return
	for regex; do
		grep -Eq -e "$regex" "$lib_work/out" || { echo "nothing matches /$regex/"; return 1; }
	done
}

# a test that is the lines given, run as such
run=("$dir/x.sh")
script() { printf '%s\n' "$@" >"$dir/x.sh"; }

script 'echo 1..2' 'echo ok 1 - a' 'echo ok 2 - b'
check "passes" verdict 0 '2 passed, 0 failed' '^ok   t/x +2 passed  [0-9]+\.[0-9]s$'
script 'echo ok 1 - a' 'echo ok 2 - b' 'echo 1..2'
check "a plan at the end" verdict 0 '2 passed, 0 failed'
script 'echo TAP version 13' 'echo 1..1' 'printf "ok 1"'
check "a last line without its end" verdict 0 '1 passed, 0 failed'
script 'echo 1..2' 'echo ok 1 - a' 'echo before' 'echo not ok 2 - b' 'echo "# because"' 'exit 1'
check "a failure is shown with what was said around it" verdict 1 '1 passed, 1 failed' \
	'^FAIL t/x +1 passed, 1 failed ' '^ +before$' '^ +not ok 2 - b$' '^ +# because$'
script 'echo 1..2' 'echo ok 1 - a' 'echo ok 2 - b '\''# SKIP no moon'\'
check "a skip is counted, and its reason shown" verdict 0 '1 passed, 0 failed, 1 skipped' \
	'^skip t/x: b: no moon$'
script 'echo "1..0 # SKIP needs a moon"'
check "a whole file is skipped" verdict 0 '0 passed, 0 failed, 1 skipped' '^skip t/x: the whole file: needs a moon$'
export CI=true
check "but not in CI" verdict 1 '0 passed, 1 failed, 1 skipped' 'that selftests/skips does not allow'
unset CI

script 'echo 1..3' 'echo ok 1 - a' 'echo ok 2 - b'
check "fewer tests than planned" verdict 1 '2 passed, 1 failed' '! planned 3 tests, ran 2'
script 'echo 1..1' 'echo ok 1 - a' 'echo ok 2 - b'
check "more tests than planned" verdict 1 '2 passed, 1 failed' '! planned 1 tests, ran 2'
script 'echo ok 1 - a'
check "no plan" verdict 1 '1 passed, 1 failed' '! no plan'
script 'echo 1..1' 'echo 1..1' 'echo ok 1 - a'
check "two plans" verdict 1 '1 passed, 1 failed' '! 2 plans'
script ':'
check "nothing at all" verdict 1 '0 passed, 1 failed' '! no plan'
script 'echo 1..2' 'echo ok 1 - a' 'echo ok 1 - b'
check "one number twice" verdict 1 '2 passed, 1 failed' '! test 1 comes where test 2 should be'
script 'echo 1..1' 'echo ok 1 - a' 'echo last words' 'exit 3'
check "an exit status" verdict 1 '1 passed, 1 failed' '! exit status 3' '^ +last words$'
# shellcheck disable=SC2016	# for the script
script 'echo 1..2' 'echo ok 1 - a' 'kill -SEGV $$'
check "a crash" verdict 1 '1 passed, 1 failed' '! killed by SIGSEGV'
script '# timeout: 1' 'echo 1..2' 'echo ok 1 - a' 'sleep 1000'
check "a time limit of its own, and what it was waiting for" verdict 1 '1 passed, 1 failed' \
	'! timed out after 1 s' '^ +[0-9]+ S \[.*\] bash .*/x\.sh' '^ +[0-9]+ S \[.*nanosleep.*\] sleep'
script 'echo 1..1' 'echo ok 1 - a' 'echo Bail out! no more'
check "bailing out" verdict 1 '1 passed, 1 failed' '! Bail out! no more'
script 'echo 1..1' 'echo ok 1 - a' "exec -a left-$$ sleep 1000 &"
check "a process left behind holds nothing up" verdict 0 '1 passed, 0 failed'
check "and is ended" poll 5 bash -c "! pgrep -f ^left-$$"

script 'echo 1..1' 'echo ok 1 - a'
cp "$dir/x.sh" "$dir/y.sh"
printf 'int main(void) { return 0; }' | gcc -x c -o "$dir/test_binary" - ||
	fail "cannot compile a test"
run=("$dir/x.sh" "$dir/test_binary" "$dir/y.sh")
check "several files, and a binary" verdict 1 '2 passed, 1 failed' '^ok   t/x ' '^FAIL t/binary ' '^ok   t/y '
run=(--timeout x)
check "wrong usage: time limit" verdict 2 "Try 'selftests/run --help'."
run=("$dir/z.sh")
check "wrong usage: no such file" verdict 2 "Try 'selftests/run --help'." 'no such test: .*/z\.sh'
run=()
check "wrong usage: no file" verdict 2 "Try 'selftests/run --help'."
run=("$dir/x.sh")

# --- the helpers: what they find wrong is 'not ok'

# shellcheck disable=SC2016	# for the script
lib='. "$TOP/selftests/lib.sh"'
script "$lib" 'check good true' 'check bad bash -c "echo why >&2; exit 3"' done_testing
check "check" verdict 1 '1 passed, 1 failed' 'not ok 2 - bad' '# exit status 3' '# why'
bash "$dir/x.sh" >/dev/null
check "and the script itself says so" test $? -eq 1
script "$lib" 'check_fails 3 "^why$" good bash -c "echo why >&2; exit 3"' \
	'check_fails 1 why status bash -c "echo why >&2; exit 3"' \
	'check_fails 3 because text bash -c "echo why >&2; exit 3"' \
	'check_fails 3 why stdout bash -c "echo why; exit 3"' \
	'check_fails 1 . success true' done_testing
check "check_fails" verdict 1 '1 passed, 4 failed' 'not ok 2 - status' '# exit status 3 instead of 1' \
	'not ok 3 - text' 'not ok 4 - stdout' 'not ok 5 - success'
script "$lib" 'check soon poll 2 true' 'check late poll 1 false' done_testing
check "poll" verdict 1 '1 passed, 1 failed' 'not ok 2 - late'
script "$lib" 'plan 2' 'ok a' 'skip b "no moon"' done_testing
check "plan, ok and skip" verdict 0 '1 passed, 0 failed, 1 skipped'
script "$lib" 'skip_all no moon' 'ok a'
check "skip_all" verdict 0 '0 passed, 0 failed, 1 skipped'
script "$lib" 'ok a' 'exit 0' done_testing
check "a script that ends too early" verdict 1 '1 passed, 1 failed' '! no plan'
# shellcheck disable=SC2016	# for the script
script "$lib" 'lib_hold bad "echo why; false"' 'check "is not there" test $? -eq 1 -a -z "${lib_holder[bad]:-}"' \
	'lib_hold good "sleep 1.5"' 'check "is there, however long that took" nsenter -t "${lib_holder[good]}" -n true' \
	'check "once only" eval "! lib_hold good : 2>/dev/null"' done_testing
run=(-v "$dir/x.sh")
check "a node that cannot be made says why, one that is slow is waited for" verdict 0 '3 passed, 0 failed' "cannot make 'bad':" '^ +\| why$'
run=("$dir/x.sh")
script "$lib" "at_exit bash -c 'echo one >>$lib_work/order'" "at_exit bash -c 'echo two >>$lib_work/order'" \
	'ok a' 'kill -TERM $$'
check "cleaning up, also when it is killed" verdict 1 '1 passed, 1 failed'
check "in the reverse order" diff <(printf 'two\none\n') "$lib_work/order"
check "no temporary file is left" test -z "$(ls -A "$TMPDIR")"

done_testing
