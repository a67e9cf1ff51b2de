package integration

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/akaripool/akari/integration/faults"
)

// fallsShort are the faults of which docs/reliability.md says that the pool falls
// short of what is wanted.
var fallsShort = map[string]bool{"F13b": true}

var measuredRow = regexp.MustCompile(`^\| \*\*([FC]\d+[a-z]?)\*\* `)

// The table is written by make faults. What stands in it in bold is harm that was
// done.
func TestMeasuredFaultsKeepWhatIsPromised(t *testing.T) {
	text, err := os.ReadFile("../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		m := measuredRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		rows[m[1]] = true
		cells := strings.Split(line, " | ")
		if len(cells) != 5 {
			t.Errorf("%s has %d columns", m[1], len(cells))
			continue
		}
		if harm := strings.Contains(cells[3], "**"); harm != fallsShort[m[1]] {
			t.Errorf("%s, akari: %s", m[1], cells[3])
		}
	}
	for _, f := range faults.All() {
		if !rows[f.ID] {
			t.Errorf("%s has no row", f.ID)
		}
	}
}
