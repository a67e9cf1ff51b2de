package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A document has marks, each alone on its line. What stands between a mark and its
// end is written by a run, everything else by hand:
//
//	<!-- bench: borrow -->
//	<!-- end -->
type document struct {
	lines    []string
	newline  string
	sections []section
}

// section is what stands between a mark and its end: lines[from:to].
type section struct {
	name     string // of a part, or measured
	from, to int
}

// measured is the mark of the line that says where, when and how it was measured.
const measured = "measured"

var (
	mark = regexp.MustCompile(`^<!-- bench: (.*) -->$`)
	end  = "<!-- end -->"
)

func readDocument(path string, parts []string) (document, error) {
	info, err := os.Stat(path)
	if err != nil {
		return document{}, err
	}
	if !info.Mode().IsRegular() {
		return document{}, fmt.Errorf("%s is no file that could be written anew", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return document{}, err
	}
	d, err := parseDocument(string(text), parts)
	if err != nil {
		return d, fmt.Errorf("%s:%w", path, err)
	}
	return d, nil
}

// parseDocument finds the marks of a text. All must be of parts that there are.
func parseDocument(text string, parts []string) (document, error) {
	d := document{newline: "\n"}
	if returns := strings.Count(text, "\r\n"); returns > 0 {
		if returns < strings.Count(text, "\n") {
			return d, errors.New(`1: some lines end in "\r\n", others in "\n"`)
		}
		d.newline = "\r\n"
	}
	d.lines = strings.Split(text, d.newline)
	open := false
	for i, line := range d.lines {
		found := mark.FindStringSubmatch(line)
		switch {
		case found != nil && open:
			return d, fmt.Errorf("%d: a mark before the last one's %q", i+1, end)
		case found != nil && found[1] != measured && !slices.Contains(parts, found[1]):
			return d, fmt.Errorf("%d: there is no part %q; there are %s", i+1, found[1], strings.Join(parts, ", "))
		case found != nil:
			open = true
			d.sections = append(d.sections, section{name: found[1], from: i + 1})
		case line == end && !open:
			return d, fmt.Errorf("%d: %q without a mark before it", i+1, end)
		case line == end:
			open = false
			d.sections[len(d.sections)-1].to = i
		}
	}
	if open {
		last := d.sections[len(d.sections)-1]
		return d, fmt.Errorf("%d: the mark of %q has no %q", last.from, last.name, end)
	}
	return d, nil
}

// choose returns the parts that are measured for the document: those that are
// wanted, which must have marks; if none is, all of parts that have.
func (d document) choose(wanted, parts []string) ([]string, error) {
	marked := func(name string) bool {
		return slices.ContainsFunc(d.sections, func(s section) bool { return s.name == name })
	}
	for _, name := range wanted {
		if !marked(name) {
			return nil, fmt.Errorf("there is no place for %s: it needs the lines %q and %q", name, "<!-- bench: "+name+" -->", end)
		}
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	all := slices.DeleteFunc(slices.Clone(parts), func(name string) bool { return !marked(name) })
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no place for results: it needs lines such as %q and %q", "<!-- bench: "+parts[0]+" -->", end)
	}
	return all, nil
}

// renewed is the document with what the parts of a run have printed. The line
// about the run goes to the mark for it if the run was of every part in the
// document; else below each that is new, since it is not true of the rest.
func (d document) renewed(printed map[string]string, about string) string {
	all := true
	for _, s := range d.sections {
		_, ran := printed[s.name]
		all = all && (ran || s.name == measured)
	}
	all = all && slices.ContainsFunc(d.sections, func(s section) bool { return s.name == measured })
	var out []string
	kept := 0 // lines up to here are in out
	for _, s := range d.sections {
		text, ran := printed[s.name]
		var lines []string
		switch {
		case ran:
			lines = append([]string{"```"}, strings.Split(strings.Trim(text, "\n"), "\n")...)
			lines = append(lines, "```")
			if !all {
				lines = append(lines, about)
			}
		case s.name == measured && all:
			lines = []string{about}
		default:
			continue
		}
		out = append(append(out, d.lines[kept:s.from]...), lines...)
		kept = s.to
	}
	return strings.Join(append(out, d.lines[kept:]...), d.newline)
}

// write puts a run into a document, and its charts beside it: of docs/a.md the
// chart "size" is docs/a-size.svg.
func (r results) write(path string, parts []string, about string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	d, err := readDocument(path, parts) // once more: it may have been edited meanwhile
	if err != nil {
		return err
	}
	drawn := map[string][]byte{}
	for _, c := range r.charts {
		if drawn[c.name], err = c.svg(); err != nil {
			return fmt.Errorf("chart %s: %w", c.name, err)
		}
	}
	if err := replace(path, []byte(d.renewed(r.printed, about))); err != nil {
		return err
	}
	for _, c := range r.charts {
		file := strings.TrimSuffix(path, filepath.Ext(path)) + "-" + c.name + ".svg"
		if err := replace(file, drawn[c.name]); err != nil {
			return fmt.Errorf("%s is written, but not its chart: %w", path, err)
		}
	}
	return nil
}

// writable says what would keep a document, and charts beside it, from being
// written.
func writable(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	f.Close()
	if f, err = os.CreateTemp(filepath.Dir(path), temporary); err != nil {
		return err
	}
	f.Close()
	return os.Remove(f.Name())
}

// temporary is the name of what becomes a file when it is complete.
const temporary = ".bench-*"

// replace writes a file anew: it has the old text or all of the new one, whatever
// happens meanwhile.
func replace(path string, text []byte) (err error) {
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
