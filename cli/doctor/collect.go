package doctor

import (
	"cmp"
	"context"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"connectrpc.com/connect"

	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/cli/render"
	"github.com/waypoint-serverless/waypoint/cli/scope"
	"github.com/waypoint-serverless/waypoint/cli/shell"
	"github.com/waypoint-serverless/waypoint/infra"
	"github.com/waypoint-serverless/waypoint/internal/client"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/internal/version"
	"github.com/waypoint-serverless/waypoint/localstack/server"
)

const (
	// logTail is how much of the end of each log a report holds.
	logTail = 256 << 10
	// failedJobs is how many of the latest failed jobs it describes.
	failedJobs = 10
)

// collect makes the files of a report. What a server that does not answer would add is left out.
func collect(ctx context.Context, sh Host, o *options, checks []infra.Check) (files []bundled, err error) {
	secrets := newRedactor()
	secrets.addEnvironment(sh.Env().Environ())
	known := contextsOf(sh, secrets)
	s, _ := sh.ChosenServer() // also one without an answer has logs
	jobs := []any{}
	info := map[string]any{}
	if s != nil {
		secrets.add(s.Token)
		if s.Dir != "" {
			secrets.add(server.Tokens(s.Dir)...)
		}
		if c := answering(ctx, sh, s); c != nil {
			defer c.CloseIdle()
			jobs, info = askServer(ctx, sh, c, secrets)
		}
	}
	path, findErr := config.Find(sh.Env().Dir)
	if findErr == nil {
		secrets.addFile(ctx, path, sh.Env().Environ())
	}
	put := func(name, about string, v any) {
		content, encodeErr := secrets.asJSON(v)
		if encodeErr != nil {
			err = encodeErr
		}
		files = append(files, bundled{name, about, content})
	}
	put("versions.json", "versions of this CLI, the system and the server", map[string]any{
		"cli": version.Version(), "go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH,
		"protocol": version.ProtocolCurrent, "server": info, "environment_set": environmentNames(sh.Env().Environ()),
	})
	put("checks.json", "what `waypoint doctor` found", asObject(checks))
	put("contexts.json", "names and addresses of the contexts", known)
	put("failed-jobs.json", "the latest failed jobs with their steps and errors", jobs)
	if s != nil && s.Dir != "" {
		serverLog, runnerLog := server.Logs(s.Dir)
		for name, log := range map[string]string{"server.log": serverLog, "runner.log": runnerLog} {
			if data, err := tailOf(log, logTail); err == nil {
				files = append(files, bundled{name, "the end of the local server's " + name, []byte(secrets.text(string(data)))})
			}
		}
	}
	if o.withConfig && findErr == nil {
		data, readErr := os.ReadFile(path)
		if readErr != nil {
			return nil, readErr
		}
		files = append(files, bundled{filepath.Base(path), "the project's file, without what looks secret", []byte(secrets.text(string(data)))})
	}
	slices.SortFunc(files, func(a, b bundled) int { return cmp.Compare(a.name, b.name) })
	return files, err
}

// answering returns a client of the server if it answers; it starts none.
func answering(ctx context.Context, sh Host, s *shell.Server) *client.Client {
	if s.Platform == "local" && s.Dir != "" {
		if state, err := server.StateOf(ctx, s.Dir); err != nil || !state.Server {
			return nil
		}
	}
	c, err := sh.Probe(s.Context)
	if err != nil {
		return nil
	}
	if _, err := shell.Verify(ctx, c); err != nil {
		c.CloseIdle()
		return nil
	}
	return c
}

// askServer reads what the server knows: its version, the latest failed jobs, and the values that must not be shown.
func askServer(ctx context.Context, sh Host, c *client.Client, secrets *redactor) (jobs []any, info map[string]any) {
	info = map[string]any{}
	if res, err := shell.Verify(ctx, c); err == nil {
		info = map[string]any{"version": res.GetVersion(), "protocol_minimum": res.GetProtocolMinimum(), "protocol": res.GetProtocolCurrent()}
	}
	projects, err := scope.ListProjects(ctx, c, 0)
	if err != nil {
		return []any{}, info
	}
	jobs = []any{}
	var failed []*waypointv1.Job
	secrets.addConfig(ctx, c, &waypointv1.GetConfigRequest{Runner: true})
	for _, p := range projects {
		git := p.GetDataSource().GetGit()
		secrets.add(git.GetPassword(), git.GetPrivateKeyPem(), git.GetPrivateKeyPassword())
		for _, r := range []*waypointv1.GetConfigRequest{{}, {Runner: true}, {Input: true}} {
			r.Project = p.GetName()
			secrets.addConfig(ctx, c, r)
		}
		res, err := c.Job.ListJobs(ctx, connect.NewRequest(&waypointv1.ListJobsRequest{
			Project: p.GetName(), States: []waypointv1.JobState{waypointv1.JobState_JOB_STATE_FAILED}, Page: &waypointv1.Page{Size: failedJobs},
		}))
		if err == nil {
			failed = append(failed, res.Msg.GetJobs()...)
		}
	}
	slices.SortFunc(failed, func(a, b *waypointv1.Job) int { return cmp.Compare(b.GetQueuedUnixMs(), a.GetQueuedUnixMs()) })
	for _, j := range failed[:min(len(failed), failedJobs)] {
		if got, err := c.Job.GetJob(ctx, connect.NewRequest(&waypointv1.GetJobRequest{Id: j.GetId()})); err == nil {
			jobs = append(jobs, jobFacts(got.Msg.GetJob()))
		}
	}
	return jobs, info
}

// jobFacts are what a report says of a job: neither its variables nor its waypoint.hcl.
func jobFacts(j *waypointv1.Job) map[string]any {
	all := render.Object(j)
	facts := map[string]any{
		"operation": render.OperationName(j.GetSpec().GetOperation()), "project": j.GetSpec().GetProject(),
		"app": j.GetSpec().GetApp(), "workspace": render.WorkspaceName(j.GetSpec()),
	}
	for _, name := range []string{"id", "state", "attempt", "runner_id", "queued_at", "started_at", "ended_at", "error", "steps"} {
		if v, ok := all[name]; ok {
			facts[name] = v
		}
	}
	return facts
}

// contextsOf lists the contexts without their tokens, which are secret from then on.
func contextsOf(sh Host, secrets *redactor) []any {
	list := []any{}
	store, err := sh.ContextStore()
	if err != nil {
		return list
	}
	names, _ := store.List()
	inUse, _ := sh.CurrentContext(store)
	for _, name := range names {
		c, err := store.Load(name)
		if err != nil {
			list = append(list, map[string]any{"name": name, "error": err.Error()})
			continue
		}
		secrets.add(c.Token)
		list = append(list, map[string]any{"name": name, "address": c.Address, "platform": c.Platform, "in_use": name == inUse})
	}
	return list
}

// environmentNames are the names, without values, of the variables that change what Waypoint does.
func environmentNames(environ []string) []string {
	found := map[string]bool{}
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		for _, prefix := range []string{"WAYPOINT_", "WP_", "DOCKER_", "AWS_", "XDG_", "GIT_"} {
			if strings.HasPrefix(name, prefix) || strings.HasSuffix(strings.ToLower(name), "_proxy") {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// addConfig adds the values of variables that the server keeps, with the sensitive ones as far as the user may see them.
func (r *redactor) addConfig(ctx context.Context, c *client.Client, req *waypointv1.GetConfigRequest) {
	for _, reveal := range []bool{!req.GetInput(), false} {
		req.Reveal = reveal
		vars, err := render.Pages(0, func(p *waypointv1.Page) ([]*waypointv1.ConfigVariable, string, error) {
			req.Page = p
			res, err := c.Config.GetConfig(ctx, connect.NewRequest(req))
			if err != nil {
				return nil, "", err
			}
			return res.Msg.GetVariables(), res.Msg.GetNextPageToken(), nil
		})
		if err != nil {
			continue // without permission to see sensitive values: those that it may see
		}
		for _, v := range vars {
			if v.GetSensitive() {
				r.add(v.GetValue())
			} else {
				r.addConfigured(v.GetValue())
			}
		}
		return
	}
}
