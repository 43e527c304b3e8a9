package store

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// unpackMost bounds what a stored value may grow to: more than the largest message, so that a damaged item cannot
// take all memory.
const unpackMost = 16 << 20

// packLeast is the size under which compressing gains nothing worth its time.
const packLeast = 200

// Pack compresses bytes for the table: a leading byte tells deflated from plain, whichever is shorter.
func (db *DB) Pack(raw []byte) ([]byte, error) {
	plain := func() []byte { return append([]byte{0}, raw...) }
	if len(raw) < packLeast {
		return plain(), nil
	}
	var b bytes.Buffer
	b.WriteByte(1)
	w, _ := db.packers.Get().(*flate.Writer)
	if w == nil {
		made, err := flate.NewWriter(&b, flate.BestSpeed)
		if err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		w = made
	} else {
		w.Reset(&b)
	}
	defer db.packers.Put(w)
	if _, err := w.Write(raw); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	if b.Len() > len(raw)+1 {
		return plain(), nil
	}
	return b.Bytes(), nil
}

// Unpack is Pack's inverse.
func Unpack(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	switch packed[0] {
	case 0:
		return packed[1:], nil
	case 1:
		raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed[1:])), unpackMost+1))
		if err != nil {
			return nil, fmt.Errorf("decompressing: %w", err)
		}
		if len(raw) > unpackMost {
			return nil, fmt.Errorf("decompressing: more than %d bytes", unpackMost)
		}
		return raw, nil
	}
	return nil, fmt.Errorf("decompressing: unknown form %d", packed[0])
}
