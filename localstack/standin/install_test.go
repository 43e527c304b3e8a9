package standin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/release/pack"
	"github.com/waypoint-serverless/waypoint/localstack/standin"
)

// code builds the functions' binary once for all tests and returns its zip.
var code []byte

// cliDir holds the command, with what belongs beside it.
var cliDir string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "waypoint-bootstrap-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", path, "../../functions/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the functions: %v\n%s", err, out)
		return 1
	}
	binary, err := os.ReadFile(path)
	if err == nil {
		code, err = pack.Zip(binary)
	}
	if err == nil {
		cliDir = dir
		err = buildCLI(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func start(t *testing.T, o standin.Options) *standin.StandIn {
	t.Helper()
	s, err := standin.Start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

func options(s *standin.StandIn) infra.Options {
	return infra.Options{
		Config: s.Config(), Version: "1.2.3", PollEvery: time.Millisecond, AdminToken: "install",
		Code: func(string) ([]byte, error) { return code, nil },
	}
}

func reach(t *testing.T, r *infra.Result) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{Address: r.Address, Token: r.Token, Component: "cli", Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestInstallUseUpgradeUninstall(t *testing.T) {
	ctx := context.Background()
	// The operator may do what --print-policy prints, and nothing else.
	policy, err := infra.PrintPolicy("", standin.Account, standin.Region)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, standin.Options{OperatorPolicy: policy})
	o := options(s)
	var plan infra.Plan
	o.Confirm = func(p infra.Plan) (bool, error) { plan = p; return true, nil }
	applied := 0
	o.Progress = func(e infra.Event) {
		if e.Resource != nil {
			applied++
		}
	}
	r, err := infra.Install(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Operation != "install" || len(plan.Changes) < 20 || len(plan.Beside) != 2 {
		t.Errorf("the plan was %+v", plan)
	}
	if applied < 40 || !r.Changed || r.Address == "" || r.Token == "" {
		t.Errorf("%d events; the result is %+v", applied, r)
	}
	c := reach(t, r)
	info, err := c.Server.GetServerInfo(ctx, connect.NewRequest(&waypointv1.GetServerInfoRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	if info.Msg.GetServerId() != r.ServerID || info.Msg.GetPlatform() != "aws" || info.Msg.GetPrincipal().GetName() != "install" || info.Msg.GetTailHoldMs() != 20_000 {
		t.Errorf("the server says %v", info.Msg)
	}
	if _, err := c.Project.UpsertProject(ctx, connect.NewRequest(&waypointv1.UpsertProjectRequest{Project: &waypointv1.Project{Name: "hello"}})); err != nil {
		t.Fatal(err)
	}
	if err := s.Tick(ctx); err != nil {
		t.Errorf("the sweep failed: %v", err)
	}

	again, err := infra.Install(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if again.Changed || again.ServerID != r.ServerID || again.Address != r.Address {
		t.Errorf("installing what is installed changed it: %+v", again)
	}
	o.Version = "1.3.0"
	o.Parameters = map[string]string{"LogRetentionDays": "30"}
	upgraded, err := infra.Upgrade(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if !upgraded.Changed || upgraded.Version != "1.3.0" || upgraded.ServerID != r.ServerID || plan.Operation != "upgrade" || len(plan.Changes) != 3 {
		t.Errorf("the upgrade is %+v with %+v", upgraded, plan.Changes)
	}
	if got := projects(t, reach(t, upgraded)); got != "hello" {
		t.Errorf("after the upgrade the projects are %q", got)
	}
	healthy(t, o)

	gone, err := infra.Uninstall(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(gone.Kept) != 2 {
		t.Errorf("kept %q", gone.Kept)
	}
	adopted, err := infra.Install(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := projects(t, reach(t, adopted)); got != "hello" || adopted.Parameters["TableOrigin"] != "adopted" {
		t.Errorf("after installing again the projects are %q, with %v", got, adopted.Parameters)
	}
	o.Purge = true
	if gone, err = infra.Uninstall(ctx, o); err != nil || len(gone.Kept) != 0 {
		t.Fatalf("%+v, %v", gone, err)
	}
	if left := s.Left(); len(left) > 0 {
		t.Errorf("these are left: %q", left)
	}
}

func projects(t *testing.T, c *client.Client) string {
	t.Helper()
	res, err := c.Project.ListProjects(context.Background(), connect.NewRequest(&waypointv1.ListProjectsRequest{}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range res.Msg.GetProjects() {
		names = append(names, p.GetName())
	}
	return strings.Join(names, ",")
}

func healthy(t *testing.T, o infra.Options) {
	t.Helper()
	checks, err := infra.Doctor(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if len(checks) < 12 {
		t.Errorf("the doctor looked at %d things only", len(checks))
	}
	for _, c := range checks {
		if c.Status != "ok" {
			t.Errorf("the doctor says %+v", c)
		}
	}
}

// cutter ends the program at the n-th request: before it is sent, or when its answer is lost.
type cutter struct {
	n, seen int
	after   bool
	cancel  context.CancelFunc
}

var errCut = errors.New("cut off")

func (c *cutter) Do(req *http.Request) (*http.Response, error) {
	c.seen++
	if c.seen > c.n || c.seen == c.n && !c.after {
		c.cancel()
		return nil, errCut
	}
	res, err := http.DefaultClient.Do(req)
	if c.seen == c.n {
		c.cancel()
		if err == nil {
			res.Body.Close()
		}
		return nil, errCut
	}
	return res, err
}

// Whatever request was the last one of an installer that died, the next run completes, and uninstalling leaves
// nothing.
func TestAnInstallationThatWasCutOffAnywhereIsCompletedByTheNextRun(t *testing.T) {
	s := start(t, standin.Options{})
	for n, done := 1, false; !done; n++ {
		for _, after := range []bool{false, true} {
			ctx, cancel := context.WithCancel(context.Background())
			o := options(s)
			o.AdminToken = ""
			c := &cutter{n: n, after: after, cancel: cancel}
			o.Config.HTTPClient = c
			_, err := infra.Install(ctx, o)
			cancel()
			if err == nil {
				done = true
			} else if c.seen < n {
				t.Fatalf("request %d: %v", n, err)
			}
			o.Config.HTTPClient = nil
			if n%2 == 0 { // every other time, it is removed at once
				if _, err := infra.Install(context.Background(), o); err != nil {
					t.Fatalf("after a cut at request %d (after: %v): %v", n, after, err)
				}
			}
			purge(t, s, o, fmt.Sprintf("a cut of the installation at request %d (after: %v)", n, after))
		}
		if n > 200 {
			t.Fatal("it never ends")
		}
		if done {
			t.Logf("cut off at each of %d requests", n-1)
		}
	}
}

func TestAnUninstallationThatWasCutOffAnywhereIsCompletedByTheNextRun(t *testing.T) {
	s := start(t, standin.Options{})
	for n, done := 1, false; !done; n++ {
		o := options(s)
		o.AdminToken = ""
		if _, err := infra.Install(context.Background(), o); err != nil {
			t.Fatalf("before a cut at request %d: %v", n, err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		c := &cutter{n: n, after: n%2 == 0, cancel: cancel}
		o.Config.HTTPClient = c
		o.Purge = true
		_, err := infra.Uninstall(ctx, o)
		cancel()
		done = err == nil
		o.Config.HTTPClient = nil
		purge(t, s, o, fmt.Sprintf("a cut of the removal at request %d", n))
		if n > 200 {
			t.Fatal("it never ends")
		}
		if done {
			t.Logf("cut off at each of %d requests", n-1)
		}
	}
}

func purge(t *testing.T, s *standin.StandIn, o infra.Options, after string) {
	t.Helper()
	o.Purge = true
	if _, err := infra.Uninstall(context.Background(), o); err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
	if left := s.Left(); len(left) > 0 {
		t.Fatalf("after %s and a removal these are left: %q", after, left)
	}
}
