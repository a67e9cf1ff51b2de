// Package txn has transactions that travel in the context. Code that is given the
// context takes part, whatever library it uses on the pool's DB: database/sql, sqlx,
// gorm, bun, ent, sqlc's output, anything that passes its context on. Nobody passes
// a *sql.Tx around.
//
//	err := txn.Do(ctx, pool, func(ctx context.Context) error {
//		if err := orders.Insert(ctx, o); err != nil {    // gorm
//			return err
//		}
//		if err := stock.Reserve(ctx, o.Items); err != nil { // sqlc
//			return err
//		}
//		return txn.AfterCommit(ctx, func(ctx context.Context) error {
//			return bus.Publish(ctx, o)
//		})
//	}, txn.Name("OrderService.Place"))
//
// The words, and most of the rules, are those of Spring's @Transactional:
// docs/transactions.md compares them one by one.
//
// # Scopes
//
// [Do], [Get] and [Begin] open a scope. Its [Propagation] says what it is to the
// transaction there is: a part of it (Required), beside it (RequiresNew,
// NotSupported), or a part that can be undone by itself (Nested). A scope ends when
// its function returns: an error rolls back, unless a rule ([CommitOn]) says
// otherwise; so do a panic and runtime.Goexit, as of testing.T.FailNow.
//
// A transaction is rolled back as a whole if a scope that is a part of it fails, even
// if the error is not passed on: whoever would commit it gets
// [ErrUnexpectedRollback], with the error that was the cause. Where a failure is to be
// survived, Nested is the way; with PostgreSQL, which refuses all statements after
// an error, it is the only one.
//
// # What joins
//
// A use of the pool's DB belongs to the scope of the context it begins with: that of
// a statement, of DB.Conn, of DB.BeginTx. A transaction that is begun through
// database/sql inside of a scope becomes a savepoint in it; its Commit keeps what was
// done for the scope to commit. See [JoinBegin].
//
// A sql.Conn or sql.Tx that was opened outside goes on outside, also with the context
// of a scope. So does a statement with context.Background(): it has a connection of
// its own, does not see what the scope has done, and may wait for it.
//
// # Goroutines
//
// A scope may be used by several goroutines: they take turns, and wait for rows that
// another one reads, or for a transaction that it has begun through database/sql. They
// must be done when its function returns; what comes later is refused with
// [ErrCompleted], see [Detach]. Nested scopes are for one goroutine at a time:
// otherwise one would roll back what another has done, and is refused with
// [ErrScopeBusy].
//
// # Connections
//
// A transaction holds one connection from its first statement to its end, or to that
// of its time or context: not before, and not while functions given to [AfterCommit]
// run. Scopes without a transaction hold one during a statement.
//
// # Pool-lock
//
// A scope with RequiresNew, or NotSupported, needs a second connection while the
// transaction around it keeps the first. If all connections are held by those who wait
// for a second one, nobody can go on. Other pools must be so large that this cannot
// happen. Here a task gets a connection only if so many stay free that those who
// have one can get what they need: akari.Config.MaxConnectionsPerTask, 2 by default.
// A task that wants more is refused at once, with [ErrNestingLimit].
//
// What no pool can prevent: a transaction that waits for a row that the one around it
// has locked waits until its time is over. Give RequiresNew a [Timeout].
package txn
