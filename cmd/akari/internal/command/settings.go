package command

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/akaripool/akari"
)

// setting is a field of akari.Config as a flag. It takes any text: what is
// wrong with it is told by config, together with everything else.
type setting struct {
	field reflect.StructField
	text  string
	given bool
}

var (
	_ flag.Value = (*setting)(nil)

	durationType = reflect.TypeFor[time.Duration]()
	resetType    = reflect.TypeFor[akari.SessionReset]()
)

func (s *setting) Set(text string) error { s.text, s.given = text, true; return nil }

func (s *setting) String() string { return s.text }

// IsBoolFlag lets package flag take -read-only without a value.
func (s *setting) IsBoolFlag() bool {
	return s.field.Type != nil && s.field.Type.Kind() == reflect.Bool
}

// settings are all fields of akari.Config that can be written on a command
// line. They come from the type, so that a new one is there by itself.
type settings []*setting

func newSettings() settings {
	var all settings
	t := reflect.TypeFor[akari.Config]()
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && writable(f.Type) {
			all = append(all, &setting{field: f})
		}
	}
	return all
}

func writable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Int, reflect.Int64, reflect.Bool, reflect.String, reflect.Float64:
		return true
	}
	return false
}

// register makes the flags: -maximum-pool-size, and as HikariCP spells it,
// -maximumPoolSize.
func (all settings) register(fs *flag.FlagSet) (names []string) {
	for _, s := range all {
		kebab, camel := spellings(s.field.Name)
		fs.Var(s, kebab, "")
		if camel != kebab {
			fs.Var(s, camel, "")
		}
		names = append(names, kebab)
	}
	return names
}

// inFlags returns err with the settings in it named as flags are: the user has
// typed -maximum-pool-size, or -maximumPoolSize, and not Config.MaximumPoolSize.
func (all settings) inFlags(err error, typed map[string]bool) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var each []error
		for _, e := range joined.Unwrap() {
			each = append(each, all.inFlags(e, typed))
		}
		return errors.Join(each...)
	}
	var bad *akari.ConfigError
	if !errors.As(err, &bad) {
		return err
	}
	names := map[string]string{}
	for _, s := range all {
		kebab, camel := spellings(s.field.Name)
		names[s.field.Name] = "-" + kebab
		if typed[camel] && !typed[kebab] {
			names[s.field.Name] = "-" + camel
		}
	}
	problem := inWords.Replace(bad.Problem)
	problem = goName.ReplaceAllStringFunc(problem, func(word string) string { return cmp.Or(names[word], word) })
	return fmt.Errorf("%s is %v: %s", cmp.Or(names[bad.Field], bad.Field), bad.Value, problem)
}

var (
	// inWords writes what Go has constants for as it is typed.
	inWords = strings.NewReplacer(
		", 0 for as many as that, or akari.None", ", or none",
		"akari.Disabled", "disabled", "akari.None", "none", "akari.TryOnce", "try-once", "akari.DontTry", "dont-try",
		"Config.", "")
	goName = regexp.MustCompile(`[A-Za-z]+`)
)

// config makes a configuration of the flags that were given. The error names
// every value that cannot be read; bounds are checked by Config.Validate.
func (all settings) config() (cfg akari.Config, given map[string]string, err error) {
	given = map[string]string{}
	var problems []error
	for _, s := range all {
		if !s.given {
			continue
		}
		given[s.field.Name] = s.text
		if s.field.Name == "ConnectionInitSQL" {
			given[s.field.Name] = "<masked>" // as the pool does in its log
		}
		value, problem := s.value()
		if problem != "" {
			problems = append(problems, &akari.ConfigError{Field: s.field.Name, Value: strconv.Quote(s.text), Problem: problem})
			continue
		}
		reflect.ValueOf(&cfg).Elem().FieldByIndex(s.field.Index).Set(value)
	}
	return cfg, given, errors.Join(problems...)
}

// value reads the text. If it cannot, it says what is wrong and what to do.
func (s *setting) value() (v reflect.Value, problem string) {
	t := s.field.Type
	v = reflect.New(t).Elem()
	if words := s.words(); words != nil {
		for i, w := range words {
			if simple(s.text) == simple(w.name) {
				v.SetInt(words[i].value)
				return v, ""
			}
		}
		if t.Name() != "int" && t != durationType {
			return v, "must be " + wordList(words)
		}
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(s.text)
	case reflect.Bool:
		b, err := strconv.ParseBool(s.text)
		if err != nil {
			return v, "must be true or false"
		}
		v.SetBool(b)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s.text, 64)
		if err != nil {
			return v, "must be a number"
		}
		v.SetFloat(f)
	default:
		return s.integer(v)
	}
	return v, ""
}

// integer reads a number or a duration.
func (s *setting) integer(v reflect.Value) (_ reflect.Value, problem string) {
	n, err := strconv.ParseInt(s.text, 10, 64)
	what := "must be a whole number"
	if v.Type() == durationType {
		what = "must be a duration such as 250ms, 30s or 10m"
		if err == nil && n != 0 {
			return v, what + "; a number alone has no unit: for milliseconds write " + s.text + "ms"
		}
		var d time.Duration
		d, err = time.ParseDuration(s.text)
		n = int64(d)
	}
	words := s.words()
	if err != nil || v.OverflowInt(n) {
		if len(words) > 0 {
			what += ", or " + wordList(words)
		}
		return v, what
	}
	if n == 0 && len(words) > 0 {
		return v, "would stand for the default here; leave the flag out for that, or write " + wordList(words)
	}
	v.SetInt(n)
	return v, ""
}

// word is a name for a value.
type word struct {
	name  string
	value int64
}

func wordList(words []word) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(w.name)
	}
	return b.String()
}

// words are the names that the setting's values have, nil if they have none.
func (s *setting) words() []word {
	t := s.field.Type
	switch {
	case s.field.Name == "InitializationFailTimeout":
		return []word{{"try-once", int64(akari.TryOnce)}, {"dont-try", int64(akari.DontTry)}}
	case t == durationType && s.accepts(int64(akari.Disabled)):
		return []word{{"disabled", int64(akari.Disabled)}}
	case t.Kind() == reflect.Int && t.Name() == "int" && s.accepts(akari.None):
		return []word{{"none", akari.None}}
	case t == resetType:
		return []word{{"dirty", int64(akari.ResetDirty)}, {"always", int64(akari.ResetAlways)}, {"off", int64(akari.ResetOff)}}
	case t.Implements(reflect.TypeFor[fmt.Stringer]()) && t != durationType:
		return s.enumeration()
	}
	return nil
}

// enumeration names the values of a type that can name them itself, as far as
// the pool takes them.
func (s *setting) enumeration() []word {
	var words []word
	seen := map[string]bool{}
	for n := range int64(16) {
		v := reflect.New(s.field.Type).Elem()
		v.SetInt(n)
		name := strings.ReplaceAll(strings.ToLower(v.Interface().(fmt.Stringer).String()), " ", "-")
		if s.accepts(n) && !seen[name] {
			seen[name] = true
			words = append(words, word{name, n})
		}
	}
	return words
}

// accepts asks the pool whether the setting may have a value.
func (s *setting) accepts(n int64) bool {
	var cfg akari.Config
	reflect.ValueOf(&cfg).Elem().FieldByIndex(s.field.Index).SetInt(n)
	joined, ok := cfg.Validate().(interface{ Unwrap() []error })
	if !ok {
		return true
	}
	for _, err := range joined.Unwrap() {
		var bad *akari.ConfigError
		if errors.As(err, &bad) && bad.Field == s.field.Name {
			return false
		}
	}
	return true
}

// simple makes spellings of a word equal: READ_COMMITTED, Read Committed and
// HikariCP's TRANSACTION_READ_COMMITTED.
func simple(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	if rest, ok := strings.CutPrefix(s, "transaction"); ok && rest != "" {
		return rest
	}
	return s
}

// spellings are a field's name as a flag and as HikariCP has it:
// ConnectionInitSQL, connection-init-sql, connectionInitSql.
func spellings(field string) (kebab, camel string) {
	words := splitName(field)
	for i, w := range words {
		words[i] = strings.ToLower(w)
	}
	kebab = strings.Join(words, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return kebab, strings.Join(words, "")
}

// splitName splits a Go name into words; ID and SQL are words.
func splitName(name string) []string {
	var words []string
	from := 0
	for i := 1; i < len(name); i++ {
		upper := func(j int) bool { return j < len(name) && unicode.IsUpper(rune(name[j])) }
		if upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			words = append(words, name[from:i])
			from = i
		}
	}
	return append(words, name[from:])
}

// kind is what the help says of a setting's values.
func (s *setting) kind() string {
	t := s.field.Type
	words := s.words()
	name := map[reflect.Kind]string{reflect.String: "text", reflect.Float64: "number", reflect.Int: "number", reflect.Int64: "number"}[t.Kind()]
	switch {
	case t.Kind() == reflect.Bool:
		return ""
	case t == durationType:
		name = "duration"
	case t.Name() != "int" && len(words) > 0:
		name = ""
	}
	for _, w := range words {
		if name != "" {
			name += "|"
		}
		name += w.name
	}
	return name
}
