package secret

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Data keys made by KMS are used again for a while: a call to KMS costs money and some milliseconds.
const (
	dataKeyLife  = 5 * time.Minute
	dataKeysMost = 100
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
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.clock().Before(k.until) {
		return k.current, nil
	}
	var res dataKey
	in := keyRequest{KeyID: k.keyID, KeySpec: "AES_256", EncryptionContext: encryptionContext()}
	if err := callAWS(ctx, k.cfg, "kms", "TrentService.GenerateDataKey", in, &res); err != nil {
		return Key{}, fmt.Errorf("making a data key under %s: %w", k.keyID, err)
	}
	k.current = Key{ID: "kms", Wrapped: res.CiphertextBlob, Root: res.Plaintext}
	k.until = k.clock().Add(dataKeyLife)
	k.keep(res.CiphertextBlob, res.Plaintext)
	return k.current, nil
}

func (k *keyService) Find(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
	if id != "kms" {
		return nil, fmt.Errorf("%w: it was sealed with key %q, this server uses a KMS key", ErrSealed, id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if root, ok := k.opened[string(wrapped)]; ok {
		return root, nil
	}
	var res dataKey
	in := keyRequest{KeyID: k.keyID, CiphertextBlob: wrapped, EncryptionContext: encryptionContext()}
	if err := callAWS(ctx, k.cfg, "kms", "TrentService.Decrypt", in, &res); err != nil {
		return nil, fmt.Errorf("opening a data key under %s: %w", k.keyID, err)
	}
	k.keep(wrapped, res.Plaintext)
	return res.Plaintext, nil
}

// keep bounds the cache by forgetting it whole.
func (k *keyService) keep(wrapped, root []byte) {
	if len(k.opened) >= dataKeysMost {
		clear(k.opened)
	}
	k.opened[string(wrapped)] = root
}
