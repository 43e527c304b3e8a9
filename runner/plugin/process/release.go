package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

type releaser struct {
	options Options
	config  ReleaseConfig
}

func (r *releaser) Config() any { return &r.config }

// release is the state of a release's record.
type release struct {
	Port         int    `json:"port"`
	Target       int    `json:"target"`
	DeploymentID string `json:"deployment_id"`
	Fence        int64  `json:"fence"`
}

// Release checks the deployment's health and then switches the proxy to it. The old deployment serves until then.
func (r *releaser) Release(ctx context.Context, env *plugin.Env, target *plugin.Deployment) (*plugin.ReleaseResult, error) {
	if r.config.Port < 0 || r.config.Port > 65535 {
		return nil, &plugin.Error{Message: fmt.Sprintf("port = %d is no port", r.config.Port), Hint: "Use a number from 1024 to 65535, or leave it out."}
	}
	d, err := decodeDeployment(target)
	if err != nil {
		return nil, err
	}
	h, err := homeOf(env)
	if err != nil {
		return nil, err
	}
	step := env.UI.Step("Checking deployment %d", target.Sequence)
	if err := d.Health.awaitRunning(ctx, d.Port); err != nil {
		step.Fail("")
		return nil, err
	}
	step.Update("Moving the app's port to deployment %d", target.Sequence)
	st, err := r.route(ctx, env, h, proxy.Route{
		Project: env.Project, App: env.App, Workspace: env.Workspace,
		Port: r.config.Port, Target: d.Port, DeploymentID: target.ID, Fence: env.LaneFence,
	})
	if err != nil {
		step.Fail("")
		return nil, explain(err, h.routeDir(env))
	}
	step.Done("Port %d serves deployment %d", st.Port, target.Sequence)
	url := "http://" + machine.LoopbackAddr(st.Port)
	return &plugin.ReleaseResult{
		Result: plugin.Result{
			State:    release{Port: st.Port, Target: d.Port, DeploymentID: target.ID, Fence: st.Fence},
			Template: map[string]any{"url": url, "port": st.Port},
		},
		URL: url,
		Resources: []plugin.Resource{{
			ID: "port-" + fmt.Sprint(st.Port), Name: url, Type: "port", Platform: "process", Health: plugin.Ready,
			State: map[string]any{"port": st.Port, "pid": st.PID}, Created: r.options.Now(),
		}},
	}, nil
}

// awaitRunning tries until a deployment that was healthy once is healthy.
func (c checkup) awaitRunning(ctx context.Context, port int) error {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var last error
	for {
		err := c.once(limited, port)
		if err == nil {
			return nil
		}
		if last == nil || limited.Err() == nil {
			last = err
		}
		if waitErr := wait(limited, c.Interval); waitErr != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return &plugin.Error{
				Message: fmt.Sprintf("the deployment is not healthy, so it was not released: %v", last),
				Hint:    "`waypoint status` shows its state; deploy again. What was released before keeps serving.",
			}
		}
	}
}

// route makes sure that the proxy runs and gives it the route.
func (r *releaser) route(ctx context.Context, env *plugin.Env, h home, next proxy.Route) (proxy.Status, error) {
	dir := h.routeDir(env)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return proxy.Status{}, err
	}
	lock, err := h.portsLock(ctx)
	if err != nil {
		return proxy.Status{}, fmt.Errorf("choosing the app's port: %w", err)
	}
	defer lock.Close()
	kept, had, err := proxy.ReadRoute(dir)
	if err != nil {
		return proxy.Status{}, err
	}
	others, err := h.otherRoutes(dir)
	if err != nil {
		return proxy.Status{}, err
	}
	if next.Port, err = stablePort(next, kept, others); err != nil {
		return proxy.Status{}, err
	}
	helper, err := r.options.helper(modeProxy)
	if err != nil {
		return proxy.Status{}, err
	}
	// Twice: the proxy may be killed between the first look and the switch.
	for try := 0; ; try++ {
		if err := proxy.Prepare(dir, next); err != nil {
			return proxy.Status{}, err
		}
		_, started, err := proxy.Ensure(ctx, dir, helper, baseEnv(env))
		if err != nil {
			return proxy.Status{}, errors.Join(err, undo(ctx, dir, kept, had, next.Fence))
		}
		if started && had {
			env.UI.Line(plugin.Warning, "The proxy of this app was not running; it has been started again.")
		}
		st, err := proxy.At(dir).Set(ctx, next)
		if try == 0 && errors.Is(err, proxy.ErrNotRunning) {
			continue
		}
		return st, err
	}
}

// undo keeps the route that was kept before, after a proxy that did not start.
func undo(ctx context.Context, dir string, kept proxy.Route, had bool, fence int64) error {
	if had {
		return proxy.Restore(dir, kept)
	}
	return proxy.Remove(ctx, dir, fence)
}

// stablePort is the configured port, the kept one, or a free one.
func stablePort(next, kept proxy.Route, others map[int]proxy.Route) (int, error) {
	if next.Port == 0 && kept.Port != 0 {
		return kept.Port, nil
	}
	if next.Port == 0 {
		taken := map[int]bool{}
		for port := range others {
			taken[port] = true
		}
		return choosePort(routePorts, next.Project+"/"+next.App+"/"+next.Workspace, taken, machine.PortFree)
	}
	if o, clash := others[next.Port]; clash {
		return 0, &plugin.Error{
			Message: fmt.Sprintf("port %d already belongs to app %q of project %q in workspace %q", next.Port, o.App, o.Project, o.Workspace),
			Hint:    "Choose another `port` in the release stanza, or leave it out to get a free one.",
		}
	}
	return next.Port, nil
}

// otherRoutes lists the routes of other apps and workspaces by port.
func (h home) otherRoutes(mine string) (map[int]proxy.Route, error) {
	dirs, err := filepath.Glob(filepath.Join(h.routesDir(), "*"))
	if err != nil {
		return nil, err
	}
	all := map[int]proxy.Route{}
	for _, dir := range dirs {
		if dir == mine {
			continue
		}
		route, ok, err := proxy.ReadRoute(dir)
		if err != nil {
			return nil, err
		}
		if ok {
			all[route.Port] = route
		}
	}
	return all, nil
}

// explain gives a proxy's refusal its hint.
func explain(err error, dir string) error {
	var refusal *proxy.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Reason == proxy.StaleFence:
		return &plugin.Error{
			Message: refusal.Message,
			Hint:    "Release again. If the server's data was deleted since, remove " + dir + " first.",
		}
	case errors.As(err, &refusal) && refusal.Reason == proxy.PortInUse, proxy.IsPortInUse(err):
		return &plugin.Error{
			Message: err.Error(),
			Hint:    "Stop that program, or choose another `port` in the release stanza. What was released before keeps serving.",
		}
	}
	return err
}

// clearRoute makes the proxy answer that nothing is released, if its route points to that deployment.
func (h home) clearRoute(ctx context.Context, env *plugin.Env, deploymentID string) error {
	dir := h.routeDir(env)
	kept, ok, err := proxy.ReadRoute(dir)
	if err != nil || !ok || kept.DeploymentID != deploymentID {
		return err
	}
	kept.Target, kept.DeploymentID, kept.Fence = 0, "", env.LaneFence
	_, err = proxy.At(dir).Set(ctx, kept)
	if errors.Is(err, proxy.ErrNotRunning) {
		err = proxy.Prepare(dir, kept)
	}
	if err != nil {
		return explain(err, dir)
	}
	return nil
}

// DestroyRelease clears the route and ends the proxy, unless the route has moved on. Gone already is fine.
func (r *releaser) DestroyRelease(ctx context.Context, env *plugin.Env, rel *plugin.Release) error {
	h, err := homeOf(env)
	if err != nil {
		return err
	}
	if err := h.clearRoute(ctx, env, rel.DeploymentID); err != nil {
		return err
	}
	kept, ok, err := proxy.ReadRoute(h.routeDir(env))
	if err != nil || !ok || kept.Target != 0 {
		return err
	}
	return proxy.At(h.routeDir(env)).Stop(ctx)
}

// ReleaseStatus says whether the port answers. A proxy that was killed is started again with the route that it had.
func (r *releaser) ReleaseStatus(ctx context.Context, env *plugin.Env, rel *plugin.Release) (*plugin.Status, error) {
	h, err := homeOf(env)
	if err != nil {
		return nil, err
	}
	dir := h.routeDir(env)
	kept, ok, err := proxy.ReadRoute(dir)
	if err != nil {
		return nil, err
	}
	var state release
	if len(rel.State) > 0 {
		if err := json.Unmarshal(rel.State, &state); err != nil {
			return nil, fmt.Errorf("reading the release: %w", err)
		}
	}
	switch {
	case !ok || kept.Target == 0:
		return &plugin.Status{Health: plugin.Missing, Message: "Nothing is released on this machine."}, nil
	case kept.DeploymentID != rel.DeploymentID:
		return &plugin.Status{Health: plugin.Unknown, Message: fmt.Sprintf("Port %d has moved on to another release.", kept.Port)}, nil
	}
	helper, err := r.options.helper(modeProxy)
	if err != nil {
		return nil, err
	}
	st, started, err := proxy.Ensure(ctx, dir, helper, baseEnv(env))
	if err != nil {
		return &plugin.Status{Health: plugin.Down, Message: fmt.Sprintf("The proxy of port %d does not run and could not be started: %v.", kept.Port, err)}, nil
	}
	health, message := plugin.Ready, fmt.Sprintf("Port %d serves the deployment on port %d.", st.Port, st.Target)
	if started {
		message += " Its proxy was not running and has been started again."
	}
	if err := (checkup{}).once(ctx, st.Target); err != nil {
		health, message = plugin.Down, fmt.Sprintf("Port %d is open, but the deployment behind it is down: %v.", st.Port, err)
	}
	return &plugin.Status{Health: health, Message: message, Resources: []plugin.Resource{{
		ID: fmt.Sprintf("port-%d", st.Port), Name: "http://" + machine.LoopbackAddr(st.Port), Type: "port", Platform: "process",
		Health: health, HealthMessage: message, State: map[string]any{"pid": st.PID, "port": st.Port, "in_flight": st.InFlight},
	}}}, nil
}

// DestroyWorkspace ends everything of the app in the workspace that is on this machine, and forgets its port.
func (p *platform) DestroyWorkspace(ctx context.Context, env *plugin.Env) error {
	h, err := homeOf(env)
	if err != nil {
		return err
	}
	dir := h.routeDir(env)
	if err := proxy.Remove(ctx, dir, env.LaneFence); err != nil {
		return explain(err, dir)
	}
	all, err := h.deployments()
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.of(env) {
			if err := h.remove(ctx, d.ID); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(h.artifactsDir(env))
}
