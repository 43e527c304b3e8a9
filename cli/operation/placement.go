package operation

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"

	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/problem"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/internal/client"
)

// placement is where an operation runs.
type placement struct {
	remote bool
	// why, for people; empty if they asked for it.
	why string
}

// facts are what place decides on.
type facts struct {
	// flag is -local.
	flag boolFlag
	// foreign: the project's source is not in this directory.
	foreign bool
	// remoteEnabled and hasSource: the project may run remotely, and has a data source that is not a directory.
	remoteEnabled, hasSource bool
	// standing: a standing runner is online.
	standing bool
}

// place decides: remote only if the project has it enabled, has a data source that runners reach, and a standing
// runner is online; -local overrides. (Waypoint also wanted a runner profile, which has no meaning here.)
func place(f facts) (placement, error) {
	switch {
	case f.flag.set && f.flag.value && f.foreign:
		return placement{}, problem.New("NO_LOCAL_SOURCE", "cannot run locally: the project's waypoint.hcl is not in this directory").
			WithHint("Change to the project's directory, or omit -local.")
	case f.flag.set && f.flag.value:
		return placement{}, nil
	case f.flag.set, f.foreign:
		if !f.hasSource {
			return placement{}, problem.New("NO_DATA_SOURCE", "cannot run remotely: the project has no data source").
				WithHint("Add `runner { data_source \"git\" { url = … } }` to waypoint.hcl and run `waypoint init`.")
		}
		return placement{remote: true}, nil
	case !f.remoteEnabled:
		return placement{}, nil
	case !f.hasSource:
		return placement{why: "the project has no data source for a remote run"}, nil
	case !f.standing:
		return placement{why: "no standing runner is online for a remote run"}, nil
	}
	return placement{remote: true, why: "the project runs remotely"}, nil
}

// placeFor asks the server for what place needs, no more than that.
func placeFor(ctx context.Context, c *client.Client, flag boolFlag, s *scope.Scope, p *waypointv1.Project) (placement, error) {
	f := facts{
		flag: flag, foreign: s.Foreign(), remoteEnabled: p.GetRemoteEnabled(), hasSource: p.GetDataSource().GetGit() != nil,
	}
	if !flag.set && !f.foreign && f.remoteEnabled && f.hasSource {
		online, err := standingRunner(ctx, c, p.GetName())
		if err != nil {
			return placement{}, err
		}
		f.standing = online
	}
	return place(f)
}

// standingRunner reports whether a standing runner is online that may run jobs of the project.
func standingRunner(ctx context.Context, c *client.Client, project string) (bool, error) {
	page := &waypointv1.Page{Size: validate.MaxPage}
	for {
		res, err := c.Runner.ListRunners(ctx, connect.NewRequest(&waypointv1.ListRunnersRequest{Page: page}))
		if err != nil {
			return false, fmt.Errorf("looking for runners: %w", err)
		}
		for _, r := range res.Msg.GetRunners() {
			if r.GetOnline() && r.GetKind() == waypointv1.RunnerKind_RUNNER_KIND_STANDING && (r.GetAllProjects() || slices.Contains(r.GetProjects(), project)) {
				return true, nil
			}
		}
		if page.Token = res.Msg.GetNextPageToken(); page.GetToken() == "" {
			return false, nil
		}
	}
}
