package main

import (
	"fmt"
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
	d := document{lines: strings.Split(text, "\n")}
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
	return strings.Join(append(out, d.lines[kept:]...), "\n")
}

// write puts a run into a document, and its charts beside it: of docs/a.md the
// chart "size" is docs/a-size.svg.
func (r results) write(path string, parts []string, about string) error {
	d, err := readDocument(path, parts) // once more: it may have been edited meanwhile
	if err != nil {
		return err
	}
	for _, c := range r.charts {
		svg, err := c.svg()
		if err != nil {
			return fmt.Errorf("chart %s: %w", c.name, err)
		}
		file := strings.TrimSuffix(path, filepath.Ext(path)) + "-" + c.name + ".svg"
		if err := os.WriteFile(file, svg, 0o666); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(d.renewed(r.printed, about)), 0o666)
}
