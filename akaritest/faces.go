package akaritest

import (
	"context"
	"database/sql/driver"
	"reflect"
)

//go:generate go run generate.go

// A face shows one interface of a connection. Faces are conn under another name,
// so that a struct which embeds some of them, all being the same pointer, has
// just those interfaces.
type (
	connBase           conn // driver.Conn
	connPinger         conn
	connExecerContext  conn
	connExecer         conn
	connQueryerContext conn
	connQueryer        conn
	connPreparer       conn
	connBeginner       conn
	connResetter       conn
	connValidator      conn
	connChecker        conn
)

// ID is the server's number for the connection, see ConnID.
func (f *connBase) ID() int { return f.id }

func (f *connBase) Prepare(text string) (driver.Stmt, error) {
	return (*conn)(f).prepare(context.Background(), text)
}

func (f *connBase) Begin() (driver.Tx, error) {
	return (*conn)(f).begin(context.Background(), driver.TxOptions{})
}

func (f *connBase) Close() error { return (*conn)(f).close() }

func (f *connPinger) Ping(ctx context.Context) error { return (*conn)(f).ping(ctx) }

func (f *connExecerContext) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	c := (*conn)(f)
	if len(args) > 0 && c.server.profile.SkipArgs {
		return nil, driver.ErrSkip
	}
	return c.exec(ctx, &Call{Op: OpExec, ConnID: c.id, Text: text, Args: args})
}

func (f *connExecer) Exec(text string, args []driver.Value) (driver.Result, error) {
	return (*connExecerContext)(f).ExecContext(context.Background(), text, named(args))
}

func (f *connQueryerContext) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	c := (*conn)(f)
	if len(args) > 0 && c.server.profile.SkipArgs {
		return nil, driver.ErrSkip
	}
	return c.query(ctx, &Call{Op: OpQuery, ConnID: c.id, Text: text, Args: args})
}

func (f *connQueryer) Query(text string, args []driver.Value) (driver.Rows, error) {
	return (*connQueryerContext)(f).QueryContext(context.Background(), text, named(args))
}

func (f *connPreparer) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	return (*conn)(f).prepare(ctx, text)
}

func (f *connBeginner) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return (*conn)(f).begin(ctx, opts)
}

func (f *connResetter) ResetSession(ctx context.Context) error {
	return (*conn)(f).resetSession(ctx)
}

func (f *connValidator) IsValid() bool { return (*conn)(f).isValid() }

func (f *connChecker) CheckNamedValue(v *driver.NamedValue) error {
	return (*conn)(f).check(v, "conn checker")
}

// The faces of a statement.
type (
	stmtBase      stmt // driver.Stmt
	stmtExecer    stmt
	stmtQueryer   stmt
	stmtChecker   stmt
	stmtConverter stmt
)

func (f *stmtBase) NumInput() int { return (*stmt)(f).numInput() }
func (f *stmtBase) Close() error  { return (*stmt)(f).close() }

func (f *stmtBase) Exec(args []driver.Value) (driver.Result, error) {
	return (*stmt)(f).exec(context.Background(), named(args))
}

func (f *stmtBase) Query(args []driver.Value) (driver.Rows, error) {
	return (*stmt)(f).query(context.Background(), named(args))
}

func (f *stmtExecer) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return (*stmt)(f).exec(ctx, args)
}

func (f *stmtQueryer) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return (*stmt)(f).query(ctx, args)
}

func (f *stmtChecker) CheckNamedValue(v *driver.NamedValue) error {
	return (*stmt)(f).conn.check(v, "stmt checker")
}

func (f *stmtConverter) ColumnConverter(int) driver.ValueConverter { return probeConverter{} }

// The faces of a result.
type (
	rowsBase      rows // driver.Rows
	rowsNextSet   rows
	rowsScanType  rows
	rowsTypeName  rows
	rowsLength    rows
	rowsNullable  rows
	rowsPrecision rows
)

func (f *rowsBase) Columns() []string              { return (*rows)(f).columns() }
func (f *rowsBase) Next(dest []driver.Value) error { return (*rows)(f).nextRow(dest) }
func (f *rowsBase) Close() error                   { return (*rows)(f).close() }

func (f *rowsNextSet) HasNextResultSet() bool { return len(f.sets) > 1 }
func (f *rowsNextSet) NextResultSet() error   { return (*rows)(f).nextSet() }

func (f *rowsScanType) ColumnTypeScanType(i int) reflect.Type { return f.sets[0].columns[i].scan }

func (f *rowsTypeName) ColumnTypeDatabaseTypeName(i int) string {
	return f.sets[0].columns[i].typeName
}

func (f *rowsLength) ColumnTypeLength(i int) (int64, bool) {
	length := f.sets[0].columns[i].length
	return length, length > 0
}

func (f *rowsNullable) ColumnTypeNullable(i int) (nullable, ok bool) {
	return f.sets[0].columns[i].nullable, true
}

func (f *rowsPrecision) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	c := &f.sets[0].columns[i]
	return c.precision, c.scale, c.precision > 0
}

// named turns the arguments of the old interfaces into those of the new ones.
func named(args []driver.Value) []driver.NamedValue {
	values := make([]driver.NamedValue, len(args))
	for i, v := range args {
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return values
}
