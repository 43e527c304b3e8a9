package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// IdempotencyLife is how long a repeat finds what was made.
const IdempotencyLife = 24 * time.Hour

// IdempotencyLabel names Remember's action in a *ConditionError.
const IdempotencyLabel = "idempotency"

// Intent is one mutation that a person or CI asked for, told apart from a second one by its Idempotency-Key.
type Intent struct {
	// Principal is the token's id, Method the procedure, Key the header's value ("": the caller takes no part).
	Principal, Method, Key string
	// Hash is of the request: see HashRequest.
	Hash string
}

// HashRequest is the hash that tells a repeat from another request under the same key.
func HashRequest(m proto.Message) (string, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("hashing the request: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

type idempotencyItem struct {
	Hash string            `dynamodbav:"hash"`
	IDs  map[string]string `dynamodbav:"ids,omitempty"`
	TTL  int64             `dynamodbav:"ttl"`
}

// Remember is the action that keeps, in the mutation's own transaction, the ids of what it makes (never the answer, which
// can hold secrets). A second transaction for the same intent fails on it: hand the error to Remembered. Without a key it
// returns nothing. Use it as tx.Add(Remember(…)...).
func Remember(in Intent, ids map[string]string, now time.Time) []Action {
	if in.Key == "" {
		return nil
	}
	return []Action{Put(Idempotency(in.Principal, in.Method, in.Key),
		idempotencyItem{Hash: in.Hash, IDs: ids, TTL: now.Add(IdempotencyLife).Unix()},
		If("attribute_not_exists(#pk) OR #ttl <= ?", now.Unix())).Named(IdempotencyLabel).WithOld()}
}

// Remembered reads the error of a transaction that held Remember. ok: the intent was carried out before, and ids say what
// it made. A fault: the key was used for another request. Neither: the error is about something else.
func Remembered(err error, in Intent) (ids map[string]string, ok bool, reuse error) {
	f, failed := Failed(err, IdempotencyLabel)
	if !failed {
		return nil, false, nil
	}
	var item idempotencyItem
	if decodeErr := Decode(f.Old, &item); decodeErr != nil {
		return nil, false, decodeErr
	}
	if item.Hash != in.Hash {
		return nil, false, fault.New(connect.CodeInvalidArgument, fault.IdempotencyReuse,
			"the idempotency key was used for another request").WithHint("Send a new key with each new request.")
	}
	return item.IDs, true, nil
}
