package dynamodb

import (
	"fmt"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// Items move between the rows and the bodies as they grow and shrink, and no
// body stays behind.
func TestLongRowsLeaveNoBodiesBehind(t *testing.T) {
	s, err := store.Open(t.Context(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	key := []byte("\x00\x00\x00\x01key")
	long, short := strings.Repeat("x", 5000), "short"
	write := func(f func(*sqlite.Conn, row) error) {
		t.Helper()
		if err := s.Write(t.Context(), func(c *sqlite.Conn) error {
			r, err := getRow(c, key)
			if err != nil {
				return err
			}
			return f(c, r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want string, bodies int) {
		t.Helper()
		write(func(c *sqlite.Conn, r row) error {
			n, err := sqlitex.ResultInt(c.Prep(`SELECT count(*) FROM ddb_bodies`))
			if err != nil || n != bodies || r.json != want {
				return fmt.Errorf("%d bodies, item of %d bytes: %w", n, len(r.json), err)
			}
			return nil
		})
	}
	put := func(json string) {
		t.Helper()
		write(func(c *sqlite.Conn, r row) error { return putRow(c, key, len(json), []byte(json), r.body) })
	}
	put(long)
	expect(long, 1)
	put(long + "y")
	expect(long+"y", 1)
	put(short)
	expect(short, 0)
	put(long)
	expect(long, 1)
	write(func(c *sqlite.Conn, r row) error { return removeRow(c, key, r.body) })
	expect("", 0)
	put(long)
	write(func(c *sqlite.Conn, _ row) error {
		lo, hi := segmentRange(1, 0, 1)
		more, err := clearSome(c, lo, hi, 1)
		if more {
			t.Error("one row was not all")
		}
		return err
	})
	expect("", 0)
}
