// Package localdb starts private database servers for tests: PostgreSQL,
// MariaDB and PgBouncer, from programs that are installed on the machine.
//
//	pg, err := localdb.StartPostgres(ctx, localdb.Options{})
//	if err != nil { … }
//	defer pg.Close()
//	db, err := sql.Open("pgx", pg.URL())
//
// Each server has a data folder of its own, listens on a free port of
// 127.0.0.1 and on nothing else, has a user and a database called akari and a
// random password, and is gone when it is closed. No server that runs already
// is touched, and any number may run at once. PostgreSQL and MariaDB take
// about one to two seconds to start.
//
// # Faults
//
// A test can do to a [Server] what production does to it: [Server.Kill] it and
// [Server.Start] it again with the same data at the same address, [Server.Stop]
// it, [Server.Pause] and [Server.Resume] it. For faults of the network between
// client and server, put package faultproxy between them, and connect to
// [Server.URLAt] or [Server.MySQLDSNAt] of the proxy's address.
//
// # Programs
//
// [Find] says where a server's program is; AKARI_POSTGRES_BIN,
// AKARI_MARIADB_BIN and AKARI_PGBOUNCER_BIN name the folder to take it from
// instead. What is missing is told by a [*NotInstalledError]. For CI,
// [Install] installs it on Debian and Ubuntu.
//
// # Rights
//
// Servers refuse to run as root. If the process is root, they run as the user
// postgres or mysql, or else nobody, who must be able to enter the folder for
// temporary files (or [Options.Dir]). Otherwise they run as the process's user.
//
// # What happens to a server whose owner dies
//
// Close may never be called: a test panics, times out, is interrupted or
// killed. So each server has a keeper, a small shell process that waits at the
// end of a pipe whose other end only the owner holds. When the owner dies, of
// whatever, the kernel closes the pipe, and the keeper kills the server and
// removes its folder, which takes some milliseconds. Keeper and server have
// sessions of their own, so that a Ctrl-C reaches neither. If the keepers are
// killed as well, as at the end of a container, the next start of any server
// removes what is left; the name of a server's folder tells whose it is.
//
// # Limits
//
// Servers can be started on Linux only; elsewhere the error is
// [errors.ErrUnsupported]. They do not wait for the disk (PostgreSQL with
// fsync=off): killing one loses nothing that was committed, but they are no
// place for data that must survive the machine.
package localdb
