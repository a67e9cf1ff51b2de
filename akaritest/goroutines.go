package akaritest

import (
	"bytes"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// patience is how long goroutines may take to end after a test.
const patience = 2 * time.Second

// goroutine is one entry of a stack dump.
type goroutine struct {
	id, parent int
	stack      string
}

var (
	header    = regexp.MustCompile(`^goroutine (\d+)`)
	createdBy = regexp.MustCompile(`created by .* in goroutine (\d+)\n`)
)

// stacks returns the dump of this goroutine or of all.
func stacks(all bool) []byte {
	for size := 64 << 10; ; size *= 2 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, all); n < size {
			return buf[:n]
		}
	}
}

func inBubble() bool {
	first, _, _ := bytes.Cut(stacks(false), []byte("\n"))
	return bytes.Contains(first, []byte("synctest bubble"))
}

// goroutines returns the goroutines that live now, by id.
func goroutines() map[int]goroutine {
	found := make(map[int]goroutine)
	for stack := range strings.SplitSeq(string(stacks(true)), "\n\n") {
		if id := submatch(header, stack); id != 0 {
			found[id] = goroutine{id: id, parent: submatch(createdBy, stack+"\n"), stack: stack}
		}
	}
	return found
}

func submatch(re *regexp.Regexp, text string) int {
	match := re.FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	n, _ := strconv.Atoi(match[1])
	return n
}

// lingering waits for the goroutines started since before to end, and returns
// the stacks of those that have not done so in time.
func lingering(before map[int]goroutine) []string {
	deadline := time.Now().Add(patience)
	for {
		now := goroutines()
		me := submatch(header, string(stacks(false)))
		var left []string
		for _, id := range slices.Sorted(maps.Keys(now)) {
			if _, old := before[id]; !old && id != me && !now[id].foreign(now, me) {
				left = append(left, now[id].stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// foreign reports whether a goroutine belongs to the runtime, to the testing
// package, or to another test: one whose own goroutine is among its ancestors.
func (g goroutine) foreign(all map[int]goroutine, me int) bool {
	for {
		if g.id == me {
			return false
		}
		if strings.Contains(g.stack, "testing.tRunner(") ||
			strings.Contains(g.stack, "synctest bubble") ||
			strings.Contains(g.stack, "created by runtime.") ||
			strings.Contains(g.stack, "created by testing.") ||
			strings.Contains(g.stack, "created by os/signal.") {
			return true
		}
		parent, ok := all[g.parent]
		if !ok {
			return false
		}
		g = parent
	}
}
