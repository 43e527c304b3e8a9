package file

import (
	"context"
	"fmt"
	"strings"
	"time"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/records"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

// compareBound limits the questions of a plan to a server: a plan is of use without it.
const compareBound = 5 * time.Second

// Actions of a planChange.
const (
	actionCreate  = "create"
	actionReplace = "replace"
	actionInPlace = "change in place"
)

// planChange is what `up` would do to what serves, as far as that is known before the build.
type planChange struct {
	Action string `json:"action"`
	// Serving is the version of the deployment that serves, and Plugin the platform that made it.
	Serving int64  `json:"serving,omitempty"`
	Plugin  string `json:"plugin,omitempty"`
	// Variables are those whose values differ from the ones that it was deployed with.
	Variables []variableChange `json:"variables,omitempty"`

	deployed time.Time
}

type variableChange struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// compare adds to a plan what serves in the workspace now. It returns false if no server answers; none is started.
func compare(ctx context.Context, sh Host, p *plan) bool {
	ctx, cancel := context.WithTimeout(ctx, compareBound)
	defer cancel()
	s, err := sh.ChosenServer()
	if err != nil {
		return false
	}
	if s.Platform == "local" && s.Dir != "" {
		if state, err := server.StateOf(ctx, s.Dir); err != nil || !state.Server || !state.Runner {
			return false
		}
	}
	c, err := sh.ReadClient(ctx)
	if err != nil {
		return false
	}
	for i := range p.Apps {
		change, err := changeOf(ctx, c, p, &p.Apps[i])
		if err != nil {
			return false
		}
		p.Apps[i].Change = change
	}
	return true
}

func changeOf(ctx context.Context, c *client.Client, p *plan, app *planApp) (*planChange, error) {
	sel := &waypointv1.RecordSelector{Project: p.Project, App: app.Name, Workspace: p.Workspace}
	list, err := c.Deployment.ListDeployments(ctx, connect.NewRequest(&waypointv1.ListDeploymentsRequest{Selector: sel, Living: true}))
	if err != nil {
		return nil, err
	}
	d, err := records.Serving(ctx, c, sel, list.Msg.GetDeployments())
	if err != nil || d == nil {
		return decide(nil, nil, p), err
	}
	got, err := c.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: d.GetMeta().GetJobId()}))
	if err != nil { // it is kept for a shorter time than its deployment
		return decide(d, nil, p), nil //nolint:nilerr // the rest is known
	}
	return decide(d, got.Msg.GetJob().GetVariablesUsed(), p), nil
}

// decide says what an up does to the deployment that serves; nil: none does. used are the values that it was made with.
func decide(d *waypointv1.Deployment, used []*waypointv1.VariableUsed, p *plan) *planChange {
	if d == nil {
		return &planChange{Action: actionCreate}
	}
	change := &planChange{
		Action: actionReplace, Serving: d.GetMeta().GetSequence(), Plugin: d.GetMeta().GetPlugin(),
		deployed: render.UnixMS(d.GetMeta().GetCompletedUnixMs()),
	}
	if d.GetGeneration() != "" && d.GetGeneration() != d.GetMeta().GetId() {
		change.Action = actionInPlace
	}
	for _, now := range p.Variables {
		for _, before := range used {
			known := now.Value != "" && !strings.HasPrefix(now.Value, "(known ")
			if before.GetName() == now.Name && known && !now.Sensitive && !before.GetSensitive() && before.GetValue() != now.Value {
				change.Variables = append(change.Variables, variableChange{now.Name, before.GetValue(), now.Value})
			}
		}
	}
	return change
}

// lines words a change for people.
func (c *planChange) lines(workspace, plugin, ago string) []string {
	switch {
	case c.Action == actionCreate:
		return []string{fmt.Sprintf("creates the first deployment: nothing serves in workspace %s", workspace)}
	case c.Plugin != plugin:
		return []string{fmt.Sprintf("replaces v%d (%s, deployed %s) with a deployment of %s", c.Serving, c.Plugin, ago, plugin)}
	}
	first := fmt.Sprintf("replaces v%d (%s, deployed %s)", c.Serving, c.Plugin, ago)
	if c.Action == actionInPlace {
		first = fmt.Sprintf("changes v%d (%s, deployed %s) in place", c.Serving, c.Plugin, ago)
	}
	if len(c.Variables) == 0 && c.Action == actionReplace {
		return []string{first + ", unless the build and the settings turn out to be the same"}
	}
	out := []string{first}
	for _, v := range c.Variables {
		out = append(out, fmt.Sprintf("variable %s: %s → %s", v.Name, v.From, v.To))
	}
	return out
}
