package functions_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/functions/internal/store"
)

const (
	pending   = waypointv1.PhysicalState_PHYSICAL_STATE_PENDING
	created   = waypointv1.PhysicalState_PHYSICAL_STATE_CREATED
	destroyed = waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED
)

// instance is an instance of an app with the token that its container was given.
type instance struct {
	*caller
	deployment, id string
}

// begun is a deployment in the making, as the runner makes one: recorded as running, then with a token.
func (c *caller) begun(t *testing.T, fence *waypointv1.Fence, id string) *instance {
	t.Helper()
	c.put(t, fence, deployment(id, running, pending))
	return c.given(t, fence, id)
}

func (c *caller) given(t *testing.T, fence *waypointv1.Fence, id string) *instance {
	t.Helper()
	token := must[waypointv1.CreateEntrypointTokenResponse](t)(c.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{
		Fence: fence, DeploymentId: id,
	}))).GetToken()
	return &instance{caller: c.as(token), deployment: id, id: c.ID(t)}
}

// calls makes every call that an entrypoint makes, and returns the answers' errors.
func (i *instance) calls(t *testing.T) map[string]error {
	t.Helper()
	ctx := t.Context()
	_, register := i.entrypoint.RegisterInstance(ctx, ask(&waypointv1.RegisterInstanceRequest{DeploymentId: i.deployment, InstanceId: i.id}))
	got, config := i.entrypoint.GetAppConfig(ctx, ask(&waypointv1.GetAppConfigRequest{DeploymentId: i.deployment, InstanceId: i.id}))
	etag := ""
	if config == nil {
		etag = got.Msg.GetConfig().GetEtag()
	}
	_, unchanged := i.entrypoint.GetAppConfig(ctx, ask(&waypointv1.GetAppConfigRequest{DeploymentId: i.deployment, InstanceId: i.id, Etag: etag}))
	_, logs := i.entrypoint.PutLogs(ctx, ask(&waypointv1.PutLogsRequest{DeploymentId: i.deployment, InstanceId: i.id, Lines: []*waypointv1.LogLine{{Text: "x"}}}))
	return map[string]error{"register": register, "configuration": config, "unchanged": unchanged, "logs": logs}
}

func (i *instance) opens(t *testing.T, when string) {
	t.Helper()
	for call, err := range i.calls(t) {
		if err != nil {
			t.Errorf("%s: %s: %v", when, call, err)
		}
	}
}

func (i *instance) refused(t *testing.T, when string) {
	t.Helper()
	for call, err := range i.calls(t) {
		if !fault.Is(err, fault.TokenRevoked) {
			t.Errorf("%s: %s: got %v, want %s", when, call, err, fault.TokenRevoked)
		}
	}
}

func (c *caller) complete(t *testing.T, fence *waypointv1.Fence, failure *waypointv1.JobError) {
	t.Helper()
	must[waypointv1.CompleteJobResponse](t)(c.agent.CompleteJob(t.Context(), ask(&waypointv1.CompleteJobRequest{Fence: fence, Error: failure})))
}

// Every way in which a deployment ends, or does not come to be, ends its token at once: a token that was used a moment
// before is not kept in memory.
func TestAnEntrypointTokenEndsWithItsDeployment(t *testing.T) {
	up := &waypointv1.Operation{Operation: &waypointv1.Operation_Deploy{Deploy: &waypointv1.DeployOp{}}}
	remove := &waypointv1.Operation{Operation: &waypointv1.Operation_Destroy{Destroy: &waypointv1.DestroyOp{}}}
	for name, end := range map[string]func(t *testing.T, c *caller, fence *waypointv1.Fence, i *instance){
		"destroyed by another job": func(t *testing.T, c *caller, fence *waypointv1.Fence, i *instance) {
			c.put(t, fence, deployment(i.deployment, success, created))
			i.opens(t, "made")
			c.complete(t, fence, nil)
			i.opens(t, "after the job that made it")
			other := c.claimed(t, remove)
			i.opens(t, "while another job works")
			record := deployment(i.deployment, success, destroyed)
			record.GetDeployment().Meta.JobId = fence.GetJobId()
			c.put(t, other, record)
			i.refused(t, "destroyed")
			c.put(t, other, record) // a repeat is no mistake
			c.complete(t, other, nil)
		},
		"destroyed before it was made": func(t *testing.T, c *caller, fence *waypointv1.Fence, i *instance) {
			c.put(t, fence, deployment(i.deployment, running, destroyed))
			_, err := c.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{Fence: fence, DeploymentId: i.deployment}))
			wantFault(t, err, fault.Conflict)
		},
		"recorded as failed": func(t *testing.T, c *caller, fence *waypointv1.Fence, i *instance) {
			c.put(t, fence, deployment(i.deployment, failed, pending))
		},
		"the job failed": func(t *testing.T, c *caller, fence *waypointv1.Fence, _ *instance) {
			c.complete(t, fence, &waypointv1.JobError{Reason: "PLUGIN_FAILED", Message: "it did not work"})
		},
		"the job was ended by force": func(t *testing.T, c *caller, fence *waypointv1.Fence, _ *instance) {
			must[waypointv1.CancelJobResponse](t)(c.jobs.CancelJob(t.Context(), ask(&waypointv1.CancelJobRequest{Id: fence.GetJobId(), Force: true})))
		},
		"revoked by hand": func(t *testing.T, c *caller, fence *waypointv1.Fence, i *instance) {
			c.put(t, fence, deployment(i.deployment, success, created))
			tokens := must[waypointv1.ListTokensResponse](t)(c.tokens.ListTokens(t.Context(), ask(&waypointv1.ListTokensRequest{Entrypoints: true}))).GetTokens()
			at := slices.IndexFunc(tokens, func(tok *waypointv1.Token) bool { return tok.GetDeploymentId() == i.deployment })
			if at < 0 {
				t.Fatalf("the token is not among %v", tokens)
			}
			must[waypointv1.RevokeTokenResponse](t)(c.tokens.RevokeToken(t.Context(), ask(&waypointv1.RevokeTokenRequest{Id: tokens[at].GetId()})))
			c.put(t, fence, deployment(i.deployment, success, created)) // does not bring it back
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := w.as(w.admin)
			c.project(t, "shop")
			c.set(t, appVar("DB", "secret"))
			fence := c.claimed(t, up)
			i := c.begun(t, fence, w.ID(t))
			i.opens(t, "while it is made")
			end(t, c, fence, i)
			i.refused(t, name)
			if got := must[waypointv1.ListTokensResponse](t)(c.tokens.ListTokens(t.Context(), ask(&waypointv1.ListTokensRequest{Entrypoints: true}))).GetTokens(); len(got) != 0 && name != "the job failed" && name != "the job was ended by force" {
				t.Errorf("still listed: %v", got)
			}
		})
	}
}

// An attempt after a lost one gets a token of its own, and that of the lost one ends.
func TestEachAttemptHasItsOwnEntrypointToken(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	agent := c.runnerOf(t, nil)
	runner, _ := agent.stands(t)
	id := c.anywhere(t, "shop")
	claim := agent.tryClaim(t, runner, id)
	d := w.ID(t)
	first := agent.begun(t, claim.GetFence(), d)
	again := agent.given(t, claim.GetFence(), d) // the answer was lost: the same attempt asks once more
	first.refused(t, "replaced in the same attempt")
	again.opens(t, "the newer one")
	must[waypointv1.HandBackJobResponse](t)(agent.agent.HandBackJob(t.Context(), ask(&waypointv1.HandBackJobRequest{Fence: claim.GetFence()})))
	again.refused(t, "its attempt is over")
	next := agent.tryClaim(t, runner, id)
	if next.GetFence().GetAttempt() != 2 {
		t.Fatalf("claimed %v", next)
	}
	again.refused(t, "another attempt works")
	second := agent.begun(t, next.GetFence(), d)
	agent.put(t, next.GetFence(), deployment(d, success, created))
	agent.complete(t, next.GetFence(), nil)
	second.opens(t, "made by the second attempt")
	again.refused(t, "after all")
}

// A hook that fails after the deployment was made leaves an app that runs until it is destroyed.
func TestAFailedDeployThatLeftAnAppKeepsItsToken(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	i := c.begun(t, fence, w.ID(t))
	c.put(t, fence, deployment(i.deployment, failed, created))
	c.complete(t, fence, &waypointv1.JobError{Reason: "HOOK_FAILED", Message: "the hook after failed"})
	i.opens(t, "it runs")
	other := c.claimed(t, noop())
	record := deployment(i.deployment, failed, destroyed)
	c.put(t, other, record)
	i.refused(t, "destroyed")
}

// Tokens of earlier versions have no attempt and are named by no deployment; they end with it all the same.
func TestEntrypointTokensOfEarlierVersionsEndToo(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	i := c.begun(t, fence, w.ID(t))
	c.put(t, fence, deployment(i.deployment, success, created))
	w.forget(t, i.token, "job", "attempt", "kept")
	if err := w.DB.Delete(t.Context(), store.DeploymentToken(i.deployment)); err != nil {
		t.Fatal(err)
	}
	c.complete(t, fence, nil)
	i.opens(t, "an old one")
	other := c.claimed(t, noop())
	c.put(t, other, deployment(i.deployment, success, destroyed))
	i.refused(t, "destroyed")
}

// A job gets tokens for its own deployments: not for others of its app, whose workspaces have other configuration.
func TestAJobGetsNoTokenForAnotherDeployment(t *testing.T) {
	w := newWorld(t)
	c := w.as(w.admin)
	c.project(t, "shop")
	fence := c.claimed(t, noop())
	mine := c.begun(t, fence, w.ID(t))
	c.put(t, fence, deployment(mine.deployment, success, created))
	c.complete(t, fence, nil)
	other := c.claimed(t, noop())
	_, err := c.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{Fence: other, DeploymentId: mine.deployment}))
	wantFault(t, err, fault.PermissionDenied)
	mine.opens(t, "after the attempt on it")
	runner := c.here(t, nil)
	prod := c.anywhere(t, "shop", func(s *waypointv1.JobSpec) {
		s.Workspace, s.Target = "prod", &waypointv1.Target{Target: &waypointv1.Target_RunnerId{RunnerId: runner}}
	})
	claim := c.tryClaim(t, runner, prod)
	_, err = c.agent.CreateEntrypointToken(t.Context(), ask(&waypointv1.CreateEntrypointTokenRequest{Fence: claim.GetFence(), DeploymentId: mine.deployment}))
	wantFault(t, err, fault.RecordNotFound)
}

// A hundred deployments leave the list of tokens as it was.
func TestEntrypointTokensDoNotDrownTheList(t *testing.T) {
	w := newWorld(t)
	ctx, c := t.Context(), w.as(w.admin)
	c.project(t, "shop")
	list := func(in *waypointv1.ListTokensRequest) []*waypointv1.Token {
		in.Page = &waypointv1.Page{Size: 20}
		return must[waypointv1.ListTokensResponse](t)(c.tokens.ListTokens(ctx, ask(in))).GetTokens()
	}
	before := list(&waypointv1.ListTokensRequest{})
	fence := c.claimed(t, noop())
	var live []string
	for n := range 100 {
		i := c.begun(t, fence, w.ID(t))
		c.put(t, fence, deployment(i.deployment, success, created))
		if n >= 2 {
			c.put(t, fence, deployment(i.deployment, success, destroyed))
			continue
		}
		live = append(live, i.deployment)
	}
	if after := list(&waypointv1.ListTokensRequest{}); len(after) != len(before) || c.used(t, "r") > 5 {
		t.Errorf("%d tokens, cost %s", len(after), c.cost)
	}
	shown := list(&waypointv1.ListTokensRequest{Entrypoints: true})
	if len(shown) != 2 || !slices.Contains(live, shown[0].GetDeploymentId()) || shown[0].GetKind() != waypointv1.TokenKind_TOKEN_KIND_ENTRYPOINT {
		t.Errorf("those of deployments that exist: %s", fmt.Sprint(shown))
	}
}
