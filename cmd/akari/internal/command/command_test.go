package command

import (
	"strings"
	"testing"
)

func TestCommandsAreFoundByTheirNames(t *testing.T) {
	for _, c := range []struct {
		args     []string
		code     int
		out, err string // parts of it; "" for nothing at all
	}{
		{nil, 2, "", "Usage: akari <command>"},
		{[]string{"help"}, 0, "akari load, without any flags", ""},
		{[]string{"-h"}, 0, "Usage: akari <command>", ""},
		{[]string{"--help"}, 0, "Usage: akari <command>", ""},
		{[]string{"help", "load"}, 0, "-workload", ""},
		{[]string{"help", "nothing"}, 2, "", `there is no command "nothing"`},
		{[]string{"lode"}, 2, "", `akari: there is no command "lode"; see akari help`},
		{[]string{"postgres://me:hush@db/x"}, 2, "", "<masked>"},
		{[]string{"version"}, 0, "akari ", ""},
		{[]string{"--version"}, 0, ", go1.", ""},
		{[]string{"version", "now"}, 2, "", "akari version: takes no arguments"},
	} {
		r := run(t, c.args...)
		if r.code != c.code || !strings.Contains(r.out, c.out) || !strings.Contains(r.err, c.err) {
			t.Errorf("%q: %+v, want %d %q %q", c.args, r, c.code, c.out, c.err)
		}
		if c.out == "" && r.out != "" || c.err == "" && r.err != "" {
			t.Errorf("%q: stdout %q, stderr %q", c.args, r.out, r.err)
		}
		if strings.Contains(r.err, "hush") {
			t.Errorf("%q: shows a password: %s", c.args, r.err)
		}
	}
}
