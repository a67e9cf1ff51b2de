package faults

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// Report is the table of docs/reliability.md.
type Report struct {
	Rows    []Row
	Facts   []string // date, machine, versions
	Missing int      // trials of akari that could not be made
}

// Row is one fault in the table.
type Row struct {
	Fault Fault
	Cells map[Peer]string
}

// Measure tries faults on all their peers. What it does is told to log.
func Measure(ctx context.Context, lab *Lab, faults []Fault, log io.Writer) (r Report, err error) {
	before := load()
	start := time.Now()
	for _, f := range faults {
		row := Row{f, map[Peer]string{}}
		for _, p := range f.Peers {
			began := time.Now()
			fig, err := lab.Try(ctx, f, p)
			took := time.Since(began).Seconds()
			switch {
			case ctx.Err() != nil:
				return r, ctx.Err()
			case err != nil:
				row.Cells[p] = "could not be tried"
				fmt.Fprintf(log, "%-5s %-18v %4.1fs  %v\n", f.ID, p, took, err)
				if p.Pool == Akari {
					r.Missing++
				}
				continue
			}
			row.Cells[p] = f.Tell(fig)
			fmt.Fprintf(log, "%-5s %-18v %4.1fs  %s\n", f.ID, p, took, row.Cells[p])
		}
		r.Rows = append(r.Rows, row)
	}
	r.Facts, err = lab.facts(ctx, start, before)
	return r, err
}

// facts are what one has to know to judge the figures.
func (l *Lab) facts(ctx context.Context, start time.Time, before string) ([]string, error) {
	facts := []string{
		"Date: " + start.Format("2006-01-02") + ", " + time.Since(start).Round(time.Second).String() + " in all",
		fmt.Sprintf("Machine: %s, %d cores, %s/%s; servers, proxy and callers on it, load average %s at the beginning, %s at the end",
			cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, before, load()),
	}
	var servers []string
	for _, k := range []localdb.Kind{localdb.Postgres, localdb.MariaDB} {
		n, err := l.common(ctx, k)
		if err != nil {
			return nil, err
		}
		v, err := version(ctx, n.admin)
		if err != nil {
			return nil, err
		}
		servers = append(servers, k.String()+" "+v)
	}
	return append(facts,
		"Go: "+strings.TrimPrefix(runtime.Version(), "go"),
		"Servers: "+strings.Join(servers, ", "),
		"Drivers: "+strings.Join(drivers(), ", "),
		"Command: `make faults`"), nil
}

// version is the number of the server's version.
func version(ctx context.Context, db *sql.DB) (v string, err error) {
	if err = db.QueryRowContext(ctx, "SELECT version()").Scan(&v); err != nil {
		return "", err
	}
	v = strings.TrimPrefix(v, "PostgreSQL ")
	v, _, _ = strings.Cut(v, " ")
	v, _, _ = strings.Cut(v, "-")
	return v, nil
}

// drivers are the modules whose versions matter.
func drivers() (out []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	wanted := []string{"github.com/jackc/pgx/v5", "github.com/lib/pq", "github.com/go-sql-driver/mysql", "modernc.org/sqlite"}
	for _, m := range info.Deps {
		if slices.Contains(wanted, m.Path) {
			out = append(out, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
		}
	}
	return out
}

// cpuModel is the name of the processor, as far as the system tells it.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// load is the load average of the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// Markdown is the table, with the facts above it.
func (r Report) Markdown() string {
	var b strings.Builder
	for _, fact := range r.Facts {
		fmt.Fprintf(&b, "- %s\n", fact)
	}
	b.WriteString("\n| fault | database/sql | pgxpool | akari | how measured |\n|---|---|---|---|---|\n")
	for _, row := range r.Rows {
		fmt.Fprintf(&b, "| **%s** %s.<br>Wanted: %s | %s | %s | %s | %s |\n",
			row.Fault.ID, cell(row.Fault.Name), cell(row.Fault.Wanted),
			row.of(DatabaseSQL), row.of(PgxPool), row.of(Akari), cell(row.Fault.Measured))
	}
	return b.String()
}

// of lists what a pool did with each driver.
func (r Row) of(pool string) string {
	var lines []string
	for _, p := range r.Fault.Peers {
		if p.Pool != pool {
			continue
		}
		text := cell(r.Cells[p])
		if pool != PgxPool {
			text = driverNames[p.Driver] + ": " + text
		}
		lines = append(lines, text)
	}
	if lines == nil {
		return "–"
	}
	return strings.Join(lines, "<br>")
}

var driverNames = map[string]string{
	"pgx": "pgx", "pq": "lib/pq", "mysql": "go-sql-driver", "sqlite": "SQLite", "fake": "fake driver",
}

// cell makes text fit for a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}

// The generated part of docs/reliability.md stands between these lines.
const (
	beginMark = "<!-- begin: written by make faults, do not edit -->"
	endMark   = "<!-- end: written by make faults -->"
)

// WriteInto puts the table into a document, between its marks. The rest of the
// document stays as it is.
func (r Report) WriteInto(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := between(string(old), r.Markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", path.Base(file), err)
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

// between replaces what stands between the marks.
func between(document, table string) (string, error) {
	before, rest, ok := strings.Cut(document, beginMark)
	if !ok {
		return "", fmt.Errorf("there is no line %q", beginMark)
	}
	_, after, ok := strings.Cut(rest, endMark)
	if !ok {
		return "", fmt.Errorf("there is no line %q after %q", endMark, beginMark)
	}
	return before + beginMark + "\n\n" + table + "\n" + endMark + after, nil
}
