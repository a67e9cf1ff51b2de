package akari

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Credentials are a user name and a password. They belong together: both are
// replaced at once. Printing them shows no password.
type Credentials struct {
	Username string
	Password string
}

// String shows the user name only.
func (c Credentials) String() string { return fmt.Sprintf("{%s <masked>}", c.Username) }

// GoString is String.
func (c Credentials) GoString() string { return "akari.Credentials" + c.String() }

// LogValue is String.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// SetCredentials sets the user name and password for connections opened from
// now on. Those that are open stay; Evict replaces them. Only for pools made by
// Open without Config.Credentials.
func (p *Pool) SetCredentials(c Credentials) error {
	s, ok := p.source.(*dsnSource)
	if !ok {
		return errors.New("akari: SetCredentials works with pools made by Open: a driver.Connector has its own")
	}
	if err := s.rotate(c); err != nil {
		return err
	}
	p.log(slog.LevelInfo, "Credentials changed for new connections.")
	p.opener.retryNow()
	return nil
}

// withCredentials puts a user name and password into a data source name: a URL,
// PostgreSQL's keywords (host=… user=…), or go-sql-driver's
// user:password@protocol(address)/database.
func withCredentials(dsn string, c Credentials) (string, error) {
	switch formOf(dsn) {
	case formURL:
		u, err := url.Parse(dsn)
		if err != nil {
			return "", errors.New("akari: the data source name looks like a URL but is none") // err would show it
		}
		u.User = url.UserPassword(c.Username, c.Password)
		if q := u.Query(); q.Has("user") || q.Has("password") { // they would come first
			q.Del("user")
			q.Del("password")
			u.RawQuery = q.Encode()
		}
		return u.String(), nil
	case formKeywords:
		return dsn + " user=" + quoteKeyword(c.Username) + " password=" + quoteKeyword(c.Password), nil
	case formMySQL:
		if strings.ContainsAny(c.Username, ":@") {
			return "", errors.New("akari: a user name with : or @ cannot be written into this kind of data source name")
		}
		slash := strings.LastIndexByte(dsn, '/')
		at := strings.LastIndexByte(dsn[:slash], '@')
		return c.Username + ":" + c.Password + "@" + dsn[at+1:], nil
	}
	return "", errors.New("akari: credentials cannot be written into a data source name of this form; make a driver.Connector that asks for them, and use New")
}

// withOption adds an option to a PostgreSQL data source name.
func withOption(dsn, name, value string) string {
	if formOf(dsn) != formURL {
		return dsn + " " + name + "=" + quoteKeyword(value)
	}
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + name + "=" + url.QueryEscape(value)
}

type dsnForm uint8

const (
	formOther    dsnForm = iota
	formURL              // postgres://user:password@host/db
	formKeywords         // host=… user=… password=…
	formMySQL            // user:password@tcp(host:port)/db
)

// formOf recognises the forms of data source names that carry credentials.
func formOf(dsn string) dsnForm {
	switch {
	case strings.Contains(dsn, "://"):
		return formURL
	case strings.Contains(dsn, ")/") || strings.Contains(dsn, "@/") || strings.Contains(dsn, "@tcp") || strings.Contains(dsn, "@unix") ||
		strings.HasPrefix(dsn, "tcp(") || strings.HasPrefix(dsn, "unix("):
		return formMySQL
	case strings.Contains(dsn, "="):
		return formKeywords
	}
	return formOther
}

// quoteKeyword quotes a value of PostgreSQL's keyword form.
func quoteKeyword(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "'", `\'`) + "'"
}
