package functions_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
)

const user = waypointv1.TokenKind_TOKEN_KIND_USER

func TestServerInfoNeedsNoTokenAndTellsThePrincipalOfOne(t *testing.T) {
	w := newWorld(t)
	info := must[waypointv1.GetServerInfoResponse](t)(w.as("").server.GetServerInfo(t.Context(), ask(&waypointv1.GetServerInfoRequest{})))
	if info.GetServerId() != "server-1" || info.GetPlatform() != "local" || info.GetProtocolCurrent() != 1 || info.GetPrincipal() != nil {
		t.Errorf("%v", info)
	}
	info = must[waypointv1.GetServerInfoResponse](t)(w.as(w.admin).server.GetServerInfo(t.Context(), ask(&waypointv1.GetServerInfoRequest{})))
	if info.GetPrincipal().GetName() != "ann" || info.GetPrincipal().GetKind() != user {
		t.Errorf("%v", info.GetPrincipal())
	}
}

func TestTokensAreMadeListedAndRevoked(t *testing.T) {
	w := newWorld(t)
	ctx, admin := t.Context(), w.as(w.admin)
	w.Clock.Pass(time.Second) // ids of one millisecond have no order
	made := must[waypointv1.CreateTokenResponse](t)(admin.tokens.CreateToken(ctx, ask(&waypointv1.CreateTokenRequest{
		Kind: user, Name: "ci", Roles: map[string]waypointv1.Role{"shop": waypointv1.Role_ROLE_DEPLOYER},
	})))
	ci := w.as(made.GetSecret())
	ci.project(t, "shop")
	_, err := ci.projects.GetProject(ctx, ask(&waypointv1.GetProjectRequest{Name: "blog"}))
	wantFault(t, err, fault.PermissionDenied)
	_, err = ci.tokens.ListTokens(ctx, ask(&waypointv1.ListTokensRequest{}))
	wantFault(t, err, fault.PermissionDenied)

	listed := must[waypointv1.ListTokensResponse](t)(admin.tokens.ListTokens(ctx, ask(&waypointv1.ListTokensRequest{})))
	if got := listed.GetTokens(); len(got) != 2 || got[0].GetName() != "ci" || got[0].GetCreatedBy() != "ann" || got[1].GetName() != "ann" {
		t.Errorf("%v", got)
	}
	must[waypointv1.RevokeTokenResponse](t)(admin.tokens.RevokeToken(ctx, ask(&waypointv1.RevokeTokenRequest{Id: made.GetToken().GetId()})))
	w.Clock.Pass(31 * time.Second)
	_, err = ci.projects.ListProjects(ctx, ask(&waypointv1.ListProjectsRequest{}))
	wantFault(t, err, fault.TokenRevoked)
	listed = must[waypointv1.ListTokensResponse](t)(admin.tokens.ListTokens(ctx, ask(&waypointv1.ListTokensRequest{})))
	if len(listed.GetTokens()) != 1 {
		t.Errorf("a revoked token is listed: %v", listed.GetTokens())
	}
}

func TestTokenExpires(t *testing.T) {
	w := newWorld(t)
	made := must[waypointv1.CreateTokenResponse](t)(w.as(w.admin).tokens.CreateToken(t.Context(), ask(&waypointv1.CreateTokenRequest{
		Kind: user, Name: "short", ExpiresInSeconds: 60, Roles: map[string]waypointv1.Role{"": waypointv1.Role_ROLE_VIEWER},
	})))
	c := w.as(made.GetSecret())
	must[waypointv1.ListProjectsResponse](t)(c.projects.ListProjects(t.Context(), ask(&waypointv1.ListProjectsRequest{})))
	w.Clock.Pass(time.Minute)
	_, err := c.projects.ListProjects(t.Context(), ask(&waypointv1.ListProjectsRequest{}))
	wantFault(t, err, fault.TokenExpired)
}

func TestRepeatedTokenCreationMakesOneTokenAndKeepsNoSecret(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.key = "one-key"
	req := &waypointv1.CreateTokenRequest{Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "r", RunnerLabels: map[string]string{"a": "b"}}
	first := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(req)))
	again := must[waypointv1.CreateTokenResponse](t)(c.tokens.CreateToken(t.Context(), ask(req)))
	if first.GetSecret() == "" || again.GetSecret() != "" || again.GetToken().GetId() != first.GetToken().GetId() {
		t.Errorf("first %v, again %v", first.GetToken(), again)
	}
	req.Name = "other"
	_, err := c.tokens.CreateToken(t.Context(), ask(req))
	wantFault(t, err, fault.IdempotencyReuse)
}

func TestTokenRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	w := newWorld(t)
	roles := map[string]waypointv1.Role{"": waypointv1.Role_ROLE_ADMIN}
	for name, req := range map[string]*waypointv1.CreateTokenRequest{
		"without a name":       {Kind: user, Roles: roles},
		"long name":            {Kind: user, Name: strings.Repeat("x", 129), Roles: roles},
		"without roles":        {Kind: user, Name: "x"},
		"unknown role":         {Kind: user, Name: "x", Roles: map[string]waypointv1.Role{"": 9}},
		"role on a bad name":   {Kind: user, Name: "x", Roles: map[string]waypointv1.Role{"a b": 1}},
		"negative life":        {Kind: user, Name: "x", Roles: roles, ExpiresInSeconds: -1},
		"runner with roles":    {Kind: waypointv1.TokenKind_TOKEN_KIND_RUNNER, Name: "x", Roles: roles},
		"entrypoint's by hand": {Kind: waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT, Name: "x"},
	} {
		if _, err := w.as(w.admin).tokens.CreateToken(t.Context(), ask(req)); !fault.Is(err, fault.InvalidArgument) && !fault.Is(err, fault.TooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryRequestLeavesOneLogLineWithoutSecrets(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	w.log.Reset()
	c.project(t, "shop")
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) != 1 {
		t.Fatalf("%d lines: %s", len(lines), w.log)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line["method"] != "/waypoint.v1.ProjectService/UpsertProject" || line["principal_name"] != "ann" || line["request_id"] != "request-1" ||
		line["code"] != "OK" || line["status"] != 200.0 {
		t.Errorf("%v", line)
	}
	if got := c.used(t, "w"); got == 0 || got != line["write_units"] {
		t.Errorf("cost header %q, log %v", c.cost, line["write_units"])
	}
	if strings.Contains(w.log.String(), w.admin) {
		t.Error("the log holds the token")
	}
}

// Anybody may ask for any path without a token; what stands in the log is short and one line of plain text.
func TestALoggedPathIsShortAndClean(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/" + strings.Repeat("x", 8_000), `/a\u202e\u001b[2J\u2028b`, `/\ud83d\ude00 \n{}`} {
		w.log.Reset()
		if _, err := w.handlers.API.Invoke(t.Context(), []byte(`{"httpMethod":"POST","path":"`+path+`","headers":{},"body":"{}"}`)); err != nil {
			t.Fatal(err)
		}
		var line struct{ Method string }
		if err := json.Unmarshal(w.log.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		strange := strings.ContainsFunc(line.Method, func(r rune) bool { return r <= ' ' || r >= 0x7f })
		if len(line.Method) > 110 || strange || w.log.Len() > 600 {
			t.Errorf("%.40q is logged as %q in %d bytes", path, line.Method, w.log.Len())
		}
	}
}

func TestUnknownPathsAndMethodsAreTyped(t *testing.T) {
	w := newWorld(t)
	for path, status := range map[string]int{"/": 404, "/waypoint.v1.Nothing/Get": 404, "/waypoint.v1.JobService/Nothing": 404} {
		out, err := w.handlers.API.Invoke(t.Context(), []byte(`{"httpMethod":"POST","path":"`+path+`","headers":{"authorization":"Bearer `+w.admin+`","content-type":"application/json"},"body":"{}"}`))
		if err != nil {
			t.Fatal(err)
		}
		if s := string(out); !strings.HasPrefix(s, `{"statusCode":404`) {
			t.Errorf("%s: want %d, got %s", path, status, s)
		}
	}
}

func TestOnlyTheAPIFunctionMakesAdminTokens(t *testing.T) {
	w := newWorld(t)
	payload := []byte(`{"waypoint":"create_admin_token","name":"eve"}`)
	if _, err := w.handlers.Tail.Invoke(t.Context(), payload); err == nil {
		t.Error("tail made a token")
	}
	for _, bad := range []string{`{"waypoint":"other"}`, `{"waypoint":"create_admin_token"}`, `{}`} {
		if out, err := w.handlers.API.Invoke(t.Context(), []byte(bad)); err == nil {
			t.Errorf("%s: %s", bad, out)
		}
	}
}

func TestSweepTakesAnyPayload(t *testing.T) {
	w := newWorld(t)
	for _, payload := range []string{`{"source":"aws.events"}`, `null`, ``} {
		if _, err := w.handlers.Sweep.Invoke(t.Context(), []byte(payload)); err != nil {
			t.Errorf("%q: %v", payload, err)
		}
	}
}

func TestProvisionIsIdempotentAndRefusesOthersTables(t *testing.T) {
	w := newWorld(t)
	if err := functions.Provision(t.Context(), w.Config, w.Spec); err != nil {
		t.Error(err)
	}
	other := w.Spec
	other.Table.SortKey = "other"
	if err := functions.Provision(t.Context(), w.Config, other); err == nil || !strings.Contains(err.Error(), "other keys") {
		t.Errorf("%v", err)
	}
}

func TestNewNeedsExactlyOneKey(t *testing.T) {
	w := newWorld(t)
	for name, s := range map[string]functions.Settings{
		"none":      {Prefix: "x"},
		"two":       {Prefix: "x", KeyParameter: "a", KMSKey: "b"},
		"short":     {Prefix: "x", MasterKey: []byte("short")},
		"no prefix": {KMSKey: "b"},
	} {
		if _, err := functions.New(w.Config, s); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func wantFault(t *testing.T, err error, reason fault.Reason) {
	t.Helper()
	if !fault.Is(err, reason) {
		t.Errorf("got %v, want %s", err, reason)
	}
}
