package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine is what figures depend on beside the code: processor, system, Go.
func machine() string {
	count := fmt.Sprintf("%d processors", runtime.NumCPU())
	if n := runtime.GOMAXPROCS(0); n != runtime.NumCPU() {
		count += fmt.Sprintf(", %d in use", n)
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil { // Linux
		if model := modelName.FindSubmatch(info); model != nil {
			count += fmt.Sprintf(" (%s)", model[1])
		}
	}
	return fmt.Sprintf("%s, %s/%s, %s", count, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

var modelName = regexp.MustCompile(`(?m)^model name\s*: (.*\S)\s*$`)

//go:embed go.mod
var requirements string

// versions are those of akari and of the modules that it is compared with: what
// go.mod requires for this module's own sake, but for akari and what draws.
func versions() string {
	list := []string{"akari " + revision()}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return list[0]
	}
	for _, module := range build.Deps {
		if strings.HasPrefix(module.Path, "github.com/akaripool/") || strings.HasPrefix(module.Path, "gonum.org/") {
			continue
		}
		direct := regexp.MustCompile(`(?m)^(require )?\s*` + regexp.QuoteMeta(module.Path) + ` v\S+$`)
		if direct.MatchString(requirements) {
			list = append(list, module.Path+" "+module.Version)
		}
	}
	return strings.Join(list, ", ")
}

// revision is what the build says it was made from; since go run has it say
// nothing, else what git says of the folder this file is in.
func revision() string {
	if build, ok := debug.ReadBuildInfo(); ok {
		if r := stamped(build.Settings); r != "" {
			return r
		}
	}
	if _, file, _, ok := runtime.Caller(0); ok {
		if r := described(file); r != "" {
			return r
		}
	}
	return "of unknown revision"
}

// stamped is the revision among a build's settings, as git describes one.
func stamped(settings []debug.BuildSetting) string {
	var revision, dirty string
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), 7)]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + dirty
}

// described is the revision of the repository that has the file. A repository that
// does not know it, around a copy of this one, says nothing of it.
func described(file string) string {
	in := func(args ...string) (string, error) {
		out, err := exec.Command("git", append([]string{"-C", filepath.Dir(file)}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	if _, err := in("ls-files", "--error-unmatch", filepath.Base(file)); err != nil {
		return ""
	}
	revision, err := in("describe", "--always", "--dirty", "--tags")
	if err != nil {
		return ""
	}
	return revision
}
