package template

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// beginner can begin a transaction.
type beginner interface {
	BeginTx(context.Context, *sql.TxOptions) (*sql.Tx, error)
}

// begin runs the batch in a transaction of its own.
func (b *batch) begin(ctx context.Context, db beginner) ([]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, failed("Batch", err)
	}
	until := &untilBegun{Context: ctx, done: make(chan struct{})}
	defer until.end()
	tx, err := until.begin(db)
	if err != nil {
		return nil, failed("Batch", err)
	}
	defer func() {
		// A statement in which the driver has panicked keeps a lock that Rollback
		// waits for. Then the end of the context is all there is.
		if !b.inStatement {
			// After a commit this does nothing. What it says of a lost connection
			// is less than the error that is returned.
			_ = tx.Rollback()
		}
	}()
	counts, err := b.chunks(ctx, tx, true)
	if err != nil {
		return nil, err
	}
	if err = ctx.Err(); err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return nil, b.fail(-1, 0, b.n, counts, fmt.Errorf("commit: %w", err))
	}
	return counts, nil
}

// Savepoints of a batch: the whole of it, in a transaction of the caller's, and a
// stretch of chunks.
const (
	wholeSavepoint   = "akari_batch"
	stretchSavepoint = "akari_stretch"
)

// join runs the batch in the caller's transaction.
func (b *batch) join(ctx context.Context) ([]int64, error) {
	if !b.settings.dialect.savepoints() {
		return b.chunks(ctx, b.db, false)
	}
	if err := b.control(ctx, b.db, "SAVEPOINT "+wholeSavepoint); err != nil {
		return nil, failed("Batch", err)
	}
	done := false
	defer func() {
		if !done && !b.inStatement { // a panic, or the end of the goroutine
			_ = b.undo(ctx)
		}
	}()
	counts, err := b.chunks(ctx, b.db, true)
	if err == nil {
		if err = b.control(ctx, b.db, "RELEASE SAVEPOINT "+wholeSavepoint); err != nil {
			err = b.fail(-1, 0, b.n, counts, err)
		}
	}
	done = true
	if err == nil {
		return counts, nil
	}
	if undoing := b.undo(ctx); undoing != nil {
		e, _ := errors.AsType[*BatchError](err)
		e.Err = fmt.Errorf("%w (and what the batch has written could not be undone, roll the transaction back: %w)", e.Err, undoing)
	}
	return nil, err
}

// undoTime bounds the way back, which goes on when the context has ended.
const undoTime = 5 * time.Second

// undo takes back what the batch has written in the caller's transaction. It is
// nil too where the transaction is over, and everything undone with it.
func (b *batch) undo(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	err := b.control(ctx, b.db, "ROLLBACK TO SAVEPOINT "+wholeSavepoint)
	if err == nil {
		err = b.control(ctx, b.db, "RELEASE SAVEPOINT "+wholeSavepoint)
	}
	if errors.Is(err, sql.ErrTxDone) || errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

func (b *batch) control(ctx context.Context, tx DB, text string) error {
	_, err := tx.ExecContext(ctx, text)
	return err
}
