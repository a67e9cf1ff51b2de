package template_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/akaripool/akari/template"
)

type User struct {
	ID    int64
	Name  string
	Email sql.Null[string]
}

// The examples use a fake database with a few results. With one of your own, db is a
// *sql.DB, such as the DB of a pool of Akari's, and its dialect is known.
var (
	ctx = context.Background()
	db  = template.With(sql.OpenDB(&scripted{results: map[string]result{
		"SELECT * FROM users ORDER BY id":                           table("id name email", row(int64(1), "Ann", "ann@example.com"), row(int64(2), "Bob", nil)),
		"SELECT * FROM users WHERE id = $1":                         table("id name email", row(int64(1), "Ann", "ann@example.com")),
		"SELECT * FROM users WHERE name = $1":                       table("id name email"),
		"SELECT count(*) FROM users":                                table("count", row(int64(2))),
		"SELECT name FROM users WHERE team = $1 AND id IN ($2, $3)": table("name", row("Ann"), row("Bob")),
		"UPDATE users SET team = $1":                                table("", row(), row()),
		"INSERT INTO users (name) VALUES ($1) RETURNING id":         table("id", row(int64(3))),
		"INSERT INTO users (id, name) VALUES ($1, $2), ($3, $4)":    table("", row(), row()),
		"INSERT INTO users (id, name) VALUES ($1, $2)":              table("", row()),
		"SELECT first, last FROM people":                            table("first last", row("Ann", "Lee")),
		"RELEASE SAVEPOINT akari_stretch":                           table(""),
		"SAVEPOINT akari_stretch":                                   table(""),
	}}), template.PostgreSQL)
)

func ExampleQuery() {
	users, err := template.Query[User](ctx, db, "SELECT * FROM users ORDER BY id")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, u := range users {
		fmt.Println(u.ID, u.Name, u.Email.Valid)
	}
	// Output:
	// 1 Ann true
	// 2 Bob false
}

func ExampleOne() {
	n, err := template.One[int](ctx, db, "SELECT count(*) FROM users")
	fmt.Println(n, err)

	user, err := template.One[*User](ctx, db, "SELECT * FROM users WHERE id = $1", 1)
	fmt.Println(user.Name, err)

	_, err = template.One[User](ctx, db, "SELECT * FROM users WHERE name = $1", "Eve")
	fmt.Println(errors.Is(err, sql.ErrNoRows))

	_, err = template.One[User](ctx, db, "SELECT * FROM users ORDER BY id")
	fmt.Println(errors.Is(err, template.ErrTooManyRows))
	// Output:
	// 2 <nil>
	// Ann <nil>
	// true
	// true
}

func ExampleOpt() {
	user, found, err := template.Opt[User](ctx, db, "SELECT * FROM users WHERE name = $1", "Eve")
	fmt.Println(user.Name == "", found, err)
	// Output: true false <nil>
}

func ExampleEach() {
	for user, err := range template.Each[User](ctx, db, "SELECT * FROM users ORDER BY id") {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(user.Name)
		break // the rows are closed, and the connection is back
	}
	// Output: Ann
}

func ExampleExec() {
	n, err := template.Exec(ctx, db, "UPDATE users SET team = $1", 7)
	fmt.Println(n, err)
	// Output: 2 <nil>
}

func ExampleInsertReturning() {
	id, err := template.InsertReturning[int64](ctx, db, "INSERT INTO users (name) VALUES ($1) RETURNING id", "Cid")
	fmt.Println(id, err)
	// Output: 3 <nil>
}

func ExampleNamed() {
	names, err := template.Query[string](ctx, db, template.Named(
		"SELECT name FROM users WHERE team = :team AND id IN (:ids)",
		map[string]any{"team": 7, "ids": []int{1, 2}}))
	fmt.Println(names, err)
	// Output: [Ann Bob] <nil>
}

func ExampleStatement_Expand() {
	s := template.Named("id IN (:ids) AND team = :team", map[string]any{"team": 7, "ids": []int{1, 2}})
	fmt.Println(s.Expand(template.PostgreSQL))
	fmt.Println(s.Expand(template.MySQL))
	// Output:
	// id IN ($1, $2) AND team = $3 [1 2 7] <nil>
	// id IN (?, ?) AND team = ? [1 2 7] <nil>
}

func ExampleMapper() {
	names, err := template.Query[string](ctx, db, "SELECT first, last FROM people",
		template.Mapper(func(r template.Row) (string, error) {
			var first, last string
			err := r.Scan(&first, &last)
			return first + " " + last, err
		}))
	fmt.Println(names, err)
	// Output: [Ann Lee] <nil>
}

func ExampleBatch() {
	users := []User{{ID: 1, Name: "Ann"}, {ID: 2, Name: "Bob"}, {ID: 3, Name: "Cid"}}
	counts, err := template.Batch(ctx, db, "INSERT INTO users (id, name) VALUES ($1, $2)", users,
		func(u User) []any { return []any{u.ID, u.Name} },
		template.ChunkSize(2))
	fmt.Println(counts, err)
	// Output: [2 1] <nil>
}

// What fails is undone; the error names the item.
func ExampleBatchError() {
	users := []User{{ID: 1, Name: "Ann"}, {ID: 2, Name: "Bob"}, {ID: 3}}
	_, err := template.Batch(ctx, db, "INSERT INTO users (id, name) VALUES ($1, $2)", users,
		func(u User) []any {
			if u.Name == "" {
				return []any{u.ID}
			}
			return []any{u.ID, u.Name}
		}, template.ChunkSize(2))
	var failed *template.BatchError
	if errors.As(err, &failed) {
		fmt.Println(failed.Index, failed.Counts)
	}
	fmt.Println(err)
	// Output:
	// 2 [2]
	// template.Batch: item 2: it has 1 arguments, the text takes 2
}
