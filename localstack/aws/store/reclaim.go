package store

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

const (
	// reclaimAbove is how many free pages are worth giving back: less will be used again soon. 2,048 pages are 16 MB.
	reclaimAbove = 2048
	// reclaimStep is how many pages one write gives back, so that others get their turn: 2 MB.
	reclaimStep = 256
	// incremental is SQLite's number for auto_vacuum=INCREMENTAL.
	incremental = 2
)

// Reclaim gives free pages back to the disk until few are left or ctx ends, in steps between which others write. It returns
// how many pages the file lost. A file of a version that did not prepare for it is left alone: see Rewrite.
func (s *Store) Reclaim(ctx context.Context) (pages int, err error) {
	if s.memory {
		return 0, nil
	}
	for ctx.Err() == nil {
		more := false
		err := s.Write(ctx, func(conn *sqlite.Conn) error {
			mode, free, _, err := layout(conn)
			if err != nil || mode != incremental || free < reclaimAbove {
				return err
			}
			more = true
			// Each row that the statement gives is a page.
			return sqlitex.ExecuteTransient(conn, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", reclaimStep), nil)
		})
		if err != nil || !more {
			return pages, err
		}
		pages += reclaimStep
	}
	return pages, nil
}

// Rewrite writes the whole file again if most of it is free and Reclaim cannot help: a file in WAL mode keeps the layout that
// it was made with. It takes seconds for hundreds of megabytes, during which nobody can write: it is for the start of a
// server.
func (s *Store) Rewrite(ctx context.Context) error {
	if s.memory {
		return nil
	}
	needed := false
	if err := s.Read(ctx, func(conn *sqlite.Conn) error {
		mode, free, all, err := layout(conn)
		needed = mode != incremental && free > 4*reclaimAbove && free > all/2
		return err
	}); err != nil || !needed {
		return err
	}
	conn, err := s.connect(false)
	if err != nil {
		return classify(err)
	}
	err = classify(sqlitex.ExecuteTransient(conn, "VACUUM", nil))
	if closeErr := conn.Close(); err == nil {
		err = closeErr
	}
	return err
}

// layout returns the vacuum mode, the number of free pages and the number of all.
func layout(conn *sqlite.Conn) (mode, free, all int, err error) {
	for query, into := range map[string]*int{"PRAGMA auto_vacuum": &mode, "PRAGMA freelist_count": &free, "PRAGMA page_count": &all} {
		if err := sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{
			ResultFunc: func(stmt *sqlite.Stmt) error { *into = stmt.ColumnInt(0); return nil },
		}); err != nil {
			return 0, 0, 0, err
		}
	}
	return mode, free, all, nil
}
