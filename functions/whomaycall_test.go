package functions_test

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/waypoint-serverless/waypoint/api/access"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sigv4"
	"github.com/waypoint-serverless/waypoint/localstack/aws/sts"
)

const whoMayCallFile = "testdata/who-may-call.txt"

// whoMayCall is the table that a person keeps.
type whoMayCall struct {
	columns []string
	// rows hold a cell for each column, by method and variant: "ConfigService/GetConfig" or "ConfigService/GetConfig:global".
	rows  map[string][]string
	order []string
}

func readWhoMayCall(t *testing.T) whoMayCall {
	t.Helper()
	file, err := os.Open(whoMayCallFile)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := whoMayCall{rows: map[string][]string{}}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
		case out.columns == nil:
			out.columns = fields[1:]
		case len(fields) != len(out.columns)+1:
			t.Fatalf("%s: the row of %s has %d cells, there are %d columns", whoMayCallFile, fields[0], len(fields)-1, len(out.columns))
		default:
			if out.rows[fields[0]] != nil {
				t.Fatalf("%s: %s stands there twice", whoMayCallFile, fields[0])
			}
			out.rows[fields[0]] = fields[1:]
			out.order = append(out.order, fields[0])
		}
	}
	return out
}

// Each cell of the table is asked of the server with a real request.
func TestWhoMayCall(t *testing.T) {
	want := readWhoMayCall(t)
	w := newWho(t)
	for _, m := range access.Methods() {
		name := strings.TrimPrefix(m.Procedure, "/waypoint.v1.")
		if want.rows[name] == nil {
			t.Errorf("%s has no row of %s: write down who may call it, and add the request to whoRequests", name, whoMayCallFile)
		}
	}
	for _, row := range want.order {
		request := whoRequests[row]
		if request == nil {
			t.Errorf("there is no request for the row %s of %s: add it to whoRequests", row, whoMayCallFile)
			continue
		}
		method, _, _ := strings.Cut(row, ":")
		for i, column := range want.columns {
			caller := w.callers[column]
			if caller == nil {
				t.Fatalf("nobody is called %s", column)
			}
			c := whoCell{who: w, caller: caller}
			body := request(t, &c)
			from := caller.caller
			if c.instead != nil {
				from = c.instead
			}
			got, answer := whoAsks(t, from, method, body)
			if got != want.rows[row][i] {
				t.Errorf("%s for %s is %q, and %q in %s: %s", row, column, got, want.rows[row][i], whoMayCallFile, answer)
			}
		}
	}
}

// whoAsks sends the request and sorts the answer: "yes", "no", or what does not fit a table, which is a mistake of the test.
func whoAsks(t *testing.T, c *caller, method, body string) (cell, answer string) {
	t.Helper()
	status, answer := c.raw(t, method, body)
	if status == http.StatusOK {
		switch {
		case method == "RunnerAgentService/ClaimJob" && !strings.Contains(answer, "OUTCOME_CLAIMED"):
			return "no", answer // not for this runner, which is an answer and no error
		case method == "RunnerAgentService/Beat" && !strings.Contains(answer, `"registered":true`):
			return "no", answer
		}
		return "yes", answer
	}
	var refusal struct {
		Details []struct {
			Debug struct{ Reason string }
		}
	}
	if err := json.Unmarshal([]byte(answer), &refusal); err != nil || len(refusal.Details) == 0 {
		return "broken", answer
	}
	switch reason := refusal.Details[0].Debug.Reason; reason {
	case "TOKEN_MISSING", "PERMISSION_DENIED", "STALE_LEASE", "RUNNER_NOT_FOUND":
		return "no", answer
	case "PROJECT_IN_USE": // who asked did not matter
		return "yes", answer
	case "IDENTITY_REFUSED": // the proof that was sent is none; who sent it did not matter
		return "yes", answer
	default:
		return reason, answer
	}
}

// who is a server with two projects and somebody of each column.
type who struct {
	*world
	admin   *caller
	callers map[string]*whoCaller
	// What there is of project shop: records, a job that waits and one that a runner has, and that runner.
	build, artifact, deployment, release string
	held                                 *waypointv1.Fence
	runner                               string
}

// whoCaller is the holder of a token, with what is its own.
type whoCaller struct {
	*caller
	kind waypointv1.TokenKind
	// again makes another token of the same rights.
	again func(t *testing.T) *caller
	// runner is its registration, if it may have one; shop says whether it runs jobs of that project.
	runner string
	shop   bool
}

// whoCell is one cell. instead is who asks, if it is not the column's own caller.
type whoCell struct {
	*who
	caller  *whoCaller
	instead *caller
}

func newWho(t *testing.T) *who {
	t.Helper()
	in := install(t)
	in.Config.HTTPClient = newVending(t, in)
	w := &who{callers: map[string]*whoCaller{}}
	w.world = newWorldFor(t, in, func(s *functions.Settings) { s.RunnerRoleARN = "arn:aws:iam::000000000000:role/runner" })
	w.admin = w.as(w.world.admin)
	w.admin.project(t, "shop")
	w.admin.project(t, "blog")
	const userKind, runnerKind, entrypointKind = waypointv1.TokenKind_TOKEN_KIND_USER, waypointv1.TokenKind_TOKEN_KIND_RUNNER, waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT
	add := func(column string, kind waypointv1.TokenKind, again func(t *testing.T) *caller) *whoCaller {
		w.callers[column] = &whoCaller{caller: again(t), kind: kind, again: again}
		return w.callers[column]
	}
	user := func(column, project string, role waypointv1.Role) {
		c := add(column, userKind, func(t *testing.T) *caller {
			return w.admin.newToken(t, &waypointv1.CreateTokenRequest{Kind: userKind, Roles: map[string]waypointv1.Role{project: role}})
		})
		if role != waypointv1.Role_ROLE_VIEWER {
			c.runner, c.shop = c.here(t, nil), project != "blog"
		}
	}
	add("nobody", 0, func(*testing.T) *caller { return w.as("") })
	user("viewer", "shop", waypointv1.Role_ROLE_VIEWER)
	user("deployer", "shop", waypointv1.Role_ROLE_DEPLOYER)
	user("admin", "shop", waypointv1.Role_ROLE_ADMIN)
	user("admin-other", "blog", waypointv1.Role_ROLE_ADMIN)
	user("admin-all", "", waypointv1.Role_ROLE_ADMIN)
	for column, project := range map[string]string{"runner": "shop", "runner-other": "blog"} {
		c := add(column, runnerKind, func(t *testing.T) *caller { return w.admin.runnerOf(t, nil, project) })
		c.runner, _ = c.stands(t)
		c.shop = project == "shop"
	}
	w.runner = w.callers["runner"].runner
	w.held = w.admin.claimed(t, noop())
	meta := func() *waypointv1.RecordMeta {
		return &waypointv1.RecordMeta{Id: w.ID(t), State: success, Plugin: "null"}
	}
	w.build = w.admin.put(t, w.held, build(w.ID(t), success)).GetBuild().GetMeta().GetId()
	w.artifact = w.admin.put(t, w.held, &waypointv1.Record{Record: &waypointv1.Record_Artifact{Artifact: &waypointv1.Artifact{Meta: meta()}}}).GetArtifact().GetMeta().GetId()
	w.release = w.admin.put(t, w.held, &waypointv1.Record{Record: &waypointv1.Record_Release{Release: &waypointv1.Release{
		Meta: meta(), PhysicalState: waypointv1.PhysicalState_PHYSICAL_STATE_CREATED}}}).GetRelease().GetMeta().GetId()
	entrypoint := func(t *testing.T) (id string, c *caller) { id, c, _ = w.admin.deployed(t); return id, c }
	w.deployment, _ = entrypoint(t)
	for column, own := range map[string]bool{"entrypoint": true, "entrypoint-other": false} {
		c := add(column, entrypointKind, func(t *testing.T) *caller { _, c := entrypoint(t); return c })
		if own {
			w.deployment, c.caller = entrypoint(t)
		}
	}
	return w
}

// vending answers STS, which vends the keys for runners' queues, and leaves all else to others.
type vending struct {
	others aws.HTTPClient
	tokens http.Handler
}

func newVending(t *testing.T, in *installation) vending {
	t.Helper()
	tokens, err := sts.New(sts.Options{Account: "000000000000", Key: make([]byte, 32), Clock: in.Clock.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return vending{others: in.Config.HTTPClient, tokens: tokens}
}

func (v vending) Do(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return v.others.Do(r)
	}
	w := httptest.NewRecorder()
	root := sigv4.Principal{Account: "000000000000", ARN: "arn:aws:iam::000000000000:root"}
	v.tokens.ServeHTTP(w, r.WithContext(sigv4.WithPrincipal(r.Context(), root)))
	return w.Result(), nil
}

// fence is that of a job of shop that the caller's own runner has claimed, or of somebody else's for who cannot.
func (c *whoCell) fence(t *testing.T) *waypointv1.Fence {
	t.Helper()
	if !c.caller.shop {
		return c.held
	}
	return c.caller.tryClaim(t, c.caller.runner, c.job(t)).GetFence()
}

// job is a waiting job of shop: one for the caller's own runner, if it has one.
func (c *whoCell) job(t *testing.T) string {
	t.Helper()
	if !c.caller.shop || c.caller.kind != waypointv1.TokenKind_TOKEN_KIND_USER {
		return c.admin.anywhere(t, "shop")
	}
	return c.caller.anywhere(t, "shop", func(s *waypointv1.JobSpec) {
		s.Target = &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: c.caller.runner}}
		s.DataSource = &waypointv1.DataSource{Source: &waypointv1.DataSource_Local{Local: &waypointv1.LocalSource{}}}
	})
}

// ownRunner is the caller's registration, or somebody else's for who has none.
func (c *whoCell) ownRunner() string {
	if c.caller.runner == "" {
		return c.who.runner
	}
	return c.caller.runner
}

// id is that of the caller's token.
func (c *caller) id(t *testing.T) string {
	t.Helper()
	return must[waypointv1.GetServerInfoResponse](t)(c.server.GetServerInfo(t.Context(), ask(&waypointv1.GetServerInfoRequest{}))).GetPrincipal().GetTokenId()
}

// The table cannot forget a column that the contract knows of: each kind of caller has one that is served somewhere.
func TestWhoMayCallNamesEachKindOfCaller(t *testing.T) {
	table := readWhoMayCall(t)
	for _, column := range []string{"nobody", "viewer", "deployer", "admin", "runner", "runner-other", "entrypoint", "entrypoint-other"} {
		i := slices.Index(table.columns, column)
		if i < 0 {
			t.Errorf("%s has no column %s", whoMayCallFile, column)
			continue
		}
		if !slices.ContainsFunc(table.order, func(row string) bool { return table.rows[row][i] == "yes" }) {
			t.Errorf("%s lets %s call nothing", whoMayCallFile, column)
		}
	}
}
