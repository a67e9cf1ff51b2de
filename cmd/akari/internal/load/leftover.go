package load

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// temporaryName begins the names of the folders of temporary databases; digits
// follow. Each is locked by its process until that ends, in whatever way.
const temporaryName = "akari-load-sqlite-"

// locker is the type of lockFolder.
type locker func(path string, wait bool) (*os.File, error)

// newTemporary makes and locks a folder. Where folders cannot be locked no other
// run can lock it either, and so none removes it.
func newTemporary(in string, lock locker) (folder string, unlock func(), err error) {
	for range 100 {
		if folder, err = os.MkdirTemp(in, temporaryName); err != nil {
			return "", nil, err
		}
		f, err := lock(folder, true)
		if err != nil && !os.IsNotExist(err) {
			return folder, func() {}, nil
		}
		// Another run may have taken it for one that nobody uses.
		if err == nil {
			if isAt(f, folder) {
				return folder, func() { f.Close() }, nil
			}
			f.Close()
		}
	}
	return "", nil, fmt.Errorf("new folders in %s disappear at once", in)
}

func isAt(f *os.File, path string) bool {
	held, err1 := f.Stat()
	there, err2 := os.Lstat(path)
	return err1 == nil && err2 == nil && os.SameFile(held, there)
}

// sweepTemporary removes the temporary databases of processes that were killed.
// What it cannot remove it leaves: this is not what the run is for.
func sweepTemporary(in string) {
	all, _ := os.ReadDir(in)
	for _, entry := range all {
		if digits, ok := strings.CutPrefix(entry.Name(), temporaryName); ok && strings.Trim(digits, "0123456789") == "" {
			sweepOne(filepath.Join(in, entry.Name()))
		}
	}
}

func sweepOne(folder string) {
	f, err := lockFolder(folder, false)
	if err != nil {
		return // in use, not ours, or no folder
	}
	defer f.Close()
	files, err := f.ReadDir(-1)
	if err != nil {
		return
	}
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), temporaryFileName) {
			return
		}
	}
	if isAt(f, folder) {
		os.RemoveAll(folder)
	}
}

// temporaryFileName is the database's. SQLite puts files beside it whose names
// begin with it.
const temporaryFileName = "load.db"
