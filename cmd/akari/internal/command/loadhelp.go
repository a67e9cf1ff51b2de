package command

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

const loadUsage = `akari load puts a load on a database through an Akari pool and reports how long
callers waited for a connection, how long operations took, and what went wrong.

  akari load                                  ten seconds on a temporary SQLite file
  akari load -db postgres -rate 500           500 operations per second, whatever happens
  akari load -compare -maximum-pool-size 20   the same through plain database/sql as well
  akari load -driver pgx -dsn postgres://me@db/orders -workload my.sql

It exits with 0, with 1 if -max-errors or -slo was not kept or, with one of them,
operations due were not begun, with 2 if it could not run or no operation
succeeded, and with 130 if it was interrupted; Ctrl-C ends the load early and
reports what was measured so far.
`

// help prints all flags in their groups.
func (f *loadFlags) help(w io.Writer) {
	fmt.Fprint(w, loadUsage)
	byName := map[string]*setting{}
	for _, s := range f.pool {
		kebab, _ := spellings(s.field.Name)
		byName[kebab] = s
	}
	for _, g := range f.groups {
		fmt.Fprintf(w, "\n%s\n", g.title)
		for _, name := range g.names {
			if s := byName[name]; s != nil {
				helpLine(w, name, s.kind(), settingHelp[s.field.Name], "")
				continue
			}
			fl := f.set.Lookup(name)
			value, text := flag.UnquoteUsage(fl)
			helpLine(w, name, value, text, fl.DefValue)
		}
	}
}

func helpLine(w io.Writer, name, value, text, standard string) {
	head := strings.TrimRight("-"+name+" "+value, " ")
	if standard != "" && standard != "0" && standard != "false" && !strings.Contains(text, "(default") {
		text += " (default " + standard + ")"
	}
	const column = 34
	if len(head) > column-2 && text != "" {
		fmt.Fprintf(w, "  %s\n", head)
		head = ""
	}
	fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-*s %s", column, head, text), " "))
}

// settingHelp says in a few words what the settings are; go doc akari.Config
// says it in full. A setting that is not here is listed all the same.
var settingHelp = map[string]string{
	"PoolName":                  "in logs and reports",
	"MaximumPoolSize":           "most connections (default 10; 4 for the temporary SQLite file)",
	"MinimumIdle":               "idle connections kept ready (default as MaximumPoolSize)",
	"MaxConnecting":             "most connections being opened at the same time",
	"MaxWaiters":                "most callers that wait; the next one fails at once",
	"ConnectionTimeout":         "how long a caller waits for a connection (default 30s)",
	"ValidationTimeout":         "how long a check of a connection may take (default 5s)",
	"AliveBypassWindow":         "used less than this ago: not checked (default 500ms)",
	"IdleTimeout":               "idle for longer than this, above MinimumIdle: closed (default 10m)",
	"MaxLifetime":               "older than this: replaced (default 30m)",
	"KeepaliveTime":             "how often idle connections are pinged (default 2m)",
	"LeakDetectionThreshold":    "held for longer than this: logged (default off)",
	"InitializationFailTimeout": "how long to try for the first connection (default 1ms)",
	"HousekeepingPeriod":        "how often idle connections are looked at (default 30s)",
	"FailIfSuspended":           "callers of a suspended pool fail at once",
	"ConnectionInitSQL":         "run on each new connection",
	"ConnectionTestQuery":       "checks a connection, for drivers that cannot ping",
	"ReadOnly":                  "transactions are read-only",
	"TransactionIsolation":      "isolation level of transactions (default the server's)",
	"Schema":                    "search_path in PostgreSQL, database in MySQL",
	"SessionReset":              "when a returned connection is cleaned (default dirty)",
	"StatementCacheSize":        "prepared statements kept for each connection",
	"Dialect":                   "kind of SQL (default what the driver is for)",
}
