package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
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

// revision is that of the repository the command runs in, since go run puts none
// into what it builds.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "of unknown revision"
	}
	return strings.TrimSpace(string(out))
}
