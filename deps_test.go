package akari_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestImportsPointDown is the table of who may depend on what (docs/design.md,
// "Layers").
func TestImportsPointDown(t *testing.T) {
	const module = "github.com/akaripool/akari"
	for _, c := range []struct {
		pkg   string
		never []string
		why   string
	}{
		{"/internal/bag", []string{"database/sql", "log/slog", "net", module}, "the bag knows nothing of databases, logs or the network"},
		{"/internal/sessionstate", []string{"database/sql", "log/slog", "net", "regexp", module}, "it only looks at texts"},
		{"/internal/caller", []string{"database/sql", module}, "it only knows goroutines"},
		{"/sqlerr", []string{module, "database/sql", "net/http", "log/slog"}, "it only looks at errors, and the pool asks it"},
		{"", []string{"net/http", "html/template", "embed", "flag", "expvar", "testing", "os/exec", module + "/akaritest"}, "users of the pool pay for nothing else"},
		{"/internal/scope", []string{module, "database/sql", "log/slog", "net"}, "the pool and txn meet in it, so it can see neither"},
		{"/txn", []string{"net/http", "html/template", "expvar", "testing", module + "/akaritest"}, "users of transactions pay for nothing else"},
		{"/template", []string{module, "net/http", "log/slog"}, "it works on any *sql.DB"},
		{"/akaritest", []string{module, "net/http"}, "the pool's own tests use it"},
		{"/akaritest/localdb", []string{module, "database/sql"}, "it starts servers and knows no driver"},
		{"/akaritest/faultproxy", []string{module, "database/sql"}, "it moves bytes"},
	} {
		out, err := exec.Command("go", "list", "-deps", module+c.pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", c.pkg, err)
		}
		deps := strings.Fields(string(out))
		for _, bad := range c.never {
			if bad == module+c.pkg {
				continue
			}
			if slices.Contains(deps, bad) {
				t.Errorf("akari%s depends on %s: %s", c.pkg, bad, c.why)
			}
		}
		for _, d := range deps {
			if first, _, _ := strings.Cut(d, "/"); strings.Contains(first, ".") && !strings.HasPrefix(d, module) {
				t.Errorf("akari%s depends on %s, which is not in the standard library", c.pkg, d)
			}
		}
	}
}

func TestRootModuleRequiresNothing(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mod), "require") {
		t.Errorf("go.mod:\n%s", mod)
	}
}
