package auth

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/access"
	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/version"
)

// Headers that the gate reads.
const (
	HeaderProtocol = "Waypoint-Protocol"
	HeaderClient   = "Waypoint-Client"
)

// CacheFor is how long a token of a user or runner is trusted without reading it again: a revoked token may work so long.
// Those of entrypoints are read in each call, strongly: what a destroyed deployment had must open nothing.
const CacheFor = 30 * time.Second

// cacheMost bounds the cache; a full cache is dropped whole, which costs one read a token.
const cacheMost = 10_000

// Entry is what is kept of a token.
type Entry struct {
	Principal Principal
	// Expires is zero for a token that does not.
	Expires time.Time
	Revoked bool
}

// Source finds tokens. ok is false for a hash that is not known; err is for a store that did not answer. With current set
// the entry is as it is now, else it may be some seconds old.
type Source interface {
	FindToken(ctx context.Context, hash Hash, current bool) (entry Entry, ok bool, err error)
}

// Gate turns bearer tokens into principals. It is safe for concurrent use.
type Gate struct {
	source Source
	clock  func() time.Time

	mu    sync.RWMutex
	cache map[Hash]cached
}

type cached struct {
	entry Entry
	until time.Time
}

// NewGate makes a gate over a source of tokens.
func NewGate(source Source, clock func() time.Time) *Gate {
	return &Gate{source: source, clock: clock, cache: map[Hash]cached{}}
}

// Authenticate finds the principal of a request's headers: typed faults TOKEN_MISSING, TOKEN_INVALID,
// TOKEN_EXPIRED and TOKEN_REVOKED.
func (g *Gate) Authenticate(ctx context.Context, h http.Header) (Principal, error) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return Principal{}, Missing()
	}
	kind, ok := Plausible(token)
	if !ok {
		return Principal{}, refuse(fault.TokenInvalid, "the token is not one of this server's: it may be mistyped or cut off")
	}
	entry, ok, err := g.find(ctx, HashOf(token), kind == waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT)
	switch {
	case err != nil:
		return Principal{}, err
	case !ok:
		return Principal{}, refuse(fault.TokenInvalid, "this server does not know the token")
	case entry.Revoked && kind == waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT:
		return Principal{}, DeploymentEnded()
	case entry.Revoked:
		return Principal{}, refuse(fault.TokenRevoked, "the token has been revoked")
	case !entry.Expires.IsZero() && !g.clock().Before(entry.Expires):
		return Principal{}, refuse(fault.TokenExpired, "the token expired at %s", entry.Expires.UTC().Format(time.RFC3339))
	}
	return entry.Principal, nil
}

// DeploymentEnded is the refusal of an entrypoint whose deployment has ended, or whose token was revoked.
func DeploymentEnded() *fault.Error {
	return fault.New(connect.CodeUnauthenticated, fault.TokenRevoked,
		"the token has ended: its deployment was destroyed or never came to be, or the token was revoked").
		WithHint("Deploy the app again: `waypoint up`.")
}

func refuse(reason fault.Reason, format string, args ...any) *fault.Error {
	return fault.New(connect.CodeUnauthenticated, reason, format, args...).
		WithHint("Run `waypoint login` with a token that an admin of this server made.")
}

// find asks the cache, unless the entry must be current, then the source. Unknown hashes are not cached: a token works
// from its creation on.
func (g *Gate) find(ctx context.Context, hash Hash, current bool) (Entry, bool, error) {
	if current {
		return g.source.FindToken(ctx, hash, true)
	}
	now := g.clock()
	g.mu.RLock()
	c, ok := g.cache[hash]
	g.mu.RUnlock()
	if ok && now.Before(c.until) {
		return c.entry, true, nil
	}
	entry, ok, err := g.source.FindToken(ctx, hash, false)
	if err != nil || !ok {
		return Entry{}, false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.cache) >= cacheMost {
		clear(g.cache)
	}
	g.cache[hash] = cached{entry: entry, until: now.Add(CacheFor)}
	return entry, true, nil
}

// Middleware refuses requests without a valid token or with a protocol version that this server does not
// speak, and gives the others a principal. Open methods need neither: GetServerInfo is how a client finds out which versions
// the server speaks, and ExchangeIdentity is sent a proof of its own. What the principal may do is Authorize's.
func (g *Gate) Middleware(next http.Handler) http.Handler {
	write := connect.NewErrorWriter()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, ok := access.Lookup(r.URL.Path)
		open := ok && method.Open()
		p, err := g.admit(r, open)
		Note(r.Context(), p, err)
		if err != nil && !open {
			_ = write.Write(w, r, fault.Connect(err)) // the caller is gone if this fails
			return
		}
		if err == nil {
			r = r.WithContext(With(r.Context(), p))
		}
		next.ServeHTTP(w, r)
	})
}

// admit checks the version first: it costs no read.
func (g *Gate) admit(r *http.Request, open bool) (Principal, error) {
	if !open {
		if err := CheckVersion(r.Header.Get(HeaderProtocol)); err != nil {
			return Principal{}, err
		}
	}
	return g.Authenticate(r.Context(), r.Header)
}

// CheckVersion reads the header Waypoint-Protocol. Requests without one, e.g. from curl, are accepted.
func CheckVersion(header string) error {
	if header == "" {
		return nil
	}
	n, err := strconv.Atoi(header)
	if err == nil && n >= version.ProtocolMinimum && n <= version.ProtocolCurrent {
		return nil
	}
	return fault.New(connect.CodeFailedPrecondition, fault.VersionUnsupported,
		"this server speaks protocol versions %d to %d, the client asked for %q",
		version.ProtocolMinimum, version.ProtocolCurrent, header).
		WithHint("Install Waypoint %s, or upgrade the server: waypoint install.", version.Version()).
		WithFact("server_version", version.Version())
}

// Seen is what the gate learnt about a request, for the log line that its maker writes.
type Seen struct {
	Principal Principal
	// Refused is why the gate refused, if it did.
	Refused error
}

type seenKey struct{}

// Watch returns a context in which the gate notes whom it accepted.
func Watch(ctx context.Context, seen *Seen) context.Context {
	return context.WithValue(ctx, seenKey{}, seen)
}

// Note keeps what the gate learnt in the Seen of the context, if there is one.
func Note(ctx context.Context, p Principal, refused error) {
	if seen, ok := ctx.Value(seenKey{}).(*Seen); ok {
		seen.Principal, seen.Refused = p, refused
	}
}
