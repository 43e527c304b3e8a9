package secret

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// static is one key that is there from the start: the local install's key file.
type static struct{ key Key }

// Static is a source of one root key of 32 bytes.
func Static(root []byte) (Source, error) {
	if len(root) != keySize {
		return nil, fmt.Errorf("the encryption key has %d bytes instead of %d", len(root), keySize)
	}
	return static{Key{ID: idOf(root), Root: append([]byte(nil), root...)}}, nil
}

// idOf names a key without telling anything of it: a value sealed with another key is then recognised.
func idOf(root []byte) string {
	sum := sha256.Sum256(append([]byte("waypoint key id\x00"), root...))
	return "k" + hex.EncodeToString(sum[:6])
}

func (s static) Current(context.Context) (Key, error) { return s.key, nil }

func (s static) Find(_ context.Context, id string, _ []byte) ([]byte, error) {
	if id != s.key.ID {
		return nil, fmt.Errorf("%w: it was sealed with key %q, this server has key %q", ErrSealed, id, s.key.ID)
	}
	return s.key.Root, nil
}
