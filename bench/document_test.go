package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

const marked = `By hand.
<!-- bench: measured -->
old line
<!-- end -->
More by hand.

<!-- bench: borrow -->
old
<!-- end -->
<!-- bench: tail -->
kept
<!-- end -->
The end.
`

func TestDocumentIsRenewedBetweenItsMarks(t *testing.T) {
	parts := []string{"borrow", "tail", "spike"}
	for _, c := range []struct {
		what    string
		printed map[string]string
		want    *strings.Replacer
	}{
		{"a part has its own line about the run", map[string]string{"borrow": "\nnew\ntable\n", "spike": "no mark for it"},
			strings.NewReplacer("old\n", "```\nnew\ntable\n```\nabout\n")},
		{"all parts have one line", map[string]string{"borrow": "new\n", "tail": "new too\n"},
			strings.NewReplacer("old line", "about", "old\n", "```\nnew\n```\n", "kept", "```\nnew too\n```")},
		{"no part", nil, strings.NewReplacer()},
	} {
		for _, newline := range []string{"\n", "\r\n"} {
			d, err := parseDocument(strings.ReplaceAll(marked, "\n", newline), parts)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(c.want.Replace(marked), "\n", newline)
			if got := d.renewed(c.printed, "about"); got != want {
				t.Errorf("%s:\n%q\nwanted:\n%q", c.what, got, want)
			}
		}
	}
}

func TestMarksThatAreWrongAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"<!-- bench: borow -->\n<!-- end -->": `1: there is no part "borow"`,
		"a\n<!-- bench: tail -->":             `2: the mark of "tail" has no`,
		"<!-- end -->":                        "1: ",
		"a\r\nb\n":                            "1: some lines end in",
		"<!-- bench: tail -->\n<!-- bench: borrow -->\n<!-- end -->\n<!-- end -->": "2: ",
	} {
		if _, err := parseDocument(text, []string{"borrow", "tail"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, wanted %q", text, err, want)
		}
	}
}

// The marks of docs/performance.md are of parts that there are.
func TestDocumentOfThisRepository(t *testing.T) {
	d, err := readDocument("../docs/performance.md", partNames())
	if err != nil {
		t.Fatal(err)
	}
	if chosen, err := d.choose(nil, partNames()); err != nil || len(chosen) < 6 {
		t.Errorf("%v are written, %v", chosen, err)
	}
}

func TestPartsOfADocument(t *testing.T) {
	parts := []string{"borrow", "tail", "spike"}
	d, err := parseDocument(marked, parts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		wanted, want []string
	}{{nil, []string{"borrow", "tail"}}, {[]string{"tail"}, []string{"tail"}}} {
		if got, err := d.choose(c.wanted, parts); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, %v", c.wanted, got, err)
		}
	}
	if _, err := d.choose([]string{"tail", "spike"}, parts); err == nil || !strings.Contains(err.Error(), "<!-- bench: spike -->") {
		t.Error(err)
	}
	if _, err := (document{}).choose(nil, parts); err == nil || !strings.Contains(err.Error(), "<!-- bench: borrow -->") {
		t.Error(err)
	}
}

func TestWhatCannotBeWrittenIsNoDocument(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs files that not even root can write")
	}
	for path, want := range map[string]string{
		"/proc/self/exe":  "busy",    // a program that runs
		"/proc/self/comm": ".bench-", // nothing can be made beside it
	} {
		if err := writable(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := readDocument("/dev/null", nil); err == nil || !strings.Contains(err.Error(), "no file") {
		t.Error(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "a.md")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writable(path); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// A file has its old text or the new one, and its mode.
func TestFilesAreReplacedAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.md")
	if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	reader, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := replace(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	before, _ := io.ReadAll(reader)
	after, _ := os.ReadFile(path)
	info, _ := os.Stat(path)
	if string(before) != "old" || string(after) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %q, %v", before, after, info.Mode())
	}
	if err := replace(dir, nil); err == nil {
		t.Error("a folder was replaced")
	}
	for _, folder := range []string{dir, filepath.Dir(dir)} {
		if left, _ := filepath.Glob(filepath.Join(folder, temporary)); left != nil {
			t.Errorf("%v is left", left)
		}
	}
}

func TestRunIsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(path, []byte(marked), 0o600); err != nil {
		t.Fatal(err)
	}
	run := results{
		printed: map[string]string{"borrow": "new\n"},
		charts:  []chart{{name: "size", lines: []line{{"akari", []point{{1, 10}, {8, 20}}}}}},
	}
	if err := run.write(path, []string{"borrow", "tail"}, "about"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(marked, "old\n", "```\nnew\n```\nabout\n", 1); string(text) != want {
		t.Errorf("%s\nwanted:\n%s", text, want)
	}
	svg, err := os.ReadFile(strings.TrimSuffix(path, ".md") + "-size.svg")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(wellFormed(t, svg), "akari") {
		t.Errorf("the chart has no line of akari: %s", svg)
	}
}

// wellFormed returns the text of an SVG.
func wellFormed(t *testing.T, svg []byte) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if letters, ok := token.(xml.CharData); ok {
			text.Write(letters)
		}
	}
}
