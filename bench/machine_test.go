package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
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

func TestRevisionOfABuild(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for want, settings := range map[string][]debug.BuildSetting{
		"":              {setting("-race", "true")},
		"0123456":       {setting("vcs.revision", "0123456789"), setting("vcs.modified", "false")},
		"0123456-dirty": {setting("vcs.modified", "true"), setting("vcs.revision", "0123456789")},
		"012":           {setting("vcs.revision", "012")},
	} {
		if got := stamped(settings); got != want {
			t.Errorf("%v: %q, wanted %q", settings, got, want)
		}
	}
}

// The revision is that of the repository with the code, whatever folder the
// command runs in, and not of one that holds a copy of it.
func TestRevisionOfTheCode(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	here := revision()
	dir := t.TempDir()
	t.Chdir(dir)
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	file := filepath.Join(dir, "machine.go")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run("init", "--quiet")
	run("commit", "--quiet", "--allow-empty", "--message", "first")
	if there := described(file); there != "" {
		t.Errorf("a file that the repository does not know is of %s", there)
	}
	run("add", "machine.go")
	run("commit", "--quiet", "--message", "second")
	run("tag", "v1")
	if there := described(file); there != "v1" {
		t.Errorf("the file is of %q, not v1", there)
	}
	if again := revision(); again != here {
		t.Errorf("the code is of %s, elsewhere %s", here, again)
	}
}
