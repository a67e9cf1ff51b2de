//go:build !linux

package localdb_test

import (
	"errors"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
)

func TestOtherSystemsAreUnsupported(t *testing.T) {
	if _, err := localdb.StartPostgres(t.Context(), localdb.Options{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("StartPostgres: %v; want ErrUnsupported", err)
	}
}
