package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/internal/filecopy"
	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// deployment is what stands in deployment.json, and, less what is private to this machine, the state of a
// deployment's record.
type deployment struct {
	ID        string `json:"id"`
	Project   string `json:"project"`
	App       string `json:"app"`
	Workspace string `json:"workspace"`
	Fence     int64  `json:"fence"`
	Dir       string `json:"dir"`
	Log       string `json:"log"`
	Port      int    `json:"port"`
	// Host that the app listens on; empty: 127.0.0.1.
	Host   string  `json:"host,omitempty"`
	Health checkup `json:"health"`
	// Grace is what the process has to end.
	Grace time.Duration `json:"grace"`
	// Process when the deploy ended; status.json knows the current one.
	Process machine.Process `json:"process"`
	// Fixed: the port was configured, and not chosen.
	Fixed bool `json:"fixed,omitempty"`
	// StoppedFor is the deployment that this one was stopped for, to make the fixed port free. Replaced: that one works, and
	// this one stays stopped.
	StoppedFor string `json:"stopped_for,omitempty"`
	Replaced   bool   `json:"replaced,omitempty"`
	// Complete: the deploy ended well. One that is not, of an operation that was overtaken, is garbage.
	Complete bool `json:"complete"`
}

// target is where the app listens.
func (d deployment) target() stableport.Target { return stableport.Target{Host: d.Host, Port: d.Port} }

func deploymentFile(dir string) string { return filepath.Join(dir, "deployment.json") }

// deployments lists those that are on this machine.
func (h home) deployments() ([]deployment, error) {
	entries, err := os.ReadDir(h.deploymentsDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []deployment
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		var d deployment
		ok, err := machine.ReadJSON(deploymentFile(h.deploymentDir(e.Name())), &d)
		if err != nil {
			return nil, err
		}
		if ok {
			all = append(all, d)
		}
	}
	return all, nil
}

func (d deployment) of(env *plugin.Call) bool {
	return d.Project == env.Project && d.App == env.App && d.Workspace == env.Workspace
}

// stopSlack is what a supervisor has on top of its process's grace.
const stopSlack = 10 * time.Second

// remove ends a deployment's supervisor and process and removes its directory. Gone already is fine. It takes the
// supervisor's lock, which proves that none lives and keeps one that is just starting from going on.
func (h home) remove(ctx context.Context, id string) error {
	dir := h.deploymentDir(id)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		_ = os.Remove(supervise.LockFile(dir))
		return nil
	}
	grace := 10 * time.Second
	var d deployment
	if ok, err := machine.ReadJSON(deploymentFile(dir), &d); err == nil && ok {
		grace = d.Grace
	}
	lock, err := stopSupervisor(ctx, dir, grace)
	if err != nil {
		return fmt.Errorf("ending the processes of deployment %s: %w", id, err)
	}
	defer lock.Remove()
	// A supervisor that was killed can have left its process; on Linux it cannot.
	if st, ok, err := supervise.ReadStatus(dir); err == nil && ok {
		if err := endProcess(ctx, st.Process, grace); err != nil {
			return fmt.Errorf("ending the process of deployment %s: %w", id, err)
		}
	}
	return filecopy.Remove(dir)
}

// stopSupervisor ends the supervisor and returns with its lock.
func stopSupervisor(ctx context.Context, dir string, grace time.Duration) (*machine.Lock, error) {
	lock, err := machine.TryLock(supervise.LockFile(dir))
	if !errors.Is(err, machine.ErrLocked) {
		return lock, err
	}
	// One that has just begun may not have written who it is; it does within moments, or goes.
	deadline, cancel := context.WithTimeout(ctx, grace+stopSlack)
	defer cancel()
	var told bool
	for {
		if st, ok, err := supervise.ReadStatus(dir); !told && err == nil && ok && st.Supervisor.Alive() {
			told = st.Supervisor.Terminate() == nil
		}
		short, stop := context.WithTimeout(deadline, 100*time.Millisecond)
		lock, err = machine.AwaitLock(short, supervise.LockFile(dir))
		stop()
		if !errors.Is(err, machine.ErrLocked) {
			return lock, err
		}
		if deadline.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if st, ok, err := supervise.ReadStatus(dir); err == nil && ok {
		if err := st.Supervisor.KillTree(); err != nil {
			return nil, err
		}
	}
	last, stop := context.WithTimeout(ctx, stopSlack)
	defer stop()
	return machine.AwaitLock(last, supervise.LockFile(dir))
}

func endProcess(ctx context.Context, p machine.Process, grace time.Duration) error {
	if err := p.TerminateGroup(); err != nil {
		return err
	}
	polite, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	if p.AwaitEnd(polite) == nil {
		return nil
	}
	if err := p.KillTree(); err != nil {
		return err
	}
	last, stop := context.WithTimeout(ctx, stopSlack)
	defer stop()
	return p.AwaitEnd(last)
}

// collect removes what deploys of this app and workspace left that were cut short and overtaken: their runner is
// gone, and nobody knows of them but the directory.
func (h home) collect(ctx context.Context, env *plugin.Call) error {
	all, err := h.deployments()
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.of(env) && !d.Complete && d.Fence < env.LaneFence {
			if err := h.remove(ctx, d.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
