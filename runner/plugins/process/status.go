package process

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/waypoint-serverless/waypoint/runner/machine"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/plugins/process/supervise"
	"github.com/waypoint-serverless/waypoint/runner/plugins/stableport"
)

// DeploymentStatus reports the process's health: ready (runs and is healthy), alive (runs), down (does not run),
// missing.
func (p *platform) DeploymentStatus(ctx context.Context, env *plugin.Call, d *plugin.Deployment) (*plugin.Status, error) {
	h, err := homeOf(env)
	if err != nil {
		return nil, err
	}
	dir := h.deploymentDir(d.ID)
	var kept deployment
	ok, err := machine.ReadJSON(deploymentFile(dir), &kept)
	if err != nil {
		return nil, err
	}
	if !ok {
		return &plugin.Status{Health: plugin.Missing, Message: "The process is not on this machine."}, nil
	}
	st, ok, err := supervise.ReadStatus(dir)
	if err != nil {
		return nil, err
	}
	if !ok {
		return &plugin.Status{Health: plugin.Down, Message: "The process was never started."}, nil
	}
	kept.Process = st.Process
	health, message := judge(ctx, kept, st)
	health, message = crashes(st).Judge(health, message, time.Now())
	r := resource(kept, health, message, st.Started)
	r.State = map[string]any{
		"pid": st.Process.PID, "port": kept.Port, "dir": kept.Dir, "log": kept.Log,
		"restarts": st.Restarts, "exit_code": st.LastExit, "exits": st.Exits, "last_lines": supervise.Tail(dir, lastLines),
	}
	return &plugin.Status{Health: health, Message: message, Resources: []plugin.Resource{r}}, nil
}

func crashes(st supervise.Status) plugin.Crashes {
	c := plugin.Crashes{Restarts: st.Restarts, Started: st.Started}
	if st.Exits > 0 {
		c.ExitCode = &st.LastExit
	}
	return c
}

// ReadCrashes reads what the supervisor of a deployment has noted.
func (p *platform) ReadCrashes(stateDir string, d *plugin.Deployment) (c plugin.Crashes, ok bool) {
	st, ok, err := supervise.ReadStatus(home{dir: filepath.Join(stateDir, homeName)}.deploymentDir(d.ID))
	return crashes(st), ok && err == nil
}

func judge(ctx context.Context, d deployment, st supervise.Status) (plugin.Health, string) {
	var notes []string
	if st.Restarts > 0 {
		notes = append(notes, fmt.Sprintf("restarts: %d", st.Restarts))
	}
	if st.Exits > 0 {
		notes = append(notes, fmt.Sprintf("last exit code: %d", st.LastExit))
	}
	end := "."
	if len(notes) > 0 {
		end = " (" + strings.Join(notes, ", ") + ")."
	}
	switch {
	case d.Replaced && !st.Process.Alive():
		return plugin.Down, fmt.Sprintf("The process was stopped: another deployment has port %d%s", d.Port, end)
	case !st.Process.Alive() && !st.Supervisor.Alive():
		return plugin.Down, "The process and its supervisor do not run, after a restart of the machine perhaps; deploy again" + end
	case !st.Process.Alive() && st.State == supervise.Ended:
		return plugin.Down, "The process has ended" + end
	case !st.Process.Alive():
		return plugin.Down, "The process has ended and will be started again" + end
	}
	if _, err := d.Health.once(ctx, d.Port); err != nil {
		return plugin.Alive, fmt.Sprintf("Process %d runs, but %v%s", st.Process.PID, err, end)
	}
	return plugin.Ready, fmt.Sprintf("Process %d is healthy on port %d%s", st.Process.PID, d.Port, end)
}

// DestroyDeployment ends the process and removes its directory. Gone already is fine. If the app's route points to
// it, the route is cleared first, and requests that are under way may end.
func (p *platform) DestroyDeployment(ctx context.Context, env *plugin.Call, d *plugin.Deployment) error {
	h, err := homeOf(env)
	if err != nil {
		return err
	}
	place, err := stableport.In(env)
	if err != nil {
		return err
	}
	if err := place.Clear(ctx, env, d.ID); err != nil {
		return err
	}
	place.Drain(ctx, env, d.ID)
	return h.remove(ctx, d.ID)
}

// decodeDeployment reads the state of a deployment's record.
func decodeDeployment(d *plugin.Deployment) (deployment, error) {
	var out deployment
	if len(d.State) > 0 {
		if err := json.Unmarshal(d.State, &out); err != nil {
			return out, fmt.Errorf("reading the deployment: %w", err)
		}
	}
	if d.Plugin != "" && d.Plugin != "process" || out.Port == 0 {
		return out, &plugin.Error{
			Message: fmt.Sprintf("a deployment of the plugin %q cannot be released with \"process\"", d.Plugin),
			Hint:    "Use the release plugin that belongs to the deploy stanza's, or none.",
		}
	}
	return out, nil
}
