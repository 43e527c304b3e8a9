package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func fill(t *testing.T, s *Store, rows int) {
	t.Helper()
	if err := s.Migrate(t.Context(), "CREATE TABLE IF NOT EXISTS big (k INTEGER PRIMARY KEY, v BLOB)"); err != nil {
		t.Fatal(err)
	}
	for range rows / 100 {
		if err := s.Write(t.Context(), func(conn *sqlite.Conn) error {
			for range 100 {
				if err := sqlitex.Execute(conn, "INSERT INTO big (v) VALUES (zeroblob(60000))", nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func empty(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Write(t.Context(), func(conn *sqlite.Conn) error { return sqlitex.Execute(conn, "DELETE FROM big WHERE k > 3", nil) }); err != nil {
		t.Fatal(err)
	}
}

func sizeMB(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size() >> 20
}

func TestTheFileShrinksAfterMuchWasDeleted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	s, err := Open(t.Context(), Options{Path: path, Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1000)
	empty(t, s)
	if _, err := s.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // folds the WAL into the file
		t.Fatal(err)
	}
	if n := sizeMB(t, path); n > 20 {
		t.Errorf("the file has %d MB, of which 3 rows are used", n)
	}
}

// A file of a version without incremental vacuum shrinks when a server starts.
func TestAFileOfAnOlderVersionIsRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data.db")
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"PRAGMA page_size=8192", "PRAGMA auto_vacuum=NONE", "CREATE TABLE first (k)"} {
		if err := sqlitex.ExecuteTransient(conn, q, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Path: path, Synchronous: "OFF"})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 1200)
	empty(t, s)
	if n, err := s.Reclaim(t.Context()); n != 0 || err != nil {
		t.Fatalf("reclaimed %d pages, %v", n, err)
	}
	if err := s.Rewrite(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := sizeMB(t, path); n > 5 {
		t.Errorf("the file still has %d MB", n)
	}
}

func TestADamagedFileIsCalledSo(t *testing.T) {
	for name, content := range map[string][]byte{
		"something else": []byte("this is a text and not a database, and it is long enough to have a header of 100 bytes, as the format demands it"),
		"halved":         nil,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data.db")
			if content == nil {
				s, err := Open(t.Context(), Options{Path: path, Synchronous: "OFF"})
				if err != nil {
					t.Fatal(err)
				}
				fill(t, s, 100)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				content = b[:len(b)/2]
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(context.Background(), Options{Path: path})
			if err == nil {
				err = s.Migrate(t.Context(), "CREATE TABLE another (k)")
				if err == nil {
					err = s.Check(t.Context())
				}
				_ = s.Close()
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("it is said: %v", err)
			}
		})
	}
}
