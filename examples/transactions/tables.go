package main

import (
	"context"
	"database/sql"
	"errors"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/akaripool/akari/txn"
)

// The repositories. They know nothing of transactions: what they do is a part of the
// one in their context, if there is one.

type stock struct {
	db     *sql.DB
	driver string
}

var errSoldOut = errors.New("sold out")

func (s stock) pieces(ctx context.Context, item string) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, demo.Bind(s.driver, "SELECT pieces FROM example_stock WHERE item = ?"), item).Scan(&n)
	return n, err
}

func (s stock) set(ctx context.Context, item string, pieces int64) error {
	_, err := s.db.ExecContext(ctx, demo.Bind(s.driver, "UPDATE example_stock SET pieces = ? WHERE item = ?"), pieces, item)
	return err
}

func (s stock) take(ctx context.Context, item string, pieces int64) error {
	res, err := s.db.ExecContext(ctx, demo.Bind(s.driver, "UPDATE example_stock SET pieces = pieces - ? WHERE item = ? AND pieces >= ?"), pieces, item, pieces)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return errSoldOut
}

type orders struct {
	db     *sql.DB
	driver string
}

func (o orders) insert(ctx context.Context, ord order) error {
	_, err := o.db.ExecContext(ctx, demo.Bind(o.driver, "INSERT INTO example_orders (customer, item, pieces) VALUES (?, ?, ?)"), ord.customer, ord.item, ord.pieces)
	return err
}

type vouchers struct {
	db     *sql.DB
	driver string
}

func (v vouchers) insert(ctx context.Context, customer string) error {
	_, err := v.db.ExecContext(ctx, demo.Bind(v.driver, "INSERT INTO example_vouchers (customer) VALUES (?)"), customer)
	return err
}

// audit knows what has been tried, whether it came to something or not.
type audit struct {
	pool   *akari.Pool
	driver string
}

// write adds an entry, which stays whatever becomes of the caller's transaction:
//
//	@Transactional(propagation = REQUIRES_NEW)
//
// The caller's goes on, on a connection of its own, if it has run a statement
// already. So callers write the entry first, and need one connection at a time; with
// SQLite, which has one writer at a time, there is no other way.
func (a audit) write(ctx context.Context, entry string) error {
	return txn.Do(ctx, a.pool, func(ctx context.Context) error {
		_, err := a.pool.DB().ExecContext(ctx, demo.Bind(a.driver, "INSERT INTO example_audit (entry) VALUES (?)"), entry)
		return err
	}, txn.RequiresNew, txn.Name("audit.write"))
}
