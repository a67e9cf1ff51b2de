package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWaitsAreParsed(t *testing.T) {
	got, err := parseWaits("5 100 7 200 ;;9 300 ")
	want := []waited{
		{waits: []time.Duration{5, 7}, holds: []time.Duration{100, 200}},
		{}, // one who never got a connection
		{waits: []time.Duration{9}, holds: []time.Duration{300}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []string{"5", "5 a", "5 100;7"} {
		if _, err := parseWaits(wrong); err == nil {
			t.Errorf("%q is taken for waits", wrong)
		}
	}
}

func TestRushesAreParsed(t *testing.T) {
	if took, opened, err := parseRush("23330097 5"); took != 23330097 || opened != 5 || err != nil {
		t.Error(took, opened, err)
	}
	if _, _, err := parseRush("23330097"); err == nil {
		t.Error("half an answer is taken for one")
	}
}

// What the machine lacks is said and passed over.
func TestWithoutJVM(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out strings.Builder
	field, leave := plan{out: &out, jvm: true}.field()
	leave()
	if len(field) != len(peers) || !strings.HasPrefix(out.String(), "HikariCP is left out: there is no java") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%d take part; %q", len(field), &out)
	}
}

func TestWithoutJars(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "HikariCP.jar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := classpath(dir); err == nil || !strings.Contains(err.Error(), "slf4j-api.jar") {
		t.Error(err)
	}
}

// What is no HikariCP ends in one line, not in a hang.
func TestJVMThatDoesNotStart(t *testing.T) {
	needJava(t)
	nothing := t.TempDir()
	t.Setenv("HIKARI_CLASSPATH", nothing)
	var out strings.Builder
	_, leave := plan{out: &out, jvm: true}.field()
	leave()
	if !strings.HasPrefix(out.String(), "HikariCP is left out: with HIKARI_CLASSPATH="+nothing+": java ended early") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q", &out)
	}
}

func TestHikari(t *testing.T) {
	needJava(t)
	if os.Getenv("HIKARI_CLASSPATH") == "" {
		if _, err := classpath(javaJars); err != nil {
			t.Skip(err)
		}
	}
	var out strings.Builder
	p := plan{out: &out, jvm: true, rounds: 1, turn: 5 * time.Millisecond}
	field, leave := p.field()
	defer leave()
	if len(field) != len(peers)+1 || !strings.HasPrefix(out.String(), "HikariCP ") {
		t.Fatalf("%d take part; %s", len(field), &out)
	}
	hikari := field[3]
	if hikari.name != "HikariCP" || hikari.kind != "pool" {
		t.Fatalf("%s is the fourth", hikari.name)
	}

	t.Run("borrow", func(t *testing.T) {
		out.Reset()
		c, err := p.borrowAt(field, 2, 4)
		if err != nil {
			t.Fatal(err)
		}
		c.print(&out)
		if columns := strings.Fields(out.String()); len(columns) != 2+len(field)+1 {
			t.Errorf("a line of %d columns: %s", len(columns), &out)
		}
	})
	t.Run("too many callers", func(t *testing.T) {
		out.Reset()
		c, err := p.borrowAt(field, 2, mostThreads+1)
		if err != nil {
			t.Fatal(err)
		}
		c.print(&out)
		if columns := strings.Fields(out.String()); columns[2+3] != "–" || strings.Contains(out.String(), "NaN") {
			t.Errorf("a number, or none for the others: %s", &out)
		}
	})
	t.Run("tail", func(t *testing.T) {
		pool, err := hikari.open(1, 1, &stub{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.close()
		for load, least := range map[string]time.Duration{"sleep 0-1 ms": 0, "sleep 500 µs": 500 * time.Microsecond, "busy 100 µs": 100 * time.Microsecond} {
			w, err := pool.waits(3, 20*time.Millisecond, load, nil)
			if err != nil || len(w.holds) == 0 || slices.Min(w.holds) < least {
				t.Errorf("%s: %v, %v", load, w, err)
			}
		}
		if _, err := pool.waits(3, time.Millisecond, "nap", nil); err == nil || !strings.Contains(err.Error(), `no load "nap"`) {
			t.Error(err)
		}
	})
	t.Run("spike", func(t *testing.T) {
		s := &stub{}
		pool, err := hikari.open(2, 0, s)
		if err != nil {
			t.Fatal(err)
		}
		defer pool.close()
		const connect = 20 * time.Millisecond
		s.connect.Store(int64(connect))
		took, err := pool.rush(3, time.Millisecond)
		if err != nil || took < connect || s.opened.Load() < 1 || s.opened.Load() > 2 {
			t.Errorf("%v, %d opened, %v", took, s.opened.Load(), err)
		}
	})
}

func needJava(t *testing.T) {
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("there is no java")
	}
}
