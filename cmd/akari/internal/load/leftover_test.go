//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package load

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOnlyTemporaryDatabasesThatNobodyUsesAreSwept(t *testing.T) {
	in := t.TempDir()
	used, unlock, err := newTemporary(in, lockFolder)
	if err != nil {
		t.Fatal(err)
	}
	stay := []string{filepath.Base(used)}
	place := func(name, file string, stays bool) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(in, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(in, name, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if stays {
			stay = append(stay, name)
		}
	}
	place("akari-load-sqlite-1", "load.db", false)
	place("akari-load-sqlite-22", "load.db-wal", false)
	place("akari-load-sqlite-3", "thesis.txt", true)
	place("akari-load-sqlite-results", "load.db", true)
	place("akari-load-4", "load.db", true)
	if err := os.Symlink(filepath.Join(in, "akari-load-4"), filepath.Join(in, "akari-load-sqlite-5")); err != nil {
		t.Fatal(err)
	}
	stay = append(stay, "akari-load-sqlite-5")
	sweepTemporary(in)
	if got := names(t, in); !slices.Equal(got, sorted(stay)) {
		t.Errorf("there is %q, want %q", got, sorted(stay))
	}
	unlock()
	sweepTemporary(in)
	if got := names(t, in); !slices.Equal(got, sorted(stay[1:])) {
		t.Errorf("there is %q, want %q", got, sorted(stay[1:]))
	}
}

// Between its making and its locking a folder looks like one that nobody uses.
func TestTemporaryDatabaseSweptBeforeItWasLockedIsMadeAnew(t *testing.T) {
	for name, swept := range map[string]func(path string) (*os.File, error){
		"before it was opened": func(path string) (*os.File, error) {
			os.RemoveAll(path)
			return lockFolder(path, true)
		},
		"before it was locked": func(path string) (*os.File, error) {
			f, err := lockFolder(path, true)
			os.RemoveAll(path)
			return f, err
		},
	} {
		calls := 0
		folder, unlock, err := newTemporary(t.TempDir(), func(path string, wait bool) (*os.File, error) {
			if calls++; calls == 1 {
				return swept(path)
			}
			return lockFolder(path, wait)
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := os.Stat(folder); err != nil || calls != 2 {
			t.Errorf("%s: %v after %d attempts", name, err, calls)
		}
		unlock()
	}
}

func TestTemporaryDatabaseWithoutLocks(t *testing.T) {
	folder, unlock, err := newTemporary(t.TempDir(), func(string, bool) (*os.File, error) { return nil, errors.ErrUnsupported })
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if _, err := os.Stat(folder); err != nil {
		t.Error(err)
	}
}

func names(t *testing.T, in string) []string {
	t.Helper()
	all, err := os.ReadDir(in)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
