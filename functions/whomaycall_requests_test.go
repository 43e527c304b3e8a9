package functions_test

import (
	"fmt"
	"testing"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// fixed is a request that is the same for everybody.
func fixed(body string) func(*testing.T, *whoCell) string {
	return func(*testing.T, *whoCell) string { return body }
}

// fenced is a request with a fence, and more.
func fenced(more string) func(*testing.T, *whoCell) string {
	return func(t *testing.T, c *whoCell) string { return c.withFence(t, more) }
}

func (c *whoCell) withFence(t *testing.T, more string) string {
	t.Helper()
	f := c.fence(t)
	return fmt.Sprintf(`{"fence":{"jobId":%q,"attempt":%d,"runnerId":%q}%s}`, f.GetJobId(), f.GetAttempt(), f.GetRunnerId(), more)
}

func named(id func(*who) string) func(*testing.T, *whoCell) string {
	return func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"ref":{"id":%q}}`, id(c.who)) }
}

func ofInstance(more string) func(*testing.T, *whoCell) string {
	return func(t *testing.T, c *whoCell) string {
		return fmt.Sprintf(`{"deploymentId":%q,"instanceId":%q%s}`, c.deployment, c.ID(t), more)
	}
}

func variables(scope, more string) func(*testing.T, *whoCell) string {
	return fixed(`{"variables":[{"name":"A","scope":{` + scope + `}` + more + `}]}`)
}

const (
	ofShop    = `{"selector":{"project":"shop","app":"web"}}`
	shopScope = `"level":"LEVEL_PROJECT","project":"shop"`
	allScope  = `"level":"LEVEL_GLOBAL"`
)

// whoRequests makes the request of each row: about project shop, and as its caller would send it.
var whoRequests = map[string]func(*testing.T, *whoCell) string{
	"ServerService/GetServerInfo":    fixed(`{}`),
	"ServerService/ExchangeIdentity": fixed(`{}`),
	"TokenService/CreateToken":       fixed(`{"kind":"TOKEN_KIND_RUNNER","name":"x","projects":["shop"]}`),
	"TokenService/ListTokens":        fixed(`{}`),
	"TokenService/RevokeToken": func(t *testing.T, c *whoCell) string {
		return fmt.Sprintf(`{"id":%q}`, c.admin.runnerOf(t, nil, "shop").id(t))
	},
	"TokenService/RevokeToken:own": func(t *testing.T, c *whoCell) string {
		c.instead = c.caller.again(t)
		if c.caller.kind == 0 {
			return fmt.Sprintf(`{"id":%q}`, c.ID(t))
		}
		return fmt.Sprintf(`{"id":%q}`, c.instead.id(t))
	},

	"ProjectService/UpsertProject":  fixed(`{"project":{"name":"shop"}}`),
	"ProjectService/GetProject":     fixed(`{"name":"shop"}`),
	"ProjectService/DestroyProject": fixed(`{"name":"shop"}`),
	"ProjectService/ListProjects":   fixed(`{}`),

	"BuildService/ListBuilds":           fixed(ofShop),
	"BuildService/GetBuild":             named(func(w *who) string { return w.build }),
	"ArtifactService/ListArtifacts":     fixed(ofShop),
	"ArtifactService/GetArtifact":       named(func(w *who) string { return w.artifact }),
	"DeploymentService/ListDeployments": fixed(ofShop),
	"DeploymentService/GetDeployment":   named(func(w *who) string { return w.deployment }),
	"ReleaseService/ListReleases":       fixed(ofShop),
	"ReleaseService/GetRelease":         named(func(w *who) string { return w.release }),

	"JobService/QueueJob": fixed(`{"spec":{"project":"shop","app":"web","operation":{"noop":{}},"target":{"any":{}}}}`),
	"JobService/GetJob":   func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"id":%q}`, c.held.GetJobId()) },
	"JobService/ListJobs": fixed(`{"project":"shop"}`),
	"JobService/CancelJob": func(t *testing.T, c *whoCell) string {
		return fmt.Sprintf(`{"id":%q}`, c.admin.anywhere(t, "shop"))
	},
	"TailService/TailJob":  func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"jobId":%q}`, c.held.GetJobId()) },
	"TailService/TailLogs": fixed(`{"project":"shop","app":"web"}`),

	"RunnerService/ListRunners": fixed(`{}`),
	"RunnerService/GetRunner":   func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"id":%q}`, c.who.runner) },

	"ConfigService/SetConfig":           variables(shopScope, `,"value":"x"`),
	"ConfigService/SetConfig:global":    variables(allScope, `,"value":"x"`),
	"ConfigService/DeleteConfig":        variables(shopScope, ""),
	"ConfigService/DeleteConfig:global": variables(allScope, ""),
	"ConfigService/GetConfig":           fixed(`{"project":"shop"}`),
	"ConfigService/GetConfig:reveal":    fixed(`{"project":"shop","reveal":true}`),
	"ConfigService/GetConfig:global":    fixed(`{}`),

	"EntrypointService/RegisterInstance": ofInstance(""),
	"EntrypointService/GetAppConfig":     ofInstance(""),
	"EntrypointService/PutLogs":          ofInstance(`,"lines":[{"text":"x"}]`),

	"RunnerAgentService/Register": func(t *testing.T, c *whoCell) string {
		kind := "STANDING"
		if c.caller.kind == waypointv1.TokenKind_TOKEN_KIND_USER {
			kind = "CLI"
		}
		return fmt.Sprintf(`{"runnerId":%q,"name":"x","kind":"RUNNER_KIND_%s"}`, c.ID(t), kind)
	},
	"RunnerAgentService/Beat":                func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"runnerId":%q}`, c.ownRunner()) },
	"RunnerAgentService/Beat:another":        func(t *testing.T, c *whoCell) string { return fmt.Sprintf(`{"runnerId":%q}`, c.strangeRunner(t)) },
	"RunnerAgentService/GetQueueCredentials": func(_ *testing.T, c *whoCell) string { return fmt.Sprintf(`{"runnerId":%q}`, c.who.runner) },
	"RunnerAgentService/ClaimJob": func(t *testing.T, c *whoCell) string {
		return fmt.Sprintf(`{"jobId":%q,"runnerId":%q,"nonce":"n"}`, c.job(t), c.ownRunner())
	},
	"RunnerAgentService/RenewLease":   fenced(""),
	"RunnerAgentService/AppendOutput": fenced(`,"position":0,"events":[{"line":{"text":"x"}}]`),
	"RunnerAgentService/BeginStep":    fenced(`,"name":"build"`),
	"RunnerAgentService/EndStep": func(t *testing.T, c *whoCell) string {
		f := c.fence(t)
		if c.caller.shop {
			must[waypointv1.BeginStepResponse](t)(c.caller.agent.BeginStep(t.Context(), ask(&waypointv1.BeginStepRequest{Fence: f, Name: "build"})))
		}
		return fmt.Sprintf(`{"fence":{"jobId":%q,"attempt":1,"runnerId":%q},"name":"build"}`, f.GetJobId(), f.GetRunnerId())
	},
	"RunnerAgentService/PutRecord": func(t *testing.T, c *whoCell) string {
		return c.withFence(t, fmt.Sprintf(`,"record":{"build":{"meta":{"id":%q,"state":"RECORD_STATE_SUCCESS"}}}`, c.ID(t)))
	},
	"RunnerAgentService/MatchFingerprints": func(t *testing.T, c *whoCell) string {
		return c.withFence(t, fmt.Sprintf(`,"records":[{"kind":"RECORD_KIND_DEPLOYMENT","recordId":%q}]`, c.deployment))
	},
	"RunnerAgentService/PutStatusReport": func(t *testing.T, c *whoCell) string {
		return c.withFence(t, fmt.Sprintf(`,"report":{"deploymentId":%q}`, c.deployment))
	},
	"RunnerAgentService/ReportJob": fenced(""),
	"RunnerAgentService/CreateEntrypointToken": func(t *testing.T, c *whoCell) string {
		f, id := c.fence(t), c.deployment
		if c.caller.shop {
			id = c.caller.put(t, f, deployment(c.ID(t), success, waypointv1.PhysicalState_PHYSICAL_STATE_CREATED)).GetDeployment().GetMeta().GetId()
		}
		return fmt.Sprintf(`{"fence":{"jobId":%q,"attempt":1,"runnerId":%q},"deploymentId":%q}`, f.GetJobId(), f.GetRunnerId(), id)
	},
	"RunnerAgentService/SyncConfig":  fenced(`,"entries":[{"name":"A","value":"b"}]`),
	"RunnerAgentService/CompleteJob": fenced(""),
	"RunnerAgentService/HandBackJob": fenced(""),
	"RunnerAgentService/Deregister": func(t *testing.T, c *whoCell) string {
		if c.caller.runner == "" {
			return fmt.Sprintf(`{"runnerId":%q}`, c.who.runner)
		}
		c.instead = c.caller.again(t)
		if c.caller.kind == waypointv1.TokenKind_TOKEN_KIND_USER {
			return fmt.Sprintf(`{"runnerId":%q}`, c.instead.here(t, nil))
		}
		id, _ := c.instead.stands(t)
		return fmt.Sprintf(`{"runnerId":%q}`, id)
	},
}

// strangeRunner is the registration of somebody else's token for the same project.
func (c *whoCell) strangeRunner(t *testing.T) string {
	t.Helper()
	id, _ := c.admin.runnerOf(t, nil, "shop").stands(t)
	return id
}
