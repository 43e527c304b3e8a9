package secret

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/singleflight"
)

// Data keys made by KMS are used again for a while: a call to KMS costs money and some milliseconds.
const (
	dataKeyLife  = 5 * time.Minute
	dataKeysMost = 1000
)

// encryptionContext is what KMS binds data keys to; CloudTrail shows it.
func encryptionContext() map[string]string { return map[string]string{"application": "waypoint"} }

// keyRequest is what GenerateDataKey and Decrypt take, dataKey what they answer; bytes cross as base64.
type keyRequest struct {
	KeyID             string            `json:"KeyId"`
	KeySpec           string            `json:",omitempty"`
	CiphertextBlob    []byte            `json:",omitempty"`
	EncryptionContext map[string]string `json:",omitempty"`
}

type dataKey struct{ CiphertextBlob, Plaintext []byte }

// keyService seals with data keys under the user's own KMS key.
type keyService struct {
	cfg   aws.Config
	keyID string
	clock func() time.Time

	// asking joins callers that need the same key: one of them asks KMS, and no lock is held meanwhile.
	asking singleflight.Group

	mu      sync.Mutex
	current Key
	until   time.Time
	opened  map[string][]byte
}

// KMS is a source of data keys under a KMS key (id, ARN or alias).
func KMS(cfg aws.Config, keyID string, clock func() time.Time) Source {
	return &keyService{cfg: cfg, keyID: keyID, clock: clock, opened: map[string][]byte{}}
}

func (k *keyService) Current(ctx context.Context) (Key, error) {
	if key, ok := k.lasting(); ok {
		return key, nil
	}
	return ask(ctx, &k.asking, "current", func(ctx context.Context) (Key, error) {
		if key, ok := k.lasting(); ok { // it was made since
			return key, nil
		}
		var res dataKey
		in := keyRequest{KeyID: k.keyID, KeySpec: "AES_256", EncryptionContext: encryptionContext()}
		if err := callAWS(ctx, k.cfg, "kms", "TrentService.GenerateDataKey", in, &res); err != nil {
			return Key{}, fmt.Errorf("making a data key under %s: %w", k.keyID, err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.current = Key{ID: "kms", Wrapped: res.CiphertextBlob, Root: res.Plaintext}
		k.until = k.clock().Add(dataKeyLife)
		k.keep(res.CiphertextBlob, res.Plaintext)
		return k.current, nil
	})
}

// lasting returns the current key while it may still be used.
func (k *keyService) lasting() (Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current, k.clock().Before(k.until)
}

func (k *keyService) Find(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
	if id != "kms" {
		return nil, fmt.Errorf("%w: it was sealed with key %q, this server uses a KMS key", ErrSealed, id)
	}
	if root, ok := k.known(wrapped); ok {
		return root, nil
	}
	return ask(ctx, &k.asking, "open "+string(wrapped), func(ctx context.Context) ([]byte, error) {
		if root, ok := k.known(wrapped); ok {
			return root, nil
		}
		var res dataKey
		in := keyRequest{KeyID: k.keyID, CiphertextBlob: wrapped, EncryptionContext: encryptionContext()}
		if err := callAWS(ctx, k.cfg, "kms", "TrentService.Decrypt", in, &res); err != nil {
			return nil, fmt.Errorf("opening a data key under %s: %w", k.keyID, err)
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.keep(wrapped, res.Plaintext)
		return res.Plaintext, nil
	})
}

func (k *keyService) known(wrapped []byte) ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	root, ok := k.opened[string(wrapped)]
	return root, ok
}

// keep bounds the cache: a full one gives up any one key for the new one.
func (k *keyService) keep(wrapped, root []byte) {
	if len(k.opened) >= dataKeysMost {
		for other := range k.opened {
			delete(k.opened, other)
			break
		}
	}
	k.opened[string(wrapped)] = root
}

// askMost bounds one question to KMS that several callers may wait for: the first of them may be gone before its end.
const askMost = 10 * time.Second

// ask joins callers under a name; each waits until its own context ends.
func ask[T any](ctx context.Context, group *singleflight.Group, name string, call func(context.Context) (T, error)) (T, error) {
	answer := group.DoChan(name, func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), askMost)
		defer cancel()
		return call(shared)
	})
	var none T
	select {
	case <-ctx.Done():
		return none, fmt.Errorf("waiting for KMS: %w", ctx.Err())
	case res := <-answer:
		if res.Err != nil {
			return none, res.Err
		}
		return res.Val.(T), nil //nolint:forcetypeassert // call returned it
	}
}
