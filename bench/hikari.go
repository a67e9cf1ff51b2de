package main

import (
	"bufio"
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// mostThreads is how many callers HikariCP is measured with: its callers are
// threads.
const mostThreads = 1024

//go:embed hikari/Harness.java
var harness []byte

// javaJars is where Debian's libhikaricp-java and libslf4j-java have their jars.
const javaJars = "/usr/share/java"

// jvm is a Java process that has crowds use HikariCP. It does what a line says and
// answers with one; at other times it does nothing.
type jvm struct {
	versions string
	cmd      *exec.Cmd
	in       io.WriteCloser
	out      *bufio.Reader
	stderr   bytes.Buffer // complete when the process has ended
}

// startHikari starts a JVM with HikariCP, warmed up. An error says what is missing.
func startHikari() (*jvm, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("there is no java (Debian: apt-get install default-jdk-headless)")
	}
	path := os.Getenv("HIKARI_CLASSPATH")
	if path != "" {
		j, err := startHarness(java, path)
		if err != nil {
			err = fmt.Errorf("with HIKARI_CLASSPATH=%s: %w", path, err)
		}
		return j, err
	}
	if path, err = classpath(javaJars); err != nil {
		return nil, err
	}
	return startHarness(java, path)
}

func startHarness(java, classpath string) (*jvm, error) {
	dir, err := os.MkdirTemp("", "akari-bench-")
	if err != nil {
		return nil, err
	}
	defer removing(dir)() // java has compiled it by then
	source := filepath.Join(dir, "Harness.java")
	if err := os.WriteFile(source, harness, 0o600); err != nil {
		return nil, err
	}
	j, err := startJVM(exec.Command(java, "-cp", classpath, source))
	if err != nil {
		return nil, err
	}
	if err := j.warmUp(); err != nil {
		j.stop()
		return nil, err
	}
	return j, nil
}

// classpath is HikariCP and what it needs, of the jars in dir.
func classpath(dir string) (string, error) {
	var all []string
	for _, jar := range []string{"HikariCP.jar", "slf4j-api.jar", "slf4j-nop.jar"} {
		path := filepath.Join(dir, jar)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("there is no %s (Debian: apt-get install libhikaricp-java; elsewhere: set HIKARI_CLASSPATH to the jars of HikariCP and slf4j)", path)
		}
		all = append(all, path)
	}
	return strings.Join(all, string(filepath.ListSeparator)), nil
}

func startJVM(cmd *exec.Cmd) (*jvm, error) {
	j := &jvm{cmd: cmd}
	cmd.Stderr = &j.stderr
	var err error
	if j.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	j.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if j.versions, err = j.answer(0); err != nil {
		j.stop()
		return nil, err
	}
	return j, nil
}

// warmUp has the just-in-time compiler see what is measured later.
func (j *jvm) warmUp() error {
	const long = 300 * time.Millisecond
	pool, err := j.open(8, 8, &stub{})
	if err != nil {
		return err
	}
	defer pool.close()
	if _, err := j.ask(long, "borrow 16 %d", long); err != nil {
		return err
	}
	_, err = pool.rush(16, 0)
	return err
}

// ask has the process do something that takes about as long as said.
func (j *jvm) ask(long time.Duration, format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(j.in, format+"\n", args...); err != nil {
		return "", j.died(err)
	}
	return j.answer(long)
}

func (j *jvm) answer(long time.Duration) (string, error) {
	hung := time.AfterFunc(long+time.Minute, func() { _ = j.cmd.Process.Kill() })
	line, err := j.out.ReadString('\n')
	hung.Stop()
	if err != nil {
		return "", j.died(err)
	}
	verdict, answer, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
	if verdict != "ok" {
		return "", fmt.Errorf("java: %s", answer)
	}
	return answer, nil
}

// died ends a process that does not answer, and says what it had to say.
func (j *jvm) died(err error) error {
	j.stop()
	said, _, _ := strings.Cut(strings.TrimSpace(j.stderr.String()), "\n")
	return fmt.Errorf("java ended early: %w: %s", err, said)
}

func (j *jvm) stop() {
	_ = j.in.Close() // which ends it
	hung := time.AfterFunc(10*time.Second, func() { _ = j.cmd.Process.Kill() })
	defer hung.Stop()
	_ = j.cmd.Wait()
}

// open makes a pool of HikariCP, which has its connections when it is there. There
// is one at a time. The stub is the harness's own: s says how slow it is, and is
// told what it did.
func (j *jvm) open(size, warm int, s *stub) (subject, error) {
	connect := time.Duration(s.connect.Load())
	if _, err := j.ask(time.Duration(warm)*connect, "open %d %d %d", size, warm, connect); err != nil {
		return nil, err
	}
	return &jvmPool{j: j, s: s}, nil
}

type jvmPool struct {
	j    *jvm
	s    *stub
	warm int // callers the JVM has seen with this pool
}

func (*jvmPool) fill(int) error { return nil }

// perTurn warms up first, once for a number of callers.
func (p *jvmPool) perTurn(callers int, turn time.Duration) (float64, error) {
	if callers > mostThreads {
		return math.NaN(), nil
	}
	if p.warm != callers {
		if _, err := p.j.ask(5*turn, "borrow %d %d", callers, 5*turn); err != nil {
			return 0, err
		}
		p.warm = callers
	}
	answer, err := p.j.ask(turn, "borrow %d %d", callers, turn)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(answer, 64)
}

// waits warms up for as long as it measures.
func (p *jvmPool) waits(callers int, turn time.Duration, load string, _ func()) (waited, error) {
	answer, err := p.j.ask(2*turn, "tail %d %d %d %s", callers, turn, turn, load)
	if err != nil {
		return waited{}, err
	}
	each, err := parseWaits(answer)
	if err != nil {
		return waited{}, err
	}
	return sum(each), nil
}

func (p *jvmPool) rush(callers int, hold time.Duration) (time.Duration, error) {
	answer, err := p.j.ask(time.Duration(callers)*hold, "rush %d %d %d", callers, hold, p.s.connect.Load())
	if err != nil {
		return 0, err
	}
	took, opened, err := parseRush(answer)
	p.s.opened.Store(opened)
	return took, err
}

func (p *jvmPool) close() { _, _ = p.j.ask(0, "close") }

// parseWaits reads "wait hold wait hold;wait hold": of each caller, nanoseconds.
func parseWaits(answer string) ([]waited, error) {
	var each []waited
	for caller := range strings.SplitSeq(answer, ";") {
		var w waited
		numbers := strings.Fields(caller)
		if len(numbers)%2 != 0 {
			return nil, errors.New("a wait without a hold in java's answer")
		}
		for i, text := range numbers {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, err
			}
			if i%2 == 0 {
				w.waits = append(w.waits, time.Duration(n))
			} else {
				w.holds = append(w.holds, time.Duration(n))
			}
		}
		each = append(each, w)
	}
	return each, nil
}

// parseRush reads "took opened".
func parseRush(answer string) (took time.Duration, opened int64, err error) {
	_, err = fmt.Sscanf(answer, "%d %d", &took, &opened)
	return took, opened, err
}
