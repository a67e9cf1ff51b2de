package akari

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/akaripool/akari/internal/sessionstate"
)

// remembered counts the texts that are kept.
func (f *effects) remembered() int {
	seen := map[any]bool{}
	for _, m := range []*sync.Map{f.young.Load(), f.old.Load()} {
		if m != nil {
			m.Range(func(text, _ any) bool { seen[text] = true; return true })
		}
	}
	return len(seen)
}

func TestTextsWithoutEndTakeBoundedMemory(t *testing.T) {
	var f effects
	p := &Pool{}
	of := func(text string) *statement { return f.of(p, DialectPostgreSQL, text) }
	const busy = "SELECT n FROM numbers WHERE n <= $1"
	first := of(busy)
	first.seen.Add(1)
	for i := range 5 * maxStatements {
		if s := of(fmt.Sprintf("SELECT %d", i)); s.effect != 0 || s.change != noChange {
			t.Fatalf("SELECT %d: %v", i, s.effect)
		}
		if s := of(fmt.Sprintf("SET tenant TO '%d'", i)); s.effect&sessionstate.Settings == 0 {
			t.Fatalf("SET number %d: %v", i, s.effect)
		}
		if of(busy) != first {
			t.Fatalf("a text in use was forgotten after %d others", 2*i)
		}
		if i%1000 == 0 {
			if n := f.remembered(); n > 2*maxStatements {
				t.Fatalf("%d texts are kept", n)
			}
		}
	}
	if n := f.remembered(); n > 2*maxStatements || n < maxStatements {
		t.Errorf("%d texts are kept", n)
	}
	if of("SELECT 0") == of("SELECT 1") {
		t.Error("two texts are taken for one")
	}
}

func TestLongTextsAreNotKept(t *testing.T) {
	var f effects
	p := &Pool{}
	padding := strings.Repeat(" ", maxStatementSize)
	for i := range 100 {
		if s := f.of(p, DialectPostgreSQL, fmt.Sprintf("SET tenant TO '%d'%s", i, padding)); s.effect&sessionstate.Settings == 0 {
			t.Fatalf("%v", s.effect)
		}
	}
	if n := f.remembered(); n != 0 {
		t.Errorf("%d texts are kept", n)
	}
}

// A library may build its texts in memory that it uses again.
func TestTextInMemoryThatIsUsedAgainIsKeptAsItWas(t *testing.T) {
	var f effects
	p := &Pool{}
	b := []byte("SELECT 1")
	first := f.of(p, DialectPostgreSQL, unsafe.String(&b[0], len(b)))
	copy(b, "RESET a ")
	if s := f.of(p, DialectPostgreSQL, unsafe.String(&b[0], len(b))); s.effect&sessionstate.Settings == 0 {
		t.Errorf("RESET is taken for %v", s.effect)
	}
	if f.of(p, DialectPostgreSQL, "SELECT 1") != first {
		t.Error("SELECT 1 is not kept by that text")
	}
}

func TestTextsAreLookedAtFromManyGoroutines(t *testing.T) {
	var f effects
	p := &Pool{}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range maxStatements {
				text, want := fmt.Sprintf("SELECT %d", i), sessionstate.Effect(0)
				if (i+g)%3 == 0 {
					text, want = fmt.Sprintf("LISTEN c%d", i), sessionstate.Listen
				}
				if s := f.of(p, DialectPostgreSQL, text); s.effect != want {
					t.Errorf("%s: %v", text, s.effect)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := f.remembered(); n > 2*maxStatements {
		t.Errorf("%d texts are kept", n)
	}
}

// Drivers that prepare every parametrised query anew, or not at all, gain by
// statements that the pool keeps; pgx keeps its own.
func TestStatementsOfDriversThatPrepareEachTimeAreKept(t *testing.T) {
	for _, pr := range profiles {
		want := map[string]int{"pq": 100, "mysql": 100}[pr.name]
		if pr.statementCache != want || new(Pool).caches(&pr.profile) != (want > 0) {
			t.Errorf("%s: %d statements are kept, want %d", pr.name, pr.statementCache, want)
		}
	}
}
