package akari_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/akaripool/akari"
	"github.com/akaripool/akari/akaritest"
	"github.com/akaripool/akari/txn"
)

// minding is a driver that, like pgx, keeps the context of BeginTx for COMMIT and
// ROLLBACK.
type minding struct {
	driver.Connector
	begin  func(ctx context.Context) error
	commit time.Duration
}
type mindingConn struct {
	akFull
	m *minding
}
type mindingTx struct {
	driver.Tx
	ctx context.Context
	m   *minding
}

func (c *minding) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return mindingConn{conn.(akFull), c}, nil
}

func (c mindingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if c.m.begin != nil {
		if err := c.m.begin(ctx); err != nil {
			return nil, err
		}
	}
	tx, err := c.akFull.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return mindingTx{tx, ctx, c.m}, nil
}

func (t mindingTx) Commit() error {
	if t.m.commit > 0 {
		select {
		case <-t.ctx.Done():
		case <-time.After(t.m.commit):
		}
	}
	if t.ctx.Err() != nil {
		_ = t.Tx.Rollback()
		return t.ctx.Err()
	}
	return t.Tx.Commit()
}

func mindingPool(t *testing.T, m *minding) *akari.Pool {
	server := akaritest.NewServer(akaritest.Full)
	m.Connector = server.Connector()
	cfg := small()
	cfg.Dialect = akari.DialectPostgreSQL
	cfg.SessionReset = akari.ResetOff
	p, err := akari.New(context.Background(), m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestCommitTimeoutWithoutEndLeavesThoseOfOthers(t *testing.T) {
	within(t, func(t *testing.T) {
		m := &minding{}
		p := mindingPool(t, m)
		time.Sleep(time.Second)
		insert := func(ctx context.Context) error {
			_, err := p.DB().ExecContext(ctx, "NOP")
			return err
		}
		if err := txn.Do(context.Background(), p, insert, txn.CommitTimeout(math.MaxInt64)); err != nil {
			t.Error(err)
		}
		m.commit = time.Hour
		start := time.Now()
		err := txn.Do(context.Background(), p, insert)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("a COMMIT with the default CommitTimeout of 5s took %v: %v", took, err)
		}
	})
}

func TestLateEndOfAnAttemptsContextIsIgnored(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	m := &minding{}
	p := mindingPool(t, m)
	_, _ = p.DB().Exec("NOP")
	var cancel func()
	m.begin = func(context.Context) error {
		m.begin = nil
		cancel()
		return errors.New("begin fails, and its context has ended")
	}
	err := txn.Do(context.Background(), p, func(ctx context.Context) error {
		op, end := context.WithCancel(ctx)
		cancel = end
		if _, err := p.DB().ExecContext(op, "NOP"); !errors.Is(err, context.Canceled) {
			t.Error("first:", err)
		}
		_, err := p.DB().ExecContext(ctx, "INSERT 1")
		if err != nil {
			t.Error("second:", err)
		}
		runtime.Gosched()
		return err
	})
	if err != nil {
		t.Error("the end of an earlier attempt's context has ended the transaction:", err)
	}
}

func TestEndOfTheScopeJustBeforeBeginIsNoticed(t *testing.T) {
	m := &minding{}
	server := akaritest.NewServer(akaritest.Full)
	m.Connector = server.Connector()
	var cancel context.CancelFunc
	cfg := small()
	cfg.Dialect = akari.DialectPostgreSQL
	cfg.SessionReset = akari.ResetOff
	cfg.Trace = &akari.Trace{Acquired: func(akari.AcquiredEvent) {
		if cancel != nil {
			cancel()
		}
	}}
	p, err := akari.New(context.Background(), m, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	hung := 0
	m.begin = func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
			hung++
			return nil
		}
	}
	for range 20000 {
		var ctx context.Context
		c, end := context.WithCancel(context.Background())
		ctx, cancel = c, end
		_ = txn.Do(ctx, p, func(ctx context.Context) error {
			_, err := p.DB().ExecContext(ctx, "INSERT 1")
			return err
		})
	}
	if hung > 0 {
		t.Errorf("BEGIN was not told of the end of its context %d times", hung)
	}
}
