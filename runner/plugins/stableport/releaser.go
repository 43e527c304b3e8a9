package stableport

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

// Config configures the releaser.
type Config struct {
	// Stable port of the app on 127.0.0.1.
	Port int `hcl:"port,optional" default:"a free port, chosen at the first release and kept"`
}

// Output is what is seen of a release.
type Output struct {
	// Address of the app on 127.0.0.1.
	URL string `hcl:"url"`
	// Port of the app.
	Port int `hcl:"port"`
}

// Target is where a deployment listens.
type Target struct {
	// Host is empty for this machine.
	Host string
	Port int
}

// Addr is where to dial.
func (t Target) Addr() string {
	if t.Host == "" {
		return machine.LoopbackAddr(t.Port)
	}
	return net.JoinHostPort(t.Host, strconv.Itoa(t.Port))
}

// Platform is what the releaser asks of the platform that it is for.
type Platform struct {
	// Name is the plugin's.
	Name string
	// Target finds where a deployment listens, and waits until it is healthy; the error is a sentence.
	Target func(ctx context.Context, env *plugin.Call, d *plugin.Deployment) (Target, error)
	// Healthy looks once whether what listens there is healthy.
	Healthy func(ctx context.Context, t Target) error
	// Helper is the command, and the arguments, that run proxy.Main.
	Helper func() ([]string, error)
	Now    func() time.Time
}

// Releaser moves an app's stable port. It is fit to be released again after an attempt that was cut short.
type Releaser struct {
	Platform Platform
	Options  Config
}

// Config is a pointer to the releaser's configuration.
func (r *Releaser) Config() any { return &r.Options }

// ReleaseRerunnable says yes: the fence decides, and the same switch twice is one.
func (r *Releaser) ReleaseRerunnable() bool { return true }

// release is the state of a release's record.
type release struct {
	Port         int    `json:"port"`
	Host         string `json:"host,omitempty"`
	Target       int    `json:"target"`
	DeploymentID string `json:"deployment_id"`
	Fence        int64  `json:"fence"`
}

// Release checks the deployment's health and then switches the proxy to it. The old deployment serves until then.
func (r *Releaser) Release(ctx context.Context, env *plugin.Call, target *plugin.Deployment) (*plugin.ReleaseResult, error) {
	if r.Options.Port < 0 || r.Options.Port > 65535 {
		return nil, &plugin.Error{Message: fmt.Sprintf("port = %d is not a valid port", r.Options.Port), Hint: "Use a number from 1024 to 65535, or leave it out."}
	}
	place, err := In(env)
	if err != nil {
		return nil, err
	}
	step := env.UI.Step("Checking deployment %d", target.Sequence)
	at, err := r.Platform.Target(ctx, env, target)
	if err != nil {
		step.Fail("")
		return nil, err
	}
	step.Update("Moving the app's port to deployment %d", target.Sequence)
	st, err := r.route(ctx, env, place, proxy.Route{
		Project: env.Project, App: env.App, Workspace: env.Workspace,
		Port: r.Options.Port, Host: at.Host, Target: at.Port, DeploymentID: target.ID, Fence: env.LaneFence,
		Server: serverID(ctx, env),
	})
	if err != nil {
		step.Fail("")
		return nil, explain(err)
	}
	step.Done("Port %d serves deployment %d", st.Port, target.Sequence)
	url := "http://" + machine.LoopbackAddr(st.Port)
	return &plugin.ReleaseResult{
		Result: plugin.Result{
			State:    release{Port: st.Port, Host: at.Host, Target: at.Port, DeploymentID: target.ID, Fence: st.Fence},
			Template: map[string]any{"url": url, "port": st.Port},
		},
		URL: url,
		Resources: []plugin.Resource{{
			ID: "port-" + strconv.Itoa(st.Port), Name: url, Type: "port", Platform: r.Platform.Name, Health: plugin.Ready,
			State: map[string]any{"port": st.Port, "pid": st.PID}, Created: r.Platform.Now(),
		}},
	}, nil
}

// route makes sure that the proxy runs and gives it the route.
func (r *Releaser) route(ctx context.Context, env *plugin.Call, place Place, next proxy.Route) (proxy.Status, error) {
	dir := place.Dir(env)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return proxy.Status{}, err
	}
	lock, err := place.Lock(ctx)
	if err != nil {
		return proxy.Status{}, fmt.Errorf("choosing the app's port: %w", err)
	}
	defer lock.Close()
	kept, had, err := proxy.ReadRoute(dir)
	if err != nil {
		return proxy.Status{}, err
	}
	others, err := place.others(dir)
	if err != nil {
		return proxy.Status{}, err
	}
	if next.Port, err = stable(next, kept, others); err != nil {
		return proxy.Status{}, err
	}
	helper, err := r.Platform.Helper()
	if err != nil {
		return proxy.Status{}, err
	}
	if had && kept.Server != "" && proxy.OtherServer(kept, next) {
		env.UI.Line(plugin.Warning, "Port %d led to a deployment of another Waypoint server, or of this one before its data was lost; it gives way.", next.Port)
	}
	// Twice: the proxy may be killed between the first look and the switch.
	for try := 0; ; try++ {
		if err := proxy.Prepare(dir, next); err != nil {
			return proxy.Status{}, err
		}
		_, started, err := proxy.Ensure(ctx, dir, helper, env.AppBase())
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
		if refusal := new(proxy.Refusal); try == 0 && errors.As(err, &refusal) && refusal.Reason == proxy.StaleFence && proxy.OtherServer(kept, next) {
			// A proxy of an older version knows no servers. One of this version takes its place.
			if err := proxy.End(ctx, dir); err != nil {
				return st, err
			}
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
	return proxy.Remove(ctx, dir, fence, "")
}

// stable is the configured port, the kept one, or a free one.
func stable(next, kept proxy.Route, others map[int]proxy.Route) (int, error) {
	if next.Port == 0 && kept.Port != 0 {
		return kept.Port, nil
	}
	if next.Port == 0 {
		taken := map[int]bool{}
		for port := range others {
			taken[port] = true
		}
		return choose(routePorts, next.Project+"/"+next.App+"/"+next.Workspace, taken)
	}
	if o, clash := others[next.Port]; clash {
		return 0, &plugin.Error{
			Message: fmt.Sprintf("port %d already belongs to app %q of project %q in workspace %q", next.Port, o.App, o.Project, o.Workspace),
			Hint:    "Choose another `port` in the release stanza, or leave it out to get a free one.",
		}
	}
	return next.Port, nil
}

// explain gives a proxy's refusal its hint.
func explain(err error) error {
	var refusal *proxy.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Reason == proxy.StaleFence:
		return &plugin.Error{
			Message: refusal.Message,
			Hint:    "Release again.",
		}
	case errors.As(err, &refusal) && refusal.Reason == proxy.PortInUse, proxy.IsPortInUse(err):
		return &plugin.Error{
			Message: err.Error(),
			Hint:    "Stop that program, or choose another `port` in the release stanza. What was released before keeps serving.",
		}
	}
	return err
}

// DestroyRelease clears the route and ends the proxy, unless the route has moved on. Gone already is fine.
func (r *Releaser) DestroyRelease(ctx context.Context, env *plugin.Call, rel *plugin.Release) error {
	place, err := In(env)
	if err != nil {
		return err
	}
	if err := place.Clear(ctx, env, rel.DeploymentID); err != nil {
		return err
	}
	kept, ok, err := proxy.ReadRoute(place.Dir(env))
	if err != nil || !ok || kept.Target != 0 {
		return err
	}
	return proxy.At(place.Dir(env)).Stop(ctx)
}

// ReleaseStatus reports whether the port answers. A proxy that was killed is started again with the route that it had.
func (r *Releaser) ReleaseStatus(ctx context.Context, env *plugin.Call, rel *plugin.Release) (*plugin.Status, error) {
	place, err := In(env)
	if err != nil {
		return nil, err
	}
	dir := place.Dir(env)
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
	helper, err := r.Platform.Helper()
	if err != nil {
		return nil, err
	}
	st, started, err := proxy.Ensure(ctx, dir, helper, env.AppBase())
	if err != nil {
		return &plugin.Status{Health: plugin.Down, Message: fmt.Sprintf("The proxy of port %d does not run and could not be started: %v.", kept.Port, err)}, nil
	}
	target := Target{Host: st.Host, Port: st.Target}
	health, message := plugin.Ready, fmt.Sprintf("Port %d serves the deployment at %s.", st.Port, target.Addr())
	if started {
		message += " Its proxy was not running and has been started again."
	}
	if err := r.Platform.Healthy(ctx, target); err != nil {
		health, message = plugin.Down, fmt.Sprintf("Port %d is open, but the deployment behind it is down: %v.", st.Port, err)
	}
	return &plugin.Status{Health: health, Message: message, Resources: []plugin.Resource{{
		ID: fmt.Sprintf("port-%d", st.Port), Name: "http://" + machine.LoopbackAddr(st.Port), Type: "port", Platform: r.Platform.Name,
		Health: health, HealthMessage: message, State: map[string]any{"pid": st.PID, "port": st.Port, "in_flight": st.InFlight},
	}}}, nil
}
