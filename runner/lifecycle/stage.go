package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/command"
	"github.com/waypoint-serverless/waypoint/runner/lease"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// stages evaluates the stages of the app and runs them with their plugins and hooks.
type stages struct {
	*evaluation
	// prints are the fingerprints of the stages that the job has come to.
	prints fingerprints
}

// stage evaluates a stage of the app; nil if the app has none of that kind.
func (j *stages) stage(kind config.StageKind, in config.StageInput) (*config.Stage, error) {
	temp, err := j.tempDir()
	if err != nil {
		return nil, err
	}
	in.TempDir = temp
	stage, diags := j.app.Stage(kind, in)
	return stage, j.diagnosed(diags)
}

// tempDir is what plugins and functions write to; it goes with the job.
func (j *stages) tempDir() (string, error) {
	dir := filepath.Join(j.temp, "tmp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the job's directory: %w", err)
	}
	return dir, nil
}

// component makes a stage's component and decodes its configuration.
func component[C plugin.Component](j *stages, stage *config.Stage, of func(name string) (C, error)) (C, error) {
	c, err := of(stage.Plugin)
	if err != nil {
		var unknown *plugin.Error
		if errors.As(err, &unknown) {
			err = &failure{
				reason: fault.ConfigInvalid, hint: unknown.Hint,
				message: fmt.Sprintf("%s:%d:%d: %s", stage.Range.Filename, stage.Range.Start.Line, stage.Range.Start.Column, unknown.Message),
			}
		}
		return c, err
	}
	err = j.diagnosed(stage.Decode(c.Config()))
	j.secrets.Add(credentials(c.Config())...)
	return c, err
}

// env is what a component gets for a call; deploymentID names the deployment that the call is about, if it is about
// one.
func (j *stages) env(labels map[string]string, deploymentID string) *plugin.Call {
	temp, _ := j.tempDir() // made when the stage was evaluated
	return &plugin.Call{
		Host: plugin.Host{
			UI: j.ui, Secrets: j.secrets, Logger: j.log, LocalServer: j.h.LocalServer, Sealer: j.h.Sealer, ServerID: j.h.ServerID,
			Credential: j.credential,
		},
		Env: plugin.Env{
			Project: j.spec.GetProject(), App: j.spec.GetApp(), Workspace: j.workspace(), DeploymentID: deploymentID,
			JobID: j.claim.GetJob().GetId(), Attempt: j.claim.GetFence().GetAttempt(), LaneFence: j.claim.GetLaneFence(), Labels: labels,
			Environ: j.environ, AppEnviron: j.appEnviron, Sensitive: j.secrets.Values(), Dir: j.app.Path, ProjectDir: j.input.ProjectDir,
			TempDir: temp, StateDir: j.h.StateDir, Entrypoint: j.h.Entrypoint,
		},
	}
}

// stageRun is one stage to run as a step.
type stageRun struct {
	step string
	// labels and hooks of the stage; deploymentID is the deployment that it is about, if it is about one.
	labels       map[string]string
	deploymentID string
	hooks        []config.Hook
	// rerunnable reports whether the step may be run again after it was cut.
	rerunnable bool
	// record is written before and after; act completes it.
	record *waypointv1.Record
	act    func(ctx context.Context, env *plugin.Call) error
	// fingerprint returns that of the record once act has completed it; nil: not known.
	fingerprint func() []byte
}

// runStage runs a stage: its record says RUNNING, the hooks before, act, the hooks after, its record says how it ended.
func (j *stages) runStage(ctx context.Context, s stageRun) error {
	meta := metaOf(s.record)
	return j.step(ctx, s.step, s.rerunnable, func(ctx context.Context) (string, error) {
		meta.State, meta.Error, meta.CompletedUnixMs = waypointv1.RecordState_RECORD_STATE_RUNNING, "", 0
		if err := j.put(ctx, s.record); err != nil {
			return "", err
		}
		err := j.runHooks(ctx, s.hooks, "before")
		if err == nil {
			err = s.act(ctx, j.env(s.labels, s.deploymentID))
		}
		if err == nil {
			err = j.runHooks(ctx, s.hooks, "after")
		}
		if errors.Is(err, lease.ErrStale) {
			return "", err
		}
		meta.State, meta.CompletedUnixMs = waypointv1.RecordState_RECORD_STATE_SUCCESS, j.h.Now().UnixMilli()
		if err != nil {
			meta.State, meta.Error = waypointv1.RecordState_RECORD_STATE_ERROR, clip(err.Error(), messageMost, j.secrets)
		}
		return meta.GetId(), j.putEnd(ctx, s.record, s.fingerprint, err)
	})
}

// runHooks runs the hooks of one time in their order: no shell, in the project's directory. The first failure that
// does not allow going on ends it.
func (j *stages) runHooks(ctx context.Context, hooks []config.Hook, when string) error {
	for _, hook := range hooks {
		if hook.When != when || len(hook.Command) == 0 {
			continue
		}
		// The arguments say much and may be long: the program is named.
		step := j.ui.Step("Hook %s: %s", when, hook.Shown[0])
		err := j.guarded(ctx, func(work context.Context) error {
			return command.Run(work, command.Spec{
				Args: hook.Command, Dir: j.input.ProjectDir, Env: j.environ, Stdout: j.ui.Stdout(), Stderr: j.ui.Stderr(),
			})
		})
		if err == nil {
			step.Done("")
			continue
		}
		step.Fail("Hook %s: %s: %s", when, hook.Shown[0], err)
		switch {
		case stopped(err):
			return err
		case hook.OnFailure != "continue":
			return &failure{
				reason: fault.HookFailed, message: fmt.Sprintf("the hook %s %s failed", when, hook.Shown[0]), cause: err,
				hint: "Set on_failure = \"continue\" if its failure does not matter.",
			}
		}
	}
	return nil
}

// stopped reports whether an error is the lease's or the caller's word to stop, and no failure of what ran.
func stopped(err error) bool {
	return errors.Is(err, lease.ErrStale) || errors.Is(err, lease.ErrCanceled) || errors.Is(err, lease.ErrLapsed) ||
		errors.Is(err, context.Canceled)
}
