#!/bin/sh
# The Go benchmarks of two builds of the pool in turns, and benchstat's table of
# them. `make compare` runs this. Both builds have today's benchmarks.
#   BASE   what to compare with: the last commit, and if nothing has changed since,
#          the one before
#   BENCH  which benchmarks: akari's, and those of mutex+LIFO, in which nothing has
#          changed, so that a difference there is the machine's
#   COUNT  how often each build has its turn
#   TIME   how long a benchmark takes in a turn
set -eu
cd "$(dirname "$0")/.."
if [ -z "${BASE:-}" ]; then
	BASE=HEAD
	if [ -z "$(git status --porcelain -- '*.go')" ]; then BASE=HEAD~1; fi
fi
bench=${BENCH:-'.*/(akari|mutex)'} count=${COUNT:-10} time=${TIME:-200ms}
base=$(git rev-parse --verify --short "$BASE^{commit}")
export GOWORK=off

tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/tree" 2>/dev/null || true; rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP
git worktree add --quiet --detach "$tmp/tree" "$base"
rm -rf "$tmp/tree/bench"
cp -R bench "$tmp/tree/bench"
if ! (cd "$tmp/tree/bench" && go test -c -o "$tmp/old.test" .); then
	echo "compare: today's benchmarks do not fit $base; it is measured with its own" >&2
	rm -rf "$tmp/tree/bench"
	git -C "$tmp/tree" checkout --quiet HEAD -- bench
	(cd "$tmp/tree/bench" && go test -c -o "$tmp/old.test" .)
fi
(cd bench && go test -c -o "$tmp/new.test" .)
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
