package pluginpipe

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/catalog"
	"github.com/waypoint-serverless/waypoint/runner/plugins/schema"
)

// Remote is the definition of a plugin whose components of the kinds in OutOfProcess are served by the process. The others
// stay as they are.
func Remote(d catalog.Definition, p *Process) catalog.Definition {
	for _, kind := range d.OutOfProcess {
		known, ok := d.Schema(kind)
		if !ok {
			continue
		}
		made := func() *remote {
			r := &remote{process: p, plugin: d.Name, kind: string(kind)}
			if known.Config != nil {
				r.config = known.Config()
			}
			return r
		}
		switch kind {
		case schema.Builder:
			d.Builder = func() plugin.Builder { return made() }
		case schema.Registry:
			d.Registry = func() plugin.Registry { return made() }
		case schema.Platform:
			d.Platform = func() plugin.Platform { return made() }
		case schema.Releaser:
			d.Releaser = func() plugin.Releaser { return made() }
		case schema.TaskLauncher:
			d.TaskLauncher = func() plugin.TaskLauncher { return made() }
		case schema.ConfigSourcer:
			d.ConfigSourcer = func() plugin.ConfigSourcer { return made() }
		}
	}
	return d
}

// decideBound bounds the calls that have no context and decide at once.
const decideBound = 10 * time.Second

// remote stands for a component in the process. It has the methods of all kinds and all optional interfaces; which of them
// the component has, As tells.
type remote struct {
	process      *Process
	plugin, kind string
	config       any
}

var (
	_ plugin.Proxy         = (*remote)(nil)
	_ plugin.Builder       = (*remote)(nil)
	_ plugin.Registry      = (*remote)(nil)
	_ plugin.Platform      = (*remote)(nil)
	_ plugin.Releaser      = (*remote)(nil)
	_ plugin.TaskLauncher  = (*remote)(nil)
	_ plugin.ConfigSourcer = (*remote)(nil)
)

func (r *remote) Config() any { return r.config }

func (r *remote) Start() error {
	running, err := r.process.connect()
	if err != nil {
		return err
	}
	if _, serves := running.optional[r.plugin+" "+r.kind]; !serves {
		return &plugin.Error{Message: running.program + " does not serve the " + r.kind + " of the plugin \"" + r.plugin + "\""}
	}
	return nil
}

func (r *remote) As(target any) bool {
	switch t := target.(type) {
	case *plugin.Builder:
		return set[plugin.Builder](r, t, r.kind == string(schema.Builder))
	case *plugin.Registry:
		return set[plugin.Registry](r, t, r.kind == string(schema.Registry))
	case *plugin.Platform:
		return set[plugin.Platform](r, t, r.kind == string(schema.Platform))
	case *plugin.Releaser:
		return set[plugin.Releaser](r, t, r.kind == string(schema.Releaser) || r.kind == defaultReleaser)
	case *plugin.TaskLauncher:
		return set[plugin.TaskLauncher](r, t, r.kind == string(schema.TaskLauncher))
	case *plugin.ConfigSourcer:
		return set[plugin.ConfigSourcer](r, t, r.kind == string(schema.ConfigSourcer))
	case *plugin.RerunnableDeployer:
		return set[plugin.RerunnableDeployer](r, t, r.offers("RerunnableDeployer"))
	case *plugin.RerunnableReleaser:
		return set[plugin.RerunnableReleaser](r, t, r.offers("RerunnableReleaser"))
	case *plugin.Generation:
		return set[plugin.Generation](r, t, r.offers("Generation"))
	case *plugin.UnchangedDeployer:
		return set[plugin.UnchangedDeployer](r, t, r.offers("UnchangedDeployer"))
	case *plugin.DefaultReleaser:
		return set[plugin.DefaultReleaser](r, t, r.offers("DefaultReleaser"))
	case *plugin.DeploymentDestroyer:
		return set[plugin.DeploymentDestroyer](r, t, r.offers("DeploymentDestroyer"))
	case *plugin.ReleaseDestroyer:
		return set[plugin.ReleaseDestroyer](r, t, r.offers("ReleaseDestroyer"))
	case *plugin.WorkspaceDestroyer:
		return set[plugin.WorkspaceDestroyer](r, t, r.offers("WorkspaceDestroyer"))
	case *plugin.DeploymentStatusReporter:
		return set[plugin.DeploymentStatusReporter](r, t, r.offers("DeploymentStatusReporter"))
	case *plugin.ReleaseStatusReporter:
		return set[plugin.ReleaseStatusReporter](r, t, r.offers("ReleaseStatusReporter"))
	case *plugin.LogStreamer:
		return set[plugin.LogStreamer](r, t, r.offers("LogStreamer"))
	case *plugin.Execer:
		return set[plugin.Execer](r, t, r.offers("Execer"))
	case *plugin.Authenticator:
		return set[plugin.Authenticator](r, t, r.offers("Authenticator"))
	}
	return false
}

func set[T any](r T, target *T, has bool) bool {
	if has {
		*target = r
	}
	return has
}

// offers reports whether the component has the optional interface. The catalog has started the process before; one that
// ended since is started again.
func (r *remote) offers(name string) bool {
	running, err := r.process.connect()
	return err == nil && slices.Contains(running.optional[r.plugin+" "+r.kind], name)
}

func (r *remote) Build(ctx context.Context, c *plugin.Call) (*plugin.Result, error) {
	out, err := r.make(ctx, c, "build", nil)
	return out.toResult(), err
}

func (r *remote) Push(ctx context.Context, c *plugin.Call, a *plugin.Artifact) (*plugin.Result, error) {
	out, err := r.make(ctx, c, "push", a)
	return out.toResult(), err
}

func (r *remote) Deploy(ctx context.Context, c *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	out, err := r.make(ctx, c, "deploy", req)
	if err != nil {
		return nil, err
	}
	return &plugin.DeployResult{Result: *out.toResult(), URL: out.URL, Resources: out.Resources}, nil
}

func (r *remote) Release(ctx context.Context, c *plugin.Call, target *plugin.Deployment) (*plugin.ReleaseResult, error) {
	out, err := r.make(ctx, c, "release", target)
	if err != nil {
		return nil, err
	}
	return &plugin.ReleaseResult{Result: *out.toResult(), URL: out.URL, Resources: out.Resources}, nil
}

func (r *remote) StartTask(ctx context.Context, c *plugin.Call, req *plugin.TaskRequest) (*plugin.Result, error) {
	out, err := r.make(ctx, c, "start_task", req)
	return out.toResult(), err
}

func (r *remote) WatchTask(ctx context.Context, c *plugin.Call, t *plugin.Task, show func(plugin.LogLine)) (*plugin.TaskResult, error) {
	out := &plugin.TaskResult{}
	if err := r.call(ctx, c, request{method: "watch_task", argument: t, line: show}, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *remote) StopTask(ctx context.Context, c *plugin.Call, t *plugin.Task) error {
	return r.call(ctx, c, request{method: "stop_task", argument: t}, &none{})
}

func (r *remote) ReadValues(ctx context.Context, c *plugin.Call, requests []plugin.ValueRequest) ([]plugin.Value, error) {
	var out []value
	if err := r.call(ctx, c, request{method: "read_values", argument: requests}, &out); err != nil {
		return nil, err
	}
	values := make([]plugin.Value, len(out))
	for i, v := range out {
		values[i] = plugin.Value{Name: v.Name, Value: v.Value}
		if v.Err != "" {
			values[i].Err = errors.New(v.Err)
		}
	}
	return values, nil
}

func (r *remote) DeployRerunnable() bool  { return r.decide("deploy_rerunnable", nil) }
func (r *remote) ReleaseRerunnable() bool { return r.decide("release_rerunnable", nil) }

func (r *remote) OwnLogs(d *plugin.Deployment) bool { return r.decide("own_logs", d) }

// decide asks what has no context and no error. A process that cannot be asked counts as no: the call that follows says
// why.
func (r *remote) decide(method string, argument any) (yes bool) {
	ctx, cancel := context.WithTimeout(context.Background(), decideBound)
	defer cancel()
	return r.call(ctx, &plugin.Call{}, request{method: method, argument: argument}, &yes) == nil && yes
}

func (r *remote) Generation(ctx context.Context, c *plugin.Call) (name string, err error) {
	return name, r.call(ctx, c, request{method: "generation"}, &name)
}

func (r *remote) DeployInputs(ctx context.Context, c *plugin.Call) (*plugin.DeployInputs, error) {
	out := &plugin.DeployInputs{}
	if err := r.call(ctx, c, request{method: "deploy_inputs"}, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *remote) DefaultReleaser() plugin.Releaser {
	return &remote{process: r.process, plugin: r.plugin, kind: defaultReleaser, config: r.config}
}

func (r *remote) DestroyDeployment(ctx context.Context, c *plugin.Call, d *plugin.Deployment) error {
	return r.call(ctx, c, request{method: "destroy_deployment", argument: d}, &none{})
}

func (r *remote) DestroyRelease(ctx context.Context, c *plugin.Call, rel *plugin.Release) error {
	return r.call(ctx, c, request{method: "destroy_release", argument: rel}, &none{})
}

func (r *remote) DestroyWorkspace(ctx context.Context, c *plugin.Call) error {
	return r.call(ctx, c, request{method: "destroy_workspace"}, &none{})
}

func (r *remote) DeploymentStatus(ctx context.Context, c *plugin.Call, d *plugin.Deployment) (*plugin.Status, error) {
	return r.status(ctx, c, "deployment_status", d)
}

func (r *remote) ReleaseStatus(ctx context.Context, c *plugin.Call, rel *plugin.Release) (*plugin.Status, error) {
	return r.status(ctx, c, "release_status", rel)
}

func (r *remote) status(ctx context.Context, c *plugin.Call, method string, argument any) (*plugin.Status, error) {
	out := &plugin.Status{}
	if err := r.call(ctx, c, request{method: method, argument: argument}, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (r *remote) DeploymentLogs(ctx context.Context, c *plugin.Call, d *plugin.Deployment, lines int, follow bool, show func(plugin.LogLine)) error {
	return r.call(ctx, c, request{method: "logs", argument: logsArgument{d, lines, follow}, line: show}, &none{})
}

func (r *remote) Exec(ctx context.Context, c *plugin.Call, d *plugin.Deployment, session *plugin.ExecSession) (code int, err error) {
	argument := execArgument{Deployment: d, Command: session.Command, Stdin: session.Stdin != nil, TTY: session.TTY}
	return code, r.call(ctx, c, request{method: "exec", argument: argument, session: session}, &code)
}

func (r *remote) ValidateAuth(ctx context.Context, c *plugin.Call) error {
	return r.call(ctx, c, request{method: "validate_auth"}, &none{})
}

func (r *remote) Authenticate(ctx context.Context, c *plugin.Call) error {
	return r.call(ctx, c, request{method: "authenticate"}, &none{})
}

func (r *remote) make(ctx context.Context, c *plugin.Call, method string, argument any) (*result, error) {
	out := &result{}
	if err := r.call(ctx, c, request{method: method, argument: argument}, out); err != nil {
		return nil, err
	}
	return out, nil
}

// toResult is the result as the contract has it; nil of nil.
func (r *result) toResult() *plugin.Result {
	if r == nil {
		return nil
	}
	return &plugin.Result{State: r.State, Template: r.Template, Labels: r.Labels, Digest: r.Digest, Portable: r.Portable}
}
