package load

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The built-in workloads, as scripts like the user's own. {account} and {entry}
// stand for the tables, {rows} for the number of accounts.
var builtIn = map[string]string{
	"read": `
-- name: read
SELECT balance, note FROM {account} WHERE id = :rand(1,{rows});
`,
	"write": `
-- name: update
UPDATE {account} SET balance = balance + :rand(-1000,1000) WHERE id = :rand(1,{rows});
`,
	// One row is updated in each transaction, so that no two can deadlock.
	"mixed": `
BEGIN;
-- name: read
SELECT balance, note FROM {account} WHERE id = :rand(1,{rows});
-- name: read again
SELECT balance, note FROM {account} WHERE id = :rand(1,{rows});
-- name: update
UPDATE {account} SET balance = balance + :rand(-1000,1000) WHERE id = :rand(1,{rows});
-- name: insert
INSERT INTO {entry} (account, amount) VALUES (:rand(1,{rows}), :rand(-1000,1000));
COMMIT;
`,
}

// maxScript bounds the size of a file with SQL.
const maxScript = 1 << 20

// OwnSQL reports whether the workload is a file of the user's.
func (p *Plan) OwnSQL() bool {
	_, ok := builtIn[p.Workload]
	return !ok
}

// script returns the workload for a dialect, and whether it needs the tables.
func (p *Plan) script(d dialect) (s *Script, tables bool, err error) {
	if text, ok := builtIn[p.Workload]; ok {
		text = strings.NewReplacer("{account}", accountTable, "{entry}", entryTable, "{rows}", fmt.Sprint(p.Rows)).Replace(text)
		s, err = parseScript(d, p.Workload, text)
		return s, true, err
	}
	text, err := readScript(p.Workload)
	if err != nil {
		return nil, false, err
	}
	s, err = parseScript(d, p.Workload, text)
	return s, false, err
}

func readScript(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return "", fmt.Errorf("there is no file %q: -workload takes read, write, mixed or the path of a file with SQL", path)
	case err != nil:
		return "", fmt.Errorf("cannot read the workload: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file: -workload takes read, write, mixed or the path of a file with SQL", path)
	case info.Size() > maxScript:
		return "", fmt.Errorf("%s has %d bytes: a workload may have %d", path, info.Size(), maxScript)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot read the workload: %w", err)
	}
	if n := bytes.IndexByte(text, 0); n >= 0 {
		return "", fmt.Errorf("%s:%d: there is a NUL byte in it: a workload is SQL as text in UTF-8", path, 1+bytes.Count(text[:n], []byte("\n")))
	}
	return string(text), nil
}
