// Package secret encrypts what users keep with the server, before it is stored: envelope encryption with a
// key that never enters the table.
//
// A sealed value is bound to the item that it stands in (its additional data), so that one copied into
// another item does not open. Each value has a key of its own, derived from the root key and random salt, so
// that no number of values wears the root key out. Of ours it imports nothing.
package secret

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A sealed value: version (1 byte) · length of the key id (1) · key id · length of the wrapped key (2) ·
// wrapped key · salt (16) · AES-256-GCM ciphertext and tag. All before the ciphertext is additional data too.
const (
	version  = 1
	saltSize = 16
	keySize  = 32
	gcmNonce = 12
)

// ErrSealed is wrapped by every failure to open: wrong key, wrong item, or a changed value.
var ErrSealed = errors.New("the value cannot be decrypted")

// Key is a root key to seal with.
type Key struct {
	// ID names the key for Find; at most 255 bytes.
	ID string
	// Wrapped is stored beside the value and given to Find; nil if ID is enough.
	Wrapped []byte
	// Root is the key itself, 32 bytes.
	Root []byte
}

// Source gives root keys. Implementations are safe for concurrent use and keep keys in memory only.
type Source interface {
	// Current is the key for new values.
	Current(ctx context.Context) (Key, error)
	// Find is the root key of a value sealed before.
	Find(ctx context.Context, id string, wrapped []byte) ([]byte, error)
}

// Sealer seals and opens. It is safe for concurrent use.
type Sealer struct {
	source Source

	mu  sync.Mutex
	rnd io.Reader
}

// NewSealer makes a sealer; rnd is crypto/rand.Reader outside tests.
func NewSealer(source Source, rnd io.Reader) *Sealer {
	return &Sealer{source: source, rnd: rnd}
}

// Seal encrypts plain, binding it to aad (which item and attribute it stands in).
func (s *Sealer) Seal(ctx context.Context, aad string, plain []byte) ([]byte, error) {
	key, err := s.source.Current(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting the encryption key: %w", err)
	}
	if len(key.ID) > 255 || len(key.Wrapped) > 1<<16-1 {
		return nil, fmt.Errorf("getting the encryption key: its name or wrapping is too long")
	}
	header := make([]byte, 0, 4+len(key.ID)+len(key.Wrapped)+saltSize+len(plain)+16)
	header = append(header, version, byte(len(key.ID)))
	header = append(header, key.ID...)
	header = binary.BigEndian.AppendUint16(header, uint16(len(key.Wrapped)))
	header = append(header, key.Wrapped...)
	salt := header[len(header) : len(header)+saltSize]
	if err := s.random(salt); err != nil {
		return nil, err
	}
	header = header[:len(header)+saltSize]
	aead, nonce, err := cipherFor(key.Root, salt)
	if err != nil {
		return nil, err
	}
	return aead.Seal(header, nonce, plain, bind(aad, header)), nil
}

// Open decrypts a sealed value. Errors wrap ErrSealed, but for those of the key's source.
func (s *Sealer) Open(ctx context.Context, aad string, sealed []byte) ([]byte, error) {
	header, id, wrapped, salt, err := split(sealed)
	if err != nil {
		return nil, err
	}
	root, err := s.source.Find(ctx, id, wrapped)
	if err != nil {
		return nil, fmt.Errorf("getting the encryption key: %w", err)
	}
	aead, nonce, err := cipherFor(root, salt)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, sealed[len(header):], bind(aad, header))
	if err != nil {
		return nil, fmt.Errorf("%w: it was changed, moved or sealed with another key", ErrSealed)
	}
	return plain, nil
}

func (s *Sealer) random(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := io.ReadFull(s.rnd, b); err != nil {
		return fmt.Errorf("reading randomness: %w", err)
	}
	return nil
}

func split(sealed []byte) (header []byte, id string, wrapped, salt []byte, err error) {
	cut := fmt.Errorf("%w: it is cut off", ErrSealed)
	if len(sealed) < 2 {
		return nil, "", nil, nil, cut
	}
	if sealed[0] != version {
		return nil, "", nil, nil, fmt.Errorf("%w: version %d is not known", ErrSealed, sealed[0])
	}
	rest := sealed[2:]
	idLen := int(sealed[1])
	if len(rest) < idLen+2 {
		return nil, "", nil, nil, cut
	}
	id, rest = string(rest[:idLen]), rest[idLen:]
	wrappedLen := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	if len(rest) < wrappedLen+saltSize {
		return nil, "", nil, nil, cut
	}
	wrapped, salt = rest[:wrappedLen], rest[wrappedLen:wrappedLen+saltSize]
	return sealed[:2+idLen+2+wrappedLen+saltSize], id, wrapped, salt, nil
}

// cipherFor derives a value's own key and nonce. The salt is random, so no pair is used twice.
func cipherFor(root, salt []byte) (cipher.AEAD, []byte, error) {
	if len(root) != keySize {
		return nil, nil, fmt.Errorf("the encryption key has %d bytes instead of %d", len(root), keySize)
	}
	derived, err := hkdf.Key(sha256.New, root, salt, "waypoint secret v1", keySize+gcmNonce)
	if err != nil {
		return nil, nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(derived[:keySize])
	if err != nil {
		return nil, nil, fmt.Errorf("making a cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, fmt.Errorf("making a cipher: %w", err)
	}
	return aead, derived[keySize:], nil
}

func bind(aad string, header []byte) []byte {
	out := make([]byte, 0, len(header)+len(aad))
	return append(append(out, header...), aad...)
}
