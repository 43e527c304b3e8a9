package store

import (
	"context"
)

// Sealer encrypts what users keep with the server; *secret.Sealer is it. aad names the item and attribute.
type Sealer interface {
	Seal(ctx context.Context, aad string, plain []byte) ([]byte, error)
	Open(ctx context.Context, aad string, sealed []byte) ([]byte, error)
}
