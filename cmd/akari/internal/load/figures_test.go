package load

import (
	"testing"
	"time"
)

func TestFiguresAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0",
		1:                                "1ns",
		999:                              "999ns",
		1234:                             "1.23µs",
		12_340:                           "12.3µs",
		123_400:                          "123µs",
		9_996_000:                        "10.0ms",
		999_400_000:                      "999ms",
		time.Second:                      "1.00s",
		90*time.Second + time.Nanosecond: "90.0s",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%d) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 4.256: "4.26", 12: "12", 12.34: "12.3", 99.96: "100", 5667.4: "5,667"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %q, want %q", v, got, want)
		}
	}
	if got := long(9*time.Second + 816*time.Millisecond); got != "9.82s" {
		t.Errorf("long = %q", got)
	}
}
