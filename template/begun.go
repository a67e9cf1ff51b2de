package template

import (
	"context"
	"database/sql"
	"sync"
)

// untilBegun is a context that ends with another one only while a transaction is
// being begun. database/sql rolls a transaction back when its context ends, in a
// goroutine of its own, and Tx.Rollback does not wait for that: the connection
// would come back some time after the call.
type untilBegun struct {
	context.Context

	done  chan struct{}
	close sync.Once // of done
}

func (u *untilBegun) Done() <-chan struct{} { return u.done }

func (u *untilBegun) Err() error {
	select {
	case <-u.done:
		if err := u.Context.Err(); err != nil {
			return err
		}
		return context.Canceled
	default:
		return nil
	}
}

// end ends the context.
func (u *untilBegun) end() { u.close.Do(func() { close(u.done) }) }

// begin begins a transaction, which goes on when the caller's context has ended.
func (u *untilBegun) begin(db beginner) (*sql.Tx, error) {
	stop := context.AfterFunc(u.Context, u.end)
	defer stop()
	return db.BeginTx(u, nil)
}
