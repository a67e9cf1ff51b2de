package faults

import (
	"context"

	"github.com/akaripool/akari/akaritest/localdb"
)

// Fault is something that goes wrong, and how to find out what a pool's callers
// see of it.
type Fault struct {
	ID       string // "F1", as in docs/reliability.md
	Name     string // in the table
	Peers    []Peer // on which it can be tried
	Measured string // how, in one sentence
	Wanted   string // of a good pool, in a few words

	// server gives the options of a server of the trial's own; nil for one that
	// is shared.
	server     func(Peer) localdb.Options
	serverless bool // the trial sees to its servers itself

	try  func(context.Context, *site, *Figures) error
	tell func(Figures) string // the figures in a few words
}

// Tell is what the table says about figures of the fault.
func (f Fault) Tell(fig Figures) string {
	text := f.tell(fig)
	if fig.Left.CloseHangs {
		text += "; its Close hangs"
	}
	return text
}
