package process

import (
	"context"
	"fmt"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// newReleaser moves the app's stable port to a process.
func newReleaser(o Options) *stableport.Releaser {
	return &stableport.Releaser{Platform: stableport.Platform{
		Name: "process",
		Target: func(ctx context.Context, env *plugin.Call, target *plugin.Deployment) (stableport.Target, error) {
			d, err := decodeDeployment(target)
			if err != nil {
				return stableport.Target{}, err
			}
			h, err := homeOf(env)
			if err != nil {
				return stableport.Target{}, err
			}
			if err := h.resume(ctx, env, o, target.ID); err != nil {
				return stableport.Target{}, err
			}
			host, err := d.Health.awaitRunning(ctx, d.Port)
			return stableport.Target{Host: host, Port: d.Port}, err
		},
		Healthy: func(ctx context.Context, t stableport.Target) error { return (checkup{}).at(ctx, t) },
		Helper:  o.Proxy,
		Now:     o.Now,
	}}
}

// awaitRunning tries until a deployment that was healthy once is healthy, and returns the host that it listens on.
func (c checkup) awaitRunning(ctx context.Context, port int) (host string, err error) {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var last error
	for {
		host, err := c.once(limited, port)
		if err == nil {
			return host, nil
		}
		if last == nil || limited.Err() == nil {
			last = err
		}
		if waitErr := wait(limited, c.Interval); waitErr != nil {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			return "", &plugin.Error{
				Message: fmt.Sprintf("the deployment is not healthy, so it was not released: %v", last),
				Hint:    "`waypoint status` shows its state; deploy again. What was released before keeps serving.",
			}
		}
	}
}

// DestroyWorkspace ends everything of the app in the workspace that is on this machine, and forgets its port.
func (p *platform) DestroyWorkspace(ctx context.Context, env *plugin.Call) error {
	h, err := homeOf(env)
	if err != nil {
		return err
	}
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	if err := place.Forget(ctx, env); err != nil {
		return err
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
	return nil
}

// DestroyWorkspace removes what was built for the app in the workspace.
func (b *builder) DestroyWorkspace(_ context.Context, env *plugin.Call) error {
	h, err := homeOf(env)
	if err != nil {
		return err
	}
	return filecopy.Remove(h.artifactsDir(env))
}
