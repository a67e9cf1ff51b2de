package akaritest_test

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/akaripool/akari/akaritest"
)

// An Exec with nothing scripted has to cost little, because benchmarks of pools
// use the fake as a stub.
func BenchmarkExec(b *testing.B) {
	for _, quiet := range []bool{false, true} {
		name := "Counting"
		if quiet {
			name = "Quiet"
		}
		b.Run(name, func(b *testing.B) {
			server := akaritest.NewServer(akaritest.Full)
			if quiet {
				server.Quiet()
			}
			execer := connect(b, server).(driver.ExecerContext)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := execer.ExecContext(context.Background(), "NOP", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
