package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// Apps with a fixed port (`port` in the deploy stanza) are replaced one after the other: the running deployment is
// stopped, then the new one is started, and if that fails, the former one is started again. A former deployment keeps
// its directory until it is destroyed, so that it can be released again.

// portFreed bounds the wait for the port of a process that has ended.
const portFreed = 10 * time.Second

// former is a deployment that was stopped because another one needs its port.
type former struct {
	deployment
	// environ is what its supervisor is started with; nil: it cannot be found out, so it cannot be started again.
	environ []string
	stopped time.Time
}

// vacate makes the fixed port of d free. It returns the app's deployment that had it and was stopped; nil: none had. It
// stops nothing if the port belongs to somebody else.
func (h home) vacate(ctx context.Context, env *plugin.Call, d deployment, now func() time.Time) (*former, error) {
	all, err := h.deployments()
	if err != nil {
		return nil, err
	}
	var own []deployment
	for _, other := range all {
		if other.Port != d.Port || other.ID == d.ID || other.StoppedFor == "" && !h.running(other) {
			continue
		}
		if !other.of(env) {
			return nil, portTaken(d.Port, fmt.Sprintf("the app %s of the project %s, workspace %s", other.App, other.Project, other.Workspace))
		}
		if !other.Replaced {
			own = append(own, other)
		}
	}
	if err := h.portOfOthers(env, d.Port, len(own) > 0); err != nil {
		return nil, err
	}
	var before *former
	for _, other := range own {
		f, err := h.stop(ctx, env, other, d.ID, now)
		if before == nil || f != nil && f.environ != nil {
			before = f
		}
		if err != nil {
			return before, err
		}
	}
	limited, cancel := context.WithTimeout(ctx, portFreed)
	defer cancel()
	for !portFree(limited, d.Port) {
		if wait(limited, 20*time.Millisecond) != nil {
			return before, errors.Join(context.Cause(ctx), portTaken(d.Port, "another program"))
		}
	}
	return before, nil
}

// portOfOthers refuses a port that the stable port of an app has, or, where no deployment of the app has it, a program
// that Waypoint does not know.
func (h home) portOfOthers(env *plugin.Call, port int, own bool) error {
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	route, taken, err := place.Holder(port)
	if err != nil {
		return err
	}
	if taken {
		return portTaken(port, fmt.Sprintf("the stable port of the app %s of the project %s, workspace %s", route.App, route.Project, route.Workspace))
	}
	if !own && !portFree(context.Background(), port) {
		return portTaken(port, "another program")
	}
	return nil
}

func portTaken(port int, by string) error {
	return &plugin.Error{
		Message: fmt.Sprintf("port %d is taken by %s", port, by),
		Hint:    "`port` in the deploy stanza is the port on which the app itself listens; nothing else can listen there.",
	}
}

// portFree reports whether an app can listen on the port, on either loopback address.
func portFree(ctx context.Context, port int) bool {
	for _, host := range loopbackHosts() {
		if listens(ctx, stableport.Target{Host: host, Port: port}) {
			return false
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", machine.LoopbackAddr(port))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// running reports whether a deployment has a supervisor.
func (h home) running(d deployment) bool {
	lock, err := machine.TryLock(supervise.LockFile(h.deploymentDir(d.ID)))
	if err == nil {
		lock.Close()
	}
	return errors.Is(err, machine.ErrLocked)
}

// stop ends a deployment's processes and keeps its directory. That it was stopped is written down before: a runner that
// is killed in between leaves a trace for the next deploy.
func (h home) stop(ctx context.Context, env *plugin.Call, d deployment, successor string, now func() time.Time) (*former, error) {
	dir := h.deploymentDir(d.ID)
	f := &former{deployment: d, environ: h.environOf(ctx, env, d), stopped: now()}
	f.StoppedFor = successor
	if err := machine.WriteJSON(deploymentFile(dir), f.deployment); err != nil {
		return nil, err
	}
	lock, err := stopSupervisor(ctx, dir, d.Grace)
	if err != nil {
		return f, fmt.Errorf("stopping deployment %s: %w", d.ID, err)
	}
	defer lock.Close()
	if st, ok, err := supervise.ReadStatus(dir); err == nil && ok {
		if err := endProcess(ctx, st.Process, d.Grace); err != nil {
			return f, fmt.Errorf("stopping the process of deployment %s: %w", d.ID, err)
		}
	}
	return f, nil
}

// environOf finds the environment of a deployment's supervisor: as it was sealed, or from the process while it lives.
func (h home) environOf(ctx context.Context, env *plugin.Call, d deployment) []string {
	dir := h.deploymentDir(d.ID)
	if env.Sealer != nil {
		if environ, err := unsealEnviron(ctx, env.Sealer, dir, d.ID); err == nil {
			return environ
		}
	}
	st, ok, err := supervise.ReadStatus(dir)
	if err != nil || !ok || !st.Supervisor.Alive() {
		return nil
	}
	environ, err := machine.DaemonEnviron(st.Supervisor)
	if err != nil {
		return nil // on other systems than Linux
	}
	return environ
}

// startAgain starts a deployment that was stopped, and waits until it is healthy.
func (h home) startAgain(ctx context.Context, o Options, d deployment, environ []string) error {
	if environ == nil {
		return &plugin.Error{Message: "what it was started with was not kept", Hint: "Deploy again."}
	}
	dir := h.deploymentDir(d.ID)
	spec, ok, err := supervise.ReadSpec(dir)
	if err != nil {
		return err
	}
	if !ok {
		return &plugin.Error{Message: "the command that it was started with was not kept", Hint: "Deploy again."}
	}
	helper, err := o.helper(modeSupervise, dir, spec.Nonce)
	if err != nil {
		return err
	}
	if err := machine.Launch(ctx, helper, environ); err != nil {
		return fmt.Errorf("starting the app: %w", err)
	}
	if _, err := d.Health.await(ctx, dir, d.Port, nil); err != nil {
		return err
	}
	d.StoppedFor, d.Replaced = "", false
	return machine.WriteJSON(deploymentFile(dir), d)
}

// restoreFormer starts the former deployment again after the new one failed with cause, and returns the error to report:
// it says that there was a gap.
func (h home) restoreFormer(ctx context.Context, env *plugin.Call, o Options, before *former, cause error) error {
	if before == nil {
		return cause
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), before.Health.Timeout+stopSlack)
	defer cancel()
	step := env.UI.Step("Starting the former deployment again on port %d", before.Port)
	if err := h.startAgain(limited, o, before.deployment, before.environ); err != nil {
		step.Fail("The former deployment cannot be started again: %s", err)
		return fmt.Errorf("%w; the former deployment was stopped for it and cannot be started again (%w): nothing listens on port %d", cause, err, before.Port)
	}
	gap := o.Now().Sub(before.stopped).Round(100 * time.Millisecond)
	step.Done("The former deployment is running again; nothing listened on port %d for %s", before.Port, gap)
	return fmt.Errorf("%w; the former deployment is running again, after a gap of %s in which nothing listened on port %d", cause, gap, before.Port)
}

// replaced writes down that a former deployment stays stopped.
func (h home) replaced(before *former) error {
	if before == nil {
		return nil
	}
	before.Replaced = true
	return machine.WriteJSON(deploymentFile(h.deploymentDir(before.ID)), before.deployment)
}

// resume starts a deployment with a fixed port again if it was replaced and is now to be released: the serial
// replacement, in the other direction.
func (h home) resume(ctx context.Context, env *plugin.Call, o Options, id string) error {
	var d deployment
	ok, err := machine.ReadJSON(deploymentFile(h.deploymentDir(id)), &d)
	if err != nil || !ok || !d.Fixed || !d.Replaced {
		return err
	}
	environ := h.environOf(ctx, env, d)
	if environ == nil {
		return &plugin.Error{
			Message: fmt.Sprintf("the deployment was stopped when another one took port %d, and what it was started with was not kept", d.Port),
			Hint:    "Deploy its artifact again: `waypoint artifact list` shows it.",
		}
	}
	before, err := h.vacate(ctx, env, d, o.Now)
	if err == nil {
		err = h.startAgain(ctx, o, d, environ)
	}
	if err == nil {
		return h.replaced(before)
	}
	if before != nil {
		if lock, stopErr := stopSupervisor(context.WithoutCancel(ctx), h.deploymentDir(id), d.Grace); stopErr == nil {
			lock.Close()
		}
	}
	return h.restoreFormer(ctx, env, o, before, err)
}
