package store

import (
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"
)

// Errors that callers can tell apart with errors.Is. Everything else is an
// error of SQLite or of the function that was run.
var (
	// ErrInUse says that another Store, in this or another process, has the
	// data file open.
	ErrInUse = errors.New("store: the data file is in use by another process")
	// ErrFull says that the disk (or a quota) is full. Nothing of the request
	// was kept.
	ErrFull = errors.New("store: disk full")
	// ErrDamaged is returned if the file is not a data file, or no longer whole.
	ErrDamaged = errors.New("store: the data file is damaged")
	// ErrClosed is returned if the store was closed before the request began.
	ErrClosed = errors.New("store: closed")
)

// classify wraps SQLite's ways of saying "no space" into ErrFull, those of a
// file that cannot be read into ErrDamaged, and leaves all other errors as they are.
func classify(err error) error {
	if err == nil || errors.Is(err, ErrFull) || errors.Is(err, ErrDamaged) {
		return err
	}
	code := sqlite.ErrCode(err)
	if code.ToPrimary() == sqlite.ResultCorrupt || code.ToPrimary() == sqlite.ResultNotADB {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	// SHMSIZE is what SQLite says when the WAL index cannot be extended, which
	// a full disk causes before any write is refused.
	if code.ToPrimary() == sqlite.ResultFull || code == sqlite.ResultIOErrSHMSize {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
