package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"zombiezen.com/go/sqlite"
)

const (
	queueLength = 1024 // requests that may wait; more block in Write
	groupLimit  = 256  // requests in one commit; bounds the wait of the first of them
)

// request is one Write on its way through the writer.
type request struct {
	fn    func(*sqlite.Conn) error
	taken atomic.Bool // set by whoever decides first: the writer that runs it, or the caller that gives up
	err   error
	done  chan struct{}
}

// Write runs fn on the one writing connection and returns after the COMMIT of
// the group that fn was part of: nil means that fn's changes are on the disk.
//
// An error of fn (or a panic, turned into an error) undoes fn's changes alone
// and is returned as it is. A failed COMMIT undoes the whole group and is
// returned to everyone in it. While fn waits for its turn, the end of ctx
// withdraws it; once it runs, Write waits for the outcome.
//
// fn must be quick, must not call the Store, and must not begin or end
// transactions.
func (s *Store) Write(ctx context.Context, fn func(*sqlite.Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{fn: fn, done: make(chan struct{})}
	if err := s.enqueue(ctx, r); err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		<-r.done
		return r.err
	}
}

func (s *Store) enqueue(ctx context.Context, r *request) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	select {
	case s.requests <- r:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeLoop is the writer: it never waits for a group to grow, it takes what
// has come while it was busy with the last commit.
func (s *Store) writeLoop() {
	defer close(s.stopped)
	group := make([]*request, 0, groupLimit)
	for first := range s.requests {
		group = appendTaken(group[:0], first)
	drain:
		for len(group) < groupLimit {
			select {
			case r, open := <-s.requests:
				if !open {
					break drain
				}
				group = appendTaken(group, r)
			default:
				break drain
			}
		}
		if len(group) == 0 {
			continue
		}
		s.commit(group)
		s.noteFull(group)
		for i, r := range group {
			close(r.done)
			group[i] = nil
		}
	}
}

// noteFull remembers whether the disk had room for the last commit.
func (s *Store) noteFull(group []*request) {
	full, written := false, false
	for _, r := range group {
		full = full || errors.Is(r.err, ErrFull)
		written = written || r.err == nil
	}
	if full || written {
		s.full.Store(full)
	}
}

// Full reports whether the last write that came to the disk found it full.
func (s *Store) Full() bool { return s.full.Load() }

func appendTaken(group []*request, r *request) []*request {
	if r.taken.CompareAndSwap(false, true) {
		return append(group, r)
	}
	return group // its caller gave up
}

// commit runs the group in one transaction and leaves each request's outcome
// in its err.
func (s *Store) commit(group []*request) {
	if s.memory {
		s.turn.Lock()
		defer s.turn.Unlock()
	}
	if err := step(s.writer, "BEGIN IMMEDIATE"); err != nil {
		failAll(group, fmt.Errorf("store: begin: %w", err))
		return
	}
	kept := 0
	for i, r := range group {
		lost, err := s.runOne(r, len(group) > 1)
		r.err = classify(err)
		if lost {
			// SQLite gave up the whole transaction (disk full, I/O error): what
			// earlier members did is gone too, and later ones never ran.
			s.rollback()
			failAll(group[:i], err)
			failAll(group[i+1:], err)
			return
		}
		if err == nil {
			kept++
		}
	}
	if kept == 0 {
		s.rollback()
		return
	}
	if err := step(s.writer, "COMMIT"); err != nil {
		s.rollback()
		failAll(group, fmt.Errorf("store: commit: %w", err))
	}
}

// runOne runs a request's function, in a savepoint when it shares the
// transaction. lost reports that the transaction itself did not survive it.
func (s *Store) runOne(r *request, shared bool) (lost bool, err error) {
	if shared {
		if err := step(s.writer, "SAVEPOINT one"); err != nil {
			return true, err
		}
	}
	err = s.call(r.fn)
	resetAll(s.writer)
	if s.writer.AutocommitEnabled() {
		if err == nil {
			err = errors.New("store: the function ended the transaction")
		}
		return true, err
	}
	if !shared {
		return false, err // alone: an error leads to the transaction's own rollback
	}
	if err != nil {
		if undo := step(s.writer, "ROLLBACK TO one"); undo != nil {
			return true, errors.Join(err, undo)
		}
	}
	if end := step(s.writer, "RELEASE one"); end != nil {
		return true, errors.Join(err, end)
	}
	return false, err
}

func (s *Store) call(fn func(*sqlite.Conn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: panic in a write: %v", p)
			s.log.Error("panic in a write", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	return fn(s.writer)
}

func (s *Store) rollback() {
	if s.writer.AutocommitEnabled() {
		return
	}
	if err := step(s.writer, "ROLLBACK"); err != nil {
		s.log.Error("rollback failed", slog.Any("error", err))
	}
}

// failAll gives err to those that had succeeded; who failed on its own keeps
// its own reason.
func failAll(group []*request, err error) {
	err = classify(err)
	for _, r := range group {
		if r.err == nil {
			r.err = err
		}
	}
}
