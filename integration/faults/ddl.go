package faults

import (
	"context"
	"fmt"
	"time"
)

// ddl: tables change under statements that are cached as prepared.
var ddl = Fault{
	ID:   "C18",
	Name: "A table changes under cached statements",
	Measured: "8 callers, two of whom write elsewhere, read one row by a parametrised SELECT for 2 s; the type of a column is changed every 100 ms; " +
		"MariaDB: the table is replaced by another one as well",
	Wanted: "0 errors",
	Peers:  onServers,
	try: func(ctx context.Context, s *site, f *Figures) error {
		s.laterDo("DROP TABLE IF EXISTS shape, old2, old5, old8, old11, old14, old17")
		err := s.do(ctx, "CREATE TABLE shape (id INT NOT NULL PRIMARY KEY, v INT)", "INSERT INTO shape VALUES (1, 7)")
		if err != nil {
			return err
		}
		p, err := s.openFull(ctx, 4)
		if err != nil {
			return err
		}
		query := s.peer.pick("SELECT v FROM shape WHERE id = $1", "SELECT v FROM shape WHERE id = ?")
		c := newCrowd(ctx, 8, 5*time.Second, time.Millisecond, s.twoWrite(p, func(ctx context.Context, _ int) error {
			var v any
			return p.get(ctx, &v, query, 1)
		}))
		defer c.stop(time.Second)
		for i := range 20 {
			pass(ctx, 100*time.Millisecond)
			if err := s.do(ctx, changesOfShape(s.peer, i)...); err != nil {
				return err
			}
		}
		if !c.stop(6 * time.Second) {
			c.stuck(1)
		}
		c.into(f)
		return nil
	},
	tell: sayNoErrors,
}

// changesOfShape are the statements of the i-th change.
func changesOfShape(p Peer, i int) []string {
	switch {
	case p.postgres() && i%2 == 0:
		return []string{"ALTER TABLE shape ALTER v TYPE text USING v::text"}
	case p.postgres():
		return []string{"ALTER TABLE shape ALTER v TYPE int USING v::int"}
	case i%3 == 0:
		return []string{"ALTER TABLE shape MODIFY v VARCHAR(20)"}
	case i%3 == 1:
		return []string{"ALTER TABLE shape MODIFY v BIGINT"}
	}
	next := fmt.Sprintf("shape%d", i)
	return []string{
		"CREATE TABLE " + next + " (id INT NOT NULL PRIMARY KEY, v INT)",
		"INSERT INTO " + next + " VALUES (1, 7)",
		fmt.Sprintf("RENAME TABLE shape TO old%d, %s TO shape", i, next),
	}
}
