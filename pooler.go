package akari

import (
	"database/sql/driver"
	"errors"
	"reflect"
)

// Behind a pooler that gives each transaction another server connection
// (PgBouncer's transaction mode), a statement prepared in one round trip may be
// looked for in the next on a server that has never seen it, or has another one
// by that name. So the pool prepares nothing there, and has the drivers that
// prepare by themselves send each statement whole.

// errPoolerNeedsOption is for lib/pq behind a pooler, when the pool cannot set
// the option itself. lib/pq would read the answer of somebody else's statement.
var errPoolerNeedsOption = errors.New("akari: a pooler such as PgBouncer stands in front of the server, and lib/pq prepares parametrised statements " +
	"in a round trip of their own, which gives wrong answers there; add binary_parameters=yes to the connection string")

// throughPooler changes the arguments of a statement as its driver needs it
// behind a pooler.
func throughPooler(e *entry, args []driver.NamedValue) ([]driver.NamedValue, error) {
	switch e.caps.profile.name {
	case "pq":
		if len(args) > 0 && !e.probes.wholeStatements {
			return nil, errPoolerNeedsOption
		}
	case "pgx":
		// pgx takes an execution mode as the first argument of a statement. It
		// prepares queries without parameters too.
		if e.execMode != nil {
			out := append(make([]driver.NamedValue, 0, len(args)+1), e.unprepared()...)
			for _, a := range args {
				a.Ordinal++
				out = append(out, a)
			}
			return out, nil
		}
	}
	return args, nil
}

// unprepared is the argument, if one is needed, that keeps a statement of the
// pool's own from being prepared behind a pooler.
func (e *entry) unprepared() []driver.NamedValue {
	if e.execMode == nil {
		return nil
	}
	return []driver.NamedValue{{Ordinal: 1, Value: e.execMode}}
}

// Execution modes of pgx, by their numbers there.
const (
	pgxCacheStatement = 1 // the default: prepares by name
	pgxCacheDescribe  = 2 // asks for the parameters' types once, then sends statements whole
	pgxDescribeExec   = 3 // asks each time
	pgxSimpleProtocol = 5 // sends one text, prepares and describes nothing
)

// pgxExecMode returns the execution mode, of pgx's own type, that is safe
// behind a pooler; nil where the connection was configured for another mode
// than the default, which stays.
func pgxExecMode(conn driver.Conn) any {
	pgxConn, ok := callMethod(conn, "Conn")
	if !ok {
		return nil
	}
	cfg, ok := callMethod(pgxConn, "Config")
	if !ok {
		return nil
	}
	mode := field(structOf(cfg), "DefaultQueryExecMode")
	if !mode.IsValid() || !mode.CanInt() || mode.Int() != pgxCacheStatement {
		return nil
	}
	safe := reflect.New(mode.Type()).Elem()
	safe.SetInt(pgxCacheDescribe)
	if room := field(structOf(cfg), "DescriptionCacheCapacity"); room.IsValid() && room.CanInt() && room.Int() == 0 {
		safe.SetInt(pgxDescribeExec)
	}
	return safe.Interface()
}

// pgxMode is an execution mode as the first argument of a statement of pgx, none
// if pgx is not as it is known here.
func pgxMode(conn driver.Conn, number int64) []driver.NamedValue {
	pgxConn, ok := callMethod(conn, "Conn")
	if !ok {
		return nil
	}
	cfg, ok := callMethod(pgxConn, "Config")
	if !ok {
		return nil
	}
	mode := field(structOf(cfg), "DefaultQueryExecMode")
	if !mode.IsValid() || !mode.CanInt() {
		return nil
	}
	v := reflect.New(mode.Type()).Elem()
	v.SetInt(number)
	return []driver.NamedValue{{Ordinal: 1, Value: v.Interface()}}
}
