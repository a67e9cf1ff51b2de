package main

import (
	"strings"
	"testing"
)

// Without a document it is enough to say what is missing; in one, what is missing
// would take the place of what was measured where it was there.
func TestMissingGuests(t *testing.T) {
	nowhere := t.TempDir()
	t.Setenv("AKARI_POSTGRES_BIN", nowhere)
	t.Setenv("AKARI_MARIADB_BIN", nowhere)
	const before = "<!-- bench: real -->\nold\n<!-- end -->\n"

	var out, warnings strings.Builder
	if err := quick("", "real").carryOut(&out, &warnings); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"PostgreSQL", "MariaDB"} {
		if !strings.Contains(warnings.String(), "bench: "+name+" is left out of real: ") || !strings.Contains(out.String(), name+" is left out: ") {
			t.Errorf("not a word of %s in %q, or in %q", name, &warnings, &out)
		}
	}

	out.Reset()
	path := documentOf(t, before)
	err := quick(path, "real").carryOut(&out, &warnings)
	if err == nil || out.Len() > 0 || textOf(t, path) != before {
		t.Errorf("%v; printed: %q; written: %q", err, &out, textOf(t, path))
	}
	for _, want := range []string{path, "PostgreSQL is missing for real: ", "MariaDB is missing for real: ", "-partial"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}

	partial := quick(path, "real")
	partial.partial = true
	if err := partial.carryOut(&out, &warnings); err != nil || !strings.Contains(textOf(t, path), "MariaDB is left out") {
		t.Errorf("%v; written: %q", err, textOf(t, path))
	}
}

func TestGuestsThatNobodyNeedsAreNotLookedFor(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	const borrowing = "<!-- bench: borrow -->\n<!-- end -->\n"
	for _, c := range []struct {
		part, document, want string
		jvm                  bool
	}{
		{part: "database", jvm: true},
		{part: "borrow", want: "HikariCP is left out of borrow: there is no java", jvm: true},
		{part: "borrow"}, // who does not want it need not be told
		{part: "borrow", document: borrowing, want: "HikariCP is missing for borrow: -jvm=false"},
	} {
		o := quick("", c.part)
		o.jvm = c.jvm
		if c.document != "" {
			o.document = documentOf(t, c.document)
		}
		var said strings.Builder
		if err := o.lookForGuests(&said); err != nil {
			said.WriteString(err.Error())
		}
		if c.want == "" && said.Len() > 0 || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s, jvm %v: %q, wanted %q", c.part, c.jvm, &said, c.want)
		}
	}
}
