#!/bin/sh
# Verifies bag.pml with SPIN.
#
#	check.sh            the configurations of the protocol
#	check.sh --long     larger ones too
#	check.sh --mutants  every mutant must be caught
set -u

usage='usage: check.sh [--long | --mutants]'
mode=${1-}
case $#:$mode in
0: | 1:--long | 1:--mutants) ;;
*) echo "$usage" >&2; exit 2 ;;
esac
for tool in spin gcc; do
	command -v $tool >/dev/null 2>&1 || { echo "check.sh: $tool is not installed; install it and run again" >&2; exit 2; }
done

model=$(cd "$(dirname "$0")" && pwd)/bag.pml || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 2
failed=0

# search FLAGS: builds the verifier and runs it, into the file out. The flags say
# what kind of search it takes.
search() {
	rm -f pan* ./*.trail out
	kind=-DSAFETY options=
	case $1 in
	*-DLIVENESS*) kind=-DNFAIR=3 options='-a -f' ;;
	*-DSLEEPERS* | *-DHOLDERS*) options=-E ;;
	esac
	# shellcheck disable=SC2086 # lists of options
	spin -a $1 "$model" >out 2>&1 &&
		gcc $optimise -w -DCOLLAPSE -DMEMLIM="${memory:-3500}" $kind -o pan pan.c >out 2>&1 &&
		./pan -m"${depth:-5000000}" -w22 $options >out 2>&1
}

# verdict: what out says: holds, caught (by which error), or why neither.
verdict() {
	if grep -q '^pan: *out of memory\|memory exhausted\|reached -DMEMLIM' out; then
		echo 'FAILED: out of memory'
	elif grep -q '^pan:1:' out; then
		echo "caught: $(sed -n 's/^pan:1: *//p' out | sed 's/ (at depth.*//;q')"
	elif grep -q 'max search depth too small' out; then
		echo 'FAILED: max search depth too small, search truncated'
	elif grep -q 'Search not completed' out; then
		echo 'FAILED: search not completed'
	elif grep -q 'errors: 0$' out; then
		echo holds
	else
		echo "FAILED: no result: $(head -n 1 out)"
	fi
}

# run NAME WANT FLAGS: WANT is holds or caught.
run() {
	began=$(date +%s)
	search "$3"
	got=$(verdict)
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' out | head -n 1)
	case $got in
	"$2"*) ;;
	caught*) got="FAILED: ${got#caught: }"; failed=1 ;;
	FAILED*) failed=1 ;;
	*) got="FAILED: $got"; failed=1 ;;
	esac
	printf '%-30s %10s states %4ds  %s\n' "$1" "${states:--}" $(($(date +%s) - began)) "$got"
}

# size BORROWERS ITEMS
size() { echo "-DBORROWERS=$1 -DITEMS=$2"; }

configurations() {
	optimise=-O2
	run 'wait 3x1'         holds "$(size 3 1) -DCANCEL"
	run 'wait 3x2'         holds "$(size 3 2) -DSTRIPES=1 -DCANCEL"
	run 'patrol 2x2'       holds "$(size 2 2) -DCANCEL -DPATROL -DLONG"
	run 'close 2x2'        holds "$(size 2 2) -DCANCEL -DCLOSER"
	run 'holders 3x2'      holds "$(size 3 2) -DSTRIPES=1 -DCANCEL -DHOLDERS"
	run 'shrink 3x2'       holds "$(size 3 2) -DSTRIPES=1 -DCANCEL -DSHRINK -DHOLDERS"
	run 'sleepers 3x2'     holds "$(size 3 2) -DSTRIPES=1 -DCANCEL -DSLEEPERS"
	run 'replace 2x1+1'    holds "$(size 2 1) -DSPARE=1 -DCANCEL -DRETAIN"
	run 'keeper 2x1'       holds "$(size 2 1) -DCANCEL -DRETAIN -DKEEPERS=1"
	run 'stripes apart 2x2' holds "$(size 2 2) -DCANCEL -DFINE"
	run 'three stripes 2x2' holds "$(size 2 2) -DCANCEL -DSTRIPES=3"
	run 'liveness 2x2'     holds "$(size 2 2) -DLIVENESS"
}

long() {
	memory=6000
	run 'wait, two stripes 3x2' holds "$(size 3 2) -DCANCEL"
	run 'close 3x1'         holds "$(size 3 1) -DCANCEL -DCLOSER"
	run 'replace 3x1+1'     holds "$(size 3 1) -DSPARE=1 -DCANCEL -DRETAIN"
	run 'keeper 2x1+1'      holds "$(size 2 1) -DSPARE=1 -DRETAIN -DKEEPERS=1"
	run 'keeper 2x2'        holds "$(size 2 2) -DCANCEL -DKEEPERS=1 -DSTRIPES=1"
	depth=30000000 memory=9000
	run 'patrol 3x1'        holds "$(size 3 1) -DSTRIPES=1 -DPATROL -DLONG"
	run 'liveness 3x1'      holds "$(size 3 1) -DLIVENESS"
}

# mutant NAME FLAGS
mutant() {
	echo "$1" >>ran
	run "$1" caught "-DM_$1 $2"
}

# The mutants in smallest configurations that catch them. Where the harm shows in
# what callers see, assertions about the queue's counters are off.
mutants() {
	optimise=-O0
	real=-DOUTCOMES_ONLY
	small="$real $(size 2 1)"
	for m in JOIN_DOES_NOT_LOOK JOIN_LOOKS_FIRST JOIN_SHOWS_LAST PUT_LOOKS_FIRST \
		TAKE_LOOKS_IN_ONE_STRIPE POP_LOADS_THE_SLOT POP_SKIPS_THE_SLOT LEAVE_KEEPS_LATE; do
		mutant $m "$small"
	done
	for m in POP_TRUSTS_N POP_WITHOUT_LOCK PUSH_STORES_THE_SLOT; do
		mutant $m "$real $(size 2 2)"
	done
	for m in CANCELLED_DOES_NOT_DISPATCH CANCELLED_DROPS_THE_ITEM CANCELLED_RETURNS_FIRST \
		CANCELLED_STAYS_WAKING DISPATCH_SETTLES_UNLOCKED GIVEUP_LEAVES_THE_SIGNAL \
		HANDOVER_DOES_NOT_LOOK_AGAIN; do
		mutant $m "$small -DCANCEL"
	done
	mutant GIVEUP_LEAVES_LONG "$small -DCANCEL -DLONG"
	mutant PUSH_KEEPS_N "$real $(size 2 2) -DFINE -DSTRIPES=1"
	mutant PATROL_LEAVES_IT_IN_LINE "$small -DPATROL"
	mutant CLOSE_SENDS_AWAY_FIRST "$(size 2 1) -DCLOSER"
	mutant RESTORE_DOES_NOT_DISPATCH "$small -DRETAIN"
	mutant ADD_DOES_NOT_DISPATCH "$small -DRETAIN -DSPARE=1"
	for m in PUSH_PLACES_FIRST RESERVE_TRUSTS_STATE NOBODY_LOOKS_AFTERWARDS; do
		mutant $m "$small -DKEEPERS=1"
	done
	mutant CANCELLED_DOES_NOT_HAND_ON "$real $(size 3 2) -DSTRIPES=1 -DCANCEL -DSHRINK -DHOLDERS"
	mutant DISPATCH_SERVES_THE_NEWEST "$real $(size 3 1)"
	for m in AWAKE_LOOKS_FIRST FINISH_DOES_NOT_DISPATCH SOME_SKIPS_THE_SLOT; do
		mutant $m "$real $(size 3 2) -DSTRIPES=1 -DHOLDERS"
	done

	# None that is in the model may be missing here.
	for m in $(tr -cs 'A-Z_' '\n' <"$model" | sed -n 's/^M_\([A-Z]\)/\1/p' | sort -u); do
		grep -qx "$m" ran || { echo "check.sh: mutant M_$m is in bag.pml but is not run" >&2; failed=1; }
	done
}

case $mode in
--mutants) mutants ;;
--long) configurations; long ;;
*) configurations ;;
esac
exit $failed
