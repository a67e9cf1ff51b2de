package akari

import (
	"context"
	"database/sql/driver"
	"net"
	"reflect"
	"slices"
	"strings"
)

// probes is what can be learnt of a driver's connection without its package
// being imported here. Each is nil or zero when it cannot.
type probes struct {
	closed    func() bool   // the driver has closed it, or knows that it is lost
	txStatus  func() byte   // PostgreSQL's: 'I' idle, 'T' in a transaction, 'E' in a failed one
	cleanedUp chan struct{} // closed once a connection that the driver closes in the background is really gone
	forget    func(context.Context) error
	drain     func() bool // drops notifications that the driver has received and nobody has asked for; false if there is no end of them
	cancel    func()      // asks the server to cancel what runs on the connection, within abortGrace
	backendID uint64      // the server's number for the connection, from the handshake
	socket    net.Conn    // the bottom one, below TLS
	// wholeStatements: lib/pq was told by binary_parameters to send parametrised
	// statements in one piece.
	wholeStatements bool

	params []string // go-sql-driver: the system variables that the data source name sets, in lower case

	stream net.Conn // what the driver reads and writes: the TLS connection if there is one
}

// probePgx uses exported methods of pgx, found by name.
func probePgx(conn driver.Conn) (p probes) {
	pgxConn, ok := callMethod(conn, "Conn")
	if !ok {
		return p
	}
	if c, ok := pgxConn.(interface{ IsClosed() bool }); ok {
		p.closed = c.IsClosed
	}
	if c, ok := pgxConn.(interface {
		DeallocateAll(context.Context) error
	}); ok {
		p.forget = c.DeallocateAll
	}
	p.drain = notificationDrain(pgxConn)
	pgConn, ok := callMethod(pgxConn, "PgConn")
	if !ok {
		return p
	}
	if c, ok := pgConn.(interface{ TxStatus() byte }); ok {
		p.txStatus = c.TxStatus
	}
	if c, ok := pgConn.(interface{ PID() uint32 }); ok {
		p.backendID = uint64(c.PID())
	}
	if c, ok := pgConn.(interface{ CleanupDone() chan struct{} }); ok {
		p.cleanedUp = c.CleanupDone()
	}
	if c, ok := pgConn.(interface{ Conn() net.Conn }); ok {
		p.setSocket(c.Conn())
	}
	return p
}

// notificationDrain drops what pgx has in store for WaitForNotification: asked
// with a context that has ended it returns one of those, or an error.
func notificationDrain(pgxConn any) func() bool {
	wait := reflect.ValueOf(pgxConn).MethodByName("WaitForNotification")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if !wait.IsValid() || wait.Type().NumIn() != 1 || wait.Type().In(0) != reflect.TypeFor[context.Context]() || wait.Type().NumOut() != 2 {
		return nil
	}
	return func() bool {
		for range 1 << 16 {
			if out := wait.Call([]reflect.Value{reflect.ValueOf(ctx)}); !out[1].IsNil() {
				return true
			}
		}
		return false
	}
}

// probePq reads unexported fields of lib/pq: it exports nothing of the kind. If
// a later version names them otherwise the pool does without; the integration
// tests say so.
func probePq(conn driver.Conn) (p probes) {
	c := structOf(innermost(conn))
	if pid := field(c, "pid"); pid.IsValid() && pid.CanInt() {
		p.backendID = uint64(pid.Int())
	}
	if whole := field(field(c, "cfg"), "BinaryParameters"); whole.IsValid() && whole.Kind() == reflect.Bool {
		p.wholeStatements = whole.Bool()
	}
	if s, ok := hidden[net.Conn](field(c, "c")); ok {
		p.setSocket(s)
	}
	if key := field(c, "secretKey"); p.socket != nil && key.IsValid() && key.Kind() == reflect.Slice && key.Type().Elem().Kind() == reflect.Uint8 {
		p.cancel = cancelRequest(p.socket.RemoteAddr(), uint32(p.backendID), slices.Clone(key.Bytes()))
	}
	if st := field(c, "txnStatus"); st.IsValid() && st.CanAddr() && st.Kind() == reflect.Uint8 {
		status := (*byte)(st.Addr().UnsafePointer()) // what the server said last
		p.txStatus = func() byte { return *status }
	}
	if v, ok := innermost(conn).(driver.Validator); ok { // of lib/pq an atomic read, allowed at any time
		p.closed = func() bool { return !v.IsValid() }
	}
	return p
}

// probeMySQL reads unexported fields of go-sql-driver/mysql, like probePq.
func probeMySQL(conn driver.Conn) (p probes) {
	c := structOf(innermost(conn))
	if s, ok := hidden[net.Conn](field(c, "netConn")); ok {
		p.setSocket(s)
	}
	if st := field(c, "status"); st.IsValid() && st.CanAddr() && st.Kind() == reflect.Uint16 {
		// What the server said last: also a transaction that autocommit=0 has begun.
		status := (*uint16)(st.Addr().UnsafePointer())
		p.txStatus = func() byte {
			if *status&1 != 0 {
				return 'T'
			}
			return 'I'
		}
	}
	if params := field(pointed(field(c, "cfg")), "Params"); params.IsValid() && params.Kind() == reflect.Map && params.Type().Key().Kind() == reflect.String {
		for _, k := range params.MapKeys() {
			p.params = append(p.params, strings.ToLower(k.String()))
		}
	}
	if z := field(c, "compress"); !z.IsValid() || z.Kind() != reflect.Bool || z.Bool() {
		p.stream = nil // packets have another form when they are compressed
	}
	return p
}

func (p *probes) setSocket(c net.Conn) {
	p.stream = c
	for range 4 {
		in, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = in.NetConn()
	}
	p.socket = c
}

// callMethod calls a method without arguments by its name.
func callMethod(v any, method string) (any, bool) {
	if conn, ok := v.(driver.Conn); ok {
		v = innermost(conn)
	}
	var m reflect.Value
	switch method { // constants, so that the linker can still drop unused methods
	case "Conn":
		m = reflect.ValueOf(v).MethodByName("Conn")
	case "PgConn":
		m = reflect.ValueOf(v).MethodByName("PgConn")
	case "Config":
		m = reflect.ValueOf(v).MethodByName("Config")
	}
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 {
		return nil, false
	}
	out := m.Call(nil)[0]
	if out.Kind() == reflect.Pointer && out.IsNil() {
		return nil, false
	}
	return out.Interface(), true
}

func structOf(v any) reflect.Value {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer {
		r = r.Elem()
	}
	return r
}

func field(s reflect.Value, name string) reflect.Value {
	if s.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return s.FieldByName(name)
}

// pointed returns what an unexported field points to.
func pointed(f reflect.Value) reflect.Value {
	if !f.IsValid() || !f.CanAddr() || f.Kind() != reflect.Pointer || f.IsNil() {
		return reflect.Value{}
	}
	return reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().Elem()
}

// hidden returns the value of an unexported field of type T. The field is only
// read, and only right after the driver has made the connection, before anybody
// else has it.
func hidden[T any](f reflect.Value) (v T, ok bool) {
	if !f.IsValid() || !f.CanAddr() || f.Type() != reflect.TypeFor[T]() {
		return v, false
	}
	v, ok = reflect.NewAt(f.Type(), f.Addr().UnsafePointer()).Elem().Interface().(T)
	return v, ok
}
