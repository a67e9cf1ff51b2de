package main

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/akaripool/akari/examples/internal/demo"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
)

const riverSchema = "example_river"

// jobs is a queue of jobs in the database, by river.
type jobs struct {
	db     *sql.DB
	client *river.Client[*sql.Tx]
}

// greet is a job for a worker, which is not a part of this example.
type greet struct {
	Customer string `json:"customer"`
}

// Kind is for river.
func (greet) Kind() string { return "greet" }

// openJobs makes river's tables anew. Without PostgreSQL it returns nil.
func openJobs(ctx context.Context, db *sql.DB, driver string) (*jobs, error) {
	if !demo.Postgres(driver) {
		return nil, nil
	}
	for _, ddl := range []string{"DROP SCHEMA IF EXISTS " + riverSchema + " CASCADE", "CREATE SCHEMA " + riverSchema} {
		if _, err := db.ExecContext(ctx, ddl); err != nil {
			return nil, err
		}
	}
	log := slog.New(slog.DiscardHandler)
	riverDriver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(riverDriver, &rivermigrate.Config{Logger: log, Schema: riverSchema})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverDriver, &river.Config{Logger: log, Schema: riverSchema})
	return &jobs{db, client}, err
}

// enqueue adds two jobs. InsertTx wants a *sql.Tx: one begun with the scope's context
// is a part of the scope. Insert begins one itself, with the same effect.
func (j *jobs) enqueue(ctx context.Context) error {
	tx, err := j.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after Commit it does nothing
	if _, err := j.client.InsertTx(ctx, tx, greet{"ada"}, nil); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = j.client.Insert(ctx, greet{"grace"}, nil)
	return err
}

func (j *jobs) count(ctx context.Context) (n int, err error) {
	err = j.db.QueryRowContext(ctx, "SELECT count(*) FROM "+riverSchema+".river_job").Scan(&n)
	return n, err
}
