package akari

import "slices"

// CloseReason says why a connection was closed. The same value is found in
// Stats, Trace and, as HikariCP's words, in the log.
type CloseReason uint8

// The reasons. Every close has exactly one.
const (
	CloseMaxLifetime CloseReason = iota + 1 // older than Config.MaxLifetime
	CloseIdleTimeout                        // idle for longer than Config.IdleTimeout
	CloseDead                               // failed a check: validation, keepalive, or its socket was closed by the other side
	CloseBroken                             // a statement failed with an error that means the connection is lost
	CloseEvicted                            // Pool.Evict or Pool.EvictConn
	CloseReadOnly                           // its server has become read-only
	CloseReset                              // its session could not be cleaned, or was to be cleaned by closing
	CloseSurplus                            // more than the pool wants: MaximumPoolSize was lowered, or opened for a caller who has left
	CloseShutdown                           // the pool was closed

	closeReasons // how many, plus one
)

var closeReasonNames = [closeReasons]struct{ name, words string }{
	CloseMaxLifetime: {"max_lifetime", "(connection has passed maxLifetime)"},
	CloseIdleTimeout: {"idle_timeout", "(connection has passed idleTimeout)"},
	CloseDead:        {"dead", "(connection is dead)"},
	CloseBroken:      {"broken", "(connection is broken)"},
	CloseEvicted:     {"evicted", "(connection was evicted)"},
	CloseReadOnly:    {"read_only", "(connection leads to a read-only server)"},
	CloseReset:       {"reset", "(session state could not be reset)"},
	CloseSurplus:     {"surplus", "(connection is not needed)"},
	CloseShutdown:    {"shutdown", "(connection closed during shutdown)"},
}

// String returns a short name for metrics: "max_lifetime", "dead", "broken"…
func (r CloseReason) String() string {
	if r >= closeReasons {
		return ""
	}
	return closeReasonNames[r].name
}

// MarshalText gives JSON the name that String returns, also for keys of maps.
func (r CloseReason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText writes. A name that is not known, of a
// later version, is no reason: 0.
func (r *CloseReason) UnmarshalText(text []byte) error {
	*r = CloseReason(max(0, slices.IndexFunc(closeReasonNames[:], func(n struct{ name, words string }) bool { return n.name == string(text) })))
	return nil
}

// words is how HikariCP's log says it.
func (r CloseReason) words() string { return closeReasonNames[r].words }

// CloseReasons lists all reasons, for those who build metrics.
func CloseReasons() []CloseReason {
	rs := make([]CloseReason, 0, closeReasons-1)
	for r := CloseReason(1); r < closeReasons; r++ {
		rs = append(rs, r)
	}
	return rs
}
