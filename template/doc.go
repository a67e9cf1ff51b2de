// Package template runs SQL in single calls: what Spring's JdbcTemplate is to
// Java. A call borrows a connection, runs a statement, reads what comes, closes
// everything in order and gives the connection back, whatever happens on the way:
// outside of a transaction nothing is held when it has returned.
//
//	users, err := template.Query[User](ctx, db, "SELECT * FROM users WHERE team = $1", 7)
//	user, err := template.One[User](ctx, db, "SELECT * FROM users WHERE id = $1", id)
//	n, err := template.Exec(ctx, db, "UPDATE users SET team = $1 WHERE team = $2", 8, 7)
//	id, err := template.InsertReturning[int64](ctx, db, "INSERT INTO users (name) VALUES ($1) RETURNING id", "Ann")
//	counts, err := template.Batch(ctx, db, "INSERT INTO users (id, name) VALUES ($1, $2)", users, bind)
//
// It works on anything with QueryContext and ExecContext, see [DB]: inside a
// *sql.Tx statements are part of it, and it is left open.
//
// # How a row becomes a value
//
// A T that is no struct, a time.Time, or a sql.Scanner takes a result of one column,
// by the rules of database/sql: numbers, strings, []byte, any. NULL goes into
// pointers, sql.Null[T], []byte, any and Scanners; for others it is an error.
//
// Into a struct, or a pointer to one, columns go by name. The tag db:"name" is a
// column's name, in upper or lower case; fields without a tag go by their own name,
// where neither case nor underscores count: created_at is for CreatedAt. The tag
// db:"-" leaves a field out. The fields of an embedded struct count as the outer
// one's; a name in its tag is a prefix, as in
//
//	type Order struct {
//		ID       int64
//		Customer        `db:"customer_"`            // customer_id, customer_name…
//		Delivery *Address `db:"delivery_,inline"`
//	}
//
// and inline does the same to a field that is not embedded. One that is a pointer
// stays nil if all of its columns are NULL, as a LEFT JOIN leaves them. Columns that
// no field takes are ignored, but see [Strict]; a result of which no field takes
// anything, and two columns for one field, are errors. [Mapper] takes the place of
// all this.
//
// What was found out about a type and the columns of a result is kept, for up to two
// thousand of them.
//
// # Errors
//
// Errors begin with the function's name, as in "template.One: ", and wrap what
// database/sql, the driver or a Scanner has said, for errors.Is and errors.As. This
// package never puts arguments into them. The server may: MySQL's "Duplicate entry"
// shows the value.
//
// All functions may be called from any goroutine, as far as their DB allows it.
package template
