package auth

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/waypoint-serverless/waypoint/api/access"
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
		action  Action
		project string
		want    bool
	}{
		{"deployer of one project deploys it", one, "job:create", "shop", true},
		{"deployer of one project reads it", one, ProjectRead, "shop", true},
		{"a deployer is not an admin", one, TokenWrite, "shop", false},
		{"deployer of one project does not read another", one, ProjectRead, "blog", false},
		{"deployer of one project has no role on all", one, ProjectRead, "", false},
		{"viewer of all reads any", all, ProjectRead, "blog", true},
		{"the higher of two roles counts", all, TokenWrite, "shop", true},
		{"viewer of all deploys none other", all, "job:create", "blog", false},
		{"a runner reads the projects that it is bound to", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, ProjectRead, "shop", true},
		{"a runner does not read others", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, ProjectRead, "blog", false},
		{"a runner of one project has no role on all", Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}, ProjectRead, "", false},
		{"a runner of all projects reads any", Principal{Kind: runner, Projects: job.Projects{All: true}}, ProjectRead, "shop", true},
		{"a runner of no project reads nothing", Principal{Kind: runner}, ProjectRead, "shop", false},
		{"a runner does not queue", Principal{Kind: runner, Projects: job.Projects{All: true}}, "job:create", "shop", false},
		{"a runner does not reveal", Principal{Kind: runner, Projects: job.Projects{All: true}}, ConfigReveal, "shop", false},
		{"an entrypoint reads nothing", Principal{Kind: entrypoint, DeploymentID: "d"}, ProjectRead, "shop", false},
		{"an unknown action is permitted to nobody", Principal{Kind: user, Roles: map[string]waypointv1.Role{"": admin}}, "project:burn", "shop", false},
		{"nor to a runner", Principal{Kind: runner, Projects: job.Projects{All: true}}, "project:burn", "shop", false},
		{"the empty principal is permitted nothing", Principal{}, ProjectRead, "shop", false},
		{"a role that is not set holds nothing", Principal{Kind: user, Roles: map[string]waypointv1.Role{"": 0}}, ProjectRead, "shop", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.May(tt.action, tt.project); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// An action that a method declares and nobody holds would be refused to everybody.
func TestSomebodyHoldsEachDeclaredAction(t *testing.T) {
	for _, m := range access.Methods() {
		for _, a := range []string{m.Action, m.GlobalAction} {
			if a != "" && !Action(a).Known() {
				t.Errorf("%s: nobody is permitted %q: add it to leastRole", m.Procedure, a)
			}
		}
	}
}

// call sends a request through Authorize, as the principal, to a handler that checks what it loaded as told.
func call[T any](t *testing.T, p *Principal, procedure string, request *T, loaded func(context.Context) error) error {
	t.Helper()
	service, name, _ := strings.Cut(strings.TrimPrefix(procedure, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if p != nil {
		ctx = With(ctx, *p)
	}
	req := &schemaRequest{AnyRequest: connect.NewRequest(request), spec: connect.Spec{Procedure: procedure, Schema: d}}
	_, err = Authorize(func(ctx context.Context, _ connect.AnyRequest) (connect.AnyResponse, error) { return nil, loaded(ctx) })(ctx, req)
	return err
}

// schemaRequest is a request with the schema that a Connect handler gives it.
type schemaRequest struct {
	connect.AnyRequest
	spec connect.Spec
}

func (r *schemaRequest) Spec() connect.Spec { return r.spec }

func TestAuthorize(t *testing.T) {
	answered := func(context.Context) error { return nil }
	shopViewer := &Principal{Kind: user, Roles: map[string]waypointv1.Role{"shop": viewer}}
	shopDeployer := &Principal{Kind: user, Roles: map[string]waypointv1.Role{"shop": deployer}}
	global := &Principal{Kind: user, Roles: map[string]waypointv1.Role{"": admin}}
	bound := &Principal{Kind: runner, Projects: job.Projects{Names: []string{"shop"}}}
	app := &Principal{Kind: entrypoint, DeploymentID: "d1"}
	set := func(projects ...string) *waypointv1.SetConfigRequest {
		out := &waypointv1.SetConfigRequest{}
		for _, p := range projects {
			out.Variables = append(out.Variables, &waypointv1.ConfigVariable{Scope: &waypointv1.ConfigScope{Project: p}})
		}
		return out
	}
	setConfig := func(p *Principal, projects ...string) error {
		return call(t, p, "/waypoint.v1.ConfigService/SetConfig", set(projects...), answered)
	}
	getProject := func(p *Principal, name string) error {
		return call(t, p, "/waypoint.v1.ProjectService/GetProject", &waypointv1.GetProjectRequest{Name: name}, answered)
	}
	getConfig := func(p *Principal, id string) error {
		return call(t, p, "/waypoint.v1.EntrypointService/GetAppConfig", &waypointv1.GetAppConfigRequest{DeploymentId: id}, answered)
	}
	register := func(p *Principal) error {
		return call(t, p, "/waypoint.v1.RunnerAgentService/Register", &waypointv1.RegisterRequest{}, answered)
	}
	getJob := func(p *Principal, loaded func(context.Context) error) error {
		return call(t, p, "/waypoint.v1.JobService/GetJob", &waypointv1.GetJobRequest{Id: "x"}, loaded)
	}
	checked := func(project string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := RequireOf(ctx, JobRead, project, "job x")
			return err
		}
	}
	for name, tt := range map[string]struct {
		err  error
		want fault.Reason
	}{
		"no token":                          {getProject(nil, "shop"), fault.TokenMissing},
		"no token, open":                    {call(t, nil, "/waypoint.v1.ServerService/GetServerInfo", &waypointv1.GetServerInfoRequest{}, answered), ""},
		"own project":                       {getProject(shopViewer, "shop"), ""},
		"another project":                   {getProject(shopViewer, "blog"), fault.PermissionDenied},
		"no project":                        {getProject(global, ""), fault.InvalidArgument},
		"a name that cannot be":             {getProject(global, "../x"), fault.InvalidArgument},
		"a runner reads its project":        {getProject(bound, "shop"), ""},
		"a runner reads no other":           {getProject(bound, "blog"), fault.PermissionDenied},
		"a viewer changes nothing":          {setConfig(shopViewer, "shop"), fault.PermissionDenied},
		"a deployer changes configuration":  {setConfig(shopDeployer, "shop"), ""},
		"each of a list is checked":         {setConfig(shopDeployer, "shop", "blog"), fault.PermissionDenied},
		"global ones need more":             {setConfig(shopDeployer, "shop", ""), fault.PermissionDenied},
		"an admin of all sets global ones":  {setConfig(global, "", "shop"), ""},
		"an empty list names nothing":       {setConfig(shopDeployer), ""},
		"but it needs the role somewhere":   {setConfig(shopViewer), fault.PermissionDenied},
		"a runner changes no configuration": {setConfig(bound, "shop"), fault.PermissionDenied},
		"own deployment":                    {getConfig(app, "d1"), ""},
		"another deployment":                {getConfig(app, "d2"), fault.PermissionDenied},
		"no deployment":                     {getConfig(app, ""), fault.PermissionDenied},
		"an admin is not an entrypoint":     {getConfig(global, "d1"), fault.PermissionDenied},
		"an entrypoint of nothing":          {getConfig(&Principal{Kind: entrypoint}, ""), fault.PermissionDenied},
		"a runner token acts as a runner":   {register(&Principal{Kind: runner}), ""},
		"so does a deployer":                {register(shopDeployer), ""},
		"a viewer does not":                 {register(shopViewer), fault.PermissionDenied},
		"nor an entrypoint":                 {register(app), fault.PermissionDenied},
		"nor who has no role":               {register(&Principal{Kind: user}), fault.PermissionDenied},
		"loaded and checked":                {getJob(shopViewer, checked("shop")), ""},
		"loaded, of another project":        {getJob(shopViewer, checked("blog")), fault.PermissionDenied},
		"loaded and not checked":            {getJob(global, answered), fault.Internal},
		"loaded, of a kind that may not":    {getJob(app, answered), fault.PermissionDenied},
	} {
		if ok := tt.err == nil; ok != (tt.want == "") || !ok && !fault.Is(tt.err, tt.want) {
			t.Errorf("%s: %v, not %q", name, tt.err, tt.want)
		}
	}
}

func TestRequireTokenIsForTheOwnTokenOrAnAdmin(t *testing.T) {
	for name, tt := range map[string]struct {
		p  Principal
		ok bool
	}{
		"own":              {Principal{Kind: entrypoint, TokenID: "t1"}, true},
		"another's":        {Principal{Kind: runner, TokenID: "t2"}, false},
		"an admin":         {Principal{Kind: user, TokenID: "t2", Roles: map[string]waypointv1.Role{"": admin}}, true},
		"of one project":   {Principal{Kind: user, TokenID: "t2", Roles: map[string]waypointv1.Role{"shop": admin}}, false},
		"without any role": {Principal{Kind: user, TokenID: "t2"}, false},
	} {
		if _, err := RequireToken(With(t.Context(), tt.p), TokenWrite, "t1"); (err == nil) != tt.ok {
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
	const serverInfo = "/waypoint.v1.ServerService/GetServerInfo"
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
