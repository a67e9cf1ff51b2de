package main

import (
	"runtime"
	"strings"
	"testing"
)

func TestMachineAndVersions(t *testing.T) {
	about := machine() + "; " + versions()
	for _, want := range []string{runtime.Version(), runtime.GOOS, "processors", "akari ", "; akari ", "puddle/v2 v2"} {
		if !strings.Contains(about, want) {
			t.Errorf("%q is missing in %q", want, about)
		}
	}
	for _, unwanted := range []string{"gonum", "golang.org/x/sync", "(devel)"} {
		if strings.Contains(about, unwanted) {
			t.Errorf("%q is not what is compared: %q", unwanted, about)
		}
	}
}
