package localdb_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/akaripool/akari/akaritest/localdb"
)

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestDataSourceNames(t *testing.T) {
	pg := &localdb.Server{Kind: localdb.Postgres, Host: "127.0.0.1", Port: 5432, User: "u", Password: "p/w", Database: "d"}
	maria := &localdb.Server{Kind: localdb.MariaDB, Host: "127.0.0.1", Port: 3306, User: "u", Password: "pw", Database: "d"}
	for got, want := range map[string]string{
		pg.URL():                        "postgres://u:p%2Fw@127.0.0.1:5432/d?sslmode=disable",
		pg.URLAt("127.0.0.1:7"):         "postgres://u:p%2Fw@127.0.0.1:7/d?sslmode=disable",
		maria.MySQLDSN():                "u:pw@tcp(127.0.0.1:3306)/d",
		maria.MySQLDSNAt("127.0.0.1:7"): "u:pw@tcp(127.0.0.1:7)/d",
	} {
		if got != want {
			t.Errorf("%s; want %s", got, want)
		}
	}
	for name, call := range map[string]func() string{"URL of MariaDB": maria.URL, "MySQLDSN of PostgreSQL": pg.MySQLDSN} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

func TestPrintedServerHidesItsPassword(t *testing.T) {
	s := &localdb.Server{Kind: localdb.Postgres, Host: "127.0.0.1", Port: 5432, Password: "secret"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, "secret") || !strings.Contains(text, "PostgreSQL at 127.0.0.1:5432") {
			t.Errorf("%s prints %q", format, text)
		}
	}
}
