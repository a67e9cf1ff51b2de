package conformance

import (
	"log/slog"

	"github.com/akaripool/akari"
)

// variant is a way to configure the pool.
type variant struct {
	name     string
	size     int
	cfg      akari.Config
	restless bool
}

// variants are those that the cases are run with. None may be told from the bare
// driver.
var variants = []variant{
	{name: "one connection", size: 1},
	{name: "four connections", size: 4},
	{name: "without cached statements", size: 4, cfg: akari.Config{StatementCacheSize: akari.None}},
	{name: "with few cached statements", size: 4, cfg: akari.Config{StatementCacheSize: 3}},
	{name: "sessions always reset", size: 4, cfg: akari.Config{SessionReset: akari.ResetAlways}},
	{name: "connections replaced after each use", size: 4, restless: true},
}

// config is the whole configuration. evict is told of each connection that is
// lent, if it is to be replaced after that.
func (v variant) config(evict func(id uint64)) akari.Config {
	cfg := v.cfg
	cfg.PoolName = "pool"
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.MaximumPoolSize = v.size
	cfg.MinimumIdle = akari.None
	if v.restless {
		cfg.Trace = &akari.Trace{Acquired: func(e akari.AcquiredEvent) { evict(e.Conn.ID) }}
	}
	return cfg
}
