package functions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/localstack/aws/dynamodb"
)

func manyVars(n int, value string) (vars []*waypointv1.ConfigVariable) {
	for i := range n {
		vars = append(vars, appVar(fmt.Sprintf("V%03d", i), value))
	}
	return vars
}

// fill sets variables of a scope, one at a time, until one is refused, and returns how many bytes were accepted.
func (c *caller) fill(t *testing.T, scope *waypointv1.ConfigScope, each int) (accepted int, refused error) {
	t.Helper()
	for n := range 1_000 {
		v := &waypointv1.ConfigVariable{Name: fmt.Sprintf("FILL_%03d", n), Value: strings.Repeat("x", each), Scope: scope}
		if _, err := c.configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: []*waypointv1.ConfigVariable{v}})); err != nil {
			return accepted, err
		}
		accepted += len(v.GetName()) + each
	}
	t.Fatalf("%d bytes of %v are accepted", accepted, scope)
	return 0, nil
}

// Whoever gets configuration gets all of it at once: so much is accepted that every answer fits, and no more.
func TestTheTotalOfConfigurationIsBounded(t *testing.T) {
	const global, project, app = waypointv1.ConfigScope_LEVEL_GLOBAL, waypointv1.ConfigScope_LEVEL_PROJECT, waypointv1.ConfigScope_LEVEL_APP
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	d, e, _ := c.deployed(t)
	for _, kind := range []struct {
		name, words string
		most        int
		scope       *waypointv1.ConfigScope
	}{
		{"global", "the global variables", validate.MaxConfigLevel, &waypointv1.ConfigScope{Level: global}},
		{"project", "the variables of the project shop", validate.MaxConfigLevel, &waypointv1.ConfigScope{Level: project, Project: "shop"}},
		{"app", "the variables of the app web", validate.MaxConfigLevel, &waypointv1.ConfigScope{Level: app, Project: "shop", App: "web"}},
		{"runner", "the variables for runners of the project shop", validate.MaxRunnerLevel, &waypointv1.ConfigScope{Level: project, Project: "shop", Runner: true}},
		{"input", "the input variables of the project shop", validate.MaxInputs, &waypointv1.ConfigScope{Level: project, Project: "shop", Input: true}},
	} {
		t.Run(kind.name, func(t *testing.T) {
			accepted, err := c.fill(t, kind.scope, 60<<10)
			wantFault(t, err, fault.TooLarge)
			for _, part := range []string{kind.words, "FILL_", "61440", fmt.Sprint(kind.most)} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in: %v", part, err)
				}
			}
			if accepted > kind.most || accepted < kind.most-61<<10 {
				t.Errorf("%d bytes are accepted of %d", accepted, kind.most)
			}
			// What is there can still be made smaller, and be deleted.
			c.set(t, &waypointv1.ConfigVariable{Name: "FILL_000", Value: "small", Scope: kind.scope})
			c.set(t, &waypointv1.ConfigVariable{Name: "FILL_000", Value: strings.Repeat("y", 60<<10), Scope: kind.scope})
		})
	}
	got := must[waypointv1.RegisterInstanceResponse](t)(e.entrypoint.RegisterInstance(t.Context(), ask(&waypointv1.RegisterInstanceRequest{
		DeploymentId: d, InstanceId: w.ID(t)})))
	if n := proto.Size(got); n > validate.MaxMessage {
		t.Errorf("an instance gets %d bytes", n)
	}
	claim := c.claim(t, noop())
	if n := proto.Size(claim); n > validate.MaxMessage || len(claim.GetRunnerEnv()) == 0 || len(claim.GetServerVariables()) == 0 {
		t.Errorf("a runner gets %d bytes, %d and %d variables", n, len(claim.GetRunnerEnv()), len(claim.GetServerVariables()))
	}
}

// Two changes that fit alone and not together must not both be made, of apps' variables or of input variables.
func TestTwoChangesAtOnceDoNotPassTheBoundTogether(t *testing.T) {
	for name, in := range map[string]struct {
		scope *waypointv1.ConfigScope
		most  int
	}{
		"app":   {&waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_APP, Project: "shop", App: "web"}, validate.MaxConfigLevel},
		"input": {&waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_PROJECT, Project: "shop", Input: true}, validate.MaxInputs},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.as(w.admin)
			c.project(t, "shop")
			var g sync.WaitGroup
			errs := make([]error, 2)
			for k := range errs {
				var vars []*waypointv1.ConfigVariable
				for n := 0; n*(50<<10) < in.most*6/10; n++ {
					vars = append(vars, &waypointv1.ConfigVariable{Name: fmt.Sprintf("V_%d_%d", k, n), Value: strings.Repeat("x", 50<<10), Scope: in.scope})
				}
				g.Go(func() {
					_, errs[k] = w.as(w.admin).configs.SetConfig(t.Context(), ask(&waypointv1.SetConfigRequest{Variables: vars}))
				})
			}
			g.Wait()
			if (errs[0] == nil) == (errs[1] == nil) {
				t.Fatalf("not one of the two is refused: %v; %v", errs[0], errs[1])
			}
			wantFault(t, errors.Join(errs...), fault.TooLarge)
		})
	}
}

// Variables of many apps are more than an answer carries: it has as many as fit, and says where to go on.
func TestConfigurationIsReadInPages(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	const apps, each = 5, 8
	awkward := strings.Repeat("\x01", 60<<10) // JSON takes six bytes for each
	for a := range apps {
		var vars []*waypointv1.ConfigVariable
		for n := range each {
			vars = append(vars, &waypointv1.ConfigVariable{Name: fmt.Sprintf("V%d", n), Value: awkward, Scope: &waypointv1.ConfigScope{
				Level: waypointv1.ConfigScope_LEVEL_APP, Project: "shop", App: fmt.Sprintf("app%d", a)}})
		}
		c.set(t, vars...)
	}
	for name, page := range map[string]*waypointv1.Page{"as many as fit": nil, "3 at a time": {Size: 3}} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]bool{}
			in := &waypointv1.GetConfigRequest{Project: "shop", Page: page}
			for pages := 1; ; pages++ {
				res := must[waypointv1.GetConfigResponse](t)(c.configs.GetConfig(t.Context(), ask(in)))
				if page != nil && len(res.GetVariables()) > 3 {
					t.Errorf("a page of %d", len(res.GetVariables()))
				}
				for _, v := range res.GetVariables() {
					if key := v.GetScope().GetApp() + " " + v.GetName(); seen[key] || v.GetValue() != awkward {
						t.Errorf("%s comes twice, or without its value", key)
					} else {
						seen[key] = true
					}
				}
				if res.GetNextPageToken() == "" {
					if pages < 3 {
						t.Errorf("%d pages", pages)
					}
					break
				}
				in.Page = &waypointv1.Page{Size: page.GetSize(), Token: res.GetNextPageToken()}
			}
			if len(seen) != apps*each {
				t.Errorf("%d of %d variables were read", len(seen), apps*each)
			}
		})
	}
	if status, body := c.raw(t, "ConfigService/GetConfig", `{"project":"shop"}`); status != http.StatusOK || len(body) > validate.MaxMessage {
		t.Errorf("in JSON: %d, %d bytes", status, len(body))
	}
	_, err := c.configs.GetConfig(t.Context(), ask(&waypointv1.GetConfigRequest{Project: "shop", Page: &waypointv1.Page{Token: "?"}}))
	wantFault(t, err, fault.InvalidArgument)
}

// dying is a way to DynamoDB of a server that is killed: after so many calls nothing reaches it any more.
type dying struct {
	others aws.HTTPClient
	mu     *sync.Mutex
	left   *int
}

func (d dying) Do(req *http.Request) (*http.Response, error) {
	d.mu.Lock()
	*d.left--
	dead := *d.left < 0
	d.mu.Unlock()
	if dead {
		body := `{"__type":"com.amazonaws.dynamodb.v20120810#AccessDeniedException","message":"the server was killed"}`
		return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(body)), Request: req}, nil
	}
	return d.others.Do(req)
}

// Whatever happens in between, all variables of a request are set, or none.
func TestAChangeOfManyVariablesIsMadeWholeOrNotAtAll(t *testing.T) {
	in := install(t)
	calls := 1 << 30
	in.Config.HTTPClient = dying{others: in.Config.HTTPClient, mu: &sync.Mutex{}, left: &calls}
	w := newWorldFor(t, in)
	c := w.as(w.admin)
	c.project(t, "shop")
	count := func(value string) int {
		calls = 1 << 30
		return strings.Count(c.get(t, &waypointv1.GetConfigRequest{Project: "shop", App: "web"}), "="+value+" ")
	}
	set := func(ctx context.Context, vars []*waypointv1.ConfigVariable) error {
		_, err := c.configs.SetConfig(ctx, ask(&waypointv1.SetConfigRequest{Variables: vars}))
		return err
	}
	end := appVar("ZZZ", "") // so that each counted variable is followed by another
	end.Value = "end"
	c.set(t, end)
	const most = validate.MaxAtOnce
	dead, whole := 0, false
	for n := 0; !whole; n++ {
		value := fmt.Sprintf("killed-%d-", n)
		calls = n
		err := set(t.Context(), manyVars(most, value))
		got := count(value)
		if got != 0 && got != most || err == nil && got != most {
			t.Fatalf("killed after %d calls: %d of %d are set; %v", n, got, most, err)
		}
		dead += 1 - min(got, 1)
		whole = err == nil
	}
	if dead < 3 {
		t.Errorf("it died %d times before the change was made", dead)
	}

	// The same with conflicts: as many as are borne, and more.
	if w.Faults != nil {
		for conflicts, wanted := range map[int]int{3: most, 100: 0} {
			struck := 0
			w.Faults.Hook(dynamodb.TransactionConflict, func(string) bool { struck++; return struck <= conflicts })
			value := fmt.Sprintf("conflict-%d-", conflicts)
			err := set(t.Context(), manyVars(most, value))
			w.Faults.Hook(dynamodb.TransactionConflict, nil)
			if got := count(value); got != wanted || (err == nil) != (wanted > 0) {
				t.Errorf("after %d conflicts %d are set: %v", conflicts, got, err)
			}
		}
	}

	// More than one transaction holds is refused, and says so; a repeat under one key changes nothing.
	err := set(t.Context(), manyVars(most+1, "more-"))
	wantFault(t, err, fault.TooLarge)
	if got := count("more-"); got != 0 || !strings.Contains(err.Error(), fmt.Sprint(most)) {
		t.Errorf("%d are set: %v", got, err)
	}
	big := manyVars(most, strings.Repeat("x", 40<<10))
	for i, v := range big {
		v.Scope = &waypointv1.ConfigScope{Level: waypointv1.ConfigScope_LEVEL_APP, Project: "shop", App: fmt.Sprintf("app%d", i%9)}
	}
	wantFault(t, set(t.Context(), big), fault.TooLarge) // above the 4 MB of a transaction, or of a message
	c.key = "all-of-them"
	c.set(t, manyVars(most, "keyed-")...)
	c.set(t, manyVars(most, "keyed-")...)
	c.key = ""
	if got := count("keyed-"); got != most {
		t.Errorf("%d are set", got)
	}
}
