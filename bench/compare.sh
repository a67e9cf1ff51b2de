#!/bin/sh
# The Go benchmarks of two builds of the pool in turns, and benchstat's table of
# them: see usage. `make compare` runs this. Both builds have today's benchmarks.
set -eu
cd "$(dirname "$0")/.."

usage() {
	cat <<-'END'
		Compares benchmarks of the pool as it is and as it was.

		usage: [VARIABLE=value ...] bench/compare.sh, or make compare [VARIABLE=value ...]

		  BASE   what to compare with: a commit; by default the last one, and if nothing
		         has changed since, the one before
		  BENCH  which benchmarks: by default akari's, and those of mutex+LIFO, in which
		         nothing has changed, so that a difference there is the machine's
		  COUNT  how often each build has its turn: 10
		  TIME   how long a benchmark takes in a turn: 200ms
	END
}

refuse() {
	echo "compare: $*; -h lists what can be set" >&2
	exit 2
}

case "${1:-}" in
'') ;;
-h | --help)
	usage
	exit
	;;
*) refuse "it takes no arguments, not $1" ;;
esac
bench=${BENCH:-'.*/(akari|mutex)'} count=${COUNT:-10} time=${TIME:-200ms}
case "$count" in
'' | *[!0-9]* | 0*) refuse "COUNT is $count: it must be a number, at least 1" ;;
esac
command -v git >/dev/null || refuse "there is no git, which knows the pool as it was"
git rev-parse --git-dir >/dev/null 2>&1 || refuse "this is no git repository, which knows the pool as it was"
if [ -z "${BASE:-}" ]; then
	BASE=HEAD
	if [ -z "$(git status --porcelain -- '*.go')" ]; then BASE=HEAD~1; fi
fi
base=$(git rev-parse --quiet --verify --short "$BASE^{commit}") || refuse "BASE is $BASE: there is no such commit here"
export GOWORK=off

tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/tree" 2>/dev/null || true; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP
(cd bench && go test -c -o "$tmp/new.test" .)
tried=$("$tmp/new.test" -test.run '^$' -test.list '^$' -test.benchtime "$time" 2>&1) || refuse "TIME is $time: it must be a duration such as 200ms, or a number of times such as 1000x"
tried=$("$tmp/new.test" -test.run '^$' -test.bench "$bench" -test.benchtime 1x 2>&1) || refuse "BENCH is $bench: $tried"
case "$tried" in
*Benchmark*) ;;
*) refuse "BENCH is $bench: no benchmark has such a name" ;;
esac

git worktree add --quiet --detach "$tmp/tree" "$base"
rm -rf "$tmp/tree/bench"
cp -R bench "$tmp/tree/bench"
if ! (cd "$tmp/tree/bench" && go test -c -o "$tmp/old.test" .); then
	echo "compare: today's benchmarks do not fit $base; it is measured with its own" >&2
	rm -rf "$tmp/tree/bench"
	git -C "$tmp/tree" checkout --quiet HEAD -- bench
	(cd "$tmp/tree/bench" && go test -c -o "$tmp/old.test" .)
fi
(cd tools && go build -o "$tmp/benchstat" golang.org/x/perf/cmd/benchstat)

cd bench
turn=0
while [ "$turn" -lt "$count" ]; do
	if [ $((turn % 2)) -eq 0 ]; then order="old new"; else order="new old"; fi
	for build in $order; do
		[ ! -t 2 ] || printf '\r%s of %s ' "$((turn + 1))" "$count" >&2
		"$tmp/$build.test" -test.run '^$' -test.bench "$bench" -test.benchtime "$time" >>"$tmp/$build.txt"
	done
	turn=$((turn + 1))
done
[ ! -t 2 ] || printf '\r' >&2
"$tmp/benchstat" "$base=$tmp/old.txt" "now=$tmp/new.txt"
