package localdb

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// NotInstalledError says that the programs of a server were not found. Its text
// says what to install.
type NotInstalledError struct {
	Kind     Kind
	Programs []string // what was looked for, together in one folder
	Searched []string // where, besides PATH
	// Variable is the environment variable that names the folder; Override is
	// its value. If it is set, nothing else is searched.
	Variable, Override string
}

func (e *NotInstalledError) Error() string {
	programs := strings.Join(e.Programs, " and ")
	if e.Override != "" {
		return fmt.Sprintf("localdb: %s=%s is not a folder that holds %s", e.Variable, e.Override, programs)
	}
	return fmt.Sprintf("localdb: %v is not installed (no %s in PATH or the usual folders): apt-get install %s, or set %s to the folder that holds it",
		e.Kind, programs, packages[e.Kind], e.Variable)
}

// packages are the packages of Debian and Ubuntu that hold the programs.
// mariadb-server-core is mariadb-server without its service.
var packages = map[Kind]string{
	Postgres:  "postgresql",
	MariaDB:   "mariadb-server-core",
	PgBouncer: "pgbouncer",
}

// place says where a kind of server is found.
type place struct {
	variable string
	programs [][]string // one of each group must be in the folder; the first is the server
	folders  []string   // searched after PATH, in this order; may be patterns
}

var places = map[Kind]place{
	Postgres: {
		variable: "AKARI_POSTGRES_BIN",
		programs: [][]string{{"postgres"}, {"initdb"}},
		folders:  []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/local/bin"},
	},
	MariaDB: {
		variable: "AKARI_MARIADB_BIN",
		programs: [][]string{{"mariadbd", "mysqld"}},
		folders:  []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/usr/local/mysql/bin"},
	},
	PgBouncer: {
		variable: "AKARI_PGBOUNCER_BIN",
		programs: [][]string{{"pgbouncer"}},
		folders:  []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin"},
	},
}

// Find returns the path of the server's program, for PostgreSQL that of the
// newest version. A folder named by AKARI_POSTGRES_BIN, AKARI_MARIADB_BIN or
// AKARI_PGBOUNCER_BIN is the only one searched; otherwise PATH comes first and
// then the folders in which distributions put servers. The error is a
// [*NotInstalledError].
func Find(kind Kind) (string, error) {
	at, ok := places[kind]
	if !ok {
		return "", fmt.Errorf("localdb: there is no server kind %v", kind)
	}
	missing := &NotInstalledError{Kind: kind, Searched: at.folders, Variable: at.variable}
	for _, group := range at.programs {
		missing.Programs = append(missing.Programs, group[0])
	}
	if missing.Override = os.Getenv(at.variable); missing.Override != "" {
		if program := at.in(missing.Override); program != "" {
			return program, nil
		}
		return "", missing
	}
	folders := filepath.SplitList(os.Getenv("PATH"))
	for _, pattern := range at.folders {
		folders = append(folders, newestFirst(pattern)...)
	}
	for _, folder := range folders {
		if program := at.in(folder); program != "" {
			return program, nil
		}
	}
	return "", missing
}

// in returns the server's program in the folder, or "" if something is missing.
func (at place) in(folder string) string {
	if !filepath.IsAbs(folder) {
		return "" // the working folder is no place to take servers from
	}
	server := ""
	for _, group := range at.programs {
		program := oneOf(folder, group)
		if program == "" {
			return ""
		}
		server = cmp.Or(server, program)
	}
	return server
}

func oneOf(folder string, names []string) string {
	for _, name := range names {
		if path, err := exec.LookPath(filepath.Join(folder, name)); err == nil {
			return path
		}
	}
	return ""
}

// newestFirst returns the folders that match, those with the higher version
// number in the path first.
func newestFirst(pattern string) []string {
	found, _ := filepath.Glob(pattern) // the patterns above are well formed
	slices.SortFunc(found, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) })
	return found
}

// numbers returns the numbers in s, so that 9.6 < 10 < 15.
func numbers(s string) []int {
	var all []int
	inside := false
	for _, r := range s {
		if r < '0' || r > '9' {
			inside = false
			continue
		}
		if !inside {
			all = append(all, 0)
		}
		inside = true
		all[len(all)-1] = all[len(all)-1]*10 + int(r-'0')
	}
	return all
}
