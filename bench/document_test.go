package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
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
		d, err := parseDocument(marked, []string{"borrow", "tail", "spike"})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := d.renewed(c.printed, "about"), c.want.Replace(marked); got != want {
			t.Errorf("%s:\n%s\nwanted:\n%s", c.what, got, want)
		}
	}
}

func TestMarksThatAreWrongAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"<!-- bench: borow -->\n<!-- end -->": `1: there is no part "borow"`,
		"a\n<!-- bench: tail -->":             `2: the mark of "tail" has no`,
		"<!-- end -->":                        "1: ",
		"<!-- bench: tail -->\n<!-- bench: borrow -->\n<!-- end -->\n<!-- end -->": "2: ",
	} {
		if _, err := parseDocument(text, []string{"borrow", "tail"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, wanted %q", text, err, want)
		}
	}
}

// The marks of docs/performance.md are of parts that there are, and what is wrong
// with a document is found before anything is measured.
func TestDocumentOfThisRepository(t *testing.T) {
	if err := (plan{out: io.Discard}).report("../docs/performance.md", nil); err == nil || strings.Contains(err.Error(), "performance.md") {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "a.md")
	if err := os.WriteFile(path, []byte("<!-- bench: borow -->"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (plan{out: io.Discard}).report(path, nil); err == nil || !strings.Contains(err.Error(), "borow") {
		t.Error(err)
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
