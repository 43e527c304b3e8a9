package store

import (
	"context"

	"zombiezen.com/go/sqlite"
)

// Read runs fn on a pooled read connection, inside one read transaction: fn
// sees one snapshot, which contains every write acknowledged before Read was
// called. It runs on the caller's goroutine.
//
// fn must not keep conn, and must not call the Store: an in-memory store would
// wait for itself. ctx bounds the wait for a connection; a long loop in fn
// looks at ctx itself.
func (s *Store) Read(ctx context.Context, fn func(*sqlite.Conn) error) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.slots <- struct{}{}:
	default:
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-s.slots }()

	conn, err := s.takeReader()
	if err != nil {
		return err
	}
	healthy := false // stays false when fn panics or a rollback fails: the connection is not used again
	defer func() { s.putReader(conn, healthy) }()

	if s.memory {
		s.turn.RLock()
		defer s.turn.RUnlock()
	}
	if err := step(conn, "BEGIN"); err != nil {
		return classify(err)
	}
	err = fn(conn)
	resetAll(conn)
	if end := step(conn, "COMMIT"); end != nil {
		if err == nil {
			err = end
		}
		return classify(err)
	}
	healthy = true
	return classify(err)
}

func (s *Store) takeReader() (*sqlite.Conn, error) {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	s.idleMu.Lock()
	if n := len(s.idle); n > 0 {
		conn := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.idleMu.Unlock()
		return conn, nil
	}
	s.idleMu.Unlock()
	conn, err := s.connect(true)
	return conn, classify(err)
}

func (s *Store) putReader(conn *sqlite.Conn, healthy bool) {
	if !healthy {
		conn.Close()
		return
	}
	s.idleMu.Lock()
	s.idle = append(s.idle, conn)
	s.idleMu.Unlock()
}

// step runs a statement that returns no rows.
func step(conn *sqlite.Conn, query string) error {
	stmt, err := conn.Prepare(query)
	if err != nil {
		return err
	}
	_, err = stmt.Step()
	if resetErr := stmt.Reset(); err == nil {
		err = resetErr
	}
	return err
}

// resetAll ends statements that fn left in the middle of their rows. One of
// them would hold the snapshot, and with it the WAL, for ever.
func resetAll(conn *sqlite.Conn) {
	for query := conn.CheckReset(); query != ""; query = conn.CheckReset() {
		if _, err := conn.Prepare(query); err != nil {
			return
		}
	}
}
