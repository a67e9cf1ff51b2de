package faults

import (
	"context"
	"database/sql"

	"github.com/akaripool/akari"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// runner runs statements: a pool, a connection held, a transaction.
type runner interface {
	exec(ctx context.Context, query string, args ...any) error
	// get reads the one value that a query gives.
	get(ctx context.Context, into any, query string, args ...any) error
}

// pool is what the faults need of a pool.
type pool interface {
	runner
	begin(ctx context.Context, readOnly bool) (transaction, error)
	// hold takes a connection out of the pool. akari's *sql.DB borrows with the
	// first statement, so one is run.
	hold(ctx context.Context) (held, error)
	close() error
	// queued counts callers that have had to queue, so that one can see the
	// next join. false where the pool does not tell.
	queued() (int64, bool)
}

type held interface {
	runner
	release() error
}

type transaction interface {
	runner
	commit() error
	rollback() error
}

// sqlPool is a pool behind a *sql.DB.
type sqlPool struct {
	db    *sql.DB
	akari *akari.Pool // nil for plain database/sql
}

func (p *sqlPool) exec(ctx context.Context, query string, args ...any) error {
	_, err := p.db.ExecContext(ctx, query, args...)
	return err
}

func (p *sqlPool) get(ctx context.Context, into any, query string, args ...any) error {
	return p.db.QueryRowContext(ctx, query, args...).Scan(into)
}

func (p *sqlPool) begin(ctx context.Context, readOnly bool) (transaction, error) {
	tx, err := p.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
	if err != nil {
		return nil, err
	}
	return sqlTx{tx}, nil
}

func (p *sqlPool) hold(ctx context.Context) (held, error) {
	c, err := p.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	h := sqlHeld{c}
	if err := h.exec(ctx, "SELECT 1"); err != nil {
		_ = c.Close()
		return nil, err
	}
	return h, nil
}

func (p *sqlPool) close() error { return p.db.Close() }

func (p *sqlPool) queued() (int64, bool) {
	if p.akari != nil {
		s := p.akari.Stats()
		return s.AcquireWaited + int64(s.Waiting), true
	}
	return p.db.Stats().WaitCount, true
}

type sqlHeld struct{ c *sql.Conn }

func (h sqlHeld) exec(ctx context.Context, query string, args ...any) error {
	_, err := h.c.ExecContext(ctx, query, args...)
	return err
}

func (h sqlHeld) get(ctx context.Context, into any, query string, args ...any) error {
	return h.c.QueryRowContext(ctx, query, args...).Scan(into)
}

func (h sqlHeld) release() error { return h.c.Close() }

type sqlTx struct{ tx *sql.Tx }

func (t sqlTx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.tx.ExecContext(ctx, query, args...)
	return err
}

func (t sqlTx) get(ctx context.Context, into any, query string, args ...any) error {
	return t.tx.QueryRowContext(ctx, query, args...).Scan(into)
}

func (t sqlTx) commit() error   { return t.tx.Commit() }
func (t sqlTx) rollback() error { return t.tx.Rollback() }

// pgxPool is pgxpool in its own form.
type pgxPool struct{ pool *pgxpool.Pool }

func (p *pgxPool) exec(ctx context.Context, query string, args ...any) error {
	_, err := p.pool.Exec(ctx, query, args...)
	return err
}

func (p *pgxPool) get(ctx context.Context, into any, query string, args ...any) error {
	return p.pool.QueryRow(ctx, query, args...).Scan(into)
}

func (p *pgxPool) begin(ctx context.Context, readOnly bool) (transaction, error) {
	var o pgx.TxOptions
	if readOnly {
		o.AccessMode = pgx.ReadOnly
	}
	tx, err := p.pool.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return pgxTx{ctx, tx}, nil
}

func (p *pgxPool) hold(ctx context.Context) (held, error) {
	c, err := p.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	h := pgxHeld{c}
	if err := h.exec(ctx, "SELECT 1"); err != nil {
		c.Release()
		return nil, err
	}
	return h, nil
}

func (p *pgxPool) close() error {
	p.pool.Close()
	return nil
}

func (p *pgxPool) queued() (int64, bool) { return 0, false }

type pgxHeld struct{ c *pgxpool.Conn }

func (h pgxHeld) exec(ctx context.Context, query string, args ...any) error {
	_, err := h.c.Exec(ctx, query, args...)
	return err
}

func (h pgxHeld) get(ctx context.Context, into any, query string, args ...any) error {
	return h.c.QueryRow(ctx, query, args...).Scan(into)
}

func (h pgxHeld) release() error {
	h.c.Release()
	return nil
}

// pgxTx keeps the context of its beginning: database/sql's transactions end
// with theirs too.
type pgxTx struct {
	ctx context.Context
	tx  pgx.Tx
}

func (t pgxTx) exec(ctx context.Context, query string, args ...any) error {
	_, err := t.tx.Exec(ctx, query, args...)
	return err
}

func (t pgxTx) get(ctx context.Context, into any, query string, args ...any) error {
	return t.tx.QueryRow(ctx, query, args...).Scan(into)
}

func (t pgxTx) commit() error   { return t.tx.Commit(t.ctx) }
func (t pgxTx) rollback() error { return t.tx.Rollback(t.ctx) }
