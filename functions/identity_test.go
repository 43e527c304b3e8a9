package functions_test

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/oklog/ulid/v2"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/awsproof"
	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/functions/internal/job"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/runner/awstoken"
)

const taskRole = "arn:aws:iam::000000000000:role/task"

// withRoles lets roles register runners.
func withRoles(list string) func(*functions.Settings) {
	return func(s *functions.Settings) { s.RunnerRoles = list }
}

// session are keys of a role, from this world's STS.
func (w *world) session(t *testing.T, role string) aws.CredentialsProvider {
	t.Helper()
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {role}, "RoleSessionName": {"a-task"},
		"Policy": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:ReceiveMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:none"}]}`}}
	req := httptest.NewRequest(http.MethodPost, "http://sts.test/", strings.NewReader(form.Encode()))
	req = req.WithContext(sigv4.WithPrincipal(req.Context(), sigv4.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}))
	rec := httptest.NewRecorder()
	w.Config.HTTPClient.(services).sts.ServeHTTP(rec, req)
	var out struct {
		Keys struct {
			AccessKeyId, SecretAccessKey, SessionToken string //nolint:revive // STS's names
		} `xml:"AssumeRoleResult>Credentials"`
	}
	if err := xml.Unmarshal(rec.Body.Bytes(), &out); err != nil || out.Keys.AccessKeyId == "" {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	return credentials.NewStaticCredentialsProvider(out.Keys.AccessKeyId, out.Keys.SecretAccessKey, out.Keys.SessionToken)
}

func (w *world) holder(keys aws.CredentialsProvider) *awstoken.Holder {
	return &awstoken.Holder{Server: w.as("").server, Credentials: keys, Region: "eu-west-1", Now: w.Clock.Now}
}

func TestARoleOnTheListRegistersARunner(t *testing.T) {
	w := onAWS(t, withRoles("arn:aws:iam::000000000000:role/ci/other, "+taskRole+"=gpu=yes;size=big"))
	got, err := w.holder(w.session(t, taskRole)).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.GetSecret(), "wp_runner_") || got.GetExpiresUnix() != w.Clock.Now().Unix()+3600 ||
		!strings.HasSuffix(got.GetArn(), ":assumed-role/task/a-task") || got.GetRunnerLabels()["gpu"] != "yes" {
		t.Fatalf("got %v", got)
	}
	r, id := w.as(got.GetSecret()), ulid.Make().String()
	in := &waypointv1.RegisterRequest{RunnerId: id, Name: "task", Kind: waypointv1.RunnerKind_RUNNER_KIND_STANDING}
	out, err := r.agent.Register(t.Context(), connect.NewRequest(in))
	if err != nil || out.Msg.GetRunner().GetLabels()["size"] != "big" {
		t.Fatalf("%v: %v", err, out)
	}
	in.Labels = map[string]string{"gpu": "no"}
	if _, err := r.agent.Register(t.Context(), connect.NewRequest(in)); !fault.Is(err, fault.PermissionDenied) {
		t.Errorf("labels of another pool: %v", err)
	}
	if _, err := r.projects.ListProjects(t.Context(), connect.NewRequest(&waypointv1.ListProjectsRequest{})); err != nil {
		t.Errorf("a runner reads projects: %v", err)
	}
}

func TestAnIdentityIsRefused(t *testing.T) {
	list := withRoles(taskRole)
	sign := func(t *testing.T, w *world) map[string]string {
		t.Helper()
		h, err := w.holder(w.session(t, taskRole)).Sign(t.Context(), "server-1")
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	ask := func(w *world, headers map[string]string) error {
		_, err := w.as("").server.ExchangeIdentity(context.Background(), connect.NewRequest(&waypointv1.ExchangeIdentityRequest{Headers: headers}))
		return err
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, w *world) error
		says   string
	}{
		"replayed": {func(t *testing.T, w *world) error {
			h := sign(t, w)
			if err := ask(w, h); err != nil {
				t.Fatal(err)
			}
			return ask(w, h)
		}, "used before"},
		"forged": {func(t *testing.T, w *world) error {
			h := sign(t, w)
			sum := h["Authorization"]
			h["Authorization"] = sum[:len(sum)-4] + "beef"
			return ask(w, h)
		}, "AWS does not accept"},
		"with somebody else's session": {func(t *testing.T, w *world) error {
			h := sign(t, w)
			other, err := w.session(t, "arn:aws:iam::000000000000:role/other").Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			h["X-Amz-Security-Token"] = other.SessionToken
			return ask(w, h)
		}, "AWS does not accept"},
		"for another server": {func(t *testing.T, w *world) error {
			h, err := w.holder(w.session(t, taskRole)).Sign(t.Context(), "server-2")
			if err != nil {
				t.Fatal(err)
			}
			return ask(w, h)
		}, "another server"},
		"for another server, with the header changed": {func(t *testing.T, w *world) error {
			h, err := w.holder(w.session(t, taskRole)).Sign(t.Context(), "server-2")
			if err != nil {
				t.Fatal(err)
			}
			h[awsproof.ServerHeader] = "server-1"
			return ask(w, h)
		}, "AWS does not accept"},
		"stale": {func(t *testing.T, w *world) error {
			h := sign(t, w)
			w.Clock.Pass(6 * time.Minute)
			return ask(w, h)
		}, "off this server's clock"},
		"not on the list": {func(t *testing.T, w *world) error {
			_, err := w.holder(w.session(t, "arn:aws:iam::000000000000:role/other")).Token(t.Context())
			return err
		}, "role/other may not register runners"},
	} {
		t.Run(name, func(t *testing.T) {
			w := onAWS(t, list)
			err := c.change(t, w)
			if !fault.Is(err, fault.IdentityRefused) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want a refusal that says %q", err, c.says)
			}
		})
	}
	if err := ask(onAWS(t, withRoles("")), map[string]string{}); !strings.Contains(err.Error(), "lets no role") {
		t.Errorf("without a list: %v", err)
	}
	if err := ask(onAWS(t, withRoles("task")), map[string]string{}); !strings.Contains(err.Error(), "cannot read its list") {
		t.Errorf("with a list that is none: %v", err)
	}
}

// A token lives on by a new proof, under the same id, so that what its runner claimed stays its own.
func TestATokenLivesOnByANewProof(t *testing.T) {
	w := onAWS(t, withRoles(taskRole))
	// As on AWS, the task's keys last for an hour, and it is given new ones.
	h := w.holder(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) { return w.session(t, taskRole).Retrieve(ctx) }))
	got, err := h.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	kept, waits, goOn := make(chan error, 1), make(chan time.Duration, 1), make(chan bool)
	h.After = func(d time.Duration) <-chan time.Time {
		waits <- d
		select {
		case <-goOn:
		case <-ctx.Done():
		}
		w.Clock.Pass(d)
		now := make(chan time.Time, 1)
		now <- w.Clock.Now()
		return now
	}
	go func() { kept <- h.Keep(ctx, got.GetSecret(), time.Unix(got.GetExpiresUnix(), 0)) }()
	for range 4 { // four times 45 minutes: it outlives the hour that it was given
		var d time.Duration
		select {
		case d = <-waits:
		case err := <-kept:
			t.Fatalf("keeping the token ended: %v", err)
		}
		if (45*time.Minute - d).Abs() > time.Minute { // the clock moves with each request
			t.Fatalf("renewed after %s", d)
		}
		goOn <- true
	}
	select {
	case <-waits: // it was renewed four times, and waits for the fifth
	case err := <-kept:
		t.Fatalf("keeping the token ended: %v", err)
	}
	w.Clock.Pass(40 * time.Second) // the gate's cache
	me := w.as(got.GetSecret())
	info, err := me.server.GetServerInfo(t.Context(), connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil || info.Msg.GetPrincipal() == nil {
		t.Fatalf("%v: the token ended: %v", err, info)
	}
	if _, err := w.as(w.admin).tokens.RevokeToken(t.Context(), connect.NewRequest(&waypointv1.RevokeTokenRequest{Id: info.Msg.GetPrincipal().GetTokenId()})); err != nil {
		t.Fatal(err)
	}
	// Revoked: at most 30 s more, and no new proof revives it.
	w.Clock.Pass(31 * time.Second)
	if _, err := me.agent.Beat(t.Context(), connect.NewRequest(&waypointv1.BeatRequest{RunnerId: ulid.Make().String()})); !fault.Is(err, fault.TokenRevoked) {
		t.Errorf("31 s after the revocation: %v", err)
	}
	goOn <- true
	if err := <-kept; !fault.Is(err, fault.IdentityRefused) {
		t.Errorf("a revoked token was kept: %v", err)
	}
}

// When the list binds a role to another pool, the token that lives on is of that pool.
func TestATokenThatLivesOnHasTheListsLabels(t *testing.T) {
	w := onAWS(t, withRoles(taskRole+"=team=old"))
	h := w.holder(w.session(t, taskRole))
	if _, err := h.Token(t.Context()); err != nil {
		t.Fatal(err)
	}
	tokens := func() *waypointv1.Token {
		t.Helper()
		list, err := w.as(w.admin).tokens.ListTokens(t.Context(), connect.NewRequest(&waypointv1.ListTokensRequest{}))
		if err != nil {
			t.Fatal(err)
		}
		for _, tok := range list.Msg.GetTokens() {
			if strings.HasPrefix(tok.GetCreatedBy(), "identity ") {
				return tok
			}
		}
		t.Fatal("the token is not listed")
		return nil
	}
	tok := tokens()
	if tok.GetRunnerLabels()["team"] != "old" {
		t.Errorf("labels %v", tok.GetRunnerLabels())
	}
	later := tok.GetExpiresUnix() + 100
	lives, err := w.Tokens.Extend(t.Context(), tok.GetId(), tok.GetCreatedBy(), later, map[string]string{"team": "new"}, job.Projects{Names: []string{"shop"}})
	if err != nil || !lives {
		t.Fatal(lives, err)
	}
	if now := tokens(); now.GetRunnerLabels()["team"] != "new" || now.GetExpiresUnix() != later || now.GetAllProjects() ||
		!slices.Equal(now.GetProjects(), []string{"shop"}) {
		t.Errorf("labels %v, until %d", now.GetRunnerLabels(), now.GetExpiresUnix())
	}
	if lives, err := w.Tokens.Extend(t.Context(), tok.GetId(), "identity of another", later, nil, job.Projects{}); lives || err != nil {
		t.Errorf("extended for another: %v %v", lives, err)
	}
}
