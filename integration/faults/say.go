package faults

import (
	"fmt"
	"time"
)

// How figures are put into the table. What misses the wanted result is bold, for
// every pool alike: TestMeasuredFaultsKeepWhatIsPromised looks for it.

func bold(missed bool, text string) string {
	if missed {
		return "**" + text + "**"
	}
	return text
}

func sayErrors(f Figures) string {
	if f.Errors.Total() == 0 {
		return fmt.Sprintf("0 errors in %s calls", thousands(f.Calls))
	}
	return fmt.Sprintf("%s errors in %s calls (%v)", thousands(f.Errors.Total()), thousands(f.Calls), f.Errors)
}

// sayNoErrors is for faults of which callers are to see nothing.
func sayNoErrors(f Figures) string { return bold(f.Errors.Total() > 0, sayErrors(f)) }

// sayTime rounds to what means something on a noisy machine.
func sayTime(d time.Duration) string {
	switch {
	case d == never:
		return "never"
	case d < 0:
		return "0 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// sayLedger speaks of what is wrong only.
func sayLedger(a Audit) string {
	text := ""
	for _, k := range []struct {
		n    int
		what string
	}{
		{a.Doubled, "rows written twice"}, {a.Missing, "acknowledged rows missing"}, {a.Denied, "rows there that callers were told had failed"},
	} {
		if k.n > 0 {
			text += fmt.Sprintf("; **%s %s**", thousands(k.n), k.what)
		}
	}
	return text
}
