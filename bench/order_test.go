package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestArguments(t *testing.T) {
	o, err := parse([]string{"-full", "-jvm=false", "-rounds", "3", "-turn", "1s", "-write", "a.md", "-partial", "tail", "borrow"})
	if err != nil || !o.full || o.jvm || o.rounds != 3 || o.turn != time.Second || o.document != "a.md" || !o.partial || !slices.Equal(o.parts, []string{"tail", "borrow"}) {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = parse(nil)
	if err != nil || o.full || !o.jvm || o.rounds != 5 || o.turn != 100*time.Millisecond || o.document != "" || o.partial || len(o.parts) > 0 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestArgumentsThatAreWrongAreRefused(t *testing.T) {
	for args, want := range map[string]string{
		"borow":       `no part "borow"; there are borrow, database,`,
		"tail -full":  "-full stands behind a part: flags come first",
		"-rounds 0":   "-rounds is 0",
		"-turn -1s":   "-turn is -1s",
		"-rounds few": "-h lists flags and parts",
		"-ful":        "-h lists flags and parts",
		"-partial":    "-write",
	} {
		if _, err := parse(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, wanted %q", args, err, want)
		}
	}
}

func TestUsageNamesPartsAndFlags(t *testing.T) {
	if _, err := parse([]string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	for _, want := range append(partNames(), "-full", "-write document", "-partial", "<!-- bench: PART -->") {
		if !strings.Contains(usage(), want) {
			t.Errorf("%q is missing in\n%s", want, usage())
		}
	}
}

// quick is an order that takes hardly any time.
func quick(document string, parts ...string) order {
	return order{plan: plan{rounds: 1, turn: time.Millisecond}, args: parts, document: document, parts: parts}
}

func documentOf(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func textOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A document gets what it has marks for, also through a link.
func TestOrderIsCarriedOut(t *testing.T) {
	path := documentOf(t, "Above.\n<!-- bench: database -->\n<!-- end -->\nBelow.\n")
	link := filepath.Join(t.TempDir(), "b.md")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	var out, warnings strings.Builder
	if err := quick(link).carryOut(&out, &warnings); err != nil {
		t.Fatal(err)
	}
	text := textOf(t, path)
	for _, want := range []string{"Above.\n<!--", "```\nThrough a *sql.DB", "; 1 round of 1ms\n", "Begin, Exec, Commit", "akari", "`go run ./bench`.\n<!-- end -->\nBelow."} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if want := "no marks for it: borrow, scope,"; !strings.Contains(warnings.String(), want) || strings.Contains(out.String(), "Waits") {
		t.Errorf("%q is not said in %q, or was measured: %s", want, &warnings, &out)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link has become a file: %v, %v", info.Mode(), err)
	}
}

// What would keep results from being written is found before they are measured.
func TestOrdersThatWouldBeInVainAreRefused(t *testing.T) {
	const place = "<!-- bench: database -->\n<!-- end -->\n"
	for _, c := range []struct {
		what, text, want string
		parts            []string
	}{
		{"no marks", "Text.\n", "no place for results", nil},
		{"no mark of the part", place, "no place for tail", []string{"tail", "database"}},
		{"a mark of no part", place + "<!-- bench: borow -->", `no part "borow"`, nil},
		{"mixed ends of lines", place + "a\r\n", "some lines", nil},
	} {
		path := documentOf(t, c.text)
		var out strings.Builder
		if err := quick(path, c.parts...).carryOut(&out, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) || out.Len() > 0 {
			t.Errorf("%s: %v, wanted %q; printed: %q", c.what, err, c.want, &out)
		}
		if text := textOf(t, path); text != c.text {
			t.Errorf("%s: it was changed to %q", c.what, text)
		}
	}
	if runtime.GOOS == "linux" {
		path := filepath.Join(deepest(t), "a.md")
		if err := os.WriteFile(path, []byte(place), 0o600); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := quick(path).carryOut(&out, io.Discard); err == nil || !strings.Contains(err.Error(), "name too long") || out.Len() > 0 {
			t.Errorf("nothing can be made beside it: %v; printed: %q", err, &out)
		}
	}
	if err := quick("/nowhere/a.md").carryOut(io.Discard, io.Discard); err == nil {
		t.Error("a document that there is not was written")
	}
	if err := quick("", "database").carryOut(&full{}, io.Discard); err == nil || !strings.HasPrefix(err.Error(), "no space left") {
		t.Errorf("nothing could be printed: %v", err)
	}
}

// deepest is a folder in which paths have room for a short name only.
func deepest(t *testing.T) string {
	t.Helper()
	const room = 4095 - len("/a.md") - 2
	folder := t.TempDir()
	for left := room - len(folder); left > 0; left = room - len(folder) {
		name := min(left-1, 200)
		if rest := left - 1 - name; rest == 1 { // a name takes two at least
			name--
		}
		folder = filepath.Join(folder, strings.Repeat("d", name))
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}
