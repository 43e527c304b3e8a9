package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/waypoint-serverless/waypoint/localstack/filelock"
)

// Options name the data file and how to open it.
type Options struct {
	// Path of the database file; its directory must exist. Empty: a database
	// in memory that lives as long as the Store.
	Path string
	// Synchronous is SQLite's setting of that name. Empty means "FULL": an
	// acknowledged write survives a power cut. "OFF" exists so that a test can
	// prove that it would notice the difference.
	Synchronous string
	// Readers is how many read connections may be open at once. 0 means 8.
	Readers int
	// Logger receives what no caller sees (a panic in a write). Nil: discarded.
	Logger *slog.Logger
}

// Store is an open data file. Its methods may be called from any goroutine.
type Store struct {
	uri    string
	memory bool
	sync   string
	log    *slog.Logger
	lock   *filelock.Lock

	mu       sync.RWMutex // guards closed against requests that are being queued
	closed   bool
	requests chan *request
	writer   *sqlite.Conn
	stopped  chan struct{}
	full     atomic.Bool

	slots  chan struct{} // one token for each read connection in use
	idleMu sync.Mutex
	idle   []*sqlite.Conn // last in, first out: the warmest page cache is used most

	// SQLite's in-memory file system has no snapshots: a reader would make a
	// commit fail as busy. In memory the two take turns instead.
	turn sync.RWMutex
}

var memoryNumber atomic.Uint64 // names in-memory databases apart within the process

// Open opens or creates the data file, and refuses with ErrInUse when another
// Store has it open.
func Open(ctx context.Context, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Store{log: o.Logger, sync: o.Synchronous, requests: make(chan *request, queueLength), stopped: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.sync == "" {
		s.sync = "FULL"
	}
	readers := o.Readers
	if readers <= 0 {
		readers = 8
	}
	s.slots = make(chan struct{}, readers)

	if o.Path == "" {
		s.memory = true
		s.uri = fmt.Sprintf("file:/waypoint-store-%d?vfs=memdb", memoryNumber.Add(1))
	} else {
		path, err := filepath.Abs(o.Path)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		s.lock, err = filelock.Acquire(path + ".lock")
		if errors.Is(err, filelock.ErrHeld) {
			err = fmt.Errorf("%w (%w)", ErrInUse, err)
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", o.Path, err)
		}
		s.uri = fileURI(path)
	}
	conn, err := s.connect(false)
	if err != nil {
		if s.lock != nil {
			s.lock.Release()
		}
		return nil, fmt.Errorf("opening %s: %w", o.Path, classify(err))
	}
	s.writer = conn
	go s.writeLoop()
	return s, nil
}

// fileURI names a file so that no character of its path can be read as a
// parameter of the URI.
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/x
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

func (s *Store) connect(readOnly bool) (*sqlite.Conn, error) {
	flags := sqlite.OpenReadWrite | sqlite.OpenCreate | sqlite.OpenURI
	conn, err := sqlite.OpenConn(s.uri, flags)
	if err != nil {
		return nil, err
	}
	pragmas := []string{
		// Rows of up to a quarter of a page stay out of overflow pages, which
		// SQLite reads past its cache. It applies to new files alone, before WAL.
		"PRAGMA page_size=8192",
		// Pages that are free can be given back to the disk (Reclaim). As the page
		// size, it applies to new files alone.
		"PRAGMA auto_vacuum=INCREMENTAL",
		"PRAGMA synchronous=" + s.sync,
		"PRAGMA temp_store=MEMORY",
		"PRAGMA cache_size=-2048", // 2 MiB a connection: the system caches the file for all of them
		"PRAGMA journal_size_limit=67108864",
	}
	switch {
	case readOnly:
		pragmas = append(pragmas, "PRAGMA query_only=1")
	case !s.memory:
		pragmas = append(pragmas, "PRAGMA journal_mode=WAL")
	}
	for _, p := range pragmas {
		if err := sqlitex.ExecuteTransient(conn, p, nil); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%s: %w", p, err)
		}
	}
	return conn, nil
}

// Migrate runs a script of idempotent statements (CREATE TABLE IF NOT EXISTS …)
// as one write.
func (s *Store) Migrate(ctx context.Context, script string) error {
	return s.Write(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteScript(conn, script, nil)
	})
}

// Check runs SQLite's integrity check over the whole file and returns an error
// that quotes what it found.
func (s *Store) Check(ctx context.Context) error {
	var found []string
	err := s.Read(ctx, func(conn *sqlite.Conn) error {
		return sqlitex.ExecuteTransient(conn, "PRAGMA integrity_check(20)", &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error {
				found = append(found, stmt.ColumnText(0))
				return nil
			},
		})
	})
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0] != "ok" {
		return fmt.Errorf("store: integrity check: %s", strings.Join(found, "; "))
	}
	return nil
}

// Close finishes the writes that were accepted, waits for the reads under way
// and closes the file. Calling it again is harmless.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.stopped
		return nil
	}
	s.closed = true
	close(s.requests)
	s.mu.Unlock()
	<-s.stopped

	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	var first error
	keep := func(err error) {
		if first == nil && err != nil {
			first = err
		}
	}
	for _, conn := range s.idle {
		keep(conn.Close())
	}
	s.idle = nil
	for range cap(s.slots) {
		<-s.slots // whoever waits for one is told that the store is closed
	}
	keep(s.writer.Close()) // last: it folds the WAL into the file
	if s.lock != nil {
		keep(s.lock.Release())
	}
	return first
}
