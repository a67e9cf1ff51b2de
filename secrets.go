package akari

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// secrets knows what must not be shown: data source names and passwords. A
// driver's error is masked before it reaches an error or a log of the pool.
type secrets struct {
	mu    sync.Mutex // guards words; nothing else is taken while it is held
	words []string   // longest first is not needed: each is replaced wherever it stands
}

const masked = "<masked>"

// shortestSecret: a password of a letter or two would be masked in the middle
// of ordinary words; nobody is helped by that.
const shortestSecret = 3

// maxSecrets bounds the passwords that are remembered while they rotate.
const maxSecrets = 32

// secretsOf collects what a data source name says in confidence.
func secretsOf(dsn string) *secrets {
	s := &secrets{}
	s.add(dsn)
	switch formOf(dsn) {
	case formURL:
		if u, err := url.Parse(dsn); err == nil {
			if pw, ok := u.User.Password(); ok {
				s.add(pw)
			}
			s.addParameters(u.RawQuery)
		} else if m := urlPassword.FindStringSubmatch(dsn); m != nil {
			s.add(m[1])
		}
	case formKeywords:
		for _, m := range keywordPassword.FindAllStringSubmatch(dsn, -1) {
			s.add(strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(m[1]))
			s.add(m[2])
		}
	case formMySQL:
		if slash := strings.LastIndexByte(dsn, '/'); slash >= 0 {
			if at := strings.LastIndexByte(dsn[:slash], '@'); at >= 0 {
				if _, pw, ok := strings.Cut(dsn[:at], ":"); ok {
					s.add(pw)
				}
			}
		}
	}
	return s
}

// addParameters adds the passwords among the parameters of a URL. A semicolon
// separates them too where another one follows; url.Query drops what has any.
func (s *secrets) addParameters(query string) {
	for pair := range strings.SplitSeq(semicolon.ReplaceAllString(query, "&$1"), "&") {
		name, value, _ := strings.Cut(pair, "=")
		if !passwordName.MatchString(name) {
			continue
		}
		s.add(value)
		if plain, err := url.QueryUnescape(value); err == nil {
			s.add(plain)
		}
	}
}

var (
	passwordName    = regexp.MustCompile(`(?i)passw(or)?d|secret|token`)
	semicolon       = regexp.MustCompile(`;(\w+=)`)
	urlPassword     = regexp.MustCompile(`://[^:/@]*:(.*)@`)
	keywordPassword = regexp.MustCompile(`(?i)(?:password|sslpassword|passwd)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|([^\s']+))`)
)

// add remembers a secret and the ways in which it may be written.
func (s *secrets) add(word string) {
	if len(word) < shortestSecret {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range []string{word, url.QueryEscape(word), url.PathEscape(word)} {
		known := false
		for _, k := range s.words {
			known = known || k == w
		}
		if !known {
			s.words = append(s.words, w)
		}
	}
	if n := len(s.words) - 3*maxSecrets; n > 0 {
		s.words = append(s.words[:1], s.words[1+n:]...) // the data source name stays
	}
}

// text masks what must not be shown.
func (s *secrets) text(t string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.words {
		t = strings.ReplaceAll(t, w, masked)
	}
	return t
}

// mask returns err as it is if its text shows nothing, else an error with the
// text masked, which no longer unwraps to it but keeps its code and what
// errors.Is says of a few errors that matter.
func (s *secrets) mask(err error) error {
	if err == nil {
		return nil
	}
	shown := err.Error()
	text := s.text(shown)
	if text == shown {
		return err
	}
	m := &maskedError{text: text, code: codeOf(err), is: err}
	var setup *setupError
	if errors.As(err, &setup) {
		return &setupError{setup.step, &maskedError{text: s.text(setup.err.Error()), code: m.code, is: setup.err}}
	}
	return m
}

// maskedError stands for an error whose text would show a secret.
type maskedError struct {
	text string
	code code
	is   error // for Is only; never handed out
}

func (e *maskedError) Error() string { return e.text }

// SQLState is the code of the error it stands for.
func (e *maskedError) SQLState() string { return e.code.state }

func (e *maskedError) Is(target error) bool { return errors.Is(e.is, target) }
