package akari

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/akaripool/akari/internal/sessionstate"
)

// What the pool says to MySQL and MariaDB.

// mysqlSession is what a session of the pool looks like before anybody has
// changed it. COM_RESET_CONNECTION makes a session as the server's defaults
// have it; what the driver has set on top (its character set, the parameters of
// the DSN) is brought back by statements that are derived from this snapshot.
//
// It is taken only once a pool has had to clean a session: that first one is
// closed, and the connection that replaces it is looked at.
type mysqlSession struct {
	mu       sync.Mutex // guards what follows; nothing else is taken while it is held
	wanted   bool       // take a snapshot of the next new connection
	taken    bool
	database string
	values   map[string]string // of the session's variables
	role     string            // the current one; "" if the server knows no roles
	restore  string            // SET SESSION …; "" if nothing differs from the defaults
	proved   bool              // a reset was compared with the snapshot once, and equalled it
	hopeless bool              // it did not: close connections instead
}

// volatileVariables differ from one moment to the next in any session, or
// cannot be set.
var volatileVariables = map[string]bool{
	"error_count": true, "warning_count": true, "timestamp": true, "rand_seed1": true, "rand_seed2": true,
	"last_insert_id": true, "identity": true, "insert_id": true, "pseudo_thread_id": true, "in_transaction": true,
	"last_gtid": true, "gtid_next": true, "statement_id": true, "resultset_metadata": true,
	"external_user": true, "proxy_user": true, "gtid_seq_no": true, "session_track_gtids": true,
}

func inspectMySQL(ctx context.Context, p *Pool, e *entry) error {
	// The number by which SHOW PROCESSLIST knows it: the driver does not keep it.
	if row, err := queryTextRow(ctx, e.conn, "SELECT CONNECTION_ID()"); err == nil {
		e.probes.backendID, _ = strconv.ParseUint(row[0], 10, 64)
		e.name = nameOf(e.caps.profile, e.id, e.probes.backendID)
	} else if !e.alive() || isBadConn(err) || isNetwork(err) {
		return err
	}
	m := &p.mysql
	m.mu.Lock()
	wanted := m.wanted && !m.taken && !m.hopeless
	m.mu.Unlock()
	if !wanted {
		return nil
	}
	database, err := queryTextRow(ctx, e.conn, "SELECT DATABASE()")
	if err != nil {
		return err
	}
	role, err := mysqlRole(ctx, e)
	if err != nil {
		return err
	}
	session, err := mysqlVariables(ctx, e.conn, "SESSION")
	if err != nil {
		return err
	}
	global, err := mysqlVariables(ctx, e.conn, "GLOBAL")
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken, m.database, m.role, m.values = true, database[0], role, session
	m.restore = mysqlRestore(session, global, e.probes.params)
	return nil
}

// mysqlRole is the current role. A reset does not bring the default one back.
func mysqlRole(ctx context.Context, e *entry) (string, error) {
	row, err := queryTextRow(ctx, e.conn, "SELECT CURRENT_ROLE()")
	switch {
	case err == nil:
		return row[0], nil
	case codeOf(err).number != 0:
		return "", nil // the server has no roles
	}
	return "", err
}

func mysqlVariables(ctx context.Context, conn driver.Conn, scope string) (map[string]string, error) {
	vars := map[string]string{}
	err := queryText(ctx, conn, "SHOW "+scope+" VARIABLES", func(row []driver.Value) error {
		if len(row) != 2 {
			return fmt.Errorf("SHOW VARIABLES has %d columns", len(row))
		}
		name, value := textOf(row[0]), textOf(row[1])
		if !volatileVariables[name] {
			vars[name] = value
		}
		return nil
	})
	return vars, err
}

var plainNumber = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// mysqlRestore is the statement that makes a session that has the global values
// look like the given one. Those that the driver has set itself are named in any
// case: they may equal the global value now, and not later.
func mysqlRestore(session, global map[string]string, driverSets []string) string {
	var sets []string
	for name, value := range session {
		if g, ok := global[name]; ok && (g != value || slices.Contains(driverSets, name) || strings.HasPrefix(name, "character_set_c") || name == "character_set_results" || name == "collation_connection") {
			if !plainNumber.MatchString(value) {
				value = "'" + strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), "'", "''") + "'"
			}
			sets = append(sets, name+" = "+value)
		}
	}
	if len(sets) == 0 {
		return ""
	}
	slices.Sort(sets)
	return "SET SESSION " + strings.Join(sets, ", ")
}

// cleanMySQL resets a session as the protocol offers it. Where that cannot be
// done, or has not been shown to restore a session fully, the connection is
// closed.
func cleanMySQL(ctx context.Context, p *Pool, e *entry, _ sessionstate.Effect) error {
	m := &p.mysql
	m.mu.Lock()
	usable := m.taken && !m.hopeless && e.probes.stream != nil
	database, role, restore, proved, want := m.database, m.role, m.restore, m.proved, m.values
	if !m.taken {
		m.wanted = e.probes.stream != nil
	}
	m.mu.Unlock()
	if !usable {
		return errCloseInstead
	}
	if err := resetMySQL(ctx, e); err != nil {
		return err
	}
	e.stmts.forget() // the server has dropped them
	if restore != "" {
		if err := execText(ctx, e.conn, restore); err != nil {
			p.giveUpMySQLReset(fmt.Sprintf("cannot restore the variables of a session: %v", err))
			return err
		}
	}
	now, err := queryTextRow(ctx, e.conn, "SELECT DATABASE()")
	if err != nil {
		return err
	}
	if now, err := mysqlRole(ctx, e); err != nil {
		return err
	} else if now != role {
		return errCloseInstead
	}
	if now[0] != database {
		if database == "" {
			return errCloseInstead // a database cannot be left again
		}
		if err := execText(ctx, e.conn, "USE "+quoteIdentifier(database, '`')); err != nil {
			return err
		}
	}
	if !proved {
		got, err := mysqlVariables(ctx, e.conn, "SESSION")
		if err != nil {
			return err
		}
		for name, value := range want {
			if got[name] != value {
				p.giveUpMySQLReset(fmt.Sprintf("%s is %q after a reset, was %q", name, got[name], value))
				return errCloseInstead
			}
		}
		m.mu.Lock()
		m.proved = true
		m.mu.Unlock()
	}
	return p.sessionDefaults(ctx, e)
}

func (p *Pool) giveUpMySQLReset(why string) {
	p.mysql.mu.Lock()
	first := !p.mysql.hopeless
	p.mysql.hopeless = true
	p.mysql.mu.Unlock()
	if first {
		p.log(slog.LevelWarn, "Sessions cannot be reset on this server, connections with a changed session are closed instead: "+why)
	}
}

// comResetConnection is the packet: three bytes of length, sequence number 0,
// command 0x1f.
var comResetConnection = []byte{1, 0, 0, 0, 0x1f}

// resetMySQL sends COM_RESET_CONNECTION, which the driver does not offer,
// between two of its commands, on the driver's own stream. It rolls back, drops
// temporary tables, user variables, prepared statements and locks, and resets
// the session's variables; it does not change the database.
func resetMySQL(ctx context.Context, e *entry) error {
	c := e.probes.stream
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return err
		}
		defer func() { _ = c.SetDeadline(time.Time{}) }()
	}
	if _, err := c.Write(comResetConnection); err != nil {
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	length := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if length == 0 || length > 1<<16 || head[3] != 1 {
		return errors.New("unexpected answer to COM_RESET_CONNECTION")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(c, body); err != nil {
		return err
	}
	if body[0] != 0 {
		return errors.New("the server refused COM_RESET_CONNECTION")
	}
	return nil
}
