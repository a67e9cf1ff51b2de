package localdb

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
)

// account is the user a server runs as when this process is root. A nil
// account stands for the user this process runs as.
type account struct {
	name     string
	uid, gid uint32
}

// accounts are the users to choose from, the first that exists.
var accounts = map[Kind][]string{
	Postgres:  {"postgres", "nobody"},
	MariaDB:   {"mysql", "nobody"},
	PgBouncer: {"postgres", "nobody"},
}

// unprivileged returns the account for a server: the servers refuse to run as root.
func unprivileged(kind Kind) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range accounts[kind] {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return &account{name, uint32(uid), uint32(gid)}, nil
		}
	}
	return nil, fmt.Errorf("localdb: %v must not run as root, and there is none of the users %s to run it as",
		kind, strings.Join(accounts[kind], ", "))
}

// canEnter returns an error if the account cannot enter the folder.
func (a *account) canEnter(folder string) error {
	if a == nil {
		return nil
	}
	cmd := exec.Command("/bin/sh", "-c", `cd "$1"`, "sh", folder)
	cmd.Dir = "/"
	detach(cmd, a)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("localdb: user %s, as whom the server has to run, cannot enter %s (%w: %s): name another folder in Options.Dir or TMPDIR",
			a.name, folder, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// own gives the file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}
