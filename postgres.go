package akari

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/akaripool/akari/internal/sessionstate"
)

// What the pool says to PostgreSQL.

// defaults are the statements that bring a session into its default state.
func (d Dialect) defaults(cfg *Config, live *Settings) []string {
	var out []string
	iso := isolationName(cfg.TransactionIsolation)
	switch d {
	case DialectPostgreSQL:
		if cfg.ReadOnly {
			out = append(out, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
		}
		if iso != "" {
			out = append(out, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "+iso)
		}
		if live.Schema != "" {
			names, _ := schemaNames(live.Schema)
			out = append(out, "SET search_path = "+quoteIdentifiers(names, '"'))
		}
	case DialectMySQL:
		if cfg.ReadOnly {
			out = append(out, "SET SESSION TRANSACTION READ ONLY")
		}
		if iso != "" {
			out = append(out, "SET SESSION TRANSACTION ISOLATION LEVEL "+iso)
		}
		if live.Schema != "" {
			name := live.Schema
			if names, ok := schemaNames(name); ok && len(names) == 1 {
				name = names[0]
			} // the server refuses a list
			out = append(out, "USE "+quoteIdentifier(name, '`'))
		}
	case DialectSQLite:
		if cfg.ReadOnly {
			out = append(out, "PRAGMA query_only = ON")
		}
		if cfg.TransactionIsolation == sql.LevelReadUncommitted {
			out = append(out, "PRAGMA read_uncommitted = ON")
		}
	}
	return out
}

// rollback ends whatever transaction may be open.
func (d Dialect) rollback(ctx context.Context, e *entry) error {
	switch d {
	case DialectPostgreSQL, DialectMySQL: // harmless without a transaction
		return execText(ctx, e.conn, "ROLLBACK")
	case DialectSQLite:
		if err := execText(ctx, e.conn, "ROLLBACK"); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
			return err
		}
		return nil
	}
	return errCloseInstead
}

// clean undoes what a borrower may have changed in the session.
func (d Dialect) clean(ctx context.Context, p *Pool, e *entry, changed sessionstate.Effect) error {
	switch d {
	case DialectPostgreSQL:
		return cleanPostgres(ctx, p, e, changed)
	case DialectMySQL:
		return cleanMySQL(ctx, p, e, changed)
	case DialectSQLite:
		if e.inMemory {
			return nil // closing it would delete the database
		}
	}
	return errCloseInstead
}

// resetSessionSQL is DISCARD ALL (see its page in PostgreSQL's manual) without
// DEALLOCATE ALL and DISCARD PLANS: the statements that the pool and the driver
// have prepared are kept, or they would fail with 26000. It must stay one text,
// sent in one round trip.
const resetSessionSQL = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ROLE; RESET ALL; UNLISTEN *; " +
	"SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"

func cleanPostgres(ctx context.Context, p *Pool, e *entry, changed sessionstate.Effect) error {
	if err := execText(ctx, e.conn, resetSessionSQL); err != nil {
		return err
	}
	if changed&(sessionstate.Listen|sessionstate.Opaque) != 0 && e.probes.drain != nil && !e.probes.drain() {
		return errCloseInstead
	}
	if e.moved && changed&(sessionstate.Prepared|sessionstate.Opaque) == 0 && e.probes.forget != nil {
		// What pgx has prepared may have the types of other tables.
		if err := e.probes.forget(ctx); err != nil {
			return err
		}
	}
	if changed&(sessionstate.Prepared|sessionstate.Opaque) != 0 {
		// Names given by SQL's PREPARE: only DEALLOCATE ALL finds them all, and
		// it takes everybody's.
		e.stmts.forget()
		if e.probes.forget != nil {
			if err := e.probes.forget(ctx); err != nil {
				return err
			}
		} else if err := execText(ctx, e.conn, "DEALLOCATE ALL"); err != nil {
			return err
		}
	}
	for _, s := range e.restore {
		if err := execText(ctx, e.conn, s); err != nil {
			return err
		}
	}
	return p.sessionDefaults(ctx, e)
}

// inspectPostgres learns about a new session: whether a pooler stands in
// between, and which settings the driver's own hooks have made.
func inspectPostgres(ctx context.Context, p *Pool, e *entry) error {
	// Until it is known whether there is a pooler nothing may be prepared.
	var mode []driver.NamedValue
	if e.caps.profile.name == "pgx" {
		mode = pgxMode(e.conn, pgxSimpleProtocol)
	}
	if e.probes.backendID != 0 {
		row, err := queryTextRow(ctx, e.conn, "SELECT pg_backend_pid(), version()", mode...)
		if err == nil && len(row) == 2 {
			pid, _ := strconv.ParseUint(row[0], 10, 64)
			// PgBouncer makes the numbers of its handshakes up. CockroachDB's
			// mean nothing.
			if pid != e.probes.backendID && !strings.Contains(row[1], "CockroachDB") {
				if err := p.behindPooler(e); err != nil {
					return err
				}
			}
		} else if err != nil && !e.alive() {
			return err
		}
	}
	if !p.source.mayHaveHooks(e.caps.profile.name) && p.hooks.Load() == noHooks {
		return nil
	}
	var sets []string
	err := queryText(ctx, e.conn, "SELECT format('SELECT set_config(%L, %L, false)', name, setting) FROM pg_settings"+
		" WHERE source = 'session' AND name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable')",
		func(row []driver.Value) error { sets = append(sets, textOf(row[0])); return nil }, mode...)
	if err != nil {
		if !e.alive() {
			return err
		}
		return nil // not quite PostgreSQL
	}
	if row, err := queryTextRow(ctx, e.conn, "SELECT quote_ident(current_setting('role'))", mode...); err == nil && row[0] != "none" {
		sets = append(sets, "SET ROLE "+row[0])
	}
	e.restore = sets
	if sets == nil {
		p.hooks.CompareAndSwap(hooksUnknown, noHooks)
	} else {
		p.hooks.Store(someHooks)
	}
	return nil
}

// What the first connection has shown about hooks of its driver, or of what is
// wrapped around it, that set up sessions.
const (
	hooksUnknown uint32 = iota
	noHooks
	someHooks
)

// behindPooler prepares a connection for a pooler in between.
func (p *Pool) behindPooler(e *entry) error {
	e.pooled = true
	name := e.caps.profile.name
	p.said.pooler.Do(func() {
		p.log(slog.LevelWarn, "A pooler such as PgBouncer stands in front of the server: statements are not prepared, "+
			"and what they change in a session (SET, temporary tables, advisory locks) may reach other clients if it pools by transaction")
	})
	switch name {
	case "pgx":
		e.execMode = pgxExecMode(e.conn)
	case "pq":
		if !e.probes.wholeStatements && p.source.adapt(name) {
			return errReconnect
		}
	}
	return nil
}

// errReconnect: the connection is to be opened again, in another way.
var errReconnect = errors.New("akari: to be opened again")

// quoteIdentifier quotes a name for use in SQL.
func quoteIdentifier(name string, quote byte) string {
	q := string(quote)
	return q + strings.ReplaceAll(strings.ReplaceAll(name, "\x00", ""), q, q+q) + q
}

// quoteIdentifiers quotes the names of a list.
func quoteIdentifiers(names []string, quote byte) string {
	for i, n := range names {
		names[i] = quoteIdentifier(n, quote)
	}
	return strings.Join(names, ", ")
}
