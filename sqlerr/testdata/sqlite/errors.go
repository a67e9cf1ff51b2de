// Package sqlite has errors like those of the SQLite drivers that are told by
// the name of their package.
package sqlite

// Modernc is like *sqlite.Error of modernc.org/sqlite.
type Modernc struct {
	Msg string
	Rc  int
}

func (e *Modernc) Error() string { return e.Msg }

// Code is the extended code.
func (e *Modernc) Code() int { return e.Rc }

// Primary and Extended are like the types of ncruces/go-sqlite3.
type (
	Primary  uint8
	Extended uint16
)

// Ncruces is like *sqlite3.Error of ncruces/go-sqlite3.
type Ncruces struct {
	Msg string
	Rc  uint64
}

func (e *Ncruces) Error() string { return "sqlite3: " + e.Msg }

// Code is the primary code.
func (e *Ncruces) Code() Primary { return Primary(e.Rc) }

// ExtendedCode is the extended code.
func (e *Ncruces) ExtendedCode() Extended { return Extended(e.Rc) }

// Other is an error that says nothing of codes.
type Other struct{}

func (*Other) Error() string { return "other" }

// ExtendedCode is of another kind.
func (*Other) ExtendedCode() string { return "517" }
