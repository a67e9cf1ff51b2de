package akari

// Unbounded lifts the lower bounds of the settings, so that tests can use the
// numbers of HikariCP's own tests.
func Unbounded(c Config) Config {
	c.unbounded = true
	return c
}
