//go:build linux

package localdb_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/akaripool/akari/akaritest/localdb"
)

// query runs one statement on a new connection and returns the first column of
// the first row. The server may be of any kind; addr is where to reach it.
func query(t *testing.T, s *localdb.Server, addr, statement string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if s.Kind == localdb.MariaDB {
		return queryMariaDB(ctx, s.User, s.Password, s.Database, addr, statement)
	}
	return psql(ctx, t, s.URLAt(addr), statement)
}

// ask is query for a statement that must succeed.
func ask(t *testing.T, s *localdb.Server, statement string) string {
	t.Helper()
	answer, err := query(t, s, s.Addr(), statement)
	if err != nil {
		t.Fatalf("%v: %s: %v", s, statement, err)
	}
	return answer
}

// psql runs PostgreSQL's own client, which comes with the server's package.
func psql(ctx context.Context, t *testing.T, url, statement string) (string, error) {
	t.Helper()
	server, err := localdb.Find(localdb.Postgres)
	if err == nil {
		server, err = filepath.EvalSymlinks(server)
	}
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(filepath.Dir(server), "psql")
	cmd := exec.CommandContext(ctx, client, "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--command", statement, url)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

// queryMariaDB is a client of the MySQL protocol that can just log in with
// mysql_native_password and run one statement: its program does not come with
// the server's package.
func queryMariaDB(ctx context.Context, user, password, database, addr, statement string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	greeting, err := readPacket(conn)
	if err != nil {
		return "", err
	}
	// Protocol, version, NUL, thread, 8 bytes of salt, 19 others, 12 of salt.
	_, rest, ok := bytes.Cut(greeting[1:], []byte{0})
	if !ok || len(rest) < 4+8+19+12 {
		return "", fmt.Errorf("unknown greeting %q", greeting)
	}
	salt := append(bytes.Clone(rest[4:12]), rest[31:43]...)

	const protocol41, secureConnection, connectWithDB, pluginAuth = 1 << 9, 1 << 15, 1 << 3, 1 << 19
	login := binary.LittleEndian.AppendUint32(nil, protocol41|secureConnection|connectWithDB|pluginAuth|1)
	login = binary.LittleEndian.AppendUint32(login, 1<<24)
	login = append(login, 33)
	login = append(login, make([]byte, 23)...)
	login = append(append(login, user...), 0, 20)
	login = append(login, scramble(password, salt)...)
	login = append(append(login, database...), 0)
	login = append(append(login, "mysql_native_password"...), 0)
	if err := writePacket(conn, 1, login); err != nil {
		return "", err
	}
	if _, err := readPacket(conn); err != nil {
		return "", err
	}
	if err := writePacket(conn, 0, append([]byte{3}, statement...)); err != nil {
		return "", err
	}
	head, err := readPacket(conn)
	if err != nil || head[0] == 0 {
		return "", err // failed, or has no rows
	}
	for range int(head[0]) + 1 { // the columns and the packet that ends them
		if _, err := readPacket(conn); err != nil {
			return "", err
		}
	}
	row, err := readPacket(conn)
	if err != nil || row[0] == 0xfe || row[0] == 0xfb {
		return "", err // failed, or no row, or NULL
	}
	return string(row[1 : 1+row[0]]), nil
}

// scramble is SHA1(password) XOR SHA1(salt + SHA1(SHA1(password))).
func scramble(password string, salt []byte) []byte {
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	mask := sha1.Sum(append(salt, twice[:]...))
	for i := range once {
		once[i] ^= mask[i]
	}
	return once[:]
}

func readPacket(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, errors.New("empty packet")
	}
	if body[0] == 0xff {
		return nil, fmt.Errorf("server: %s", body[min(3, len(body)):])
	}
	return body, nil
}

func writePacket(w io.Writer, seq byte, body []byte) error {
	n := len(body)
	_, err := w.Write(append([]byte{byte(n), byte(n >> 8), byte(n >> 16), seq}, body...))
	return err
}
