package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

const schema = `CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID;`

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return s
}

// eachKind runs a test on a file and in memory: both are the same code to
// those who use it.
func eachKind(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Run("file", func(t *testing.T) { test(t, open(t, filepath.Join(t.TempDir(), "a b?c#d.db"))) })
	t.Run("memory", func(t *testing.T) { test(t, open(t, "")) })
}

func put(k, v string) func(*sqlite.Conn) error {
	return func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, `INSERT OR REPLACE INTO t (k, v) VALUES (?, ?)`, &sqlitex.ExecOptions{Args: []any{k, v}})
	}
}

func get(t *testing.T, s *store.Store, k string) string {
	t.Helper()
	var v string
	err := s.Read(context.Background(), func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, `SELECT v FROM t WHERE k = ?`, &sqlitex.ExecOptions{Args: []any{k}, ResultFunc: func(st *sqlite.Stmt) error {
			v = st.ColumnText(0)
			return nil
		}})
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestWriteIsSeenByTheNextRead(t *testing.T) {
	eachKind(t, func(t *testing.T, s *store.Store) {
		if err := s.Write(t.Context(), put("a", "1")); err != nil {
			t.Fatal(err)
		}
		if got := get(t, s, "a"); got != "1" {
			t.Fatalf("read %q, want 1", got)
		}
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnErrorUndoesItsOwnFunctionAlone(t *testing.T) {
	eachKind(t, func(t *testing.T, s *store.Store) {
		boom := errors.New("boom")
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // holds the writer so that the others form one group
			_ = s.Write(t.Context(), func(*sqlite.Conn) error { <-release; return nil })
		})
		errs := make([]error, 9)
		for i := range errs {
			wg.Go(func() {
				errs[i] = s.Write(t.Context(), func(c *sqlite.Conn) error {
					if err := put(fmt.Sprint(i), "x")(c); err != nil {
						return err
					}
					switch i % 3 {
					case 1:
						return boom
					case 2:
						panic("told to")
					}
					return nil
				})
			})
		}
		time.Sleep(20 * time.Millisecond) // lets them queue; the outcome does not depend on it
		close(release)
		wg.Wait()
		for i, err := range errs {
			want := ""
			switch i % 3 {
			case 0:
				want = "x"
				if err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			case 1:
				if !errors.Is(err, boom) {
					t.Errorf("write %d: %v, want boom", i, err)
				}
			case 2:
				if err == nil || !strings.Contains(err.Error(), "told to") {
					t.Errorf("write %d: %v, want the panic", i, err)
				}
			}
			if got := get(t, s, fmt.Sprint(i)); got != want {
				t.Errorf("row %d is %q, want %q", i, got, want)
			}
		}
	})
}

func TestAReadSeesOneSnapshot(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	count := func(c *sqlite.Conn) (n int) {
		if err := sqlitex.Execute(c, `SELECT count(*) FROM t`, &sqlitex.ExecOptions{ResultFunc: func(st *sqlite.Stmt) error { n = st.ColumnInt(0); return nil }}); err != nil {
			t.Error(err)
		}
		return n
	}
	err := s.Read(t.Context(), func(c *sqlite.Conn) error {
		before := count(c)
		done := make(chan error, 1)
		go func() { done <- s.Write(context.Background(), put("later", "1")) }()
		if err := <-done; err != nil { // a file's writer does not wait for readers
			return err
		}
		if after := count(c); after != before {
			t.Errorf("the snapshot moved from %d to %d rows", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if get(t, s, "later") != "1" {
		t.Error("the write made during the read is missing after it")
	}
}

func TestReadersCannotWrite(t *testing.T) {
	eachKind(t, func(t *testing.T, s *store.Store) {
		if err := s.Read(t.Context(), put("a", "1")); err == nil {
			t.Fatal("a read connection accepted a write")
		}
		if err := s.Write(t.Context(), put("a", "2")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestASecondOpenOfTheSameDataIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	if _, err := store.Open(t.Context(), store.Options{Path: path}); !errors.Is(err, store.ErrInUse) {
		t.Fatalf("second open: %v, want ErrInUse", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatalf("open after close: %v", err)
	}
	again.Close()
}

func TestInMemoryStoresAreApart(t *testing.T) {
	a, b := open(t, ""), open(t, "")
	if err := a.Write(t.Context(), put("k", "a")); err != nil {
		t.Fatal(err)
	}
	if got := get(t, b, "k"); got != "" {
		t.Fatalf("the other store has %q", got)
	}
}

func TestAFullDatabaseIsErrFullAndKeepsNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	if err := s.Write(t.Context(), func(c *sqlite.Conn) error {
		return sqlitex.Execute(c, "PRAGMA max_page_count=20", nil)
	}); err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("x", 3000)
	var failed error
	n := 0
	for ; n < 100 && failed == nil; n++ {
		failed = s.Write(t.Context(), func(c *sqlite.Conn) error {
			if err := put(fmt.Sprintf("%d/a", n), big)(c); err != nil {
				return err
			}
			return put(fmt.Sprintf("%d/b", n), big)(c)
		})
	}
	if !errors.Is(failed, store.ErrFull) {
		t.Fatalf("got %v, want ErrFull", failed)
	}
	if get(t, s, fmt.Sprintf("%d/a", n-1)) != "" {
		t.Error("half of the failed write stayed")
	}
	if get(t, s, "0/b") != big {
		t.Error("an earlier write is gone")
	}
	if err := s.Write(t.Context(), func(*sqlite.Conn) error { return nil }); err != nil {
		t.Errorf("the writer did not go on: %v", err)
	}
}

func TestACancelledWaitWithdrawsTheWrite(t *testing.T) {
	s := open(t, "")
	release, running := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Write(context.Background(), func(*sqlite.Conn) error { close(running); <-release; return nil })
	})
	<-running
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() { cancel() })
	err := s.Write(ctx, put("a", "1"))
	close(release)
	wg.Wait()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled", err)
	}
	if get(t, s, "a") != "" {
		t.Error("a withdrawn write was made")
	}
}

func TestAClosedStoreRefuses(t *testing.T) {
	eachKind(t, func(t *testing.T, s *store.Store) {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(context.Background(), put("a", "1")); !errors.Is(err, store.ErrClosed) {
			t.Errorf("write: %v", err)
		}
		if err := s.Read(context.Background(), func(*sqlite.Conn) error { return nil }); !errors.Is(err, store.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second close: %v", err)
		}
	})
}

func TestManyWritersAndReadersAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, s *store.Store) {
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					k := fmt.Sprintf("%d/%d", g, i)
					if err := s.Write(context.Background(), put(k, k)); err != nil {
						t.Error(err)
						return
					}
					var v string
					if err := s.Read(context.Background(), func(c *sqlite.Conn) error {
						st, err := c.Prepare(`SELECT v FROM t WHERE k = ?`)
						if err != nil {
							return err
						}
						st.BindText(1, k)
						if _, err := st.Step(); err != nil {
							return err
						}
						v = st.ColumnText(0) // left unreset on purpose
						return nil
					}); err != nil || v != k {
						t.Errorf("read own write: %q, %v", v, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestOpenNamesWhatItCouldNotOpen(t *testing.T) {
	_, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "none", "db")})
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want a not-exist error", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for _, c := range []struct{ name, sync string }{{"full", "FULL"}, {"off", "OFF"}} {
		b.Run(c.name, func(b *testing.B) {
			s, err := store.Open(b.Context(), store.Options{Path: filepath.Join(b.TempDir(), "db"), Synchronous: c.sync})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			if err := s.Migrate(b.Context(), schema); err != nil {
				b.Fatal(err)
			}
			v := strings.Repeat("x", 1024)
			for i := 0; b.Loop(); i++ {
				if err := s.Write(b.Context(), put(fmt.Sprint(i), v)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s, err := store.Open(b.Context(), store.Options{Path: filepath.Join(b.TempDir(), "db")})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(b.Context(), schema); err != nil {
		b.Fatal(err)
	}
	if err := s.Write(b.Context(), put("k", "v")); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := s.Read(b.Context(), func(c *sqlite.Conn) error {
			st, err := c.Prepare(`SELECT v FROM t WHERE k = ?`)
			if err != nil {
				return err
			}
			st.BindText(1, "k")
			_, err = st.Step()
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
