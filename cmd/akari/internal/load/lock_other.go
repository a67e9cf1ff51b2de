//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package load

import (
	"errors"
	"os"
)

// lockFolder cannot lock folders here.
func lockFolder(string, bool) (*os.File, error) { return nil, errors.ErrUnsupported }
