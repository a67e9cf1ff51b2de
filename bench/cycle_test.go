package main

import (
	"context"
	"testing"
)

func BenchmarkCycle(b *testing.B) {
	for _, candidate := range peers {
		b.Run(candidate.name, func(b *testing.B) {
			p, err := candidate.open(8, 8, &stub{})
			if err != nil {
				b.Fatal(err)
			}
			defer p.close()
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = p.cycle(ctx, nil)
			}
		})
	}
}
