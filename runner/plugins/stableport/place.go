// Package stableport gives the apps of a machine stable ports: the releaser of platforms whose deployments listen on the
// runner's machine ("process", "docker"), and what those platforms share besides, ports and routes.
//
// An app in a workspace has one route, below Env.StateDir, whichever of the platforms runs it: a small reverse proxy
// (package proxy) that is switched from one deployment to the next without dropping a request. The package starts and
// stops proxies alone; what a deployment is, its platform says.
//
//	routes/KEY/   route.json, control.sock
package stableport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/proxy"
)

// Place is where a machine's routes are.
type Place struct{ dir string }

// In is the place below a runner's state directory.
func In(env *plugin.Call) (Place, error) {
	if env.StateDir == "" {
		return Place{}, &plugin.Error{
			Message: "this runner has no state directory, so nothing can be run on its machine",
			Hint:    "Start the runner with one.",
		}
	}
	p := Place{dir: env.StateDir}
	if err := os.MkdirAll(p.routes(), 0o700); err != nil {
		return Place{}, fmt.Errorf("making the state directory: %w", err)
	}
	return p, nil
}

func (p Place) routes() string { return filepath.Join(p.dir, "routes") }

// Dir is the directory of an app's route.
func (p Place) Dir(env *plugin.Call) string { return filepath.Join(p.routes(), laneKey(env)) }

// laneKey names an app in a workspace, short enough for the path of a socket.
func laneKey(env *plugin.Call) string {
	sum := sha256.Sum256([]byte(env.Project + "\x00" + env.App + "\x00" + env.Workspace))
	return hex.EncodeToString(sum[:6])
}

// lockWait is longer than all apps of a project need, one after the other, to be started on a slow engine.
const lockWait = 2 * time.Minute

// Lock is held while a port is chosen, so that no two choose the same.
func (p Place) Lock(ctx context.Context) (*machine.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	return machine.AwaitLock(ctx, filepath.Join(p.dir, "ports.lock"))
}

// Ports are chosen below the range from which systems take ports for outgoing connections (from 32768 on Linux,
// 49152 elsewhere), so that a port stays free while its app is started again.
const (
	routePorts      = 10_000
	deploymentPorts = 20_000
	portRange       = 10_000
)

var errNoPort = errors.New("no free port was found")

// ChooseDeployment gives a free port for a deployment. It depends on name first, so that the same thing tends to get the
// same port. taken are ports that belong to something that is just not listening.
func ChooseDeployment(name string, taken map[int]bool) (int, error) {
	return choose(deploymentPorts, name, taken)
}

func choose(base int, name string, taken map[int]bool) (int, error) {
	sum := fnv.New32a()
	_, _ = io.WriteString(sum, name)
	first := int(sum.Sum32() % portRange)
	for i := range portRange {
		port := base + (first+i)%portRange
		if !taken[port] && machine.PortFree(port) {
			return port, nil
		}
	}
	return 0, errNoPort
}

// others lists the routes of other apps and workspaces by port.
func (p Place) others(mine string) (map[int]proxy.Route, error) {
	dirs, err := filepath.Glob(filepath.Join(p.routes(), "*"))
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

// Holder finds the app, of any project and workspace, whose stable port that is.
func (p Place) Holder(port int) (route proxy.Route, taken bool, err error) {
	all, err := p.others("")
	if err != nil {
		return route, false, err
	}
	route, taken = all[port]
	return route, taken, nil
}

// Clear makes the proxy answer that nothing is released, if the app's route points to that deployment.
func (p Place) Clear(ctx context.Context, env *plugin.Call, deploymentID string) error {
	dir := p.Dir(env)
	kept, ok, err := proxy.ReadRoute(dir)
	if err != nil || !ok || kept.DeploymentID != deploymentID {
		return err
	}
	kept.Target, kept.Host, kept.DeploymentID, kept.Fence = 0, "", "", env.LaneFence
	_, err = proxy.At(dir).Set(ctx, kept)
	if errors.Is(err, proxy.ErrNotRunning) {
		err = proxy.Prepare(dir, kept)
	}
	if err != nil {
		return explain(err)
	}
	return nil
}

// drainWait bounds how long a deployment that is destroyed may still answer the requests that the proxy gave it.
const drainWait = 10 * time.Second

// Drain waits for requests that the proxy gave to a deployment before it was replaced.
func (p Place) Drain(ctx context.Context, env *plugin.Call, deploymentID string) {
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	for {
		st, err := proxy.At(p.Dir(env)).Status(ctx)
		if err != nil {
			return
		}
		busy := false
		for _, t := range st.Draining {
			busy = busy || t.DeploymentID == deploymentID
		}
		if !busy || pause(ctx, 50*time.Millisecond) != nil {
			return
		}
	}
}

// Forget ends the app's proxy and gives up its port.
func (p Place) Forget(ctx context.Context, env *plugin.Call) error {
	if err := proxy.Remove(ctx, p.Dir(env), env.LaneFence, serverID(ctx, env)); err != nil {
		return explain(err)
	}
	return nil
}

// Restore starts again the proxies of a machine that should run and do not, after a reboot say. It returns an error for each
// that could not be started, and goes on with the others.
func Restore(ctx context.Context, stateDir string, helper, environ []string) error {
	dirs, err := filepath.Glob(filepath.Join(Place{dir: stateDir}.routes(), "*"))
	failed := []error{err}
	for _, dir := range dirs {
		route, ok, err := proxy.ReadRoute(dir)
		if err == nil && ok && route.Target != 0 {
			_, _, err = proxy.Ensure(ctx, dir, helper, environ)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("the stable port of %s in workspace %s: %w", route.App, route.Workspace, err))
		}
	}
	return errors.Join(failed...)
}

// serverID is the id of the job's server; empty if it cannot be had: routes are then compared by their fences alone.
func serverID(ctx context.Context, env *plugin.Call) string {
	if env.ServerID == nil {
		return ""
	}
	id, err := env.ServerID(ctx)
	if err != nil {
		env.Logger.WarnContext(ctx, "the server's id is not known", "error", err)
	}
	return id
}

// Purge ends all proxies below a state directory and removes their routes. It is for the end of an installation: the
// records that knew of them are gone, and a lane's fence begins again.
func Purge(ctx context.Context, stateDir string) error {
	p := Place{dir: stateDir}
	entries, err := os.ReadDir(p.routes())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	failed := []error{err}
	for _, e := range entries {
		if e.IsDir() {
			failed = append(failed, proxy.Remove(ctx, filepath.Join(p.routes(), e.Name()), math.MaxInt64, ""))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return fmt.Errorf("ending the stable ports: %w", err)
	}
	return os.RemoveAll(p.routes())
}

// pause waits; an error: ctx ended first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
