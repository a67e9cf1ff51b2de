package localdb

import "fmt"

// Kind is a kind of server.
type Kind int

const (
	// Postgres is PostgreSQL. Tested with 15.
	Postgres Kind = iota
	// MariaDB is MariaDB, not MySQL. Tested with 10.11.
	MariaDB
	// PgBouncer is the pooler for PostgreSQL. Tested with 1.18.
	PgBouncer
)

// Kinds returns all kinds of server.
func Kinds() []Kind { return []Kind{Postgres, MariaDB, PgBouncer} }

// String returns the name of the kind as its makers write it.
func (k Kind) String() string {
	switch k {
	case Postgres:
		return "PostgreSQL"
	case MariaDB:
		return "MariaDB"
	case PgBouncer:
		return "PgBouncer"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}
