package main

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// What `make compare` measures, of two builds of the pool. Names have a slash for
// each thing that varies, so that -bench can choose among them: './akari' for
// instance.

var crowds = []struct{ size, callers int }{{8, 1}, {8, 128}, {1, 8}}

func BenchmarkCycle(b *testing.B) {
	for _, candidate := range peers {
		for _, c := range crowds {
			b.Run(benchmarkName(candidate.name, c.size, c.callers), func(b *testing.B) {
				p := opened(b, candidate.open, c.size)
				ctx := b.Context()
				inCrowd(b, c.callers, func() error { return p.cycle(ctx, nil) })
			})
		}
	}
}

func BenchmarkExec(b *testing.B) {
	const size = 8
	for _, candidate := range peers[:2] {
		for _, callers := range []int{1, 128} {
			b.Run(benchmarkName(candidate.name, size, callers), func(b *testing.B) {
				db := databaseOf(opened(b, candidate.open, size))
				ctx := b.Context()
				inCrowd(b, callers, func() error {
					_, err := db.ExecContext(ctx, text)
					return err
				})
			})
		}
	}
}

func benchmarkName(peer string, size, callers int) string {
	return fmt.Sprintf("%s/size=%d/callers=%d", strings.ReplaceAll(peer, "/", "_"), size, callers)
}

// inCrowd measures what something costs, of all callers together.
func inCrowd(b *testing.B, callers int, do func() error) {
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := share(callers, b.N, do); err != nil {
		b.Fatal(err)
	}
}

// opened is a pool that has opened all of its connections.
func opened(t testing.TB, open func(size, warm int, s *stub) (peer, error), size int) peer {
	t.Helper()
	p, err := open(size, size, &stub{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := fill(p, size); err != nil {
		t.Fatal(err)
	}
	return p
}

func databaseOf(p peer) *sql.DB {
	if a, ok := p.(akariPeer); ok {
		return a.p.DB()
	}
	return p.(sqlPeer).db
}
