package pluginpipe

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// result is what builds, pushes, deploys, releases and started tasks return, as it is carried.
type result struct {
	State     json.RawMessage   `json:"state"`
	Template  map[string]any    `json:"template,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Digest    string            `json:"digest,omitempty"`
	Portable  bool              `json:"portable,omitempty"`
	URL       string            `json:"url,omitempty"`
	Resources []plugin.Resource `json:"resources,omitempty"`
}

// Arguments of methods that have more than one.
type (
	logsArgument struct {
		Deployment *plugin.Deployment
		Lines      int
		Follow     bool
	}
	execArgument struct {
		Deployment *plugin.Deployment
		Command    []string
		Stdin      bool
		TTY        *plugin.WindowSize
	}
	value struct{ Name, Value, Err string }
)

// invocation is one call of a method.
type invocation struct {
	ctx       context.Context
	component plugin.Component
	call      *plugin.Call
	plugin    string
	argument  []byte
	host      *served
}

type method = func(i invocation) (any, error)

// with makes a method of a function that takes an interface and an argument.
func with[C, A any](f func(i invocation, c C, a *A) (any, error)) method {
	return func(i invocation) (any, error) {
		c, ok := plugin.As[C](i.component)
		if !ok {
			return nil, fmt.Errorf("this component of the plugin %q does not have the method", i.plugin)
		}
		a := new(A)
		if len(i.argument) > 0 {
			if err := json.Unmarshal(i.argument, a); err != nil {
				return nil, fmt.Errorf("decoding the argument of a call: %w", err)
			}
		}
		return f(i, c, a)
	}
}

type none struct{}

// methods are those that can be called, by the names that the stream has for them.
func methods() map[string]method {
	return map[string]method{
		"build": with(func(i invocation, c plugin.Builder, _ *none) (any, error) {
			return i.made(c.Build(i.ctx, i.call))
		}),
		"push": with(func(i invocation, c plugin.Registry, a *plugin.Artifact) (any, error) {
			return i.made(c.Push(i.ctx, i.call, a))
		}),
		"deploy": with(func(i invocation, c plugin.Platform, a *plugin.DeployRequest) (any, error) {
			r, err := c.Deploy(i.ctx, i.call, a)
			if err != nil {
				return nil, err
			}
			return i.located(&r.Result, r.URL, r.Resources)
		}),
		"release": with(func(i invocation, c plugin.Releaser, a *plugin.Deployment) (any, error) {
			r, err := c.Release(i.ctx, i.call, a)
			if err != nil {
				return nil, err
			}
			return i.located(&r.Result, r.URL, r.Resources)
		}),
		"start_task": with(func(i invocation, c plugin.TaskLauncher, a *plugin.TaskRequest) (any, error) {
			return i.made(c.StartTask(i.ctx, i.call, a))
		}),
		"watch_task": with(func(i invocation, c plugin.TaskLauncher, a *plugin.Task) (any, error) {
			return c.WatchTask(i.ctx, i.call, a, i.host.line)
		}),
		"stop_task": with(func(i invocation, c plugin.TaskLauncher, a *plugin.Task) (any, error) {
			return none{}, c.StopTask(i.ctx, i.call, a)
		}),
		"read_values": with(readValues),
		"deploy_rerunnable": with(func(_ invocation, c plugin.RerunnableDeployer, _ *none) (any, error) {
			return c.DeployRerunnable(), nil
		}),
		"release_rerunnable": with(func(_ invocation, c plugin.RerunnableReleaser, _ *none) (any, error) {
			return c.ReleaseRerunnable(), nil
		}),
		"generation": with(func(i invocation, c plugin.Generation, _ *none) (any, error) {
			return c.Generation(i.ctx, i.call)
		}),
		"deploy_inputs": with(func(i invocation, c plugin.UnchangedDeployer, _ *none) (any, error) {
			return c.DeployInputs(i.ctx, i.call)
		}),
		"destroy_deployment": with(func(i invocation, c plugin.DeploymentDestroyer, a *plugin.Deployment) (any, error) {
			return none{}, c.DestroyDeployment(i.ctx, i.call, a)
		}),
		"destroy_release": with(func(i invocation, c plugin.ReleaseDestroyer, a *plugin.Release) (any, error) {
			return none{}, c.DestroyRelease(i.ctx, i.call, a)
		}),
		"destroy_workspace": with(func(i invocation, c plugin.WorkspaceDestroyer, _ *none) (any, error) {
			return none{}, c.DestroyWorkspace(i.ctx, i.call)
		}),
		"deployment_status": with(func(i invocation, c plugin.DeploymentStatusReporter, a *plugin.Deployment) (any, error) {
			return c.DeploymentStatus(i.ctx, i.call, a)
		}),
		"release_status": with(func(i invocation, c plugin.ReleaseStatusReporter, a *plugin.Release) (any, error) {
			return c.ReleaseStatus(i.ctx, i.call, a)
		}),
		"own_logs": with(func(_ invocation, c plugin.LogStreamer, a *plugin.Deployment) (any, error) { return c.OwnLogs(a), nil }),
		"logs": with(func(i invocation, c plugin.LogStreamer, a *logsArgument) (any, error) {
			return none{}, c.DeploymentLogs(i.ctx, i.call, a.Deployment, a.Lines, a.Follow, i.host.line)
		}),
		"exec": with(func(i invocation, c plugin.Execer, a *execArgument) (any, error) {
			return c.Exec(i.ctx, i.call, a.Deployment, i.host.session(i.ctx, a))
		}),
		"validate_auth": with(func(i invocation, c plugin.Authenticator, _ *none) (any, error) {
			return none{}, c.ValidateAuth(i.ctx, i.call)
		}),
		"authenticate": with(func(i invocation, c plugin.Authenticator, _ *none) (any, error) {
			return none{}, c.Authenticate(i.ctx, i.call)
		}),
	}
}

func readValues(i invocation, c plugin.ConfigSourcer, a *[]plugin.ValueRequest) (any, error) {
	got, err := c.ReadValues(i.ctx, i.call, *a)
	if err != nil {
		return nil, err
	}
	values := make([]value, len(got))
	for n, v := range got {
		values[n] = value{Name: v.Name, Value: v.Value}
		if v.Err != nil {
			values[n].Err = v.Err.Error()
		}
	}
	return values, nil
}

func (i invocation) made(r *plugin.Result, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return i.located(r, "", nil)
}

// located is the result to carry; its state is refused here if it is too large.
func (i invocation) located(r *plugin.Result, url string, resources []plugin.Resource) (any, error) {
	state, err := r.MarshalState(i.plugin)
	if err != nil {
		return nil, err
	}
	return result{State: state, Template: r.Template, Labels: r.Labels, Digest: r.Digest, Portable: r.Portable, URL: url, Resources: resources}, nil
}
