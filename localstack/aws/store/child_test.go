package store_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/aws/store"
)

// The crash tests need a process that can be watched or killed: this test
// binary starts itself again with these variables set.
const (
	childMode = "STORE_TEST_CHILD" // "acknowledge" or "load"
	childPath = "STORE_TEST_PATH"
	childSync = "STORE_TEST_SYNCHRONOUS"
	childRun  = "STORE_TEST_RUN"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "":
		os.Exit(m.Run())
	case "acknowledge":
		childMust(acknowledge())
	case "load":
		childMust(load())
	}
}

func childMust(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func childStore() (*store.Store, error) {
	s, err := store.Open(context.Background(), store.Options{Path: os.Getenv(childPath), Synchronous: os.Getenv(childSync)})
	if err != nil {
		return nil, err
	}
	return s, s.Migrate(context.Background(), loadSchema)
}

const loadSchema = `CREATE TABLE IF NOT EXISTS l (run INTEGER, worker INTEGER, n INTEGER, part INTEGER, PRIMARY KEY (run, worker, n, part)) WITHOUT ROWID;`

// insert writes one transaction of three rows.
func insert(run, worker, n int) func(*sqlite.Conn) error {
	return func(c *sqlite.Conn) error {
		for part := range 3 {
			if err := sqlitex.Execute(c, `INSERT INTO l VALUES (?, ?, ?, ?)`, &sqlitex.ExecOptions{Args: []any{run, worker, n, part}}); err != nil {
				return err
			}
		}
		return nil
	}
}

// acknowledge makes 20 writes and says so on its standard output after each.
func acknowledge() error {
	s, err := childStore()
	if err != nil {
		return err
	}
	for n := range 20 {
		if err := s.Write(context.Background(), insert(0, 0, n)); err != nil {
			return err
		}
		if _, err := os.Stdout.WriteString("acknowledged " + strconv.Itoa(n) + "\n"); err != nil {
			return err
		}
	}
	os.Exit(0) // no Close: its checkpoint would sync what the writes did not
	return nil
}

// load writes from four goroutines, acknowledging each write, until killed.
func load() error {
	s, err := childStore()
	if err != nil {
		return err
	}
	run, err := strconv.Atoi(os.Getenv(childRun))
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				childMust(s.Write(context.Background(), insert(run, worker, n)))
				_, err := os.Stdout.WriteString(fmt.Sprintf("%d %d\n", worker, n))
				childMust(err)
			}
		})
	}
	wg.Wait()
	return nil
}
