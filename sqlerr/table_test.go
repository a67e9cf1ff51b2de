package sqlerr

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented are the rows of the table in doc.go: the words that stand beside
// each class.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	rows, class := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
		row, is := strings.CutPrefix(line, "//\t")
		if !is || strings.Contains(row, "SQLSTATE") {
			continue
		}
		words := strings.Fields(row)
		if !strings.HasPrefix(row, " ") && !regexp.MustCompile(`^[a-z_]`).MatchString(row) {
			class, words = words[0], words[1:]
		}
		rows[class] = append(rows[class], words...)
	}
	return rows
}

// TestTableInTheDocumentationHasEveryCode, in the row of its class.
func TestTableInTheDocumentationHasEveryCode(t *testing.T) {
	rows := documented(t)
	row := func(c Class) []string {
		words := strings.Fields(c.String())
		for i, w := range words {
			words[i] = strings.ToUpper(w[:1]) + w[1:]
		}
		return rows[strings.ReplaceAll(strings.Join(words, ""), "Read-only", "ReadOnly")]
	}
	count := 0
	want := func(c Class, code string) {
		count++
		if !slices.Contains(row(c), code) {
			t.Errorf("%s is not in the row of %v: %v", code, c, row(c))
		}
	}
	for state, c := range states {
		want(c, state)
	}
	for _, numbers := range []map[int]Class{mysqlNumbers, sqliteNumbers, sqlServerNumbers} {
		for n, c := range numbers {
			want(c, fmt.Sprint(n))
		}
	}
	for n, c := range oracleNumbers {
		want(c, fmt.Sprintf("%05d", n))
	}
	if all := len(states) + len(mysqlNumbers) + len(sqliteNumbers) + len(sqlServerNumbers) + len(oracleNumbers); count != all || all < 100 {
		t.Errorf("%d of %d codes checked", count, all)
	}

	// And the other way round.
	for class, words := range rows {
		for _, w := range words {
			if !regexp.MustCompile(`^[0-9][0-9A-Z]{4}$|^[0-9]{3,4}$`).MatchString(w) {
				continue // what needs a look, or is said in words
			}
			if !hasCode(w) {
				t.Errorf("%s of %s is not known", w, class)
			}
		}
	}
}

func hasCode(w string) bool {
	if _, ok := states[w]; ok {
		return true
	}
	for _, numbers := range []map[int]Class{mysqlNumbers, sqliteNumbers, sqlServerNumbers, oracleNumbers} {
		for n := range numbers {
			if fmt.Sprint(n) == w || fmt.Sprintf("%05d", n) == w {
				return true
			}
		}
	}
	return false
}

// TestNoCodeIsInTwoRows of the source: the later one would win unseen.
func TestNoCodeIsInTwoRows(t *testing.T) {
	source, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for table, body := range tables(string(source)) {
		var numbers []string
		for _, m := range regexp.MustCompile(`each\(\w+, ([^)]*)\)`).FindAllStringSubmatch(body, -1) {
			numbers = append(numbers, strings.Split(m[1], ", ")...)
		}
		slices.Sort(numbers)
		if n := len(numbers); n != len(slices.Compact(numbers)) {
			t.Errorf("%s has a number twice", table)
		}
		seen += len(numbers)
	}
	if seen < 100 {
		t.Errorf("%d numbers seen", seen)
	}
}

// tables are the calls of numbers in the source, by the variable's name.
func tables(source string) map[string]string {
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)(\w+Numbers|\w+Primary) += numbers\((.*?)\n\t\)`).FindAllStringSubmatch(source, -1) {
		found[m[1]] = m[2]
	}
	return found
}
