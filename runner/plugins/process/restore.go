package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

const (
	// restoreAtOnce is how many apps are started side by side.
	restoreAtOnce = 4
	// restoreHealth bounds the wait for an app that was started again; a slow one goes on by itself.
	restoreHealth = 10 * time.Second
)

// environFile holds the environment that a deployment's supervisor was started with, sealed by the local server.
func environFile(dir string) string { return filepath.Join(dir, "environ.sealed") }

// keepEnviron seals the environment of a deployment, the entrypoint's token among it, so that the app can be started
// again after a reboot. Without a server on this machine nothing is kept: an app then comes back by being deployed
// again.
func keepEnviron(ctx context.Context, env *plugin.Call, dir, id string, environ []string) error {
	if env.Sealer == nil {
		return nil
	}
	plain, err := json.Marshal(environ)
	if err != nil {
		return err
	}
	sealed, err := env.Sealer.Seal(ctx, id, plain)
	if err != nil {
		return fmt.Errorf("sealing the app's environment: %w", err)
	}
	return machine.WriteFile(environFile(dir), sealed)
}

// unsealEnviron reads what keepEnviron kept.
func unsealEnviron(ctx context.Context, sealer plugin.Sealer, dir, id string) ([]string, error) {
	sealed, err := os.ReadFile(environFile(dir))
	if err != nil {
		return nil, err
	}
	plain, err := sealer.Unseal(ctx, id, sealed)
	if err != nil {
		return nil, err
	}
	var environ []string
	if err := json.Unmarshal(plain, &environ); err != nil {
		return nil, fmt.Errorf("reading its environment: %w", err)
	}
	return environ, nil
}

// Restore starts again the apps and the stable ports that should be on this machine and are not, after a reboot say.
// What cannot be started is logged, and `waypoint status` shows it as down. It returns when all run and are healthy, or
// have had their time.
func Restore(ctx context.Context, o Options, stateDir string, sealer plugin.Sealer, log *slog.Logger) error {
	helper, err := o.Proxy()
	if err != nil {
		return err
	}
	// Ports first: a request to one waits for its app for a moment.
	if err := stableport.Restore(ctx, stateDir, helper, plugin.AppEnviron(os.Environ())); err != nil {
		log.WarnContext(ctx, "not all stable ports could be opened again", "error", err)
	}
	h := home{dir: filepath.Join(stateDir, homeName)}
	all, err := h.deployments()
	if err != nil {
		return fmt.Errorf("looking for the apps of this machine: %w", err)
	}
	var group errgroup.Group
	group.SetLimit(restoreAtOnce)
	for _, d := range all {
		if !d.Complete || d.Replaced || d.Fixed && !h.running(d) && !portFree(ctx, d.Port) {
			continue // not there, or another deployment has its port
		}
		group.Go(func() error {
			started, err := h.restore(ctx, o, d, sealer)
			switch {
			case err != nil:
				log.WarnContext(ctx, "an app of this machine could not be started again; deploy it again",
					"project", d.Project, "app", d.App, "workspace", d.Workspace, "deployment", d.ID, "error", err)
			case started:
				log.InfoContext(ctx, "an app of this machine was not running and has been started again",
					"project", d.Project, "app", d.App, "workspace", d.Workspace, "deployment", d.ID)
			}
			return nil
		})
	}
	return group.Wait()
}

// restore starts a deployment's supervisor if none lives.
func (h home) restore(ctx context.Context, o Options, d deployment, sealer plugin.Sealer) (started bool, err error) {
	dir := h.deploymentDir(d.ID)
	lock, err := machine.TryLock(supervise.LockFile(dir))
	if errors.Is(err, machine.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	st, had, err := supervise.ReadStatus(dir)
	if err == nil && had && st.State != supervise.Ended {
		err = endProcess(ctx, st.Process, d.Grace) // where it does not die with its supervisor
	}
	lock.Close()
	if err != nil || had && st.State == supervise.Ended {
		return false, err
	}
	spec, ok, err := supervise.ReadSpec(dir)
	if err != nil {
		return false, err
	}
	environ, err := unsealEnviron(ctx, sealer, dir, d.ID)
	if !ok || errors.Is(err, os.ErrNotExist) {
		return false, errors.New("what it was started with was not kept")
	}
	if err != nil {
		return false, err
	}
	helper, err := o.helper(modeSupervise, dir, spec.Nonce)
	if err != nil {
		return false, err
	}
	if err := machine.Launch(ctx, helper, environ); err != nil {
		if machine.IsLocked(err) {
			return false, nil // somebody else was faster
		}
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, restoreHealth)
	defer cancel()
	for {
		if _, err := d.Health.once(limited, d.Port); err == nil || wait(limited, d.Health.Interval) != nil {
			return true, nil
		}
	}
}
