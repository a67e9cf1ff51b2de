package akari

// Unbounded lifts the lower bounds of the settings, so that tests can use the
// numbers of HikariCP's own tests.
func Unbounded(c Config) Config {
	c.unbounded = true
	return c
}

// ReserveState is what the reserve has at rest.
func ReserveState(p *Pool) (used, first, further, waiting int) {
	p.reserve.mu.Lock()
	defer p.reserve.mu.Unlock()
	return p.reserve.used, p.reserve.first.Len(), p.reserve.further.Len(), int(p.reserve.waiting.Load())
}
