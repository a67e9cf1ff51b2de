package load

import (
	"strings"
	"testing"
)

// marked writes pieces with marks around all that is no code.
func marked(ps []piece) string {
	var b strings.Builder
	for _, p := range ps {
		b.WriteString(map[pieceSort]string{pieceQuoted: "<", pieceComment: "{", pieceSemicolon: "["}[p.sort])
		b.WriteString(p.text)
		b.WriteString(map[pieceSort]string{pieceQuoted: ">", pieceComment: "}", pieceSemicolon: "]"}[p.sort])
	}
	return b.String()
}

func TestQuotesAndCommentsAreNotTakenForSQL(t *testing.T) {
	for _, c := range []struct {
		d          dialect
		text, want string
	}{
		{sqlite, "a; b", "a[;] b"},
		{sqlite, "'a;''b;' ; c", "<'a;'><'b;'> [;] c"},
		{sqlite, `"a;b" [x`, `<"a;b"> [x`},
		{sqlite, `[it's;];`, `<[it's;]>[;]`},
		{postgres, `a[1];b]`, `a[1][;]b]`},
		{sqlite, "`a;b`;", "<`a;b`>[;]"},
		{sqlite, `'a\';`, `<'a\'>[;]`},
		{sqlite, "a -- b;\nc;", "a {-- b;}\nc[;]"},
		{sqlite, "a /* b; /* c; */ d;", "a {/* b; /* c; */} d[;]"},
		{sqlite, "a # b;", "a # b[;]"},
		{sqlite, "'open; never closed", "<'open; never closed>"},
		{sqlite, "$1;$x$a;$x$", "$1[;]$x$a[;]$x$"},
		{postgres, "a /* b; /* c; */ d; */ e;", "a {/* b; /* c; */ d; */} e[;]"},
		{postgres, `E'a\';b';`, `E<'a\';b'>[;]`},
		{postgres, `name'a\';b`, `name<'a\'>[;]b`},
		{postgres, "$$a;b$$;", "<$$a;b$$>[;]"},
		{postgres, "$x$a;$$;$x$ $1;", "<$x$a;$$;$x$> $1[;]"},
		{postgres, "a$b$;c$b$;", "a$b$[;]c$b$[;]"},
		{mysql, `'a\';b' "c\";d";`, `<'a\';b'> <"c\";d">[;]`},
		{mysql, "a # b;\nc--1; -- d;", "a {# b;}\nc--1[;] {-- d;}"},
		{mysql, "`a\\`;", "<`a\\`>[;]"},
	} {
		if got := marked(pieces(c.d, c.text)); got != c.want {
			t.Errorf("dialect %d: %s\n got %s\nwant %s", c.d, c.text, got, c.want)
		}
	}
}

func FuzzPiecesKeepEveryCharacter(f *testing.F) {
	f.Add("a 'b' -- c\n;/* d */ $x$ e $x$")
	f.Add("/*/ '\\'")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []dialect{sqlite, postgres, mysql} {
			var b strings.Builder
			for _, p := range pieces(d, text) {
				b.WriteString(p.text)
			}
			if b.String() != text {
				t.Errorf("dialect %d: %q became %q", d, text, b.String())
			}
		}
	})
}
