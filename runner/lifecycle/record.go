package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"

	"github.com/waypoint-serverless/waypoint/api/fault"
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
	"github.com/waypoint-serverless/waypoint/runner/plugin"
	"github.com/waypoint-serverless/waypoint/runner/redact"
	"github.com/waypoint-serverless/waypoint/runner/source"
)

// labelHost names, on a record that other machines cannot use, the machine that can.
const labelHost = "waypoint/host"

// records reads and writes what the server keeps of the app in the workspace.
type records struct {
	*attempt
	// source is what was fetched; a record names it.
	source *source.Fetched
}

// recordID is the id of the record that a step of a job makes: the same in each attempt, so that an attempt after a
// lost runner goes on with the record, the sequence number and the deployment id of the one before.
func recordID(jobID, step string) (string, error) {
	id, err := ulid.ParseStrict(jobID)
	if err != nil {
		return "", fmt.Errorf("reading the job's id %q: %w", jobID, err)
	}
	sum := sha256.Sum256([]byte(jobID + "/" + step))
	if err := id.SetEntropy(sum[:10]); err != nil {
		return "", fmt.Errorf("making the id of a record: %w", err)
	}
	return id.String(), nil
}

func (j *records) newMeta(step, pluginName string, labels map[string]string) (*waypointv1.RecordMeta, error) {
	id, err := recordID(j.claim.GetJob().GetId(), step)
	if err != nil {
		return nil, err
	}
	return validate.ShortMeta(&waypointv1.RecordMeta{ // a commit's message may have any length
		Id: id, Project: j.spec.GetProject(), App: j.spec.GetApp(), Workspace: j.workspace(),
		JobId: j.claim.GetJob().GetId(), Plugin: pluginName, Labels: maps.Clone(labels), Source: redact.Message(j.secrets, j.source.Ref),
		StartedUnixMs: j.h.Now().UnixMilli(),
	}), nil
}

func metaOf(r *waypointv1.Record) *waypointv1.RecordMeta {
	switch kind := r.GetRecord().(type) {
	case *waypointv1.Record_Build:
		return kind.Build.GetMeta()
	case *waypointv1.Record_Artifact:
		return kind.Artifact.GetMeta()
	case *waypointv1.Record_Deployment:
		return kind.Deployment.GetMeta()
	case *waypointv1.Record_Release:
		return kind.Release.GetMeta()
	}
	return nil
}

// put writes a record and takes the sequence that the server gave it. One that is too large is refused here: it may be
// larger than what the server reads at all.
func (j *records) put(ctx context.Context, r *waypointv1.Record) error { return j.putWith(ctx, r, nil) }

// putWith writes a record with its fingerprint, which no other answer or record has.
func (j *records) putWith(ctx context.Context, r *waypointv1.Record, fingerprint []byte) error {
	if err := tooLarge(r); err != nil {
		return err
	}
	req := &waypointv1.PutRecordRequest{Fence: j.claim.GetFence(), Record: r, Fingerprint: fingerprint}
	res, err := call(ctx, j.attempt, j.h.Server.Agent.PutRecord, req)
	if err != nil {
		return err
	}
	if got := metaOf(res.GetRecord()); got != nil {
		metaOf(r).Sequence = got.GetSequence()
	}
	return nil
}

// tooLarge refuses a record that the server does not store; nil if it does.
func tooLarge(r *waypointv1.Record) error {
	n := proto.Size(r)
	if n <= validate.MaxRecord {
		return nil
	}
	return &failure{
		reason:  fault.TooLarge,
		message: fmt.Sprintf("what the plugin %s keeps has %d bytes: a record holds at most %d", metaOf(r).GetPlugin(), n, validate.MaxRecord),
		hint:    "Have it make less: fewer resources, shorter values and labels.",
	}
}

// withoutResult takes out of a record what its plugin keeps in it, so that it can be stored.
func withoutResult(r *waypointv1.Record) {
	switch kind := r.GetRecord().(type) {
	case *waypointv1.Record_Build:
		kind.Build.Result = nil
	case *waypointv1.Record_Artifact:
		kind.Artifact.Result = nil
	case *waypointv1.Record_Deployment:
		kind.Deployment.Result, kind.Deployment.Resources = nil, nil
	case *waypointv1.Record_Release:
		kind.Release.Result, kind.Release.Resources = nil, nil
	}
}

func buildRecord(b *waypointv1.Build) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Build{Build: b}}
}

func artifactRecord(a *waypointv1.Artifact) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Artifact{Artifact: a}}
}

func deploymentRecord(d *waypointv1.Deployment) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Deployment{Deployment: d}}
}

func releaseRecord(r *waypointv1.Release) *waypointv1.Record {
	return &waypointv1.Record{Record: &waypointv1.Record_Release{Release: r}}
}

// keep turns a component's result into what records hold, and adds its labels to the record's.
func (j *records) keep(meta *waypointv1.RecordMeta, r *plugin.Result) (*waypointv1.PluginResult, error) {
	state, err := r.MarshalState(meta.GetPlugin())
	if large := (*plugin.Error)(nil); errors.As(err, &large) {
		return nil, &failure{reason: fault.TooLarge, message: large.Message, hint: large.Hint}
	}
	if err != nil {
		return nil, err
	}
	template := r.Template
	if template == nil {
		template = map[string]any{}
	}
	shown, err := json.Marshal(template)
	if err != nil {
		return nil, fmt.Errorf("keeping the values of %s: %w", meta.GetPlugin(), err)
	}
	if meta.Labels == nil {
		meta.Labels = map[string]string{}
	}
	maps.Copy(meta.Labels, r.Labels)
	j.dropLabels(meta, r.Labels)
	if !r.Portable && j.h.Hostname != "" {
		meta.Labels[labelHost] = j.h.Hostname
	}
	return &waypointv1.PluginResult{StateJson: state, TemplateJson: shown, Digest: r.Digest, Portable: r.Portable}, nil
}

// dropLabels takes labels of a plugin out of a record that the server would refuse: what was made must not be lost for
// them.
func (j *records) dropLabels(meta *waypointv1.RecordMeta, made map[string]string) {
	dropped := 0
	for _, k := range slices.Backward(slices.Sorted(maps.Keys(made))) {
		one := validate.Labels("label", map[string]string{k: made[k]})
		if one != nil || len(meta.GetLabels()) >= validate.MaxLabels { // one is left for the host
			delete(meta.Labels, k)
			dropped++
		}
	}
	if dropped > 0 {
		j.ui.Line(plugin.Warning, "%d labels of %s are left out: a record has at most %d, of %d characters each", dropped, meta.GetPlugin(),
			validate.MaxLabels, validate.MaxLabelValue)
	}
}

// template is what expressions see of a result. Numbers stay as exact as JSON has them.
func template(r *waypointv1.PluginResult) map[string]any {
	out := map[string]any{}
	if len(r.GetTemplateJson()) > 0 {
		_ = json.Unmarshal(r.GetTemplateJson(), &out) // written by keep; what cannot be read is as if it were not there
	}
	return out
}

func (j *records) selector() *waypointv1.RecordSelector {
	return &waypointv1.RecordSelector{Project: j.spec.GetProject(), App: j.spec.GetApp(), Workspace: j.workspace()}
}

// ref is a record by its id, or the latest that succeeded.
func (j *records) ref(id string) *waypointv1.RecordRef {
	if id != "" {
		return &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Id{Id: id}}
	}
	return &waypointv1.RecordRef{Ref: &waypointv1.RecordRef_Latest{Latest: j.selector()}}
}

func missing(err error) bool {
	return fault.Is(err, fault.RecordNotFound) || fault.Is(err, fault.NotFound)
}

func (j *records) none(what, hint string) error {
	return &failure{
		reason:  fault.RecordNotFound,
		message: fmt.Sprintf("%s has no %s in workspace %s", j.spec.GetApp(), what, j.workspace()), hint: hint,
	}
}

// findBuild gets a build by id, or the latest.
func (j *records) findBuild(ctx context.Context, id string) (*waypointv1.Build, error) {
	res, err := call(ctx, j.attempt, j.h.Server.Builds.GetBuild, &waypointv1.GetBuildRequest{Ref: j.ref(id)})
	if missing(err) && id == "" {
		return nil, j.none("build", "Run: waypoint build")
	}
	if err != nil {
		return nil, err
	}
	return res.GetBuild(), nil
}

// findArtifact gets an artifact by id, or the latest.
func (j *records) findArtifact(ctx context.Context, id string) (*waypointv1.Artifact, error) {
	res, err := call(ctx, j.attempt, j.h.Server.Artifacts.GetArtifact, &waypointv1.GetArtifactRequest{Ref: j.ref(id)})
	if missing(err) && id == "" {
		return nil, j.none("artifact", "Run: waypoint build")
	}
	if err != nil {
		return nil, err
	}
	return res.GetArtifact(), nil
}

// findDeployment gets a deployment by id, or the latest.
func (j *records) findDeployment(ctx context.Context, id string) (*waypointv1.Deployment, error) {
	res, err := call(ctx, j.attempt, j.h.Server.Deployments.GetDeployment, &waypointv1.GetDeploymentRequest{Ref: j.ref(id)})
	if missing(err) && id == "" {
		return nil, j.none("deployment", "Run: waypoint deploy")
	}
	if err != nil {
		return nil, err
	}
	return res.GetDeployment(), nil
}

// latestRelease gets the latest release; nil if there is none.
func (j *records) latestRelease(ctx context.Context) (*waypointv1.Release, error) {
	res, err := call(ctx, j.attempt, j.h.Server.Releases.GetRelease, &waypointv1.GetReleaseRequest{Ref: j.ref("")})
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return res.GetRelease(), nil
}

// listDeployments lists all deployments of the app in the workspace that are not destroyed, newest first.
func (j *records) listDeployments(ctx context.Context) ([]*waypointv1.Deployment, error) {
	var all []*waypointv1.Deployment
	req := &waypointv1.ListDeploymentsRequest{Selector: j.selector(), Page: &waypointv1.Page{Size: 200}, Living: true}
	for {
		res, err := call(ctx, j.attempt, j.h.Server.Deployments.ListDeployments, req)
		if err != nil {
			return nil, err
		}
		for _, d := range res.GetDeployments() {
			if d.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED { // an older server sends those, too
				all = append(all, d)
			}
		}
		if res.GetNextPageToken() == "" {
			return all, nil
		}
		req.Page.Token = res.GetNextPageToken()
	}
}

// newestDeployment returns the app's newest deployment in the workspace, even if it has been destroyed; nil if there is
// none.
func (j *records) newestDeployment(ctx context.Context) (*waypointv1.Deployment, error) {
	req := &waypointv1.ListDeploymentsRequest{Selector: j.selector(), Page: &waypointv1.Page{Size: 1}}
	res, err := call(ctx, j.attempt, j.h.Server.Deployments.ListDeployments, req)
	if err != nil || len(res.GetDeployments()) == 0 {
		return nil, err
	}
	return res.GetDeployments()[0], nil
}

// listReleases lists all releases of the app in the workspace that are not destroyed, newest first.
func (j *records) listReleases(ctx context.Context) ([]*waypointv1.Release, error) {
	var all []*waypointv1.Release
	req := &waypointv1.ListReleasesRequest{Selector: j.selector(), Page: &waypointv1.Page{Size: 200}, Living: true}
	for {
		res, err := call(ctx, j.attempt, j.h.Server.Releases.ListReleases, req)
		if err != nil {
			return nil, err
		}
		for _, r := range res.GetReleases() {
			if r.GetPhysicalState() != waypointv1.PhysicalState_PHYSICAL_STATE_DESTROYED {
				all = append(all, r)
			}
		}
		if res.GetNextPageToken() == "" {
			return all, nil
		}
		req.Page.Token = res.GetNextPageToken()
	}
}

func pluginArtifact(meta *waypointv1.RecordMeta, r *waypointv1.PluginResult) *plugin.Artifact {
	return &plugin.Artifact{
		ID: meta.GetId(), Sequence: meta.GetSequence(), Plugin: meta.GetPlugin(),
		State: r.GetStateJson(), Template: template(r), Portable: r.GetPortable(),
	}
}

func pluginDeployment(d *waypointv1.Deployment) *plugin.Deployment {
	return &plugin.Deployment{
		ID: d.GetMeta().GetId(), Sequence: d.GetMeta().GetSequence(), Generation: d.GetGeneration(),
		Plugin: d.GetMeta().GetPlugin(), State: d.GetResult().GetStateJson(), Template: template(d.GetResult()), URL: d.GetUrl(),
	}
}

func pluginRelease(r *waypointv1.Release) *plugin.Release {
	return &plugin.Release{
		ID: r.GetMeta().GetId(), State: r.GetResult().GetStateJson(), URL: r.GetUrl(), DeploymentID: r.GetDeploymentId(),
	}
}

// putEnd writes a record at the end of its stage, which failed with err, if that is not nil. A record that is too large
// for what the plugin keeps in it is written without: it still says how the stage ended.
func (j *records) putEnd(ctx context.Context, r *waypointv1.Record, fingerprint func() []byte, err error) error {
	if large := tooLarge(r); large != nil {
		if err == nil {
			err = large
		}
		withoutResult(r)
		metaOf(r).State, metaOf(r).Error = waypointv1.RecordState_RECORD_STATE_ERROR, clip(err.Error(), messageMost, j.secrets)
	}
	var hash []byte
	if err == nil && fingerprint != nil {
		hash = fingerprint()
	}
	if putErr := j.putWith(ctx, r, hash); putErr != nil && err == nil {
		return putErr
	}
	return err
}

func (j *records) findRelease(ctx context.Context, id string) (*waypointv1.Release, error) {
	if id == "" {
		return j.latestRelease(ctx)
	}
	res, err := call(ctx, j.attempt, j.h.Server.Releases.GetRelease, &waypointv1.GetReleaseRequest{Ref: j.ref(id)})
	if err != nil {
		return nil, err
	}
	return res.GetRelease(), nil
}

// reachable refuses what only another machine can use.
func (j *records) reachable(what string, meta *waypointv1.RecordMeta, r *waypointv1.PluginResult) error {
	host := meta.GetLabels()[labelHost]
	if r.GetPortable() || host == "" || host == j.h.Hostname {
		return nil
	}
	return &failure{
		reason:  fault.RunnerLost,
		message: fmt.Sprintf("the %s v%d is on the machine %s, and this runner is on %s", what, meta.GetSequence(), host, j.h.Hostname),
		hint:    "Build again (waypoint up), or add a registry that both machines reach.",
	}
}
