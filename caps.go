package akari

import "database/sql/driver"

// caps says which of the optional interfaces a driver's connections have. All
// connections of a driver are assumed to be alike, so it is found out once for
// each type.
type caps struct {
	profile profile

	pinger        bool
	execContext   bool
	exec          bool // the old Execer
	queryContext  bool
	query         bool // the old Queryer
	prepare       bool
	beginTx       bool
	namedValueChk bool
}

func capsOf(conn driver.Conn) *caps {
	c := &caps{profile: profileOf(conn)}
	_, c.pinger = conn.(driver.Pinger)
	_, c.execContext = conn.(driver.ExecerContext)
	_, c.exec = conn.(driver.Execer)
	_, c.queryContext = conn.(driver.QueryerContext)
	_, c.query = conn.(driver.Queryer)
	_, c.prepare = conn.(driver.ConnPrepareContext)
	_, c.beginTx = conn.(driver.ConnBeginTx)
	_, c.namedValueChk = conn.(driver.NamedValueChecker)
	return c
}
