package lifecycle

import (
	"context"
	"fmt"

	"github.com/waypoint-serverless/waypoint/api/fault"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/internal/config"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
)

// build runs the build stage, or loads the build that an earlier attempt finished and this runner can use.
func (j *job) build(ctx context.Context) (*waypointv1.Build, error) {
	if done := j.finished(stepBuild); done != nil {
		build, err := j.findBuild(ctx, done.GetRecordId())
		if err != nil {
			return nil, err
		}
		if build.GetResult().GetPortable() {
			j.result.Build = build
			return build, nil
		}
	}
	stage, err := j.stage(config.Build, config.StageInput{})
	if err != nil {
		return nil, err
	}
	if stage == nil {
		return nil, &failure{reason: fault.ConfigInvalid, message: fmt.Sprintf("the app %q has no build stanza", j.app.Name)}
	}
	builder, err := component(j.stages, stage, j.h.Catalog.Builder)
	if err != nil {
		return nil, err
	}
	meta, err := j.newMeta(stepBuild, stage.Plugin, stage.Labels)
	if err != nil {
		return nil, err
	}
	build := &waypointv1.Build{Meta: meta}
	j.prints[stepBuild] = j.fingerprint(stage, builder)
	j.result.Build = build
	j.ui.Line(plugin.Header, "Building %s", j.app.Name)
	err = j.runStage(ctx, stageRun{
		step: stepBuild, labels: stage.Labels, hooks: stage.Hooks, rerunnable: true, record: buildRecord(build),
		fingerprint: func() []byte { return j.prints[stepBuild] },
		act: func(ctx context.Context, env *plugin.Call) error {
			return j.guarded(ctx, func(work context.Context) error {
				result, err := builder.Build(work, env)
				if err != nil {
					return err
				}
				build.Result, err = j.keep(meta, result)
				return err
			})
		},
	})
	return build, err
}

// push runs the registry stage. Without one the artifact is the build's output as it is.
func (j *job) push(ctx context.Context, build *waypointv1.Build) (*waypointv1.Artifact, error) {
	stage, err := j.stage(config.Registry, config.StageInput{Artifact: template(build.GetResult())})
	if err != nil {
		return nil, err
	}
	if stage == nil {
		return j.passThrough(ctx, build)
	}
	if err := j.reachable("build", build.GetMeta(), build.GetResult()); err != nil {
		return nil, err
	}
	registry, err := component(j.stages, stage, j.h.Catalog.Registry)
	if err != nil {
		return nil, err
	}
	artifact, err := j.newArtifact(build, stage.Plugin, stage.Labels)
	if err != nil {
		return nil, err
	}
	settings := j.fingerprint(stage, registry)
	j.ui.Line(plugin.Header, "Pushing %s", j.app.Name)
	err = j.runStage(ctx, stageRun{
		step: stepPush, labels: stage.Labels, hooks: stage.Hooks, rerunnable: true, record: artifactRecord(artifact),
		fingerprint: func() []byte {
			j.prints[stepPush] = withDigest(settings, artifact.GetResult().GetDigest())
			return j.prints[stepPush]
		},
		act: func(ctx context.Context, env *plugin.Call) error {
			return j.guarded(ctx, func(work context.Context) error {
				result, err := registry.Push(work, env, pluginArtifact(build.GetMeta(), build.GetResult()))
				if err != nil {
					return err
				}
				artifact.Result, err = j.keep(artifact.Meta, result)
				return err
			})
		},
	})
	return artifact, err
}

// passThrough records the build's output as the artifact. No plugin acts, so it is no step: an attempt that comes
// later writes the same record again.
func (j *job) passThrough(ctx context.Context, build *waypointv1.Build) (*waypointv1.Artifact, error) {
	artifact, err := j.newArtifact(build, build.GetMeta().GetPlugin(), build.GetMeta().GetLabels())
	if err != nil {
		return nil, err
	}
	artifact.Result = build.GetResult()
	artifact.Meta.State = waypointv1.RecordState_RECORD_STATE_SUCCESS
	artifact.Meta.CompletedUnixMs = j.h.Now().UnixMilli()
	j.prints[stepPush] = artifactFingerprint(artifact.GetResult())
	return artifact, j.putWith(ctx, artifactRecord(artifact), j.prints[stepPush])
}

func (j *job) newArtifact(build *waypointv1.Build, pluginName string, labels map[string]string) (*waypointv1.Artifact, error) {
	meta, err := j.newMeta(stepPush, pluginName, labels)
	if err != nil {
		return nil, err
	}
	artifact := &waypointv1.Artifact{Meta: meta, BuildId: build.GetMeta().GetId(), BuildSequence: build.GetMeta().GetSequence()}
	j.result.Artifact = artifact
	return artifact, nil
}
