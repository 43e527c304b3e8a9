// Package sts is the part of AWS's Security Token Service that vends short-lived,
// limited keys: AssumeRole with a session policy, and GetCallerIdentity. Everything
// else is refused by name.
//
// It keeps no state. The session token is the session itself, sealed (AES-256-GCM)
// under a key that the caller supplies, and the secret is derived from the same key: so
// live keys survive a restart, no secret is stored, and there is nothing to clean up.
// They cannot be revoked before they expire, as on AWS.
//
// It must run behind sigv4's middleware, which says who calls. It imports of this
// project nothing but sigv4.
package sts

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
)

// Service is named in credential scopes.
const Service = "sts"

// Options configures New. All fields are required but MaxDuration and Authorize.
type Options struct {
	// Account is the 12-digit account number.
	Account string
	// Key is the master key, at least 32 random bytes. Whoever has it can make keys.
	Key []byte
	// Clock returns the current time.
	Clock func() time.Time
	// Rand makes key ids and nonces: crypto/rand.Reader outside tests.
	Rand io.Reader
	// MaxDuration is the role's maximum session duration: one hour if zero, which is
	// also AWS's limit for a role that is assumed by a role.
	MaxDuration time.Duration
	// Authorize decides on sts:AssumeRole. sigv4.Authorize if nil.
	Authorize func(ctx context.Context, action, resource string) error
}

// Engine answers STS requests (it is an http.Handler) and looks up the keys that it made.
type Engine struct {
	opt  Options
	seal cipher.AEAD
	mac  []byte
}

// New checks the options and derives the working keys.
func New(opt Options) (*Engine, error) {
	if len(opt.Key) < 32 || opt.Account == "" || opt.Clock == nil || opt.Rand == nil {
		return nil, errors.New("sts: Account, Clock, Rand and a Key of 32 bytes are required")
	}
	if opt.MaxDuration == 0 {
		opt.MaxDuration = time.Hour
	}
	if opt.Authorize == nil {
		opt.Authorize = sigv4.Authorize
	}
	sealKey, err := hkdf.Key(sha256.New, opt.Key, nil, "sts session token v1", 32)
	if err != nil {
		return nil, fmt.Errorf("sts: deriving keys: %w", err)
	}
	macKey, err := hkdf.Key(sha256.New, opt.Key, nil, "sts secret v1", 32)
	if err != nil {
		return nil, fmt.Errorf("sts: deriving keys: %w", err)
	}
	block, err := aes.NewCipher(sealKey)
	if err != nil {
		return nil, fmt.Errorf("sts: sealing: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("sts: sealing: %w", err)
	}
	return &Engine{opt: opt, seal: aead, mac: macKey}, nil
}

// session is what a session token carries. Short names: tokens travel with each request.
type session struct {
	KeyID   string `json:"k"`
	Role    string `json:"r"`
	Name    string `json:"n"`
	Policy  string `json:"p"`
	Expires int64  `json:"e"`
}

// Lookup is a sigv4.Lookup for the keys that AssumeRole made, by this engine or by an
// earlier one with the same master key.
func (e *Engine) Lookup(_ context.Context, keyID, token string) (sigv4.Credential, bool) {
	s, ok := e.open(keyID, token)
	if !ok {
		return sigv4.Credential{}, false
	}
	policy, err := sigv4.ParsePolicy([]byte(s.Policy))
	if err != nil {
		return sigv4.Credential{}, false
	}
	return sigv4.Credential{
		AccessKeyID:  keyID,
		Secret:       e.secret(keyID),
		SessionToken: token,
		Expires:      time.Unix(s.Expires, 0),
		Principal: sigv4.Principal{
			Account: e.opt.Account,
			ARN:     e.assumedRoleARN(s.Role, s.Name),
			UserID:  e.roleID(s.Role) + ":" + s.Name,
			Policy:  policy,
		},
	}, true
}

// vended is a fresh session as its owner gets it.
type vended struct {
	keyID, secret, token string
	expires              time.Time
}

func (e *Engine) vend(role, name, policy string, d time.Duration) (vended, error) {
	random := make([]byte, 10+e.seal.NonceSize())
	if _, err := io.ReadFull(e.opt.Rand, random); err != nil {
		return vended{}, fmt.Errorf("sts: random bytes: %w", err)
	}
	id, nonce := random[:10], random[10:]
	v := vended{
		keyID:   "ASIA" + base32.StdEncoding.EncodeToString(id),
		expires: e.opt.Clock().Add(d).UTC().Truncate(time.Second),
	}
	plain, err := json.Marshal(session{v.keyID, role, name, policy, v.expires.Unix()})
	if err != nil {
		return vended{}, fmt.Errorf("sts: session: %w", err)
	}
	v.secret = e.secret(v.keyID)
	v.token = base64.StdEncoding.EncodeToString(e.seal.Seal(nonce, nonce, plain, []byte(v.keyID)))
	return v, nil
}

func (e *Engine) open(keyID, token string) (session, bool) {
	raw, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(raw) < e.seal.NonceSize() {
		return session{}, false
	}
	n := e.seal.NonceSize()
	plain, err := e.seal.Open(nil, raw[:n], raw[n:], []byte(keyID))
	if err != nil {
		return session{}, false
	}
	var s session
	if err := json.Unmarshal(plain, &s); err != nil || s.KeyID != keyID {
		return session{}, false
	}
	return s, true
}

// secret derives a key's secret: 40 characters, as AWS's are.
func (e *Engine) secret(keyID string) string {
	h := hmac.New(sha256.New, e.mac)
	h.Write([]byte(keyID))
	return base64.StdEncoding.EncodeToString(h.Sum(nil)[:30])
}

func (e *Engine) assumedRoleARN(role, name string) string {
	return "arn:aws:sts::" + e.opt.Account + ":assumed-role/" + role[strings.LastIndexByte(role, '/')+1:] + "/" + name
}

// roleID is the role's stable unique id.
func (e *Engine) roleID(role string) string {
	sum := sha256.Sum256([]byte(e.opt.Account + "/" + role))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:10])
}
