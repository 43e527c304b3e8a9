// Package sigv4 checks AWS Signature Version 4 on incoming requests and says who
// signed them and what they may do.
//
// It is the server side of what every AWS SDK does on the client side: the header
// form of the signature, over the whole body. Presigned URLs, unsigned and streamed
// payloads are refused by name. It holds no state: the caller looks up keys. It
// imports nothing of this project, so that it can serve other emulators.
package sigv4

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"

	// defaultMaxSkew is how far the signing time may be from the verifier's clock.
	// AWS allows five minutes.
	defaultMaxSkew = 5 * time.Minute

	// defaultMaxBody bounds the body that is read to be hashed. The largest request
	// of the services behind it is DynamoDB's 16 MB batch, as JSON.
	defaultMaxBody = 24 << 20
)

// Principal is who signed a request.
type Principal struct {
	// Account is the 12-digit account number.
	Account string
	// ARN names the user or the assumed role's session.
	ARN string
	// UserID is what GetCallerIdentity calls UserId.
	UserID string
	// Policy limits what the principal may do. Nil is a root key: everything is allowed.
	Policy *Policy
}

// Credential is one key pair and who it stands for. It must never be logged.
type Credential struct {
	AccessKeyID string
	Secret      string
	// SessionToken is empty for long-term keys. Temporary keys are refused without it.
	SessionToken string
	// Expires is the end of a temporary key, zero for a long-term one.
	Expires   time.Time
	Principal Principal
}

// String keeps secrets out of logs and errors.
func (c Credential) String() string { return "credential " + c.AccessKeyID }

// GoString keeps secrets out of %#v.
func (c Credential) GoString() string { return c.String() }

// Lookup finds the credential of an access key id. The session token of the request
// is handed over as well, because temporary keys can be sealed in it; it has not been
// verified yet. A false answer means that the key is unknown.
type Lookup func(ctx context.Context, accessKeyID, sessionToken string) (Credential, bool)

// Static looks up long-term credentials from a fixed list.
func Static(credentials ...Credential) Lookup {
	byID := make(map[string]Credential, len(credentials))
	for _, c := range credentials {
		byID[c.AccessKeyID] = c
	}
	return func(_ context.Context, id, _ string) (Credential, bool) {
		c, ok := byID[id]
		return c, ok
	}
}

// FirstOf asks each lookup in turn.
func FirstOf(lookups ...Lookup) Lookup {
	return func(ctx context.Context, id, token string) (Credential, bool) {
		for _, l := range lookups {
			if c, ok := l(ctx, id, token); ok {
				return c, true
			}
		}
		return Credential{}, false
	}
}

// Verifier checks signatures. Its fields are set before first use and not changed after.
type Verifier struct {
	// Lookup finds keys. Required.
	Lookup Lookup
	// Region is the region that credential scopes must name. Required, unless AnyRegion is set.
	Region string
	// AnyRegion accepts every region: for an endpoint that stands for all of them.
	AnyRegion bool
	// Clock returns the current time. Required.
	Clock func() time.Time
	// MaxSkew is DefaultMaxSkew if zero.
	MaxSkew time.Duration
	// MaxBody in bytes is DefaultMaxBody if zero.
	MaxBody int64
}

// Middleware answers 403 in the AWS error shape of the service's protocol unless the
// request is signed for the service, and hands it on with its Principal in the context
// otherwise. The body is read whole (its hash is part of the signature) and handed on.
//
// No answer is an oracle: what it says depends on public facts alone (the clock, the
// form of the header, whether a key id exists) until the signature has been found right.
// The strings that were signed are never shown, unlike on AWS.
func (v *Verifier) Middleware(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := v.admit(r, service); err != nil {
			WriteError(w, service, err)
			return
		}
		body, err := v.readBody(w, r)
		if err != nil {
			WriteError(w, service, err)
			return
		}
		principal, err := v.verify(r, service, body)
		if err != nil {
			WriteError(w, service, err)
			return
		}
		r = r.WithContext(WithPrincipal(r.Context(), principal))
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// smallBody is what anybody may send before it is known who they are.
const smallBody = 64 << 10

// admit refuses, before its body is read, a request whose header tells that it is not signed for us, and a large one whose
// key nobody has: a body is hashed whole, and strangers must not make us hold it.
func (v *Verifier) admit(r *http.Request, service string) error {
	auth, err := parseAuthorization(r)
	if err != nil {
		return err
	}
	if err := v.checkScope(r, auth, service); err != nil {
		return err
	}
	if r.ContentLength >= 0 && r.ContentLength <= smallBody {
		return nil
	}
	if cred, known := v.Lookup(r.Context(), auth.keyID, r.Header.Get("X-Amz-Security-Token")); !known || cred.Secret == "" {
		return errUnknownKey
	}
	return nil
}

func (v *Verifier) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	limit := v.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	if r.ContentLength > limit {
		return nil, errTooLarge
	}
	var buf bytes.Buffer // grows with what arrives, not with what is announced
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, limit)); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return nil, errTooLarge
		}
		return nil, &Error{http.StatusBadRequest, "IncompleteBody", "The request body could not be read."}
	}
	return buf.Bytes(), nil
}

// verify decides whether a request is signed. Public facts come first, then the
// signature, then what only the owner of the key may learn.
func (v *Verifier) verify(r *http.Request, service string, body []byte) (Principal, error) {
	auth, err := parseAuthorization(r)
	if err != nil {
		return Principal{}, err
	}
	if err := v.checkScope(r, auth, service); err != nil {
		return Principal{}, err
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if err := checkPayloadHeader(r.Header.Get("X-Amz-Content-Sha256"), payload); err != nil {
		return Principal{}, err
	}
	canonical, err := canonicalRequest(r, auth.signedHeaders, payload)
	if err != nil {
		return Principal{}, err
	}

	token := r.Header.Get("X-Amz-Security-Token")
	cred, known := v.Lookup(r.Context(), auth.keyID, token)
	want := signature(cred.Secret, auth, canonical)
	// The unknown key is answered after the same work as a known one.
	same := hmac.Equal([]byte(want), []byte(auth.signature))
	switch {
	case !known || cred.Secret == "":
		return Principal{}, errUnknownKey
	case !same:
		return Principal{}, errSignature
	case !hmac.Equal([]byte(token), []byte(cred.SessionToken)):
		return Principal{}, errUnknownKey
	case !cred.Expires.IsZero() && !v.Clock().Before(cred.Expires):
		return Principal{}, errExpired
	}
	return cred.Principal, nil
}

func (v *Verifier) checkScope(r *http.Request, auth authorization, service string) error {
	stamp := r.Header.Get("X-Amz-Date")
	if stamp == "" {
		return incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	signed, err := time.Parse(timeFormat, stamp)
	if err != nil {
		return incomplete("X-Amz-Date must be in the format YYYYMMDD'T'HHMMSS'Z'.")
	}
	switch {
	case auth.date != stamp[:8]:
		return invalid("Date in Credential scope does not match YYYYMMDD from X-Amz-Date.")
	case !v.AnyRegion && auth.region != v.Region:
		return invalid("Credential should be scoped to a valid region, not '" + printable(auth.region) + "'.")
	case auth.service != service:
		return invalid("Credential should be scoped to correct service: '" + service + "'.")
	}
	skew := v.MaxSkew
	if skew == 0 {
		skew = defaultMaxSkew
	}
	now := v.Clock()
	switch {
	case now.Sub(signed) > skew:
		return invalid("Signature expired: " + stamp + " is now earlier than " + now.Add(-skew).UTC().Format(timeFormat) + ".")
	case signed.Sub(now) > skew:
		return invalid("Signature not yet current: " + stamp + " is still later than " + now.Add(skew).UTC().Format(timeFormat) + ".")
	}
	return nil
}

func checkPayloadHeader(header, payload string) error {
	switch {
	case header == "" || header == payload:
		return nil
	case header == "UNSIGNED-PAYLOAD" || strings.HasPrefix(header, "STREAMING-"):
		return invalid("X-Amz-Content-Sha256: " + printable(header) + " is not accepted here; sign the body.")
	}
	return invalid("The provided 'x-amz-content-sha256' header does not match what was computed.")
}

// signature is the hex form of the signature that secret makes.
func signature(secret string, auth authorization, canonical string) string {
	hash := sha256.Sum256([]byte(canonical))
	toSign := algorithm + "\n" + auth.stamp + "\n" +
		auth.date + "/" + auth.region + "/" + auth.service + "/aws4_request\n" +
		hex.EncodeToString(hash[:])
	key := mac([]byte("AWS4"+secret), auth.date)
	key = mac(key, auth.region)
	key = mac(key, auth.service)
	key = mac(key, "aws4_request")
	return hex.EncodeToString(mac(key, toSign))
}

func mac(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}
