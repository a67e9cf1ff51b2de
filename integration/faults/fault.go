package faults

import (
	"context"
	"time"

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
	server      func(Peer) localdb.Options
	second      bool          // there is a second server, to which callers may be led
	serverless  bool          // the trial sees to its servers itself
	sampled     time.Duration // how often the connections at the server are counted; 0: every 20 ms
	unheard     bool          // the server does not hear at once of connections that are closed
	tellsLedger bool          // tell speaks of the ledger as well

	try  func(context.Context, *site, *Figures) error
	tell func(Figures) string // the figures in a few words, what misses the wanted in bold
}

// Tell is what the table says about figures of the fault.
func (f Fault) Tell(fig Figures) string {
	text := f.tell(fig)
	if !f.tellsLedger {
		text += sayLedger(fig.Ledger)
	}
	if fig.Left.CloseHangs {
		text += "; **its Close hangs**"
	}
	return text
}
