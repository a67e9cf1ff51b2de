package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
	"github.com/go-sql-driver/mysql"
)

// Lab has the servers on which faults are tried. They are started when they are
// first needed. One trial runs at a time.
type Lab struct {
	dir string // for files of trials

	mu     sync.Mutex // guards shared; held while a server starts
	shared map[place]*node

	trial sync.Mutex // held during a trial: its counts are those of the whole process
}

// NewLab makes a lab. Close ends its servers.
func NewLab() (*Lab, error) {
	dir, err := os.MkdirTemp("", "akari-faults-")
	if err != nil {
		return nil, err
	}
	_ = mysql.SetLogger(quiet{}) // it prints a line for each connection it finds dead
	return &Lab{dir: dir, shared: map[place]*node{}}, nil
}

type quiet struct{}

func (quiet) Print(...any) {}

// Close ends the servers.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	errs := []error{os.RemoveAll(l.dir)}
	for _, n := range l.shared {
		errs = append(errs, n.close())
	}
	clear(l.shared)
	return errors.Join(errs...)
}

// place tells the servers apart: of each kind there is one that the trials
// share and put back as they found it, and a second one for faults that need two.
type place struct {
	kind   localdb.Kind
	second bool
}

func (l *Lab) common(ctx context.Context, kind localdb.Kind) (*node, error) {
	return l.node(ctx, place{kind: kind})
}

func (l *Lab) node(ctx context.Context, at place) (*node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.shared[at]; n != nil {
		return n, nil
	}
	n, err := startNode(ctx, at.kind, localdb.Options{MaxConnections: 300})
	if err == nil {
		l.shared[at] = n
	}
	return n, err
}

// trialLimit bounds a trial, the start of its servers included.
const trialLimit = 2 * time.Minute

// Try tries a fault on a peer.
func (l *Lab) Try(ctx context.Context, f Fault, p Peer) (fig Figures, err error) {
	l.trial.Lock()
	defer l.trial.Unlock()
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	s, err := l.site(ctx, f, p)
	if err != nil {
		return fig, fmt.Errorf("%s on %v: %w", f.ID, p, err)
	}
	err = f.try(ctx, s, &fig)
	err = errors.Join(err, s.close(ctx, &fig))
	if err != nil {
		err = fmt.Errorf("%s on %v: %w", f.ID, p, err)
	}
	return fig, err
}
