//go:build linux

package localdb

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func makeProgram(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// searchOnly makes Find look nowhere but in PATH and the folders given.
func searchOnly(t *testing.T, kind Kind, path string, folders ...string) {
	t.Helper()
	old := places[kind]
	t.Cleanup(func() { places[kind] = old })
	only := old
	only.folders = folders
	places[kind] = only
	t.Setenv("PATH", path)
	t.Setenv(old.variable, "")
}

func expectFound(t *testing.T, kind Kind, want string) {
	t.Helper()
	if got, err := Find(kind); got != want || err != nil {
		t.Errorf("Find(%v) = %q, %v; want %q", kind, got, err, want)
	}
}

func TestNewestVersionIsFound(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"9.6", "15", "8", "17"} {
		makeProgram(t, filepath.Join(root, version, "bin", "postgres"))
		makeProgram(t, filepath.Join(root, version, "bin", "initdb"))
	}
	os.Remove(filepath.Join(root, "17", "bin", "initdb")) // incomplete
	searchOnly(t, Postgres, "", filepath.Join(root, "*", "bin"))
	expectFound(t, Postgres, filepath.Join(root, "15", "bin", "postgres"))
}

func TestPathComesBeforeFoldersAndTheOverrideBeforeBoth(t *testing.T) {
	inFolder := makeProgram(t, filepath.Join(t.TempDir(), "mariadbd"))
	inPath := makeProgram(t, filepath.Join(t.TempDir(), "mysqld"))
	override := makeProgram(t, filepath.Join(t.TempDir(), "mariadbd"))

	searchOnly(t, MariaDB, "", filepath.Dir(inFolder))
	expectFound(t, MariaDB, inFolder)
	t.Setenv("PATH", "relative"+string(filepath.ListSeparator)+filepath.Dir(inPath))
	expectFound(t, MariaDB, inPath)
	t.Setenv("AKARI_MARIADB_BIN", filepath.Dir(override))
	expectFound(t, MariaDB, override)
}

func TestMissingProgramsSayWhatToInstall(t *testing.T) {
	for kind, words := range map[Kind][]string{
		Postgres:  {"PostgreSQL", "postgres and initdb", "apt-get install postgresql", "AKARI_POSTGRES_BIN"},
		MariaDB:   {"MariaDB", "mariadbd", "apt-get install mariadb-server-core", "AKARI_MARIADB_BIN"},
		PgBouncer: {"PgBouncer", "pgbouncer", "apt-get install pgbouncer", "AKARI_PGBOUNCER_BIN"},
	} {
		searchOnly(t, kind, t.TempDir())
		_, err := Find(kind)
		if missing, ok := errors.AsType[*NotInstalledError](err); !ok || missing.Kind != kind {
			t.Fatalf("Find(%v): %v; want a NotInstalledError", kind, err)
		}
		for _, word := range words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q; want it to tell %q", err, word)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q is more than one line", err)
		}
	}
}

func TestWrongOverrideIsNotPassedOver(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("AKARI_PGBOUNCER_BIN", empty)
	_, err := Find(PgBouncer)
	if err == nil || !strings.Contains(err.Error(), "AKARI_PGBOUNCER_BIN="+empty) {
		t.Errorf("Find: %v; want it to tell the override", err)
	}
	if _, err := StartPgBouncer(t.Context(), &Server{Kind: Postgres}, Options{}); !errors.As(err, new(*NotInstalledError)) {
		t.Errorf("StartPgBouncer: %v; want a NotInstalledError", err)
	}
	// No installation mends it, so none is tried.
	if err := Install(t.Context(), nil, PgBouncer); !errors.As(err, new(*NotInstalledError)) {
		t.Errorf("Install: %v; want a NotInstalledError", err)
	}
}

func TestUnknownKindIsAnError(t *testing.T) {
	if _, err := Find(Kind(99)); err == nil || !strings.Contains(err.Error(), "Kind(99)") {
		t.Errorf("Find: %v", err)
	}
	if err := Install(t.Context(), nil, Kind(99)); err == nil || !strings.Contains(err.Error(), "Kind(99)") {
		t.Errorf("Install: %v", err)
	}
}

func TestVersionsAreComparedAsNumbers(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "/pg/9.6/bin": {9, 6}, "/pg/10/bin": {10}, "a1b22": {1, 22}} {
		if got := numbers(text); !slices.Equal(got, want) {
			t.Errorf("numbers(%q) = %v; want %v", text, got, want)
		}
	}
}
