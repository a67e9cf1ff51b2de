package akari_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// words are the lines of the log, and what each is said for. People look for
// them, and mostly know them from HikariCP.
var words = []struct {
	on      string
	profile akaritest.Profile // Full if there is none
	change  func(*akari.Config)
	do      func(b *bench) // nothing but a start if it is nil
	lines   []string       // with N for the numbers of connections
}{
	{on: "start", lines: []string{
		"INFO test - Starting...", "INFO test - Added connection conn@N conn=N", "INFO test - Start completed.", "DEBUG test - Added connection conn@N conn=N",
	}},
	{on: "the housekeeper's pass", do: pass(time.Minute), lines: []string{
		"DEBUG test - Pool stats (total=2, active=0, idle=2, waiting=0)",
		"DEBUG test - Fill pool skipped, pool has sufficient level or currently being filled.",
	}},
	{on: "connections idle for long", change: func(c *akari.Config) { c.MinimumIdle, c.IdleTimeout = 1, 20*time.Second }, do: func(b *bench) {
		for _, c := range b.holdAll(2) {
			c.Release()
		}
		settle(time.Minute)
	}, lines: []string{
		"DEBUG test - Before cleanup stats (total=2, active=0, idle=2, waiting=0)",
		"DEBUG test - Closing connection conn@N: (connection has passed idleTimeout)",
		"DEBUG test - After cleanup  stats (total=1, active=0, idle=1, waiting=0)",
	}},
	{on: "an old connection", change: func(c *akari.Config) { c.MaxLifetime = time.Minute }, do: pass(time.Minute), lines: []string{
		"DEBUG test - Closing connection conn@N: (connection has passed maxLifetime)",
	}},
	{on: "a dead connection", do: func(b *bench) {
		settle(time.Second)
		b.server.DropAll()
		b.acquire().Release()
	}, lines: []string{
		"WARN test - Failed to validate connection conn@N (driver: bad connection). Possibly consider using a shorter maxLifetime value.",
		"DEBUG test - Closing connection conn@N: (connection is dead)",
	}},
	{on: "a statement that loses its connection", do: failing(&akaritest.Error{Code: "08006"}), lines: []string{
		"WARN test - Connection conn@N marked as broken because of SQLSTATE(08006), ErrorCode(0) error=",
		"DEBUG test - Closing connection conn@N: (connection is broken)",
	}},
	{on: "the same with MySQL", do: failing(&akaritest.MySQLError{Number: 1053, SQLState: [5]byte([]byte("08S01"))}), lines: []string{
		"WARN test - Connection conn@N marked as broken because of SQLSTATE(08S01), ErrorCode(1053) error=",
	}},
	{on: "the same without a code", do: failing(driver.ErrBadConn), lines: []string{
		"WARN test - Connection conn@N marked as broken error=driver: bad connection conn=N",
	}},
	{on: "a demoted server", do: failing(&akaritest.Error{Code: "25006"}), lines: []string{
		"WARN test - The server takes no writes (it was demoted, or the pool leads to a replica); its connections are replaced",
		"DEBUG test - Closing connection conn@N: (connection leads to a read-only server)",
	}},
	{on: "Evict", do: func(b *bench) { b.Evict() }, lines: []string{
		"DEBUG test - Closing connection conn@N: (connection was evicted)",
	}},
	{on: "a lower maximum", do: func(b *bench) {
		s := b.Settings()
		s.MaximumPoolSize, s.MinimumIdle = 1, 1
		b.Apply(s)
	}, lines: []string{
		"INFO test - Settings changed: MaximumPoolSize from 2 to 1, MinimumIdle from 2 to 1",
		"DEBUG test - Closing connection conn@N: (connection is not needed)",
	}},
	{on: "a transaction left open", change: func(c *akari.Config) { c.Dialect = akari.DialectMySQL }, do: func(b *bench) { b.exec("BEGIN") }, lines: []string{
		"DEBUG test - Executed rollback on connection conn@N due to dirty commit state on close().",
		"DEBUG test - Reset (begin) on connection conn@N ",
	}},
	{on: "one that cannot be rolled back", change: func(c *akari.Config) { c.Dialect = akari.DialectMySQL }, do: func(b *bench) {
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: errors.New("no"), Match: func(c akaritest.Call) bool { return c.Text == "ROLLBACK" }})
		b.exec("BEGIN")
	}, lines: []string{"DEBUG test - Reset of connection conn@N failed: no"}},
	{on: "a session that can only be closed", change: func(c *akari.Config) { c.Dialect = akari.DialectMySQL }, do: func(b *bench) { b.exec("SET x 1") }, lines: []string{
		"DEBUG test - Closing connection conn@N: (session state could not be reset)",
	}},
	{on: "a keepalive", change: func(c *akari.Config) { c.KeepaliveTime = time.Minute }, do: pass(time.Minute), lines: []string{
		"DEBUG test - keepalive: connection conn@N is alive",
	}},
	{on: "a leak, and its end", change: func(c *akari.Config) { c.LeakDetectionThreshold = 2 * time.Second }, do: func(b *bench) {
		c := b.acquire()
		settle(2 * time.Second)
		c.Release()
	}, lines: []string{
		"WARN test - Connection leak detection triggered for conn@N, held for 2s, stack trace follows\n",
		"INFO test - Previously reported leaked connection conn@N was returned to the pool (unleaked)",
	}},
	{on: "a caller that waits in vain", do: func(b *bench) {
		b.holdAll(2)
		b.Acquire(b.t.Context())
	}, lines: []string{"DEBUG test - Timeout failure stats (total=2, active=2, idle=0, waiting=0)"}},
	{on: "pool-lock", do: func(b *bench) {
		nested(b.t, b, 2, func(ctx context.Context) (func(), error) {
			tx, err := b.DB().BeginTx(ctx, nil)
			return func() { tx.Rollback() }, err
		})
	}, lines: []string{"WARN test - Pool-lock: every connection is held by a caller that waits for another; the newest was failed: conn@"}},
	{on: "an outage, and its end", do: func(b *bench) {
		b.server.Inject(akaritest.OpConnect, akaritest.Fault{Err: errors.New("refused"), Times: 20})
		b.Evict()
		settle(5 * time.Minute)
	}, lines: []string{
		"WARN test - Cannot acquire connection from data source error=refused failures=1",
		"DEBUG test - Connection add failed, sleeping with backoff: 10ms error=refused failures=1",
		"WARN test - Pool is empty, failed to create/setup connection, for ",
		"INFO test - Connections can be opened again, after 1m",
	}},
	{on: "scopes of package txn", change: func(c *akari.Config) { c.Dialect = akari.DialectMySQL }, do: func(b *bench) {
		b.server.Define("SELECT 1", "NOP")
		tries := 0
		_ = txn.Do(b.t.Context(), b.Pool, func(ctx context.Context) error {
			b.DB().ExecContext(ctx, "SELECT 1")
			return txn.Do(ctx, b.Pool, func(context.Context) error {
				return txn.Do(ctx, b.Pool, func(context.Context) error {
					if tries++; tries == 1 {
						return errors.New("no")
					}
					return nil
				}, txn.NotSupported)
			}, txn.Name("Stock.Reserve"))
		}, txn.Name("Order.Place"), txn.Isolation(sql.LevelSerializable), txn.Retry{If: func(error) bool { return true }})
	}, lines: []string{
		"DEBUG test - Creating new transaction with name [Order.Place]: Required,ISOLATION_SERIALIZABLE attempt=1",
		"DEBUG test - Participating in existing transaction with name [Stock.Reserve]: Required,ISOLATION_DEFAULT",
		"DEBUG test - Suspending current transaction, creating scope with name []: NotSupported",
		"DEBUG test - Completed transaction with name [Order.Place]: rolled back attempt=1 took=",
		"DEBUG test - Trying once more the transaction with name [Order.Place]: attempt 2",
		"DEBUG test - Completed transaction with name [Order.Place]: committed attempt=2 took=",
	}},
	{on: "a driver that panics when a scope's time is over", do: func(b *bench) {
		b.server.Inject(akaritest.OpRollback, akaritest.Fault{Panic: "no"})
		_ = txn.Do(b.t.Context(), b.Pool, func(ctx context.Context) error {
			b.DB().ExecContext(ctx, "NOP")
			settle(time.Minute)
			return nil
		}, txn.Timeout(time.Second))
	}, lines: []string{"ERROR test - The driver panicked in the ROLLBACK of a transaction whose context has ended: no"}},
	{on: "Suspend and Resume", do: func(b *bench) {
		b.Suspend()
		b.Resume()
	}, lines: []string{"INFO test - Suspended.", "INFO test - Resumed."}},
	{on: "Close", do: func(b *bench) { b.Close() }, lines: []string{
		"INFO test - Shutdown initiated...", "DEBUG test - Before shutdown stats (total=2, active=0, idle=2, waiting=0)",
		"DEBUG test - Closing connection conn@N: (connection closed during shutdown)",
		"DEBUG test - After shutdown stats (total=0, active=0, idle=0, waiting=0)", "INFO test - Shutdown completed.",
	}},
	{on: "Shutdown with connections in use", do: func(b *bench) {
		b.holdAll(1)
		ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
		defer cancel()
		b.Shutdown(ctx)
	}, lines: []string{
		"INFO test - Shutdown waits for connections in use active=1",
		"WARN test - Shutdown did not wait for connections in use: conn@N held for 1s active=1",
	}},
	{on: "Close with a driver that does not close", do: func(b *bench) {
		hung := b.server.Inject(akaritest.OpClose, akaritest.Fault{Hang: true})
		b.Close()
		hung.Release()
	}, lines: []string{"WARN test - Closing goes on in the background: the driver does not return goroutines=2"}},
	{on: "a driver whose Close fails", do: func(b *bench) {
		b.server.Inject(akaritest.OpClose, akaritest.Fault{Err: errors.New("no"), Times: 1})
		b.server.Inject(akaritest.OpClose, akaritest.Fault{Panic: "boo", Times: 1})
		b.Evict()
	}, lines: []string{"DEBUG test - Closing connection conn@N failed error=no", "WARN test - Closing connection conn@N failed panic=boo"}},
	{on: "a driver whose statement panics when it is closed", profile: akaritest.MySQLLike, change: func(c *akari.Config) { c.StatementCacheSize = 10 }, do: func(b *bench) {
		b.exec("INSERT ?", 1)
		b.exec("INSERT ?", 2)
		b.server.Inject(akaritest.OpStmtClose, akaritest.Fault{Panic: "boo"})
		b.Evict()
	}, lines: []string{"WARN test - Closing the statements of connection conn@N failed panic=boo"}},
	{on: "a server without room for statements", profile: akaritest.MySQLLike, change: func(c *akari.Config) { c.StatementCacheSize = 10 }, do: func(b *bench) {
		b.server.Inject(akaritest.OpPrepare, akaritest.Fault{Err: &akaritest.MySQLError{Number: 1461}, Times: 1})
		b.exec("INSERT ?", 1)
	}, lines: []string{"WARN test - The server holds as many prepared statements as it allows (max_prepared_stmt_count): the pool keeps none from now on; see Config.StatementCacheSize"}},
	{on: "a driver without Pinger", profile: akaritest.NcrucesLike, lines: []string{
		"WARN test - The driver conn cannot ping; set ConnectionTestQuery, or dead connections are noticed only when a statement fails",
	}},
	{on: "SQLite in memory", change: func(c *akari.Config) { c.Dialect = akari.DialectSQLite }, lines: []string{
		"WARN test - The SQLite database is in memory: unless its name says cache=shared every connection has one of its own. Set MaximumPoolSize to 1 and MaxLifetime to Disabled",
	}},
	{on: "SetMaxOpenConns on the facade", do: func(b *bench) {
		b.DB().SetMaxOpenConns(7)
		settle(time.Minute)
	}, lines: []string{"WARN test - SetMaxOpenConns(7) was called on the pool's DB: callers beyond that wait in database/sql, without time-out; leave it out, Config.MaximumPoolSize is the bound"}},
	{on: "functions of the user's that panic", change: func(c *akari.Config) {
		c.Dialect = akari.DialectMySQL
		c.Adjudicate = func(error) akari.Verdict { panic("one") }
		c.ChangesSession = func(string) bool { panic("two") }
		c.Trace = &akari.Trace{Acquired: func(akari.AcquiredEvent) { panic("three") }}
	}, do: func(b *bench) {
		b.server.Define("SELECT fails", "FAIL 23505 no")
		b.DB().Exec("SELECT fails")
	}, lines: []string{
		"ERROR test - Config.Adjudicate panicked: one", "ERROR test - Config.ChangesSession panicked: two", "ERROR test - Trace function panicked: three",
	}},
}

// pass lets time pass.
func pass(d time.Duration) func(*bench) { return func(*bench) { settle(d) } }

// failing has a statement fail.
func failing(err error) func(*bench) {
	return func(b *bench) {
		b.server.Inject(akaritest.OpExec, akaritest.Fault{Err: err, Times: 1})
		b.DB().Exec("INSERT 1")
	}
}

// saidElsewhere are texts that need more than a fake server, and where they are
// tested.
var saidElsewhere = map[string]string{
	"Retrograde clock change detected (housekeeper delta=-1s), soft-evicting connections from pool.": "TestHousekeeperReadsTheClock",
	"Thread starvation or clock leap detected (housekeeper delta=50s).":                              "TestHousekeeperReadsTheClock",
	" and 20 failed attempts":                  "TestOutageIsSpokenOfEverMoreRarely",
	"Exception during pool initialization.":    "TestFailureToStartIsAnErrorInTheLog",
	"Credentials changed for new connections.": "TestCredentialsAreRotated",
	"The driver ": "TestUnknownDriverIsWarnedOfOnce",
	" is not known, nor the server behind it: connections are closed when a session may have been changed. Set Config.Dialect or, if the driver cleans sessions itself, SessionReset": "TestUnknownDriverIsWarnedOfOnce",
	"A pooler such as PgBouncer stands in front of the server: statements are not prepared, ":                                                                                         "integration",
	"and what they change in a session (SET, temporary tables, advisory locks) may reach other clients if it pools by transaction":                                                    "integration",
	"Sessions cannot be reset on this server, connections with a changed session are closed instead: ":                                                                                "integration",
}

func TestLogSaysInKnownWordsWhatHappens(t *testing.T) {
	numbers := regexp.MustCompile(`(conn[@=])\d+`)
	closed := map[akari.CloseReason]bool{}
	for _, c := range words {
		t.Run(c.on, func(t *testing.T) {
			within(t, func(t *testing.T) {
				cfg := quietKeeping
				cfg.MaximumPoolSize, cfg.MinimumIdle, cfg.ConnectionTimeout, cfg.ValidationTimeout = 2, 2, time.Second, time.Second
				if c.change != nil {
					c.change(&cfg)
				}
				profile := akaritest.Full
				if c.profile.Name != "" {
					profile = c.profile
				}
				server := akaritest.NewServer(profile)
				server.Define("PRAGMA database_list", "ROWS 0")
				b := newBenchOn(t, server, cfg)
				b.most = 4
				synctest.Wait()
				before := numbers.ReplaceAllString(b.log.String(), "${1}N")
				if c.do != nil {
					c.do(b)
					synctest.Wait()
				}
				said := numbers.ReplaceAllString(b.log.String(), "${1}N")
				for _, line := range c.lines {
					if !contains(said, line) {
						t.Errorf("the log does not say %q", line)
					} else if c.do != nil && contains(before, line) {
						t.Errorf("%q is said for nothing", line)
					}
				}
				if n := b.log.count("Added connection"); n != int(b.Stats().Opened) {
					t.Errorf("%d connections were opened, the log tells of %d", b.Stats().Opened, n)
				}
				for reason := range b.Stats().Closed {
					closed[reason] = true
				}
			})
		})
	}
	for _, reason := range akari.CloseReasons() {
		if !closed[reason] {
			t.Errorf("no connection was closed as %v", reason)
		}
	}
}

// TestEveryLineOfTheLogIsTested looks for texts in the source that the list above
// does not have.
func TestEveryLineOfTheLogIsTested(t *testing.T) {
	var tested []string
	for _, c := range words {
		tested = append(tested, c.lines...)
	}
	for line := range saidElsewhere {
		tested = append(tested, line)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	verb := regexp.MustCompile(`%[a-z]`)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !logs(call) {
				return true
			}
			ast.Inspect(call, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					text, _ := strconv.Unquote(lit.Value)
					for _, part := range verb.Split(text, -1) {
						if len(part) < 12 { // the name of an attribute
							continue
						}
						found++
						if !slices.ContainsFunc(tested, func(line string) bool { return contains(line, part) }) {
							t.Errorf("%s: no test knows %q", name, part)
						}
					}
				}
				return true
			})
			return true
		})
	}
	if found < 40 {
		t.Errorf("only %d texts were found in the source", found)
	}
}

// logs reports whether a call writes to the log.
func logs(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	return ok && slices.Contains([]string{"log", "logStats", "logScope", "stats"}, f.Sel.Name)
}
