package auth

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
)

const (
	user       = waypointv1.TokenKind_TOKEN_KIND_USER
	runner     = waypointv1.TokenKind_TOKEN_KIND_RUNNER
	entrypoint = waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT
	viewer     = waypointv1.Role_ROLE_VIEWER
	deployer   = waypointv1.Role_ROLE_DEPLOYER
	admin      = waypointv1.Role_ROLE_ADMIN
)

func newToken(t *testing.T, kind waypointv1.TokenKind) string {
	t.Helper()
	token, err := NewToken(kind, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTokenHasKindAndChecksum(t *testing.T) {
	for _, kind := range []waypointv1.TokenKind{user, runner, entrypoint} {
		token := newToken(t, kind)
		if got, ok := Plausible(token); !ok || got != kind {
			t.Errorf("%s: kind %v, plausible %v", token, got, ok)
		}
	}
}

func TestMistypedTokenIsNotPlausible(t *testing.T) {
	token := newToken(t, user)
	for i := range token {
		wrong := []byte(token)
		if wrong[i] = 'x'; token[i] == 'x' {
			wrong[i] = 'y'
		}
		if _, ok := Plausible(string(wrong)); ok {
			t.Errorf("one wrong character at %d was not noticed", i)
		}
	}
	for _, wrong := range []string{"", "wp_user_", token[:len(token)-1], token + "0", "wp_admin_" + token[8:]} {
		if _, ok := Plausible(wrong); ok {
			t.Errorf("%q is plausible", wrong)
		}
	}
}

func TestTokenKeepsAll256Bits(t *testing.T) {
	high := strings.NewReader(strings.Repeat("\xff", 32))
	token, err := NewToken(user, high)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(token, "wp_user_0") {
		t.Errorf("the largest number lost its first digit: %s", token)
	}
	if _, err := NewToken(user, strings.NewReader("short")); err == nil {
		t.Error("a token was made of too little randomness")
	}
}

func TestMay(t *testing.T) {
	one := Principal{Kind: user, Roles: map[string]waypointv1.Role{"shop": deployer}}
	all := Principal{Kind: user, Roles: map[string]waypointv1.Role{"": viewer, "shop": admin}}
	tests := []struct {
		name    string
		p       Principal
		project string
		role    waypointv1.Role
		want    bool
	}{
		{"deployer of one project deploys it", one, "shop", deployer, true},
		{"deployer of one project reads it", one, "shop", viewer, true},
		{"deployer is no admin", one, "shop", admin, false},
		{"deployer of one project does not read another", one, "blog", viewer, false},
		{"deployer of one project has no role on all", one, "", viewer, false},
		{"viewer of all reads any", all, "blog", viewer, true},
		{"the higher of two roles counts", all, "shop", admin, true},
		{"viewer of all deploys none other", all, "blog", deployer, false},
		{"a runner reads the projects that it is bound to", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, "shop", viewer, true},
		{"a runner does not read others", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, "blog", viewer, false},
		{"a runner of one project has no role on all", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, "", viewer, false},
		{"a runner of all projects reads any", Principal{Kind: runner, Projects: job.Projects{All: true}}, "shop", viewer, true},
		{"a runner of no project reads nothing", Principal{Kind: runner}, "shop", viewer, false},
		{"a runner does not queue", Principal{Kind: runner}, "shop", deployer, false},
		{"an entrypoint reads nothing", Principal{Kind: entrypoint, DeploymentID: "d"}, "shop", viewer, false},
		{"nobody may nothing", Principal{}, "shop", waypointv1.Role_ROLE_UNSPECIFIED, false},
		{"the unspecified role is never granted", all, "shop", waypointv1.Role_ROLE_UNSPECIFIED, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.May(tt.project, tt.role); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRequireEntrypointOpensItsDeploymentOnly(t *testing.T) {
	ctx := With(context.Background(), Principal{Kind: entrypoint, DeploymentID: "d1"})
	if _, err := RequireEntrypoint(ctx, "d1"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"d2", ""} {
		if _, err := RequireEntrypoint(ctx, id); !fault.Is(err, fault.PermissionDenied) {
			t.Errorf("deployment %q: %v", id, err)
		}
	}
	if _, err := RequireEntrypoint(context.Background(), "d1"); !fault.Is(err, fault.TokenMissing) {
		t.Error(err)
	}
}

func TestRequireRunner(t *testing.T) {
	for name, tt := range map[string]struct {
		p  Principal
		ok bool
	}{
		"runner":           {Principal{Kind: runner}, true},
		"deployer":         {Principal{Kind: user, Roles: map[string]waypointv1.Role{"shop": deployer}}, true},
		"viewer":           {Principal{Kind: user, Roles: map[string]waypointv1.Role{"": viewer}}, false},
		"an entrypoint":    {Principal{Kind: entrypoint}, false},
		"without any role": {Principal{Kind: user}, false},
	} {
		if _, err := RequireRunner(With(context.Background(), tt.p)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tokens is a source for tests that counts how often it was asked.
type tokens struct {
	entries map[Hash]Entry
	asked   int
}

func (s *tokens) FindToken(_ context.Context, h Hash, _ bool) (Entry, bool, error) {
	s.asked++
	e, ok := s.entries[h]
	return e, ok, nil
}

func TestGate(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	good, expired, revoked := newToken(t, user), newToken(t, user), newToken(t, user)
	source := &tokens{entries: map[Hash]Entry{
		HashOf(good):    {Principal: Principal{Kind: user, Name: "ann"}},
		HashOf(expired): {Expires: now},
		HashOf(revoked): {Revoked: true},
	}}
	gate := NewGate(source, func() time.Time { return now })
	handler := gate.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := PrincipalFrom(r.Context())
		_, _ = w.Write([]byte("hello " + p.Name))
	}))
	tests := []struct {
		name, path, header, version, want string
		status                            int
	}{
		{"valid", "/x", "Bearer " + good, "1", "hello ann", 200},
		{"scheme in any case", "/x", "bearer " + good, "1", "hello ann", 200},
		{"without version", "/x", "Bearer " + good, "", "hello ann", 200},
		{"missing", "/x", "", "1", "unauthenticated", 401},
		{"other scheme", "/x", "Basic " + good, "1", "unauthenticated", 401},
		{"mistyped", "/x", "Bearer " + good[:20], "1", "mistyped", 401},
		{"unknown", "/x", "Bearer " + newToken(t, runner), "1", "does not know", 401},
		{"expired", "/x", "Bearer " + expired, "1", "expired at", 401},
		{"revoked", "/x", "Bearer " + revoked, "1", "revoked", 401},
		{"version too new", "/x", "Bearer " + good, "99", "protocol versions", 400},
		{"version not a number", "/x", "Bearer " + good, "a", "protocol versions", 400},
		{"server info without token", serverInfo, "", "99", "hello ", 200},
		{"server info with token", serverInfo, "Bearer " + good, "99", "hello ann", 200},
		{"server info with a revoked token", serverInfo, "Bearer " + revoked, "1", "hello ", 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, tt.path, nil)
			r.Header.Set("Content-Type", "application/proto")
			r.Header.Set("Authorization", tt.header)
			r.Header.Set(HeaderProtocol, tt.version)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), strings.TrimPrefix(tt.header, "Bearer ")) && tt.header != "" {
				t.Error("the answer repeats the token")
			}
		})
	}
}

func TestGateAsksOnceIn30Seconds(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	token := newToken(t, user)
	source := &tokens{entries: map[Hash]Entry{HashOf(token): {Expires: now.Add(10 * time.Second)}}}
	gate := NewGate(source, func() time.Time { return now })
	h := http.Header{"Authorization": {"Bearer " + token}}
	for range 3 {
		if _, err := gate.Authenticate(context.Background(), h); err != nil {
			t.Fatal(err)
		}
	}
	if source.asked != 1 {
		t.Errorf("asked %d times", source.asked)
	}
	now = now.Add(11 * time.Second)
	if _, err := gate.Authenticate(context.Background(), h); !fault.Is(err, fault.TokenExpired) {
		t.Errorf("a cached token outlived its end: %v", err)
	}
	source.entries[HashOf(token)] = Entry{Revoked: true}
	now = now.Add(CacheFor)
	if _, err := gate.Authenticate(context.Background(), h); !fault.Is(err, fault.TokenRevoked) {
		t.Errorf("revocation not seen after the cache's time: %v", err)
	}
}
