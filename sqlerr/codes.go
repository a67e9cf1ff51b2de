package sqlerr

import (
	"maps"
	"strings"
)

// numbers makes a table of a database's error numbers.
func numbers(parts ...map[int]Class) map[int]Class {
	all := map[int]Class{}
	for _, p := range parts {
		maps.Copy(all, p)
	}
	return all
}

func each(c Class, of ...int) map[int]Class {
	m := make(map[int]Class, len(of))
	for _, n := range of {
		m[n] = c
	}
	return m
}

// The tables have what the number alone says. What needs a look at the rest of
// the error is in the functions below.
var (
	states = map[string]Class{
		"23505": Duplicate,
		"23503": ForeignKey, "23001": ForeignKey,
		"23502": NotNull,
		"23514": Check,
		"40P01": Deadlock,
		"40001": Serialization,
		"55P03": LockTimeout,
		"57014": Cancelled,
		"25006": ReadOnly,
		"57P01": ConnectionLost, "57P02": ConnectionLost, "57P03": ConnectionLost, "57P04": ConnectionLost, "57P05": ConnectionLost,
		"25P03": ConnectionLost, "25P04": ConnectionLost,
		"53300": TooManyConnections,
		"42601": Syntax,
		"42P01": Undefined, "42P02": Undefined, "42703": Undefined, "42704": Undefined, "42883": Undefined,
		"3D000": Undefined, "3F000": Undefined,
		"42S02": Undefined, "42S22": Undefined,
	}

	mysqlNumbers = numbers(
		each(Duplicate, 1022, 1062, 1169, 1586, 1761, 1762, 1859),
		each(ForeignKey, 1216, 1217, 1451, 1452),
		each(NotNull, 1048, 1263, 1364),
		each(Check, 3819),
		each(Deadlock, 1213, 1614),
		each(Serialization, 1020, 3101),
		each(LockTimeout, mysqlLockWait, 3572),
		each(Cancelled, 1317, 1969, 3024),
		each(ReadOnly, 1036, 1792, 1836, 1874),
		each(ConnectionLost, 1053, 1080, 1152, 1184, 1927, 2006, 2013, 2055, 3169),
		each(TooManyConnections, 1040, 1203, 1226),
		each(Syntax, 1064, 1149),
		each(Undefined, 1049, 1051, 1054, 1091, 1109, 1146, 1305),
	)

	sqliteNumbers = numbers(
		each(Duplicate, 1555, 2067, 2579),
		each(ForeignKey, 787),
		each(NotNull, 1299),
		each(Check, 275),
		each(Serialization, 517),
	)

	// sqlitePrimary is asked when the extended code says nothing more.
	sqlitePrimary = numbers(
		each(LockTimeout, sqliteBusy, 6),
		each(ReadOnly, 8),
		each(Cancelled, 9),
		each(Constraint, 19),
	)

	sqlServerNumbers = numbers(
		each(Duplicate, 2601, 2627),
		each(NotNull, 515),
		each(Deadlock, 1205),
		each(Serialization, 3960, 41301, 41302, 41305, 41325),
		each(LockTimeout, 1222),
		each(ReadOnly, 3906),
		each(ConnectionLost, 596, 6005, 40197, 40613),
		each(TooManyConnections, 17809),
		each(Syntax, 102, 105, 156),
		each(Undefined, 207, 208, 2812, 4121),
	)

	oracleNumbers = numbers(
		each(Duplicate, 1),
		each(ForeignKey, 2291, 2292),
		each(NotNull, 1400, 1407),
		each(Check, 2290),
		each(Deadlock, 60),
		each(Serialization, 8177),
		each(LockTimeout, 54, 2049, 4021, 30006),
		each(Cancelled, 1013),
		each(ReadOnly, 1456, 16000),
		each(ConnectionLost, 28, 1012, 1033, 1034, 1089, 1090, 1092, 2396, 2399, 3113, 3114, 3135),
		each(TooManyConnections, 18, 20, 2391, 12516, 12519, 12520),
		each(Syntax, 900, 905, 906, 907, 911, 917, 921, 923, 933, 936),
		each(Undefined, 904, 942, 4043),
	)
)

const (
	mysqlLockWait     = 1205
	sqliteError       = 1
	sqliteBusy        = 5
	sqliteSharedCache = 262
)

// class is what the code means, with the error's text where the code alone does
// not say.
func (c code) class(text func() string) Class {
	found := Unknown
	switch c.server {
	case MySQL:
		found = c.mysql(text)
	case SQLite:
		found = c.sqlite(text)
	case SQLServer:
		found = c.sqlServer(text)
	case Oracle:
		found = oracleNumbers[c.number]
	}
	if found == Unknown {
		found = c.byState()
	}
	return found
}

// byState is for the databases that have no numbers, and for numbers that are
// not known: a stored procedure may raise what it likes.
func (c code) byState() Class {
	if found, ok := states[c.state]; ok {
		return found
	}
	switch {
	case strings.HasPrefix(c.state, "08"):
		return ConnectionLost
	case strings.HasPrefix(c.state, "23"):
		return Constraint
	}
	return Unknown
}

func (c code) mysql(text func() string) Class {
	switch c.number {
	case 1180: // ER_ERROR_DURING_COMMIT, with what the storage engine said
		if strings.Contains(text(), "error 149") {
			return Serialization
		}
	case 1290: // ER_OPTION_PREVENTS_STATEMENT, of --secure-file-priv and others too
		if t := text(); strings.Contains(t, "read-only") || strings.Contains(t, "read_only") {
			return ReadOnly
		}
	case 4025: // in MySQL, ER_INNODB_AUTOEXTEND_SIZE_OUT_OF_RANGE
		if strings.HasPrefix(c.state, "23") {
			return Check
		}
	case 4031: // in MariaDB, ER_REFERENCED_TRG_DOES_NOT_EXIST
		if !strings.Contains(text(), "trigger") {
			return ConnectionLost
		}
	}
	return mysqlNumbers[c.number]
}

func (c code) sqlite(text func() string) Class {
	if c.number == sqliteError {
		t := text()
		switch {
		case strings.Contains(t, "no such "):
			return Undefined
		case strings.Contains(t, "syntax error"), strings.Contains(t, "incomplete input"), strings.Contains(t, "unrecognized token"):
			return Syntax
		}
	}
	if found, ok := sqliteNumbers[c.number]; ok {
		return found
	}
	return sqlitePrimary[c.number&0xff]
}

func (c code) sqlServer(text func() string) Class {
	if c.number != 547 {
		return sqlServerNumbers[c.number]
	}
	kind, _, _ := strings.Cut(text(), `"`) // a name follows, and may say anything
	switch {
	case strings.Contains(kind, "FOREIGN KEY"), strings.Contains(kind, "REFERENCE"):
		return ForeignKey
	case strings.Contains(kind, "CHECK"):
		return Check
	}
	return Constraint
}

// again reports whether the transaction may be run again, for an error of that
// class.
func (c code) again(class Class) bool {
	switch {
	case class == Deadlock, class == Serialization:
		return true
	case c.server == MySQL:
		return c.number == mysqlLockWait
	case c.server == SQLite:
		return c.number&0xff == sqliteBusy || c.number == sqliteSharedCache
	}
	return false
}
