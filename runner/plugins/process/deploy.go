package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// lastLines is how much of a failed app's output is shown.
const lastLines = 20

type platform struct {
	options Options
	config  DeployConfig
}

func (p *platform) Config() any { return &p.config }

// DeployRerunnable: the deployment's id names its directory, in which a second attempt finds what the first left.
func (p *platform) DeployRerunnable() bool { return true }

// DeployInputs: the app is started in an environment that the runner's own is a part of. It is sorted: a program that a
// script or make starts has the same variables as one that a terminal does, in another order.
func (p *platform) DeployInputs(_ context.Context, env *plugin.Call) (*plugin.DeployInputs, error) {
	return &plugin.DeployInputs{Known: true, Values: slices.Sorted(slices.Values(env.AppBase()))}, nil
}

// DefaultReleaser gives apps without a release stanza a stable port too.
func (p *platform) DefaultReleaser() plugin.Releaser { return newReleaser(p.options) }

// Deploy starts the app and returns when it is healthy. If it fails, nothing of it is left.
func (p *platform) Deploy(ctx context.Context, env *plugin.Call, req *plugin.DeployRequest) (*plugin.DeployResult, error) {
	o, err := p.config.read()
	if err != nil {
		return nil, err
	}
	h, err := homeOf(env)
	if err != nil {
		return nil, err
	}
	source, err := artifactDir(req.Artifact)
	if err != nil {
		return nil, err
	}
	// What an earlier attempt at this deployment left, and what overtaken ones did.
	if err := errors.Join(h.remove(ctx, req.DeploymentID), h.collect(ctx, env)); err != nil {
		return nil, err
	}
	d, before, err := p.deploy(ctx, env, req, h, o, source)
	if err == nil {
		err = h.replaced(before)
	}
	if err != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.grace+2*stopSlack)
		defer cancel()
		return nil, h.restoreFormer(ctx, env, p.options, before, errors.Join(err, h.remove(cleanup, req.DeploymentID)))
	}
	url := "http://" + d.target().Addr()
	return &plugin.DeployResult{
		Result: plugin.Result{
			State:    d,
			Template: map[string]any{"url": url, "port": d.Port, "pid": d.Process.PID},
		},
		URL:       url,
		Resources: []plugin.Resource{resource(d, plugin.Ready, "healthy", p.options.Now())},
	}, nil
}

func (p *platform) deploy(ctx context.Context, env *plugin.Call, req *plugin.DeployRequest, h home, o order, source string) (d deployment, before *former, err error) {
	dir := h.deploymentDir(req.DeploymentID)
	d = deployment{
		ID: req.DeploymentID, Project: env.Project, App: env.App, Workspace: env.Workspace, Fence: env.LaneFence,
		Dir: filepath.Join(dir, "app"), Log: supervise.LogFile(dir), Health: o.health, Grace: o.grace,
		Port: o.port, Fixed: o.port > 0,
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return d, nil, err
	}
	if err := h.reservePort(ctx, env, &d, dir); err != nil {
		return d, nil, err
	}
	if _, err := copyTree(env, source, d.Dir, false); err != nil {
		return d, nil, fmt.Errorf("copying the artifact: %w", err)
	}
	environ := with(env.AppBase(), o.env)
	program, err := findProgram(o.command[0], d.Dir, environ)
	if err != nil {
		return d, nil, programMissing(o.command[0], d.Dir, environ, err)
	}
	spec := supervise.Spec{
		Nonce:   strconv.FormatInt(env.LaneFence, 10) + "-" + strconv.FormatInt(p.options.Now().UnixNano(), 36),
		Command: append([]string{program}, o.command[1:]...), Dir: d.Dir, StopGrace: o.grace, NoRestart: !o.restart,
	}
	vars := map[string]string{"PORT": strconv.Itoa(d.Port)}
	if env.Entrypoint == "" {
		env.UI.Line(plugin.Warning, "There is no waypoint-entrypoint on this machine: the app runs without configuration and logs from the server.")
	} else {
		entrypoint, err := takeEntrypoint(env.Entrypoint, dir)
		if err != nil {
			return d, nil, err
		}
		spec.Command = append([]string{entrypoint}, spec.Command...)
		for name, value := range req.EntrypointEnv {
			vars[name] = value
		}
		// Sealed with the entrypoint's token, which is on no disk in the clear (keepEnviron).
		vars["WAYPOINT_CONFIG_CACHE"] = filepath.Join(dir, "config.cache")
	}
	if d.Fixed {
		env.UI.Line(plugin.Info, "The app has the fixed port %d: a deployment that runs is stopped first, and for a moment nothing answers.", d.Port)
		if before, err = h.vacate(ctx, env, d, p.options.Now); err != nil {
			return d, before, err
		}
	}
	err = p.start(ctx, env, &d, dir, spec, with(environ, vars))
	return d, before, err
}

// start starts the supervisor and waits for the app's health.
func (p *platform) start(ctx context.Context, env *plugin.Call, d *deployment, dir string, spec supervise.Spec, environ []string) error {
	if err := supervise.WriteSpec(dir, spec); err != nil {
		return err
	}
	if err := keepEnviron(ctx, env, dir, d.ID, environ); err != nil {
		env.UI.Line(plugin.Warning, "The app will not come back by itself after a restart of this machine: %s", err)
	}
	helper, err := p.options.helper(modeSupervise, dir, spec.Nonce)
	if err != nil {
		return err
	}
	step := env.UI.Step("Starting %s on port %d", filepath.Base(p.config.Command[0]), d.Port)
	if err := machine.Launch(ctx, helper, environ); err != nil {
		step.Fail("")
		return fmt.Errorf("starting the app: %w", err)
	}
	step.Update("Waiting for the app to be healthy on port %d", d.Port)
	printed := &appOutput{path: supervise.LogFile(dir), to: step.Output()}
	host, err := d.Health.await(ctx, dir, d.Port, printed)
	if err != nil {
		whole := printed.finish()
		step.Fail("The app did not become healthy")
		if !whole {
			showTail(env, dir)
		}
		return err
	}
	st, _, err := supervise.ReadStatus(dir)
	if err != nil {
		step.Fail("")
		return err
	}
	d.Process, d.Host, d.Complete = st.Process, host, true
	if err := machine.WriteJSON(deploymentFile(dir), d); err != nil {
		step.Fail("")
		return err
	}
	step.Done("The app is healthy on port %d", d.Port)
	return nil
}

func showTail(env *plugin.Call, dir string) {
	lines := supervise.Tail(dir, lastLines)
	if len(lines) == 0 {
		env.UI.Line(plugin.Dim, "The app printed nothing.")
		return
	}
	env.UI.Line(plugin.Info, "The last lines that the app printed:")
	for _, line := range lines {
		env.UI.Line(plugin.Dim, "  %s", line)
	}
}

// reservePort writes down the fixed port, or chooses a free one and writes it down, so that nobody else chooses it.
func (h home) reservePort(ctx context.Context, env *plugin.Call, d *deployment, dir string) error {
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	lock, err := place.Lock(ctx)
	if err != nil {
		return fmt.Errorf("choosing a port: %w", err)
	}
	defer lock.Close()
	if d.Fixed {
		return machine.WriteJSON(deploymentFile(dir), d)
	}
	all, err := h.deployments()
	if err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, other := range all {
		taken[other.Port] = true
	}
	if d.Port, err = stableport.ChooseDeployment(d.ID, taken); err != nil {
		return err
	}
	return machine.WriteJSON(deploymentFile(dir), d)
}

// artifactDir finds the directory in an artifact, of this plugin or of another that keeps one (files).
func artifactDir(a *plugin.Artifact) (string, error) {
	var state struct {
		Path string `json:"path"`
	}
	if a != nil && len(a.State) > 0 {
		if err := json.Unmarshal(a.State, &state); err != nil {
			return "", fmt.Errorf("reading the artifact: %w", err)
		}
	}
	if state.Path == "" {
		made := "that was given"
		if a != nil {
			made = "of the plugin " + strconv.Quote(a.Plugin)
		}
		return "", &plugin.Error{
			Message: "the artifact " + made + " is not a directory on this machine",
			Hint:    "Build with \"process\" or \"files\", and without a registry.",
		}
	}
	if info, err := os.Stat(state.Path); err != nil || !info.IsDir() {
		return "", &plugin.Error{
			Message: "the artifact is no longer on this machine",
			Hint:    "Build again: `waypoint up` does, `waypoint build` makes the artifact only.",
			Cause:   err,
		}
	}
	return state.Path, nil
}

func programMissing(name, dir string, environ []string, cause error) error {
	hint := "Check `command` in the deploy stanza; a path with a slash is relative to the artifact's directory."
	if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
		hint = fmt.Sprintf("The artifact has a file of that name: write \"./%s\".", name)
	}
	return cannotStart("app's command", name, dir, environ, cause, hint)
}

// takeEntrypoint gives the deployment an entrypoint of its own: the runner's may be replaced or go away while the
// app is still started again with it.
func takeEntrypoint(from, dir string) (string, error) {
	to := filepath.Join(dir, "waypoint-entrypoint"+filepath.Ext(from))
	if err := os.Link(from, to); err == nil {
		return to, nil
	}
	if err := filecopy.File(from, to); err != nil {
		return "", &plugin.Error{Message: "waypoint-entrypoint cannot be read", Hint: "Install Waypoint again.", Cause: err}
	}
	return to, nil
}

func resource(d deployment, health plugin.Health, message string, at time.Time) plugin.Resource {
	return plugin.Resource{
		ID: d.ID, Name: d.App, Type: "process", Platform: "process",
		Health: health, HealthMessage: message, Created: at,
		State: map[string]any{"pid": d.Process.PID, "port": d.Port, "dir": d.Dir, "log": d.Log},
	}
}
