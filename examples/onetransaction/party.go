package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
)

// library is what the example asks of each.
type library interface {
	add(ctx context.Context, customer string) error
	customers(ctx context.Context) ([]string, error)
}

// nester is a library that runs functions in transactions, which it begins through
// database/sql. Inside of a scope they are savepoints.
type nester interface {
	library
	inTx(ctx context.Context, f func(in library) error) error
}

// party is all that take part.
type party struct {
	out io.Writer

	gorm  withGorm
	bun   withBun
	ent   withEnt
	sqlx  withSqlx
	sqlc  withSqlc
	plain plain
	jobs  *jobs // nil without PostgreSQL
}

// invite gives each library the pool's DB.
func invite(ctx context.Context, db *sql.DB, driver string, out io.Writer) (p *party, err error) {
	p = &party{out: out, bun: openBun(db, driver), ent: openEnt(db, driver), sqlx: openSqlx(db, driver), sqlc: openSqlc(db, driver), plain: plain{db, driver}}
	if p.gorm, err = openGorm(db, driver); err != nil {
		return nil, err
	}
	p.jobs, err = openJobs(ctx, db, driver)
	return p, err
}

// guest is a library by its name.
type guest struct {
	name string
	library
}

func (p *party) guests() []guest {
	return []guest{{"gorm", p.gorm}, {"bun", p.bun}, {"ent", p.ent}, {"sqlx", p.sqlx}, {"sqlc", p.sqlc}, {"plain", p.plain}}
}

// meet is what all do in a transaction, whose number is n.
func (p *party) meet(ctx context.Context, n int) error {
	for _, step := range []func(context.Context, int) error{p.come, p.fail, p.failInside, p.enqueue} {
		if err := step(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// come has each library add a customer of its name, and then look who is there.
func (p *party) come(ctx context.Context, n int) error {
	for _, g := range p.guests() {
		if err := g.add(ctx, fmt.Sprint(g.name, n)); err != nil {
			return err
		}
	}
	for _, g := range p.guests() {
		names, err := g.customers(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s sees %s\n", g.name, strings.Join(names, " "))
	}
	return nil
}

// fail has gorm, bun and ent begin transactions of their own, one after the other,
// which fail: the second customer is there already. They are savepoints, and undone
// by themselves. Without one PostgreSQL would refuse whatever comes after the error.
func (p *party) fail(ctx context.Context, n int) error {
	for _, g := range p.guests() {
		own, ok := g.library.(nester)
		if !ok {
			continue
		}
		err := own.inTx(ctx, func(in library) error {
			if err := in.add(ctx, "friend"); err != nil {
				return err
			}
			return in.add(ctx, fmt.Sprint(g.name, n))
		})
		fmt.Fprintf(p.out, "%s brings a friend, in a transaction of its own, which fails: %t\n", g.name, err != nil)
	}
	return p.look(ctx)
}

// failInside has transactions of several libraries in each other, of which the
// innermost fails. What the plain one does meanwhile with the context of the scope
// belongs to it.
func (p *party) failInside(ctx context.Context, n int) error {
	if err := p.gorm.inTx(ctx, func(inGorm library) error {
		if err := inGorm.add(ctx, fmt.Sprint("child", n)); err != nil {
			return err
		}
		return p.bun.inTx(ctx, func(inBun library) error {
			if err := inBun.add(ctx, fmt.Sprint("grandchild", n)); err != nil {
				return err
			}
			if err := p.ent.inTx(ctx, func(inEnt library) error {
				if err := inEnt.add(ctx, "cat"); err != nil {
					return err
				}
				if err := p.plain.add(ctx, "dog"); err != nil {
					return err
				}
				return errRain
			}); !errors.Is(err, errRain) {
				return err
			}
			return nil
		})
	}); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "gorm brings a child, in it bun a grandchild, in it ent a cat, which fails")
	return p.look(ctx)
}

// enqueue adds jobs, which are there only if the transaction is committed.
func (p *party) enqueue(ctx context.Context, _ int) error {
	if p.jobs == nil {
		return nil
	}
	if err := p.jobs.enqueue(ctx); err != nil {
		return err
	}
	fmt.Fprintln(p.out, "river adds two jobs")
	return p.look(ctx)
}

// look says what there is, as seen with ctx.
func (p *party) look(ctx context.Context) error {
	names, err := p.plain.customers(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "there are %s", strings.Join(names, " "))
	if p.jobs != nil {
		n, err := p.jobs.count(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, ", %d jobs", n)
	}
	fmt.Fprintln(p.out)
	return nil
}
