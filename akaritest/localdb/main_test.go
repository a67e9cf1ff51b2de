//go:build linux

package localdb_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// TestMain installs what the tests need: none of them is skipped for want of a
// program.
func TestMain(m *testing.M) {
	if how := os.Getenv(ownerVariable); how != "" {
		ownServers(how)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	err := localdb.Install(ctx, os.Stderr)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
