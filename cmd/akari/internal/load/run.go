package load

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/akaripool/akari"
)

// run is the state of Run.
type run struct {
	plan   *Plan
	con    *Console
	db     *database
	script *Script
	tables *tables // nil if the workload is the user's own
	sides  []*side
	unique atomic.Int64

	began  time.Time
	total  time.Duration // from began to the planned end
	latest atomic.Pointer[slice]

	forget func() // takes back what is to be said of tables if the process ends at once

	opened func(*akari.Pool) // for tests; nil otherwise
}

// Run puts the load on the database and returns what it measured. It undoes
// what it did, whatever happens, and takes down in the error what could not be
// undone; then there may be a report as well.
//
// When ctx ends the load ends early, and the report says so. If nothing was
// measured by then there is no report; that is no error.
func Run(ctx context.Context, plan Plan, con *Console) (*Report, error) {
	return (&run{plan: &plan, con: con}).do(ctx)
}

func (r *run) do(ctx context.Context) (report *Report, err error) {
	if err := r.plan.Validate(); err != nil {
		return nil, err
	}
	r.plan.complete(r.plan.Target.dialect())
	needsTables, err := r.parse()
	if err != nil {
		return nil, err
	}
	if r.db, err = r.plan.Target.open(ctx, r.plan, r.con); err != nil {
		return nil, interrupted(ctx, err)
	}
	defer func() { err = errors.Join(err, r.db.shut()) }()
	if needsTables {
		defer func() { err = errors.Join(err, r.dropTables()) }()
		if err := r.makeTables(ctx); err != nil {
			return nil, interrupted(ctx, err)
		}
	}
	defer func() { err = errors.Join(err, r.closeSides()) }()
	if err := r.openSides(ctx); err != nil {
		return nil, interrupted(ctx, err)
	}
	r.load(ctx)
	if ctx.Err() != nil && r.sides[0].measured.Load() == 0 {
		return nil, nil
	}
	return r.report(ctx.Err() != nil), nil
}

// interrupted is nil if ctx's end is why something failed.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// parse reads the workload, before anything is started for it.
func (r *run) parse() (needsTables bool, err error) {
	r.unique.Store(time.Now().UnixNano())
	r.script, needsTables, err = r.plan.script(r.plan.Target.dialect())
	return needsTables, err
}

func (r *run) makeTables(ctx context.Context) error {
	r.tables = &tables{db: r.db, plan: r.plan}
	if r.db.own {
		r.forget = r.con.AtOnce.add(func() {
			if left := r.tables.leftBehind(); left != "" {
				r.con.Note("what was made for the load is left behind; %s", left)
			}
		})
	}
	return r.tables.make(ctx)
}

// dropTables leaves the user's database as it was found. A temporary one goes
// as a whole.
func (r *run) dropTables() error {
	if r.forget != nil {
		defer r.forget()
	}
	if r.tables == nil || !r.db.own || r.plan.Keep && len(r.sides) > 0 {
		return nil // what was made for a load that could not begin is not kept
	}
	return r.tables.drop()
}

func (r *run) openSides(ctx context.Context) error {
	pool, err := openAkari(ctx, r.db, r.plan.Pool)
	if err != nil {
		return err
	}
	r.sides = append(r.sides, pool)
	if r.opened != nil {
		r.opened(pool.pool)
	}
	if r.plan.Compare {
		plain, err := openPlain(r.db, r.plan.Pool)
		if err != nil {
			return err
		}
		r.sides = append(r.sides, plain)
	}
	for _, s := range r.sides {
		s.recorders = newRecorders(r.script, r.plan.Workers, r.plan.Rate > 0)
	}
	return nil
}

func (r *run) closeSides() error {
	var all []error
	for _, s := range r.sides {
		all = append(all, s.close())
	}
	return errors.Join(all...)
}

// rounds is how often the sides take turns in a comparison. An even number,
// since the side that goes first changes.
const rounds = 4

// load runs the slices: one, or in a comparison short ones of both sides in
// turn, so that what changes meanwhile, in the machine or in the tables, meets
// both alike. The order is A B, B A, A B, B A.
func (r *run) load(ctx context.Context) {
	warmup, length := r.plan.Warmup, r.plan.Duration
	slices := 1
	if len(r.sides) > 1 {
		length /= rounds
		warmup = min(warmup, max(length/4, 100*time.Millisecond))
		slices = rounds * len(r.sides)
	}
	r.began = time.Now()
	r.total = (warmup + length) * time.Duration(slices)
	defer r.watch()()
	r.each(ctx, func(s *side, round int) {
		sl := newSlice(r, s, round, warmup, length)
		r.latest.Store(sl)
		sl.execute(ctx)
	})
}

// each calls f for one slice after the other, until ctx ends.
func (r *run) each(ctx context.Context, f func(s *side, round int)) {
	if len(r.sides) == 1 {
		f(r.sides[0], 0)
		return
	}
	for round := range rounds {
		for turn := range r.sides {
			if ctx.Err() != nil {
				return
			}
			f(r.sides[(turn+round)%len(r.sides)], round)
		}
	}
}
