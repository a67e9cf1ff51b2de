package faults

// All are the faults, in the order of the table.
func All() []Fault {
	return []Fault{
		restarted, impatient, frozen,
		timedOutByServer, hungUpBusy, hungUpIdle, resetIdle, closedIdle, halfOpen, stalledQuery, silence, synsLost,
		cold, nested, storm, collapse, order, queueing, defaults,
		userLimit, serverLimit, passwordChanged, passwordTold,
		sessionState, leftOpen,
		lostByFIN, lostByRST, ddl, pooler,
		demoted, ownReadOnly,
		badDriver, deafDriver,
	}
}
