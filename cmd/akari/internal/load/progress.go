package load

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// How often progress is shown: on a terminal, and where each time costs a line.
const (
	redrawEvery = 250 * time.Millisecond
	lineEvery   = time.Second
)

// watch shows how the load goes until the function it returns is called.
func (r *run) watch() (stop func()) {
	every := lineEvery
	if r.con.width() > 0 {
		every = redrawEvery
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.show()
			case <-end:
				r.con.clear()
				return
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
	}
}

func (r *run) show() {
	sl := r.latest.Load()
	if sl == nil {
		return
	}
	p := r.progress(sl, time.Now())
	if width := r.con.width(); width > 0 {
		r.con.draw(p.redrawn(width - 1)) // a full line would wrap
	} else {
		fmt.Fprintln(r.con, p.line())
	}
}

// progress is how things stand.
type progress struct {
	elapsed, total time.Duration
	perSecond      float64
	p99            time.Duration
	errors         int64
	pool           string
	measuring      bool // the warm-up is over
}

func (r *run) progress(sl *slice, now time.Time) progress {
	p := progress{elapsed: min(now.Sub(r.began), r.total), total: r.total, pool: sl.side.line()}
	done, failed, p99 := sl.side.recorders.glance()
	p.errors, p.p99 = failed, p99
	measured := sl.measuredSoFar(now)
	if p.measuring = measured > 0; p.measuring {
		p.perSecond = float64(done) / measured.Seconds()
	}
	return p
}

// numbers are the parts of a line, the most important first.
func (p *progress) numbers() []string {
	parts := []string{fmt.Sprintf("%3.0f%%", 100*p.elapsed.Seconds()/p.total.Seconds())}
	switch {
	case p.p99 > 0 || p.errors > 0:
		parts = append(parts, number(p.perSecond)+"/s", "p99 "+short(p.p99))
	case p.measuring:
		parts = append(parts, "no operation yet")
	default:
		parts = append(parts, "warming up")
	}
	if p.errors > 0 {
		parts = append(parts, fmt.Sprintf("errors %d", p.errors))
	}
	return append(parts, p.pool)
}

func (p *progress) line() string {
	return fmt.Sprintf("%5.1fs %s", p.elapsed.Seconds(), strings.Join(p.numbers(), "  "))
}

// redrawn is a line for a terminal: a bar as long as there is room, and less of
// the numbers where there is none.
func (p *progress) redrawn(width int) string {
	const longestBar, shortestBar = 30, 10
	text := strings.Join(p.numbers(), "  ")
	room := min(width-len([]rune(text))-3, longestBar)
	if room >= shortestBar {
		full := int(float64(room) * p.elapsed.Seconds() / p.total.Seconds())
		return "[" + strings.Repeat("#", full) + strings.Repeat("-", room-full) + "] " + text
	}
	if r := []rune(text); len(r) > width {
		return string(r[:max(width, 0)])
	}
	return text
}
